/** Each kind of root key under the real command line and daemon, and nothing of a key in what they print, log, leave on the disk, or are started with. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { randomKey } from "../../src/keys/root-key.ts";
import { openKmsRootKey } from "../../src/keys/kms/root-key.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { rememberScrypt } from "../keys/remember-scrypt.ts";
import { shreds } from "../keys/support.ts";
import { FakeKms } from "../support/fake-kms.ts";
import { here, must, refusedHere, serveHere } from "./here.ts";
import { Host, json, type Ran, type Running, until } from "./host.ts";
import { appending, talk } from "./talk.ts";

rememberScrypt();

let kms: FakeKms;
let host: Host;
beforeAll(async () => { kms = await FakeKms.start(); });
afterAll(() => kms.goAway());
afterEach(async () => {
  vi.unstubAllEnvs();
  await host.remove();
  if (!kms.isThere) await kms.comeBack();
  kms.fault = null;
  kms.onCall = () => undefined;
});

const BASE = { origin: "test.example/receipts", anchor: { schedule: "0 0 1 1 *", heartbeat: "1h" } };
const WORDS = "canary-Xylophone UMBRA kestrel-9";

function withKeys(keys: object): Host {
  host = new Host(JSON.stringify({ ...BASE, keys }));
  return host;
}

async function serve(env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const daemon = host.start(["serve"], env);
  await until(() => daemon.stderr().includes("taking receipts"), daemon);
  return daemon;
}

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<Ran> {
  child.kill("SIGTERM");
  return await ended;
}

/** All files of the host but those named. */
function onDisk(except: readonly string[]): string {
  const files = readdirSync(host.dir, { recursive: true, encoding: "utf8" }).filter((name) => !except.includes(name) && statSync(host.path(name)).isFile());
  return files.map((name) => readFileSync(host.path(name), "latin1")).join("\n");
}

interface Kind {
  readonly keys: object;
  readonly env: Readonly<Record<string, string>>;
  /** Where a secret may be, as it is. */
  readonly places: readonly string[];
  /** Of the host when all is done. */
  readonly secrets: () => readonly Uint8Array[];
}

describe.each<readonly [kind: string, make: () => Kind]>([
  ["file", () => ({ keys: {}, env: {}, places: ["receiptd-data/root.key"], secrets: () => [readFileSync(host.path("receiptd-data/root.key"))] })],
  ["credential", () => ({
    keys: { root_key: { type: "credential" } }, env: { CREDENTIALS_DIRECTORY: "credentials" }, places: ["credentials/receiptd-root-key"],
    secrets: () => [readFileSync(host.path("credentials/receiptd-root-key"))],
  })],
  ["passphrase", () => ({ keys: { root_key: { type: "passphrase", passphrase_file: "words" } }, env: {}, places: ["words"], secrets: () => [Buffer.from(WORDS)] })],
  ["aws-kms", () => ({ keys: { root_key: { type: "aws-kms", key: kms.newKey("symmetric"), endpoint: kms.endpoint } }, env: {}, places: [], secrets: () => kms.dataKeys })],
])("with a root key of the kind %s", { timeout: 120_000 }, (kind, make) => {
  test("a ledger is made, written, rotated, looked at and audited, and no key is seen", async () => {
    const { keys, env: relative, places, secrets } = make();
    withKeys(keys);
    writeFileSync(host.path("words"), WORDS, { mode: 0o600 });
    mkdirSync(host.path("credentials"));
    writeFileSync(host.path("credentials/receiptd-root-key"), randomKey(), { mode: 0o400 });
    const env = Object.fromEntries(Object.entries(relative).map(([name, value]) => [name, host.path(value)]));
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const seen: Ran[] = [];
    const run = async (...args: readonly string[]): Promise<Ran> => {
      const ran = await here(host, args);
      seen.push(ran);
      if (args[0] !== "doctor") expect([args, ran.code, ran.stderr]).toEqual([args, 0, expect.anything()]); // it may find the clock of this host unchecked
      return ran;
    };
    await run("init");
    const daemon = await serve(env);
    const started = ["cmdline", "environ"].map((name) => readFileSync(join("/proc", String(daemon.child.pid), name), "latin1"));
    await talk(host, (client) => client.must("append", appending(1)));
    await run("key", "rotate");
    await talk(host, (client) => client.must("append", appending(2)));
    await talk(host, (client) => client.must("anchor"));
    const checks = json(await run("doctor", "--json"))["checks"] as readonly { readonly check: string; readonly status: string }[];
    expect(checks.find(({ check }) => check === "root key")?.status).toBe(["file", "passphrase"].includes(kind) ? "warning" : "ok");
    seen.push(await stop(daemon));
    await run("audit");
    const everything = [...seen.flatMap(({ stdout, stderr }) => [stdout, stderr]), ...started, onDisk(places), ...process.argv].join("\n");
    expect(secrets().length).toBeGreaterThan(0);
    expect(shreds(secrets()).filter((shred) => everything.includes(shred))).toEqual([]);
    expect(everything).toContain("taking receipts");
  });
});

