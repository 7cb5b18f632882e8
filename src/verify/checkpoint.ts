/** A signed checkpoint of one ledger (docs/FORMAT.md section 9). It may be anybody's. */
import { parseCheckpoint } from "../format/checkpoint.ts";
import type { Hash } from "../format/hash.ts";
import { parseNote, type VerifyEd25519, verifyNote, type Vkey, vkeyText } from "../format/note.ts";
import { reading, VerifyError } from "./errors.ts";

export interface VerifyOptions {
  readonly hash?: Hash | undefined;
  /** Ed25519; default the portable one. */
  readonly verify?: VerifyEd25519 | undefined;
}

export interface SignedCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  /** The pinned keys that signed, as vkeys, in the order of their lines. */
  readonly signedBy: readonly string[];
  /** Key ids, in hex, of signature lines with the ledger's name by keys that are not pinned; anybody can add one. */
  readonly others: readonly string[];
}

/** A checkpoint of `origin` that a pinned key of that name signed. Throws `bad_note`, `bad_checkpoint`. */
export function verifyCheckpoint(note: string, origin: string, vkeys: readonly Vkey[], options: VerifyOptions = {}): SignedCheckpoint {
  // a pinned key of another name (a witness, another log) does not speak for this log
  const own = vkeys.filter((vkey) => vkey.name === origin);
  const verified = reading(() => verifyNote(note, own, options.verify));
  const checkpoint = reading(() => parseCheckpoint(verified.text));
  if (checkpoint.origin !== origin) {
    throw new VerifyError("bad_checkpoint", "the checkpoint is one of another log", { expected: origin, found: checkpoint.origin });
  }
  if (checkpoint.extensions.length > 0) {
    throw new VerifyError("bad_checkpoint", "the checkpoint has extension lines", { found: checkpoint.extensions[0] });
  }
  const unknown = verified.unknown === 0 ? [] : parseNote(note).signatures.filter(({ name, keyId }) => name === origin && own.every((vkey) => vkey.keyId !== keyId));
  return { size: checkpoint.size, root: checkpoint.root, signedBy: verified.keys.map(vkeyText), others: unknown.map(({ keyId }) => keyId.toString(16).padStart(8, "0")) };
}
