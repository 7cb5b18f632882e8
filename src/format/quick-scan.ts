/**
 * Strict JSON (docs/FORMAT.md section 3) straight from bytes to JCS (RFC 8785), in one pass that makes no values: what a receipt costs
 * most is otherwise turning its text into objects and back.
 *
 * It only ever accepts, and only texts of which it is certain; everything else, wrong or merely unusual, is for `parseStrict` and
 * `canonicalize`, which are the definition and know the reason. A property test compares the two. Left to them are: names that
 * are not plain ASCII or that look reserved, numbers that are shorter than ECMAScript writes them, objects of more than 256 members out
 * of order, and whatever is nested deeper than 32.
 *
 * Positions are those in the text; a negative one means "not certain".
 */
import { copyBytes } from "./bytes.ts";
import { otherNumber, plainNumberEnd, zerosEnd, zerosFrom } from "./quick-numbers.ts";
import { BEYOND_ASCII, CONTROL, END, escapeLength, ESCAPES, IN_STRING, LONG, PLAIN, plainUntil, writeEscape } from "./quick-strings.ts";
import { UNCERTAIN } from "./quick-forms.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const UNDERSCORE = 0x5f;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

const MOST_UNSORTED = 256;
/** Numbers that are kept of a member: where it is in the output, where its name is in the text, the name's length. */
const MEMBER = 3;

const LITERALS = ["true", "false", "null"].map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));

export class QuickScan {
  /** What was written, up to the last `flush`. */
  out: Uint8Array = new Uint8Array(16 * 1024);
  /** Was a byte seen that is not ASCII? The text's UTF-8 is not checked here. */
  beyondAscii = false;
  /** Does what is written differ from the text: white space, names out of order? */
  isChanged = false;
  #text: Uint8Array = new Uint8Array(0);
  #end = 0;
  /** Where what is not written yet begins in the text, and where it will stand. */
  #run = 0;
  #at = 0;
  #members = new Int32Array(1024 * MEMBER);
  #top = 0;
  #swap = new Uint8Array(0);

  /** Begins with the text at `start`. */
  begin(text: Uint8Array, start: number): void {
    this.#text = text;
    this.#end = text.length;
    this.#run = start;
    this.#at = 0;
    this.#top = 0;
    this.beyondAscii = false;
    this.isChanged = false;
    if (this.out.length < text.length - start) this.out = new Uint8Array(text.length - start);
  }

  /** Where the text's byte at `p` will stand in `out`. */
  written(p: number): number {
    return this.#at + (p - this.#run);
  }

