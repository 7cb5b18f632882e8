/** HMAC by two hashes is HMAC: against Node's own, for texts of any length. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { readRequest } from "../../src/format/request.ts";
import type { Seal } from "../../src/format/seal.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { MacKey } from "../../src/keys/mac-key.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Well-formed, of one to three bytes a code unit, short and long. */
const text = fc.tuple(fc.string({ unit: "grapheme", maxLength: 60 }), fc.constantFrom("", "a", "ü", "€", "😀"), fc.constantFrom(0, 1, 900, 2048, 4095, 4096, 8191, 8192, 20_000, 40_000))
  .map(([start, repeated, times]) => start.replaceAll("\0", "") + repeated.repeat(times));
const hmac = (bytes: Uint8Array, data: Uint8Array): string => createHmac("sha256", bytes).update(data).digest("hex");

test("the MAC of a text", () => {
  fc.assert(fc.property(key, text, (bytes, data) => {
    expect(Buffer.from(new MacKey(bytes).mac(utf8(data))).toString("hex")).toBe(hmac(bytes, utf8(data)));
  }), { numRuns: 150 });
});

/** Those around each of the daemon's members. */
const members = fc.record({
  chain_id: fc.constant("c"), gates: fc.constant([]), metadata: fc.constant({}), model_version: fc.constant("v"), policy_version: fc.constant("p"), reasons: fc.constant(["r"]),
  region: fc.constant("eu"), summary: fc.constant("s"), user_id: fc.constant("u"), x_last: fc.constant(1), type: fc.constant("x_other"), organization: fc.constant("acme"),
}, { requiredKeys: [] });
const ID = "019b7679-0000-7000-8000-000000000fff";

test("the sealed receipt: JCS of the request's and the daemon's members, signed without the signature", () => {
  const added = { ledger: "test.example/receipts", org_seq: 5, log_index: 9, recorded_at: "2026-06-01T10:00:00.000Z", key_id: "key_v1", key_epoch: 3, previous_receipt_hash: `sha256:${"0".repeat(64)}` };
  const seal: Seal = { ledger: added.ledger, prefix: "RCP", orgSeq: 5, logIndex: 9, recordedAt: added.recorded_at, keyId: "key_v1", keyEpoch: 3, previousReceiptHash: added.previous_receipt_hash };
  fc.assert(fc.property(key, members, text, fc.boolean(), (bytes, some, long, isFirst) => {
    const request: { readonly [name: string]: Json } = { system_id: "s", decision: "d", inputs: { long }, ...some };
    const unsigned = {
      type: "decision", organization: "default", receipt_id: ID, ...request, ...added, previous_receipt_hash: isFirst ? null : added.previous_receipt_hash, receipt_number: "RCP-2026-00005", schema_version: 1,
    };
    const signature = `hmac-sha256:${hmac(bytes, utf8(canonicalize(unsigned)))}`;
    const sealed = new MacKey(bytes).sealed(readRequest(request, "", () => ID), { ...seal, previousReceiptHash: unsigned.previous_receipt_hash }, Buffer.allocUnsafe);
    expect(fromUtf8(sealed) === canonicalize({ ...unsigned, signature })).toBe(true);
  }), { numRuns: 150 });
});

test("keys share their scratch and do not get into one another's way", () => {
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const [keyA, keyB] = [new MacKey(a), new MacKey(b)];
  for (const data of ["long".repeat(500), "", "x", "longer".repeat(50_000), "y"].map(utf8)) {
    expect(Buffer.from(keyA.mac(data)).toString("hex")).toBe(hmac(a, data));
    expect(Buffer.from(keyB.mac(data)).toString("hex")).toBe(hmac(b, data));
  }
});
