/**
 * Writes test/vectors/keys.json, receipts.json, requests.json, ledgers.json, anchors.json, evidence.json, exports.json, reports.json and attestations.json: `node scripts/vectors/ledger.ts`.
 * Deterministic: seeds, clock and ids are fixed, and Ed25519 and HMAC have no randomness. test/vectors/README.md says what is in them.
 */
import { writeFileSync } from "node:fs";
import { anchorVectors } from "./ledger/anchors.ts";
import { evidenceVectors } from "./ledger/evidence.ts";
import { exportVectors } from "./ledger/exports.ts";
import { keyVectors } from "./ledger/keys.ts";
import { ledgerVectors } from "./ledger/ledgers.ts";
import { receiptVectors } from "./ledger/receipts.ts";
import { attestationVectors, reportVectors } from "./ledger/reports.ts";
import { requestVectors } from "./ledger/requests.ts";

const lines = (vectors: readonly object[]): string => `[\n${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}\n]\n`;

/** Name to text. */
export function vectorFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["keys.json", `${JSON.stringify(keyVectors(), null, 2)}\n`],
    ["receipts.json", lines(receiptVectors())],
    ["requests.json", lines(requestVectors())],
    ["ledgers.json", lines(ledgerVectors())],
    ["anchors.json", lines(anchorVectors())],
    ["evidence.json", lines(evidenceVectors())],
    ["exports.json", lines(exportVectors())],
    ["reports.json", lines(reportVectors())],
    ["attestations.json", lines(attestationVectors())],
  ]);
}

if (process.argv[1] !== undefined && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  for (const [name, text] of vectorFiles()) writeFileSync(new URL(`../../test/vectors/${name}`, import.meta.url), text);
}
