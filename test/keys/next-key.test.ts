/** A key that was made and not taken up yet; and what becomes of a keyring and a ratchet with it. */
import { existsSync, linkSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/format/bytes.ts";
import { ratchetAt } from "../../src/keys/epoch-keys.ts";
import { addKey, createKeyring, type Keyring, noteRevoked, openKeyring, signingKey } from "../../src/keys/keyring.ts";
import { fileNextKey, firstKeyOf, newSeed, type NextKey, nextKeyName, ratchetOf, readNextKey } from "../../src/keys/next-key.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile, type RootKey } from "../../src/keys/root-key.ts";
import { eraseSecretFile, replaceSecretFile } from "../../src/keys/secret-file.ts";
import { keyringProblem } from "../../src/keys/seed.ts";
import { codeOf, LEDGER, NOW, overwrite, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const root = (fill = 7): RootKey => openRootKeyFile(secretFile(at(`root-${fill}`), new Uint8Array(32).fill(fill)));
const LATER = "2026-09-01T10:00:00.000Z";
const next: NextKey = { keyId: "key_v2", mode: "retained", firstEpoch: null, createdAt: LATER, reason: "request", secret: new Uint8Array(32).fill(8) };
const keyring = (): Keyring => createKeyring(at("keyring"), LEDGER, root(), NOW);

describe("next.key", () => {
  test("reads as what was filed, for this user alone", () => {
    fileNextKey(at("next"), LEDGER, root(), next);
    expect(readNextKey(at("next"), LEDGER, root())).toEqual(next);
    expect(statSync(at("next")).mode & 0o777).toBe(0o600);
    expect(readFileSync(at("next")).includes(Buffer.from(next.secret).toString("base64").slice(4, 30))).toBe(false);
  });

  test.each([["all of it", 0, 10_000], ["its beginning", 0, 100], ["its end", 200, 10_000]])("of which %s is zeros was being erased, and goes", (_, from, to) => {
    fileNextKey(at("next"), LEDGER, root(), next);
    overwrite(at("next"), readFileSync(at("next")).fill(0, from, Math.min(to, statSync(at("next")).size)));
    expect([readNextKey(at("next"), LEDGER, root()), existsSync(at("next"))]).toEqual([null, false]);
  });

  test("is none where there is none", () => {
    expect(readNextKey(at("next"), LEDGER, root())).toBeNull();
  });

  test("is never replaced", () => {
    fileNextKey(at("next"), LEDGER, root(), next);
    expect(codeOf(() => fileNextKey(at("next"), LEDGER, root(), { ...next, keyId: "key_v3" }))).toBe("key_pending");
  });

  test.each([
    ["the key id", '"key_v2"', '"key_v3"'], ["the mode", '"retained"', '"forward-secure"'], ["the first epoch", "null", "5"], ["the time", LATER, NOW],
    ["the reason", '"request"', '"schedule"'],
  ])("with %s changed does not open", (_, from, to) => {
    fileNextKey(at("next"), LEDGER, root(), next);
    writeFileSync(at("next"), readFileSync(at("next"), "utf8").replace(from, to));
    expect(codeOf(() => readNextKey(at("next"), LEDGER, root()))).toBe("wrong_root_key");
  });

  test("of another ledger or under another root key does not open", () => {
    fileNextKey(at("next"), LEDGER, root(), next);
    expect(codeOf(() => readNextKey(at("next"), { ...LEDGER, ledgerId: "f".repeat(32) }, root()))).toBe("wrong_root_key");
    expect(codeOf(() => readNextKey(at("next"), LEDGER, root(9)))).toBe("wrong_root_key");
  });

  test.each([["nothing", ""], ["another format", '{"format":"receiptd-seed/1"}'], ["no JSON", "x"]])("with %s in it is refused", (_, text) => {
    secretFile(at("next"), text);
    expect(codeOf(() => readNextKey(at("next"), LEDGER, root()))).toBe("key_file_damaged");
  });

  test("is named after all that the keyring has", () => {
    const named = (...ids: readonly string[]): string => nextKeyName({ hmacKeys: ids.map((keyId) => ({ keyId, mode: "retained", firstEpoch: 0, seed: null })) });
    expect([named("key_v1"), named("key_v1", "key_v2"), named("key_v1", "key_v9"), named("own"), named("key_v1", "own")]).toEqual(["key_v2", "key_v3", "key_v10", "key_v2", "key_v3"]);
  });

  test("begins where the keyring's key begins, retained or not", () => {
    const seed = newSeed();
    const expected = toHex(ratchetAt(LEDGER.ledgerId, { keyId: "key_v2", mode: "retained", firstEpoch: 4, seed }, 4, null).key);
    expect(toHex(ratchetOf({ ...next, secret: seed }, LEDGER.ledgerId))).toBe(expected);
    expect(toHex(ratchetOf({ ...next, mode: "forward-secure", secret: firstKeyOf(LEDGER.ledgerId, "key_v2", seed) }, LEDGER.ledgerId))).toBe(expected);
  });
});

describe("a keyring with a further key", () => {
  const add = (keyId: string, firstEpoch: number, seed: Uint8Array | null): void =>
    addKey(at("keyring"), root(), { keyId, mode: seed === null ? "forward-secure" : "retained", firstEpoch, createdAt: LATER, seed });

  test("has both, and every other secret as it was", () => {
    const before = keyring();
    add("key_v2", 3, next.secret);
    const after = openKeyring(at("keyring"), root());
    expect(after.hmacKeys).toEqual([before.hmacKeys[0], { keyId: "key_v2", mode: "retained", firstEpoch: 3, createdAt: LATER, revoked: undefined, seed: next.secret }]);
    expect([after.requestSecret, after.checkpointKeys.map(({ vkey }) => vkey)]).toEqual([before.requestSecret, before.checkpointKeys.map(({ vkey }) => vkey)]);
    expect(statSync(at("keyring")).mode & 0o777).toBe(0o600);
  });

  test("has one in the place of one that was never used, and none of a forward-secure key's secrets", () => {
    keyring();
    add("key_v2", 3, next.secret);
    add("key_v2", 5, null);
    expect(openKeyring(at("keyring"), root()).hmacKeys.map(({ keyId, firstEpoch, seed }) => [keyId, firstEpoch, seed === null])).toEqual([["key_v1", 0, false], ["key_v2", 5, true]]);
  });

  test("keeps what is known of a revoked key, which changes none of its secrets", () => {
    const before = keyring();
    add("key_v2", 3, next.secret);
    noteRevoked(at("keyring"), "key_v1", { compromised_since: NOW, reason: "stolen" });
    add("key_v3", 7, next.secret);
    const { hmacKeys } = openKeyring(at("keyring"), root());
    expect(hmacKeys.map(({ keyId, revoked }) => [keyId, revoked?.reason])).toEqual([["key_v1", "stolen"], ["key_v2", undefined], ["key_v3", undefined]]);
    expect(hmacKeys[0]!.seed).toEqual(before.hmacKeys[0]!.seed);
  });

  test("signs with the one that the ledger goes on with", () => {
    keyring();
    add("key_v2", 3, next.secret);
    const both = openKeyring(at("keyring"), root());
    expect([signingKey(both, "key_v1").keyId, signingKey(both, "key_v2").keyId, signingKey(both, null).keyId]).toEqual(["key_v1", "key_v2", "key_v2"]);
    expect(codeOf(() => signingKey(both, "key_v3"))).toBe("key_missing");
  });

  test("is held against what the ledger says of each key", () => {
    keyring();
    add("key_v2", 3, null);
    const both = openKeyring(at("keyring"), root());
    const said = (first: object | null, second: object | null): string | null =>
      keyringProblem(both, (epoch) => [epoch === 0 ? first : second].flatMap((one) => one === null ? [] : [{ ...one as { key_id: string; mode: "retained" }, by: `receipt of epoch ${epoch}` }]));
    const own = { key_id: "key_v1", mode: "retained" };
    expect([said(own, { key_id: "key_v2", mode: "forward-secure" }), said(own, null), said(null, null)]).toEqual([null, null, null]);
    expect(said(own, { key_id: "key_v2", mode: "retained" })).toMatch(/^the keyring says that key_v2 is forward-secure, the ledger's receipt of epoch 3 that it is retained/);
    expect(said(own, { key_id: "key_v3", mode: "forward-secure" })).toMatch(/epoch 3 begins with key_v2, the ledger's receipt of epoch 3 that it is key_v3/);
    // a key that a ratchet_break was to begin in that epoch, and that was never used
    const spare = { ...both, hmacKeys: [...both.hmacKeys, { ...both.hmacKeys[1]!, keyId: "key_v3" }] };
    const begun = [{ key_id: "key_v2", mode: "forward-secure", by: "receipt" }] as const;
    expect([keyringProblem(spare, (epoch) => (epoch === 3 ? begun : [])), keyringProblem(spare, (epoch) => (epoch === 3 ? [...begun, { ...begun[0], key_id: "key_v3", mode: "retained" }] : []))])
      .toEqual([null, expect.stringMatching(/key_v3 is forward-secure, the ledger's receipt that it is retained/)]);
    expect(said({ ...own, mode: "forward-secure" }, null)).toMatch(/key_v1 is retained, the ledger's receipt of epoch 0 that it is forward-secure/);
  });
});

describe("a ratchet that was prepared", () => {
  const stateOf = (keyId: string, epoch: number): { readonly keyId: string; readonly epoch: number; readonly key: Uint8Array } => ({ keyId, epoch, key: new Uint8Array(32).fill(epoch) });

  test("has both keys, and gives the one that is asked for", async () => {
    const file = new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId);
    file.create(stateOf("key_v1", 4));
    await file.prepare(stateOf("key_v2", 5));
    await file.close();
    const read = (keyId?: string): unknown => new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId).load(keyId);
    expect([read("key_v1"), read("key_v2"), read()]).toEqual([stateOf("key_v1", 4), stateOf("key_v2", 5), stateOf("key_v2", 5)]);
  });

  test.each([["key_v1", "the rotation did not happen"], ["key_v2", "it did"]])("goes on with %s (%s), and nothing of the other is left", async (keyId) => {
    const first = new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId);
    first.create(stateOf("key_v1", 4));
    await first.prepare(stateOf("key_v2", 5));
    await first.close();
    const again = new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId);
    again.load(keyId);
    await again.store(stateOf(keyId, 5));
    await again.close();
    const other = keyId === "key_v1" ? "key_v2" : "key_v1";
    expect(new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId).load(other)).toEqual(stateOf(keyId, 5));
    expect(readFileSync(at("ratchet")).includes(`"key_id":"${other}"`)).toBe(false);
  });

  test("that is gone cannot be prepared", async () => {
    await expect(new RatchetFile(at("ratchet"), root(), LEDGER.ledgerId).prepare(stateOf("key_v2", 5))).rejects.toMatchObject({ code: "key_file_missing" });
  });
});

test("a secret's file is overwritten before it goes, whatever other names it has", () => {
  secretFile(at("secret"), "hunter2".repeat(100));
  linkSync(at("secret"), at("link"));
  eraseSecretFile(at("secret"));
  expect([existsSync(at("secret")), readFileSync(at("link")).every((byte) => byte === 0)]).toEqual([false, true]);
  eraseSecretFile(at("none"));
});

test("a secret's file is replaced in one step, by one of this user alone", () => {
  secretFile(at("secret"), "hunter2");
  linkSync(at("secret"), at("link"));
  replaceSecretFile(at("secret"), new Uint8Array([1, 2]));
  expect([[...readFileSync(at("secret"))], readFileSync(at("link"), "utf8"), statSync(at("secret")).mode & 0o777]).toEqual([[1, 2], "hunter2", 0o600]);
});
