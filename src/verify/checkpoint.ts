/** A signed checkpoint of one ledger (docs/FORMAT.md section 9). It may be anybody's. */
import { parseCheckpoint } from "../format/checkpoint.ts";
import type { Hash } from "../format/hash.ts";
import { type VerifyEd25519, verifyNote, type Vkey, vkeyText } from "../format/note.ts";
import { reading, VerifyError } from "./errors.ts";

export interface VerifyOptions {
  readonly hash?: Hash | undefined;
  /** Ed25519; default the portable one. */
  readonly verify?: VerifyEd25519 | undefined;
}

/** A checkpoint of `origin` that a pinned key of that name signed. Throws `bad_note`, `bad_checkpoint`. */
export function verifyCheckpoint(
  note: string, origin: string, vkeys: readonly Vkey[], options: VerifyOptions = {},
): { readonly size: number; readonly root: Uint8Array; readonly signedBy: readonly string[] } {
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
  return { size: checkpoint.size, root: checkpoint.root, signedBy: verified.keys.map(vkeyText) };
}
