/**
 * Offline proofs of inclusion: https://c2sp.org/tlog-proof (version 1). An index, an inclusion path and a signed checkpoint.
 *
 * Parsing authenticates nothing. A verifier computes the leaf hash from what it has, then checks in this order: verifyNote on
 * `checkpoint`, parseCheckpoint on the note's text, its origin, verifyInclusion. `extra` is under nobody's signature, ever.
 */
import { fromBase64, toBase64 } from "./bytes.ts";
import { parseCheckpoint, parseDecimal } from "./checkpoint.ts";
import { FormatError } from "./errors.ts";
import { HASH_BYTES, MAX_PATH } from "./merkle.ts";
import { decodeText, parseNote } from "./note.ts";

/** UTF-8 bytes of the longest proof that is read or written. */
export const MAX_TLOG_PROOF_BYTES = 64 * 1024;

const HEADER = "c2sp.org/tlog-proof@v1";

export interface TlogProof {
  /** Opaque bytes, at least one; absent when there are none. Unauthenticated. */
  readonly extra?: Uint8Array;
  /** Zero-based index of the leaf, a safe integer. */
  readonly index: number;
  /** RFC 6962 inclusion path, the leaf's sibling first; at most 63 hashes of 32 bytes. */
  readonly path: readonly Uint8Array[];
  /** The signed note, verbatim. Well-formed when parsed, but its signatures are not checked. */
  readonly checkpoint: string;
}

/** The text of a proof. Throws `bad_tlog_proof` where `parseTlogProof` would refuse the result or read another proof. */
export function formatTlogProof(proof: TlogProof): string {
  const { extra, index, path, checkpoint } = proof;
  if (path.some((hash) => hash.length !== HASH_BYTES)) throw bad("a hash of the path is not 32 bytes");
  const lines = [HEADER];
  if (extra !== undefined) lines.push(`extra ${toBase64(extra)}`);
  lines.push(`index ${index}`, ...path.map(toBase64), "", checkpoint);
  const text = lines.join("\n");
  parseTlogProof(text);
  return text;
}

/** Throws `bad_tlog_proof` unless this is a proof in its one spelling, down to a well-formed checkpoint at its end. */
export function parseTlogProof(input: string | Uint8Array): TlogProof {
  const text = decodeText(input, MAX_TLOG_PROOF_BYTES, "bad_tlog_proof");
  const end = text.indexOf("\n\n");
  if (end === -1) throw bad("no empty line after the path");
  const checkpoint = text.slice(end + 2);
  const lines = text.slice(0, end).split("\n");
  if (lines.shift() !== HEADER) throw bad(`the first line is not ${HEADER}`);
  const extra = lines[0]?.startsWith("extra ") ? fromBase64(lines.shift()!.slice("extra ".length)) : undefined;
  if (extra === null || extra?.length === 0) throw bad("the extra data is empty or not canonical base64");
  const indexLine = lines.shift() ?? "";
  const index = indexLine.startsWith("index ") ? parseDecimal(indexLine.slice("index ".length)) : null;
  if (index === null) throw bad("no index line with a decimal of at most 2^53 - 1 without leading zeros");
  if (lines.length > MAX_PATH) throw bad(`a path of more than ${MAX_PATH} hashes`);
  const path = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) throw bad("a line of the path is not 32 bytes of canonical base64");
    return hash;
  });
  requireCheckpoint(checkpoint);
  return { ...(extra === undefined ? {} : { extra }), index, path, checkpoint };
}

function requireCheckpoint(checkpoint: string): void {
  try {
    parseCheckpoint(parseNote(checkpoint).text);
  } catch (error) {
    if (error instanceof FormatError) throw bad(`the checkpoint: ${error.message}`);
    throw error;
  }
}

function bad(message: string): FormatError {
  return new FormatError("bad_tlog_proof", message);
}
