/**
 * Checkpoints: https://c2sp.org/tlog-checkpoint. The text that a log signs as a note (note.ts): origin, tree size, root hash.
 *
 * Parse only what `verifyNote` returned; a stranger controls everything else. The parser takes one spelling of each checkpoint.
 */
import { fromBase64, toBase64 } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import { HASH_BYTES } from "./merkle.ts";
import { isNoteText } from "./note.ts";

export interface Checkpoint {
  /** The log's name, one non-empty line. Compare it with the expected origin: any log can sign any origin. */
  readonly origin: string;
  /** Leaves, a safe integer. */
  readonly size: number;
  /** RFC 6962 root of that many leaves, 32 bytes. */
  readonly root: Uint8Array;
  /** Opaque non-empty lines after the root. This log writes none; the specification advises against them but allows them. */
  readonly extensions: readonly string[];
}

/** The note text of a checkpoint. Throws `bad_checkpoint` where `parseCheckpoint` would not give the same values back. */
export function formatCheckpoint(checkpoint: {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly extensions?: readonly string[];
}): string {
  const { origin, size, root, extensions = [] } = checkpoint;
  if (!Number.isSafeInteger(size) || size < 0) throw new FormatError("bad_checkpoint", "the size is not a safe integer");
  if (root.length !== HASH_BYTES) throw new FormatError("bad_checkpoint", "the root hash is not 32 bytes");
  for (const line of [origin, ...extensions]) {
    if (line === "" || line.includes("\n")) throw new FormatError("bad_checkpoint", "origin and extensions are one line each");
  }
  const text = [origin, String(size), toBase64(root), ...extensions, ""].join("\n");
  if (!isNoteText(text)) throw new FormatError("bad_checkpoint", "a control character or lone surrogate");
  return text;
}

/** Throws `bad_checkpoint` unless the text (with its final newline, without signatures) is a checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  if (!isNoteText(text)) throw new FormatError("bad_checkpoint", "not lines without control characters");
  const [origin, sizeLine, rootLine, ...extensions] = text.slice(0, -1).split("\n");
  if (origin === undefined || origin === "") throw new FormatError("bad_checkpoint", "the origin line is empty");
  const size = parseDecimal(sizeLine ?? "");
  if (size === null) throw new FormatError("bad_checkpoint", "the size is not a decimal of at most 2^53 - 1 without leading zeros");
  const root = fromBase64(rootLine ?? "");
  if (root?.length !== HASH_BYTES) throw new FormatError("bad_checkpoint", "the root is not 32 bytes of canonical base64");
  if (extensions.includes("")) throw new FormatError("bad_checkpoint", "an empty line");
  return { origin, size, root, extensions };
}

/** A safe integer from its one ASCII decimal spelling (no sign, no leading zeros), or null. */
export function parseDecimal(text: string): number | null {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}
