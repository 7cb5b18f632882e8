/**
 * Real ledgers for tests and measurements: written by the real writer with real keys into a folder of their own, with a clock that
 * only the test moves. Everything follows from the options, so two runs make the same bytes.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { hashText } from "../../src/format/chain.ts";
import type { AnchorReason, Observed } from "../../src/format/fields.ts";
import { formatVkey } from "../../src/format/note.ts";
import { readRequest } from "../../src/format/request.ts";
import { systemRequest } from "../../src/format/seal.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { formatTime } from "../../src/format/time.ts";
import { uuidV7 } from "../../src/format/uuid.ts";
import { commitmentOf, EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { createLedger } from "../../src/ledger/create.ts";
import { Writer } from "../../src/ledger/writer.ts";
import type { WriterOptions } from "../../src/ledger/writer-options.ts";
import { signatureBy } from "./signature.ts";

export const ORIGIN = "test.example/receipts";
export const LEDGER_ID = "0123456789abcdef0123456789abcdef";
/** 2026-06-01T10:00:00.000Z */
export const START = Date.UTC(2026, 5, 1, 10);

export interface LedgerOptions {
  /** Callers' organizations, named org-0, org-1 …; default 3. */
  readonly organizations?: number;
  /** Receipts of callers in each batch. */
  readonly batches?: readonly number[];
  /** Receipts after the newest anchor. */
  readonly tail?: number;
  /** Folder; a temporary one by default. */
  readonly dir?: string;
  /** Another seed makes other keys (and so another ledger of the same name). */
  readonly seed?: string;
  /** Told before each anchor receipt is written: what the targets showed by then. */
  readonly observed?: (now: number) => readonly Observed[];
  /** Goes on from a copy of this one, which is closed and was made with the same seed and organizations. */
  readonly from?: TestLedger;
}

const PKCS8 = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20);

function secret(seed: string, name: string): Buffer {
  return createHash("sha256").update(`${seed} ${name}`).digest();
}

type CheckpointKey = Keyring["checkpointKeys"][number];

/** By seed: to check and to write a public key costs more than a small ledger. */
const checkpointKeys = new Map<string, CheckpointKey>();

