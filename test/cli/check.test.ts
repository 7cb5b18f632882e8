/** `verify`, `audit` and `anchors` on a ledger that was whole and is then changed, by its operator and by a third party with copies. */
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { testKeyring } from "../support/ledger.ts";
import { here, must } from "./here.ts";
import { Host, json, type Ran, type Running } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

interface Examined {
  readonly verdict: string;
  readonly checked: readonly string[];
  readonly not_checked: readonly string[];
  readonly problem: { readonly code: string } | null;
}

interface Audited {
  readonly verdict: string;
  readonly findings: readonly { readonly code: string; readonly log_index?: number }[];
}

const host = new Host();
let daemon: Running;
let vkey: string;
/** A receipt under the second anchor. */
const ANCHORED = 4;

beforeAll(async () => {
  ({ vkey } = await init(host));
  daemon = await host.serve();
  await talk(host, async (client) => {
    for (const n of [1, 2, 3, 4]) await client.must("append", appending(n));
    await client.must("anchor");
    await vi.waitFor(async () => expect(await client.must("status")).toMatchObject({ pending: 0 }), 10_000); // the anchor is at its target
    await client.must("append", appending(5));
  });
});
afterAll(() => host.remove());

/** A copy of ledger and anchors, as a third party gets it. */
function copy(name: string): { readonly ledger: string; readonly anchors: string; readonly args: readonly string[] } {
  cpSync(host.path("receiptd-data"), host.path(name), { recursive: true, filter: (path) => !path.endsWith(".sock") && !/(root\.key|keyring\.json|ratchet|anchor\.db.*)$/.test(path) });
  const [ledger, anchors] = [join(name, "ledger.db"), join(name, "anchors")];
  return { ledger, anchors, args: ["--ledger", ledger, "--anchors", anchors, "--vkey", vkey] };
}

/** Changes a ledger behind the triggers that forbid it. */
function change(ledger: string, sql: string): void {
  const db = new Database(host.path(ledger));
  const triggers = db.prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER "${name}"`);
  db.exec(sql);
  for (const trigger of triggers) db.exec(trigger.sql);
  db.close();
}

const examined = (ran: Ran): Examined => JSON.parse(ran.stdout) as Examined;
const audited = (ran: Ran): Audited => JSON.parse(ran.stdout) as Audited;

/** Every name in what was printed that is not spelled as those of receipts and the protocol are. */
function oddNames(ran: Ran): readonly string[] {
  const odd: string[] = [];
  JSON.parse(ran.stdout, function reviver(this: unknown, name: string, value: unknown) {
    if (!Array.isArray(this) && !/^[a-z0-9_]*$/.test(name)) odd.push(name);
    return value;
  });
  return odd;
}

describe("verify", () => {
  test("beside the daemon: anchored and pending, with what was checked", async () => {
    const [anchored, pinned, pending] = await Promise.all([
      here(host, ["verify", String(ANCHORED)]), here(host, ["verify", String(ANCHORED), "--vkey", vkey, "--json"]), here(host, ["verify", "7", "--json"]),
    ]);
    expect(anchored.code).toBe(0);
    expect(anchored.stdout).toMatch(/^LN-\d{4}-00003 is anchored: unchanged since .*, when 7 receipts were anchored\.\n/);
    expect(anchored.stdout).toContain("this host's own");
    expect(examined(pinned).checked.join("; ")).toMatch(/canonical.*MAC \(key_v1, epoch 1\).*place in the ledger.*link.*anchor at local/);
    expect(examined(pinned).not_checked.join("; ")).not.toContain("this host's own");
    expect([pending.code, examined(pending).verdict]).toEqual([0, "pending"]);
  });

  test("a file with the receipt, against anchors alone; the key decides", async () => {
    const { anchors } = copy("alone");
    const { stdout } = await must(host, ["get", String(ANCHORED), "--raw"]);
    writeFileSync(host.path("receipt.json"), `${stdout}\n`);
    writeFileSync(host.path("changed.json"), stdout.replace('"n":3', '"n":9'));
    writeFileSync(host.path("trust"), `# pinned\n\n${vkey}\n`);
    const other = testKeyring().checkpointKeys[0]!.vkey; // of the same name
    const [good, bad, wrongKey, noKey] = await Promise.all([
      here(host, ["verify", "receipt.json", "--anchors", anchors, "--trust", "trust", "--json"]),
      here(host, ["verify", "changed.json", "--anchors", anchors, "--vkey", vkey, "--json"]),
      here(host, ["verify", "receipt.json", "--anchors", anchors, "--vkey", other, "--json"]),
      here(host, ["verify", "receipt.json", "--anchors", anchors, "--json"]),
    ]);
    expect([good.code, examined(good).verdict]).toEqual([0, "anchored"]);
    expect(examined(good).not_checked.join("; ")).toMatch(/the MAC: .*; .*ledger at hand/);
    expect([bad.code, examined(bad).verdict, examined(bad).problem?.code]).toEqual([1, "invalid", "inclusion_mismatch"]);
    expect([wrongKey.code, examined(wrongKey).verdict]).toEqual([2, "not_checked"]);
    expect([noKey.code, examined(noKey).verdict]).toEqual([2, "not_checked"]);
  });

  test("a changed receipt is invalid, with and without keys", async () => {
    const { ledger, args } = copy("edited");
    change(ledger, `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":3', '"n":9') AS BLOB) WHERE log_index = ${ANCHORED}`);
    const withoutKeys = await here(host, ["verify", String(ANCHORED), ...args, "--json"]);
    expect([withoutKeys.code, examined(withoutKeys).verdict]).toEqual([1, "invalid"]);
    const withKeys = await here(host, ["verify", String(ANCHORED), "--ledger", ledger, "--config", "receiptd.yaml", "--json"]);
    expect([withKeys.code, examined(withKeys).problem?.code]).toEqual([1, "mac_mismatch"]);
    const next = await here(host, ["verify", String(ANCHORED + 1), ...args, "--json"]);
    expect([next.code, examined(next).problem?.code]).toEqual([1, "link_mismatch"]);
  });

  test("without anchors nothing vouches for a receipt of which there is no key", async () => {
    const { ledger, anchors } = copy("no-anchors");
    rmSync(host.path(anchors), { recursive: true });
    mkdirSync(host.path(anchors));
    const pending = await here(host, ["verify", String(ANCHORED), "--ledger", ledger, "--anchors", anchors, "--vkey", vkey, "--json"]);
    expect([pending.code, examined(pending).verdict]).toEqual([2, "not_checked"]);
    const gone = await here(host, ["verify", String(ANCHORED), "--ledger", ledger, "--anchors", "nowhere", "--vkey", vkey]);
    expect([gone.code, gone.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: no_targets: /)]);
  });
});

