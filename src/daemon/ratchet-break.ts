/**
 * A ledger that goes on without its ratchet, openly (docs/FORMAT.md section 7, ratchet_break): with a new key from the open epoch on, in a
 * receipt that every audit reports. Only while no daemon has the ledger, only where its key cannot be had in any other way on this host, and
 * never where more was anchored than the ledger has: what came back from a backup would be a second past.
 *
 * Order of writes, of which a crash may keep any first part: the new key is in the ratchet's file, beside what is left there; it is in the
 * keyring; the receipt and the anchor receipt behind it are in the ledger, in one transaction; the ratchet has the next epoch's key alone.
 * Before the transaction the daemon refuses as it did and the same command begins again; after it the daemon goes on.
 */
import { existsSync } from "node:fs";
import { type Comparison, compareOutbox, TargetWatch } from "../anchor/compare.ts";
import { openOutbox, type Outbox } from "../anchor/outbox.ts";
import { openTarget } from "../anchor/targets.ts";
import type { Config } from "../config.ts";
import { formatNumber, hashText } from "../format/chain.ts";
import type { RatchetBreakDetails } from "../format/fields.ts";
import { systemRequest } from "../format/seal.ts";
import { formatTime } from "../format/time.ts";
import { EpochKeys, keyCopy } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { addKey, type HmacKey, type Keyring, signingKey } from "../keys/keyring.ts";
import { newId } from "../keys/new-id.ts";
import { type NextKey, ratchetOf } from "../keys/next-key.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import type { RootKey } from "../keys/root-key.ts";
import { keyringProblem } from "../keys/seed.ts";
import { LedgerError } from "../ledger/errors.ts";
import { announcedIn, publishedEpoch } from "../ledger/keys-said.ts";
import { Reader } from "../ledger/reader.ts";
import { Writer } from "../ledger/writer.ts";
import { checkpointPeriods, knownVkeys } from "./checkpoint-key.ts";
import { openKeys, writerOptions } from "./init.ts";
import { type Places, placesOf } from "./places.ts";
import { openState } from "./ratchet.ts";

type Broken = RatchetBreakDetails["ratchet"];

const BROKEN: ReadonlyMap<string, Broken> = new Map([["ratchet_lost", "lost"], ["ratchet_ahead", "ahead"], ["ratchet_wrong", "wrong"]]);
/** docs/FORMAT.md section 7. */
const MAX_BATCH = 65_536;

export interface Went {
  readonly previous_key_id: string;
  readonly key_id: string;
  readonly mode: HmacKey["mode"];
  readonly ratchet: Broken;
  readonly first_epoch: number;
  readonly receipt_number: string;
  /** By which an auditor accepts it. */
  readonly receipt_hash: string;
  readonly tree_size: number;
}

interface Parts {
  readonly config: Config;
  readonly places: Places;
  readonly root: RootKey;
  readonly keyring: Keyring;
  readonly current: HmacKey;
  readonly ratchet: Broken;
  readonly writer: Writer;
  readonly outbox: Outbox;
}

export class RatchetBreak {
  readonly #parts: Parts;

