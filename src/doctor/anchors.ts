/**
 * What this host remembers of its anchors, and whether each target still has the newest that it had confirmed: that one was read back
 * when it was published, and only somebody with the provider's powers, or another bucket or disk in its place, takes it away again.
 */
import { beforeAnchor } from "../anchor/objects.ts";
import { type Confirmed, type Outbox, readOutbox } from "../anchor/outbox.ts";
import { type AnchorTarget, lockProblem, TargetError, type TargetVersion } from "../anchor/target.ts";
import type { Config } from "../config.ts";
import { placesOf } from "../daemon/places.ts";
import type { LedgerName } from "../format/names.ts";
import { parseVkey, type Vkey } from "../format/note.ts";
import { MAX_TLOG_PROOF_BYTES } from "../format/tlog-proof.ts";
import type { Keyring } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader } from "../ledger/reader.ts";
import { verifyAnchorObject } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";
import { type Check, messageOf, ok, problem, unchecked } from "./check.ts";
import { count } from "../format/count.ts";

/** By target; null where the outbox cannot be read. */
export type ConfirmedAt = ReadonlyMap<string, Confirmed | null> | null;

/** `ledger`: null where it cannot be opened, which is said elsewhere. */
export function checkOutbox(config: Config, ledger: (LedgerName & { readonly size: number }) | null): { readonly checks: readonly Check[]; readonly confirmed: ConfirmedAt } {
  if (ledger === null) return { checks: [], confirmed: null };
  const name = "anchor.db";
  const path = placesOf(config).outbox;
  let outbox: Pick<Outbox, "newest" | "confirmed" | "close"> | null = null;
  try {
    outbox = readOutbox(path, ledger);
    const signed = outbox.newest()?.treeSize ?? 0;
    const confirmed = new Map(config.anchor.targets.map((target) => [target.name, outbox?.confirmed(target.name) ?? null]));
    const size = signed <= ledger.size ? ledger.size : sizeNow(config); // a daemon has gone on since it was counted
    const check = signed <= size ? ok(name, `${path} opens and is this ledger's; anchors up to ${count(signed, "receipt")} are signed`)
      : problem(name, `it has signed an anchor of ${signed} receipts, the ledger has ${size}: was the ledger restored from a backup?`, "docs/OPERATIONS.md, “When something is wrong”: ledger_behind");
    return { checks: [check], confirmed };
  } catch (error) {
    return { checks: [problem(name, messageOf(error), "restore it with the ledger; if it is lost for good, move what is there away, then: receiptd init --outbox")], confirmed: null };
  } finally {
    outbox?.close();
  }
}

function sizeNow(config: Config): number {
  const reader = new Reader(placesOf(config).ledger, nodeHash.sha256);
  try {
    return reader.size();
  } finally {
    reader.close();
  }
}

/** Reads the newest confirmed anchor of a target again, with its lock. Empty where there is none, or no key to check it with. */
export async function checkNewestAnchor(target: AnchorTarget, confirmed: Confirmed | null, ledger: LedgerName, keyring: Keyring | null): Promise<readonly Check[]> {
  if (confirmed === null || keyring === null) return [];
  const { treeSize, versionId } = confirmed;
  const check = `target ${target.name}: newest anchor`;
  const anchor = `the anchor of ${count(treeSize, "receipt")}`;
  const vkeys = keyring.checkpointKeys.map(({ vkey }) => parseVkey(vkey));
  let first: string | null = null;
  try {
    // the versions of a folder have no ids of their own: junk beside the anchor has the same
    for await (const version of target.list(`${beforeAnchor(ledger, treeSize)}-`)) {
      if (version.kind !== "object" || version.versionId !== versionId) continue;
      const wrong = await wrongWith(target, version, ledger, vkeys);
      if (wrong === null) return [ok(check, `${anchor}, the newest that was confirmed, is there${target.retain === null ? "" : " and locked"}`)];
      first ??= `${version.name}: ${wrong}`;
    }
  } catch (error) {
    if (error instanceof TargetError) return [unchecked(check, error.message, "see the other checks of this target, and run this again")];
    throw error;
  }
  const found = first === null ? "is not there any more" : `does not count any more: ${first}`;
  return [problem(check, `${anchor} was confirmed (version ${versionId.slice(0, 100)}) and ${found}`, "is it the right bucket, prefix or disk? If so: receiptd audit, and “target_lost” in docs/OPERATIONS.md")];
}

async function wrongWith(target: AnchorTarget, version: TargetVersion, ledger: LedgerName, vkeys: readonly Vkey[]): Promise<string | null> {
  try {
    const stored = await target.get(version, MAX_TLOG_PROOF_BYTES);
    verifyAnchorObject(version.name, stored.bytes, ledger, vkeys, { hash: nodeHash });
    return lockProblem(target.retain, stored);
  } catch (error) {
    if (error instanceof VerifyError || (error instanceof TargetError && (error.code === "target_missing" || error.code === "target_damaged"))) return `${error.code}: ${error.message}`;
    throw error;
  }
}
