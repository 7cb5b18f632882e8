import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { fromBase64, utf8 } from "../../src/format/bytes.ts";
import type { KmsTimeouts } from "../../src/keys/kms/client.ts";
import { readPassphrase } from "../../src/keys/passphrase.ts";
import { randomKey, rootKeyFrom } from "../../src/keys/root-key.ts";
import { type RootKeyConfig, type RootKeySource, rootKeySource } from "../../src/keys/root-keys.ts";
import type { Terminal } from "../../src/keys/terminal.ts";
import { FakeKms, type KmsFault, patience } from "../support/fake-kms.ts";
import { rememberScrypt } from "./remember-scrypt.ts";
import { rootKeyContract } from "./root-key-contract.ts";
import { codeLater, codeOf, ownFolder, secretFile } from "./support.ts";

const at = ownFolder();
const NOBODY = { env: {}, terminal: null };
const PASSPHRASE = "canary PASSPHRASE of five words";
const OTHER = "canary of OTHER people's words";
const contents = (...files: readonly string[]): Uint8Array[] => files.filter((file) => existsSync(file)).map((file) => readFileSync(file));

/** Types these lines, one at each question; remembers the arrays that it has handed over. */
function typist(...lines: readonly string[]): Terminal & { readonly handed: Uint8Array[]; readonly asked: string[] } {
  const [handed, asked]: [Uint8Array[], string[]] = [[], []];
  return {
    handed, asked,
    async readSecret(prompt) {
      asked.push(prompt);
      handed.push(Uint8Array.from(utf8(lines[asked.length - 1] ?? "")));
      return handed.at(-1)!;
    },
  };
}

rememberScrypt({ cheap: true });

rootKeyContract("file", async () => ({
  source: () => rootKeySource({ type: "file", path: at("root.key") }, NOBODY),
  other: () => rootKeySource({ type: "file", path: at("other.key") }, NOBODY),
  files: [at("root.key")], isCheap: true, missing: "key_file_missing",
  secrets: () => contents(at("root.key"), at("other.key")),
}));

rootKeyContract("credential", async () => {
  mkdirSync(at("credentials"), { recursive: true });
  const source = (name: string): RootKeySource => rootKeySource({ type: "credential", name }, { env: { CREDENTIALS_DIRECTORY: at("credentials") }, terminal: null });
  for (const name of ["root", "other"]) secretFile(at(`credentials/${name}`), randomKey());
  return {
    source: () => source("root"), other: () => source("other"), files: [at("credentials/root")], isCheap: true, missing: "credential_missing",
    secrets: () => contents(at("credentials/root"), at("credentials/other")),
  };
});

/** Files of keys under a passphrase, by name: the first test makes its own, the others find these. */
const filed = new Map<string, Uint8Array>();

rootKeyContract("passphrase", async () => {
  const [own, other] = [secretFile(at("words"), `${PASSPHRASE}\n`), secretFile(at("other-words"), OTHER)];
  const source = (path: string, passphrase_file: string): RootKeySource => rootKeySource({ type: "passphrase", path, passphrase_file }, NOBODY);
  for (const [name, bytes] of filed) secretFile(at(name), bytes);
  if (filed.size === 0) {
    for (const [name, words] of [["root.scrypt", own], ["other.scrypt", other]] as const) {
      await source(at(name), words).openOrCreate();
      filed.set(name, readFileSync(at(name)));
      rmSync(at(name));
    }
  }
  return {
    source: () => source(at("root.scrypt"), own), other: () => source(at("other.scrypt"), other), files: [at("root.scrypt"), own], isCheap: false,
    missing: "key_file_missing", secrets: () => contents(own, other),
  };
});

test("32 bytes are a root key, no other number, and none of them is left", () => {
  for (const length of [0, 16, 31, 33, 64]) expect(codeOf(() => rootKeyFrom(new Uint8Array(length).fill(7), "it"))).toBe("key_file_damaged");
  for (const length of [32, 33]) {
    const bytes = new Uint8Array(length).fill(7);
    codeOf(() => rootKeyFrom(bytes, "it"));
    expect(bytes).toEqual(new Uint8Array(length));
  }
});

