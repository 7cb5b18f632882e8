/**
 * A caller's receipt straight from the bytes of its message to a `Request`: what `parseStrict` and `readRequest` make of it, by the
 * short way of quick-scan.ts. Like that one it only ever accepts; whatever is not certain is for `readRequest`, which knows the reason.
 */
import { copyBytes } from "./bytes.ts";
import { callerFields, MAX_RECEIPT, namingFields } from "./fields.ts";
import { DEFAULT_ORGANIZATION } from "./names.ts";
import { ascii, isAnyOf, isDigit, isNameByte, isSame, isUuid, organizationEnd, timeEnd } from "./quick-forms.ts";
import { QuickScan, UNCERTAIN } from "./quick-scan.ts";
import type { Request } from "./request.ts";
import { CUTS } from "./seal.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const SMALL_N = 0x6e;

/** Levels below the receipt's own, of 32. */
const DEPTH = 31;
/** `gates` and `reasons`. */
const MOST_ELEMENTS = 1000;
const MOST_EXTENSIONS = 64;
const EXTENSION_LENGTH = 64;
/** Bytes, and so UTF-16 code units, that a text and a summary may have. */
const SHORT = 256;
const SUMMARY = 4096;

/** In JCS order; extensions, which begin with x_, come behind all of them. */
const NAMES = [...Object.keys(callerFields), ...Object.keys(namingFields)].sort();
const NAME_BYTES = NAMES.map(ascii);
const rank = (name: string): number => {
  const at = NAMES.indexOf(name);
  if (at === -1) throw new Error(`${name} is no field`);
  return at;
};
const [ORGANIZATION, RECEIPT_ID, SYSTEM_ID, DECISION, INPUTS] = [rank("organization"), rank("receipt_id"), rank("system_id"), rank("decision"), rank("inputs")] as const;
/** How many fields stand before each of the daemon's own. */
const CUT_RANKS = CUTS.map((name) => NAMES.filter((other) => other < name).length);

/** What a field's value must be, and for text and lists how much. A field that is not here is left to its schema. */
type Kind = "text" | "summary" | "count" | "timestamp" | "any" | "object" | "gates" | "list" | "type" | "organization" | "id";
const KINDS: Readonly<Record<string, Kind>> = {
  system_id: "text", model_version: "text", user_id: "text", region: "text", policy_version: "text", chain_id: "text", summary: "summary",
  model_epoch: "count", timestamp: "timestamp", decision: "any", inputs: "object", metadata: "object", gates: "gates", reasons: "list",
  type: "type", organization: "organization", receipt_id: "id",
};
const KIND_OF = NAMES.map((name) => KINDS[name]);

