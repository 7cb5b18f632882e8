/** A target that loses its newest anchors, and a host that loses its anchor.db, on the real command line. */
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { tamper } from "../audit/support.ts";
import { here, must, serveHere } from "./here.ts";
import { Host, json, type Running } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

let host: Host;
afterEach(() => host.remove());

/** A ledger with two anchors of receipts and one of the stop. */
let made: Host;
beforeAll(async () => {
  made = new Host(CONFIG);
  await init(made);
  const daemon = await serveHere(made);
  await talk(made, async (client) => {
    await client.must("append", appending(1));
    await client.must("anchor");
    await client.must("append", appending(2));
  });
  await stop(daemon);
});
afterAll(() => made.remove());

const CONFIG = `origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
  archive: {enabled: true}
`;

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

/** A copy of it. */
function stopped(): void {
  host = new Host(CONFIG);
  cpSync(made.path("receiptd-data"), host.path("receiptd-data"), { recursive: true, preserveTimestamps: true });
}

function removeOutbox(): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(host.path(`receiptd-data/anchor.db${suffix}`), { force: true });
}

test("the newest anchors are destroyed: verify, doctor and restore say so", async () => {
  stopped();
  const whole = await here(host, ["doctor", "--skip-canary", "--json"]);
  const checks = (json(whole) as { checks: { check: string; status: string }[] }).checks;
  expect(checks).toEqual(expect.arrayContaining([expect.objectContaining({ check: "anchor.db", status: "ok" }), expect.objectContaining({ check: "target local: newest anchor", status: "ok" })]));
  const folder = join(host.path("receiptd-data/anchors"));
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tlog-proof")).sort();
  rmSync(join(folder, names.at(-1)!));
  const [verified, first, examined] = await Promise.all([here(host, ["verify", "4", "--json"]), here(host, ["verify", "2"]), here(host, ["doctor", "--skip-canary"])]);
  expect([verified.code, json(verified)]).toMatchObject([1, { verdict: "invalid", problem: { code: "anchor_missing" } }]);
  expect(first.code).toBe(0);
  expect([examined.code, examined.stdout]).toEqual([1, expect.stringMatching(/PROBLEM +target local: newest anchor: .* is not there any more/)]);

  renameSync(host.path("receiptd-data/ledger.db"), host.path("ledger.away"));
  for (const suffix of ["-wal", "-shm"]) rmSync(host.path(`receiptd-data/ledger.db${suffix}`), { force: true });
  const restored = await here(host, ["restore", "--from", "local"]);
  expect([restored.code, restored.stdout]).toEqual([1, expect.stringMatching(/^Not everything could be restored: .*anchor\.db says that local had confirmed /)]);
  expect(existsSync(host.path("receiptd-data/ledger.db"))).toBe(false);
  removeOutbox();
  const alone = await here(host, ["restore", "--from", "local"]);
  expect([alone.code, alone.stdout]).toEqual([0, expect.stringMatching(/^Everything that local still has is back: [\s\S]*that cannot be seen there/)]);
}, 60_000);

test("anchor.db is lost: an empty one takes its place, and the daemon goes on", async () => {
  stopped();
  const there = await here(host, ["init", "--outbox"]);
  expect([there.code, there.stderr]).toEqual([2, expect.stringContaining("outbox_exists")]);
  removeOutbox();
  const refused = await host.run(["serve"]);
  expect([refused.code, refused.stderr]).toEqual([70, expect.stringContaining("receiptd init --outbox")]);
  expect((await here(host, ["doctor", "--skip-canary"])).stdout).toMatch(/PROBLEM +anchor\.db: /);
  expect((await here(host, ["init", "--outbox", "--origin", "x.example/y"])).stderr).toContain("bad_usage");
  const made = await must(host, ["init", "--outbox"]);
  expect(made.stdout).toMatch(/anchor\.db is made, empty, for the ledger test\.example\/receipts/);
  cpSync(host.path("receiptd-data/anchors"), host.path("before"), { recursive: true });
  const daemon = await serveHere(host);
  await talk(host, async (client) => {
    await client.must("append", appending(3));
    await client.must("anchor");
  });
  await stop(daemon);
  const names = readdirSync(host.path("receiptd-data/anchors"), { recursive: true, encoding: "utf8" });
  expect(names).toEqual(expect.arrayContaining(readdirSync(host.path("before"), { recursive: true, encoding: "utf8" })));
  const audited = await here(host, ["audit", "--json"]);
  expect([audited.code, (json(audited) as { findings: { severity: string }[] }).findings.filter(({ severity }) => severity !== "note")]).toEqual([0, []]);
}, 60_000);

test("all anchors of a target are gone: that is no damage of the ledger, and recover says what it is", async () => {
  stopped();
  rmSync(host.path("receiptd-data/anchors/v1"), { recursive: true });
  const ran = await here(host, ["recover", "--json"]);
  expect([ran.code, json(ran)["problems"]]).toEqual([1, [{ code: "anchors_missing", message: "no anchor of this ledger is at local", next: expect.stringContaining("receiptd audit") }]]);
  const rebuilding = await here(host, ["recover", "--rebuild", "--json"]);
  expect(json(rebuilding)["rebuilt"]).toBeNull();
});

test("the ledger is older than what was published, and no mark says how much it had: what came after the newest anchor is said to be lost", async () => {
  stopped();
  rmSync(host.path("receiptd-data/ledger.db-acks"), { force: true });
  tamper(host.path("receiptd-data/ledger.db"), (db) => {
    const size = db.prepare("SELECT min(tree_size) FROM anchor").pluck().get() as number;
    for (const sql of ["DELETE FROM receipt WHERE log_index >= ?", "DELETE FROM blob WHERE log_index >= ?", "DELETE FROM anchor WHERE tree_size > ?", "DELETE FROM organization WHERE first_index >= ?"]) db.prepare(sql).run(size);
  });
  const found = await here(host, ["recover"]);
  expect([found.code, found.stdout]).toEqual([1, expect.stringMatching(/^ledger_behind: .* can be put back; what came after, if anything did, is nowhere\.$/m)]);
  const rebuilt = await here(host, ["recover", "--rebuild"]);
  expect([rebuilt.code, rebuilt.stdout]).toEqual([0, expect.stringMatching(/^Receipts after the newest anchor, if there were any, are lost: /m)]);
});

test("init --outbox without a ledger is refused", async () => {
  host = new Host(CONFIG);
  const ran = await here(host, ["init", "--outbox"]);
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("ledger_missing")]);
  expect(existsSync(host.path("receiptd-data"))).toBe(false);
});
