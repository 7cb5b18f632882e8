/** A ratchet that is lost without its seed, as an operator and an auditor see it: refused, broken openly, and told of by every audit. */
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { RatchetBreak } from "../../src/daemon/ratchet-break.ts";
import { placesOf } from "../../src/daemon/places.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { tamper } from "../audit/support.ts";
import { here, must, refusedHere, type Served, serveHere } from "./here.ts";
import { Host, json, type Ran, type Running } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

const hosts: Host[] = [];
afterAll(async () => {
  for (const host of hosts) await host.remove();
});

function newHost(): Host {
  const host = new Host();
  hosts.push(host);
  return host;
}

const data = (host: Host, name: string): string => host.path(`receiptd-data/${name}`);
const errorOf = (ran: Ran): unknown => (JSON.parse(ran.stderr) as { error: { code: string } }).error.code;

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

/** Receipts under an anchor, and two that are not; then the daemon is killed. */
async function day(host: Host): Promise<void> {
  const daemon = await host.serve();
  await talk(host, async (client) => {
    for (const n of [1, 2, 3]) await client.must("append", appending(n));
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    for (const n of [4, 5]) await client.must("append", appending(n));
  });
  daemon.child.kill("SIGKILL");
  await daemon.ended;
}

/** One ledger with a key that is sealed to an auditor, and its day, for all tests that break one: `made` is its folder before that day, `over` behind it. */
const sealed = newHost();
let recipient: string;
let vkey: string;
const folder = (from: string, to: string): void => cpSync(from, to, { recursive: true, filter: (name) => !name.endsWith(".sock") });
beforeAll(async () => {
  const identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  writeFileSync(sealed.path("auditor.key"), `${identity}\n`);
  vkey = String(json(await must(sealed, ["init", "--auditor", recipient, "--json"]))["vkey"]);
  folder(sealed.path("receiptd-data"), sealed.path("made"));
  await day(sealed);
  folder(sealed.path("receiptd-data"), sealed.path("over"));
});

/** A host of its own with that ledger. */
function sealedHost(as: "made" | "over"): Host {
  const host = newHost();
  folder(sealed.path(as), host.path("receiptd-data"));
  return host;
}

interface Audited {
  readonly exit_code: number;
  readonly macs_checked: Readonly<Record<string, number>>;
  readonly counts: { readonly receipts: number };
  readonly findings: readonly { readonly code: string; readonly severity: string; readonly log_index: number; readonly message: string }[];
  readonly failed_to_check: readonly string[];
}

async function audited(host: Host, ...options: readonly string[]): Promise<Audited> {
  return json(await here(host, ["audit", "--json", ...options])) as unknown as Audited;
}
const wrong = ({ findings }: Audited): readonly string[] => findings.filter(({ severity }) => severity !== "note").map(({ code, log_index: at }) => `${code} ${at}`);