describe("credential", () => {
  const config: RootKeyConfig = { type: "credential", name: "root" };
  const open = (directory: string | undefined): Promise<string | null> => codeLater(() => rootKeySource(config, { env: { CREDENTIALS_DIRECTORY: directory }, terminal: null }).openOrCreate());

  test("as systemd makes them: root's, readable through an ACL that shows as the group's right", async () => {
    const file = secretFile(at("root"), randomKey());
    chmodSync(file, 0o400);
    expect(await open(at(""))).toBeNull();
    chmodSync(file, 0o440);
    expect(await open(at(""))).toBe(statSync(file).uid === 0 ? null : "key_file_mode");
  });

  test.each([0o444, 0o404, 0o460, 0o450, 0o441])("mode %o is refused", async (mode) => {
    chmodSync(secretFile(at("root"), randomKey()), mode);
    expect(await open(at(""))).toBe("key_file_mode");
  });

  test("none is made: it says how one is", async () => {
    expect(await open(at(""))).toBe("credential_missing");
    expect(await open(undefined)).toBe("credential_missing");
    expect(await open("relative")).toBe("credential_missing");
    expect(existsSync(at("root"))).toBe(false);
    await expect(rootKeySource(config, NOBODY).openOrCreate()).rejects.toThrow(/systemd-creds encrypt --name=root /);
  });

  test("a folder, and a text in place of a key, are none", async () => {
    mkdirSync(at("root"));
    expect(await open(at(""))).toBe("key_file_damaged");
    secretFile(at("text"), Buffer.from(randomKey()).toString("hex"));
    expect(await codeLater(() => rootKeySource({ type: "credential", name: "text" }, { env: { CREDENTIALS_DIRECTORY: at("") }, terminal: null }).open())).toBe("key_file_damaged");
  });
});

