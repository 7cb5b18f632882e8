/** The key that signs anchors, through its life: rotated under a daemon that runs and by one that starts, to AWS KMS and back; and what auditors and strangers see. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeKms } from "../support/fake-kms.ts";
import { here, must, refusedHere, type Served, serveHere } from "./here.ts";
import { Host, json, type Ran, type Running } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

const BASE = { origin: "test.example/receipts", anchor: { schedule: "0 0 1 1 *", heartbeat: "1h", archive: { enabled: true }, targets: [{ name: "local", type: "directory", path: "receiptd-data/anchors" }] } };
const host = new Host(null);
let kms: FakeKms;
let key: string;
let daemon: Served;
/** In turn. */
const vkeys: string[] = [];
/** Log index of a receipt of each key's time. */
const receipts: number[] = [];

const data = (name: string): string => host.path(`receiptd-data/${name}`);
const configured = (checkpoint: object): void => writeFileSync(host.path("receiptd.yaml"), JSON.stringify({ ...BASE, keys: { checkpoint } }));
const errorOf = (ran: Ran): string => (JSON.parse(ran.stderr) as { error: { code: string; message: string } }).error.code;
const pins = (...keys: readonly (string | undefined)[]): readonly string[] => keys.flatMap((vkey) => ["--vkey", vkey!]);
async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}
async function anchored(n: number): Promise<void> {
  await talk(host, async (client) => {
    receipts.push(Number((await client.must("append", appending(n)))["log_index"]));
    await client.must("wait", { log_index: Number((await client.must("anchor"))["tree_size"]) - 1, for: "anchored" });
  });
}
const rotate = async (): Promise<{ readonly [name: string]: unknown }> => json(await must(host, ["key", "rotate", "--checkpoint", "--json"]));

beforeAll(async () => {
  kms = await FakeKms.start();
  key = kms.newKey("ed25519");
  configured({ type: "local" });
  vkeys.push((await init(host)).vkey);
  daemon = await serveHere(host);
  await anchored(1);
}, 60_000);
afterAll(async () => {
  await host.remove();
  await kms.goAway();
});

/** A keyring of before the first rotation. */
let older: Buffer;

test("is rotated under a daemon that runs; the old private key is overwritten when both signatures are published", async () => {
  older = readFileSync(data("keyring.json"));
  const { checkpoint, next_vkey: next } = await rotate();
  expect(checkpoint).toEqual({ previous_vkey: vkeys[0], vkey: next, tree_size: expect.any(Number) });
  vkeys.push(String(next));
  await anchored(2);
  expect(readdirSync(data(".")).filter((name) => /next|old|new/.test(name))).toEqual([]);
  expect((JSON.parse(readFileSync(data("keyring.json"), "utf8")) as { checkpoint_keys: object[] }).checkpoint_keys.map((one) => Object.keys(one))).toEqual([
    ["vkey", "created_at", "retired", "seal"], ["vkey", "created_at", "after", "private_key"],
  ]);
  const status = json(await must(host, ["status", "--json"]));
  const size = (checkpoint as { readonly tree_size: number }).tree_size;
  expect(status).toMatchObject({ vkey: next, key_change_waiting: false, checkpoint_keys: [{ vkey: vkeys[0], first_size: 0, last_size: size, kept: null }, { vkey: next, first_size: size, last_size: null, kept: "here" }] });
  expect((await must(host, ["status"])).stdout).toMatch(new RegExp(`checkpoint key +signs anchors since that of ${size} receipts`));
  expect((await must(host, ["key", "list"])).stdout).toContain(`${vkeys[1]}  signs    ${size}`);
});

test("no key is filed in an older keyring that was put back under a daemon that runs: no keyring would have all of them", async () => {
  const newest = readFileSync(data("keyring.json"));
  writeFileSync(data("keyring.json"), older);
  expect(errorOf(await here(host, ["key", "rotate", "--json"]))).toBe("key_missing");
  expect([readFileSync(data("keyring.json")).equals(older), existsSync(data("next.key"))]).toEqual([true, false]);
  writeFileSync(data("keyring.json"), newest);
});

test("goes to AWS KMS while the daemon is stopped, and refuses to go where it is already", { timeout: 60_000 }, async () => {
  await stop(daemon);
  configured({ type: "aws-kms", key, endpoint: kms.endpoint });
  const pending = (await must(host, ["key", "rotate", "--checkpoint"])).stdout; // the keyring of now has not the new key
  expect(pending).toMatch(/which is not running[^]*Back up the keyring when the daemon has started, and not before/);
  vkeys.push(/^ {2}vkey +(\S+)$/m.exec(pending)![1]!);
  expect(errorOf(await here(host, ["key", "rotate", "--checkpoint", "--json"]))).toBe("key_pending");
  expect((await here(host, ["doctor", "--skip-canary"])).stdout).not.toMatch(/problem +checkpoint key/);
  kms.fault = "denied";
  const refused = await serveHere(host); // the old key goes on, since nobody may sign with the new one
  await talk(host, async (client) => expect(await client.must("status")).toMatchObject({ vkey: vkeys[1], key_change_waiting: true }));
  await stop(refused);
  kms.fault = null;
  daemon = await serveHere(host);
  await anchored(3);
  expect(json(await must(host, ["status", "--json"]))).toMatchObject({ vkey: vkeys[2], key_change_waiting: false });
  expect(errorOf(await here(host, ["key", "rotate", "--checkpoint", "--json"]))).toBe("bad_usage");
  expect(errorOf(await here(host, ["key", "rotate", "--checkpoint", "--retained", "--json"]))).toBe("bad_usage");
});

