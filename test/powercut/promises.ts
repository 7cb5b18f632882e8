/**
 * What must hold between ledger, ratchet, outbox and target at every moment at which the power can fail (docs/ARCHITECTURE.md): the
 * order of writes is the promise, and every image of a disk is a witness to it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOutbox } from "../../src/anchor/outbox.ts";
import { equal } from "../../src/format/bytes.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile, type RootKey } from "../../src/keys/root-key.ts";
import { Reader } from "../../src/ledger/reader.ts";

/** The sentences that do not hold in a daemon's data_dir; `published` are the tree sizes at its one target. */
export function brokenPromises(data: string, published: readonly number[]): readonly string[] {
  const root = openRootKeyFile(join(data, "root.key"));
  const keyring = openKeyring(join(data, "keyring.json"), root);
  const reader = new Reader(join(data, "ledger.db"), nodeHash.sha256);
  const outbox = openOutbox(join(data, "anchor.db"), keyring);
  try {
    const epochs = epochsIn(join(data, "ratchet"), root, keyring.ledgerId);
    const signed = outbox.newest();
    const anchor = signed === null ? undefined : reader.anchors(signed.treeSize - 1, 1)[0];
    const signedEpoch = signed === null ? -1 : reader.byIndex(signed.treeSize - 1)?.keyEpoch ?? Number.POSITIVE_INFINITY;
    const newest = reader.newestAnchor();
    const openEpoch = newest === null ? 0 : reader.byIndex(newest.treeSize - 1)!.keyEpoch + 1;
    const promises: readonly (readonly [string, boolean])[] = [
      ["what is signed is an anchor of the ledger", signed === null || (anchor?.treeSize === signed.treeSize && equal(anchor.root, signed.root))],
      ["the key of an epoch is overwritten before its anchor is signed", epochs.every((epoch) => epoch > signedEpoch)],
      ["there is always a key", epochs.length > 0],
      ["no key is ahead of the ledger", epochs.every((epoch) => epoch <= openEpoch)],
      ["what is published is signed", (published.at(-1) ?? 0) <= outbox.signedSize()],
      ["what is confirmed is published", published.includes(outbox.confirmed("local")?.treeSize ?? published[0] ?? 0) || outbox.confirmed("local") === null],
    ];
    return promises.filter(([, holds]) => !holds).map(([sentence]) => sentence);
  } finally {
    reader.close();
    outbox.close();
  }
}

const SLOT = 512;

/** The epochs whose keys can be read in the ratchet file: each slot by itself. */
export function ratchetEpochs(data: string): readonly number[] {
  const root = openRootKeyFile(join(data, "root.key"));
  return epochsIn(join(data, "ratchet"), root, openKeyring(join(data, "keyring.json"), root).ledgerId);
}

function epochsIn(file: string, root: RootKey, ledgerId: string): readonly number[] {
  const bytes = readFileSync(file);
  const scratch = mkdtempSync(join(tmpdir(), "ratchet-"));
  try {
    return [0, SLOT].flatMap((other) => {
      const one = Buffer.from(bytes).fill(0, other, other + SLOT);
      const path = join(scratch, String(other));
      writeFileSync(path, one, { mode: 0o600 });
      const state = new RatchetFile(path, root, ledgerId).load();
      return state === null ? [] : [state.epoch];
    });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
