/**
 * Evidence for one receipt in one file: `receiptd-evidence/1`, docs/FORMAT.md section 15. Reading authenticates nothing; see
 * verify/evidence.ts. Beside what is checked it has hints, which anybody could have written: the keys, and where the anchor was found.
 */
import { toBase64, utf8 } from "./bytes.ts";
import { canonicalize } from "./canonical.ts";
import { hashText } from "./chain.ts";
import { FormatError } from "./errors.ts";
import { type Hash, pureHash } from "./hash.ts";
import { Members, type PublishedAt } from "./members.ts";
import { type Json, parseStrictBytes } from "./strict-json.ts";

const EVIDENCE_FORMAT = "receiptd-evidence/1";
/** UTF-8 bytes of the largest file. */
export const MAX_EVIDENCE_BYTES = 2 * 1024 * 1024;
const members = new Members("bad_evidence");

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
  const { digest, ...fields } = members.of(value, ["digest", "format", "ledger", "proof", "published", "receipt", "vkeys"], "");
  const { format, ledger, proof, receipt, published, vkeys } = fields;
  if (format !== EVIDENCE_FORMAT) throw members.bad(`not a file of the format ${EVIDENCE_FORMAT}`, "/format");
  const evidence: Evidence = {
    receipt: members.base64(receipt, "/receipt"),
    ledger: members.origin(ledger, "/ledger"),
    proof: members.text(proof, "/proof"),
    published: members.published(published),
    vkeys: members.vkeys(vkeys),
  };
  if (members.hint(digest, "/digest") !== digestOf(fields, hash)) throw new FormatError("digest_mismatch", "the file is not as it was made: its digest is another", "/digest");
  return evidence;
}

function digestOf(fields: { readonly [name: string]: Json }, hash: Hash): string {
  return hashText(hash.sha256(utf8(canonicalize(fields))));
}

function sameText(bytes: Uint8Array, text: string): boolean {
  const expected = utf8(text);
  return bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
}
