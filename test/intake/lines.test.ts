import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineReader, SHARED } from "../../src/intake/lines.ts";

/** Everything that `next` gives for these chunks, with "too_long" as the last where it was said. */
function read(reader: LineReader, chunks: readonly Uint8Array[]): string[] {
  const out: string[] = [];
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk));
    for (let line = reader.next(); line !== null; line = reader.next()) {
      if (line === "too_long") return [...out, "too_long"];
      out.push(line.toString("latin1"));
    }
  }
  return out;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((from, i) => bytes.subarray(from, ends[i] ?? bytes.length));
}

const anyLine = fc.uint8Array({ maxLength: 40 }).map((bytes) => bytes.map((byte) => (byte === 0x0a ? 0x0d : byte)));
const joined = (lines: readonly Uint8Array[]): Uint8Array => Buffer.concat(lines.flatMap((line) => [line, Uint8Array.of(0x0a)]));

describe("LineReader", () => {
  test("any chunking of any lines gives the same lines", () => {
    fc.assert(fc.property(fc.array(anyLine), anyLine, fc.array(fc.nat()), (lines, rest, places) => {
      const reader = new LineReader(40);
      expect(read(reader, cut(Buffer.concat([joined(lines), rest]), places))).toEqual(lines.map((line) => Buffer.from(line).toString("latin1")));
      expect(reader.unfinished).toBe(rest.length > 0);
      expect(reader.waiting).toBe(0);
    }));
  });

  test("a line of the limit is taken and one more byte is too long, wherever it is cut", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20_000 }), fc.array(fc.nat()), (limit, places) => {
      const line = Buffer.alloc(limit, "a");
      expect(read(new LineReader(limit), cut(joined([line, line]), places))).toEqual([line.toString(), line.toString()]);
      expect(read(new LineReader(limit), cut(joined([line, Buffer.alloc(limit + 1, "b")]), places))).toEqual([line.toString(), "too_long"]);
    }), { numRuns: 30 });
  });

  test("too long is said as soon as it is sure, not when the line ends", () => {
    const reader = new LineReader(3);
    expect(read(reader, [Buffer.from("abc")])).toEqual([]);
    expect(read(reader, [Buffer.from("d")])).toEqual(["too_long"]);
  });

  test("a line that is too long for now is left, and is there as it was", () => {
    const reader = new LineReader(100);
    reader.push(Buffer.from("abc\nabcdefgh\nxyz\n"));
    expect([reader.next(4), reader.next(4), reader.held > 8, reader.next(4), reader.next(8), reader.next(4), reader.next()].map(String)).toEqual(["abc", "later", "true", "later", "abcdefgh", "xyz", "null"]);
  });

  test("a line without an end holds no more than its limit, in pieces of whatever size", () => {
    for (const piece of [1, 1000, 65_536]) {
      const reader = new LineReader(100_000);
      let most = 0;
      let sent = 0;
      for (let next: unknown = null; next === null; sent += piece) {
        reader.push(Buffer.alloc(piece, "x"));
        next = reader.next();
        most = Math.max(most, next === null ? reader.held : 0);
      }
      expect(sent).toBeGreaterThan(100_000);
      expect(most).toBeLessThanOrEqual(100_000);
    }
  });

  test("bytes that came one by one and were not looked at count with what they cost", () => {
    const reader = new LineReader(1000);
    for (let i = 0; i < 100; i++) reader.push(Buffer.from("x"));
    expect(reader.waiting).toBeGreaterThan(64 * 1024);
    expect(reader.held).toBe(reader.waiting);
    expect(reader.next()).toBeNull();
    expect(reader.waiting).toBe(0);
  });

  test("pieces that are alone in their memory are given back, and lines keep what is theirs until the next is asked for", () => {
    const alone = (text: string): Buffer => {
      const piece = Buffer.allocUnsafeSlow(text.length);
      piece.write(text, "latin1");
      return piece;
    };
    const reader = new LineReader(1_000_000);
    const pieces = ["a\nbb", "b".repeat(70_000), "b\nc", "c\n", `d\ne${"e".repeat(100_000)}`, "\nf\n"].map(alone);
    for (const piece of pieces) reader.push(piece);
    const said: string[] = [];
    for (let line = reader.next(); line instanceof Buffer; line = reader.next()) said.push(`${line.toString("latin1", 0, 1)} ${line.length}`);
    expect(said).toEqual(["a 1", "b 70003", "c 2", "d 1", "e 100001", "f 1"]);
    expect(pieces.map(({ length }) => length)).toEqual([4, 0, 3, 2, 100_003, 3]); // the others hold whole lines, or began with one
    expect(reader.held).toBe(0);
  });

  test("a line that was left is its taker's, and longer ones share their memory with nothing", () => {
    const reader = new LineReader(1_000_000);
    const chunk = Buffer.alloc(200_000, "x");
    chunk[150_000] = 0x0a;
    chunk[199_999] = 0x0a;
    reader.push(chunk);
    expect([reader.next(SHARED), reader.held > 150_000]).toEqual(["later", true]);
    const long = reader.next() as Buffer;
    const short = reader.next(SHARED) as Buffer;
    structuredClone(long.buffer, { transfer: [long.buffer as ArrayBuffer] });
    expect([long.length, short.length, short.every((byte) => byte === 0x78), reader.next(), reader.held]).toEqual([0, 49_998, true, null, 0]);
  });

  test("drop lets go of everything", () => {
    const reader = new LineReader(1000);
    read(reader, [Buffer.from("begun")]);
    reader.push(Buffer.from("a\nb"));
    reader.drop();
    expect([reader.held, reader.unfinished, reader.next()]).toEqual([0, false, null]);
  });
});
