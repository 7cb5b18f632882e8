/** The values of a receipt's fields (fields.ts), read and judged in one pass. Positions are as in quick-scan.ts. */
import { ascii, isAnyOf, isDigit, isSame, isUuid, organizationEnd, timeEnd, UNCERTAIN } from "./quick-forms.ts";
import { NAMES } from "./quick-names.ts";
import { QuickScan } from "./quick-scan.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACE = 0x7b;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const SMALL_N = 0x6e;

/** Levels below the receipt's own, of 32. */
export const DEPTH = 31;
/** `gates` and `reasons`. */
const MOST_ELEMENTS = 1000;
/** Bytes, and so UTF-16 code units, that a text and a summary may have. */
const SHORT = 256;
const SUMMARY = 4096;

/** What a field's value must be. */
type Kind = "text" | "summary" | "count" | "timestamp" | "any" | "object" | "gates" | "list" | "decision" | "organization" | "id" | "hash" | "mac" | "string";
const KINDS: Readonly<Record<string, Kind>> = {
  system_id: "text", model_version: "text", user_id: "text", region: "text", policy_version: "text", chain_id: "text", summary: "summary",
  model_epoch: "count", timestamp: "timestamp", decision: "any", inputs: "object", metadata: "object", gates: "gates", reasons: "list",
  type: "decision", organization: "organization", receipt_id: "id",
  schema_version: "count", org_seq: "count", log_index: "count", key_epoch: "count", recorded_at: "timestamp", previous_receipt_hash: "hash", signature: "mac",
  ledger: "string", key_id: "string", receipt_number: "string",
};
/** By rank. */
const KIND_OF: readonly (Kind | undefined)[] = NAMES.map((name) => KINDS[name]);

const STATUSES = ["PASS", "FAIL", "WARN", "SKIP", "ERROR"].map(ascii);
const GATE_NAME = ascii("name");
const GATE_STATUS = ascii("status");
const DECISION = ascii('"decision"');
const NULL = ascii("null");
const HASH = ascii('"sha256:');
const MAC = ascii('"hmac-sha256:');

export class QuickValues {
  readonly #scan: QuickScan;
  /** For a second look at what was read. */
  readonly #look = new QuickScan();

  constructor(scan: QuickScan) {
    this.#scan = scan;
  }

  /** Behind the value at `p` of the field of this rank, or `UNCERTAIN`: of kind `string`, whose form is left to the caller, too. */
  field(rank: number, text: Uint8Array, p: number): number {
    const scan = this.#scan;
    const c = text[p];
    switch (KIND_OF[rank]) {
      case "text": return c === QUOTE ? textEnd(p, scan.string(p + 1), SHORT) : UNCERTAIN;
      case "summary": return c === QUOTE ? textEnd(p, scan.string(p + 1), SUMMARY) : UNCERTAIN;
      case "string": return c === QUOTE ? scan.string(p + 1) : UNCERTAIN;
      case "any": return c === SMALL_N ? UNCERTAIN : scan.value(p, DEPTH);
      case "object": return c === BRACE ? scan.value(p, DEPTH) : UNCERTAIN;
      case "gates": return c === BRACKET ? this.#list(text, scan.skip(p + 1), true) : UNCERTAIN;
      case "list": return c === BRACKET ? this.#list(text, scan.skip(p + 1), false) : UNCERTAIN;
      case "count": {
        const end = isDigit(c) ? scan.value(p, 0) : UNCERTAIN;
        for (let i = p; i < end; i++) if (!isDigit(text[i])) return UNCERTAIN;
        return end;
      }
      case "timestamp": return c === QUOTE ? timeEnd(text, p + 1) : UNCERTAIN;
      case "decision": return isSame(text, p, p + DECISION.length, DECISION) ? p + DECISION.length : UNCERTAIN;
      case "organization": {
        const end = c === QUOTE ? organizationEnd(text, p + 1) : UNCERTAIN;
        return end < 0 ? UNCERTAIN : end + 1;
      }
      case "id": return c === QUOTE && isUuid(text, p + 1) ? p + 38 : UNCERTAIN;
      case "hash": return c === SMALL_N ? (isSame(text, p, p + 4, NULL) ? p + 4 : UNCERTAIN) : hexEnd(text, p, HASH);
      case "mac": return hexEnd(text, p, MAC);
      default: return UNCERTAIN;
    }
  }

  /** Behind the list whose first element is at `p`. */
  #list(text: Uint8Array, p: number, isGates: boolean): number {
    const scan = this.#scan;
    if (text[p] === BRACKET_END) return p + 1;
    for (let count = 1; count <= MOST_ELEMENTS; count++) {
      const end = scan.value(p, DEPTH - 1);
      if (end < 0 || (isGates && !this.#isGate(text, p))) return UNCERTAIN;
      p = scan.skip(end);
      const c = text[p++];
      if (c === BRACKET_END) return p;
      if (c !== COMMA) return UNCERTAIN;
      p = scan.skip(p);
    }
    return UNCERTAIN;
  }

  /** Whether the value at `p`, which has been read, is an object with a name and a status. */
  #isGate(text: Uint8Array, p: number): boolean {
    const look = this.#look;
    if (text[p] !== BRACE) return false;
    look.begin(text, p);
    let hasName = false;
    let hasStatus = false;
    for (p = look.skip(p + 1); text[p] === QUOTE;) {
      const nameEnd = look.name(p + 1);
      const start = look.colon(nameEnd);
      const end = look.value(start, DEPTH);
      if (isSame(text, p + 1, nameEnd, GATE_NAME)) hasName = text[start] === QUOTE && textEnd(start, end, SHORT) > 0;
      else if (isSame(text, p + 1, nameEnd, GATE_STATUS)) hasStatus = text[start] === QUOTE && isAnyOf(text, start + 1, end - 1, STATUSES);
      p = look.skip(end);
      if (text[p] === COMMA) p = look.skip(p + 1);
    }
    return hasName && hasStatus;
  }
}

/** Behind a text from `start` to `end`, its quotes included, of 1 to `most` bytes, which are at least as many as UTF-16 code units. */
function textEnd(start: number, end: number, most: number): number {
  return end - start > 2 && end - start - 2 <= most ? end : UNCERTAIN;
}

/** Behind a string of `prefix` and 64 hex digits. */
function hexEnd(text: Uint8Array, p: number, prefix: Uint8Array): number {
  const start = p + prefix.length;
  if (!isSame(text, p, start, prefix)) return UNCERTAIN;
  for (let i = start; i < start + 64; i++) {
    const c = text[i]!;
    if (!(isDigit(c) || (c >= 0x61 && c <= 0x66))) return UNCERTAIN;
  }
  return text[start + 64] === QUOTE ? start + 65 : UNCERTAIN;
}
