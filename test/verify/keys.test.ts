import { expect, it } from "vitest";
import { KEY_ID, LEDGER_ID, SEED } from "../../scripts/vectors/ledger/build.ts";
import { epochKeys, organizationKey } from "../../scripts/vectors/ledger/primitives.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetKeys, ratchetStart } from "../../src/verify/keys.ts";
import { newKeys } from "./support.ts";

const M = (epoch: number, organization: string): Uint8Array =>
  Uint8Array.from(organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, epoch).S, organization));

it("has the keys of every epoch, in any order of asking", () => {
  const keys = newKeys();
  for (const epoch of [0, 0, 1, 5, 2, 5, 6, 0]) {
    expect(keys.macKey(KEY_ID, epoch, "acme")).toEqual(M(epoch, "acme"));
    expect(keys.macKey(KEY_ID, epoch, "beta")).toEqual(M(epoch, "beta"));
    expect(keys.commitment(KEY_ID, epoch)).toEqual(Uint8Array.from(epochKeys(SEED, LEDGER_ID, KEY_ID, epoch).C));
  }
});

it("gives the same array again within an epoch", () => {
  const keys = newKeys();
  expect(keys.macKey(KEY_ID, 3, "acme")).toBe(keys.macKey(KEY_ID, 3, "acme"));
});

it("does not know other keys, or epochs before its start", () => {
  const { K } = epochKeys(SEED, LEDGER_ID, KEY_ID, 4);
  const keys = new RatchetKeys([{ keyId: KEY_ID, epoch: 4, key: K }], { hash: nodeHash });
  expect(keys.macKey("key_v2", 4, "acme")).toBeNull();
  expect(keys.commitment("key_v2", 4)).toBeNull();
  expect(keys.macKey(KEY_ID, 3, "acme")).toBeNull();
  expect(keys.macKey(KEY_ID, 5, "acme")).toEqual(M(5, "acme"));
  expect(keys.macKey(KEY_ID, 3, "acme")).toBeNull();
});

it("steps each of several keys from its own first epoch", () => {
  const second = { keyId: "key_v2", firstEpoch: 3, seed: new Uint8Array(32).fill(7) };
  const keys = new RatchetKeys([
    ratchetStart(LEDGER_ID, { keyId: KEY_ID, firstEpoch: 0, seed: SEED }, nodeHash), ratchetStart(LEDGER_ID, second, nodeHash),
  ], { hash: nodeHash });
  expect(keys.macKey(KEY_ID, 2, "acme")).toEqual(M(2, "acme"));
  expect(keys.commitment("key_v2", 4)).toEqual(Uint8Array.from(epochKeys(second.seed, LEDGER_ID, "key_v2", 1).C));
  expect(keys.commitment("key_v2", 2)).toBeNull();
});

it("goes to any epoch that it has passed in a few steps", () => {
  let steps = 0;
  const counted = { ...nodeHash, hmac: (key: Uint8Array, bytes: Uint8Array): Uint8Array => (steps++, nodeHash.hmac(key, bytes)) };
  const keys = new RatchetKeys([ratchetStart(LEDGER_ID, { keyId: KEY_ID, firstEpoch: 0, seed: SEED }, nodeHash)], { hash: counted });
  const last = keys.macKey(KEY_ID, 5000, "acme");
  expect(steps).toBeLessThan(5010);
  steps = 0;
  for (const epoch of [0, 5000, 1, 4999, 2500, 17, 15, 16, 5000]) expect(keys.macKey(KEY_ID, epoch, "acme")).toEqual(M(epoch, "acme"));
  expect(steps).toBeLessThan(9 * 20);
  expect(keys.macKey(KEY_ID, 5000, "acme")).toEqual(last);
});

it("does not step without end for a forged epoch", () => {
  const keys = new RatchetKeys([ratchetStart(LEDGER_ID, { keyId: KEY_ID, firstEpoch: 0, seed: SEED }, nodeHash)], { hash: nodeHash, maxSteps: 10 });
  expect(keys.macKey(KEY_ID, Number.MAX_SAFE_INTEGER, "acme")).toBeNull();
  expect(keys.macKey(KEY_ID, 11, "acme")).toBeNull();
  expect(keys.macKey(KEY_ID, 10, "acme")).toEqual(M(10, "acme"));
});
