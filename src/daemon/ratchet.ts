/** The key that signs next, as it must be for this ledger; and the ratchet made anew where its file is lost, with the auditor's seed, while no daemon is running. */
import { rmSync } from "node:fs";
import type { Config } from "../config.ts";
import { commitmentOf, ratchetAt, type RatchetState } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { type HmacKey, signingKey } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import type { Seed } from "../keys/seed.ts";
import { openEpoch, publishedEpoch } from "../ledger/keys-said.ts";
import { Reader } from "../ledger/reader.ts";
import { Writer } from "../ledger/writer.ts";
import { openKeys, writerOptions } from "./init.ts";
import { placesOf } from "./places.ts";

/**
 * K of the ledger's open epoch, stepped from `kept` or from the seed. `ratchet_lost`, `ratchet_ahead`; `ratchet_wrong` for another key than
 * the ledger has published for this epoch: what it signs, nobody could check. Where the receipt that says it is damaged, which the audit
 * finds, there is nothing to compare with.
 */
export function openState(reader: Reader, ledgerId: string, key: HmacKey, kept: RatchetState | null): RatchetState {
  const published = publishedEpoch(reader);
  const state = ratchetAt(ledgerId, key, published?.epoch ?? openEpoch(reader), kept);
  if (published === null || published.commitment === commitmentOf(state.key)) return state;
  state.key.fill(0);
  const next = key.seed === null ? "make it again with the auditor's seed (receiptd init --ratchet --seed FILE; where nobody has it: receiptd key break)" : "the next start makes it anew from the keyring";
  throw new KeyError("ratchet_wrong", `the key of epoch ${state.epoch} of ${state.keyId} is not the one that the ledger has published for it: ratchet, keyring or ledger was changed, or they are not of one ledger; if it is the ratchet, move it away: ${next}`);
}

/**
 * Steps the seed to the ledger's open epoch and files that key. `key_file_exists` where the ratchet has a key: one that is ahead of the
 * ledger says that the ledger is an older one. `bad_seed` unless the key is the one that the ledger has published for this epoch.
 */
export async function rebuildRatchet(config: Config, seed: Seed): Promise<{ readonly keyId: string; readonly epoch: number }> {
  const places = placesOf(config);
  const { root, keyring } = await openKeys(config);
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
    if (commitmentOf(state.key) !== commitmentIn(places.ledger)) throw new KeyError("bad_seed", `the seed does not lead to the key that the ledger has published for epoch ${writer.epoch}`);
    rmSync(places.ratchet, { force: true }); // no key is in it that this program can read
    ratchet.create(state);
    return { keyId: key.keyId, epoch: writer.epoch };
  } finally {
    writer.close();
  }
}

function commitmentIn(path: string): string | null {
  const reader = new Reader(path, nodeHash.sha256);
  try {
    return publishedEpoch(reader)?.commitment ?? null;
  } finally {
    reader.close();
  }
}