describe("a ratchet that is lost, with keys that are sealed to an auditor", () => {
  const host = sealed;
  const seeds = ["--seed", "seed.key_v1.age", "--seed", "seed.key_v2.age", "--identity", "auditor.key"];
  const breaking = (...more: readonly string[]): readonly string[] => ["key", "break", "--reason", "the disk with the ratchet failed", "--json", ...more];
  let at: number;
  let hash: string;
  let daemon: Served;

  beforeAll(() => renameSync(data(host, "seed.key_v1.age"), host.path("seed.key_v1.age")));

  test("while it can be used nothing is broken", async () => {
    expect(errorOf(await here(host, breaking("--auditor", recipient)))).toBe("ratchet_usable");
    expect(existsSync(data(host, "seed.key_v2.age"))).toBe(false);
  });

  test("lost: the daemon refuses and says what there is", async () => {
    rmSync(data(host, "ratchet"));
    const ran = await refusedHere(host);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/ratchet_lost: .*where nobody has it: receiptd key break/)]);
    expect((await here(host, ["recover"])).stdout).toContain("receiptd key break");
  });

  test.each([
    ["no word on the seed", [], "bad_usage"], ["two", ["--retained", "--print-seed"], "bad_usage"], ["a recipient that is none", ["--auditor", "age1nobody"], "bad_recipient"],
    ["a blank reason", ["--retained", "--reason", " "], "bad_usage"], ["a reason that is too long", ["--retained", "--reason", "x".repeat(1025)], "bad_usage"],
  ])("%s: nothing is done", async (_, more, code) => {
    const before = readFileSync(data(host, "keyring.json"), "utf8");
    expect(errorOf(await here(host, breaking(...more)))).toBe(code);
    expect([readFileSync(data(host, "keyring.json"), "utf8") === before, existsSync(data(host, "ratchet"))]).toEqual([true, false]);
  });

  test("with a key that waits to be taken up, or a daemon that has the ledger, nothing is done", async () => {
    writeFileSync(data(host, "next.key"), "", { mode: 0o600 });
    expect(errorOf(await here(host, breaking("--retained")))).toBe("key_pending");
    rmSync(data(host, "next.key"));
    const held = await RatchetBreak.open(loadConfig({ path: host.path("receiptd.yaml"), env: {} }));
    try {
      expect(errorOf(await here(host, breaking("--retained")))).toBe("ledger_locked");
    } finally {
      held.close();
    }
  });

  test("broken: the ledger goes on with a key of its own", async () => {
    const went = json(await must(host, breaking("--auditor", recipient)));
    expect(went).toMatchObject({ previous_key_id: "key_v1", key_id: "key_v2", mode: "forward-secure", ratchet: "lost", first_epoch: 2, seed_file: data(host, "seed.key_v2.age") });
    at = Number(went["tree_size"]) - 2;
    hash = String(went["receipt_hash"]);
    renameSync(data(host, "seed.key_v2.age"), host.path("seed.key_v2.age"));
    expect(json(await must(host, ["get", String(at), "--json"]))["receipt"]).toMatchObject({ type: "ratchet_break", key_id: "key_v2", key_epoch: 2, details: { previous_key_id: "key_v1", key_id: "key_v2", mode: "forward-secure", ratchet: "lost", reason: "the disk with the ratchet failed" } });
    expect(errorOf(await here(host, breaking("--auditor", recipient)))).toBe("ratchet_usable");
    const listed = json(await must(host, ["key", "list", "--json"]))["keys"] as readonly object[];
    expect(listed).toMatchObject([{ key_id: "key_v1", state: "rotated", receipts: at, last_index: at - 1 }, { key_id: "key_v2", state: "signs", receipts: 2, first_index: at }]);
  });

  test("the daemon goes on, anchors it, and its self-check calls nothing damaged", async () => {
    daemon = await serveHere(host);
    await talk(host, async (client) => {
      await client.must("append", appending(6));
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
      await client.must("append", appending(7));
      expect((await client.must("status"))["state"]).toBe("ok");
    });
    expect((await here(host, ["doctor"])).stdout).toMatch(/^ok +keys: .*key_v2, forward-secure/m);
  });

  test("every audit ends with 1, for that and nothing else", async () => {
    const report = await audited(host);
    expect([report.exit_code, wrong(report), report.failed_to_check]).toEqual([1, [`ratchet_break ${at}`], []]);
    expect(report.findings[0]!.message).toMatch(/goes on with key_v2, which key_v1 has not named: the ratchet of key_v1 was lost, it says \(the disk with the ratchet failed\)/);
    const [other, ranged, sealed] = [await audited(host, "--accept-break", `sha256:${"1".repeat(64)}`), await audited(host, "--from", "2999-01-01"), await audited(host, ...seeds)];
    for (const one of [other, ranged, sealed]) expect([one.exit_code, wrong(one)]).toEqual([1, [`ratchet_break ${at}`]]);
  });

  test("an auditor who knows of it says so; with both seeds every MAC is checked", async () => {
    const report = await audited(host, "--accept-break", hash, ...seeds);
    expect([report.exit_code, wrong(report)]).toEqual([0, []]);
    expect(report.findings.map(({ code, severity }) => [code, severity])).toContainEqual(["ratchet_break", "note"]);
    expect(report.macs_checked).toEqual({ key_v1: at, key_v2: report.counts.receipts - at });
    writeFileSync(host.path("trust.txt"), `break ${hash} # the disk failed\n${vkey}\n`);
    const copy = ["--ledger", "receiptd-data", "--anchors", "receiptd-data/anchors", "--trust", "trust.txt", ...seeds];
    expect((await audited(host, ...copy)).exit_code).toBe(0);
    writeFileSync(host.path("bad.txt"), `break key_v2\n${vkey}\n`);
    expect(errorOf(await here(host, ["audit", "--trust", "bad.txt", "--json"]))).toBe("bad_usage");
    writeFileSync(host.path("bad.txt"), `break ${hash}\n`);
    expect(errorOf(await here(host, ["audit", "--trust", "bad.txt", "--json"]))).toBe("bad_vkey");
  });

  test("one receipt alone: what is anchored is, what is not rests on the break", async () => {
    const all = (await audited(host, "--accept-break", hash)).counts.receipts;
    const verdicts = async (...more: readonly string[]): Promise<readonly unknown[]> => await Promise.all([at - 1, at, at + 1, all - 1].map(async (index) => json(await here(host, ["verify", String(index), "--json", ...seeds, ...more]))["verdict"]));
    expect(await verdicts()).toEqual(["anchored", "anchored", "anchored", "pending"]); // the anchor before it is behind the break
    expect(await verdicts("--anchors", ".")).toEqual(["pending", "not_checked", "not_checked", "not_checked"]);
    expect(await verdicts("--anchors", ".", "--accept-break", hash)).toEqual(["pending", "pending", "pending", "pending"]);
  });

  test("both keys of its epoch are disclosed", async () => {
    const text = (await must(host, ["disclose", "--epoch", "2", ...seeds])).stdout;
    expect((JSON.parse(text) as { readonly keys: readonly object[] }).keys).toMatchObject([{ key_id: "key_v1", epoch: 2 }, { key_id: "key_v2", epoch: 2 }]);
    writeFileSync(host.path("two.keys"), text);
    const copy = ["--ledger", "receiptd-data", "--anchors", "receiptd-data/anchors", "--trust", "trust.txt", "--keys-file", "two.keys"];
    expect(await audited(host, ...copy)).toMatchObject({ exit_code: 0, macs_checked: { key_v1: 2, key_v2: 2 } });
    await stop(daemon);
  });
});

