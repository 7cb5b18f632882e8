/** `receiptd recover` beside a real daemon, killed with a write-ahead log behind it, and after it: as a person runs it. */
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import Database from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { here, serveHere } from "../cli/here.ts";
import { Host, json, type Ran } from "../cli/host.ts";
import { appending, init, talk } from "../cli/talk.ts";
import { tamper } from "../audit/support.ts";

const host = new Host(`origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
  archive: {enabled: true}
`);
const DATA = "receiptd-data";
const LEDGER = host.path(`${DATA}/ledger.db`);
afterAll(() => host.remove());

const problems = (ran: Ran): readonly { readonly code: string; readonly message: string; readonly next: string }[] => json(ran)["problems"] as never;

function idOf(n: number): string {
  return `0198c0de-0000-7000-8000-${String(n).padStart(12, "0")}`;
}

test("a damaged ledger is served as far as it can be, explained, made anew, and its recovery recorded", async () => {
  await init(host);
  const killed = await host.serve();
  const acknowledged = new Map<string, unknown>();
  const append = async (client: { must(method: string, params?: object): Promise<{ readonly [name: string]: unknown }> }, from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n++) acknowledged.set(idOf(n), (await client.must("append", appending(n, { receipt_id: idOf(n) })))["receipt_hash"]);
  };
  await talk(host, async (client) => {
    await append(client, 0, 4);
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    await append(client, 4, 7);
  });
  expect([(await here(host, ["recover"])).stdout.trim(), (await here(host, ["recover", "--rebuild"])).code]).toEqual(["There is nothing to recover.", 0]);

  // log index 3 is damaged while the daemon runs: it names it, and goes on
  tamper(LEDGER, (db) => db.exec("UPDATE blob SET bytes = x'7b7d' WHERE log_index = 3"));
  await talk(host, async (client) => {
    expect(await client.call("get", { log_index: 3 })).toMatchObject({ error: { code: "receipt_damaged" } });
    const got = await here(host, ["get", "3"]);
    expect([got.code, got.stderr]).toEqual([2, expect.stringMatching(/receipt_damaged: the receipt LN-\d{4}-00002 \(log index 3\) is damaged/)]);
    expect(await client.must("get", { log_index: 4 })).toMatchObject({ log_index: 4 });
    await append(client, 7, 9);
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
    await append(client, 9, 11);
  });
  const found = await here(host, ["recover", "--json"]);
  expect([found.code, problems(found)]).toEqual([1, [{ code: "receipt_damaged", message: expect.stringMatching(/LN-\d{4}-00002 \(log index 3\) is damaged: its bytes were published/), next: "receiptd recover --rebuild" }]]);
  const locked = await here(host, ["recover", "--rebuild"]);
  expect([locked.code, locked.stderr]).toEqual([2, expect.stringContaining("ledger_locked")]);

  killed.child.kill("SIGKILL");
  await killed.ended;
  expect(statSync(`${LEDGER}-wal`).size).toBeGreaterThan(0);
  const rebuilt = await here(host, ["recover", "--rebuild", "--json"]);
  expect([rebuilt.code, rebuilt.stderr, json(rebuilt)]).toEqual([0, "", expect.objectContaining({ problems: [], rebuilt: expect.objectContaining({ from_archive: 1, lost: 0 }) })]);
  expect((await here(host, ["recover", "--rebuild"])).stdout.trim()).toBe("There is nothing to recover.");
  expect(readdirSync(host.path(DATA)).filter((name) => /damaged|quarantine|recovery/.test(name))).toEqual([expect.stringMatching(/^ledger\.db\.damaged-[0-9TZ]+$/), expect.stringMatching(/^ledger\.db\.damaged-.*-acks$/), "quarantine", "recovery.json"]);

  const daemon = await serveHere(host);
  await talk(host, async (client) => {
    await append(client, 11, 12);
    for (const [id, hash] of acknowledged) expect(await client.must("get", { receipt_id: id })).toMatchObject({ receipt_hash: hash });
    expect(await client.must("append", appending(3, { receipt_id: idOf(3) }))).toMatchObject({ duplicate: true, receipt_hash: acknowledged.get(idOf(3)) });
  });
  daemon.child.kill("SIGTERM");
  expect((await daemon.ended).code).toBe(0);
  const audited = json(await here(host, ["audit", "--json"]));
  expect(audited).toMatchObject({ exit_code: 0, finding_counts: { recovered: 1 } });
  expect(readdirSync(host.path(DATA))).not.toContain("recovery.json");
  const record = records()[0]!;
  expect(record["details"]).toMatchObject({ action: "rebuild", from: "both", replaced: [{ log_index: 3 }], replaced_count: 1, lost: [], lost_count: 0, reason: "receipt_damaged" });
  expect(records()).toHaveLength(1);
}, 60_000);

