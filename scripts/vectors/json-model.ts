/**
 * A second, slow reading of docs/FORMAT.md section 3 and of RFC 8785, for the vectors' script and for properties: tokens by
 * regular expression, numbers as BigInt fractions, strings escaped by hand. It shares no code with src/.
 */
type Tree = null | boolean | { readonly number: number } | string | readonly Tree[] | ReadonlyMap<string, Tree>;

export type Verdict = { readonly ok: true; readonly jcs: string } | { readonly ok: false; readonly code: string; readonly pointer: string };

class Refused extends Error {
  readonly code: string;
  readonly pointer: string;
  constructor(code: string, path: readonly string[]) {
    super(code);
    this.code = code;
    this.pointer = path.map((step) => `/${step.toWellFormed().replace(/~/g, "~0").replace(/\//g, "~1")}`).join("");
  }
}

const SPACE = /[ \t\n\r]*/y;
const PUNCTUATION = /[{}[\]:,]/y;
const WORD = /true|false|null/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** A string without its closing quote. A raw U+0000 is let in, to be refused as what it is. */
const OPEN_STRING = /"(?:[\0 !#-[\]-\uffff]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*/y;

/** Reads `text` with a depth of at most 32 and says what must become of it. */
export function judge(text: string): Verdict {
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const punctuation = (path: readonly string[], allowed: string): string => {
    take(SPACE);
    const mark = take(PUNCTUATION);
    if (mark === undefined || !allowed.includes(mark)) throw new Refused("bad_json", path);
    return mark;
  };
  const string = (path: readonly string[], isName: boolean): string | undefined => {
    const open = take(OPEN_STRING);
    if (open === undefined) return undefined;
    const body = open.slice(1);
    const whole = text[at] === '"';
    const flaw = flawOf(body);
    if (!whole) throw new Refused(flaw ?? "bad_json", path);
    at++;
    const value = unescape(body);
    if (flaw !== undefined) throw new Refused(flaw, isName ? [...path, value] : path);
    return value;
  };
  const value = (path: readonly string[], depth: number): Tree => {
    take(SPACE);
    const word = take(WORD);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const literal = take(NUMBER);
    if (literal !== undefined) {
      const isBroken = (text[at] === "." && !/[.eE]/.test(literal)) || (/[eE]/.test(text[at] ?? "") && !/[eE]/.test(literal));
      if (isBroken) throw new Refused("bad_json", path); // the point or the e has no digits after it
      const flaw = numberFlaw(literal);
      if (flaw !== undefined) throw new Refused(flaw, path);
      return { number: Number(literal) };
    }
    const chars = string(path, false);
    if (chars !== undefined) return chars;
    const open = punctuation(path, "{[");
    if (depth === 32) throw new Refused("too_deep", path);
    take(SPACE);
    if (take(open === "[" ? /\]/y : /\}/y) !== undefined) return open === "[" ? [] : new Map();
    if (open === "[") {
      const items: Tree[] = [];
      do items.push(value([...path, String(items.length)], depth + 1));
      while (punctuation(path, ",]") === ",");
      return items;
    }
    const members = new Map<string, Tree>();
    do {
      take(SPACE);
      const name = string(path, true);
      if (name === undefined) throw new Refused("bad_json", path);
      const inner = [...path, name];
      if (name === "__proto__") throw new Refused("forbidden_name", inner);
      if (members.has(name)) throw new Refused("duplicate_name", inner);
      punctuation(inner, ":");
      members.set(name, value(inner, depth + 1));
    } while (punctuation(path, ",}") === ",");
    return members;
  };
  try {
    const tree = value([], 0);
    take(SPACE);
    if (at < text.length) throw new Refused("bad_json", []);
    return { ok: true, jcs: jcs(tree) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, code: error.code, pointer: error.pointer };
    throw error;
  }
}

/** Pieces of a string's body, one for each UTF-16 code unit. */
function pieces(body: string): readonly { readonly unit: number; readonly escaped: boolean }[] {
  const short: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
  return (body.match(/\\u[^]{4}|\\[^]|[^]/g) ?? []).map((piece) => {
    if (piece.length === 6) return { unit: Number.parseInt(piece.slice(2), 16), escaped: true };
    if (piece.length === 2) return { unit: (short[piece[1]!] ?? piece[1]!).charCodeAt(0), escaped: true };
    return { unit: piece.charCodeAt(0), escaped: false };
  });
}

function unescape(body: string): string {
  return pieces(body).map(({ unit }) => String.fromCharCode(unit)).join("");
}

function flawOf(body: string): string | undefined {
  const all = pieces(body);
  const isHigh = (i: number): boolean => all[i] !== undefined && all[i].unit >= 0xd800 && all[i].unit <= 0xdbff;
  const isLow = (i: number): boolean => all[i] !== undefined && all[i].unit >= 0xdc00 && all[i].unit <= 0xdfff;
  for (let i = 0; i < all.length; i++) {
    if (all[i]!.unit === 0) return "nul_character";
    if (isHigh(i) && isLow(i + 1) && all[i]!.escaped === all[i + 1]!.escaped) i++;
    else if (isHigh(i) || isLow(i)) return "lone_surrogate";
  }
  return undefined;
}

function numberFlaw(literal: string): string | undefined {
  const [digits, exponent] = fraction(literal);
  if (digits === 0n) return literal.startsWith("-") ? "number_negative_zero" : undefined;
  if (exponent > 400) return "number_out_of_range";
  const magnitude = digits < 0n ? -digits : digits;
  const [left, right] = atOneScale([magnitude, exponent], [9007199254740991n, 0]);
  if (left > right) return "number_out_of_range";
  const [asked, kept] = atOneScale([digits, exponent], fraction(String(Number(literal))));
  return asked === kept ? undefined : "number_not_exact";
}

/** Digits and power of ten. Exponents are cut at ±2000: the model is not for literals of a thousand digits and more. */
function fraction(literal: string): readonly [bigint, number] {
  const [, sign = "", whole = "", decimals = "", exponent = "0"] = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE](.+))?$/.exec(literal)!;
  const digits = BigInt(whole + decimals);
  return [sign === "-" ? -digits : digits, Math.min(Math.max(Number(exponent), -2000), 2000) - decimals.length];
}

function atOneScale([a, x]: readonly [bigint, number], [b, y]: readonly [bigint, number]): readonly [bigint, bigint] {
  const scale = Math.min(x, y);
  return [a * 10n ** BigInt(x - scale), b * 10n ** BigInt(y - scale)];
}

function jcs(tree: Tree): string {
  if (tree === null || typeof tree === "boolean") return String(tree);
  if (typeof tree === "string") return quote(tree);
  if (tree instanceof Map) {
    const members = [...(tree as ReadonlyMap<string, Tree>)].sort(([a], [b]) => byUnits(a, b));
    return `{${members.map(([name, member]) => `${quote(name)}:${jcs(member)}`).join(",")}}`;
  }
  if (Array.isArray(tree)) return `[${tree.map(jcs).join(",")}]`;
  return String((tree as { readonly number: number }).number);
}

function byUnits(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return (i < a.length ? a.charCodeAt(i) : -1) - (i < b.length ? b.charCodeAt(i) : -1);
}

/** RFC 8785 section 3.2.2.2. */
function quote(text: string): string {
  const named: Readonly<Record<number, string>> = { 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 0x22: '\\"', 0x5c: "\\\\" };
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  const escape = (unit: number): string => (unit < 0x20 ? `\\u00${unit.toString(16).padStart(2, "0")}` : String.fromCharCode(unit));
  return `"${units.map((unit) => named[unit] ?? escape(unit)).join("")}"`;
}