describe("a ratchet that is ahead, or wrong", () => {
  test.each([["ahead", 3], ["wrong", 0]])("%s: is broken openly where nothing is anchored that the ledger has not, and the old key's is gone", async (ratchet, steps) => {
    const host = sealedHost("made");
    await stop(await serveHere(host));
    const config = loadConfig({ path: host.path("receiptd.yaml"), env: {} });
    const places = placesOf(config);
    const ledgerId = new Database(places.ledger, { readonly: true }).prepare("SELECT ledger_id FROM ledger").pluck().get() as string;
    const file = (): RatchetFile => new RatchetFile(places.ratchet, openRootKeyFile(places.rootKey), ledgerId);
    const ahead = file();
    const { keyId, epoch, key } = ahead.load()!;
    await ahead.store({ keyId, epoch: epoch + steps, key: key.fill(7) });
    await ahead.close();
    expect((await refusedHere(host)).stderr).toContain(`ratchet_${ratchet}`);
    const went = json(await must(host, ["key", "break", "--reason", "the host was restored from a snapshot", "--retained", "--json"]));
    expect(went).toMatchObject({ key_id: "key_v2", mode: "retained", ratchet, first_epoch: epoch });
    expect(file().load("key_v1")).toMatchObject({ keyId: "key_v2", epoch: epoch + 1 });
    await stop(await serveHere(host));
    const report = await audited(host);
    expect(wrong(report)).toEqual([`ratchet_break ${Number(went["tree_size"]) - 2}`]);
  });

  test("a retained key is not lost with its ratchet: the daemon makes that anew", async () => {
    const host = newHost();
    await init(host);
    await day(host);
    rmSync(data(host, "ratchet"));
    expect(errorOf(await here(host, ["key", "break", "--reason", "x", "--json"]))).toBe("ratchet_usable");
    await stop(await serveHere(host));
    const file = readFileSync(data(host, "ratchet"));
    writeFileSync(data(host, "ratchet"), file.fill(1, 0, 512));
    expect(errorOf(await here(host, ["key", "break", "--reason", "x", "--json"]))).toBe("ratchet_usable");
  });

  test("in the first epoch: the key of genesis stays in the keyring", async () => {
    const host = sealedHost("made");
    rmSync(data(host, "ratchet"));
    const went = json(await must(host, ["key", "break", "--reason", "lost at once", "--retained", "--json"]));
    await day(host);
    const listed = json(await must(host, ["key", "list", "--json"]))["keys"] as readonly object[];
    expect(listed).toMatchObject([{ key_id: "key_v1", receipts: 1, first_epoch: 0 }, { key_id: "key_v2", first_index: 1, first_epoch: 0, state: "signs" }]);
    expect(wrong(await audited(host))).toEqual(["ratchet_break 1"]);
    expect((await audited(host, "--accept-break", String(went["receipt_hash"]))).exit_code).toBe(0);
  });

  test.each(["the host has signed", "a target has"])("more than the ledger has, as %s: refused, and nothing is changed", async (which) => {
    const host = sealedHost("over");
    const [before, outbox] = ["ledger.db", "anchor.db"].map((name) => readFileSync(sealed.path(`made/${name}`))) as [Buffer, Buffer];
    for (const name of ["ledger.db-wal", "ledger.db-shm", "ledger.db-acks", "ratchet"]) rmSync(data(host, name), { force: true });
    writeFileSync(data(host, "ledger.db"), before);
    if (which === "a target has") {
      for (const name of ["anchor.db-wal", "anchor.db-shm"]) rmSync(data(host, name), { force: true });
      writeFileSync(data(host, "anchor.db"), outbox);
    }
    expect(errorOf(await here(host, ["key", "break", "--reason", "x", "--retained", "--json"]))).toBe("ledger_behind");
    expect(existsSync(data(host, "ratchet"))).toBe(false);
  });
});

