import { createPublicKey, sign, verify } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toBase64, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { formatVkey, parseVkey } from "../../src/format/note.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { addKey, createKeyring, noteRevoked, openKeyring } from "../../src/keys/keyring.ts";
import { createRootKeyFile, openRootKeyFile, type RootKey } from "../../src/keys/root-key.ts";
import { codeOf, flipped, LEDGER, NOW, overwrite, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const root = (fill = 7): RootKey => openRootKeyFile(secretFile(at(`root-${fill}`), new Uint8Array(32).fill(fill)));

describe("root key", () => {
  test("what is filed is what wraps, 32 bytes, fresh each time", () => {
    const context = utf8("c");
    const wrapped = createRootKeyFile(at("a")).wrap(utf8("secret"), context);
    expect(openRootKeyFile(at("a")).unwrap(wrapped, context)).toEqual(utf8("secret"));
    createRootKeyFile(at("b"));
    expect(readFileSync(at("a"))).toHaveLength(32);
    expect(readFileSync(at("a"))).not.toEqual(readFileSync(at("b")));
    expect(codeOf(() => createRootKeyFile(at("a")))).toBe("key_file_exists");
    expect(openRootKeyFile(at("a")).unwrap(wrapped, context)).toEqual(utf8("secret"));
  });

  test.each([0, 16, 31, 33, 64])("a file of %i bytes holds none", (length) => {
    expect(codeOf(() => openRootKeyFile(secretFile(at("root"), new Uint8Array(length))))).toBe("key_file_damaged");
  });

  test("wrapped under it, any secret with any context comes back, and never looks the same", () => {
    const key = root();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (secret, context) => {
      const wrapped = key.wrap(secret, context);
      expect(wrapped).toHaveLength(12 + secret.length + 16);
      expect(key.unwrap(wrapped, context)).toEqual(Uint8Array.from(secret));
      expect(key.wrap(secret, context)).not.toEqual(wrapped);
    }));
  });

  test("one bit of the wrapped, of the context or of the key, or a byte less or more, and it is refused", () => {
    const key = root();
    const context = utf8("context");
    const wrapped = key.wrap(utf8("0123456789abcdef"), context);
    const codes = new Set([
      ...Array.from({ length: wrapped.length * 8 }, (_, bit) => codeOf(() => key.unwrap(flipped(wrapped, bit), context))),
      ...Array.from({ length: context.length * 8 }, (_, bit) => codeOf(() => key.unwrap(wrapped, flipped(context, bit)))),
      ...Array.from({ length: wrapped.length }, (_, length) => codeOf(() => key.unwrap(wrapped.subarray(0, length), context))),
      codeOf(() => key.unwrap(Uint8Array.of(...wrapped, 0), context)),
      ...Array.from({ length: 256 }, (_, bit) => {
        const other = openRootKeyFile(secretFile(at("other"), flipped(new Uint8Array(32).fill(7), bit)));
        return codeOf(() => other.unwrap(wrapped, context));
      }),
    ]);
    expect([...codes]).toEqual(["wrong_root_key"]);
  });
});

