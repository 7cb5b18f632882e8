/**
 * A caller's receipt straight from the bytes of its message to a `Request`: what `parseStrict` and `readRequest` make of it, by the
 * short way of quick-scan.ts. Like that one it only ever accepts; whatever is not certain is for `readRequest`, which knows the reason.
 */
import { copyBytes } from "./bytes.ts";
import { callerFields, namingFields } from "./fields.ts";
import { MAX_RECEIPT } from "./limits.ts";
import { DEFAULT_ORGANIZATION } from "./names.ts";
import { ascii, UNCERTAIN } from "./quick-forms.ts";
import { NAMES, rankAt, rankOf } from "./quick-names.ts";
import type { QuickScan } from "./quick-scan.ts";
import { DEPTH, QuickValues } from "./quick-values.ts";
import type { Request } from "./request.ts";
import { CUTS } from "./seal.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

const MOST_EXTENSIONS = 64;
const [ORGANIZATION, RECEIPT_ID, SYSTEM_ID, DECISION, INPUTS] = [rankOf("organization"), rankOf("receipt_id"), rankOf("system_id"), rankOf("decision"), rankOf("inputs")] as const;
const CUT_RANKS = CUTS.map(rankOf);
/** By rank: may a caller name it? */
const IS_CALLERS = NAMES.map((name) => Object.hasOwn(callerFields, name) || Object.hasOwn(namingFields, name));
/** The member, with its comma, of a field that was not sent; mostly nothing. */
const PRESETS = NAMES.map((name) => ascii({ organization: `"organization":"${DEFAULT_ORGANIZATION}",`, type: '"type":"decision",', receipt_id: `"receipt_id":"${" ".repeat(36)}",` }[name] ?? ""));
/** Where the id is in that of `receipt_id`. */
const ID_AT = '"receipt_id":"'.length;

export interface QuickOptions {
  /** Makes a UUIDv7. */
  readonly newId: () => string;
  /** Memory for the request: `length` bytes of any content. */
  readonly take: (length: number) => Uint8Array;
  /** Bytes that are ASCII, as text. */
  readonly ascii: (bytes: Uint8Array, from: number, end: number) => string;
}

export class QuickRequests {
  /** The receipt that `read` has read last. */
  request: Request | null = null;
  readonly #options: QuickOptions;
  readonly #scan: QuickScan;
  readonly #values: QuickValues;
  readonly #presets = PRESETS.map((preset) => preset.slice());
  readonly #idMember = this.#presets[RECEIPT_ID]!;
  #text: Uint8Array = new Uint8Array(0);
  /** Where each field's member is in what the scan has written: beginning and end, by rank; 0, 0: it was not sent. */
  readonly #from = new Int32Array(NAMES.length + MOST_EXTENSIONS);
  readonly #to = new Int32Array(NAMES.length + MOST_EXTENSIONS);
  #extensions = 0;
  /** Where the values of these are in the text. */
  #organization = 0;
  #organizationEnd = 0;
  #id = 0;

  constructor(scan: QuickScan, options: QuickOptions) {
    this.#scan = scan;
    this.#values = new QuickValues(scan);
    this.#options = options;
  }

  /** Behind the receipt at `p`, or `UNCERTAIN`. The scan is begun anew there. */
  read(text: Uint8Array, p: number): number {
    const scan = this.#scan;
    if (text[p] !== BRACE) return UNCERTAIN;
    this.#text = text;
    const beyondAscii = scan.beyondAscii;
    scan.begin(text, p);
    scan.beyondAscii = beyondAscii;
    this.#from.fill(0);
    this.#to.fill(0);
    this.#extensions = 0;
    p = scan.skip(p + 1);
    for (;;) {
      p = this.#member(p);
      if (p < 0) return UNCERTAIN;
      p = scan.skip(p);
      const c = text[p];
      if (c === BRACE_END) break;
      if (c !== COMMA) return UNCERTAIN;
      p = scan.skip(p + 1);
    }
    scan.flush(p);
    if (this.#to[SYSTEM_ID] === 0 || this.#to[DECISION] === 0 || this.#to[INPUTS] === 0) return UNCERTAIN;
    this.request = this.#assemble();
    return this.request === null ? UNCERTAIN : p + 1;
  }

  #member(p: number): number {
    const scan = this.#scan;
    const text = this.#text;
    if (text[p] !== QUOTE) return UNCERTAIN;
    const end = scan.name(p + 1);
    if (end < 0) return UNCERTAIN;
    const at = this.#placeOf(p + 1, end);
    if (at < 0) return UNCERTAIN;
    const from = scan.written(p);
    const start = scan.colon(end);
    if (start < 0) return UNCERTAIN;
    const behind = at < NAMES.length ? this.#values.field(at, text, start) : scan.value(start, DEPTH);
    if (behind < 0) return UNCERTAIN;
    if (at === RECEIPT_ID) this.#id = start + 1;
    if (at === ORGANIZATION) [this.#organization, this.#organizationEnd] = [start + 1, behind - 1];
    this.#from[at] = from;
    this.#to[at] = scan.written(behind);
    return behind;
  }

  /** Where the member of this name belongs, or `UNCERTAIN`: extensions must be in order. */
  #placeOf(start: number, end: number): number {
    const rank = rankAt(this.#text, start, end);
    if (rank < 0 || (rank < NAMES.length && (!IS_CALLERS[rank] || this.#to[rank] !== 0))) return UNCERTAIN;
    if (rank < NAMES.length) return rank;
    if (this.#extensions === MOST_EXTENSIONS) return UNCERTAIN;
    const place = NAMES.length + this.#extensions;
    if (this.#extensions > 0) {
      const { out } = this.#scan;
      this.#scan.flush(start - 1);
      const before = this.#from[place - 1]! + 1;
      let i = 0;
      while (start + i < end && out[before + i] === this.#text[start + i]) i++;
      if (start + i === end || out[before + i]! > this.#text[start + i]!) return UNCERTAIN;
    }
    this.#extensions++;
    return place;
  }

  /** The members in JCS order, with the defaults. */
  #assemble(): Request | null {
    const { newId, take, ascii: textOf } = this.#options;
    const { out } = this.#scan;
    const chosenId = this.#to[RECEIPT_ID] !== 0;
    const receiptId = chosenId ? textOf(this.#text, this.#id, this.#id + 36) : newId();
    if (!chosenId) for (let i = 0; i < receiptId.length; i++) this.#idMember[ID_AT + i] = receiptId.charCodeAt(i);
    let length = 1;
    for (let i = 0; i < NAMES.length + this.#extensions; i++) {
      length += this.#to[i] === 0 ? this.#presets[i]!.length : this.#to[i]! - this.#from[i]! + 1;
    }
    if (length > MAX_RECEIPT) return null;
    const json = take(length);
    const cuts: number[] = [];
    let at = 1;
    json[0] = BRACE;
    for (let i = 0; i < NAMES.length + this.#extensions; i++) {
      while (CUT_RANKS[cuts.length] === i) cuts.push(at);
      const to = this.#to[i]!;
      const from = this.#from[i]!;
      if (to === 0) {
        const preset = this.#presets[i]!;
        copyBytes(preset, 0, preset.length, json, at);
        at += preset.length;
      } else {
        copyBytes(out, from, to, json, at);
        at += to - from;
        json[at++] = COMMA;
      }
    }
    json[at - 1] = BRACE_END;
    const organization = this.#to[ORGANIZATION] === 0 ? DEFAULT_ORGANIZATION : textOf(this.#text, this.#organization, this.#organizationEnd);
    return { type: "decision", organization, receiptId, chosenId, json, cuts };
  }
}
