/** A file of lines (docs/FORMAT.md section 16) from its pieces, in memory of one line. */
import { concat } from "../format/bytes.ts";
import { MAX_EXPORT_LINE } from "../format/export.ts";
import { VerifyError } from "./errors.ts";

const LF = 0x0a;

export class Lines {
  /** Of the line that has not ended. */
  #parts: Uint8Array[] = [];
  #length = 0;

  /** The lines that end in this piece, without their line feeds; good until the next call. Throws `too_large`. */
  *take(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    let from = 0;
    for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, from)) {
      const end = piece.subarray(from, at);
      from = at + 1;
      if (this.#length + end.length > MAX_EXPORT_LINE) throw tooLarge();
      yield this.#parts.length === 0 ? end : concat(...this.#parts, end);
      this.#parts = [];
      this.#length = 0;
    }
    if (from === piece.length) return;
    this.#parts.push(piece.slice(from));
    this.#length += piece.length - from;
    if (this.#length > MAX_EXPORT_LINE) throw tooLarge();
  }

  /** Throws `bad_export` where the last line has no line feed. */
  end(): void {
    if (this.#length > 0) throw new VerifyError("bad_export", "the file is cut: its last line does not end");
  }
}

function tooLarge(): VerifyError {
  return new VerifyError("too_large", `a line is longer than ${MAX_EXPORT_LINE} bytes`);
}
