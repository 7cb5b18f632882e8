/** A forward-secure ledger as its operator and its auditor see it: `init --auditor`, `audit --seed`, and a ratchet that is lost. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { openKeys, readKeys } from "../../src/daemon/init.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { epochSecret, organizationKey, signatureOf } from "../../src/format/mac.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { identitiesIn } from "../../src/cli/identities.ts";
import { seedsIn } from "../../src/cli/seeds.ts";
import { formatSeed } from "../../src/keys/seed.ts";
import { here, must, refusedHere, serveHere } from "./here.ts";
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
  const daemon = await serveHere(host);
  await talk(host, async (client) => {
    for (const n of [1, 2, 3]) {
      await client.must("append", appending(n));
      await client.must("anchor");
    }
  });
  await stop(daemon);
}

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

const macs = (ran: Ran): unknown => json(ran)["macs_checked"];
const errorOf = (ran: Ran): unknown => (JSON.parse(ran.stderr) as { error: { code: string } }).error.code;

describe("sealed to an auditor", () => {
  const host = newHost();
  const SEED = "seed.key_v1.age";

  /** The bytes, and their hash in the index. */
  function replaceBlob(logIndex: number, bytes: Uint8Array): void {
    const db = new Database(host.path("receiptd-data/ledger.db"));
    const triggers = db.prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(bytes, logIndex);
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(bytes), logIndex);
    for (const { sql } of triggers) db.exec(sql);
    db.close();
  }
  let init: Ran;

  beforeAll(async () => {
    const identity = await generateX25519Identity();
    writeFileSync(host.path("auditor.key"), `${identity}\n`);
    writeFileSync(host.path("other.key"), `${await generateX25519Identity()}\n`);
    init = await must(host, ["init", "--auditor", await identityToRecipient(identity), "--json"]);
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
    spawnSync("mkfifo", [host.path("pipe")]);
    writeFileSync(host.path("large"), Buffer.alloc(65_537), { mode: 0o600 });
    for (const name of ["pipe", "large"]) expect(errorOf(await here(host, ["audit", "--seed", name, "--json"])), name).toBe("bad_seed");
  });

  test("a receipt that claims the open epoch, of which the key is at hand, is not taken for one of its own", async () => {
    const daemon = await host.serve();
    await talk(host, async (client) => { await client.must("append", appending(4)); });
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    const { keyring, open } = await readKeys(loadConfig({ path: host.path("receiptd.yaml"), env: {} }));
    const db = new Database(host.path("receiptd-data/ledger.db"));
    const sealed = db.prepare<[], { bytes: Buffer }>("SELECT bytes FROM blob WHERE log_index = 2").get()!;
    const { signature: _, ...receipt } = JSON.parse(sealed.bytes.toString()) as { [name: string]: Json };
    const forged = { ...receipt, decision: { action: "FORGED" }, key_epoch: open!.epoch };
    const key = organizationKey(epochSecret(open!.key), "loans");
    writeFileSync(host.path("forged.json"), canonicalize({ ...forged, signature: signatureOf(key, utf8(canonicalize(forged))) }));
    db.close();
    expect(keyring.hmacKeys[0]!.seed).toBeNull();
    replaceBlob(2, readFileSync(host.path("forged.json")));
    for (const more of [[], ["--seed", SEED, "--identity", "auditor.key"]]) {
      const ran = await here(host, ["verify", "2", ...more, "--json"]);
      expect([ran.code, (json(ran)["problem"] as { code: string }).code]).toEqual([1, "epoch_mismatch"]);
    }
    replaceBlob(2, sealed.bytes);
    expect((await here(host, ["verify", "2"])).code).toBe(0);
  });

  test("no ratchet, or a keyring in another mode: the MACs could not be checked, and nothing is said to be sealed", async () => {
    const problems = async (): Promise<unknown> => {
      const [audit, verify] = await Promise.all([here(host, ["audit", "--json"]), here(host, ["verify", "2", "--json"])]);
      expect(audit.code).toBe(2);
      expect(String(json(audit)["not_checked"])).not.toContain("forward-secure");
      expect(String(json(verify)["not_checked"])).not.toContain("only its seed");
      return json(audit)["failed_to_check"];
    };
    renameSync(host.path("receiptd-data/ratchet"), host.path("ratchet.away"));
    expect(await problems()).toEqual(expect.arrayContaining([expect.stringContaining("the ratchet holds no key of key_v1")]));
    renameSync(host.path("ratchet.away"), host.path("receiptd-data/ratchet"));
    const other = newHost();
    await must(other, ["init"]);
    const file = other.path("receiptd-data/keyring.json");
    const changed = JSON.parse(readFileSync(file, "utf8")) as { hmac_keys: { mode: string; seed?: string }[] };
    changed.hmac_keys[0]!.mode = "forward-secure";
    delete changed.hmac_keys[0]!.seed;
    writeFileSync(file, JSON.stringify(changed));
    const [audit, doctor, serve] = await Promise.all([here(other, ["audit", "--json"]), here(other, ["doctor", "--skip-canary", "--json"]), other.run(["serve"])]);
    expect([audit.code, doctor.code, serve.code]).toEqual([2, 1, 2]);
    for (const said of [audit.stdout, doctor.stdout, serve.stderr]) expect(said).toContain("does not open this keyring, or the keyring was changed");
  });

  test("a ratchet ahead of the ledger, or of another key: no receipt is called sealed by design, and none is taken", async () => {
    const ratchet = host.path("receiptd-data/ratchet");
    const kept = readFileSync(ratchet);
    const { root, keyring } = await openKeys(loadConfig({ path: host.path("receiptd.yaml"), env: {} }));
    const file = new RatchetFile(ratchet, root, keyring.ledgerId);
    const state = file.load()!;
    const put = (change: object): void => {
      rmSync(ratchet);
      file.create({ ...state, ...change });
    };
    try {
      put({ epoch: state.epoch + 2 });
      const [audit, verify, withSeed] = await Promise.all([here(host, ["audit", "--json"]), here(host, ["verify", "2", "--json"]), here(host, ["audit", "--seed", SEED, "--identity", "auditor.key", "--json"])]);
      expect([audit.code, withSeed.code]).toEqual([2, 0]);
      expect(json(audit)["failed_to_check"]).toEqual(expect.arrayContaining([expect.stringContaining(`the ratchet is at epoch ${state.epoch + 2} of key_v1, the ledger at ${state.epoch}`)]));
      expect(audit.stdout + verify.stdout).not.toMatch(/is closed|of closed epochs/);
      expect(json(verify)["not_checked"]).toEqual(expect.arrayContaining([expect.stringContaining("the ledger is an older one or was cut")]));
      put({ key: new Uint8Array(32).fill(1) });
      const before = readFileSync(ratchet);
      const serve = await refusedHere(host);
      expect([serve.code, serve.stderr]).toEqual([2, expect.stringContaining("ratchet_wrong: ")]);
      expect(readFileSync(ratchet)).toEqual(before);
    } finally {
      writeFileSync(ratchet, kept);
    }
    expect((await here(host, ["audit"])).code).toBe(0);
  });

  test("a lost ratchet: the daemon does not start; with the seed it is made again, once", async () => {
    const ratchet = host.path("receiptd-data/ratchet");
    const seed = ["--seed", SEED, "--identity", "auditor.key", "--json"];
    const there = await here(host, ["init", "--ratchet", ...seed]);
    expect([there.code, errorOf(there)]).toEqual([2, "key_file_exists"]);
    rmSync(ratchet);
    const doctor = await here(host, ["doctor", "--skip-canary", "--json"]);
    expect(doctor.stdout).toContain("the ratchet holds no key of key_v1");
    const refused = await refusedHere(host);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("ratchet_lost")]);
    expect(existsSync(ratchet)).toBe(false);
    const [right] = await seedsIn([host.path(SEED)], await identitiesIn(host.path("auditor.key")));
    writeFileSync(host.path("wrong.json"), formatSeed({ ...right!, seed: new Uint8Array(32).fill(1) }), { mode: 0o600 });
    const wrong = await here(host, ["init", "--ratchet", "--seed", "wrong.json", "--json"]);
    expect([wrong.code, errorOf(wrong), existsSync(ratchet)]).toEqual([2, "bad_seed", false]);
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
    writeFileSync(host.path("copy.json"), line, { mode: 0o600 });
    const audit = await here(host, ["audit", "--seed", "seed.json", "--json"]);
    expect([audit.code, macs(audit)]).toEqual([0, { key_v1: (json(audit)["counts"] as { receipts: number }).receipts }]);
    chmodSync(host.path("seed.json"), 0o644);
    const open = await here(host, ["audit", "--seed", "seed.json", "--json"]);
    expect([open.code, errorOf(open)]).toEqual([2, "key_file_mode"]);
    chmodSync(host.path("seed.json"), 0o600);
    const other = newHost();
    await must(other, ["init"]);
    writeFileSync(other.path("seed.json"), line, { mode: 0o600 });
    const twice = await here(host, ["audit", "--seed", "copy.json", "--seed", "seed.json", "--json"]);
    expect([twice.code, errorOf(twice)]).toEqual([2, "bad_usage"]);
    const wrong = await here(other, ["audit", "--seed", "seed.json", "--json"]);
    expect([wrong.code, errorOf(wrong)]).toEqual([2, "wrong_ledger"]);
  });

  test("a seed that cannot be written makes no ledger, and an anchor.db of another ledger is left where it is", async () => {
    const fresh = newHost();
    const full = spawnSync("sh", ["-c", '"$0" "$@" > /dev/full', process.execPath, join(import.meta.dirname, "../../dist/cli/main.js"), "init", "--print-seed"], { cwd: fresh.dir, encoding: "utf8" });
    expect([full.status, full.stderr]).toEqual([2, expect.stringContaining("not_stored: the seed could not be written")]);
    const closed = spawnSync("sh", ["-c", '"$0" "$@" >&-', process.execPath, join(import.meta.dirname, "../../dist/cli/main.js"), "init", "--print-seed"], { cwd: fresh.dir, encoding: "utf8" });
    expect([closed.status, closed.stderr]).toEqual([2, expect.stringContaining("not_stored: the seed could not be written")]); // Node makes it /dev/null
    writeFileSync(fresh.path("nowhere.yaml"), JSON.stringify({ keys: { root_key: { path: "/dev/null/root.key" } } }));
    const nowhere = await fresh.run(["init", "--print-seed", "--config", "nowhere.yaml"]);
    expect([nowhere.code, nowhere.stdout, nowhere.stderr]).toEqual([2, expect.stringContaining('"seed"'), expect.stringContaining("The seed above is void")]);
    expect(existsSync(fresh.path("receiptd-data/ledger.db"))).toBe(false);
    await must(fresh, ["init"]);
    rmSync(fresh.path("receiptd-data/ledger.db"));
    const again = await fresh.run(["init", "--print-seed", "--json"]);
    expect([again.code, errorOf(again), again.stdout]).toEqual([2, "key_file_exists", ""]); // no seed of keys that nothing has
    rmSync(fresh.path("receiptd-data/keyring.json"));
    const ran = await here(fresh, ["init", "--json"]);
    expect([ran.code, errorOf(ran), ran.stderr]).toEqual([2, "key_file_exists", expect.stringContaining("anchor.db is there, and neither keyring nor ledger")]);
  });

  test.each([
    [["--auditor", "nobody"], "bad_recipient"], [["--print-seed", "--outbox"], "bad_usage"], [["--ratchet"], "bad_usage"], [["--seed", "x"], "bad_usage"], [["--ratchet", "--seed", "x", "--print-seed"], "bad_usage"],
  ])("init %j is refused", async (args, code) => {
    const fresh = newHost();
    const ran = await here(fresh, ["init", ...args, "--json"]);
    expect([ran.code, errorOf(ran)]).toEqual([2, code]);
    expect(existsSync(fresh.path("receiptd-data/ledger.db"))).toBe(false);
  });

  test("the auditor's private key, given for his recipient or as a file, is quoted nowhere", async () => {
    const identity = await generateX25519Identity();
    const fresh = newHost();
    writeFileSync(fresh.path("auditor.key"), `# public key: …\n${identity}\n`);
    writeFileSync(fresh.path("recipients.yaml"), `anchor: {archive: {recipients: ["${identity}"]}}\n`);
    const ran = [
      await here(fresh, ["init", "--auditor", identity]), await here(fresh, ["--config", "auditor.key", "check-config"]), await here(fresh, ["--config", "recipients.yaml", "doctor", "--json"]),
      await here(fresh, ["audit", "--identity", identity, "--json"]), await here(fresh, ["verify", "1", "--ledger", identity.toLowerCase()]), await fresh.run(["--config", "recipients.yaml", "serve"]),
    ];
    for (const { code, stdout, stderr } of ran) {
      expect([1, 2]).toContain(code);
      expect(stdout + stderr).toContain("AGE-SECRET-KEY-…");
      expect((stdout + stderr).toUpperCase()).not.toContain(identity.slice(0, 25));
    }
    expect(ran[0]!.stderr).toContain("bad_recipient");
  });
});
