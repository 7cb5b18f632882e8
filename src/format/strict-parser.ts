/**
 * The definition of strict JSON (docs/FORMAT.md section 3): one pass over the text that applies every rule and names the
 * first one broken, in reading order. `strict-json.ts` has the public functions and the shorter way for most texts.
 *
 * The text is under the control of a stranger: no time more than linear in it, no recursion deeper than `maxDepth`.
 */
import { FormatError } from "./errors.ts";
import type { FormatErrorCode } from "./errors.ts";
import { numberFlaw } from "./exact-numbers.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Nested arrays and objects in a receipt as sent and as stored; the outermost is the first. */
export const DEFAULT_MAX_DEPTH = 32;

/** RFC 6901 section 3. A lone surrogate has no place in a pointer and is shown as U+FFFD. */
export function pointerToken(name: string): string {
  return `/${name.toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Parses by every rule, with no short cut. The caller sees to it that the stack can take `maxDepth`. */
export function parseByDefinition(text: string, maxDepth: number = DEFAULT_MAX_DEPTH, basePointer = ""): Json {
  return new StrictParser(text, maxDepth, basePointer).parse();
}

const QUOTE = 0x22;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const BACKSLASH = 0x5c;
const FLAWS = { lone_surrogate: "a surrogate without its partner", nul_character: "U+0000" } as const;
/** RFC 8259 section 7: the character after the backslash and the one it means; \u apart. */
const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }),
);

/** Recursive descent over UTF-16 code units, of which charCodeAt gives NaN past the end. One instance reads one text. */
class StrictParser {
  private readonly text: string;
  private readonly maxDepth: number;
  private readonly basePointer: string;
  private at = 0;
  private depth = 0;
  /** Names and indexes that lead from the outermost value to the one being read. */
  private readonly path: (string | number)[] = [];
  /** What is first wrong with the characters of the string being read. It is thrown with that string at the latest. */
  private flaw: keyof typeof FLAWS | undefined;

  constructor(text: string, maxDepth: number, basePointer: string) {
    this.text = text;
    this.maxDepth = maxDepth;
    this.basePointer = basePointer;
  }

  parse(): Json {
    this.skipSpace();
    const value = this.value();
    this.skipSpace();
    if (this.at < this.text.length) throw this.badJson("the end of the text");
    return value;
  }

  private value(): Json {
    switch (this.text.charCodeAt(this.at)) {
      case QUOTE: {
        const value = this.string();
        if (this.flaw !== undefined) throw this.refusal(this.flaw, FLAWS[this.flaw]);
        return value;
      }
      case 0x7b:
        return this.object();
      case 0x5b:
        return this.array();
      case 0x74:
        return this.literal("true", true);
      case 0x66:
        return this.literal("false", false);
      case 0x6e:
        return this.literal("null", null);
      default:
        return this.number();
    }
  }

  private object(): Json {
    this.enter();
    const members: { [name: string]: Json } = {};
    let next = this.skipSpace();
    if (next !== 0x7d) {
      for (;;) {
        if (next !== QUOTE) throw this.badJson("a name");
        const name = this.string();
        this.path.push(name);
        if (this.flaw !== undefined) throw this.refusal(this.flaw, FLAWS[this.flaw]);
        if (name === "__proto__") throw this.refusal("forbidden_name", "the name is __proto__");
        if (Object.hasOwn(members, name)) throw this.refusal("duplicate_name", "the object has this name already");
        if (this.skipSpace() !== 0x3a) throw this.badJson("a colon");
        this.at++;
        this.skipSpace();
        members[name] = this.value();
        this.path.pop();
        next = this.skipSpace();
        if (next === 0x7d) break;
        if (next !== 0x2c) throw this.badJson("a comma or a closing brace");
        this.at++;
        next = this.skipSpace();
      }
    }
    this.at++;
    this.depth--;
    return members;
  }

  private array(): Json {
    this.enter();
    const items: Json[] = [];
    if (this.skipSpace() !== 0x5d) {
      for (;;) {
        this.path.push(items.length);
        items.push(this.value());
        this.path.pop();
        const next = this.skipSpace();
        if (next === 0x5d) break;
        if (next !== 0x2c) throw this.badJson("a comma or a closing bracket");
        this.at++;
        this.skipSpace();
      }
    }
    this.at++;
    this.depth--;
    return items;
  }

  private enter(): void {
    if (++this.depth > this.maxDepth) throw this.refusal("too_deep", `nested more than ${this.maxDepth} deep`);
    this.at++;
  }

  /** Reads a string from its opening quote; leaves in `flaw` what its characters break. */
  private string(): string {
    const text = this.text;
    let out = "";
    let from = this.at + 1; // of the run of plain characters that is not in `out` yet
    for (let i = from; ; i++) {
      const unit = text.charCodeAt(i);
      if (unit === QUOTE) {
        this.at = i + 1;
        return out === "" ? text.slice(from, i) : out + text.slice(from, i);
      }
      if (unit === BACKSLASH) {
        out += text.slice(from, i);
        this.at = i;
        out += this.escape();
        from = this.at;
        i = from - 1;
      } else if (unit >= 0x20) {
        if ((unit & 0xf800) !== 0xd800) continue;
        if (unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) i++;
        else this.flaw ??= "lone_surrogate";
      } else if (unit === 0) {
        this.flaw ??= "nul_character"; // RFC 8259 refuses it raw too; the reason given does not depend on the spelling
      } else {
        this.at = i;
        throw this.brokenString(i < text.length ? "no raw control character" : "a closing quote");
      }
    }
  }

  /** Reads one escape, or the two of a surrogate pair: half a pair that is raw does not match half a pair that is not. */
  private escape(): string {
    const letter = this.text.charAt(this.at + 1);
    if (letter !== "u") {
      const meant = ESCAPES.get(letter);
      if (meant === undefined) throw this.brokenString("an escape");
      this.at += 2;
      return meant;
    }
    const unit = this.hexEscape();
    if (unit === undefined) throw this.brokenString("an escape");
    this.at += 6;
    if (unit === 0) this.flaw ??= "nul_character";
    if ((unit & 0xf800) !== 0xd800) return String.fromCharCode(unit);
    const low = unit < 0xdc00 ? this.hexEscape() : undefined;
    if (low !== undefined && isLowSurrogate(low)) {
      this.at += 6;
      return String.fromCharCode(unit, low);
    }
    this.flaw ??= "lone_surrogate";
    return String.fromCharCode(unit);
  }

  /** The code unit of the \uXXXX at the current place, if there is one. */
  private hexEscape(): number | undefined {
    const escape = this.text.slice(this.at, this.at + 6);
    return /^\\u[0-9a-fA-F]{4}$/.test(escape) ? Number.parseInt(escape.slice(2), 16) : undefined;
  }

  private literal<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.badJson("a value");
    this.at += word.length;
    return value;
  }

  private number(): number {
    const text = this.text;
    const start = this.at;
    if (text.charCodeAt(start) === MINUS) this.at++;
    if (text.charCodeAt(this.at) === DIGIT_0) this.at++;
    else this.digits(this.at === start ? "a value" : "a digit");
    const integerEnd = this.at;
    if (text.charCodeAt(this.at) === 0x2e) {
      this.at++;
      this.digits("a digit");
    }
    if ((text.charCodeAt(this.at) | 0x20) === 0x65) {
      this.at++;
      const sign = text.charCodeAt(this.at);
      if (sign === MINUS || sign === 0x2b) this.at++;
      this.digits("a digit");
    }
    const literal = text.slice(start, this.at);
    const value = Number(literal);
    if (value !== 0 && this.at === integerEnd && literal.length < 16) return value; // at most 15 digits are always exact
    const flaw = numberFlaw(literal, value);
    if (flaw !== undefined) throw this.refusal(flaw, "no number of this value can be kept");
    return value;
  }

  private digits(wanted: string): void {
    const start = this.at;
    for (let unit = this.text.charCodeAt(start); unit >= DIGIT_0 && unit <= 0x39; ) unit = this.text.charCodeAt(++this.at);
    if (this.at === start) throw this.badJson(wanted);
  }

  /** Goes to the next token and returns its first code unit. */
  private skipSpace(): number {
    for (;;) {
      const unit = this.text.charCodeAt(this.at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return unit;
      this.at++;
    }
  }

  /** For a string that ends badly: a flaw before that comes first. The pointer of a broken name is that of its object. */
  private brokenString(wanted: string): FormatError {
    return this.flaw === undefined ? this.badJson(wanted) : this.refusal(this.flaw, FLAWS[this.flaw]);
  }

  private badJson(wanted: string): FormatError {
    const lines = this.text.slice(0, this.at).split("\n");
    const column = lines.at(-1)!.length + 1;
    return this.refusal("bad_json", `not JSON at line ${lines.length} column ${column}: expected ${wanted}`);
  }

  /** The stranger's names go into the pointer only, never into the message. */
  private refusal(code: FormatErrorCode, message: string): FormatError {
    return new FormatError(code, message, this.basePointer + this.path.map((step) => pointerToken(String(step))).join(""));
  }
}

function isLowSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}