test("nothing is given up while a target that may have it does not answer", async () => {
  const anchors = host.path(`${DATA}/anchors`);
  tamper(LEDGER, (db) => db.exec("UPDATE blob SET bytes = x'7b7d' WHERE log_index = 3"));
  renameSync(anchors, `${anchors}.away`);
  const found = await here(host, ["recover", "--rebuild", "--json"]);
  expect([found.code, problems(found).map(({ code }) => code), json(found)["rebuilt"]]).toEqual([1, ["receipt_damaged", "undecided"], null]);
  renameSync(`${anchors}.away`, anchors);
  expect(json(await here(host, ["recover", "--rebuild", "--json"]))).toMatchObject({ problems: [], rebuilt: { from_archive: 1 } });
}, 60_000);

test("a place without an anchor of this ledger is no place to go by", async () => {
  tamper(LEDGER, (db) => db.exec("UPDATE blob SET bytes = x'7b7d' WHERE log_index = 3"));
  const empty = host.path("empty");
  mkdirSync(empty);
  const refused = await here(host, ["recover", "--rebuild", "--from", empty]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("no_targets: there is no anchor of this ledger at")]);
  // one that has the anchors and not the receipts: the configured targets are asked, too
  const bare = host.path("bare");
  cpSync(host.path(`${DATA}/anchors`), bare, { recursive: true, filter: (path) => !/[0-9a-f]{32}\/receipts$/.test(path) });
  expect(json(await here(host, ["recover", "--rebuild", "--from", bare, "--json"]))).toMatchObject({ problems: [], rebuilt: { from_archive: 1, lost: 0 } });
}, 60_000);

test("what is beside the ledger is explained, too", async () => {
  const outbox = host.path(`${DATA}/anchor.db`);
  rmSync(outbox);
  const found = await here(host, ["recover", "--json"]);
  expect([found.code, problems(found).map(({ code, next }) => [code, next])]).toEqual([1, [["outbox_missing", expect.stringContaining("receiptd init --outbox")]]]);
  rmSync(host.path(`${DATA}/keyring.json`));
  expect(problems(await here(host, ["recover", "--json"])).map(({ code }) => code)).toEqual(["keys_unusable"]);
  rmSync(LEDGER);
  expect(problems(await here(host, ["recover", "--json"]))).toMatchObject([{ code: "ledger_missing", next: expect.stringContaining("receiptd restore --from") }]);
});

test("a forward-secure key's ratchet that is lost needs the auditor's seed, a retained one's nobody", async () => {
  for (const [args, codes] of [[["--auditor", await identityToRecipient(await generateX25519Identity())], ["ratchet_lost"]], [[], []]] as const) {
    const fresh = new Host();
    try {
      expect((await here(fresh, ["init", ...args])).code).toBe(0);
      rmSync(fresh.path(`${DATA}/ratchet`));
      const found = await here(fresh, ["recover", "--json"]);
      expect([found.code, problems(found).map(({ code }) => code)]).toEqual([codes.length, codes]);
      for (const { next } of problems(found)) expect(next).toContain("receiptd init --ratchet --seed FILE");
    } finally {
      await fresh.remove();
    }
  }
});

test("receipts that no anchor covers are not rebuilt without the key to check them, and with the auditor's seed they are", async () => {
  const fresh = new Host();
  try {
    const auditor = await generateX25519Identity();
    expect((await here(fresh, ["init", "--auditor", await identityToRecipient(auditor)])).code).toBe(0);
    writeFileSync(fresh.path("auditor.key"), `${auditor}\n`, { mode: 0o600 });
    rmSync(fresh.path(`${DATA}/ratchet`));
    tamper(fresh.path(`${DATA}/ledger.db`), (db) => db.exec("DELETE FROM receipt"));
    const found = await here(fresh, ["recover", "--rebuild", "--json"]);
    expect([found.code, problems(found).map(({ code }) => code), json(found)["rebuilt"]]).toEqual([1, expect.arrayContaining(["ratchet_lost"]), null]);
    expect(problems(found).find(({ code }) => code === "ratchet_lost")!.next).toContain("receiptd recover --rebuild --seed FILE");
    const seeded = await here(fresh, ["recover", "--rebuild", "--seed", fresh.path(`${DATA}/seed.key_v1.age`), "--identity", fresh.path("auditor.key"), "--json"]);
    expect([seeded.code, problems(seeded).map(({ code }) => code), json(seeded)["rebuilt"]], seeded.stderr).toEqual([1, ["ratchet_lost"], expect.objectContaining({ log_size: 1, lost: 0 })]); // which the daemon needs
  } finally {
    await fresh.remove();
  }
});

/** The receipts of type recovery. */
function records(): readonly { readonly [name: string]: unknown }[] {
  const db = new Database(LEDGER, { readonly: true });
  try {
    return (db.prepare("SELECT bytes FROM blob ORDER BY log_index").pluck().all() as Buffer[]).map((blob) => JSON.parse(blob.toString()) as { readonly type: string }).filter(({ type }) => type === "recovery");
  } finally {
    db.close();
  }
}
