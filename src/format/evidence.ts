/**
 * Evidence for one receipt in one file: `receiptd-evidence/1`, docs/FORMAT.md section 15. Reading authenticates nothing; see
 * verify/evidence.ts. Beside what is checked it has hints, which anybody could have written: the keys, and where the anchor was found.
 */
import { fromBase64, toBase64, utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import { hashText } from "./chain.ts";
import { FormatError } from "./errors.ts";
import { type Hash, pureHash } from "./hash.ts";
import { isOrigin } from "./names.ts";
import { isArray, type Json, parseStrictBytes } from "./strict-json.ts";

const EVIDENCE_FORMAT = "receiptd-evidence/1";
/** UTF-8 bytes of the largest file. */
export const MAX_EVIDENCE_BYTES = 2 * 1024 * 1024;
/** Keys, and places, at most. */
export const MAX_HINTS = 16;
/** UTF-16 code units of a hint. */
const MAX_HINT = 1024;

/** Where the anchor whose checkpoint is in the proof was found, as whoever made the file says. */
export interface PublishedAt {
  readonly target: string;
  /** The object's full name. */
  readonly object: string;
  readonly version_id: string;
  /** By the clock of the target. */
  readonly last_modified: string;
}

export interface Evidence {
  readonly ledger: string;
  /** The receipt's stored bytes. */
  readonly receipt: Uint8Array;
  /** A tlog-proof, section 10, without `extra`. */
  readonly proof: string;
  readonly published: readonly PublishedAt[];
  /** Hints: the keys that whoever made the file believes. */
  readonly vkeys: readonly string[];
}

/** The file: canonical JSON with its digest, and a line feed. */
export function formatEvidence({ ledger, receipt, proof, published, vkeys }: Evidence, hash: Hash = pureHash): string {
  const fields = { format: EVIDENCE_FORMAT, ledger, proof, published: published.map((one) => ({ ...one })), receipt: toBase64(receipt), vkeys: [...vkeys] };
  return `${canonicalize({ ...fields, digest: digestOf(fields, hash) })}\n`;
}

/**
 * Section 15.1 steps 1 to 3. Throws the codes of strict JSON, `not_canonical`, `bad_evidence`, and `digest_mismatch` where a byte was changed
 * by accident: who changes one on purpose makes the digest anew.
 */
export function readEvidence(bytes: Uint8Array, hash: Hash = pureHash): Evidence {
  const value = parseStrictBytes(bytes, { maxBytes: MAX_EVIDENCE_BYTES });
  if (!sameText(bytes, `${canonicalize(value)}\n`)) throw new FormatError("not_canonical", "the file is not canonical JSON and one line feed");
  const { digest, ...fields } = membersOf(value, ["digest", "format", "ledger", "proof", "published", "receipt", "vkeys"], "");
  const { format, ledger, proof, receipt, published, vkeys } = fields;
  if (format !== EVIDENCE_FORMAT) throw bad(`not a file of the format ${EVIDENCE_FORMAT}`, "/format");
  const blob = fromBase64(textOf(receipt, "/receipt"));
  if (blob === null) throw bad("not canonical base64", "/receipt");
  const evidence: Evidence = {
    ledger: originOf(ledger),
    receipt: blob,
    proof: textOf(proof, "/proof"),
    published: listOf(published, "/published").map((one, i) => placeOf(one, `/published/${i}`)),
    vkeys: listOf(vkeys, "/vkeys").map((one, i) => hintOf(one, `/vkeys/${i}`)),
  };
  if (hintOf(digest, "/digest") !== digestOf(fields, hash)) throw new FormatError("digest_mismatch", "the file is not as it was made: its digest is another", "/digest");
  return evidence;
}

function digestOf(fields: { readonly [name: string]: Json }, hash: Hash): string {
  return hashText(hash.sha256(utf8(canonicalize(fields))));
}

function sameText(bytes: Uint8Array, text: string): boolean {
  const expected = utf8(text);
  return bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
}

function placeOf(value: Json, pointer: string): PublishedAt {
  const members = membersOf(value, ["last_modified", "object", "target", "version_id"], pointer);
  const hint = (name: keyof PublishedAt): string => hintOf(members[name], `${pointer}/${name}`);
  return { target: hint("target"), object: hint("object"), version_id: hint("version_id"), last_modified: hint("last_modified") };
}

/** An object with these members and no others. */
function membersOf(value: Json, names: readonly string[], pointer: string): { readonly [name: string]: Json } {
  if (typeof value !== "object" || value === null || isArray(value)) throw bad("not an object", pointer);
  if (Object.keys(value).sort().join() !== names.join()) throw bad(`an object with the members ${names.join(", ")}, and no others, is expected`, pointer);
  return value;
}

function originOf(value: Json | undefined): string {
  const text = textOf(value, "/ledger");
  if (!isOrigin(text)) throw bad("not the name of a ledger", "/ledger");
  return text;
}

function listOf(value: Json | undefined, pointer: string): readonly Json[] {
  if (value === undefined || !isArray(value) || value.length > MAX_HINTS) throw bad(`not an array of at most ${MAX_HINTS}`, pointer);
  return value;
}

function textOf(value: Json | undefined, pointer: string): string {
  if (typeof value !== "string") throw bad("not a string", pointer);
  return value;
}

function hintOf(value: Json | undefined, pointer: string): string {
  const text = textOf(value, pointer);
  if (text.length > MAX_HINT) throw bad(`longer than ${MAX_HINT} characters`, pointer);
  return text;
}

function bad(message: string, pointer: string): FormatError {
  return new FormatError("bad_evidence", message, pointer);
}
