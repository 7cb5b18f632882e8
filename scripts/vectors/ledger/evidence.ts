/** test/vectors/evidence.json: files of evidence, good and bad (docs/FORMAT.md section 15). */
import { type Builder, type Hook, LOG_KEY, ORIGIN, scenario } from "./build.ts";
import {
  base64, bytes, type CheckpointKey, checkpointKey, checkpointText, cosigner, fixed, hashText, hex, jcs, type Json, type Members, mth, note, path, sha256, tlogProof,
} from "./primitives.ts";

const PLACE: Members = { target: "worm", object: "v1/receipts.example.com/loans/…/anchors/…", version_id: "1", last_modified: "2026-12-31T23:59:59.250Z" };
const otherKey = checkpointKey(ORIGIN, fixed("another checkpoint key"));
const witness = checkpointKey("witness.example.org", fixed("witness key"));
const auditor = cosigner("auditor.example.org", fixed("auditor key"), 1_798_761_600n);
const otherAuditor = cosigner("auditor.example.org", fixed("another auditor key"), 1_798_761_600n);
const secondAuditor = cosigner("second.example.org", fixed("second auditor key"), 1_798_761_601n);

interface Parts {
  readonly blob?: Buffer;
  readonly index?: number;
  readonly path?: readonly Buffer[];
  readonly keys?: readonly CheckpointKey[];
  readonly text?: string;
  readonly extra?: Buffer;
  /** Replaces the whole proof. */
  readonly proof?: (proof: string) => string;
  /** Changes members before the digest is made. */
  readonly members?: (members: Members) => void;
  /** And after it. */
  readonly after?: (members: Members) => void;
}

/** Evidence for a receipt in the tree of so many; `parts` replace what it is made of. */
function fileOf(b: Builder, index: number, size: number, parts: Parts = {}): string {
  const leaves = b.leaves.slice(0, size);
  const text = parts.text ?? checkpointText(ORIGIN, size, mth(leaves));
  const proof = tlogProof({
    ...(parts.extra === undefined ? {} : { extra: parts.extra }),
    index: parts.index ?? index, path: parts.path ?? path(index, leaves), checkpoint: note(text, ...(parts.keys ?? [LOG_KEY])),
  }).toString();
  const members: Members = {
    format: "receiptd-evidence/1", ledger: ORIGIN, receipt: base64(parts.blob ?? b.blobs[index]!), proof: parts.proof?.(proof) ?? proof, published: [PLACE], vkeys: [LOG_KEY.vkey],
  };
  parts.members?.(members);
  const all: Members = { ...members, digest: hashText(sha256(bytes(jcs(members)))) };
  parts.after?.(all);
  return `${jcs(all)}\n`;
}

