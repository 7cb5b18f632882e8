/** The vectors' ledger and target, as src/verify takes them. */
import { readFileSync } from "node:fs";
import { KEY_ID, LEDGER_ID, LOG_KEY, ORIGIN, SEED, scenario } from "../../scripts/vectors/ledger/build.ts";
import { fromBase64 } from "../../src/format/bytes.ts";
import { parseVkey } from "../../src/format/note.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetKeys, ratchetStart } from "../../src/verify/keys.ts";
import { LedgerWalk } from "../../src/verify/ledger.ts";
import { type VerifiedReceipt, verifyReceipt } from "../../src/verify/receipt.ts";
import type { TargetObject } from "../../src/verify/target.ts";

export const LEDGER = { origin: ORIGIN, ledgerId: LEDGER_ID };
export const VKEYS = [parseVkey(LOG_KEY.vkey)];
export const BASE = scenario();

export const newKeys = (): RatchetKeys => new RatchetKeys([ratchetStart(LEDGER_ID, { keyId: KEY_ID, firstEpoch: 0, seed: SEED }, nodeHash)], { hash: nodeHash });

export const verified = (blobs: readonly Uint8Array[]): VerifiedReceipt[] => blobs.map((blob) => verifyReceipt(blob, nodeHash));

/** `code@place` of every finding, and the walk. */
export function walked(blobs: readonly Uint8Array[], withKeys = true): { readonly findings: string[]; readonly walk: LedgerWalk } {
  const walk = new LedgerWalk({ ...LEDGER, hash: nodeHash, keys: withKeys ? newKeys() : undefined });
  return { findings: blobs.flatMap((blob, at) => walk.step(blob).map((error) => `${error.code}@${at}`)), walk };
}

interface LedgerVector {
  readonly name: string;
  readonly blobs: readonly (string | number)[];
  readonly ok: boolean;
}

/** Every ledger of ledgers.json with blobs that pass 13.1. */
export function readableLedgers(): { readonly name: string; readonly receipts: VerifiedReceipt[] }[] {
  const ledgers = read<readonly LedgerVector[]>("ledgers.json");
  return ledgers.flatMap(({ name, blobs }) => {
    try {
      return [{ name, receipts: verified(blobs.map((blob) => Buffer.from(typeof blob === "number" ? (ledgers[0]!.blobs[blob] as string) : blob))) }];
    } catch {
      return [];
    }
  });
}

/** The good target of anchors.json. */
export function goodTarget(): TargetObject[] {
  const [first] = read<readonly { readonly objects: readonly { readonly name: string; readonly base64: string }[] }[]>("anchors.json");
  return first!.objects.map(({ name, base64 }) => ({ name, bytes: fromBase64(base64)! }));
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8")) as T;
}