  /** Locks the ledger. `ratchet_usable`, `key_pending`, `ledger_behind`, `forked`; TargetError where a target does not answer. */
  static async open(config: Config): Promise<RatchetBreak> {
    const places = placesOf(config);
    const { root, keyring } = await openKeys(config);
    const writer = Writer.open(places.ledger, writerOptions(config)); // and nobody else
    let outbox: Outbox | null = null;
    const reader = new Reader(places.ledger, nodeHash.sha256);
    try {
      if (writer.ledgerId !== keyring.ledgerId) throw new KeyError("wrong_ledger", `the keyring is that of ledger ${keyring.ledgerId}, the ledger is ${writer.ledgerId}`);
      const changed = keyringProblem(keyring, (epoch) => announcedIn(reader, epoch));
      if (changed !== null) throw new KeyError("key_file_damaged", changed);
      const current = signingKey(keyring, writer.keyId);
      const ratchet = whyBroken(reader, new RatchetFile(places.ratchet, root, keyring.ledgerId), keyring.ledgerId, current);
      const published = publishedEpoch(reader)?.epoch ?? writer.epoch;
      if (published !== writer.epoch) throw new LedgerError("ledger_corrupt", `the index says that epoch ${writer.epoch} is open, the newest anchor receipt that it is ${published}; run: receiptd audit`);
      if (existsSync(places.nextKey)) throw new KeyError("key_pending", `${places.nextKey} holds a key that the daemon has not taken up: remove the file; that key, and its seed, are void`);
      if (writer.openBatch.count >= MAX_BATCH) throw new KeyError("batch_full", `the open batch holds ${MAX_BATCH} receipts, and the ratchet_break has no room in it: only the auditor's seed can close it (receiptd init --ratchet --seed FILE)`);
      outbox = openOutbox(places.outbox, keyring);
      await requireNothingElse(config, reader, outbox, keyring);
      return new RatchetBreak({ config, places, root, keyring, current, ratchet, writer, outbox });
    } catch (error) {
      outbox?.close();
      writer.close();
      throw error;
    } finally {
      reader.close();
    }
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  get keyring(): Keyring { return this.#parts.keyring; }
  /** The key that has signed until now. */
  get current(): HmacKey { return this.#parts.current; }
  /** The open one, which ends with the new key. */
  get epoch(): number { return this.#parts.writer.epoch; }

  /** Goes on with the key. `next.secret` is that of this epoch, or a seed. */
  async goOn(next: NextKey, reason: string): Promise<Went> {
    const { places, root, keyring, current, ratchet, writer } = this.#parts;
    const { keyId, mode, createdAt } = next;
    const { epoch } = writer;
    const file = new RatchetFile(places.ratchet, root, keyring.ledgerId);
    const first = { keyId, epoch, key: ratchetOf(next, keyring.ledgerId) };
    const keys = new EpochKeys(keyring, { ...first, key: keyCopy(first.key) });
    try {
      file.load(current.keyId)?.key.fill(0);
      if (existsSync(places.ratchet)) await file.prepare(first);
      else file.create(first);
      addKey(places.keyring, root, { keyId, mode, firstEpoch: epoch, createdAt, seed: mode === "retained" ? next.secret : null }, current.keyId);
      const receiptId = newId();
      const details: RatchetBreakDetails = { previous_key_id: current.keyId, key_id: keyId, mode, epoch_commitment: keys.commitment(), ratchet, reason };
      const treeSize = this.#close(keys, receiptId, details);
      keys.advance();
      await this.#store(file, keys);
      const { prefix, recordedAt, orgSeq, receiptHash } = writer.find(receiptId)!;
      return { previous_key_id: current.keyId, key_id: keyId, mode, ratchet, first_epoch: epoch, receipt_number: formatNumber(prefix, formatTime(recordedAt), orgSeq), receipt_hash: hashText(receiptHash), tree_size: treeSize };
    } finally {
      first.key.fill(0);
      keys.erase();
      await file.close();
    }
  }

  close(): void {
    this.#parts.outbox.close();
    this.#parts.writer.close();
  }

  async #store(file: RatchetFile, keys: EpochKeys): Promise<void> {
    const { state } = keys;
    await file.store(state).finally(() => void state.key.fill(0));
  }

  #close(keys: EpochKeys, receiptId: string, details: RatchetBreakDetails): number {
    const { config: { anchor }, writer, outbox } = this.#parts;
    const observed = anchor.targets.flatMap(({ name }) => {
      const seen = outbox.confirmed(name);
      return seen === null ? [] : [{ target: name, tree_size: seen.treeSize, version_id: seen.versionId, last_modified: formatTime(seen.lastModified) }];
    });
    return writer.closeBatch(keys, (facts, at) => ({
      ...facts, epoch_commitment: keys.nextCommitment(), observed, next_anchor_by: formatTime(at + anchor.heartbeat + anchor.grace), reason: "request",
    }), { receipt: systemRequest("ratchet_break", receiptId, { ...details }), keyId: keys.keyId }).treeSize;
  }
}

/** Why the ledger's key cannot be had; `ratchet_usable` where it can. */
function whyBroken(reader: Reader, file: RatchetFile, ledgerId: string, key: HmacKey): Broken {
  const kept = file.load(key.keyId);
  try {
    const why = problemWith(reader, ledgerId, key, kept);
    if (why === null) throw new KeyError("ratchet_usable", `the ratchet has the key of ${key.keyId} for the open epoch, and the ledger goes on with it: receiptd serve; for another key: receiptd key rotate`);
    if (key.seed !== null && problemWith(reader, ledgerId, key, null) === null) throw new KeyError("ratchet_usable", `the keyring has the seed of ${key.keyId}: move the ratchet away, and receiptd serve makes it anew`);
    return why;
  } finally {
    kept?.key.fill(0);
  }
}

function problemWith(...asked: Parameters<typeof openState>): Broken | null {
  try {
    openState(...asked).key.fill(0);
    return null;
  } catch (error) {
    const why = error instanceof KeyError ? BROKEN.get(error.code) : undefined;
    if (why === undefined) throw error;
    return why;
  }
}

/** Neither this host nor a target has anchored anything that the ledger has not: as the daemon compares it before it signs. */
async function requireNothingElse(config: Config, reader: Reader, outbox: Outbox, keyring: Keyring): Promise<void> {
  refuse(compareOutbox(reader, outbox));
  const vkeys = knownVkeys(checkpointPeriods(reader, keyring.checkpointKeys));
  for (const target of config.anchor.targets) {
    const watch = new TargetWatch({ target: openTarget(target), reader, ledger: keyring, vkeys, signal: new AbortController().signal });
    refuse(await watch.compare(outbox.confirmed(target.name)));
  }
}

function refuse(wrong: Comparison | null): void {
  if (wrong?.state === "ledger_behind" || wrong?.state === "forked") throw new KeyError(wrong.state, wrong.detail);
}
