/**
 * Appends straight from their bytes (format/quick-request.ts): a line that is certainly a good `append` or `append_many` is read here,
 * every other one, and every refusal, is for `parseCall` and `readRequest`. A property test compares the two.
 */
import { isUtf8 } from "../format/bytes.ts";
import { QuickRequests } from "../format/quick-request.ts";
import { UNCERTAIN } from "../format/quick-forms.ts";
import { QuickScan } from "../format/quick-scan.ts";
import type { Request } from "../format/request.ts";
import type { Arena } from "../ledger/arena.ts";
import type { Durability } from "../ledger/writer.ts";
import type { RpcId } from "./protocol.ts";

/** An append that is ready to be stored. */
export interface ReadAppend {
  readonly id: RpcId;
  readonly many: boolean;
  readonly requests: readonly Request[];
  /** As the call asks; null: it does not say. */
  readonly ack: Durability | null;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const DIGITS = 0x30;
/** Of an id. */
const LONGEST_ID = 256;

export class QuickAppends {
  readonly #scan = new QuickScan();
  readonly #requests: QuickRequests;
  readonly #maxMany: number;
  #line: Buffer = Buffer.alloc(0);
  #id: RpcId = null;
  #isRpc = false;
  #method = "";
  #list: Request[] = [];
  /** Was it `receipts` that the params had, not `receipt`? */
  #many = false;
  #ack: Durability | null = null;

  /** What is read lies in `arena`. */
  constructor(newId: () => string, arena: Pick<Arena, "take">, maxMany: number) {
    this.#requests = new QuickRequests(this.#scan, { newId, take: (length) => arena.take(length), ascii: (bytes, from, end) => (bytes as Buffer).toString("latin1", from, end) });
    this.#maxMany = maxMany;
  }

  /** null: not certain. */
  read(line: Buffer): ReadAppend | null {
    this.#line = line;
    this.#scan.begin(line, 0);
    this.#id = null;
    this.#isRpc = false;
    this.#method = "";
    this.#list = [];
    this.#ack = null;
    const end = this.#object(this.#skip(0), this.#envelope);
    if (end < 0 || this.#skip(end) !== line.length || this.#id === null || !this.#isRpc || this.#list.length === 0) return null;
    if (this.#method !== (this.#many ? "append_many" : "append")) return null;
    if (this.#scan.beyondAscii && !isUtf8(line)) return null;
    return { id: this.#id, many: this.#many, requests: this.#list, ack: this.#ack };
  }

  /** Behind the object at `p`, each member of which `member` has read: it is given the name, and where the value is. */
  #object(p: number, member: (name: string, p: number, seen: ReadonlySet<string>) => number): number {
    const line = this.#line;
    if (line[p] !== BRACE) return UNCERTAIN;
    const seen = new Set<string>();
    do {
      p = this.#skip(p + 1);
      if (line[p] !== QUOTE) return UNCERTAIN;
      const end = this.#scan.name(p + 1);
      if (end < 0) return UNCERTAIN;
      const name = line.toString("latin1", p + 1, end);
      p = this.#skip(end + 1);
      if (line[p] !== COLON || seen.has(name)) return UNCERTAIN;
      p = member(name, this.#skip(p + 1), seen);
      if (p < 0) return UNCERTAIN;
      seen.add(name);
      p = this.#skip(p);
    } while (line[p] === COMMA);
    return line[p] === BRACE_END && seen.size > 0 ? p + 1 : UNCERTAIN;
  }

  readonly #envelope = (name: string, p: number): number => {
    switch (name) {
      case "jsonrpc":
        this.#isRpc = this.#text(p) === "2.0";
        return this.#isRpc ? p + 5 : UNCERTAIN;
      case "id": return this.#readId(p);
      case "method":
        this.#method = this.#text(p) ?? "";
        return p + this.#method.length + 2;
      case "params": return this.#object(p, this.#param);
      default: return UNCERTAIN;
    }
  };

  readonly #param = (name: string, p: number): number => {
    if (name === "ack") {
      const ack = this.#text(p);
      if (ack !== "disk" && ack !== "wal") return UNCERTAIN;
      this.#ack = ack;
      return p + ack.length + 2;
    }
    if (this.#list.length > 0 || (name !== "receipt" && name !== "receipts")) return UNCERTAIN;
    this.#many = name === "receipts";
    return this.#many ? this.#receipts(p) : this.#receipt(p);
  };

  #receipts(p: number): number {
    const line = this.#line;
    if (line[p] !== BRACKET) return UNCERTAIN;
    do {
      p = this.#receipt(this.#skip(p + 1));
      if (p < 0 || this.#list.length > this.#maxMany) return UNCERTAIN;
      p = this.#skip(p);
    } while (line[p] === COMMA);
    return line[p] === BRACKET_END ? p + 1 : UNCERTAIN;
  }

  #receipt(p: number): number {
    const end = this.#requests.read(this.#line, p);
    if (end > 0) this.#list.push(this.#requests.request!);
    return end;
  }

  #readId(p: number): number {
    const line = this.#line;
    if (line[p] === QUOTE) {
      this.#id = this.#text(p);
      return this.#id === null ? UNCERTAIN : p + this.#id.length + 2;
    }
    if (!(line[p]! >= DIGITS && line[p]! < COLON)) return UNCERTAIN;
    const end = this.#scan.value(p, 0);
    if (end > 0) this.#id = Number(line.toString("latin1", p, end));
    return end;
  }

  /** A short string of ASCII without escapes. */
  #text(p: number): string | null {
    const line = this.#line;
    if (line[p] !== QUOTE) return null;
    const end = this.#scan.string(p + 1) - 1;
    if (end < 0 || end - p - 1 > LONGEST_ID) return null;
    for (let i = p + 1; i < end; i++) if (line[i] === BACKSLASH || line[i]! >= 0x80) return null;
    return line.toString("latin1", p + 1, end);
  }

  #skip(p: number): number {
    const line = this.#line;
    while (line[p] === 0x20 || line[p] === 0x09 || line[p] === 0x0d || line[p] === 0x0a) p++;
    return p;
  }
}
