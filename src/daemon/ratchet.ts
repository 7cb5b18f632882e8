/** The ratchet of a forward-secure key made anew, where its file is lost: with the auditor's seed, while no daemon is running. */
import { rmSync } from "node:fs";
import type { Config } from "../config.ts";
import type { AnchorDetails, GenesisDetails } from "../format/fields.ts";
import { EpochKeys, ratchetAt } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { signingKey } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import type { Seed } from "../keys/seed.ts";
import { Reader } from "../ledger/reader.ts";
import { Writer } from "../ledger/writer.ts";
import { detailsOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import { openKeys, writerOptions } from "./init.ts";
import { placesOf } from "./places.ts";

/**
 * Steps the seed to the ledger's open epoch and files that key. `key_file_exists` where the ratchet has a key: one that is ahead of the
 * ledger says that the ledger is an older one. `bad_seed` unless the key is the one that the ledger has published for this epoch.
 */
export async function rebuildRatchet(config: Config, seed: Seed): Promise<{ readonly keyId: string; readonly epoch: number }> {
  const places = placesOf(config);
  const { root, keyring } = openKeys(config);
  const writer = Writer.open(places.ledger, writerOptions(config)); // and nobody else
  try {
    const key = signingKey(keyring, writer.keyId);
    if (key.keyId !== seed.keyId || keyring.ledgerId !== seed.ledgerId || key.firstEpoch !== seed.firstEpoch) {
      throw new KeyError("bad_seed", `the seed is that of ${seed.keyId} of ledger ${seed.ledgerId}, the key that signs is ${key.keyId} of ${keyring.ledgerId}`);
    }
    const ratchet = new RatchetFile(places.ratchet, root, keyring.ledgerId);
    const kept = ratchet.load(key.keyId);
    if (kept?.keyId === key.keyId) throw new KeyError("key_file_exists", `${places.ratchet} holds the key of epoch ${kept.epoch}; it is not made anew, and the ledger is at epoch ${writer.epoch}`);
    const state = ratchetAt(keyring.ledgerId, { ...key, seed: seed.seed }, writer.epoch, null);
    const commitment = new EpochKeys(keyring, state).commitment();
    const published = publishedCommitment(places.ledger);
    if (commitment !== published) throw new KeyError("bad_seed", `the seed does not lead to the key that the ledger has published for epoch ${writer.epoch}`);
    rmSync(places.ratchet, { force: true }); // no key is in it that this program can read
    ratchet.create(state);
    return { keyId: key.keyId, epoch: writer.epoch };
  } finally {
    writer.close();
  }
}

/** C of the open epoch: in the newest anchor receipt, or in genesis. */
function publishedCommitment(path: string): string | null {
  const reader = new Reader(path, nodeHash.sha256);
  try {
    const newest = reader.newestAnchor();
    const { blob } = reader.byIndex(newest === null ? 0 : newest.treeSize - 1)!;
    const { known, receipt } = verifyReceipt(blob!, nodeHash);
    return known ? detailsOf<AnchorDetails | GenesisDetails>(receipt).epoch_commitment : null;
  } finally {
    reader.close();
  }
}
