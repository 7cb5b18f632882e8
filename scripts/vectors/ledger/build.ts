/** Small ledgers, receipt by receipt, with a hook wherever one can go wrong (docs/FORMAT.md sections 4 to 8). Not from src/. */
import {
  bytes, checkpointKey, entryOf, type EpochKeys, epochKeys, fixed, hashText, jcs, type Json, leafOf, type Members, mth, organizationKey, sha256, signReceipt, uint64,
} from "./primitives.ts";

export const ORIGIN = "receipts.example.com/loans";
export const LEDGER_ID = "4f1d2c3b5a69788796a5b4c3d2e1f001";
export const KEY_ID = "key_v1";
export const SEED = fixed("hmac seed");
export const LOG_KEY = checkpointKey(ORIGIN, fixed("checkpoint key"));
/** Those after it. */
export const SECOND_LOG_KEY = checkpointKey(ORIGIN, fixed("second checkpoint key"));
export const THIRD_LOG_KEY = checkpointKey(ORIGIN, fixed("third checkpoint key"));

/** The last seconds of a year, so that numbers of two years come up. */
const START = Date.UTC(2026, 11, 31, 23, 59, 58, 0);
const PREFIX: Readonly<Record<string, string>> = { _ledger: "LEDGER", acme: "ACME", beta: "BETA", default: "RCP" };