/** Names by length and first letter, which tell them apart. */
const BY_SHAPE = new Int8Array(32 * 128).fill(-1);
for (const [at, name] of NAME_BYTES.entries()) {
  const shape = name.length * 128 + name[0]!;
  if (BY_SHAPE[shape] !== -1) throw new Error(`the names ${NAMES[at]} and ${NAMES[BY_SHAPE[shape]!]} look alike`);
  BY_SHAPE[shape] = at;
}
const STATUSES = ["PASS", "FAIL", "WARN", "SKIP", "ERROR"].map(ascii);
const GATE_NAME = ascii("name");
const GATE_STATUS = ascii("status");
const DECISION_TYPE = ascii("decision");
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
  /** For a second look at what was read. */
  readonly #look = new QuickScan();
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
    const behind = at < NAMES.length ? this.#field(at, start) : scan.value(start, DEPTH);
    if (behind < 0) return UNCERTAIN;
    this.#from[at] = from;
    this.#to[at] = scan.written(behind);
    return behind;
  }

  /** Where the member of this name belongs, or `UNCERTAIN`. */
  #placeOf(start: number, end: number): number {
    const text = this.#text;
    const length = end - start;
    if (length < 32) {
      const at = BY_SHAPE[length * 128 + text[start]!]!;
      if (at >= 0 && isSame(text, start, end, NAME_BYTES[at]!)) return this.#to[at] === 0 ? at : UNCERTAIN;
    }
    if (length < 3 || length > EXTENSION_LENGTH || text[start] !== 0x78 || text[start + 1] !== 0x5f || this.#extensions === MOST_EXTENSIONS) return UNCERTAIN;
    for (let i = start + 2; i < end; i++) if (!isNameByte(text[i]!)) return UNCERTAIN;
    const place = NAMES.length + this.#extensions;
    if (this.#extensions > 0) { // in order, or not for this one
      const out = this.#scan.out;
      this.#scan.flush(start - 1);
      const before = this.#from[place - 1]! + 1;
      let i = 0;
      while (start + i < end && out[before + i] === text[start + i]) i++;
      if (start + i === end || out[before + i]! > text[start + i]!) return UNCERTAIN;
    }
    this.#extensions++;
    return place;
  }

  /** Behind the value at `p` of the field of this rank. */
  #field(at: number, p: number): number {
    const scan = this.#scan;
    const text = this.#text;
    const c = text[p];
    switch (KIND_OF[at]) {
      case "text":
      case "summary": {
        if (c !== QUOTE) return UNCERTAIN;
        const end = scan.string(p + 1);
        // bytes are at least as many as UTF-16 code units
        return end - p > 2 && end - p - 2 <= (KIND_OF[at] === "text" ? SHORT : SUMMARY) ? end : UNCERTAIN;
      }
      case "any":
        return c === SMALL_N ? UNCERTAIN : scan.value(p, DEPTH);
      case "object":
        return c === BRACE ? scan.value(p, DEPTH) : UNCERTAIN;
      case "gates":
      case "list":
        return c === BRACKET ? this.#list(scan.skip(p + 1), KIND_OF[at] === "gates") : UNCERTAIN;
      case "count": {
        const end = isDigit(c) ? scan.value(p, 0) : UNCERTAIN;
        for (let i = p; i < end; i++) if (!isDigit(text[i])) return UNCERTAIN;
        return end;
      }
      case "timestamp":
        return c === QUOTE ? timeEnd(text, p + 1) : UNCERTAIN;
      case "type": {
        const end = p + DECISION_TYPE.length + 1;
        return c === QUOTE && isSame(text, p + 1, end, DECISION_TYPE) && text[end] === QUOTE ? end + 1 : UNCERTAIN;
      }
      case "organization":
        this.#organization = p + 1;
        this.#organizationEnd = c === QUOTE ? organizationEnd(text, p + 1) : UNCERTAIN;
        return this.#organizationEnd < 0 ? UNCERTAIN : this.#organizationEnd + 1;
      case "id":
        this.#id = p + 1;
        return c === QUOTE && isUuid(text, p + 1) ? p + 38 : UNCERTAIN;
      default:
        return UNCERTAIN;
    }
  }

  /** Behind the list whose first element is at `p`. */
  #list(p: number, isGates: boolean): number {
    const scan = this.#scan;
    const text = this.#text;
    if (text[p] === BRACKET_END) return p + 1;
    for (let count = 1; count <= MOST_ELEMENTS; count++) {
      const end = scan.value(p, DEPTH - 1);
      if (end < 0 || (isGates && !this.#isGate(p))) return UNCERTAIN;
      p = scan.skip(end);
      const c = text[p++];
      if (c === BRACKET_END) return p;
      if (c !== COMMA) return UNCERTAIN;
      p = scan.skip(p);
    }
    return UNCERTAIN;
  }

  /** Whether the value at `p`, which has been read, is an object with a name and a status. */
  #isGate(p: number): boolean {
    const look = this.#look;
    const text = this.#text;
    if (text[p] !== BRACE) return false;
    look.begin(text, p);
    let hasName = false;
    let hasStatus = false;
    for (p = look.skip(p + 1); text[p] === QUOTE;) {
      const nameEnd = look.name(p + 1);
      const start = look.colon(nameEnd);
      const end = look.value(start, DEPTH);
      if (isSame(text, p + 1, nameEnd, GATE_NAME)) hasName = text[start] === QUOTE && end - start > 2 && end - start - 2 <= SHORT;
      else if (isSame(text, p + 1, nameEnd, GATE_STATUS)) hasStatus = text[start] === QUOTE && isAnyOf(text, start + 1, end - 1, STATUSES);
      p = look.skip(end);
      if (text[p] === COMMA) p = look.skip(p + 1);
    }
    return hasName && hasStatus;
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
