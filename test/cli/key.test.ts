/** The life of keys as an operator and an auditor see it: listed, rotated, revoked; by a daemon that runs, or when it starts; killed in the midst of it. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cli } from "../../src/cli/cli.ts";
import { Order } from "../../src/cli/key-order.ts";
import { makeSuccessor } from "../../src/cli/new-key.ts";
import { loadConfig } from "../../src/config.ts";
import { openKeys } from "../../src/daemon/init.ts";
import type { Client } from "../faults/client.ts";
import { bucket, hasS3 } from "../support/s3-server.ts";
import { fakeDaemon, resultLine } from "./fake-daemon.ts";
import { here, must, refusedHere, type Served, serveHere } from "./here.ts";
import { Host, json, MAIN, type Ran, type Running } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

/** RECEIPTD_LONG=1 kills more often. */
const KILLS = process.env["RECEIPTD_LONG"] === "1" ? 5 : 3;

const hosts: Host[] = [];
afterAll(async () => {
  for (const host of hosts) await host.remove();
});

function newHost(config?: string): Host {
  const host = config === undefined ? new Host() : new Host(config);
  hosts.push(host);
  return host;
}

const data = (host: Host, name: string): string => host.path(`receiptd-data/${name}`);
const append = async (client: Client, ...numbers: readonly number[]): Promise<void> => {
  for (const n of numbers) await client.must("append", appending(n));
};

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

interface Listed {
  readonly key_id: string;
  readonly mode: string;
  readonly state: string;
  readonly receipts: number;
  readonly first_index: number | null;
  readonly revoked: { readonly reason: string } | null;
}

async function keys(host: Host): Promise<readonly Listed[]> {
  return json(await must(host, ["key", "list", "--json"]))["keys"] as readonly Listed[];
}

const states = async (host: Host): Promise<readonly string[]> => (await keys(host)).map(({ key_id, state, mode }) => `${key_id} ${state} ${mode}`);
const errorOf = (ran: Ran): unknown => (JSON.parse(ran.stderr) as { error: { code: string } }).error.code;

interface Audited {
  readonly exit_code: number;
  readonly sentence: string;
  readonly keys: readonly { readonly key_id: string; readonly receipts: number; readonly macs_checked: number; readonly suspect: number; readonly revoked: object | null }[];
  readonly findings: readonly { readonly code: string; readonly severity: string }[];
}

async function audited(host: Host, ...options: readonly string[]): Promise<Audited> {
  return json(await here(host, ["audit", "--json", ...options])) as unknown as Audited;
}

