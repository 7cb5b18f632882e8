/** What `receiptd recover` says of what is beside the ledger's file: the keyring, the ratchet, the memory of what was signed, and targets that are empty. */
import { readOutbox } from "../anchor/outbox.ts";
import { AnchorError } from "../anchor/errors.ts";
import type { AuditReport } from "../audit/report.ts";
import { checkpointPeriods } from "../daemon/checkpoint-key.ts";
import type { LedgerName } from "../format/names.ts";
import { ratchetAt } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { signingKey } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { keyInUse, openEpoch } from "../ledger/keys-said.ts";
import { Reader } from "../ledger/reader.ts";
import { NEWEST_KEYRING, type Problem } from "../recover/diagnose.ts";
import type { HostKeys } from "./ledger-files.ts";

const SEED = "receiptd init --ratchet --seed FILE, with the auditor's seed; where nobody has it: receiptd key break (docs/OPERATIONS.md, “Forward-secure keys”)";

/** Of an undamaged ledger: what its receipts say of its keys. A retained key's ratchet is recomputed when the daemon starts: nothing to say. */
export function keysProblem(ledgerPath: string, { keyring, open }: HostKeys): readonly Problem[] {
  const reader = new Reader(ledgerPath, nodeHash.sha256);
  try {
    checkpointPeriods(reader, keyring.checkpointKeys);
    ratchetAt(keyring.ledgerId, signingKey(keyring, keyInUse(reader)), openEpoch(reader), open).key.fill(0);
    return [];
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    if (error.code === "ratchet_lost") return [{ code: "ratchet_lost", message: error.message, next: SEED }];
    if (error.code === "ratchet_ahead") {
      return [{ code: "ratchet_ahead", message: error.message, next: "put the newer copy of data_dir back; if it is gone for good: receiptd recover --rebuild --from an archive, move the file ratchet away, then " + SEED }];
    }
    return [{ code: "keys_unusable", message: error.message, next: NEWEST_KEYRING }];
  } finally {
    reader.close();
  }
}

/** `isBehind`: this host has signed more than the ledger has, or something else. */
export function outboxProblem(path: string, ledger: LedgerName, size: number): { readonly problem?: Problem; readonly isBehind: boolean } {
  try {
    const outbox = readOutbox(path, ledger);
    try {
      return { isBehind: Math.max(outbox.newest()?.treeSize ?? 0, outbox.newestConfirmed()?.treeSize ?? 0) > size };
    } finally {
      outbox.close();
    }
  } catch (error) {
    if (!(error instanceof AnchorError) || error.code !== "outbox_missing") throw error;
    return { isBehind: false, problem: { code: "outbox_missing", message: `${path} is missing, which knows what was signed`, next: "put it back with the ledger that it belongs to; if it is lost for good: receiptd init --outbox" } };
  }
}

/** No rebuilding of the ledger brings back what its targets have lost. */
export function targetProblems({ findings }: AuditReport): readonly Problem[] {
  return findings.filter(({ code, object }) => code === "anchor_missing" && object === undefined).map(({ message }) => ({
    code: "anchors_missing", message,
    next: "if it is a new place, under a name of its own, the daemon publishes every anchor there; else it is not the bucket, prefix or disk that it was, or they were removed: receiptd audit says which",
  }));
}
