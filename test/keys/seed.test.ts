/** The auditor's seed as a file, and from where keys can be stepped with it and without. */
import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../src/format/bytes.ts";
import { createKeyring, type Keyring, openKeyring } from "../../src/keys/keyring.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { formatSeed, parseSeed, sealedKeys, type Seed, startsOf } from "../../src/keys/seed.ts";
import { codeOf, LEDGER, NOW, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const seed: Seed = { ...LEDGER, keyId: "key_v1", firstEpoch: 0, seed: new Uint8Array(32).fill(7) };
const text = fromUtf8(formatSeed(seed));

describe("a seed's file", () => {
  test("is one line of JSON, and reads as what was written", () => {
    expect(text).toBe(`{"format":"receiptd-seed/1","origin":"${LEDGER.origin}","ledger_id":"${LEDGER.ledgerId}","key_id":"key_v1","first_epoch":0,"seed":"${Buffer.alloc(32, 7).toString("base64")}"}\n`);
    expect(parseSeed(utf8(text), "f")).toEqual(seed);
  });

  test.each([
    ["nothing", ""], ["no JSON", "x"], ["another format", text.replace("seed/1", "seed/2")], ["a member more", text.replace("{", '{"x":1,')], ["no key id", text.replace('"key_id":"key_v1",', "")],
    ["an epoch below 0", text.replace('"first_epoch":0', '"first_epoch":-1')], ["a short seed", text.replace(/"seed":"[^"]+"/, `"seed":"${Buffer.alloc(31, 7).toString("base64")}"`)],
    ["no base64", text.replace(/"seed":"..../, '"seed":"****')], ["a ledger id in upper case", text.replace(LEDGER.ledgerId, LEDGER.ledgerId.toUpperCase())],
  ])("with %s is refused, and nothing of it is said", (_, changed) => {
    expect(codeOf(() => parseSeed(utf8(changed), "f"))).toBe("bad_seed");
    expect(() => parseSeed(utf8(changed), "f")).toThrow(/^f (is not a seed|holds no seed)/);
  });
});

describe("starts", () => {
  const keyringOf = (mode: "retained" | "forward-secure"): Keyring => {
    const root = openRootKeyFile(secretFile(at("root"), new Uint8Array(32).fill(1)));
    createKeyring(at(mode), LEDGER, root, NOW, mode);
    return openKeyring(at(mode), root);
  };
  const open = { keyId: "key_v1", epoch: 5, key: new Uint8Array(32).fill(9) };

  test("a forward-secure keyring holds no secret of its receipts' key; the open epoch's is all that the host has", () => {
    const keyring = keyringOf("forward-secure");
    expect(keyring.hmacKeys).toEqual([{ keyId: "key_v1", mode: "forward-secure", firstEpoch: 0, createdAt: NOW, seed: null }]);
    expect(startsOf(keyring, null)).toEqual([]);
    expect(startsOf(keyring, open)).toEqual([open]);
    expect(startsOf(keyring, { ...open, keyId: "key_v0" })).toEqual([]);
    expect(sealedKeys(keyring)).toEqual(["key_v1"]);
  });

  test("with the seed, all epochs are known, and nothing is sealed", () => {
    const keyring = keyringOf("forward-secure");
    expect(startsOf(keyring, open, [seed])).toMatchObject([{ keyId: "key_v1", epoch: 0 }]);
    expect(startsOf(null, null, [seed])).toEqual(startsOf(keyring, open, [seed]));
    expect(sealedKeys(keyring, [seed])).toEqual([]);
  });

  test("a retained key is stepped from its own seed", () => {
    const keyring = keyringOf("retained");
    expect(startsOf(keyring, open)).toMatchObject([{ keyId: "key_v1", epoch: 0 }]);
    expect(sealedKeys(keyring)).toEqual([]);
  });
});