/** The example of the guide: key_v1 is used, rotated, found to be compromised, revoked, and all of its receipts are audited again. */
describe.skipIf(!hasS3())("a key's life, with anchors in a bucket", () => {
  let host: Host;
  let compromised: string;
  let daemon: Served;

  beforeAll(async () => {
    const { retention, ...target } = await bucket();
    host = newHost(`origin: test.example/receipts\nanchor: {schedule: "0 0 1 1 *", heartbeat: 1h, targets: ${JSON.stringify([{ ...target, retention: `${retention / 86_400_000}d` }])}}\n`);
    await init(host);
    daemon = await serveHere(host);
    await talk(host, async (client) => {
      await append(client, 1, 2, 3);
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    });
    await sleep(1100); // the bucket's clock has seconds
    compromised = new Date().toISOString();
    await sleep(1100);
    await talk(host, (client) => append(client, 4, 5));
  }, 60_000);

  test("the key is rotated, and a receipt marks the transition", async () => {
    const rotated = await must(host, ["key", "rotate"]);
    expect(rotated.stdout).toMatch(/^key_v2 signs from epoch \d on; key_v1 still verifies what it signed\.$/m);
    await talk(host, (client) => append(client, 6, 7));
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 signs retained"]);
    const types = (await must(host, ["list", "--organization", "_ledger", "--json"])).stdout.trim().split("\n").map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(["genesis", "anchor", "anchor", "key_rotation", "anchor"]);
    expect(await audited(host)).toMatchObject({ exit_code: 0, keys: [{ key_id: "key_v1", suspect: 0 }, { key_id: "key_v2" }] });
  });

  test("the compromised key is revoked, and what was not anchored before is suspect, and nothing else", async () => {
    const revoked = await must(host, ["key", "revoke", "key_v1", "--since", compromised, "--reason", "a backup was stolen"]);
    expect(revoked.stdout).toContain(`receiptd audit --revoked key_v1=${compromised}`);
    expect(await keys(host)).toMatchObject([{ key_id: "key_v1", state: "revoked", revoked: { reason: "a backup was stolen" } }, { key_id: "key_v2", state: "signs" }]);
    const { exit_code, sentence, keys: [first, second], findings } = await audited(host);
    expect(exit_code).toBe(1);
    expect(findings.filter(({ severity }) => severity === "violation").map(({ code }) => code)).toEqual(["key_revoked"]);
    expect(first).toMatchObject({ key_id: "key_v1", receipts: 10, macs_checked: 10, suspect: 4 }); // every MAC is recomputed; 4, 5, the rotation, its anchor
    expect(second).toMatchObject({ key_id: "key_v2", suspect: 0, revoked: null });
    expect(sentence).toMatch(/: 4 receipts signed with key_v1 are suspect: the key is revoked, as receipt \d+ says/);
  });

  test("an audit of what was before the revocation knows of it", async () => {
    const rows = (await must(host, ["list", "--json"])).stdout.trim().split("\n").map((line) => JSON.parse(line) as { readonly type: string; readonly recorded_at: string });
    const rotation = rows.find(({ type }) => type === "key_rotation")!.recorded_at;
    const { exit_code, findings } = await audited(host, "--to", rotation);
    expect([exit_code, findings.filter(({ severity }) => severity === "violation").map(({ code }) => code)]).toEqual([1, ["key_revoked"]]);
  });

  test("one receipt alone: suspect, unless it was anchored before", async () => {
    const verdicts = await Promise.all([["2"], ["7"], ["2", "--revoked", "key_v1=2026-01-01"], ["11"]].map(async (args) => {
      const ran = await here(host, ["verify", ...args, "--json"]);
      return [ran.code, json(ran)["verdict"], String(json(ran)["sentence"]).includes("is SUSPECT: its key key_v1 is revoked since")];
    }));
    expect(verdicts).toEqual([[0, "anchored", false], [1, "suspect", true], [1, "suspect", true], [0, "anchored", false]]);
  });

  test("what the auditor knows counts, not what the ledger says; what is accepted is a note", async () => {
    expect((await audited(host, "--revoked", "key_v1=2026-01-01")).keys[0]).toMatchObject({ suspect: 10 });
    writeFileSync(host.path("trust.txt"), `revoked key_v1 ${new Date().toISOString()}\n${(await must(host, ["status", "--json"])).stdout.match(/"vkey":"([^"]+)"/)![1]}\n`);
    expect(await audited(host, "--trust", "trust.txt")).toMatchObject({ exit_code: 0, keys: [{ suspect: 0 }, {}] });
    expect(await audited(host, "--accept-suspect", "key_v1")).toMatchObject({ exit_code: 0, keys: [{ suspect: 4 }, {}] });
    expect(await audited(host, "--revoked", "key_v9=2026-01-01", "--accept-suspect", "key_v1")).toMatchObject({ exit_code: 2, sentence: expect.stringContaining("no receipt of this ledger is signed with key_v9") });
    for (const wrong of ["key_v1", "key_v1=", "=2026-01-01", "key_v1=tomorrow", "Key 1=2026-01-01"]) expect((await here(host, ["audit", "--revoked", wrong])).code, wrong).toBe(2);
    writeFileSync(host.path("bad.txt"), "revoked key_v1\n");
    expect(errorOf(await here(host, ["audit", "--trust", "bad.txt", "--json"]))).toBe("bad_vkey");
    await stop(daemon);
  });
});

