/** Keys of single epochs as a file, and what can be checked with them. */
import { describe, expect, test } from "vitest";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import { disclose, formatDisclosure, parseDisclosure } from "../../src/keys/disclosed.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { contradictionIn, RatchetKeys, ratchetStart } from "../../src/verify/keys.ts";
import { codeOf, LEDGER } from "./support.ts";

const starts = [
  ratchetStart(LEDGER.ledgerId, { keyId: "key_v1", firstEpoch: 0, seed: new Uint8Array(32).fill(1) }, nodeHash),
  ratchetStart(LEDGER.ledgerId, { keyId: "key_v2", firstEpoch: 4, seed: new Uint8Array(32).fill(2) }, nodeHash),
];
const all = new RatchetKeys(starts, { hash: nodeHash });
const EPOCHS = [{ keyId: "key_v1", epoch: 2 }, { keyId: "key_v1", epoch: 3 }, { keyId: "key_v2", epoch: 4 }, { keyId: "key_v2", epoch: 6 }];
const knowing = (organization: string | null): RatchetKeys =>
  new RatchetKeys([], { hash: nodeHash, disclosed: disclose(starts, LEDGER.ledgerId, EPOCHS, organization).map((key) => key!) });
const hexOf = (key: Uint8Array | null): string | null => (key === null ? null : toHex(key));

describe("of epochs", () => {
  test("check what these epochs have signed, for every organization, and nothing else", () => {
    const keys = knowing(null);
    for (const { keyId, epoch } of EPOCHS) {
      for (const organization of ["loans", "cards"]) expect(hexOf(keys.macKey(keyId, epoch, organization))).toBe(hexOf(all.macKey(keyId, epoch, organization)));
      expect(hexOf(keys.commitment(keyId, epoch))).toBe(hexOf(all.commitment(keyId, epoch)));
    }
    for (const [keyId, epoch] of [["key_v1", 1], ["key_v1", 4], ["key_v2", 5], ["key_v2", 7], ["key_v3", 6]] as const) {
      expect([keys.macKey(keyId, epoch, "loans"), keys.commitment(keyId, epoch)]).toEqual([null, null]);
    }
  });

  test("of one organization check that one's, and no commitment can be compared", () => {
    const keys = knowing("loans");
    for (const { keyId, epoch } of EPOCHS) {
      expect(hexOf(keys.macKey(keyId, epoch, "loans"))).toBe(hexOf(all.macKey(keyId, epoch, "loans")));
      expect([keys.macKey(keyId, epoch, "cards"), keys.commitment(keyId, epoch)]).toEqual([null, null]);
    }
  });

  test("are beside seeds, which come first", () => {
    const mixed = new RatchetKeys([starts[1]!], { hash: nodeHash, disclosed: [{ keyId: "key_v2", epoch: 6, organization: null, key: new Uint8Array(32) }, ...disclose(starts, LEDGER.ledgerId, EPOCHS.slice(0, 1), null).map((key) => key!)] });
    expect(hexOf(mixed.macKey("key_v2", 6, "loans"))).toBe(hexOf(all.macKey("key_v2", 6, "loans")));
    expect(hexOf(mixed.macKey("key_v1", 2, "loans"))).toBe(hexOf(all.macKey("key_v1", 2, "loans")));
  });

  test("S counts before M, whatever comes first, and contradictions are found", () => {
    const secret = disclose(starts, LEDGER.ledgerId, EPOCHS.slice(0, 1), null)[0]!;
    const mac = disclose(starts, LEDGER.ledgerId, EPOCHS.slice(0, 1), "loans")[0]!;
    const forgedMac = { ...mac, key: new Uint8Array(32) };
    const forgedSecret = { ...secret, key: new Uint8Array(32) };
    for (const disclosed of [[secret, forgedMac], [forgedMac, secret]]) {
      expect(hexOf(new RatchetKeys([], { hash: nodeHash, disclosed }).macKey("key_v1", 2, "loans"))).toBe(toHex(mac.key));
      expect(contradictionIn(disclosed, [], { hash: nodeHash })).toBe(forgedMac);
    }
    for (const [first, second] of [[secret, forgedSecret], [mac, forgedMac]] as const) {
      expect(contradictionIn([first, second], [], { hash: nodeHash })).toBe(second);
      expect(contradictionIn([second], starts, { hash: nodeHash })).toBe(second);
      expect(contradictionIn([second], [], { hash: nodeHash })).toBeNull(); // nothing speaks against it
    }
    expect(contradictionIn([secret, mac, secret, mac], starts, { hash: nodeHash })).toBeNull();
    expect(contradictionIn([{ ...secret, epoch: Number.MAX_SAFE_INTEGER }], starts, { hash: nodeHash, maxSteps: 10 })).toBeNull();
  });

  test("before a start are not at hand", () => {
    expect(disclose([starts[1]!], LEDGER.ledgerId, [{ keyId: "key_v1", epoch: 2 }, { keyId: "key_v2", epoch: 4 }], null).map((key) => key?.epoch ?? null)).toEqual([null, 4]);
    expect(disclose([{ ...starts[0]!, epoch: 3 }], LEDGER.ledgerId, [{ keyId: "key_v1", epoch: 2 }], null)).toEqual([null]);
  });

  test("leave the start as it was", () => {
    const before = toHex(starts[0]!.key);
    disclose(starts, LEDGER.ledgerId, [{ keyId: "key_v1", epoch: 0 }, { keyId: "key_v1", epoch: 9 }], null);
    expect(toHex(starts[0]!.key)).toBe(before);
  });
});

describe("their file", () => {
  const keys = [...disclose(starts, LEDGER.ledgerId, EPOCHS.slice(0, 1), null), ...disclose(starts, LEDGER.ledgerId, EPOCHS.slice(1, 2), "loans"), ...disclose(starts, LEDGER.ledgerId, EPOCHS.slice(2, 3), "_ledger")].map((key) => key!);
  const text = formatDisclosure({ ...LEDGER, keys });

  test("reads as what was written", () => {
    expect(parseDisclosure(utf8(text), "f")).toEqual({ ...LEDGER, keys });
    expect(text).toMatch(/^\{"format":"receiptd-keys\/1","origin":"[^"]+","ledger_id":"[0-9a-f]{32}","keys":\[\{"key_id":"key_v1","epoch":2,"secret":"[A-Za-z0-9+/]{43}="\},\{"key_id":"key_v1","epoch":3,"organization":"loans","mac_key":/);
  });

  test.each([
    ["nothing", ""], ["no JSON", "x"], ["another format", text.replace("keys/1", "keys/2")], ["a member more", text.replace("{", '{"x":1,')], ["no keys", text.replace(/"keys":\[.*\]/, '"keys":[]')],
    ["an epoch below 0", text.replace('"epoch":2', '"epoch":-2')], ["S and an organization", text.replace('"secret"', '"organization":"x","secret"')],
    ["a short key", text.replace(/"secret":"[^"]+"/, `"secret":"${Buffer.alloc(31, 7).toString("base64")}"`)], ["no base64", text.replace(/"secret":"..../, '"secret":"****')],
  ])("with %s is refused, and nothing of it is said", (_, changed) => {
    expect(codeOf(() => parseDisclosure(utf8(changed), "f"))).toBe("bad_keys");
    expect(() => parseDisclosure(utf8(changed), "f")).toThrow(/^f holds (no disclosed keys|a key that is not 32 bytes)/);
  });
});
