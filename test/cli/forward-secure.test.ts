/** A forward-secure ledger as its operator and its auditor see it: `init --auditor`, `audit --seed`, and a ratchet that is lost. */
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { here } from "./here.ts";
import { Host, json, type Ran, type Running } from "./host.ts";
import { appending, talk } from "./talk.ts";

const hosts: Host[] = [];
afterAll(async () => {
  for (const host of hosts) await host.remove();
});

function newHost(): Host {
  const host = new Host();
  hosts.push(host);
  return host;
}

async function receipts(host: Host): Promise<void> {
  const daemon = await host.serve();
  await talk(host, async (client) => {
    for (const n of [1, 2, 3]) {
      await client.must("append", appending(n));
      await client.must("anchor");
    }
  });
  await stop(daemon);
}

async function stop({ child, ended }: Running): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

const macs = (ran: Ran): unknown => json(ran)["macs_checked"];
const errorOf = (ran: Ran): unknown => (JSON.parse(ran.stderr) as { error: { code: string } }).error.code;

describe("sealed to an auditor", () => {
  const host = newHost();
  const SEED = "seed.key_v1.age";
  let init: Ran;

  beforeAll(async () => {
    const identity = await generateX25519Identity();
    writeFileSync(host.path("auditor.key"), `${identity}\n`);
    writeFileSync(host.path("other.key"), `${await generateX25519Identity()}\n`);
    init = await host.must(["init", "--auditor", await identityToRecipient(identity), "--json"]);
    renameSync(host.path(`receiptd-data/${SEED}`), host.path(SEED));
    await receipts(host);
  });

  test("init says where the seed is, and it is nowhere else", () => {
    expect(json(init)).toMatchObject({ mode: "forward-secure", seed_file: host.path(`receiptd-data/${SEED}`) });
    expect(readFileSync(host.path(SEED), "utf8")).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/);
    expect(JSON.parse(readFileSync(host.path("receiptd-data/keyring.json"), "utf8"))).toMatchObject({ hmac_keys: [{ mode: "forward-secure" }] });
    expect(readFileSync(host.path("receiptd-data/keyring.json"), "utf8")).not.toContain('"seed"');
  });

  test("audit and verify: without the seed they say which MACs they cannot check, with it they check them all", async () => {
    const [byHost, withSeed, stranger, one, oneWithSeed] = await Promise.all([
      here(host, ["audit", "--json"]), here(host, ["audit", "--seed", SEED, "--identity", "auditor.key", "--json"]),
      here(host, ["audit", "--ledger", "receiptd-data", "--anchors", "receiptd-data/anchors", "--vkey", String(json(init)["vkey"]), "--seed", SEED, "--identity", "auditor.key", "--json"]),
      here(host, ["verify", "2"]), here(host, ["verify", "2", "--seed", SEED, "--identity", "auditor.key"]),
    ]);
    expect([byHost.code, withSeed.code, stranger.code, one.code, oneWithSeed.code]).toEqual([0, 0, 0, 0, 0]);
    const all = (json(withSeed)["counts"] as { receipts: number }).receipts;
    expect([macs(byHost), macs(withSeed), macs(stranger)]).toEqual([{}, { key_v1: all }, { key_v1: all }]);
    expect(String(json(byHost)["not_checked"])).toContain(`the MACs of ${all} receipts of closed epochs: key_v1 is forward-secure`);
    expect(one.stdout).toMatch(/not checked +the MAC: key_v1 is forward-secure, and its epoch \d is closed/);
    expect(oneWithSeed.stdout).toMatch(/checked +MAC \(key_v1, epoch \d\)/);
  });

  test("a host's record says nothing of MACs that the host cannot check: with the seed everything is read, without it what is new", async () => {
    const record = await here(host, ["audit", "--record", "audit.json", "--json"]);
    expect(record.code).toBe(0);
    const [again, withSeed] = await Promise.all([here(host, ["audit", "--since", "audit.json", "--json"]), here(host, ["audit", "--since", "audit.json", "--seed", SEED, "--identity", "auditor.key", "--json"])]);
    const first = (ran: Ran): unknown => (json(ran)["scope"] as { first_index: number }).first_index;
    expect([again.code, withSeed.code, first(withSeed)]).toEqual([0, 0, 0]);
    expect(first(again)).toBeGreaterThan(0);
    expect(String(json(again)["not_checked"])).toMatch(/the MACs of the first \d+ receipts: no audit of that record had all keys/);
  });

  test("a seed that cannot be read, or is another's, is refused", async () => {
    writeFileSync(host.path("plain"), readFileSync(host.path(SEED), "utf8").replace("BEGIN", "begin"), { mode: 0o600 });
    const [noIdentity, wrongIdentity, noSeed] = await Promise.all([
      here(host, ["audit", "--seed", SEED, "--json"]), here(host, ["audit", "--seed", SEED, "--identity", "other.key", "--json"]), here(host, ["audit", "--seed", "plain", "--json"]),
    ]);
    expect([noIdentity, wrongIdentity, noSeed].map((ran) => [ran.code, errorOf(ran)])).toEqual([[2, "bad_usage"], [2, "bad_usage"], [2, "bad_seed"]]);
  });

  test("a lost ratchet: the daemon does not start; with the seed it is made again, once", async () => {
    const ratchet = host.path("receiptd-data/ratchet");
    const seed = ["--seed", SEED, "--identity", "auditor.key", "--json"];
    const there = await here(host, ["init", "--ratchet", ...seed]);
    expect([there.code, errorOf(there)]).toEqual([2, "key_file_exists"]);
    rmSync(ratchet);
    const doctor = await here(host, ["doctor", "--skip-canary", "--json"]);
    expect(doctor.stdout).toContain("the ratchet holds no key of key_v1");
    const refused = await host.run(["serve"]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("ratchet_lost")]);
    expect(existsSync(ratchet)).toBe(false);
    expect(json(await here(host, ["init", "--ratchet", ...seed]))).toMatchObject({ key_id: "key_v1" });
    await receipts(host);
    const audit = await here(host, ["audit", ...seed]);
    expect([audit.code, macs(audit)]).toEqual([0, { key_v1: (json(audit)["counts"] as { receipts: number }).receipts }]);
  });
});

