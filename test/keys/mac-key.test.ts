/** HMAC by two hashes is HMAC: against Node's own, on both sides of the length where it goes the library's way. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MacKey } from "../../src/keys/mac-key.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Well-formed, of one to three bytes a code unit, short and long. */
const text = fc.tuple(fc.string({ unit: "grapheme", maxLength: 60 }), fc.constantFrom("", "a", "ü", "€", "😀"), fc.constantFrom(0, 1, 900, 2048, 4095, 4096, 8191, 8192, 20_000))
  .map(([start, repeated, times]) => start + repeated.repeat(times));
const hmac = (bytes: Uint8Array, data: string): string => createHmac("sha256", bytes).update(data, "utf8").digest("hex");

test("the MAC of a text", () => {
  fc.assert(fc.property(key, text, (bytes, data) => {
    expect(Buffer.from(new MacKey(bytes).mac(data)).toString("hex")).toBe(hmac(bytes, data));
  }), { numRuns: 150 });
});

test("the sealed receipt: head, signature over head and tail, tail", () => {
  fc.assert(fc.property(key, text, text, (bytes, head, tail) => {
    const sealed = new MacKey(bytes).sealed({ head, tail }, Buffer.allocUnsafe).toString("utf8");
    expect(sealed === `${head}"signature":"hmac-sha256:${hmac(bytes, head + tail)}",${tail}`).toBe(true);
  }), { numRuns: 150 });
});

test("keys share their scratch and do not get into one another's way", () => {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const [keyA, keyB] = [new MacKey(a), new MacKey(b)];
  for (const data of ["long".repeat(500), "", "x"]) {
    expect(Buffer.from(keyA.mac(data)).toString("hex")).toBe(hmac(a, data));
    expect(Buffer.from(keyB.mac(data)).toString("hex")).toBe(hmac(b, data));
  }
});