test("a receipt_id that the index has for another receipt: what is found is not what was asked for", async () => {
  const { ledger, args } = copy("misled");
  const asked = json(await here(host, ["verify", String(ANCHORED), ...args, "--json"]));
  expect(asked).toMatchObject({ log_index: ANCHORED, receipt_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown });
  const id = String(asked["receipt_id"]);
  change(ledger, `UPDATE receipt SET receipt_id = zeroblob(16) WHERE log_index = ${ANCHORED}; UPDATE receipt SET receipt_id = x'${id.replaceAll("-", "")}' WHERE log_index = ${ANCHORED + 1}`);
  const [byId, byIndex] = await Promise.all([here(host, ["verify", id, ...args]), here(host, ["verify", String(ANCHORED), ...args, "--json"])]);
  expect([byId.code, byId.stdout]).toEqual([1, expect.stringMatching(new RegExp(`^${id} is INVALID: index_lookup: [^]*\n  log_index +${ANCHORED + 1}\n`))]);
  expect([byIndex.code, examined(byIndex).verdict]).toEqual([0, "anchored"]);
  change(ledger, `UPDATE blob SET bytes = (SELECT bytes FROM blob WHERE log_index = ${ANCHORED - 1}) WHERE log_index = ${ANCHORED}`);
  const moved = await here(host, ["verify", String(ANCHORED), ...args, "--json"]);
  expect([moved.code, examined(moved).problem?.code]).toEqual([1, "index_lookup"]);
});