describe("what is missing is said with what to do", () => {
  test.each<readonly [keys: object, code: string, words: RegExp]>([
    [{ root_key: { type: "credential" } }, "credential_missing", /systemd-creds encrypt --name=receiptd-root-key/],
    [{ root_key: { type: "passphrase" } }, "passphrase_missing", /passphrase_file/],
    [{ root_key: { type: "passphrase", passphrase_file: "short" } }, "bad_passphrase", /shorter than 16/],
    [{ root_key: { type: "aws-kms", key: "arn:aws:kms:eu-central-1:111122223333:key/x", endpoint: "http://127.0.0.1:1" } }, "kms_unavailable", /nothing accepts connections/],
    [{ checkpoint: { type: "aws-kms", key: "arn:aws:kms:eu-central-1:111122223333:key/x", endpoint: "http://127.0.0.1:1" } }, "kms_unavailable", /kms:GetPublicKey/],
  ])("%j: %s", async (keys, code, words) => {
    withKeys(keys);
    writeFileSync(host.path("short"), "short", { mode: 0o600 });
    const ran = await here(host, ["init"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(new RegExp(`^receiptd: ${code}: .*${words.source}`))]);
    expect((await here(host, ["init"])).stderr).toBe(ran.stderr);
  });
});

test("what is wrong with a passphrase, or what it protects, is told with advice that works", { timeout: 120_000 }, async () => {
  withKeys({ root_key: { type: "passphrase", passphrase_file: "words" } });
  const [words, scrypt] = [host.path("words"), host.path("receiptd-data/root.scrypt")];
  const say = (text: string, mode = 0o600): void => {
    rmSync(words, { force: true });
    writeFileSync(words, text, { mode });
  };
  rmSync(words, { force: true });
  expect((await here(host, ["init"])).stderr).toMatch(/key_file_missing: .*; put the passphrase there, or set keys\.root_key\.passphrase_file/);
  say(WORDS);
  await must(host, ["init"]);
  const kept = readFileSync(scrypt);
  const config = readFileSync(host.path("receiptd.yaml"), "utf8");
  const advice = async (expected: RegExp): Promise<void> => {
    const [list, recovered, checked] = [await here(host, ["key", "list"]), await here(host, ["recover"]), await here(host, ["doctor", "--skip-canary"])];
    for (const { stdout, stderr } of [list, recovered, checked]) expect(stdout + stderr).toMatch(expected);
    for (const { stdout, stderr } of [list, recovered, checked]) expect(stdout + stderr).not.toMatch(/receiptd init|root key and keyring (from|back)/);
    expect(list.code).toBe(2);
  };

  say("another Xylophone umbra kestrel-9");
  await advice(/give the passphrase that the ledger was made with; only if that is what was given, put .*root\.scrypt back/);
  const audited = await here(host, ["audit"]);
  expect([audited.code, audited.stdout.split("\n")[0]]).toEqual([2, expect.stringContaining("could be checked: the receipts' MACs: this is not the passphrase of")]);
  say("");
  await advice(/give the one that the ledger was made with, in one line/);
  say(WORDS, 0o644);
  await advice(/give the file to the daemon's user, with mode 0600/);
  rmSync(words);
  await advice(/put the passphrase there, or set keys\.root_key\.passphrase_file to the file that has it/);
  writeFileSync(host.path("elsewhere"), WORDS, { mode: 0o600 });
  symlinkSync(host.path("elsewhere"), words);
  await advice(/passphrase_file to the file itself: a regular one, and no link/);
  say(WORDS);
  rmSync(scrypt);
  await advice(/put .*root\.scrypt back from its backup, or set keys\.root_key to what the ledger was made with/);
  writeFileSync(scrypt, kept, { mode: 0o600 });
  writeFileSync(host.path("receiptd.yaml"), JSON.stringify(BASE));
  await advice(/root\.scrypt is there: if the ledger was made with that, set keys\.root_key to type passphrase/);
  writeFileSync(host.path("receiptd.yaml"), JSON.stringify({ ...BASE, keys: { root_key: { type: "credential" } } }));
  await advice(/hand over the one that the ledger was made with: with a new one its keyring does not open/);
  writeFileSync(host.path("receiptd.yaml"), config);
  await must(host, ["key", "list"]);
});

test("with both keys in KMS: receipts are taken while it is away, anchors come when it is back, and a start waits for it", { timeout: 120_000 }, async () => {
  const [key, checkpoint] = [kms.newKey("symmetric"), kms.newKey("ed25519")];
  const place = { type: "aws-kms", endpoint: kms.endpoint };
  withKeys({ root_key: { ...place, key }, checkpoint: { ...place, key: checkpoint } });
  await must(host, ["init"]);
  const keyring = readFileSync(host.path("receiptd-data/keyring.json"), "utf8");
  expect((JSON.parse(keyring) as { checkpoint_keys: object[] }).checkpoint_keys).toEqual([{ vkey: expect.any(String), created_at: expect.any(String), kms_key: checkpoint, seal: expect.any(String) }]);
  const daemon = await serveHere(host);
  const append = (n: number): Promise<unknown> => talk(host, (client) => client.must("append", appending(n)));
  const statusOf = async (): Promise<{ readonly anchored: number; readonly size: number; readonly signer: { readonly state: string } }> => json(await here(host, ["status", "--json"])) as never;
  const reaches = async (holds: (status: Awaited<ReturnType<typeof statusOf>>) => boolean): Promise<void> => {
    while (!holds(await statusOf())) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await append(1);
  await talk(host, (client) => client.must("anchor"));
  await reaches(({ anchored, size }) => anchored === size);
  await must(host, ["audit"]);
  expect((await here(host, ["doctor", "--json"])).stdout).toContain("this identity may sign with it");

  await kms.goAway();
  await append(2);
  await talk(host, (client) => client.must("anchor"));
  await append(3);
  await reaches(({ signer }) => signer.state === "unavailable");
  const away = await here(host, ["status"]);
  expect([away.code, away.stdout]).toEqual([1, expect.stringMatching(/^Receipts are taken, but anchors cannot be signed: kms:Sign with arn:/)]);
  await kms.comeBack();
  await reaches(({ signer, anchored, size }) => signer.state === "ok" && anchored >= size - 1);
  expect((await here(host, ["status"])).code).toBe(0);
  const logged = (await stop(daemon)).stderr;
  expect(logged).toMatch(/anchors cannot be signed[^]*anchors are signed again/);
  const audited = await must(host, ["audit", "--json"]);
  expect(json(audited)).toMatchObject({ exit_code: 0 });

  await kms.goAway();
  const refused = await refusedHere(host);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("kms_unavailable")]);
  await kms.comeBack();
  const killed = await serve();
  await append(4);
  const asked = new Promise<void>((resolve) => { kms.onCall = ({ action }) => { if (action === "Sign") resolve(); }; });
  kms.fault = "silent";
  await talk(host, (client) => client.must("anchor"));
  await asked;
  killed.child.kill("SIGKILL"); // size and root are reserved, no signature is there
  await killed.ended;
  kms.fault = null;
  const again = await serveHere(host);
  await append(5);
  await stop(again);
  await must(host, ["audit"]);
  const sizes = readdirSync(host.path("receiptd-data/anchors"), { recursive: true, encoding: "utf8" }).flatMap((name) => /anchors\/(\d+)-/.exec(name)?.[1] ?? []);
  expect(sizes.length).toBeGreaterThan(5);
  expect(new Set(sizes).size).toBe(sizes.length);
  const opened = openKeyring(host.path("receiptd-data/keyring.json"), await openKmsRootKey(host.path("receiptd-data/root.kms"), { key, endpoint: kms.endpoint }));
  expect(opened.checkpointKeys).toEqual([{ vkey: expect.stringMatching(/^test\.example\/receipts\+/), kmsKey: checkpoint, createdAt: expect.any(String) }]);
});

test("a ledger keeps its checkpoint key: another one in the configuration is refused", async () => {
  withKeys({});
  await must(host, ["init"]);
  writeFileSync(host.path("receiptd.yaml"), JSON.stringify({ ...BASE, keys: { checkpoint: { type: "aws-kms", key: kms.newKey("ed25519"), endpoint: kms.endpoint } } }));
  const ran = await refusedHere(host);
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/wrong_checkpoint_key: .*set keys\.checkpoint to \{type: local\}/)]);
  expect((await here(host, ["doctor"])).stdout).toMatch(/checkpoint key/);
});