function checkpointKey(seed: string): CheckpointKey {
  const known = checkpointKeys.get(seed);
  if (known !== undefined) return known;
  const privateKey: KeyObject = createPrivateKey({ key: Buffer.concat([PKCS8, secret(seed, "checkpoint")]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
  const key = { vkey: formatVkey(ORIGIN, publicKey), privateKey };
  checkpointKeys.set(seed, key);
  return key;
}

/** A keyring that no file holds. */
export function testKeyring(seed: string = "receiptd test"): Keyring {
  return {
    origin: ORIGIN,
    ledgerId: LEDGER_ID,
    hmacKeys: [{ keyId: "key_v1", mode: "retained", firstEpoch: 0, seed: secret(seed, "hmac") }],
    checkpointKeys: [{ ...checkpointKey(seed) }],
    requestSecret: secret(seed, "request"),
  };
}

/** By seed, the file of a ledger that has its genesis and nothing else: it is always the same. */
const created = new Map<string, { readonly file: Buffer; readonly ids: number }>();

/** A ledger that can go on growing. Close it before its file is changed by hand. */
export class TestLedger {
  readonly dir: string;
  readonly path: string;
  /** `sha256:…` of each ratchet_break receipt, in order. */
  readonly breaks: string[] = [];
  keyring: Keyring;
  readonly vkey: string;
  /** ms: what the ledger's clock shows; the test moves it. */
  now = START;
  observed: (now: number) => readonly Observed[];
  readonly #keys: EpochKeys;
  readonly #seed: string;
  readonly #organizations: number;
  #writer: Writer | undefined;
  #ids = 0;
  #receipts = 0;

  constructor(options: LedgerOptions = {}) {
    this.dir = options.dir ?? mkdtempSync(join(tmpdir(), "receiptd-test-"));
    this.path = join(this.dir, "ledger.db");
    this.#seed = options.seed ?? "receiptd test";
    this.keyring = testKeyring(this.#seed);
    this.vkey = this.keyring.checkpointKeys[0]!.vkey;
    this.observed = options.observed ?? (() => []);
    this.#organizations = options.organizations ?? 3;
    const { from } = options;
    this.#keys = new EpochKeys(this.keyring, ratchetAt(LEDGER_ID, this.keyring.hmacKeys[0]!, from === undefined ? 0 : from.#keys.epoch, null));
    if (from === undefined) {
      this.#create(this.#seed);
    } else {
      copyFileSync(from.path, this.path);
      [this.now, this.#ids, this.#receipts] = [from.now, from.#ids, from.#receipts];
    }
    this.#writer = Writer.open(this.path, this.#options());
    for (const count of options.batches ?? []) {
      this.append(count);
      this.anchor();
    }
    if (options.tail !== undefined) this.append(options.tail);
  }

  get size(): number {
    return this.#open().size;
  }

  /** As the writer has it in memory. */
  get logRoot(): Uint8Array {
    return this.#open().logRoot();
  }

  /** Appends `count` receipts of callers, organizations in turn, 512 to a transaction and a second. */
  append(count: number, fields: (n: number) => { readonly [name: string]: Json } = () => ({})): void {
    for (let left = count; left > 0; left -= 512) {
      this.now += 1000;
      const group = Array.from({ length: Math.min(512, left) }, () => {
        const n = this.#receipts++;
        return [readRequest({ ...decision(n), organization: `org-${n % this.#organizations}`, ...fields(n) }, "", () => this.#newId())];
      });
      const outcomes = this.#open().commit(group, this.#keys, "wal");
      if (outcomes.length !== group.length || outcomes.some(({ ok }) => !ok)) throw new Error("the test ledger refused a receipt");
    }
  }

  /** Closes the batch: an anchor receipt, and the next epoch. `change` makes it say something else. */
  anchor(
    reason: AnchorReason = "schedule", nextAnchorBy: number | null = this.now + 900_000,
    change: (details: { readonly [name: string]: Json }) => Json = (details) => details,
  ): number {
    this.now += 1000;
    const { treeSize } = this.#open().closeBatch(this.#keys, (facts, at) => change({
      ...facts,
      epoch_commitment: this.#keys.nextCommitment(),
      observed: this.observed(at).map((seen) => ({ ...seen })),
      next_anchor_by: nextAnchorBy === null ? null : formatTime(nextAnchorBy),
      reason,
    }));
    this.#keys.advance();
    return treeSize;
  }

  /** Closes the batch with the receipt that names another key, and goes on with that one. Returns the tree size. */
  rotate(keyId: string, claims: { readonly mode?: string } = {}): number {
    this.now += 1000;
    const firstEpoch = this.#keys.epoch + 1;
    const key = { keyId, mode: "retained", firstEpoch, seed: secret(this.#seed, `hmac ${keyId}`) } as const;
    const state = ratchetAt(LEDGER_ID, key, firstEpoch, null);
    const details = { previous_key_id: this.#keys.keyId, key_id: keyId, mode: "retained", reason: "request", ...claims };
    const { treeSize } = this.#open().closeBatch(this.#keys, (facts, at) => ({
      ...facts, epoch_commitment: commitmentOf(state.key), observed: this.observed(at).map((seen) => ({ ...seen })), next_anchor_by: formatTime(at + 900_000), reason: "request",
    }), { receipt: systemRequest("key_rotation", this.#newId(), details), keyId });
    this.#keys.change(state);
    this.keyring = { ...this.keyring, hmacKeys: [...this.keyring.hmacKeys, key] };
    return treeSize;
  }

  /** Closes the batch with the receipt that names another checkpoint key; `claims` makes it say something else. Returns the tree size of the anchor that both sign. */
  rotateCheckpoint(seed: string, claims: { readonly [name: string]: Json } = {}): number {
    this.now += 1000;
    const key = checkpointKey(seed);
    const details = { previous_vkey: this.keyring.checkpointKeys.at(-1)!.vkey, vkey: key.vkey, reason: "request", ...claims };
    const { treeSize } = this.#open().closeBatch(this.#keys, (facts, at) => ({
      ...facts, epoch_commitment: this.#keys.nextCommitment(), observed: this.observed(at).map((seen) => ({ ...seen })), next_anchor_by: formatTime(at + 900_000), reason: "request",
    }), { receipt: systemRequest("checkpoint_rotation", this.#newId(), details), keyId: this.#keys.keyId });
    this.#keys.advance();
    this.keyring = { ...this.keyring, checkpointKeys: [...this.keyring.checkpointKeys, { ...key, after: treeSize - 2 }] };
    return treeSize;
  }

  /** Goes on with a key that nothing has named, from the open epoch on, which it closes. Returns the tree size. */
  breakRatchet(keyId: string, reason = "the disk failed"): number {
    this.now += 1000;
    const { epoch, keyId: previous } = this.#keys;
    const key = { keyId, mode: "retained", firstEpoch: epoch, seed: secret(this.#seed, `hmac ${keyId}`) } as const;
    const state = ratchetAt(LEDGER_ID, key, epoch, null);
    const details = { previous_key_id: previous, key_id: keyId, mode: "retained", epoch_commitment: commitmentOf(state.key), ratchet: "lost", reason };
    this.#keys.change(state);
    const receiptId = this.#newId();
    const { treeSize } = this.#open().closeBatch(this.#keys, (facts, at) => ({
      ...facts, epoch_commitment: this.#keys.nextCommitment(), observed: this.observed(at).map((seen) => ({ ...seen })), next_anchor_by: formatTime(at + 900_000), reason: "request",
    }), { receipt: systemRequest("ratchet_break", receiptId, details), keyId });
    this.breaks.push(hashText(this.#open().find(receiptId)!.receiptHash));
    this.#keys.advance();
    this.keyring = { ...this.keyring, hmacKeys: [...this.keyring.hmacKeys, key] };
    return treeSize;
  }

  /** `since` in ms. */
  revoke(keyId: string, since: number, reason = "a backup was stolen"): void {
    this.announce("key_revocation", { key_id: keyId, compromised_since: formatTime(since), reason });
  }

  /** A receipt of the ledger's own. Returns its log index. */
  announce(type: "key_revocation" | "attestation", details: Json): number {
    this.now += 1000;
    return this.#open().announce(systemRequest(type, this.#newId(), details), this.#keys).logIndex;
  }

  /** Goes on with a ledger that was closed. */
  reopen(): void {
    this.#writer = Writer.open(this.path, this.#options());
  }

  /** Another text in the place of a receipt of the open epoch, signed with its key, and its hash in the index. Close the ledger first. */
  forge(logIndex: number, change: (text: string) => string): void {
    const db = new Database(this.path);
    try {
      const blob = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(logIndex) as Buffer;
      const changed = change(blob.toString());
      const { organization } = JSON.parse(changed) as { organization: string };
      const signature = signatureBy(this.#keys, organization, changed.replace(/"signature":"[^"]*",/, ""));
      const forged = Buffer.from(changed.replace(/"signature":"[^"]*"/, `"signature":"${signature}"`));
      const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all() as { name: string; sql: string }[];
      for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(forged, logIndex);
      db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(forged), logIndex);
      for (const { sql } of triggers) db.exec(sql);
    } finally {
      db.close();
    }
  }

  /** Moves the write-ahead log into the file; `busy` 1: somebody is reading in it. */
  checkpoint(): { readonly busy: number } {
    const db = new Database(this.path);
    try {
      const [{ busy }] = db.pragma("wal_checkpoint(TRUNCATE)") as [{ busy: number }];
      return { busy };
    } finally {
      db.close();
    }
  }

  close(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }

  /** Closes it and removes its folder. */
  remove(): void {
    this.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** The folder of a target with this name, beside the ledger. */
  targetPath(name: string): string {
    return join(this.dir, `target-${name}`);
  }

  #create(seed: string): void {
    const known = created.get(seed);
    if (known !== undefined) {
      writeFileSync(this.path, known.file);
      this.#ids = known.ids;
      return;
    }
    createLedger(this.path, {
      origin: ORIGIN,
      ledgerId: LEDGER_ID,
      details: {
        format: 1, ledger_id: LEDGER_ID, key_id: "key_v1", mode: "retained", epoch_commitment: this.#keys.commitment(), vkeys: [this.vkey],
      },
    }, this.#keys, this.#options());
    created.set(seed, { file: readFileSync(this.path), ids: this.#ids });
  }

  #open(): Writer {
    if (this.#writer === undefined) throw new Error("the test ledger is closed");
    return this.#writer;
  }

  #newId(): string {
    return uuidV7(this.now, secret("id", String(this.#ids++)));
  }

  #options(): WriterOptions {
    return {
      sha256: nodeHash.sha256,
      now: () => this.now,
      newId: () => this.#newId(),
      maxBatch: 65_536,
      maxOrganizations: 10_000,
      prefixOf: () => undefined,
    };
  }
}

/** About 800 bytes when sealed. */
function decision(n: number): { readonly [name: string]: Json } {
  return {
    system_id: "loan-scoring",
    model_version: "2026.05.1",
    decision: n % 3 === 0 ? "DENY" : "APPROVE",
    inputs: { amount: 1000 + (n % 977), applicant: `A-${100_000 + n}`, ratio: (n % 1000) / 1000, region: "EU" },
    gates: [{ name: "kyc", status: "PASS" }, { name: "limit", status: n % 7 === 0 ? "FAIL" : "PASS", threshold: 0.42 }],
    reasons: [`rule ${n % 13}`],
  };
}