const timeText = (ms: number): string => new Date(ms).toISOString();
export const idOf = (n: number): string => `019b7679-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

/** What is done to one receipt: to its members before they are signed, after, or to the finished bytes. */
export interface Hook {
  readonly before?: (members: Members) => void;
  /** Replaces the key that signs. */
  readonly macKey?: Uint8Array;
  readonly after?: (receipt: Members) => void;
  readonly bytes?: (blob: Buffer) => Buffer;
}

interface SigningKey {
  readonly keyId: string;
  readonly seed: Uint8Array;
  readonly firstEpoch: number;
}

const keysAt = ({ keyId, seed, firstEpoch }: SigningKey, epoch: number): EpochKeys => epochKeys(seed, LEDGER_ID, keyId, epoch - firstEpoch);

interface Head {
  readonly first: Buffer;
  readonly seq: number;
  readonly hash: Buffer;
}

export class Builder {
  readonly blobs: Buffer[] = [];
  readonly hashes: Buffer[] = [];
  /** Tree sizes. */
  readonly anchors: number[] = [];
  readonly #hooks: Readonly<Record<number, Hook>>;
  readonly #heads = new Map<string, Head>();
  #now = START;
  #epoch = 0;
  #key: SigningKey = { keyId: KEY_ID, seed: SEED, firstEpoch: 0 };
  #next: SigningKey | null = null;

  /** `hooks` by log_index. */
  constructor(hooks: Readonly<Record<number, Hook>> = {}) {
    this.#hooks = hooks;
  }

  get leaves(): Buffer[] {
    return this.hashes.map((hash) => leafOf(entryOf(hash)));
  }

  rootAt(size: number): Buffer {
    return mth(this.leaves.slice(0, size));
  }

  add(organization: string, fields: Members): void {
    const index = this.blobs.length;
    const hook = this.#hooks[index] ?? {};
    const head = this.#heads.get(organization);
    const seq = (head?.seq ?? 0) + 1;
    const recordedAt = timeText(this.#now);
    const members: Members = {
      ...fields,
      organization,
      receipt_id: idOf(index),
      schema_version: 1,
      ledger: ORIGIN,
      receipt_number: `${PREFIX[organization]}-${recordedAt.slice(0, 4)}-${String(seq).padStart(5, "0")}`,
      org_seq: seq,
      log_index: index,
      recorded_at: recordedAt,
      key_id: this.#key.keyId,
      key_epoch: this.#epoch,
      previous_receipt_hash: head === undefined ? null : hashText(head.hash),
    };
    hook.before?.(members);
    const { S } = keysAt(this.#key, members["key_epoch"] as number);
    const { receipt } = signReceipt(members, hook.macKey ?? organizationKey(S, members["organization"] as string));
    hook.after?.(receipt);
    const blob = hook.bytes?.(bytes(jcs(receipt))) ?? bytes(jcs(receipt));
    const hash = sha256(blob);
    this.blobs.push(blob);
    this.hashes.push(hash);
    this.#heads.set(organization, { first: head?.first ?? hash, seq, hash });
    this.#now += 250;
  }

  genesis(): void {
    const { C } = epochKeys(SEED, LEDGER_ID, KEY_ID, 0);
    this.add("_ledger", {
      type: "genesis",
      details: { format: 1, ledger_id: LEDGER_ID, key_id: KEY_ID, mode: "retained", epoch_commitment: hashText(C), vkeys: [LOG_KEY.vkey] },
    });
  }

  /** Turns the clock back. */
  clockStep(ms: number): void {
    const from = timeText(this.#now - 250);
    this.#now -= ms;
    this.add("_ledger", { type: "clock_step", details: { from, to: timeText(this.#now) } });
  }

  /** Before the anchor with which the next key begins. */
  rotate(keyId: string, seed: Uint8Array, mode = "retained"): void {
    this.add("_ledger", { type: "key_rotation", details: { previous_key_id: this.#key.keyId, key_id: keyId, mode, reason: "request" } });
    this.#next = { keyId, seed, firstEpoch: this.#epoch + 1 };
  }

  /** Before the anchor that both checkpoint keys sign. */
  rotateCheckpoint(previous: { readonly vkey: string }, next: { readonly vkey: string }): void {
    this.add("_ledger", { type: "checkpoint_rotation", details: { previous_vkey: previous.vkey, vkey: next.vkey, reason: "request" } });
  }

  /** The first of its key, before the anchor with which the epoch ends. */
  breakRatchet(keyId: string, seed: Uint8Array, ratchet = "lost"): void {
    const previous = this.#key.keyId;
    this.#key = { keyId, seed, firstEpoch: this.#epoch };
    this.add("_ledger", {
      type: "ratchet_break",
      details: {
        previous_key_id: previous, key_id: keyId, mode: "retained", epoch_commitment: hashText(keysAt(this.#key, this.#epoch).C), ratchet, reason: "the disk with the ratchet failed",
      },
    });
  }

  anchor(reason: string, observed: readonly Json[] = []): void {
    const first = this.anchors.at(-1) ?? 0;
    const count = this.blobs.length - first;
    const next = this.#next ?? this.#key;
    const { C } = keysAt(next, this.#epoch + 1);
    this.add("_ledger", {
      type: "anchor",
      details: {
        batch: { first_index: first, count, root: hashText(mth(this.leaves.slice(first))) },
        previous_anchor: first === 0 ? null : { tree_size: first, root: hashText(this.rootAt(first)) },
        org_heads_root: this.headsRoot(),
        epoch_commitment: hashText(C),
        observed,
        next_anchor_by: reason === "shutdown" ? null : timeText(this.#now + 900_000),
        reason,
      },
    });
    this.anchors.push(this.blobs.length);
    this.#key = next;
    this.#next = null;
    this.#epoch++;
  }

  headsRoot(without?: string): string {
    const heads = [...this.#heads].filter(([organization]) => organization !== without);
    return hashText(mth(heads.map(([, { first, seq, hash }]) => leafOf(Buffer.concat([first, uint64(seq), hash])))));
  }
}

export const decision = (fields: Members = {}): Members => ({
  type: "decision", system_id: "credit-scoring", decision: "approve", inputs: { score: 0.87, amount: 25000 }, ...fields,
});

const observed = (size: number): Json => ({ target: "disk", tree_size: size, version_id: "1", last_modified: "2026-12-31T23:59:59.250Z" });

/**
 * The ledger that all others are made from: three organizations, five epochs, a heartbeat, a clock step, receipts of two years.
 * 0 genesis, 1 acme, 2 beta, 3 acme, 4 anchor; 5 anchor; 6 default, 7 acme, 8 clock_step, 9 beta, 10 anchor; 11 acme, 12 anchor; 13 beta.
 */
export function scenario(hooks: Readonly<Record<number, Hook>> = {}): Builder {
  const b = new Builder(hooks);
  b.genesis();
  b.add("acme", decision({
    model_version: "2.3.1", timestamp: "2026-12-31T23:59:58Z", user_id: "Zoë", gates: [{ name: "kyc", status: "PASS" }, { name: "limit", status: "WARN", detail: [1, 2.5, 1e-7] }],
  }));
  b.add("beta", decision({ decision: { outcome: "deny", code: 17 }, reasons: ["income", { rule: 4 }], metadata: { "": null, "10": true, "9": false } }));
  b.add("acme", { type: "x_override", system_id: "desk", x_by: "supervisor 4", x_note: "“quoted”\n\u0001\u2028😀" });
  b.anchor("start");
  b.anchor("heartbeat", [observed(5)]);
  b.add("default", decision({ summary: "a \"quoted\" {brace} [bracket] \\ backslash" }));
  b.add("acme", decision({
    inputs: { a: { signature: `hmac-sha256:${"0".repeat(64)}`, z: 1 } },
    metadata: { note: `"signature":"hmac-sha256:${"0".repeat(64)}",`, 'a"signature': `hmac-sha256:${"0".repeat(64)}`, b: 1 },
  }));
  b.clockStep(750);
  b.add("beta", decision({ model_epoch: 3, region: "eu-west-1", policy_version: "p-9", chain_id: "c-1" }));
  b.anchor("schedule", [observed(6)]);
  b.add("acme", decision());
  b.anchor("shutdown", [observed(11)]);
  b.add("beta", decision());
  return b;
}

export const NEXT_KEY = "key_v2";
export const NEXT_SEED = fixed("hmac seed of key_v2");

/**
 * A ledger whose key is rotated, and then revoked. 0 genesis, 1 acme, 2 anchor; 3 acme, 4 key_rotation, 5 anchor; 6 acme, 7 anchor;
 * 8 key_revocation, 9 anchor; 10 beta. `between`: receipts of acme after the key_rotation, before its anchor.
 */
export function rotatedScenario(hooks: Readonly<Record<number, Hook>> = {}, between = 0): Builder {
  const b = new Builder(hooks);
  b.genesis();
  b.add("acme", decision());
  b.anchor("start");
  b.add("acme", decision());
  b.rotate(NEXT_KEY, NEXT_SEED);
  for (let i = 0; i < between; i++) b.add("acme", decision());
  b.anchor("request");
  b.add("acme", decision());
  b.anchor("schedule");
  b.add("_ledger", { type: "key_revocation", details: { key_id: KEY_ID, compromised_since: "2026-12-31T23:59:58.600Z", reason: "the backup of key_v1 was stolen" } });
  b.anchor("schedule");
  b.add("beta", decision());
  return b;
}

/**
 * A ledger that lost its ratchet. 0 genesis, 1 acme, 2 anchor; 3 acme, 4 anchor; 5 acme, 6 ratchet_break, 7 anchor; 8 acme, 9 anchor; 10 beta.
 * `before`: receipts of acme in the epoch before the ratchet_break; `between`: behind it, before its anchor.
 */
export function brokenScenario(hooks: Readonly<Record<number, Hook>> = {}, before = 1, between = 0): Builder {
  const b = new Builder(hooks);
  b.genesis();
  b.add("acme", decision());
  b.anchor("start");
  b.add("acme", decision());
  b.anchor("schedule");
  for (let i = 0; i < before; i++) b.add("acme", decision());
  b.breakRatchet(NEXT_KEY, NEXT_SEED);
  for (let i = 0; i < between; i++) b.add("acme", decision());
  b.anchor("request");
  b.add("acme", decision());
  b.anchor("schedule");
  b.add("beta", decision());
  return b;
}

/**
 * A ledger whose checkpoint key is rotated twice. 0 genesis, 1 acme, 2 anchor; 3 acme, 4 checkpoint_rotation, 5 anchor; 6 acme, 7 anchor;
 * 8 checkpoint_rotation, 9 anchor; 10 beta, 11 anchor. `between`: receipts of acme after the first rotation, before its anchor.
 */
export function handedOver(hooks: Readonly<Record<number, Hook>> = {}, between = 0): Builder {
  const b = new Builder(hooks);
  b.genesis();
  b.add("acme", decision());
  b.anchor("start");
  b.add("acme", decision());
  b.rotateCheckpoint(LOG_KEY, SECOND_LOG_KEY);
  for (let i = 0; i < between; i++) b.add("acme", decision());
  b.anchor("request");
  b.add("acme", decision());
  b.anchor("schedule");
  b.rotateCheckpoint(SECOND_LOG_KEY, THIRD_LOG_KEY);
  b.anchor("request");
  b.add("beta", decision());
  b.anchor("schedule");
  return b;
}