describe("printed", () => {
  const host = newHost();

  test("once; what was kept of it reads all MACs, unless others can read it", async () => {
    const init = await host.must(["init", "--print-seed"]);
    const line = init.stdout.split("\n").find((text) => text.startsWith('{"format":"receiptd-seed/1"'))!;
    writeFileSync(host.path("seed.json"), line, { mode: 0o600 });
    await receipts(host);
    const audit = await here(host, ["audit", "--seed", "seed.json", "--json"]);
    expect([audit.code, macs(audit)]).toEqual([0, { key_v1: (json(audit)["counts"] as { receipts: number }).receipts }]);
    chmodSync(host.path("seed.json"), 0o644);
    const open = await here(host, ["audit", "--seed", "seed.json", "--json"]);
    expect([open.code, errorOf(open)]).toEqual([2, "key_file_mode"]);
    const other = newHost();
    await other.must(["init"]);
    writeFileSync(other.path("seed.json"), line, { mode: 0o600 });
    const wrong = await here(other, ["audit", "--seed", "seed.json", "--json"]);
    expect([wrong.code, errorOf(wrong)]).toEqual([2, "wrong_ledger"]);
  });

  test.each([
    [["--auditor", "nobody"], "bad_recipient"], [["--print-seed", "--outbox"], "bad_usage"], [["--ratchet"], "bad_usage"], [["--seed", "x"], "bad_usage"], [["--ratchet", "--seed", "x", "--print-seed"], "bad_usage"],
  ])("init %j is refused", async (args, code) => {
    const fresh = newHost();
    const ran = await here(fresh, ["init", ...args, "--json"]);
    expect([ran.code, errorOf(ran)]).toEqual([2, code]);
    expect(existsSync(fresh.path("receiptd-data/ledger.db"))).toBe(false);
  });
});