describe("audit", () => {
  test("a folder of anchors is a copy of the target that --target names; without a ledger there is nothing to be said of receipts", async () => {
    const { args, anchors } = copy("named");
    const [named, other] = await Promise.all([here(host, ["audit", ...args, "--target", "local", "--json"]), here(host, ["audit", ...args, "--json"])]);
    expect([named.code, json(named)["counts"], json(named)["not_checked"]]).toEqual([0, expect.objectContaining({ targets: [expect.objectContaining({ target: "local" })] }), expect.arrayContaining([expect.stringMatching(/^the times of local/)])]);
    expect([other.code, json(other)["counts"]]).toEqual([0, expect.objectContaining({ targets: [expect.objectContaining({ target: "anchors" })] })]);
    for (const more of [["--from", "2020-01-01"], ["--to", "2020-01-01"], ["--organization", "nosuch"], ["--seed", "seed.json"]]) {
      const gone = await here(host, ["audit", "--ledger-gone", "--anchors", anchors, "--vkey", vkey, ...more]);
      expect([gone.code, gone.stderr], more.join(" ")).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: --from, --to, --organization, --seed, --keys-file, --accept-suspect and --replay /)]);
    }
  });

  test("beside the daemon: text, JSON, ranges, progress", async () => {
    const [text, range, empty] = await Promise.all([
      here(host, ["audit", "--vkey", vkey, "--progress"]),
      here(host, ["audit", "--organization", "loans", "--from", "2020-01-01", "--json"]), here(host, ["audit", "--from", "2026-02-30"]),
    ]);
    expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/^All 8 receipts are as they were recorded, as anchored at local; 1 of them is not anchored yet\.\n/) });
    expect(text.stderr).toMatch(/receipts {2}/);
    expect([range.code, audited(range)]).toMatchObject([0, { verdict: "ok", scope: { organization: "loans" } }]);
    expect([empty.code, empty.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: --from /)]);
  });

  test("by a third party with copies and a key; without the ledger; without a key", async () => {
    const { args, anchors, ledger } = copy("third");
    const [whole, gone, noKey] = await Promise.all([
      here(host, ["audit", ...args, "--json"]), here(host, ["audit", "--ledger-gone", "--anchors", anchors, "--vkey", vkey, "--json"]),
      here(host, ["audit", "--ledger", ledger, "--anchors", anchors, "--json"]),
    ]);
    expect([whole.code, audited(whole).verdict]).toEqual([0, "ok"]);
    expect([gone.code, audited(gone).verdict]).toEqual([0, "ok"]);
    expect([noKey.code, audited(noKey).verdict]).toEqual([2, "not_checked"]);
  });

  test("since an earlier one: what is new, in the ledger and the folder; and of what that is no audit", async () => {
    const { args, ledger } = copy("again");
    const first = await here(host, ["audit", ...args, "--record", "audit.json"]);
    const [text, as, all, alone, ranged] = await Promise.all([
      here(host, ["audit", ...args, "--since", "audit.json", "--sample", "0"]), here(host, ["audit", ...args, "--since", "audit.json", "--json"]), here(host, ["audit", ...args, "--since", "audit.json", "--all-receipts"]),
      here(host, ["audit", ...args, "--all-receipts"]), here(host, ["audit", ...args, "--since", "audit.json", "--from", "2020-01-01"]),
    ]);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^All 8 receipts are /) });
    const at = /"made_at": "([^"]+)"/.exec(readFileSync(host.path("audit.json"), "utf8"))![1]!;
    expect([text.code, text.stdout.split("\n")[0]]).toEqual([0, `The 1 receipt after the first 7 receipts, which the audit of ${at} found as they were recorded, is as it was recorded and continues them, which are anchored at anchors; it is not anchored yet.`]);
    expect(text.stdout).toContain("  - the first 7 receipts again, and the ledger's tables and indexes as a whole: ");
    expect(text.stdout).toContain(" has read: a folder has no locks, so they may have been changed since ");
    expect([as.code, audited(as), oddNames(as)]).toMatchObject([0, { verdict: "ok", scope: { first_index: 7, end_index: 8, since: at }, counts: { receipts: 1, targets: [{ remembered: { since: at, is_locked: false } }] } }, []]);
    expect(all).toMatchObject({ code: 0, stdout: expect.stringMatching(/^All 8 receipts are /) });
    expect([alone.code, alone.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: --all-receipts /)]);
    expect([ranged.code, ranged.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: --since and --record /)]);
    change(ledger, `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":3', '"n":9') AS BLOB) WHERE log_index = ${ANCHORED}`);
    const [since, again] = await Promise.all([here(host, ["audit", ...args, "--since", "audit.json"]), here(host, ["audit", ...args, "--since", "audit.json", "--all-receipts", "--json"])]);
    expect([since.code, again.code, audited(again).findings.find(({ log_index: place }) => place !== undefined)?.log_index]).toEqual([0, 1, ANCHORED]);
    change(ledger, `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":5', '"n":9') AS BLOB) WHERE log_index = 7`);
    expect(await here(host, ["audit", ...args, "--since", "audit.json"])).toMatchObject({ code: 1, stdout: expect.stringMatching(/^Something is wrong: .*\(receipt 7\)/) });
  });

  test("names the receipt that was changed, and the anchor that is missing", async () => {
    const edited = copy("audit-edited");
    change(edited.ledger, `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":3', '"n":9') AS BLOB) WHERE log_index = ${ANCHORED}`);
    const cut = copy("audit-cut");
    removeFirst(host.path(cut.anchors), ".tlog-proof");
    const [changed, missing] = await Promise.all([here(host, ["audit", ...edited.args, "--json"]), here(host, ["audit", ...cut.args, "--json"])]);
    const [verified, listed] = await Promise.all([here(host, ["verify", "2", ...edited.args, "--json"]), here(host, ["anchors", ...cut.args.slice(0, 4), "--json"])]);
    expect([changed, missing, verified, listed].flatMap(oddNames)).toEqual([]);
    expect([changed.code, audited(changed).findings[0]?.log_index]).toEqual([1, ANCHORED]);
    expect([missing.code, audited(missing).findings.map(({ code }) => code)]).toEqual([1, expect.arrayContaining(["anchor_missing"])]);
  });
});