describe("to forward-secure keys", () => {
  const host = newHost();
  let daemon: Served;
  beforeAll(async () => {
    const identity = await generateX25519Identity();
    writeFileSync(host.path("auditor.key"), `${identity}\n`);
    writeFileSync(host.path("recipient"), await identityToRecipient(identity));
    await init(host);
    daemon = await serveHere(host);
    await talk(host, (client) => append(client, 1, 2));
  });
  const recipient = (): string => readFileSync(host.path("recipient"), "utf8");

  test("the seed goes to the auditor, and the host keeps the open epoch's key only", async () => {
    const rotated = json(await must(host, ["key", "rotate", "--auditor", recipient(), "--json"]));
    expect(rotated).toMatchObject({ pending: false, rotated: { previous_key_id: "key_v1", key_id: "key_v2", mode: "forward-secure" }, seed_file: data(host, "seed.key_v2.age") });
    expect(existsSync(data(host, "next.key"))).toBe(false);
    await talk(host, (client) => append(client, 3));
    await must(host, ["anchor"]); // which waits until the closed epoch's key is gone from the disk
    await talk(host, (client) => append(client, 4));
    const without = json(await here(host, ["audit", "--json"]));
    expect([without["exit_code"], without["not_checked"]]).toMatchObject([0, expect.arrayContaining([expect.stringMatching(/^the MACs of 2 receipts of closed epochs: key_v2 is forward-secure/)])]);
    const withSeed = json(await here(host, ["audit", "--json", "--seed", data(host, "seed.key_v2.age"), "--identity", "auditor.key"]));
    expect([withSeed["exit_code"], (withSeed["not_checked"] as readonly string[]).some((what) => what.includes("MACs"))]).toEqual([0, false]);
    const keyring = readFileSync(data(host, "keyring.json"), "utf8");
    expect(keyring.match(/"seed":/g)).toHaveLength(1); // key_v1's
  });

  test("from there a key is made only where its seed goes somewhere", async () => {
    expect(errorOf(await here(host, ["key", "rotate", "--json"]))).toBe("bad_usage");
    expect(errorOf(await here(host, ["key", "revoke", "key_v2", "--since", "2026-01-01", "--reason", "x", "--json"]))).toBe("bad_usage");
    expect(errorOf(await here(host, ["key", "rotate", "--auditor", recipient(), "--retained", "--json"]))).toBe("bad_usage");
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 signs forward-secure"]);
  });

  test("the next one, and back to a retained one", async () => {
    await must(host, ["key", "rotate", "--auditor", recipient()]);
    await must(host, ["key", "rotate", "--retained", "--scheduled"]);
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 rotated forward-secure", "key_v3 rotated forward-secure", "key_v4 signs retained"]);
    const seeds = ["key_v2", "key_v3"].flatMap((keyId) => ["--seed", data(host, `seed.${keyId}.age`)]);
    const report = await audited(host, ...seeds, "--identity", "auditor.key");
    expect([report.exit_code, report.keys.map(({ receipts, macs_checked }) => receipts - macs_checked)]).toEqual([0, [0, 0, 0]]); // key_v4 has signed nothing yet
    await stop(daemon);
  });

  test("printed, it is the first line, in the form that the auditor's commands read", async () => {
    const other = newHost();
    await init(other);
    const running = await serveHere(other);
    await talk(other, (client) => append(client, 1));
    const { stdout } = await other.must(["key", "rotate", "--print-seed"]);
    writeFileSync(other.path("seed"), `${stdout.split("\n")[0]}\n`, { mode: 0o600 });
    await talk(other, async (client) => {
      await append(client, 2);
      await client.must("anchor");
    });
    expect((await audited(other, "--seed", "seed")).keys.map(({ receipts, macs_checked }) => receipts - macs_checked)).toEqual([0, 0]);
    expect((await other.run(["key", "rotate", "--print-seed"], { env: {} })).code).toBe(0);
    await stop(running);
  });
});