describe("passphrase", () => {
  const config = (more: object = {}): RootKeyConfig => ({ type: "passphrase", path: at("root.scrypt"), ...more });
  type File = Record<"format" | "n" | "r" | "p" | "salt" | "wrapped", unknown>;
  let text: string | null = null;
  /** One key for all tests: each takes a third of a second. */
  const made = async (): Promise<File> => {
    secretFile(at("words"), PASSPHRASE);
    if (text === null) await rootKeySource(config({ passphrase_file: at("words") }), NOBODY).openOrCreate();
    text ??= readFileSync(at("root.scrypt"), "utf8");
    secretFile(at("root.scrypt"), text);
    return JSON.parse(text) as File;
  };

  test("typed at the terminal: twice for a new key, once from then on, and overwritten", async () => {
    const first = typist(PASSPHRASE, PASSPHRASE);
    const wrapped = (await rootKeySource(config(), { env: {}, terminal: first }).openOrCreate()).wrap(utf8("s"), utf8("c"));
    const second = typist(PASSPHRASE);
    expect((await rootKeySource(config(), { env: {}, terminal: second }).openOrCreate()).unwrap(wrapped, utf8("c"))).toEqual(utf8("s"));
    expect([first.asked.length, second.asked.length]).toEqual([2, 1]);
    const wrong = typist(OTHER);
    expect(await codeLater(() => rootKeySource(config(), { env: {}, terminal: wrong }).open())).toBe("wrong_root_key");
    for (const bytes of [...first.handed, ...second.handed, ...wrong.handed]) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test("the file is 0600, has a salt of its own, and nothing of the passphrase", async () => {
    const one = await made();
    expect(statSync(at("root.scrypt")).mode & 0o777).toBe(0o600);
    expect(one).toMatchObject({ format: "receiptd-scrypt/1", n: 131_072, r: 8, p: 1 });
    expect(fromBase64(String(one.salt))).toHaveLength(32);
    expect(JSON.stringify(one)).not.toContain("canary");
  });

  test.each<readonly [what: string, change: (file: File) => void]>([
    ["cheaper", (file) => { file.n = 65_536; }], ["a third cheaper", (file) => { file.n = 100_000; }], ["of N=1", (file) => { file.n = 1; }], ["of no number", (file) => { file.n = "131072"; }],
    ["of 1 TiB", (file) => { file.n = 2 ** 30; }], ["more than N", (file) => { file.n = 2 ** 20; }], ["of blocks that are smaller", (file) => { file.r = 1; }], ["of blocks that are huge", (file) => { file.r = 2 ** 30; }],
    ["of many passes", (file) => { file.p = 2 ** 20; }], ["of no pass", (file) => { file.p = 0; }], ["without a salt", (file) => { file.salt = ""; }], ["of another version", (file) => { file.format = "receiptd-scrypt/2"; }],
    ["with a key that is cut", (file) => { file.wrapped = String(file.wrapped).slice(4); }], ["with more in it", (file) => { Object.assign(file, { extra: 1 }); }],
  ])("a file %s is refused before anybody is asked", async (_, change) => {
    const file = await made();
    change(file);
    writeFileSync(at("root.scrypt"), JSON.stringify(file));
    const terminal = typist(PASSPHRASE);
    expect(await codeLater(() => rootKeySource(config(), { env: {}, terminal }).open())).toBe("key_file_damaged");
    expect(terminal.asked).toEqual([]);
  });

  test("parameters and salt are authenticated", async () => {
    const file = await made();
    for (const change of [{ n: 262_144 }, { salt: Buffer.alloc(32, 7).toString("base64") }]) {
      writeFileSync(at("root.scrypt"), JSON.stringify({ ...file, ...change }));
      expect(await codeLater(() => rootKeySource(config({ passphrase_file: at("words") }), NOBODY).open())).toBe("wrong_root_key");
    }
  });

  test.each<readonly [passphrase: string, code: string | null]>([
    ["fifteen letters", "bad_passphrase"], ["sixteen  letters", null], ["sixteen  letters\n", null], ["sixteen  letters\r\n", null], ["", "bad_passphrase"], ["\n", "bad_passphrase"],
    ["two lines of words\nof which one is meant", "bad_passphrase"], ["a tab\tamong the words", "bad_passphrase"], ["long ".repeat(206), "bad_passphrase"], ["x".repeat(64), null],
    ["Füllfederhalter!", null],
  ])("%j", async (passphrase, code) => {
    const source = { passphrase_file: secretFile(at("words"), passphrase) };
    expect(await codeLater(() => readPassphrase(source, NOBODY, true))).toBe(code);
    if (code === null) expect(Buffer.from(await readPassphrase(source, NOBODY, false)).toString()).toBe(passphrase.trimEnd());
  });

  test("from a credential of systemd", async () => {
    await made();
    const open = (directory: string): Promise<string | null> =>
      codeLater(() => rootKeySource(config({ passphrase_credential: "words" }), { env: { CREDENTIALS_DIRECTORY: directory }, terminal: null }).open());
    expect([await open(at("")), await open(at("gone"))]).toEqual([null, "credential_missing"]);
  });

  test("not the same twice, nobody to ask", async () => {
    expect(await codeLater(() => rootKeySource(config(), { env: {}, terminal: typist(PASSPHRASE, OTHER) }).openOrCreate())).toBe("bad_passphrase");
    expect(await codeLater(() => rootKeySource(config(), NOBODY).openOrCreate())).toBe("passphrase_missing");
    expect(existsSync(at("root.scrypt"))).toBe(false);
  });
});

describe("in AWS KMS", () => {
  let kms: FakeKms;
  let key: string;
  beforeAll(async () => {
    kms = await FakeKms.start();
    key = kms.newKey("symmetric");
  });
  afterAll(() => kms.goAway());
  afterEach(() => { kms.fault = null; });
  const source = (arn = key, path = at("root.kms"), timeouts?: KmsTimeouts): RootKeySource => rootKeySource({ type: "aws-kms", key: arn, path, endpoint: kms.endpoint }, NOBODY, timeouts);
  type File = Record<"format" | "key" | "id" | "ciphertext", string>;
  const file = (): File => JSON.parse(readFileSync(at("root.kms"), "utf8")) as File;
  const changed = (change: object): Promise<string | null> => {
    writeFileSync(at("root.kms"), JSON.stringify({ ...file(), ...change }));
    return codeLater(() => source().open());
  };

  rootKeyContract("aws-kms", async () => ({
    source: () => source(), other: () => source(key, at("other.kms")), files: [at("root.kms")], isCheap: false, missing: "key_file_missing", secrets: () => kms.dataKeys,
  }));

  test("the file has the key's name, an id and a ciphertext: 0600, and nothing of the key", async () => {
    await source().openOrCreate();
    const { ciphertext, ...rest } = file();
    expect(rest).toEqual({ format: "receiptd-kms/1", key, id: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(statSync(at("root.kms")).mode & 0o777).toBe(0o600);
    expect(Buffer.from(ciphertext, "base64").includes(kms.dataKeys.at(-1)!)).toBe(false);
    const context = { "receiptd:purpose": "root-key", "receiptd:id": rest.id };
    expect(kms.calls.slice(-2)).toMatchObject([{ action: "GenerateDataKey", body: { KeyId: key, NumberOfBytes: 32, EncryptionContext: context } }, { action: "Decrypt", body: { KeyId: key, EncryptionContext: context } }]);
  });

  test("another id, another host's ciphertext, another key: wrong_root_key", async () => {
    await source(key, at("other.kms")).openOrCreate();
    const { ciphertext } = JSON.parse(readFileSync(at("other.kms"), "utf8")) as File;
    await source().openOrCreate();
    expect(await changed({})).toBeNull();
    expect(await changed({ ciphertext })).toBe("wrong_root_key");
    expect(await changed({ id: "0".repeat(32) })).toBe("wrong_root_key");
    expect(await codeLater(() => source(kms.newKey("symmetric")).open())).toBe("wrong_root_key");
    expect(await changed({ key: kms.newKey("symmetric") })).toBe("wrong_root_key");
  });

  test.each<readonly [fault: KmsFault, code: string]>([
    ["silent", "kms_unavailable"], ["drips", "kms_unavailable"], ["error", "kms_unavailable"], ["throttled", "kms_unavailable"], ["denied", "kms_denied"],
    ["garbage", "kms_unavailable"], ["page", "kms_unavailable"], ["cut", "kms_unavailable"], ["empty", "kms_unavailable"],
  ])("%s: %s, in bounded time; no key is made, none that is there is lost", async (fault, code) => {
    const hasty = source(key, at("root.kms"), patience(fault));
    kms.fault = fault;
    expect(await codeLater(() => hasty.openOrCreate())).toBe(code);
    expect(existsSync(at("root.kms"))).toBe(false);
    kms.fault = null;
    const wrapped = (await source().openOrCreate()).wrap(utf8("s"), utf8("c"));
    kms.fault = fault;
    expect(await codeLater(() => hasty.openOrCreate())).toBe(code);
    kms.fault = null;
    expect((await source().openOrCreate()).unwrap(wrapped, utf8("c"))).toEqual(utf8("s"));
  });

  test("another plaintext than the one that wrapped opens nothing", async () => {
    const wrapped = (await source().openOrCreate()).wrap(utf8("s"), utf8("c"));
    kms.fault = "wrong";
    const other = await source().open();
    expect(codeOf(() => other.unwrap(wrapped, utf8("c")))).toBe("wrong_root_key");
  });

  test("away, or no key of this use: it says so", async () => {
    expect(await codeLater(() => source(kms.newKey("ed25519")).openOrCreate())).toBe("kms_denied");
    const nowhere = rootKeySource({ type: "aws-kms", key, path: at("root.kms"), endpoint: "http://127.0.0.1:1" }, NOBODY);
    await expect(nowhere.openOrCreate()).rejects.toMatchObject({ code: "kms_unavailable", message: `kms:GenerateDataKey with ${key}: nothing accepts connections at http://127.0.0.1:1` });
  });

  test("the plaintext's bytes are overwritten, and a key of another length is none", async () => {
    const mock = mockClient(KMSClient);
    onTestFinished(() => mock.restore());
    const plaintexts = [32, 32, 31].map((length) => new Uint8Array(length).fill(9));
    mock.on(GenerateDataKeyCommand).resolves({ KeyId: key, Plaintext: plaintexts[0]!, CiphertextBlob: new Uint8Array(60).fill(1) });
    mock.on(DecryptCommand).resolvesOnce({ KeyId: key, Plaintext: plaintexts[1]! }).resolvesOnce({ KeyId: key, Plaintext: plaintexts[2]! });
    await source().openOrCreate();
    expect(await codeLater(() => source().open())).toBe("kms_unavailable");
    expect(plaintexts.map((bytes) => bytes.every((byte) => byte === 0))).toEqual([true, true, true]);
  });

  test("what the SDK throws is not handed on", async () => {
    const mock = mockClient(KMSClient);
    onTestFinished(() => mock.restore());
    const leaky = Object.assign(new Error("canary-LEAK-in-a-message"), { name: "SyntaxError", $response: { body: "canary-LEAK" }, $metadata: { httpStatusCode: 200 } });
    mock.on(GenerateDataKeyCommand).rejects(leaky);
    const error = await source().openOrCreate().then(() => null, (error: unknown) => error);
    expect(error).toMatchObject({ code: "kms_unavailable" });
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("canary-LEAK");
  });
});
