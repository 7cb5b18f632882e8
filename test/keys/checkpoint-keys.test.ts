/** The checkpoint keys in the keyring, one after the other; the file with the next one; and what is overwritten when one is retired. */
import { closeSync, existsSync, linkSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { addCheckpointKey, addKey, createKeyring, newCheckpointKey, openKeyring, retireCheckpointKey } from "../../src/keys/keyring.ts";
import { fileNextCheckpoint, type NextCheckpoint, readNextCheckpoint } from "../../src/keys/next-checkpoint.ts";
import { eraseReplaced } from "../../src/keys/secret-file.ts";
import { createRootKeyFile, openRootKeyFile } from "../../src/keys/root-key.ts";
import { codeOf, flipped, LEDGER, NOW, overwrite, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const root = () => (existsSync(at("root.key")) ? openRootKeyFile(at("root.key")) : createRootKeyFile(at("root.key")));

const LATER = "2026-07-01T10:00:00.000Z";
const KMS = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const opened = () => openKeyring(at("keyring"), root());
const kept = () => opened().checkpointKeys.map(({ privateKey, kmsKey, after }) => [privateKey !== undefined ? "here" : kmsKey ?? "gone", after]);

/** A keyring with a second key; returns the vkeys of both. */
function two(): readonly [string, string] {
  const made = createKeyring(at("keyring"), LEDGER, root(), NOW);
  const first = made.checkpointKeys[0]!.vkey;
  const { vkey, seed } = newCheckpointKey(LEDGER.origin);
  addCheckpointKey(at("keyring"), root(), first, { vkey, createdAt: LATER, after: 7, secret: seed });
  return [first, vkey];
}

test("a key is filed behind the one that signs, in the place of one that was never used, and changes no other secret", () => {
  const made = createKeyring(at("keyring"), LEDGER, root(), NOW);
  const first = made.checkpointKeys[0]!.vkey;
  const [second, third] = [newCheckpointKey(LEDGER.origin), newCheckpointKey(LEDGER.origin)];
  addCheckpointKey(at("keyring"), root(), first, { vkey: second.vkey, createdAt: LATER, after: 7, secret: second.seed });
  expect(kept()).toEqual([["here", undefined], ["here", 7]]);
  addCheckpointKey(at("keyring"), root(), first, { vkey: third.vkey, createdAt: LATER, after: 9, secret: KMS });
  expect([kept(), opened().checkpointKeys.map(({ vkey }) => vkey)]).toEqual([[["here", undefined], [KMS, 9]], [first, third.vkey]]);
  expect([opened().requestSecret, opened().hmacKeys]).toEqual([made.requestSecret, made.hmacKeys]);
  addKey(at("keyring"), root(), { keyId: "key_v2", mode: "forward-secure", firstEpoch: 3, createdAt: LATER, seed: null });
  expect(kept()).toEqual([["here", undefined], [KMS, 9]]);
});

test("a retired key keeps its vkey; its private key is overwritten where it was on the disk, too", () => {
  const [first, second] = two();
  const before = readFileSync(at("keyring"), "utf8");
  const file = openSync(at("keyring"), "r"); // the file that is replaced
  expect([retireCheckpointKey(at("keyring"), root(), first), retireCheckpointKey(at("keyring"), root(), first)]).toEqual([true, false]);
  const bytes = Buffer.alloc(before.length, 1);
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  expect([bytes.every((byte) => byte === 0), existsSync(at("keyring.old"))]).toEqual([true, false]);
  expect([kept(), opened().checkpointKeys.map(({ vkey }) => vkey)]).toEqual([[["gone", undefined], ["here", 7]], [first, second]]);
  const old = (JSON.parse(before) as { checkpoint_keys: { private_key: string }[] }).checkpoint_keys[0]!.private_key;
  expect(readFileSync(at("keyring"), "utf8")).not.toContain(old);
});

test("what a crash leaves of that is overwritten by whoever comes next, and never the keyring itself", () => {
  const [first] = two();
  const keyring = readFileSync(at("keyring"));
  linkSync(at("keyring"), at("keyring.old")); // before the replacement
  eraseReplaced(at("keyring"));
  expect([readFileSync(at("keyring")), existsSync(at("keyring.old"))]).toEqual([keyring, false]);
  writeFileSync(at("keyring.old"), keyring, { mode: 0o600 }); // behind it
  expect(retireCheckpointKey(at("keyring"), root(), first)).toBe(true);
  expect([kept()[0], existsSync(at("keyring.old"))]).toEqual([["gone", undefined], false]);
});

test("nobody changes the list without the root key: one flipped bit is refused", () => {
  const [first] = two();
  retireCheckpointKey(at("keyring"), root(), first);
  const whole = readFileSync(at("keyring"));
  const changed = (change: (key: Record<string, unknown>) => void): string | null => {
    const file = JSON.parse(whole.toString()) as { checkpoint_keys: Record<string, unknown>[] };
    change(file.checkpoint_keys[1]!);
    secretFile(at("keyring"), JSON.stringify(file));
    return codeOf(() => opened());
  };
  expect([changed((key) => { key["after"] = 8; }), changed((key) => { delete key["after"]; }), changed((key) => { key["vkey"] = first; })]).toEqual(["wrong_root_key", "wrong_root_key", "wrong_root_key"]);
  expect(changed((key) => { key["private_key"] = undefined; key["retired"] = true; key["seal"] = (JSON.parse(whole.toString()) as { checkpoint_keys: { seal: string }[] }).checkpoint_keys[0]!.seal; })).toBe("wrong_root_key");
  expect(changed(() => undefined)).toBeNull();
});

test.each<readonly [string, NextCheckpoint["secret"] | null]>([["here", null], ["in AWS KMS", { key: KMS, profile: "receiptd" }]])("the next key, %s, is left once, and read back whole or not at all", (_, secret) => {
  const { vkey, seed } = newCheckpointKey(LEDGER.origin);
  const next: NextCheckpoint = { vkey, createdAt: LATER, reason: "request", secret: secret ?? Uint8Array.from(seed) };
  expect(readNextCheckpoint(at("next"), LEDGER, root())).toBeNull();
  fileNextCheckpoint(at("next"), LEDGER, root(), next);
  expect(statSync(at("next")).mode & 0o777).toBe(0o600);
  expect(readNextCheckpoint(at("next"), LEDGER, root())).toEqual(next);
  expect(codeOf(() => fileNextCheckpoint(at("next"), LEDGER, root(), next))).toBe("key_pending");
  const whole = readFileSync(at("next"));
  for (let bit = 0; bit < whole.length * 8; bit += 5) {
    overwrite(at("next"), flipped(whole, bit));
    expect([bit, ["wrong_root_key", "key_file_damaged"].includes(String(codeOf(() => readNextCheckpoint(at("next"), LEDGER, root()))))]).toEqual([bit, true]);
  }
  const half = Buffer.from(whole);
  half.fill(0, 40);
  overwrite(at("next"), half); // it was being erased, so it was taken up
  expect([readNextCheckpoint(at("next"), LEDGER, root()), existsSync(at("next"))]).toEqual([null, false]);
});