describe("disclosed", () => {
  const host = newHost();
  let vkey: string;
  const copy = (): readonly string[] => ["--ledger", "receiptd-data", "--anchors", "receiptd-data/anchors", "--vkey", vkey];
  /** A third party has a copy and the pinned key, and no configuration. */
  const outside = async (...args: readonly string[]): Promise<{ readonly [name: string]: unknown }> => json(await here(host, [...args, ...copy(), "--json"]));

  beforeAll(async () => {
    ({ vkey } = await init(host));
    const daemon = await host.serve();
    await talk(host, async (client) => {
      for (const n of [1, 2, 3]) {
        await append(client, n);
        await client.must("append", appending(10 * n, { organization: "cards" }));
        const { tree_size } = await client.must("anchor");
        await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
      }
      await append(client, 4);
    });
    daemon.child.kill("SIGKILL");
    await daemon.ended;
  });

  test("keys of epochs that are anchored check their MACs, and no other's", async () => {
    writeFileSync(host.path("some.keys"), (await must(host, ["disclose", "--epoch", "1-2"])).stdout);
    const report = await outside("audit", "--keys-file", "some.keys");
    const receipts = 6; // two of each epoch, and its anchor
    expect([report["exit_code"], report["macs_checked"]]).toEqual([0, { key_v1: receipts }]);
    expect(report["not_checked"]).toEqual(expect.arrayContaining([expect.stringMatching(/^the MACs of \d+ receipts of key_v1: what was disclosed/)]));
    const [of, not] = await Promise.all(["2", "8"].map((index) => outside("verify", index, "--keys-file", "some.keys")));
    expect([(of!["checked"] as readonly string[]).some((what) => what.startsWith("MAC (key_v1, epoch 1)")), (not!["checked"] as readonly string[]).some((what) => what.startsWith("MAC"))]).toEqual([true, false]);
  });

  test("of one organization", async () => {
    writeFileSync(host.path("loans.keys"), (await must(host, ["disclose", "--epoch", "1-3", "--organization", "loans"])).stdout);
    const report = await outside("audit", "--keys-file", "loans.keys");
    expect([report["exit_code"], report["macs_checked"]]).toEqual([0, { key_v1: 3 }]);
    expect(report["not_checked"]).toEqual(expect.arrayContaining([expect.stringMatching(/^that the keys disclosed for single organizations are the epochs' own/)]));
  });

  test("a wrong one is a finding, and one of another ledger is refused", async () => {
    const text = readFileSync(host.path("some.keys"), "utf8");
    writeFileSync(host.path("wrong.keys"), text.replace(/"epoch":1,"secret":"..../, '"epoch":1,"secret":"AAAA'));
    expect(await outside("audit", "--keys-file", "wrong.keys")).toMatchObject({ exit_code: 1, finding_counts: { commitment_mismatch: 1 } });
    writeFileSync(host.path("other.keys"), text.replace(/(?<="ledger_id":")./, (digit) => (digit === "0" ? "1" : "0")));
    expect(errorOf(await here(host, ["audit", "--keys-file", "other.keys", ...copy(), "--json"]))).toBe("wrong_ledger");
    expect(errorOf(await here(host, ["verify", "2", "--keys-file", "other.keys", ...copy(), "--json"]))).toBe("wrong_ledger");
    writeFileSync(host.path("no.keys"), "{}");
    expect(errorOf(await here(host, ["audit", "--keys-file", "no.keys", ...copy(), "--json"]))).toBe("bad_keys");
  });

  test("one that contradicts another, or the key itself, is refused: it is no finding against the ledger", async () => {
    const forged = readFileSync(host.path("loans.keys"), "utf8").replaceAll(/"mac_key":"..../g, '"mac_key":"AAAA');
    writeFileSync(host.path("forged.keys"), forged);
    for (const files of [["some.keys", "forged.keys"], ["forged.keys", "some.keys"], ["loans.keys", "forged.keys"], ["some.keys", "wrong.keys"]]) {
      const given = files.flatMap((file) => ["--keys-file", file]);
      for (const command of [["audit"], ["verify", "2"]]) expect(errorOf(await here(host, [...command, ...given, ...copy(), "--json"])), `${command} ${given}`).toBe("bad_keys");
    }
    for (const file of ["forged.keys", "wrong.keys"]) {
      for (const command of [["audit"], ["verify", "2"]]) expect(errorOf(await here(host, [...command, "--keys-file", file, "--json"])), file).toBe("bad_keys"); // the keyring is at hand
    }
    const both = await outside("audit", "--keys-file", "some.keys", "--keys-file", "loans.keys");
    expect([both["exit_code"], both["macs_checked"]]).toEqual([0, { key_v1: 7 }]);
  });

  test("verify says what nothing vouches for", async () => {
    const { verdict, checked, not_checked: not } = await outside("verify", "2", "--keys-file", "loans.keys") as { readonly verdict: string; readonly checked: readonly string[]; readonly not_checked: readonly string[] };
    expect([verdict, checked, not]).toEqual(["anchored", expect.arrayContaining(["MAC (key_v1, epoch 1, by the key disclosed for loans alone)"]), expect.arrayContaining([expect.stringMatching(/^that the key disclosed for loans is the epoch's own/)])]);
  });

  test("a pipe that nobody writes to, a folder, or what is too large is no file of keys, of pins or of identities", async () => {
    execFileSync("mkfifo", [host.path("pipe")]);
    writeFileSync(host.path("large"), Buffer.alloc(1_048_577, 0x23));
    for (const file of ["pipe", ".", "/dev/zero"]) expect(errorOf(await here(host, ["audit", "--keys-file", file, ...copy(), "--json"])), file).toBe("bad_keys");
    for (const file of ["pipe", ".", "/dev/zero", "large"]) {
      for (const option of ["--trust", "--identity"]) expect(errorOf(await here(host, ["audit", option, file, "--json"])), `${option} ${file}`).toBe("bad_usage");
    }
    expect(errorOf(await here(host, ["audit", "--ledger", "pipe", ...copy().slice(2), "--json"]))).toBe("ledger_missing");
    for (const file of [host.path("pipe"), host.dir, "/dev/zero"]) {
      expect(errorOf(await here(host, ["verify", file, "--json"])), file).toBe("bad_usage");
      expect(errorOf(await here(host, ["append", "--file", file, "--json"])), file).toBe("bad_usage");
      expect((await here(host, ["--config", file, "status"])).stderr).toContain("unreadable");
    }
  });

  test("what a shell hands over is read: <(…)", () => {
    const ran = spawnSync("bash", ["-c", `exec "$0" "$@" --keys-file <(cat some.keys) --trust <(echo "${vkey} # pinned")`, process.execPath, MAIN, "audit", ...copy().slice(0, 4)], { cwd: host.dir, encoding: "utf8" });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
  });

  test.each([
    ["an organization that the ledger has not", ["--epoch", "1", "--organization", "nosuch"], "not_found"],
    ["an open epoch", ["--epoch", "4"], "bad_usage"], ["no epoch", ["--epoch", "x"], "bad_usage"], ["a range that runs back", ["--epoch", "3-1"], "bad_usage"],
    ["very many", ["--epoch", "0-100000"], "bad_usage"],
  ])("%s is refused", async (_, args, code) => {
    expect(errorOf(await here(host, ["disclose", ...args, "--json"]))).toBe(code);
  });

  test("what is closed and at no target is not disclosed: its keys could still sign", async () => {
    rmSync(data(host, "anchors"), { recursive: true });
    mkdirSync(data(host, "anchors"));
    expect(errorOf(await here(host, ["disclose", "--epoch", "2", "--json"]))).toBe("not_anchored");
  });
});

describe("without a daemon", () => {
  const host = newHost();
  beforeAll(() => init(host));
  const copies = ["next.key", "keyring.json", "ratchet"] as const;
  const keep = (suffix: string): void => { for (const name of copies) if (existsSync(data(host, name))) copyFileSync(data(host, name), host.path(`${name}.${suffix}`)); };

  test("the key is made, and taken up at the start", async () => {
    const made = await must(host, ["key", "rotate"]);
    expect(made.stdout).toMatch(/^The new key is made; the daemon, which is not running, goes on with it when it starts/);
    expect(statSync(data(host, "next.key")).mode & 0o777).toBe(0o600);
    expect(errorOf(await here(host, ["key", "rotate", "--json"]))).toBe("key_pending");
    expect(await states(host)).toEqual(["key_v1 signs retained"]);
    keep("before");
    await stop(await serveHere(host));
    keep("after");
    expect(existsSync(data(host, "next.key"))).toBe(false);
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 signs retained"]);
  });

  test("a file that a crash has left behind the rotation is taken away, and nothing is done twice", async () => {
    copyFileSync(host.path("next.key.before"), data(host, "next.key"));
    await stop(await serveHere(host));
    expect([existsSync(data(host, "next.key")), await states(host)]).toEqual([false, ["key_v1 rotated retained", "key_v2 signs retained"]]);
  });

  test("an old one that was put back does not bring its key back", async () => {
    await must(host, ["key", "rotate"]);
    await stop(await serveHere(host));
    copyFileSync(host.path("next.key.before"), data(host, "next.key"));
    const daemon = await serveHere(host);
    expect(daemon.stderr()).toContain("it was put back; remove the file");
    await talk(host, (client) => append(client, 1));
    await stop(daemon);
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 rotated retained", "key_v3 signs retained"]);
    rmSync(data(host, "next.key"));
  });

  test("a keyring from before the rotation is refused, by name", async () => {
    copyFileSync(data(host, "keyring.json"), host.path("keyring.now"));
    copyFileSync(host.path("keyring.json.before"), data(host, "keyring.json"));
    const ran = await refusedHere(host);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/key_missing: the ledger is signed with key_v3, which the keyring has not/)]);
    expect(await audited(host)).toMatchObject({ exit_code: 2 });
    expect((await here(host, ["doctor"])).stdout).toMatch(/PROBLEM +keys: .*key_v3/);
    copyFileSync(host.path("keyring.now"), data(host, "keyring.json"));
  });

  test("a revocation waits, too, and the key that signs is rotated before it", async () => {
    await must(host, ["key", "revoke", "key_v3", "--since", "2026-01-01", "--reason", "lost"]);
    await stop(await serveHere(host));
    expect(await states(host)).toEqual(["key_v1 rotated retained", "key_v2 rotated retained", "key_v3 revoked retained", "key_v4 signs retained"]);
    expect(existsSync(data(host, "revocation.json"))).toBe(false);
  });

  test("of two times for one key the earliest counts, for everybody", async () => {
    const later = await must(host, ["key", "revoke", "key_v3", "--since", "2026-03-01", "--reason", "found again"]);
    expect(later.stdout).toContain("It was revoked before, since 2026-01-01T00:00:00.000Z: of several times the earliest counts.");
    expect(later.stdout).toContain("receiptd audit --revoked key_v3=2026-01-01T00:00:00.000Z");
    await stop(await serveHere(host));
    expect((await keys(host))[2]).toMatchObject({ key_id: "key_v3", revoked: { compromised_since: "2026-01-01T00:00:00.000Z", reason: "lost" } });
    await must(host, ["key", "revoke", "key_v3", "--since", "2025-12-01", "--reason", "earlier than we thought"]);
    await stop(await serveHere(host));
    expect((await keys(host))[2]).toMatchObject({ revoked: { compromised_since: "2025-12-01T00:00:00.000Z" } });
  });
});

describe("one change at a time", () => {
  const host = newHost();
  let auditor: string;
  beforeAll(async () => {
    auditor = await identityToRecipient(await generateX25519Identity());
    await init(host);
  });
  const seeds = (): string[] => readdirSync(host.path("receiptd-data")).filter((name) => name.startsWith("seed."));

  test("where one waits nothing is made, and no seed is lost", async () => {
    await must(host, ["key", "rotate", "--auditor", auditor]);
    const seed = readFileSync(data(host, "seed.key_v2.age"));
    for (const args of [["rotate", "--auditor", auditor], ["rotate"], ["revoke", "key_v1", "--since", "2026-01-01", "--reason", "lost"]]) {
      expect(errorOf(await here(host, ["key", ...args, "--json"])), args.join(" ")).toBe("key_pending");
    }
    expect([seeds(), readFileSync(data(host, "seed.key_v2.age"))]).toEqual([["seed.key_v2.age"], seed]);
    rmSync(data(host, "next.key"));
  });

  test("a revocation that waits keeps a key from being made", async () => {
    await must(host, ["key", "revoke", "key_v1", "--since", "2026-01-01", "--reason", "lost", "--auditor", auditor]);
    rmSync(data(host, "next.key"));
    expect(errorOf(await here(host, ["key", "rotate", "--auditor", auditor, "--json"]))).toBe("key_pending");
    expect([existsSync(data(host, "next.key")), seeds()]).toEqual([false, ["seed.key_v2.age"]]);
  });

  test("what could not be taken up turns the status red", async () => {
    const daemon = await serveHere(host); // the key that signs is to be revoked, and there is none in its place
    expect(daemon.stderr()).toContain("is the key that signs");
    const status = await here(host, ["status"]);
    expect([status.code, status.stdout]).toEqual([1, expect.stringContaining("a change of keys (receiptd key rotate, or revoke) waits in the data folder")]);
    rmSync(data(host, "revocation.json"));
    expect((await here(host, ["status"])).code).toBe(0);
    await stop(daemon);
  });

  test("of many at once one is done, and its seed is kept", async () => {
    const ran = await Promise.all(Array.from({ length: 4 }, () => here(host, ["key", "rotate", "--auditor", auditor, "--json"])));
    const done = ran.filter(({ code }) => code === 0);
    expect([done.length, ran.filter(({ code }) => code !== 0).map(errorOf)]).toEqual([1, ["key_pending", "key_pending", "key_pending"]]);
    expect(seeds()).toEqual(["seed.key_v2.age"]);
  });

  test("what is wrong with the revocation is seen before the key is rotated", async () => {
    writeFileSync(data(host, "revocation.json"), JSON.stringify({ format: "receiptd-revocation/1", key_id: "key_v1", compromised_since: "2026-01-01T00:00:00.000Z", reason: "", receipt_id: "01890a5d-ac96-7ccd-8eef-000000000001" }), { mode: 0o600 });
    const daemon = await serveHere(host);
    expect(daemon.stderr()).toContain("is not a revocation");
    expect([existsSync(data(host, "next.key")), await states(host), (await here(host, ["status"])).code]).toEqual([true, ["key_v1 signs retained"], 1]);
    await stop(daemon);
  });
});

test("a command that comes too late to make the key of this name takes no other command's seed along", async () => {
  const host = newHost();
  const auditor = await identityToRecipient(await generateX25519Identity());
  await init(host);
  const config = loadConfig({ path: host.path("receiptd.yaml"), env: {} });
  const { root, keyring } = await openKeys(config); // as the late one has read them
  const { next, sealed } = await makeSuccessor({ keyring, current: keyring.hmacKeys[0]!, options: { auditor: [auditor] }, reason: "request", firstEpoch: 1 });
  const daemon = await serveHere(host);
  await must(host, ["key", "rotate", "--auditor", auditor]);
  const files = (): readonly unknown[] => [readdirSync(host.path("receiptd-data")).filter((name) => /^(seed|next)\./.test(name)), readFileSync(data(host, "seed.key_v2.age"), "latin1")];
  const before = files();
  expect(() => new Order({ config } as Cli).fileKey(keyring, root, { ...next, createdAt: "2026-01-01T00:00:00.000Z" }, sealed)).toThrow(expect.objectContaining({ code: "key_pending", message: expect.stringContaining("another command has made key_v2") as unknown }) as Error);
  expect(files()).toEqual(before);
  await stop(daemon);
});

describe("refused", () => {
  const host = newHost();
  let daemon: Served;
  beforeAll(async () => {
    await init(host);
    daemon = await serveHere(host);
  });
  afterAll(() => stop(daemon));

  test.each([
    ["a key that is not there", ["revoke", "key_v7", "--since", "2026-01-01", "--reason", "x"], "not_found"],
    ["a time to come", ["revoke", "key_v1", "--since", "2999-01-01", "--reason", "x"], "bad_usage"],
    ["no time", ["revoke", "key_v1", "--since", "yesterday", "--reason", "x"], "bad_usage"],
    ["a reason that says nothing", ["revoke", "key_v1", "--since", "2026-01-01", "--reason", " "], "bad_usage"],
    ["a reason that is too long", ["revoke", "key_v1", "--since", "2026-01-01", "--reason", "x".repeat(513)], "bad_usage"],
    ["a recipient that is none", ["rotate", "--auditor", "age1nobody"], "bad_recipient"],
    ["an option of a new key for one that does not sign", ["revoke", "key_v7", "--since", "2026-01-01", "--reason", "x", "--retained"], "not_found"],
  ])("%s: nothing is changed", async (_, args, code) => {
    expect(errorOf(await here(host, ["key", ...args, "--json"]))).toBe(code);
    expect([existsSync(data(host, "next.key")), existsSync(data(host, "revocation.json")), await states(host)]).toEqual([false, false, ["key_v1 signs retained"]]);
  });

  test("what the daemon cannot read has a code", async () => {
    writeFileSync(data(host, "revocation.json"), "{}", { mode: 0o600 });
    const refused = await talk(host, (client) => client.call("key_change"));
    expect(refused).toMatchObject({ error: { code: "key_file_damaged" } });
    rmSync(data(host, "revocation.json"));
    writeFileSync(data(host, "revocation.json"), "{}", { mode: 0o644 });
    expect(await talk(host, (client) => client.call("key_change"))).toMatchObject({ error: { code: "key_file_mode" } });
    rmSync(data(host, "revocation.json"));
  });

  test("who may only write receipts changes no keys", async () => {
    expect(await talk(host, (client) => client.must("key_change"))).toEqual({ rotated: null, revoked: null, checkpoint: null, left: null });
    expect(await states(host)).toEqual(["key_v1 signs retained"]);
  });
});

test("cut short by the end of the daemon: it is said where the change is, and the next start takes it up", async () => {
  const host = newHost();
  await init(host);
  const fake = await fakeDaemon(({ id, method }, socket) => {
    if (method === "key_change") socket.destroy();
    else socket.write(resultLine(id, { key_epoch: 0 }));
  });
  const ran = await here(host, ["--socket", fake.path, "key", "revoke", "key_v1", "--since", "2026-01-01", "--reason", "lost"]);
  await fake.stop();
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/^receiptd: connection_lost: .*; it stays in the data folder until the daemon.* takes it up; to see whether it was: receiptd key list$/m)]);
  expect(await states(host)).toEqual(["key_v1 signs retained"]);
  await stop(await serveHere(host));
  expect(await states(host)).toEqual(["key_v1 revoked retained", "key_v2 signs retained"]);
});

test("killed at any moment of a rotation, the daemon goes on with one key or the other, and every receipt is verified", { timeout: 60_000 }, async () => {
  const host = newHost();
  await init(host);
  for (let round = 0; round < KILLS; round++) {
    const daemon = await host.serve();
    await talk(host, async (client) => {
      await append(client, round);
      await Promise.allSettled([
        here(host, ["key", "rotate"]),
        sleep(30 + (100 / (KILLS - 1)) * round).then(() => daemon.child.kill("SIGKILL")),
        ...[10, 20, 30].map((n) => client.call("append", appending(100 * round + n))),
      ]);
    }).catch(() => undefined);
    await daemon.ended;
  }
  await stop(await serveHere(host));
  const listed = await keys(host);
  expect(listed.filter(({ state }) => state === "signs")).toHaveLength(1);
  expect(listed.map(({ key_id }) => key_id)).toEqual(listed.map((_, i) => `key_v${i + 1}`));
  expect(existsSync(data(host, "next.key"))).toBe(false);
  const { exit_code, keys: checked } = await audited(host);
  expect([exit_code, checked.every(({ receipts, macs_checked }) => receipts === macs_checked)]).toEqual([0, true]);
});