test("paths that are not what they should be: what they are, and what was meant", async () => {
  const { ledger, anchors, args } = copy("paths");
  mkdirSync(host.path("empty"));
  writeFileSync(host.path("text"), "text");
  const [nowhere, folder, file, inner, outer, other, empty, noKey, noKeyVerified] = await Promise.all([
    ["audit", "--ledger", "nowhere", "--anchors", anchors, "--vkey", vkey], ["list", "--ledger", "empty"],
    ["audit", "--ledger", ledger, "--anchors", "text"], ["verify", "1", "--ledger", ledger, "--anchors", join(anchors, "v1")], ["audit", "--ledger", ledger, "--anchors", "paths"],
    ["anchors", "--ledger", ledger, "--anchors", "."], ["audit", ...args.slice(0, 2), "--anchors", "empty", "--vkey", vkey],
    ["audit", "--ledger", ledger, "--anchors", anchors], ["verify", "1", "--ledger", ledger, "--anchors", anchors],
  ].map((all) => here(host, all)));
  expect([nowhere!.code, nowhere!.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: ledger_missing: there is nothing at nowhere; --ledger names /)]);
  expect([folder!.code, folder!.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: ledger_missing: there is no ledger\.db in empty; --ledger names /)]);
  expect([file!.code, file!.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: no_targets: text is not a folder; --anchors names /)]);
  expect([inner!.code, inner!.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: no_targets: paths\/anchors\/v1 is not .*; did you mean .*paths\/anchors\?\n$/)]);
  expect([outer!.code, outer!.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: no_targets: paths is not .*; did you mean paths\/anchors\?\n$/)]);
  expect([other!.code, other!.stdout, other!.stderr]).toMatchObject([0, expect.stringMatching(/; 2 of those listed are not at every target yet\.\n/), ". has no anchors of any ledger: there is no v1 in it\n"]);
  expect([empty!.code, empty!.stdout, empty!.stderr]).toMatchObject([1, expect.stringMatching(/anchor_missing/), "empty has no anchors of any ledger: there is no v1 in it\n"]);
  for (const ran of [noKey!, noKeyVerified!]) expect([ran.code, ran.stdout]).toMatchObject([2, expect.stringMatching(/^.*no verifier key was given .*\(--vkey, --trust\)\.\n/)]);
});

test("anchors marks one that is missing, and targets that cannot be seen", async () => {
  const { ledger, anchors } = copy("anchors-cut");
  const args = ["--ledger", ledger, "--anchors", anchors];
  const whole = await here(host, ["anchors", ...args]);
  expect([whole.code, whole.stdout]).toMatchObject([0, expect.stringMatching(/there/)]);
  removeFirst(host.path(anchors), ".tlog-proof");
  const cut = await here(host, ["anchors", ...args]);
  expect([cut.code, cut.stdout]).toMatchObject([1, expect.stringMatching(/^1 anchor is missing at a target\.\n(.|\n)*start +missing/)]);
  renameSync(host.path("receiptd-data/anchors"), host.path("receiptd-data/away"));
  try {
    const unseen = await here(host, ["anchors", "--json"]);
    expect([unseen.code, json(unseen)["unavailable"]]).toEqual([2, ["local"]]);
  } finally {
    renameSync(host.path("receiptd-data/away"), host.path("receiptd-data/anchors"));
  }
});

/** Removes the object that comes first by name. */
function removeFirst(folder: string, ending: string): void {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending)).sort();
  rmSync(join(folder, names[0]!));
}

test("the daemon has written no secret to its log", () => {
  const [keyring, root] = [readFileSync(host.path("receiptd-data/keyring.json"), "utf8"), readFileSync(host.path("receiptd-data/root.key"))];
  const secrets = [...keyring.matchAll(/"(?:seed|private_key|request_secret)": "([^"]+)"/g)].map((match) => match[1]!);
  expect(secrets).toHaveLength(3);
  for (const secret of [...secrets, root.toString("hex"), root.toString("base64")]) expect(daemon.stderr()).not.toContain(secret);
});
