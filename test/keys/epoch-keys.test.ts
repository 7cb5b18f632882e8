import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { hashText } from "../../src/format/chain.ts";
import { pureHash } from "../../src/format/hash.ts";
import { epochCommitment, epochSecret, firstRatchetKey, nextRatchetKey, organizationKey, requestKey, signatureOf } from "../../src/format/mac.ts";
import { EpochKeys, ratchetAt, type RatchetState } from "../../src/keys/epoch-keys.ts";
import type { HmacKey, Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { codeOf, LEDGER } from "./support.ts";
import { signedBy } from "../support/signature.ts";

const keyOf = (fill: number, firstEpoch = 0, keyId = "key_v1"): HmacKey => ({ keyId, mode: "retained", firstEpoch, seed: new Uint8Array(32).fill(fill) });
const keyringOf = (key: HmacKey): Keyring => ({ ...LEDGER, hmacKeys: [key], checkpointKeys: [], requestSecret: new Uint8Array(32).fill(99) });

/** K_e by the words of the specification, with the pure hash. */
function pureRatchet(key: HmacKey, epoch: number): Uint8Array {
  let ratchet = firstRatchetKey(key.seed!, LEDGER.ledgerId, key.keyId);
  for (let at = key.firstEpoch; at < epoch; at++) ratchet = nextRatchetKey(ratchet);
  return ratchet;
}

test("Node's hash and the pure one give the same bytes, in arrays whose slices are copies", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (key, bytes) => {
    expect(nodeHash.sha256(bytes)).toStrictEqual(pureHash.sha256(bytes));
    expect(nodeHash.hmac(key, bytes)).toStrictEqual(pureHash.hmac(key, bytes));
  }));
});

describe("EpochKeys", () => {
  test("signs, commits and keys requests as the specification says, in every epoch", () => {
    for (const firstEpoch of [0, 3]) {
      const key = keyOf(5, firstEpoch);
      const keys = new EpochKeys(keyringOf(key), ratchetAt(LEDGER.ledgerId, key, firstEpoch, null));
      for (let epoch = firstEpoch; epoch < firstEpoch + 4; epoch++) {
        const secret = epochSecret(pureRatchet(key, epoch));
        expect([keys.keyId, keys.epoch]).toEqual(["key_v1", epoch]);
        expect(keys.commitment()).toBe(hashText(epochCommitment(secret)));
        for (const organization of ["default", "acme", "constructor", "default"]) {
          for (const summary of ["s", "ü\u2028😀"]) {
            const { unsigned, signature } = signedBy(keys, organization, summary);
            expect(signature).toBe(signatureOf(organizationKey(secret, organization), unsigned));
            expect([keys.isSigned(organization, unsigned, signature), keys.isSigned("another", unsigned, signature), keys.isSigned(organization, unsigned.subarray(1), signature)]).toEqual([true, false, false]);
          }
        }
        const ofRequest = pureHash.hmac(requestKey(new Uint8Array(32).fill(99), LEDGER.ledgerId), utf8("ü{}"));
        expect(Uint8Array.from(keys.requestMac(utf8("ü{}")))).toEqual(ofRequest); // the same in every epoch
        const next = keys.nextCommitment();
        keys.advance();
        expect(keys.commitment()).toBe(next);
      }
    }
  });

  test("advance overwrites the old key, and no state handed out before", () => {
    const key = keyOf(5);
    const given = ratchetAt(LEDGER.ledgerId, key, 0, null);
    const keys = new EpochKeys(keyringOf(key), given);
    const copy = keys.state;
    keys.advance();
    expect(given.key).toEqual(new Uint8Array(32));
    expect(copy.key).toEqual(pureRatchet(key, 0));
    expect(keys.state.key).toEqual(pureRatchet(key, 1));
    keys.state.key.fill(0);
    expect(keys.state.key).toEqual(pureRatchet(key, 1));
  });

  test("another seed, ledger, key id, epoch or organization gives another signature", () => {
    const signature = (fill: number, ledgerId: string, keyId: string, epoch: number, organization: string): string => {
      const key = keyOf(fill, 0, keyId);
      return signedBy(new EpochKeys({ ...keyringOf(key), ledgerId }, ratchetAt(ledgerId, key, epoch, null)), organization, "s").signature;
    };
    const other = "f".repeat(32);
    const all = [
      signature(1, LEDGER.ledgerId, "k", 0, "a"), signature(2, LEDGER.ledgerId, "k", 0, "a"), signature(1, other, "k", 0, "a"),
      signature(1, LEDGER.ledgerId, "l", 0, "a"), signature(1, LEDGER.ledgerId, "k", 1, "a"), signature(1, LEDGER.ledgerId, "k", 0, "b"),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("ratchetAt", () => {
  test("reaches the same key from the seed and from any state that is the key's and not later", () => {
    fc.assert(fc.property(fc.nat(5), fc.nat(20), fc.nat(40), fc.boolean(), (firstEpoch, steps, fromEpoch, ownKey) => {
      const key = keyOf(3, firstEpoch);
      const epoch = firstEpoch + steps;
      const usable = ownKey && fromEpoch >= firstEpoch && fromEpoch <= epoch;
      // a state that must not be used is not one of this ratchet's keys, so that using it would show
      const from: RatchetState = { keyId: ownKey ? key.keyId : "key_v0", epoch: fromEpoch, key: Buffer.from(usable ? pureRatchet(key, fromEpoch) : new Uint8Array(32).fill(9)) };
      const state = ratchetAt(LEDGER.ledgerId, key, epoch, from);
      expect(state).toEqual({ keyId: "key_v1", epoch, key: state.key });
      expect(state.key).toEqual(pureRatchet(key, epoch));
      state.key.fill(0);
      expect(from.key.some((byte) => byte !== 0)).toBe(true);
    }));
  });

  test("of a forward-secure key, from a state that is the key's and not later; else not at all", () => {
    const sealed: HmacKey = { ...keyOf(3), mode: "forward-secure", seed: null };
    const at = (epoch: number): RatchetState => ({ keyId: "key_v1", epoch, key: pureRatchet(keyOf(3), epoch) });
    expect(ratchetAt(LEDGER.ledgerId, sealed, 7, at(4)).key).toEqual(pureRatchet(keyOf(3), 7));
    expect(ratchetAt(LEDGER.ledgerId, sealed, 4, at(4)).key).toEqual(pureRatchet(keyOf(3), 4));
    expect(codeOf(() => ratchetAt(LEDGER.ledgerId, sealed, 3, at(4)))).toBe("ratchet_ahead");
    for (const from of [null, { ...at(1), keyId: "key_v0" }]) expect(codeOf(() => ratchetAt(LEDGER.ledgerId, sealed, 3, from))).toBe("ratchet_lost");
  });
});