  /** Writes everything before `p`. */
  flush(p: number): void {
    copyBytes(this.#text, this.#run, p, this.out, this.#at);
    this.#at += p - this.#run;
    this.#run = p;
  }

  /** Behind white space at `p`. */
  skip(p: number): number {
    const text = this.#text;
    if (text[p]! > 0x20) return p;
    let q = p;
    while (q < this.#end && (text[q] === 0x20 || text[q] === 0x0a || text[q] === 0x0d || text[q] === 0x09)) q++;
    if (q !== p) {
      this.flush(p);
      this.#continueAt(q);
    }
    return q;
  }

  /** Behind the value at `p`, with `depth` levels of arrays and objects allowed. */
  value(p: number, depth: number): number {
    const c = this.#text[p]!;
    if (c === QUOTE) return this.string(p + 1);
    if (c === BRACE) return this.#object(p + 1, depth - 1);
    if (c === BRACKET) return this.#array(p + 1, depth - 1);
    if (c === MINUS || (c >= ZERO && c <= NINE)) return this.#number(p);
    return this.#literal(p);
  }

  /** Behind the string whose first character is at `p`. */
  string(p: number): number {
    const text = this.#text;
    const end = this.#end;
    for (let long = p + LONG; p < end;) {
      if (p > long) {
        p = plainUntil(text, p);
        long = p + LONG;
        if (p >= end) return UNCERTAIN;
      }
      const kind = IN_STRING[text[p++]!]!;
      if (kind === PLAIN) continue;
      if (kind === END) return p;
      if (kind === BEYOND_ASCII) this.beyondAscii = true;
      else if (kind === CONTROL || p >= end) return UNCERTAIN;
      else if (ESCAPES[text[p]!] === 1) p++;
      else {
        this.flush(p - 1);
        const written = writeEscape(text, p - 1, this.out, this.#at);
        if (written === 0) return UNCERTAIN;
        this.#at += written;
        p += escapeLength(text, p, written) - 1;
        this.#continueAt(p);
      }
    }
    return UNCERTAIN;
  }

  /** What was before `p` is written, in another form than the text's. */
  #continueAt(p: number): void {
    this.#run = p;
    this.isChanged = true;
  }

  /** The end of the name whose first character is at `p`: where its closing quote is. */
  name(p: number): number {
    const text = this.#text;
    const first = text[p]!;
    if (first === UNDERSCORE || first === POINT) return UNCERTAIN; // __proto__, _sd, ...: not for this one to judge
    while (p < this.#end) {
      const kind = IN_STRING[text[p]!];
      if (kind === END) return p;
      if (kind !== PLAIN) return UNCERTAIN;
      p++;
    }
    return UNCERTAIN;
  }

  /** From the end of a name to its value. */
  colon(p: number): number {
    const at = this.skip(p + 1);
    return this.#text[at] === COLON ? this.skip(at + 1) : UNCERTAIN;
  }

  /** Behind the array whose bracket is before `p`. */
  #array(p: number, depth: number): number {
    if (depth < 0) return UNCERTAIN;
    p = this.skip(p);
    if (this.#text[p] === BRACKET_END) return p + 1;
    for (;;) {
      p = this.value(p, depth);
      if (p < 0) return UNCERTAIN;
      p = this.skip(p);
      const c = this.#text[p++];
      if (c === BRACKET_END) return p;
      if (c !== COMMA) return UNCERTAIN;
      p = this.skip(p);
    }
  }

  #object(p: number, depth: number): number {
    if (depth < 0) return UNCERTAIN;
    const text = this.#text;
    p = this.skip(p);
    if (text[p] === BRACE_END) return p + 1;
    const base = this.#top;
    let isSorted = true;
    let previous = 0;
    let previousEnd = 0;
    for (;;) {
      if (text[p] !== QUOTE) return UNCERTAIN;
      const start = p + 1;
      const end = this.name(start);
      if (end < 0) return UNCERTAIN;
      if (this.#top > base) {
        const order = compare(text, previous, previousEnd, start, end);
        if (order === 0) return UNCERTAIN;
        if (order > 0) isSorted = false;
      }
      previous = start;
      previousEnd = end;
      this.#remember(p, end - start);
      p = this.colon(end);
      if (p < 0) return UNCERTAIN;
      p = this.value(p, depth);
      if (p < 0) return UNCERTAIN;
      p = this.skip(p);
      const c = text[p];
      if (c === BRACE_END) break;
      if (c !== COMMA) return UNCERTAIN;
      p = this.skip(p + 1);
    }
    if (!isSorted && !this.#sort(base, p)) return UNCERTAIN;
    this.#top = base;
    return p + 1;
  }

  #remember(p: number, nameLength: number): void {
    if (this.#top + MEMBER > this.#members.length) {
      const grown = new Int32Array(2 * this.#members.length);
      grown.set(this.#members);
      this.#members = grown;
    }
    this.#members[this.#top++] = this.written(p);
    this.#members[this.#top++] = p + 1;
    this.#members[this.#top++] = nameLength;
  }

  /** Puts the members from `base` on into order in the output; the object's brace is at `p`. False: a name is there twice. */
  #sort(base: number, p: number): boolean {
    const count = (this.#top - base) / MEMBER;
    if (count > MOST_UNSORTED) return false;
    this.flush(p);
    this.isChanged = true;
    const members = this.#members;
    const text = this.#text;
    const order: number[] = [];
    for (let i = base; i < this.#top; i += MEMBER) {
      const start = members[i + 1]!;
      let low = 0;
      for (let high = order.length; low < high;) { // each name is compared with few others, however many there are
        const middle = (low + high) >> 1;
        const other = members[order[middle]! + 1]!;
        const by = compare(text, other, other + members[order[middle]! + 2]!, start, start + members[i + 2]!);
        if (by === 0) return false;
        if (by < 0) low = middle + 1;
        else high = middle;
      }
      order.splice(low, 0, i);
    }
    const first = members[base]!;
    const length = this.#at - first;
    if (this.#swap.length < length) this.#swap = new Uint8Array(length);
    copyBytes(this.out, first, this.#at, this.#swap, 0);
    let at = first;
    for (const i of order) {
      const from = members[i]! - first;
      const end = (i + MEMBER < this.#top ? members[i + MEMBER]! - 1 : this.#at) - first; // a comma is before the next one
      if (at > first) this.out[at++] = COMMA;
      copyBytes(this.#swap, from, end, this.out, at);
      at += end - from;
    }
    return true;
  }

  /** Behind the number at `p`, which is written as ECMAScript does. */
  #number(p: number): number {
    const plain = plainNumberEnd(this.#text, p);
    if (plain > 0) return plain;
    const zeros = zerosFrom(this.#text, p);
    if (zeros > 0) {
      this.flush(zeros);
      const end = zerosEnd(this.#text, zeros);
      this.#continueAt(end);
      return end;
    }
    const other = otherNumber(this.#text, p);
    if (other?.written === null) return other.end;
    if (other === undefined || other.written.length > other.end - p) return UNCERTAIN; // what is written has room for no more than the text
    this.flush(p);
    for (let i = 0; i < other.written.length; i++) this.out[this.#at++] = other.written.charCodeAt(i);
    this.#continueAt(other.end);
    return other.end;
  }

  #literal(p: number): number {
    const text = this.#text;
    for (const literal of LITERALS) {
      if (text[p] !== literal[0]) continue;
      for (let i = 1; i < literal.length; i++) if (text[p + i] !== literal[i]) return UNCERTAIN;
      return p + literal.length <= this.#end ? p + literal.length : UNCERTAIN;
    }
    return UNCERTAIN;
  }
}

/** Of ASCII, by code units. */
function compare(text: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  for (; a < aEnd && b < bEnd; a++, b++) if (text[a] !== text[b]) return text[a]! - text[b]!;
  return aEnd - a - (bEnd - b);
}
