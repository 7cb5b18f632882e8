import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epochKeys, jcs, type Members, organizationKey } from "../../scripts/vectors/ledger/primitives.ts";
import { KEY_ID, LEDGER_ID, SEED } from "../../scripts/vectors/ledger/build.ts";
import { signatureOf } from "../../src/format/mac.ts";
import { unsignedBytes } from "../../src/format/receipt.ts";
import { nameOf, verifyMac, verifyReceipt } from "../../src/verify/receipt.ts";
import { BASE } from "./support.ts";

const blob = BASE.blobs[7]!;
const macKey = organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, 2).S, "acme");
const receipt = JSON.parse(blob.toString("utf8")) as Members;
const coded = (code: string, pointer?: string): unknown => expect.objectContaining({ code, ...(pointer === undefined ? {} : { pointer }) });

describe("verifyReceipt", () => {
  it("gives the receipt, its hash and nothing unchecked", () => {
    const r = verifyReceipt(blob);
    expect(r).toMatchObject({ known: true, notChecked: [], receipt: { org_seq: 3, organization: "acme" } });
    expect(Buffer.from(r.hash)).toEqual(BASE.hashes[7]);
    expect(nameOf(r)).toBe("ACME-2026-00003");
  });

  it.each([
    ["not canonical", blob.toString("utf8").replace("{", "{ "), "not_canonical", ""],
    ["a wrong form", jcs({ ...receipt, key_epoch: -1 }), "bad_receipt", "/key_epoch"],
    ["a field of its type", jcs({ ...receipt, gates: [{ name: "a", status: "no" }] }), "bad_receipt", "/gates/0/status"],
    ["a reserved name further in", jcs({ ...receipt, metadata: { "a/b": [{ _sd: 1 }] } }), "bad_receipt", "/metadata/a~1b/0/_sd"],
    ["the number", jcs({ ...receipt, receipt_number: "ACME-2026-00004" }), "number_mismatch", "/receipt_number"],
  ])("refuses %s with code and pointer", (_, text, code, pointer) => {
    expect(() => verifyReceipt(Buffer.from(text))).toThrow(coded(code, pointer));
  });

  it("does not look into a chain receipt: its members are reported as not checked, whatever their names and number", () => {
    const { system_id: _, decision: _1, inputs: _2, metadata: _3, ...linked } = receipt;
    const chain = { ...linked, type: "chain", _sd: [1], x: { "...": { _sd_alg: "" } }, ...Object.fromEntries(Array.from({ length: 300 }, (_4, i) => [`m${i}`, i])) };
    const r = verifyReceipt(Buffer.from(jcs(chain)));
    expect(r.notChecked).toHaveLength(302);
    expect(r.notChecked).toEqual(expect.arrayContaining(["_sd", "x", "m299"]));
  });

  it("does not take names of Object.prototype for members or fields", () => {
    expect(() => verifyReceipt(Buffer.from(jcs({ ...receipt, constructor: 1 })))).toThrow(coded("bad_receipt", "/constructor"));
    const r = verifyReceipt(Buffer.from(jcs({ ...receipt, schema_version: 2, toString: 1 })));
    expect(r.notChecked).toContain("toString");
    expect(nameOf(r)).toMatch(/^receipt 7 /);
  });
});

describe("verifyMac", () => {
  it("takes the receipt's own key and no other", () => {
    const r = verifyReceipt(blob);
    verifyMac(blob, r.receipt, macKey);
    expect(() => verifyMac(blob, r.receipt, macKey.with(31, macKey[31]! ^ 1))).toThrow(coded("mac_mismatch", "/signature"));
  });

  it("does not tell what the signature should be", () => {
    const forged = Buffer.from(jcs({ ...receipt, decision: "deny" }));
    const { receipt: read } = verifyReceipt(forged);
    const right = signatureOf(macKey, unsignedBytes(forged, read.signature));
    let told = "";
    try {
      verifyMac(forged, read, macKey);
    } catch (error) {
      told = JSON.stringify(error) + String(error);
    }
    expect(told).toContain("mac_mismatch");
    expect(told).not.toContain(right.slice(12));
  });

  it("covers what JCS makes of the receipt without signature, wherever else the text of a signature stands", () => {
    const signature = `hmac-sha256:${"0".repeat(64)}`;
    const name = fc.constantFrom("signature", '"signature', 'a"signature', "a\\", "{", "}", "[", "z");
    const value = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, fc.constantFrom(signature, `"signature":"${signature}",`, '{"', "\\", 1, null), tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 3 }),
      object: fc.dictionary(name, tie("value"), { maxKeys: 3 }),
    }));
    fc.assert(fc.property(value.value, value.value, (inputs, more) => {
      const { signature: _, ...covered }: Members = { ...receipt, inputs: { inputs } as Members, x_more: more as null };
      const text = Buffer.from(jcs({ ...covered, signature }));
      expect(Buffer.from(unsignedBytes(text, signature)).toString("utf8")).toBe(jcs(covered));
    }));
  });
});
