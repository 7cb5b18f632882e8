import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entryOf, formatEntries, parseEntries } from "../../src/format/entries.ts";
import { FormatError } from "../../src/format/errors.ts";
import { leafHash } from "../../src/format/merkle.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/merkle.json", import.meta.url), "utf8")) as {
  readonly entries: readonly { readonly name: string; readonly hex: string; readonly receipt_hashes?: readonly string[]; readonly code?: string }[];
  readonly inclusion: readonly { readonly index: number; readonly leaf: string }[];
};
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

function errorOf(run: () => unknown): FormatError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}

describe("parseEntries", () => {
  it.each(vectors.entries)("$name", ({ hex, receipt_hashes, code }) => {
    if (receipt_hashes === undefined) {
      expect(errorOf(() => parseEntries(fromHex(hex)))?.code).toBe(code);
      return;
    }
    expect(parseEntries(fromHex(hex)).map(toHex)).toEqual(receipt_hashes);
    expect(toHex(formatEntries(receipt_hashes.map(fromHex)))).toBe(hex);
  });

  it.each([
    [35, 32, "byte 35"], // the second entry's length
    [36, 32, "byte 35"],
    [37, 2, "byte 37"], // its type
  ])("says where: byte %d set to %d", (at, value, where) => {
    const bytes = formatEntries(new Uint8Array(96));
    bytes[at] = value;
    const error = errorOf(() => parseEntries(bytes));
    expect(error?.code).toBe("bad_entries");
    expect(error?.message).toContain(where);
  });

  it("refuses every bundle that is cut inside an entry", () => {
    const bytes = formatEntries(new Uint8Array(96));
    for (let length = 0; length <= bytes.length; length++) {
      const code = errorOf(() => parseEntries(bytes.subarray(0, length)))?.code;
      expect(code, `${length} bytes`).toBe(length % 35 === 0 ? undefined : "bad_entries");
    }
  });

  it("gives any flipped bit back as another hash or refuses it", () => {
    fc.assert(
      fc.property(fc.array(hash, { minLength: 1, maxLength: 5 }), fc.nat(), (hashes, at) => {
        const bytes = formatEntries(hashes);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit % 8);
        const inHash = (bit >> 3) % 35 >= 3;
        const error = errorOf(() => expect(parseEntries(bytes)).not.toEqual(hashes));
        expect(error?.code).toBe(inHash ? undefined : "bad_entries");
      }),
    );
  });

  it("gives copies, not views of a buffer that the caller may reuse", () => {
    const bytes = formatEntries(new Uint8Array(32).fill(7));
    const [receiptHash] = parseEntries(bytes);
    bytes.fill(0);
    expect(receiptHash).toEqual(new Uint8Array(32).fill(7));
  });
});

describe("formatEntries", () => {
  it("takes a list or all hashes in one array, and is undone by parseEntries", () => {
    fc.assert(
      fc.property(fc.array(hash), (hashes) => {
        const bytes = formatEntries(hashes);
        expect(formatEntries(new Uint8Array(Buffer.concat(hashes)))).toEqual(bytes);
        expect(bytes.length).toBe(35 * hashes.length);
        expect(parseEntries(bytes)).toEqual(hashes);
      }),
    );
  });
  it("refuses what is not 32 bytes", () => {
    expect(errorOf(() => formatEntries([new Uint8Array(31)]))?.code).toBe("bad_hash");
    expect(errorOf(() => formatEntries(new Uint8Array(33)))?.code).toBe("bad_hash");
    expect(errorOf(() => entryOf(new Uint8Array(33)))?.code).toBe("bad_hash");
  });
});

describe("entryOf", () => {
  it("is 0x01 and the receipt hash, whose leaf hash is the tree's", () => {
    const receiptHash = fromHex(vectors.entries[1]!.receipt_hashes![0]!);
    expect(toHex(entryOf(receiptHash))).toBe(`01${toHex(receiptHash)}`);
    expect(toHex(leafHash(entryOf(receiptHash)))).toBe(vectors.inclusion[0]!.leaf);
  });
});