export function evidenceVectors(): object[] {
  const b = scenario();
  const good = (name: string, index: number, size: number, parts: Parts = {}, from = b): object => ({ name, file: fileOf(from, index, size, parts), vkey: LOG_KEY.vkey, ok: true, log_index: index, tree_size: size });
  const bad = (name: string, code: string, file: string | Buffer, vkey = LOG_KEY.vkey): object => ({ name, ...(typeof file === "string" ? { file } : { file_hex: hex(file) }), vkey, ok: false, code });
  const made = (name: string, code: string, parts: Parts): object => bad(name, code, fileOf(b, 7, 11, parts));
  const members = (name: string, change: { readonly [member: string]: Json }): object => made(name, "bad_evidence", { members: (all) => Object.assign(all, change) });
  /** A ledger with another receipt at index 7. */
  const ledgerWith = (hook: Hook): Builder => scenario({ 7: hook });
  const logged = (name: string, code: string, hook: Hook): object => bad(name, code, fileOf(ledgerWith(hook), 7, 11));
  const leaves = b.leaves.slice(0, 11);
  const whole = fileOf(b, 7, 11);
  const siblings = path(7, leaves);
  const signature = LOG_KEY.line(checkpointText(ORIGIN, 11, mth(leaves)));
  const pinned = (vector: object, ...auditors: readonly CheckpointKey[]): object => ({ ...vector, auditors: auditors.map(({ vkey }) => vkey) });
  const anchored = (name: string, keys: readonly CheckpointKey[], ...auditors: readonly CheckpointKey[]): object => ({ ...pinned(good(name, 7, 11, { keys }), ...auditors), anchored: true });
  const timed = (time: bigint): CheckpointKey => cosigner("auditor.example.org", fixed("auditor key"), time);
  const countersigned = (name: string, line: (text: string) => string): object => pinned(made(name, "bad_note", { proof: (proof) => `${proof}${line(checkpointText(ORIGIN, 11, mth(leaves)))}` }), auditor);
  /** The bytes of a line's signature, with its key ID, changed. */
  const withBytes = (line: string, change: (all: Buffer) => Buffer): string => line.replace(/[^ ]+\n$/, (text) => `${base64(change(Buffer.from(text, "base64")))}\n`);
  return [
    ...b.blobs.slice(0, 13).map((_, index) => good(`receipt ${index} of 13`, index, 13)),
    good("an anchor receipt, under its own anchor", 4, 5),
    good("with a witness's signature beside", 7, 11, { keys: [witness, LOG_KEY] }),
    good("without hints", 7, 11, { members: (all) => Object.assign(all, { published: [], vkeys: [] }) }),
    good("as many hints as there may be", 7, 11, { members: (all) => Object.assign(all, { published: Array.from({ length: 16 }, () => PLACE), vkeys: Array.from({ length: 16 }, () => "😀".repeat(512)) }) }),
    good("a receipt of a later schema_version", 7, 11, {}, ledgerWith({ before: (receipt) => Object.assign(receipt, { schema_version: 2, later: true }) })),
    good("fields that no receipt has: the ledger's audit is about them", 7, 11, {}, ledgerWith({ before: (receipt) => Object.assign(receipt, { type: "nothing", receipt_number: 7 }) })),
    anchored("countersigned by an auditor", [LOG_KEY, auditor], auditor),
    anchored("countersigned, and the auditor's line is the first", [auditor, LOG_KEY], auditor),
    anchored("countersigned by one of two auditors", [LOG_KEY, auditor], secondAuditor, auditor),
    anchored("countersigned by two auditors", [LOG_KEY, auditor, secondAuditor], secondAuditor, auditor),
    anchored("countersigned twice by one auditor", [LOG_KEY, auditor, timed(1_798_761_700n)], auditor),
    anchored("countersigned in 1970", [LOG_KEY, timed(0n)], auditor),
    anchored("countersigned at the last time that there is", [LOG_KEY, timed(9_007_199_254_740_991n)], auditor),
    good("countersigned by an auditor that is not pinned", 7, 11, { keys: [LOG_KEY, auditor] }),
    pinned(good("an auditor is pinned, and has not countersigned", 7, 11), auditor),
    pinned(good("an auditor is pinned, and another key of that name has countersigned", 7, 11, { keys: [LOG_KEY, otherAuditor] }), auditor),

    countersigned("a countersignature of another checkpoint", () => auditor.line(checkpointText(ORIGIN, 11, fixed("a root")))),
    countersigned("a countersignature of another time", (text) => withBytes(auditor.line(text), (all) => Buffer.concat([all.subarray(0, 11), Buffer.from([all[11]! ^ 1]), all.subarray(12)]))),
    countersigned("a countersignature without a time", (text) => withBytes(auditor.line(text), (all) => Buffer.concat([all.subarray(0, 4), all.subarray(12)]))),
    countersigned("a countersignature with a byte more", (text) => withBytes(auditor.line(text), (all) => Buffer.concat([all, Buffer.alloc(1)]))),
    countersigned("a countersignature at a time beyond 2^53 − 1", (text) => timed(9_007_199_254_740_992n).line(text)),
    countersigned("one good and one wrong countersignature", (text) => `${auditor.line(text)}${auditor.line(`${text}x\n`)}`),
    countersigned("the auditor's key ID, and another's countersignature", (text) => withBytes(otherAuditor.line(text), (all) => Buffer.concat([Buffer.from(auditor.vkey.split("+")[1]!, "hex"), all.subarray(4)]))),
    pinned(made("countersigned, and not signed by the ledger", "bad_note", { keys: [auditor] }), auditor),
    pinned(made("countersigned, of another log", "bad_checkpoint", { keys: [LOG_KEY, auditor], text: checkpointText("other.example/loans", 11, mth(leaves)) }), auditor),
    bad("no key of this name", "bad_note", whole, witness.vkey),
    bad("another key of this name", "bad_note", whole, otherKey.vkey),
    bad("nothing", "bad_json", ""),
    bad("half", "bad_json", whole.slice(0, whole.length / 2)),
    bad("bytes that are no UTF-8", "not_utf8", Buffer.concat([bytes(whole), Buffer.from([0xff])])),
    bad("a byte order mark", "bad_json", `\ufeff${whole}`),
    bad("no line feed", "not_canonical", whole.slice(0, -1)),
    bad("two line feeds", "not_canonical", `${whole}\n`),
    bad("a space", "not_canonical", whole.replace('","format"', '", "format"')),
    bad("an escape that need not be", "not_canonical", whole.replace("worm", "\\u0077orm")),
    bad("a name twice", "duplicate_name", whole.replace('"vkeys":', '"ledger":"x","vkeys":')),
    bad("__proto__", "forbidden_name", whole.replace('"vkeys":', '"__proto__":1,"vkeys":')),
    bad("too deep", "too_deep", `${"[".repeat(33)}${"]".repeat(33)}\n`),
    bad("a number that is not exact", "number_not_exact", whole.replace('"vkeys":', '"n":0.1000000000000000055,"vkeys":')),
    { ...bad("larger than a file may be", "too_large", `"${"FILL"}"\n`), fill: 2 * 1024 * 1024 },
    bad("an array", "bad_evidence", "[]\n"),
    bad("null", "bad_evidence", "null\n"),
    members("a member more", { more: 1 }),
    made("a member less", "bad_evidence", { members: (all) => void delete all["vkeys"] }),
    members("another format", { format: "receiptd-evidence/2" }),
    members("a receipt that is no base64", { receipt: "ä" }),
    members("base64 with another spelling", { receipt: `${base64(b.blobs[7]!)}====`.slice(0, -3) }),
    members("a receipt that is no string", { receipt: 7 }),
    members("a ledger that is no string", { ledger: null }),
    members("a ledger that is no name of one", { ledger: "x\u001b[2J" }),
    members("a ledger with a folder above", { ledger: "receipts.example.com/../loans" }),
    members("a proof that is no string", { proof: ["x"] }),
    members("17 places", { published: Array.from({ length: 17 }, () => PLACE) }),
    members("a place with a member more", { published: [{ ...PLACE, more: "" }] }),
    members("a place with a number", { published: [{ ...PLACE, version_id: 1 }] }),
    members("places that are an object", { published: {} }),
    members("17 keys", { vkeys: Array.from({ length: 17 }, () => "") }),
    members("a key that is no string", { vkeys: [null] }),
    members("a hint that is too long", { vkeys: [`${"😀".repeat(512)}x`] }),
    made("no digest", "bad_evidence", { after: (all) => void delete all["digest"] }),
    made("a digest that is no string", "bad_evidence", { after: (all) => Object.assign(all, { digest: null }) }),
    made("another digest", "digest_mismatch", { after: (all) => Object.assign(all, { digest: hashText(fixed("a digest")) }) }),
    made("a hint changed", "digest_mismatch", { after: (all) => Object.assign(all, { vkeys: [otherKey.vkey] }) }),
    made("the receipt changed", "inclusion_mismatch", { blob: bytes(b.blobs[7]!.toString().replace('"z":1', '"z":2')) }),
    made("another receipt", "inclusion_mismatch", { blob: b.blobs[6]! }),
    made("another receipt, its index in the proof", "inclusion_mismatch", { blob: b.blobs[6]!, index: 6 }),
    made("no receipt", "bad_json", { blob: Buffer.alloc(0) }),
    made("a receipt that is an array", "bad_receipt", { blob: bytes("[]") }),
    made("a receipt that is not canonical", "not_canonical", { blob: bytes(` ${b.blobs[7]!.toString()}`) }),
    logged("not canonical, and logged", "not_canonical", { bytes: (blob) => bytes(blob.toString().replace('"z":1', '"z":1.0')) }),
    logged("a name twice, and logged", "duplicate_name", { bytes: (blob) => bytes(blob.toString().replace('"z":1', '"z":1,"z":2')) }),
    logged("no log_index, and logged", "bad_receipt", { after: (receipt) => void delete receipt["log_index"] }),
    logged("log_index 7.5, and logged", "bad_receipt", { before: (receipt) => Object.assign(receipt, { log_index: 7.5 }) }),
    logged("log_index −7, and logged", "bad_receipt", { before: (receipt) => Object.assign(receipt, { log_index: -7 }) }),
    logged("log_index a string, and logged", "bad_receipt", { before: (receipt) => Object.assign(receipt, { log_index: "7" }) }),
    logged("log_index 8, and logged", "inclusion_mismatch", { before: (receipt) => Object.assign(receipt, { log_index: 8 }) }),
    logged("another ledger, and logged", "ledger_mismatch", { before: (receipt) => Object.assign(receipt, { ledger: "other.example/loans" }) }),
    made("another ledger in the file", "ledger_mismatch", { members: (all) => Object.assign(all, { ledger: "other.example/loans" }) }),
    made("extra data", "bad_tlog_proof", { extra: b.blobs[10]! }),
    made("no proof", "bad_tlog_proof", { proof: () => "" }),
    made("another header", "bad_tlog_proof", { proof: (proof) => proof.replace("@v1", "@v2") }),
    made("an index with a zero", "bad_tlog_proof", { proof: (proof) => proof.replace("index 7", "index 07") }),
    made("an index beyond 2^53 − 1", "bad_tlog_proof", { proof: (proof) => proof.replace("index 7", "index 9007199254740992") }),
    made("64 siblings", "bad_tlog_proof", { path: Array.from({ length: 64 }, () => fixed("a sibling")) }),
    made("a size with a zero", "bad_tlog_proof", { text: `${ORIGIN}\n011\n${base64(mth(leaves))}\n` }),
    made("no signature", "bad_tlog_proof", { keys: [] }),
    made("carriage returns", "bad_tlog_proof", { proof: (proof) => proof.replaceAll("\n", "\r\n") }),
    made("17 signatures", "bad_tlog_proof", { keys: Array.from({ length: 17 }, () => LOG_KEY) }),
    made("signed by a witness only", "bad_note", { keys: [witness] }),
    made("signed by another key of this name", "bad_note", { keys: [otherKey] }),
    made("the key's ID, and another's signature", "bad_note", { proof: (proof) => proof.replace(signature, LOG_KEY.line("something else\n")) }),
    made("one good and one wrong signature of the key", "bad_note", { proof: (proof) => `${proof}${LOG_KEY.line("something else\n")}` }),
    made("the root changed after it was signed", "bad_note", { proof: (proof) => proof.replace(base64(mth(leaves)), base64(fixed("a root"))) }),
    made("the size changed after it was signed", "bad_note", { proof: (proof) => proof.replace(`\n11\n`, `\n12\n`) }),
    made("extension lines", "bad_checkpoint", { text: checkpointText(ORIGIN, 11, mth(leaves), "extension") }),
    made("a checkpoint of another log", "bad_checkpoint", { text: checkpointText("other.example/loans", 11, mth(leaves)) }),
    made("another root", "inclusion_mismatch", { text: checkpointText(ORIGIN, 11, fixed("a root")) }),
    made("another size", "inclusion_mismatch", { text: checkpointText(ORIGIN, 17, mth(leaves)) }),
    made("a size below the index", "inclusion_mismatch", { text: checkpointText(ORIGIN, 7, mth(leaves)) }),
    made("size 0", "inclusion_mismatch", { text: checkpointText(ORIGIN, 0, mth([])) }),
    made("a sibling less", "inclusion_mismatch", { path: siblings.slice(0, -1) }),
    made("a sibling more", "inclusion_mismatch", { path: [...siblings, fixed("a sibling")] }),
    made("no siblings", "inclusion_mismatch", { path: [] }),
    made("siblings exchanged", "inclusion_mismatch", { path: siblings.toReversed() }),
    made("an inner node as a receipt", "inclusion_mismatch", { blob: b.blobs[7]!, path: siblings.slice(1) }),
  ];
}