describe("the seed is lost with the ratchet", () => {
  const breaking = ["key", "break", "--reason", "lost with the seed", "--retained", "--json"];
  const problems = (ran: Ran): readonly { readonly code: string; readonly next: string }[] => json(ran)["problems"] as never;
  let host: Host;
  let size: number;

  beforeAll(async () => {
    host = sealedHost("over");
    rmSync(data(host, "ratchet"));
    size = (await audited(host)).counts.receipts;
  });

  test("and the targets are empty: that is said of them, and nothing is damaged; nothing is broken either", async () => {
    renameSync(data(host, "anchors/v1"), data(host, "anchors.away"));
    expect(problems(await here(host, ["recover", "--json"])).map(({ code }) => code)).toEqual(["anchors_missing", "ratchet_lost"]);
    const refused = await here(host, breaking);
    expect([refused.code, errorOf(refused)]).toEqual([2, "target_lost"]);
    renameSync(data(host, "anchors.away"), data(host, "anchors/v1"));
  });

  test("and a receipt's bytes are lost: what makes the ratchet again is named, which a rebuilding does not", async () => {
    const bytes = (): Buffer => new Database(data(host, "ledger.db"), { readonly: true }).prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(size - 1) as Buffer;
    const put = (blob: Buffer): void => tamper(data(host, "ledger.db"), (db) => db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(blob, size - 1));
    const before = bytes();
    put(Buffer.from("{}"));
    const found = problems(await here(host, ["recover", "--json"]));
    expect(found).toMatchObject([{ code: "ratchet_lost", next: expect.stringMatching(/^receiptd init --ratchet --seed FILE, .*receiptd key break/) }]);
    put(before);
  });

  test("and the index is damaged: what nobody can check is left out if that is asked for, and then the ledger goes on", async () => {
    tamper(data(host, "ledger.db"), (db) => db.prepare("DELETE FROM receipt WHERE log_index = ?").run(size - 2));
    const found = problems(await here(host, ["recover", "--json"]));
    expect(found.map(({ code }) => code)).toEqual(["index_damaged", "ratchet_lost"]);
    expect(found[1]!.next).toMatch(new RegExp(`if that refuses the damaged file, .* from log index ${size - 2} on .*: receiptd recover --rebuild --drop-tail, then: receiptd key break$`));
    expect(errorOf(await here(host, breaking))).toBe("ledger_corrupt");
    expect(json(await here(host, ["recover", "--rebuild", "--json"]))["rebuilt"]).toBeNull();
    const rebuilt = await here(host, ["recover", "--rebuild", "--drop-tail", "--json"]);
    expect(json(rebuilt)).toMatchObject({ rebuilt: { log_size: size - 2, dropped: 2, lost: 0 }, problems: [{ code: "receipt_lost", message: expect.stringContaining(`receipts ${size - 2} to ${size - 1}`) }, { code: "ratchet_lost" }] });
    const { tree_size: treeSize } = json(await must(host, breaking));
    await stop(await serveHere(host));
    const report = await audited(host);
    expect(wrong(report)).toEqual([`ratchet_break ${Number(treeSize) - 2}`]);
    expect(report.findings.find(({ code }) => code === "recovered")!.message).toContain(`those from log index ${size - 2} on without anything`);
  });
});
