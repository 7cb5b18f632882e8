/** test/vectors/anchors.json: what stands at a target, good and bad (docs/FORMAT.md sections 9 to 11, 13.3 and 13.4). */
import { Builder, decision, handedOver, type Hook, LEDGER_ID, LOG_KEY, ORIGIN, scenario, SECOND_LOG_KEY, THIRD_LOG_KEY } from "./build.ts";
import { blobOrPlace } from "./ledgers.ts";
import {
  base64, bytes, type CheckpointKey, checkpointKey, checkpointText, entryOf, fixed, hashText, hex, leafOf, type Members, mth, note, path, sha256, tlogProof,
} from "./primitives.ts";

interface Stored {
  readonly name: string;
  readonly object: Buffer;
}

interface Verdict {
  readonly code?: string;
  readonly interference?: number;
  readonly unanchored?: number;
  readonly vkeys?: readonly string[];
  /** 13.4: the ledger that the anchors are held against. */
  readonly ledger?: readonly Buffer[];
  readonly flips?: readonly object[];
}

const PREFIX = `v1/${ORIGIN}/${LEDGER_ID}/`;
const digits = (value: number): string => String(value).padStart(20, "0");
const otherKey = checkpointKey(ORIGIN, fixed("another checkpoint key"));
const witness = checkpointKey("witness.example.org", fixed("witness key"));

// --- objects ---------------------------------------------------------------------------------------------------------------

const anchorNamed = (size: number, object: Buffer): Stored => ({ name: `${PREFIX}anchors/${digits(size)}-${hex(sha256(object))}.tlog-proof`, object });
const batchNamed = (first: number, last: number, object: Buffer): Stored =>
  ({ name: `${PREFIX}batches/${digits(first)}-${digits(last)}-${hex(sha256(object))}.entries`, object });

interface AnchorParts {
  readonly extra?: Buffer | null;
  readonly index?: number;
  readonly path?: readonly Buffer[];
  readonly checkpoint?: string;
  readonly keys?: readonly CheckpointKey[];
}

/** The anchor object of a size; `parts` replace what it is made of. */
function anchorObject(b: Builder, size: number, parts: AnchorParts = {}): Stored {
  const leaves = b.leaves.slice(0, size);
  const extra = parts.extra === undefined ? b.blobs[size - 1]! : parts.extra;
  return anchorNamed(size, tlogProof({
    ...(extra === null ? {} : { extra }),
    index: parts.index ?? size - 1,
    path: parts.path ?? path(size - 1, leaves),
    checkpoint: parts.checkpoint ?? note(checkpointText(ORIGIN, size, mth(leaves)), ...(parts.keys ?? [LOG_KEY])),
  }));
}

const entries = (hashes: readonly Buffer[]): Buffer => Buffer.concat(hashes.flatMap((hash) => [Buffer.from("0021", "hex"), entryOf(hash)]));

function batchObject(b: Builder, size: number): Stored | null {
  const first = b.anchors[b.anchors.indexOf(size) - 1] ?? 0;
  return size - 1 === first ? null : batchNamed(first, size - 2, entries(b.hashes.slice(first, size - 1)));
}

/** Everything that a ledger publishes. */
function published(b: Builder): Stored[] {
  const batches = b.anchors.map((size) => batchObject(b, size)).filter((object) => object !== null);
  return [...b.anchors.map((size) => anchorObject(b, size)), ...batches];
}

const renamed = ({ name }: Stored, object: Buffer): Stored => ({ name: name.replace(/[0-9a-f]{64}(?=\.[a-z-]+$)/, hex(sha256(object))), object });

