/** The members of a file for a stranger (docs/FORMAT.md sections 15 and 16): objects with exactly these, texts, lists, and the hints in them. */
import { fromBase64 } from "./bytes.ts";
import { FormatError, type FormatErrorCode } from "./errors.ts";
import { isOrigin } from "./names.ts";
import { isArray, type Json } from "./strict-json.ts";

/** Keys, and places, at most. */
export const MAX_HINTS = 16;
/** UTF-16 code units of a hint. */
const MAX_HINT = 1024;

/** Where the anchor whose checkpoint is in the file was found, as whoever made the file says. */
export interface PublishedAt {
  readonly target: string;
  /** The object's full name. */
  readonly object: string;
  readonly version_id: string;
  /** By the clock of the target. */
  readonly last_modified: string;
}

export class Members {
  readonly #code: FormatErrorCode;

  /** `code`: of what is not as it must be. */
  constructor(code: FormatErrorCode) {
    this.#code = code;
  }

  bad(message: string, pointer: string): FormatError {
    return new FormatError(this.#code, message, pointer);
  }

  /** An object with these members and no others; `names` are sorted. */
  of(value: Json | undefined, names: readonly string[], pointer: string): { readonly [name: string]: Json } {
    if (typeof value !== "object" || value === null || isArray(value)) throw this.bad("not an object", pointer);
    if (Object.keys(value).sort().join() !== names.join()) throw this.bad(`an object with the members ${names.join(", ")}, and no others, is expected`, pointer);
    return value;
  }

  text(value: Json | undefined, pointer: string): string {
    if (typeof value !== "string") throw this.bad("not a string", pointer);
    return value;
  }

  /** The name of a ledger. */
  origin(value: Json | undefined, pointer: string): string {
    const text = this.text(value, pointer);
    if (!isOrigin(text)) throw this.bad("not the name of a ledger", pointer);
    return text;
  }

  base64(value: Json | undefined, pointer: string): Uint8Array {
    const bytes = fromBase64(this.text(value, pointer));
    if (bytes === null) throw this.bad("not canonical base64", pointer);
    return bytes;
  }

  list(value: Json | undefined, most: number, pointer: string): readonly Json[] {
    if (value === undefined || !isArray(value) || value.length > most) throw this.bad(`not an array of at most ${most}`, pointer);
    return value;
  }

  hint(value: Json | undefined, pointer: string): string {
    const text = this.text(value, pointer);
    if (text.length > MAX_HINT) throw this.bad(`longer than ${MAX_HINT} characters`, pointer);
    return text;
  }

  /** The member `published`. */
  published(value: Json | undefined): readonly PublishedAt[] {
    return this.list(value, MAX_HINTS, "/published").map((one, i) => {
      const members = this.of(one, ["last_modified", "object", "target", "version_id"], `/published/${i}`);
      const hint = (name: keyof PublishedAt): string => this.hint(members[name], `/published/${i}/${name}`);
      return { target: hint("target"), object: hint("object"), version_id: hint("version_id"), last_modified: hint("last_modified") };
    });
  }

  /** The member `vkeys`. */
  vkeys(value: Json | undefined): readonly string[] {
    return this.list(value, MAX_HINTS, "/vkeys").map((one, i) => this.hint(one, `/vkeys/${i}`));
  }
}
