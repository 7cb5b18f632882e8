/** Keys that are known, every way to fail that there is, and a search for the keys in all that came out. Of each kind of root key: root-key-contract.ts. */
import { chmodSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { toBase64, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { formatVkey } from "../../src/format/note.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { createKeyring, openKeyring } from "../../src/keys/keyring.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { createRootKeyFile, openRootKeyFile } from "../../src/keys/root-key.ts";
import { createSecretFile } from "../../src/keys/secret-file.ts";
import { flipped, LEDGER, NOW, ownFolder, secretFile, shreds } from "./support.ts";
import { signedBy } from "../support/signature.ts";

const at = ownFolder();
const ROOT = utf8("canary-ROOT-key-0123456789-ABCDE");
const SEED = utf8("canary-SEED-key-0123456789-ABCDE");
const CHECKPOINT = utf8("canary-CHECKPOINT-0123456789-ABC");
const REQUEST = utf8("canary-REQUEST-x-0123456789-ABCD");

test("no error and no object that is logged shows a key", async () => {
  const shown: string[] = [];
  const show = (value: unknown): void => {
    shown.push(inspect(value, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null, breakLength: Infinity }));
    if (value instanceof Error) shown.push(value.message, String(value.stack), JSON.stringify(value), String(value));
  };
  let failures = 0;
  const fails = async (act: () => unknown): Promise<void> => {
    try {
      await act();
    } catch (error) {
      failures++;
      show(error);
      return;
    }
    throw new Error("did not fail");
  };

  const root = openRootKeyFile(secretFile(at("root.key"), ROOT));
  const wrap = (secret: Uint8Array, metadata: Json): string =>
    toBase64(root.wrap(secret, utf8(canonicalize({ keyring: 1, origin: LEDGER.origin, ledger_id: LEDGER.ledgerId, secret: metadata }))));
  const hmac = { key_id: "key_v1", mode: "retained", first_epoch: 0, created_at: NOW };
  const checkpoint = (vkey: string) => ({ vkey, created_at: NOW });
  const fileWith = (meta: ReturnType<typeof checkpoint>, secret: Uint8Array): string => JSON.stringify({
    format: "receiptd-keyring/1", origin: LEDGER.origin, ledger_id: LEDGER.ledgerId, hmac_keys: [{ ...hmac, seed: wrap(SEED, { hmac }) }],
    checkpoint_keys: [{ ...meta, private_key: wrap(secret, { checkpoint: meta }) }], request_secret: wrap(REQUEST, "request"),
  });
  const wrongVkey = checkpoint(formatVkey(LEDGER.origin, new Uint8Array(32).fill(1)));
  const text = fileWith(wrongVkey, CHECKPOINT);

  await fails(() => openKeyring(secretFile(at("a"), text), root)); // by then every secret has been opened
  await fails(() => openKeyring(secretFile(at("b"), fileWith(checkpoint("no vkey"), CHECKPOINT)), root));
  await fails(() => openKeyring(secretFile(at("c"), fileWith(wrongVkey, CHECKPOINT.subarray(1))), root));
  for (let bit = 3; bit < text.length * 8; bit += 251) await fails(() => openKeyring(secretFile(at("d"), flipped(utf8(text), bit)), root));
  await fails(() => openKeyring(at("root.key"), root)); // the key's own bytes, read as JSON
  await fails(() => createRootKeyFile(at("root.key")));
  await fails(() => createKeyring(at("a"), LEDGER, root, NOW));
  await fails(() => createSecretFile(at("root.key"), SEED));
  await fails(() => createSecretFile(at("no/such/folder"), SEED));
  await fails(() => openRootKeyFile(secretFile(at("long"), Buffer.concat([ROOT, ROOT]))));
  await fails(() => openKeyring(at("a"), openRootKeyFile(secretFile(at("other"), flipped(ROOT, 9)))));
  symlinkSync(at("root.key"), at("link"));
  await fails(() => openRootKeyFile(at("link")));
  chmodSync(at("other"), 0o644);
  await fails(() => openRootKeyFile(at("other")));

  const key = { keyId: "key_v1", mode: "retained" as const, firstEpoch: 0, seed: SEED };
  const state = ratchetAt(LEDGER.ledgerId, key, 0, null);
  const ratchetKey = state.key.slice();
  const keys = new EpochKeys({ ...LEDGER, hmacKeys: [key], checkpointKeys: [], requestSecret: REQUEST }, state);
  const ratchet = new RatchetFile(at("ratchet"), root, LEDGER.ledgerId);
  ratchet.create(keys.state);
  await fails(() => ratchet.create(keys.state));
  await fails(() => new RatchetFile(at("link"), root, LEDGER.ledgerId).store(keys.state));
  chmodSync(at("ratchet"), 0o644);
  await fails(() => ratchet.load());
  truncateSync(at("ratchet"), 100);
  for (const object of [root, keys, ratchet]) show(object);
  signedBy(keys, "default", "s");
  show(keys);
  show(keys.seal);

  expect(failures).toBeGreaterThan(30);
  const everything = shown.join("\n");
  const found = shreds([ROOT, SEED, CHECKPOINT, REQUEST, ratchetKey]).filter((shred) => everything.includes(shred));
  expect(found).toEqual([]);
  writeFileSync(at("shown"), everything);
  expect(readFileSync(at("shown"), "utf8")).toContain(at("root.key")); // the search does find what is there
});