function byName(objects: readonly Stored[]): Stored[] {
  return objects.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

// --- vectors ---------------------------------------------------------------------------------------------------------------

function vector(name: string, objects: readonly Stored[], verdict: Verdict = {}): object {
  const { code, interference = 0, unanchored = 0, vkeys = [LOG_KEY.vkey], ledger, flips } = verdict;
  const sorted = byName(objects);
  return {
    name, origin: ORIGIN, ledger_id: LEDGER_ID, vkeys,
    objects: sorted.map((stored) => (flips === undefined && placeOf(stored) !== -1 ? placeOf(stored) : { name: stored.name, base64: base64(stored.object) })),
    ...(ledger === undefined ? {} : { blobs: ledger.map(blobOrPlace) }),
    ...(code === undefined ? { ok: true, unanchored } : { ok: false, code }), interference, ...(flips === undefined ? {} : { flips }),
  };
}

const base = scenario();
const good = published(base);
const goodSorted = byName(good);
const nameOf = (stored: Stored): string => stored.name.slice(PREFIX.length);
const anchorAt = (size: number): Stored => good.find((stored) => nameOf(stored).startsWith(`anchors/${digits(size)}`))!;
const batchAt = (first: number): Stored => good.find((stored) => nameOf(stored).startsWith(`batches/${digits(first)}`))!;
const without = (...gone: readonly Stored[]): Stored[] => good.filter((stored) => !gone.includes(stored));
const swapped = (old: Stored, fresh: Stored): Stored[] => [...without(old), fresh];

/** The base ledger with one anchor receipt made otherwise before it is signed, published as if it were right. */
function publishedWith(index: number, change: (details: Members, members: Members) => void): Stored[] {
  const before = (members: Members): void => {
    const details = structuredClone(members["details"]) as Members;
    change(details, members);
    members["details"] = details;
  };
  return published(scenario({ [index]: { before } satisfies Hook }));
}

/** The same ledger, restored from a backup of its first five receipts and gone on otherwise. */
function clone(): Builder {
  return scenario({ 6: { before: (members) => { members["decision"] = "deny"; } } });
}

/** Its place among the objects of the first vector, or -1. */
function placeOf(stored: Stored): number {
  return goodSorted.findIndex((known) => known.name === stored.name && known.object.equals(stored.object));
}

/** The first bit from here on whose flip makes one letter into another: what is base64 stays base64. */
function letterBit(object: Buffer, from: number): number {
  const isLetter = (byte: number): boolean => /[A-Za-z]/.test(String.fromCharCode(byte));
  let at = from;
  while (!isLetter(object[at]!) || !isLetter(object[at]! ^ 1)) at++;
  return 8 * at;
}

function flips(): readonly object[] {
  const at = (stored: Stored, text: string, offset = 0): number => 8 * (stored.object.indexOf(text) + offset);
  const flip = (stored: Stored, bit: number, isRenamed: boolean, code: string | null): object =>
    ({ object: goodSorted.indexOf(stored), bit, renamed: isRenamed, ...(code === null ? { ok: true } : { ok: false, code }), interference: isRenamed ? 0 : 1 });
  const [first, second, third, newest] = base.anchors.map(anchorAt) as [Stored, Stored, Stored, Stored];
  const batch = batchAt(6);
  const note = (stored: Stored): number => stored.object.indexOf(`${ORIGIN}\n`);
  return [
    // as it stands under its name: set aside, so that it is missing
    flip(first, at(first, "index", 6), false, "anchor_link_mismatch"),
    flip(second, at(second, "index", 6), false, "anchor_link_mismatch"),
    flip(third, 8 * (third.object.length - 20), false, "anchor_link_mismatch"),
    flip(newest, at(newest, "index", 6), false, null),
    flip(batch, 8 * 40, false, "batch_missing"),
    // under a name with the hash of what it is now
    flip(third, 0, true, "bad_tlog_proof"),
    flip(third, at(third, "index", 6), true, "bad_tlog_proof"),
    flip(third, letterBit(third.object, third.object.indexOf("\n", third.object.indexOf("index")) + 1), true, "inclusion_mismatch"),
    flip(third, 8 * note(third) + 1, true, "bad_note"),
    flip(third, 8 * (note(third) + ORIGIN.length + 1) + 1, true, "bad_note"),
    flip(third, letterBit(third.object, note(third) + ORIGIN.length + 6), true, "bad_note"),
    flip(third, letterBit(third.object, third.object.length - 40), true, "bad_note"),
    flip(batch, 1, true, "bad_entries"),
    flip(batch, 8 + 1, true, "bad_entries"),
    flip(batch, 16, true, "bad_entries"),
    flip(batch, 8 * 3, true, "batch_root_mismatch"),
    flip(batch, 8 * (batch.object.length - 1) + 7, true, "batch_root_mismatch"),
    flip(batch, 8 * 35 + 16, true, "bad_entries"),
  ];
}

function objectsGone(): readonly object[] {
  return [
    vector("the first anchor is missing", without(anchorAt(5)), { code: "anchor_link_mismatch" }),
    vector("an anchor of an empty batch is missing", without(anchorAt(6)), { code: "anchor_link_mismatch" }),
    vector("an anchor is missing", without(anchorAt(11)), { code: "anchor_link_mismatch" }),
    vector("the newest anchor is missing: its batch is not anchored, and only the promise of the one before shows it", without(anchorAt(13)), { unanchored: 1 }),
    vector("the first batch is missing", without(batchAt(0)), { code: "batch_missing" }),
    vector("the newest batch is missing", without(batchAt(11)), { code: "batch_missing" }),
    vector("nothing is there", []),
  ];
}

function batches(): readonly object[] {
  const [b0, b6] = [batchAt(0), batchAt(6)];
  const hashes = base.hashes.slice(6, 10);
  const changed = entries(hashes.with(1, fixed("another receipt")));
  return [
    vector("a batch with another entry", swapped(b6, renamed(b6, changed)), { code: "batch_root_mismatch" }),
    vector("a batch in another order", swapped(b6, renamed(b6, entries(hashes.toReversed()))), { code: "batch_root_mismatch" }),
    vector("a batch with one entry too few", swapped(b6, renamed(b6, entries(hashes.slice(1)))), { code: "bad_entries" }),
    vector("a batch with one entry too many", swapped(b6, renamed(b6, entries([...hashes, hashes[0]!]))), { code: "bad_entries" }),
    vector("an empty batch object", swapped(b6, renamed(b6, Buffer.alloc(0))), { code: "bad_entries" }),
    vector("a batch cut short", swapped(b6, renamed(b6, b6.object.subarray(0, -1))), { code: "bad_entries" }),
    vector("the batch of another anchor", swapped(b6, batchNamed(6, 9, b0.object)), { code: "batch_root_mismatch" }),
    vector("a batch under the name of another range", swapped(b6, batchNamed(6, 8, b6.object)), { code: "batch_missing" }),
    vector("a second object for a batch, which does not fit", [...good, renamed(b6, changed)]),
    vector("a second object for a batch, which is not even entries", [...good, renamed(b6, bytes("junk"))]),
    vector("a batch published before its anchor", [...good, batchNamed(13, 13, entries(base.hashes.slice(13)))], { unanchored: 1 }),
  ];
}

function anchorObjects(): readonly object[] {
  const a = anchorAt(11);
  const root = base.rootAt(11);
  const made = (name: string, code: string, parts: AnchorParts, extra: Verdict = {}): object =>
    vector(name, swapped(a, anchorObject(base, 11, parts)), { code, ...extra });
  const text = base.blobs[10]!.toString("utf8");
  const checkpoint = checkpointText(ORIGIN, 11, root);
  const wrongBeside = (key: CheckpointKey): AnchorParts => ({ checkpoint: note(checkpoint, LOG_KEY) + key.line(checkpointText(ORIGIN, 12, base.rootAt(12))) });
  return [
    made("signed by another key of the same name", "bad_note", { keys: [otherKey] }),
    vector("another key pinned", good, { code: "bad_note", vkeys: [otherKey.vkey] }),
    vector("no key pinned", good, { code: "bad_note", vkeys: [] }),
    vector("a pinned witness does not speak for the log", swapped(a, anchorObject(base, 11, { keys: [witness] })), { code: "bad_note", vkeys: [LOG_KEY.vkey, witness.vkey] }),
    made("a note without a signature", "bad_tlog_proof", { checkpoint }),
    made("a checkpoint of another origin, signed", "bad_checkpoint", { checkpoint: note(checkpointText("receipts.example.com/cards", 11, root), LOG_KEY) }),
    made("a checkpoint with an extension line, signed", "bad_checkpoint", { checkpoint: note(checkpointText(ORIGIN, 11, root, "more"), LOG_KEY) }),
    made("a checkpoint of another size, signed", "bad_checkpoint", { checkpoint: note(checkpointText(ORIGIN, 12, base.rootAt(12)), LOG_KEY) }),
    vector("an anchor under the name of another size", [...good, anchorNamed(12, a.object)], { code: "bad_checkpoint" }),
    made("another index", "bad_tlog_proof", { index: 9 }),
    made("another path", "inclusion_mismatch", { path: path(9, base.leaves.slice(0, 11)) }),
    made("no path", "inclusion_mismatch", { path: [] }),
    made("another root, signed", "inclusion_mismatch", { checkpoint: note(checkpointText(ORIGIN, 11, fixed("another root")), LOG_KEY) }),
    made("no extra", "bad_receipt", { extra: null }),
    made("extra is not canonical", "bad_receipt", { extra: bytes(`${text}\n`) }),
    made("extra is another anchor's receipt", "bad_receipt", { extra: base.blobs[4]! }),
    made("extra with another promise", "inclusion_mismatch", { extra: bytes(text.replace(/"next_anchor_by":"[^"]*"/, '"next_anchor_by":null')) }),
    made("extra with another signature", "inclusion_mismatch", { extra: bytes(text.replace(/hmac-sha256:[0-9a-f]{64}/, `hmac-sha256:${"0".repeat(64)}`)) }),
    vector("a caller's receipt as an anchor", [...good, anchorObject(base, 12)], { code: "bad_receipt" }),
    vector("junk under a name with its hash", [...good, anchorNamed(12, bytes("junk"))], { code: "bad_tlog_proof" }),
    vector("an unknown signature beside", swapped(a, anchorObject(base, 11, { keys: [witness, LOG_KEY] }))),
    vector("a wrong signature by a pinned key of another name beside", swapped(a, anchorObject(base, 11, wrongBeside(witness))), { vkeys: [LOG_KEY.vkey, witness.vkey] }),
    made("a wrong signature by a second pinned key of the log beside", "bad_note", wrongBeside(otherKey), { vkeys: [LOG_KEY.vkey, otherKey.vkey] }),
    vector("a second object of the same size and root", [...good, anchorObject(base, 11, { keys: [LOG_KEY, witness] })]),
  ];
}

function signedContradictions(): readonly object[] {
  const other = hashText(fixed("another hash"));
  const forked = clone();
  const falseRoot = falseBatch();
  return [
    vector("a fork", [...good, anchorObject(forked, 11)], { code: "fork" }),
    vector("a clone takes over", [...without(anchorAt(11), anchorAt(13)), anchorObject(forked, 11), anchorObject(forked, 13)], { code: "batch_root_mismatch" }),
    vector("an anchor of a clone among the others", [...without(anchorAt(13)), anchorObject(forked, 13)], { code: "anchor_link_mismatch" }),
    vector("a previous anchor of another root, signed", publishedWith(10, (d) => { d["previous_anchor"] = { tree_size: 6, root: other }; }), { code: "anchor_link_mismatch" }),
    vector("no previous anchor, signed", publishedWith(10, (d) => { d["previous_anchor"] = null; }), { code: "anchor_link_mismatch" }),
    vector("a batch that begins elsewhere, signed", publishedWith(10, (d) => { d["batch"] = { ...(d["batch"] as Members), first_index: 5, count: 5 }; }), { code: "anchor_link_mismatch" }),
    vector("a batch of another count, signed", publishedWith(10, (d) => { d["batch"] = { ...(d["batch"] as Members), count: 3 }; }), { code: "batch_gap" }),
    vector("an anchor of another epoch, signed", publishedWith(10, (_, m) => { m["key_epoch"] = 3; }), { code: "epoch_mismatch" }),
    vector("a first anchor of epoch 1, signed", publishedWith(4, (_, m) => { m["key_epoch"] = 1; }), { code: "epoch_mismatch" }),
    vector("an anchor receipt of another ledger, signed", publishedWith(10, (_, m) => { m["ledger"] = "receipts.example.com/cards"; }), { code: "ledger_mismatch" }),
    vector("a batch object and batch root of other receipts than the log root, signed", falseRoot, { code: "log_root_mismatch" }),
  ];
}

/** Batch object and `batch.root` agree with one another, but the signed log root was made of other receipts. */
function falseBatch(): Stored[] {
  const hashes = base.hashes.slice(11, 12).map(() => fixed("another receipt"));
  const root = hashText(mth(hashes.map((hash) => leafOf(entryOf(hash)))));
  const objects = publishedWith(12, (details) => { details["batch"] = { ...(details["batch"] as Members), root }; });
  return [...objects.filter((stored) => !nameOf(stored).startsWith(`batches/${digits(11)}`)), batchNamed(11, 11, entries(hashes))];
}

/** Checkpoint keys that take turns (sections 7, 13.3 step 3 and 13.4). */
function handovers(): readonly object[] {
  const b = handedOver();
  const vkeys = [THIRD_LOG_KEY.vkey, LOG_KEY.vkey, SECOND_LOG_KEY.vkey]; // their order says nothing
  const usual: Readonly<Record<number, readonly CheckpointKey[]>> = {
    3: [LOG_KEY], 6: [LOG_KEY, SECOND_LOG_KEY], 8: [SECOND_LOG_KEY], 10: [SECOND_LOG_KEY, THIRD_LOG_KEY], 12: [THIRD_LOG_KEY],
  };
  const signed = (keys: Readonly<Record<number, readonly CheckpointKey[]>> = {}, of: Builder = b): Stored[] => [
    ...of.anchors.map((size) => anchorObject(of, size, { keys: keys[size] ?? usual[size]! })), ...of.anchors.map((size) => batchObject(of, size)).filter((object) => object !== null),
  ];
  const wrong = (name: string, code: string, keys: Readonly<Record<number, readonly CheckpointKey[]>>, extra: Verdict = {}): object => vector(name, signed(keys), { code, vkeys, ...extra });
  const with1 = vkeys.slice(1, 2);
  const plain = scenario();
  const other = handedOver({ 6: { before: (members) => { members["decision"] = "deny"; } } });
  const old = { 8: [LOG_KEY], 10: [LOG_KEY], 12: [LOG_KEY] };
  return [
    vector("a checkpoint key is rotated, and its successor, too", signed(), { vkeys }),
    vector("the same, against the ledger", signed(), { vkeys, ledger: b.blobs }),
    vector("the same, only the first key pinned", signed(), { vkeys: with1, code: "bad_note" }),
    vector("the same, only the newest key pinned", signed(), { vkeys: vkeys.slice(0, 1), code: "bad_note" }),
    vector("a retired key signs beside the one in force", signed({ 8: [SECOND_LOG_KEY, LOG_KEY], 12: [LOG_KEY, THIRD_LOG_KEY] }), { vkeys, ledger: b.blobs }),
    vector("of two objects of one anchor each has one of the signatures", [...signed({ 6: [LOG_KEY] }), anchorObject(b, 6, { keys: [SECOND_LOG_KEY] })], { vkeys, ledger: b.blobs }),
    wrong("the first key alone behind its rotation", "retired_key", { 8: [LOG_KEY] }),
    wrong("the first key alone behind two rotations", "retired_key", { 12: [LOG_KEY] }),
    wrong("the second key alone behind its rotation", "retired_key", { 12: [SECOND_LOG_KEY] }),
    vector("a retired key forks the log", [...signed(), anchorObject(other, 8, { keys: [LOG_KEY] })], { vkeys, code: "retired_key" }),
    vector("a retired key goes on", [...signed(), anchorObject(scenario(), 13, { keys: [LOG_KEY] })], { vkeys, code: "retired_key" }),
    wrong("the rotation's anchor is signed by the old key alone", "vkey_mismatch", { 6: [LOG_KEY] }),
    wrong("the rotation's anchor is signed by the new key alone", "vkey_mismatch", { 6: [SECOND_LOG_KEY] }),
    wrong("the same, against the ledger", "vkey_mismatch", { 6: [LOG_KEY] }, { ledger: b.blobs }),
    wrong("the old key alone signs the rotation and all behind it, against the ledger", "vkey_mismatch", { 6: [LOG_KEY], ...old }, { ledger: b.blobs }),
    wrong("the old key alone signs behind its rotation, and it alone is pinned, against the ledger", "retired_key", old, { vkeys: with1, ledger: b.blobs }),
    wrong("three keys at once", "vkey_mismatch", { 6: [LOG_KEY, SECOND_LOG_KEY, THIRD_LOG_KEY], 8: [LOG_KEY], 10: [LOG_KEY], 12: [LOG_KEY] }),
    vector("two keys sign, and then the first of them alone", swapped(anchorAt(11), anchorObject(base, 11, { keys: [LOG_KEY, otherKey] })), { vkeys: [LOG_KEY.vkey, otherKey.vkey], code: "retired_key" }),
    vector("two keys sign, and no receipt says so, against the ledger", signed({ 5: [LOG_KEY], 6: [LOG_KEY], 11: [LOG_KEY], 13: [LOG_KEY, SECOND_LOG_KEY] }, plain), { vkeys, ledger: plain.blobs, code: "vkey_mismatch" }),
    vector("another key signs, and no receipt says so, against the ledger", signed({ 5: [LOG_KEY], 6: [LOG_KEY], 11: [LOG_KEY], 13: [SECOND_LOG_KEY] }, plain), { vkeys, ledger: plain.blobs, code: "vkey_mismatch" }),
    wrong("the key of a later rotation signs before it, against the ledger", "vkey_mismatch", { 3: [THIRD_LOG_KEY] }, { ledger: b.blobs }),
  ];
}

function interference(): readonly object[] {
  const a = anchorAt(11);
  const add = (name: string, fresh: Stored): object => vector(name, [...good, fresh], { interference: 1 });
  return [
    add("a name of another form", { name: `${PREFIX}anchors/latest`, object: a.object }),
    add("a name that ends otherwise", { name: `${a.name}.bak`, object: a.object }),
    add("a name in capitals", { name: a.name.replace(/[0-9a-f]{64}/, (hash) => hash.toUpperCase()), object: a.object }),
    add("a name with 19 digits", { name: a.name.replace("/0", "/"), object: a.object }),
    add("a name with the size 0", { name: a.name.replace(digits(11), digits(0)), object: a.object }),
    add("an anchor of the size 2^53", { name: a.name.replace(digits(11), digits(2 ** 53)), object: a.object }),
    add("a batch that ends at 2^53", { name: batchNamed(6, 2 ** 53, batchAt(6).object).name, object: batchAt(6).object }),
    add("a batch that begins and ends above 2^53", { name: batchNamed(2 ** 53, 2 ** 53 + 2, batchAt(6).object).name, object: batchAt(6).object }),
    add("a batch that ends before it begins", { name: batchNamed(9, 6, batchAt(6).object).name, object: batchAt(6).object }),
    add("a hash that is not the object's", { name: a.name.replace(digits(11), digits(14)).replace(/[0-9a-f]{64}/, "0".repeat(64)), object: a.object }),
    add("junk under a good name of another size", { name: a.name.replace(digits(11), digits(14)), object: bytes("junk") }),
    add("an object of another ledger", { name: a.name.replace(LEDGER_ID, "0".repeat(32)), object: a.object }),
  ];
}

function againstLedger(): readonly object[] {
  const edited = new Builder();
  edited.genesis();
  edited.add("acme", decision());
  return [
    vector("the ledger has what is anchored", good, { ledger: base.blobs }),
    vector("the ledger lost the pending receipts only", good, { ledger: base.blobs.slice(0, 13) }),
    vector("the ledger is cut behind an earlier anchor", good, { ledger: base.blobs.slice(0, 11), code: "ledger_behind" }),
    vector("the ledger was restored from a backup and went on", good, { ledger: clone().blobs, code: "log_root_mismatch" }),
    vector("the ledger is another one", good, { ledger: edited.blobs, code: "ledger_behind" }),
  ];
}

export function anchorVectors(): readonly object[] {
  return [
    vector("four anchors, one of them a heartbeat", good, { flips: flips() }),
    ...objectsGone(),
    ...batches(),
    ...anchorObjects(),
    ...signedContradictions(),
    ...handovers(),
    ...interference(),
    ...againstLedger(),
  ];
}