describe("keyring", () => {
  const create = (name = "keyring", ledger = LEDGER, key = root()) => createKeyring(at(name), ledger, key, NOW);
  type File = { origin: string; ledger_id: string; request_secret?: string; hmac_keys: Record<string, Json>[]; checkpoint_keys: Record<string, Json>[] } & Record<string, unknown>;
  const fileOf = (name = "keyring"): File => JSON.parse(readFileSync(at(name), "utf8")) as File;
  const rewritten = (change: (file: File) => void): string | null => {
    const file = fileOf();
    change(file);
    writeFileSync(at("changed"), JSON.stringify(file), { mode: 0o600 });
    return codeOf(() => openKeyring(at("changed"), root()));
  };

  test("comes back whole, with its keys", () => {
    const made = create();
    const read = openKeyring(at("keyring"), root());
    expect(made).toMatchObject({ ...LEDGER, hmacKeys: [{ keyId: "key_v1", mode: "retained", firstEpoch: 0 }] });
    expect([read.hmacKeys, read.requestSecret, read.origin, read.ledgerId]).toEqual([made.hmacKeys, made.requestSecret, made.origin, made.ledgerId]);
    const [key] = read.checkpointKeys;
    const message = Buffer.from("checkpoint");
    const publicKey = createPublicKey(made.checkpointKeys[0]!.privateKey!);
    expect(verify(null, message, publicKey, sign(null, message, key!.privateKey!))).toBe(true);
    expect(Buffer.from(parseVkey(key!.vkey).publicKey)).toEqual(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
    expect(parseVkey(key!.vkey).name).toBe(LEDGER.origin);
  });

  test("has secrets that are all different, of 32 bytes, none of them readable in the file", () => {
    const keyring = create();
    const other = create("other");
    const secrets = [keyring, other].flatMap(({ hmacKeys, requestSecret, checkpointKeys }) => [
      hmacKeys[0]!.seed!, requestSecret, checkpointKeys[0]!.privateKey!.export({ format: "der", type: "pkcs8" }).subarray(-32),
    ]).map((secret) => Buffer.from(secret));
    expect(secrets.map((secret) => secret.length)).toEqual([32, 32, 32, 32, 32, 32]);
    expect(new Set(secrets.map((secret) => secret.toString("hex"))).size).toBe(6);
    const file = readFileSync(at("keyring"), "latin1");
    for (const secret of secrets) for (const form of ["hex", "base64", "latin1"] as const) expect(file).not.toContain(secret.toString(form));
  });

  test("with a checkpoint key in KMS has its ARN and no private key, and one flipped bit is refused", () => {
    const publicKey = new Uint8Array(createPublicKey(create("other").checkpointKeys[0]!.privateKey!).export({ format: "der", type: "spki" }).subarray(-32));
    const kmsKey = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const key = root();
    const made = createKeyring(at("keyring"), LEDGER, key, NOW, "retained", { kmsKey, publicKey });
    expect(made.checkpointKeys).toEqual([{ vkey: formatVkey(LEDGER.origin, publicKey), kmsKey, createdAt: NOW }]);
    expect(fileOf().checkpoint_keys).toEqual([{ vkey: made.checkpointKeys[0]!.vkey, created_at: NOW, kms_key: kmsKey, seal: expect.any(String) }]);
    expect(rewritten((file) => { file.checkpoint_keys[0]!["kms_key"] = kmsKey.replace("1234abcd", "4321abcd"); })).toBe("wrong_root_key");
    expect(rewritten((file) => { file.checkpoint_keys[0]!["vkey"] = formatVkey(LEDGER.origin, new Uint8Array(32).fill(1)); })).toBe("wrong_root_key");
    expect(rewritten((file) => { file.checkpoint_keys[0]!["private_key"] = file.request_secret!; })).toBe("key_file_damaged");
    expect(rewritten((file) => { file.checkpoint_keys[0]!["seal"] = file.request_secret!; })).toBe("wrong_root_key");
    const whole = readFileSync(at("keyring"));
    const opened: number[] = [];
    for (let bit = 0; bit < whole.length * 8; bit += 7) {
      overwrite(at("keyring"), flipped(whole, bit));
      if (codeOf(() => openKeyring(at("keyring"), key)) === null) opened.push(bit);
    }
    expect(opened).toEqual([]);
  });

  test("is never replaced", () => {
    create();
    const before = readFileSync(at("keyring"));
    expect(codeOf(() => create())).toBe("key_file_exists");
    expect(readFileSync(at("keyring"))).toEqual(before);
  });

  test("opens with its root key only, and not when others can read it", () => {
    create();
    expect(codeOf(() => openKeyring(at("keyring"), root(8)))).toBe("wrong_root_key");
    chmodSync(at("keyring"), 0o640);
    expect(codeOf(() => openKeyring(at("keyring"), root()))).toBe("key_file_mode");
  });

  test("one flipped bit anywhere in the file, and it is refused", () => {
    create();
    const key = root();
    const whole = readFileSync(at("keyring"));
    const opened: number[] = [];
    for (let bit = 0; bit < whole.length * 8; bit += 7) { // every byte, its bits in turn
      overwrite(at("keyring"), flipped(whole, bit));
      const code = codeOf(() => openKeyring(at("keyring"), key));
      if (code !== "key_file_damaged" && code !== "wrong_root_key") opened.push(bit);
    }
    expect(opened).toEqual([]);
  });

  test("cut short anywhere, it is refused", () => {
    create();
    const key = root();
    const whole = readFileSync(at("keyring"));
    for (let length = 0; length < whole.length - 1; length += 3) {
      writeFileSync(at("keyring"), whole.subarray(0, length));
      expect(codeOf(() => openKeyring(at("keyring"), key))).toBe("key_file_damaged");
    }
  });

  test("no secret can be filed under other words, in another place or another ledger", () => {
    create();
    create("other", { origin: "example.com/other", ledgerId: LEDGER.ledgerId });
    create("twin");
    const [other, twin] = [fileOf("other"), fileOf("twin")];
    expect(rewritten(() => {})).toBeNull();
    const changes: readonly ((file: File) => void)[] = [
      (file) => { file.origin = "example.com/other"; },
      (file) => { file.ledger_id = "f".repeat(32); },
      (file) => { file.hmac_keys[0]!["key_id"] = "key_v2"; },
      (file) => { file.hmac_keys[0]!["first_epoch"] = 1; },
      (file) => { file.hmac_keys[0]!["created_at"] = "2026-06-01T10:00:00.001Z"; },
      (file) => { file.checkpoint_keys[0]!["created_at"] = "later"; },
      (file) => { file.checkpoint_keys[0]!["vkey"] = twin.checkpoint_keys[0]!["vkey"]!; },
      (file) => { file.hmac_keys[0]!["seed"] = file.request_secret!; },
      (file) => { file.request_secret = file.hmac_keys[0]!["seed"] as string; },
      (file) => { file.checkpoint_keys[0]!["private_key"] = file.hmac_keys[0]!["seed"]!; },
      (file) => { file.request_secret = other.request_secret!; },
      (file) => { file.hmac_keys.unshift(other.hmac_keys[0]!); },
    ];
    expect(changes.map((change) => rewritten(change))).toEqual(changes.map(() => "wrong_root_key"));
  });

  describe("of forward-secure keys, which hold no secret", () => {
    const later = (firstEpoch: number, keyId = `key_v${firstEpoch}`) => ({ keyId, mode: "forward-secure", firstEpoch, createdAt: NOW, seed: null }) as const;
    const sealed = (name = "keyring") => createKeyring(at(name), LEDGER, root(), NOW, "forward-secure");
    const OLD = utf8(canonicalize({ keyring: 1, origin: LEDGER.origin, ledger_id: LEDGER.ledgerId, secret: "request" }));
    /** As the first keyrings were written: the request secret is not bound to the list of keys. */
    const asBefore = (name = "keyring") => {
      const { requestSecret } = openKeyring(at(name), root());
      writeFileSync(at(name), JSON.stringify({ ...fileOf(name), request_secret: toBase64(root().wrap(requestSecret, OLD)) }));
    };

    test("what it says of them cannot be changed, added to, cut or put in another order", () => {
      sealed();
      const alone = fileOf();
      for (const epoch of [2, 3]) addKey(at("keyring"), root(), later(epoch));
      expect(rewritten(() => {})).toBeNull();
      const changes: readonly ((file: File) => void)[] = [
        (file) => { file.hmac_keys[0]!["key_id"] = "key_v9"; },
        (file) => { file.hmac_keys[0]!["first_epoch"] = 1; },
        (file) => { file.hmac_keys[2]!["first_epoch"] = 100; },
        (file) => { file.hmac_keys[2]!["created_at"] = "2026-06-01T10:00:00.001Z"; },
        (file) => { file.hmac_keys.push({ ...file.hmac_keys[2], key_id: "key_v4", first_epoch: 4 }); },
        (file) => { file.hmac_keys.unshift(file.hmac_keys[0]!); },
        (file) => { file.hmac_keys.pop(); },
        (file) => { file.hmac_keys = file.hmac_keys.slice(1); },
        (file) => { file.hmac_keys.reverse(); },
        (file) => { file.checkpoint_keys.push(file.checkpoint_keys[0]!); },
        (file) => { file.request_secret = alone.request_secret!; },
        (file) => { file.hmac_keys = alone.hmac_keys; },
      ];
      expect(changes.map((change) => rewritten(change))).toEqual(changes.map(() => "wrong_root_key"));
    });

    test("a retained key cannot be called forward-secure, nor a retained one that is over be left out", () => {
      create();
      addKey(at("keyring"), root(), { ...later(2), mode: "retained", seed: new Uint8Array(32).fill(3) });
      expect(rewritten((file) => { file.hmac_keys[0]!["mode"] = "forward-secure"; delete file.hmac_keys[0]!["seed"]; })).toBe("wrong_root_key");
      expect(rewritten((file) => { file.hmac_keys.shift(); })).toBe("wrong_root_key");
    });

    test("one flipped bit anywhere in the list, and it is refused", () => {
      sealed();
      const key = root();
      const whole = readFileSync(at("keyring"));
      const codes = new Set<string | null>();
      for (let bit = whole.indexOf('"hmac_keys"') * 8; bit < whole.indexOf('"checkpoint_keys"') * 8; bit += 3) {
        overwrite(at("keyring"), flipped(whole, bit));
        codes.add(codeOf(() => openKeyring(at("keyring"), key)));
      }
      expect([...codes].toSorted()).toEqual(["key_file_damaged", "wrong_root_key"]);
    });

    test("a key is not added to a list that somebody has changed", () => {
      sealed();
      const file = fileOf();
      file.hmac_keys.push({ ...file.hmac_keys[0]!, key_id: "key_v2", first_epoch: 2 });
      writeFileSync(at("keyring"), JSON.stringify(file));
      expect(codeOf(() => addKey(at("keyring"), root(), later(3)))).toBe("wrong_root_key");
      expect(fileOf()).toEqual(file);
    });

    test("a key that begins in the epoch of the one before it takes the place of none that was used", () => {
      sealed();
      addKey(at("keyring"), root(), { ...later(0), keyId: "key_v2" }, "key_v1");
      addKey(at("keyring"), root(), { ...later(0), keyId: "key_v3" }, "key_v1"); // the one before was never used
      expect(openKeyring(at("keyring"), root()).hmacKeys.map(({ keyId, firstEpoch }) => [keyId, firstEpoch])).toEqual([["key_v1", 0], ["key_v3", 0]]);
      addKey(at("keyring"), root(), { ...later(0), keyId: "key_v4" }, "key_v3");
      expect(openKeyring(at("keyring"), root()).hmacKeys.map(({ keyId }) => keyId)).toEqual(["key_v1", "key_v3", "key_v4"]);
    });

    test("what is noted of a revoked key is not part of it, and secrets stay what they were", () => {
      const { requestSecret } = sealed();
      addKey(at("keyring"), root(), later(2));
      noteRevoked(at("keyring"), "key_v1", { compromised_since: NOW, reason: "stolen" });
      const read = openKeyring(at("keyring"), root());
      expect(read.requestSecret).toEqual(requestSecret);
      expect(read.hmacKeys).toMatchObject([{ keyId: "key_v1", revoked: { reason: "stolen" } }, { keyId: "key_v2", firstEpoch: 2 }]);
    });

    test("one that was written before the list was bound opens with the key of init alone, and is bound with the next", () => {
      const { requestSecret } = sealed();
      asBefore();
      const before = fileOf();
      expect(openKeyring(at("keyring"), root()).requestSecret).toEqual(requestSecret);
      const changes: readonly ((file: File) => void)[] = [
        (file) => { file.hmac_keys[0]!["key_id"] = "key_v2"; },
        (file) => { file.hmac_keys[0]!["first_epoch"] = 100; },
        (file) => { file.hmac_keys.push({ ...file.hmac_keys[0], key_id: "key_v2", first_epoch: 2 }); },
        (file) => { file.checkpoint_keys.push(file.checkpoint_keys[0]!); },
      ];
      expect(changes.map((change) => rewritten(change))).toEqual(changes.map(() => "wrong_root_key"));
      addKey(at("keyring"), root(), later(2));
      expect(openKeyring(at("keyring"), root())).toMatchObject({ requestSecret, hmacKeys: [{ keyId: "key_v1" }, { keyId: "key_v2" }] });
      expect(rewritten((file) => { file.request_secret = before.request_secret!; })).toBe("wrong_root_key"); // the old form cannot be brought back beside the new list
    });
  });

  test("what is not a keyring is refused as that", () => {
    create();
    const changes: readonly ((file: File) => void)[] = [
      (file) => { file["format"] = "receiptd-keyring/2"; },
      (file) => { file["extra"] = 1; },
      (file) => { delete file.request_secret; },
      (file) => { file.hmac_keys = []; },
      (file) => { file.checkpoint_keys = []; },
      (file) => { file.hmac_keys[0]!["mode"] = "forward-secure"; },
      (file) => { file.hmac_keys[0]!["first_epoch"] = -1; },
      (file) => { file.request_secret = "not base64!"; },
    ];
    expect(changes.map((change) => rewritten(change))).toEqual(changes.map(() => "key_file_damaged"));
    for (const text of ["", "{}", "[]", "null", "\ufeff{}"]) expect(codeOf(() => openKeyring(secretFile(at("text"), text), root()))).toBe("key_file_damaged");
    expect(codeOf(() => openKeyring(at("nothing"), root()))).toBe("key_file_missing");
  });

  test("a checkpoint key under another key's vkey is refused, even by whoever holds the root key", () => {
    create();
    const vkey = formatVkey(LEDGER.origin, new Uint8Array(32).fill(1));
    const meta = { vkey, created_at: NOW };
    const context = utf8(canonicalize({ keyring: 1, origin: LEDGER.origin, ledger_id: LEDGER.ledgerId, secret: { checkpoint: meta } }));
    expect(rewritten((file) => {
      file.checkpoint_keys[0] = { ...meta, private_key: toBase64(root().wrap(new Uint8Array(32).fill(2), context)) };
    })).toBe("key_file_damaged");
  });
});
