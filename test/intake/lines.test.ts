import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineReader } from "../../src/intake/lines.ts";

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

  test("drop lets go of everything", () => {
    const reader = new LineReader(1000);
    read(reader, [Buffer.from("begun")]);
    reader.push(Buffer.from("a\nb"));
    reader.drop();
    expect([reader.held, reader.unfinished, reader.next()]).toEqual([0, false, null]);
  });
});