test("comes back from there: a daemon that has the old configuration takes up a key of the new one", async () => {
  configured({ type: "local" });
  vkeys.push(String((await rotate())["next_vkey"]));
  await anchored(4);
  expect(json(await must(host, ["key", "list", "--json"]))["checkpoint_keys"]).toMatchObject(vkeys.map((vkey, i) => ({ vkey, state: i === 3 ? "signs" : "rotated" })));
  expect((await here(host, ["doctor", "--skip-canary"])).stdout).toMatch(/ok +checkpoint key: .* signs since the anchor of .* receipts; 3 other keys before it/);
  await must(host, ["audit"]);
});

test("auditors who pin all of them find nothing; whoever lacks one is told which", async () => {
  expect((await here(host, ["audit", ...pins(...vkeys.toReversed())])).code).toBe(0);
  const old = await here(host, ["audit", "--json", ...pins(vkeys[0], vkeys[1])]);
  expect([old.code, (json(old)["failed_to_check"] as string[])[0]]).toEqual([2, expect.stringMatching(new RegExp(`signed by ${vkeys[2]!.replaceAll("+", "\\+")}, which receipt \\d+ announces`))]);
  expect((await here(host, ["audit", ...pins(vkeys[3])])).code).toBe(2);
  await stop(daemon);
  expect((await here(host, ["audit", "--ledger-gone", ...pins(...vkeys)])).code).toBe(0);
});

test("receipts of every key's time are proven to whoever pins that key, and those of a rotation's anchor to whoever pins either", { timeout: 60_000 }, async () => {
  const verifyPy = join(import.meta.dirname, "../../docs/verify.py");
  for (const [i, at] of receipts.entries()) {
    const file = host.path(`${i}.evidence.json`);
    await must(host, ["evidence", String(at), "-o", file, ...pins(...vkeys)]);
    expect((await here(host, ["verify-bundle", file, ...pins(...vkeys)])).code).toBe(0);
    expect(execFileSync("python3", [verifyPy, file, vkeys[i]!], { encoding: "utf8" })).toMatch(/logged|proven|in the ledger/i);
    expect((await here(host, ["verify", String(at), ...pins(...vkeys)])).code).toBe(0);
  }
  // nothing is said to be missing that another key has signed
  const old = await here(host, ["verify", String(receipts[3]), ...pins(vkeys[0])]);
  expect([old.code, old.stdout]).toEqual([2, expect.not.stringContaining("anchor_missing")]);
  const ledgers = (await must(host, ["list", "--organization", "_ledger", "--json"])).stdout.trim().split("\n").map((line) => JSON.parse(line) as { type: string; log_index: number });
  const rotation = ledgers.find(({ type }) => type === "checkpoint_rotation")!.log_index;
  await must(host, ["evidence", String(rotation), "-o", host.path("rotation.json"), ...pins(...vkeys)]);
  const verdicts = await Promise.all(vkeys.slice(0, 3).map((vkey) => here(host, ["verify-bundle", host.path("rotation.json"), ...pins(vkey)])));
  expect(verdicts.map(({ code }) => code)).toEqual([0, 0, 1]);
  await must(host, ["export", "-o", host.path("all.ndjson"), ...pins(...vkeys)]);
  expect((await here(host, ["verify-bundle", host.path("all.ndjson"), ...pins(...vkeys)])).code).toBe(0);
  expect(existsSync(data("keyring.json.old"))).toBe(false);
});

test("with a keyring of before a rotation nothing is taken, signed or rotated, and doctor says so", async () => {
  const newest = readFileSync(data("keyring.json"));
  const names = readdirSync(data("."));
  writeFileSync(data("keyring.json"), older);
  try {
    for (const command of [["serve"], ["key", "list"], ["key", "rotate", "--checkpoint"]]) {
      const ran = await (command[0] === "serve" ? refusedHere(host) : here(host, command));
      expect([command, ran.code, ran.stderr]).toEqual([command, 2, expect.stringMatching(new RegExp(`key_missing: .*${vkeys[3]!.replaceAll("+", "\\+")}.*put the newest backup of the keyring in its place`))]);
    }
    expect((await here(host, ["doctor", "--skip-canary"])).stdout).toMatch(/PROBLEM +keys: .*it is an older one\n +→ put the newest backup of the keyring in its place/);
    const recovering = await here(host, ["recover", "--rebuild", "--json"]);
    expect([recovering.code, json(recovering)["problems"]]).toMatchObject([1, [{ code: "keys_unusable", message: expect.stringContaining(vkeys[3]!) as unknown, next: expect.stringContaining("the newest backup of the keyring") as unknown }]]);
    expect(readdirSync(data(".")).filter((name) => !names.includes(name) && !/-(wal|shm)$/.test(name))).toEqual([]);
  } finally {
    writeFileSync(data("keyring.json"), newest);
  }
});
