import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCheckpoint, parseCheckpoint } from "../../src/format/checkpoint.ts";
import { FormatError } from "../../src/format/errors.ts";

interface CheckpointVector {
  readonly name: string;
  readonly text: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly origin?: string;
  readonly size?: number;
  readonly root?: string;
  readonly extensions?: readonly string[];
}
const { checkpoints } = JSON.parse(readFileSync(new URL("../vectors/notes.json", import.meta.url), "utf8")) as {
  readonly checkpoints: readonly CheckpointVector[];
};

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

describe("parseCheckpoint", () => {
  it.each(checkpoints)("$name", (vector) => {
    if (!vector.ok) {
      expect(codeOf(() => parseCheckpoint(vector.text))).toBe(vector.code);
      return;
    }
    const { origin, size, extensions } = vector;
    const checkpoint = parseCheckpoint(vector.text);
    expect(checkpoint).toEqual({ origin, size, root: new Uint8Array(Buffer.from(vector.root!, "hex")), extensions });
    expect(formatCheckpoint(checkpoint)).toBe(vector.text);
  });
});

describe("formatCheckpoint", () => {
  const line = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/\p{Cc}/u.test(text));

  it("is undone by parseCheckpoint", () => {
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(fc.record({ origin: line, size: fc.maxSafeNat(), root, extensions: fc.array(line) }), (checkpoint) => {
        expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
      }),
    );
  });

  it("writes no extensions unless told to", () => {
    const text = formatCheckpoint({ origin: "a", size: 0, root: new Uint8Array(32) });
    expect(text).toBe(`a\n0\n${"A".repeat(43)}=\n`);
  });

  const good = { origin: "a", size: 1, root: new Uint8Array(32) };
  it.each([
    ["empty origin", { ...good, origin: "" }],
    ["origin of two lines", { ...good, origin: "a\nb" }],
    ["origin with CR", { ...good, origin: "a\r" }],
    ["origin with a lone surrogate", { ...good, origin: "\ud800" }],
    ["negative size", { ...good, size: -1 }],
    ["fractional size", { ...good, size: 0.5 }],
    ["size 2^53", { ...good, size: 2 ** 53 }],
    ["size NaN", { ...good, size: Number.NaN }],
    ["short root", { ...good, root: new Uint8Array(31) }],
    ["empty extension", { ...good, extensions: [""] }],
    ["extension of two lines", { ...good, extensions: ["a\nb"] }],
    ["extension with a tab", { ...good, extensions: ["a\tb"] }],
  ])("refuses: %s", (_, checkpoint) => {
    expect(codeOf(() => formatCheckpoint(checkpoint))).toBe("bad_checkpoint");
  });
});
