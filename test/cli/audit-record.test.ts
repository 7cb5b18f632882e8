/** Whose record of an earlier audit is believed. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { AuditRecord } from "../../src/audit/record.ts";
import { readRecord, replacedRecord, writeRecord } from "../../src/cli/audit-record.ts";
import { here } from "./here.ts";
import { Host } from "./host.ts";
import { init } from "./talk.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-record-"));
afterAll(() => rmSync(dir, { recursive: true }));
const uid = process.getuid!();
const record: AuditRecord = { receiptd_audit: 5, made_at: "2026-06-01T10:00:00Z", made_by: "test", origin: "test.example/receipts", ledger_id: "0".repeat(32), vkeys: ["key"], ledger: null, receipts: null, audit: { verdict: "ok", read_from: 0, macs_checked: 0, macs_not_checked: 0, not_checked: [] }, revoked: [], key_ids: [], breaks: [], checkpoint_keys: { genesis: [], rotations: [] }, targets: [] };

test("one's own and root's, through a link too", () => {
  const path = join(dir, "own.json");
  writeRecord(path, record);
  symlinkSync(path, join(dir, "link.json"));
  expect([readRecord(path), readRecord(join(dir, "link.json"))]).toEqual([record, record]);
});

test("another user's is refused", () => {
  const path = join(dir, "other.json");
  writeRecord(path, record);
  if (uid === 0) execFileSync("chown", ["65534", path]);
  expect(() => readRecord(path, uid + 1)).toThrow(expect.objectContaining({ code: "bad_usage", message: expect.stringContaining("belongs to user") }));
});

test("so is what is no file, which would keep it waiting, or is too large", () => {
  const [pipe, large] = [join(dir, "pipe"), join(dir, "large.json")];
  execFileSync("mkfifo", ["-m", "600", pipe]);
  writeRecord(large, record);
  truncateSync(large, 1_048_577);
  for (const path of [pipe, dir, large]) expect(() => readRecord(path), path).toThrow(expect.objectContaining({ code: "bad_usage" }));
});

test("so is one in a folder where others can put another in its place; unless only its owner may", () => {
  const folder = join(dir, "shared");
  mkdirSync(folder);
  const path = join(folder, "audit.json");
  writeRecord(path, record);
  chmodSync(folder, 0o777);
  symlinkSync(path, join(dir, "shared.json"));
  writeRecord(join(dir, "private.json"), record);
  symlinkSync(join(dir, "private.json"), join(folder, "private.json"));
  for (const at of [path, join(dir, "shared.json"), join(folder, "private.json")]) expect(() => readRecord(at)).toThrow(expect.objectContaining({ code: "bad_usage", message: expect.stringMatching(/others can write to .*shared \(mode 777\)/) }));
  chmodSync(folder, 0o1777);
  expect(readRecord(path)).toEqual(record);
  if (uid === 0) execFileSync("chown", ["65534", folder]);
  expect(() => readRecord(path, uid === 0 ? 0 : uid + 1)).toThrow(expect.objectContaining({ code: "bad_usage", message: expect.stringContaining("belongs to user") }));
});

test("only a record is replaced, and nothing beside it", () => {
  const [path, key] = [join(dir, "replaced.json"), join(dir, "key")];
  expect(replacedRecord(path)).toBeNull();
  writeFileSync(`${path}.new`, "somebody's");
  writeRecord(path, record);
  expect([replacedRecord(path), readFileSync(`${path}.new`, "utf8")]).toEqual([record, "somebody's"]);
  expect(readdirSync(dir).filter((name) => name.startsWith("replaced.json"))).toEqual(["replaced.json", "replaced.json.new"]);
  for (const content of ["", "{}", "secret"]) {
    writeFileSync(key, content);
    expect(() => replacedRecord(key)).toThrow(expect.objectContaining({ code: "bad_usage" }));
  }
  expect(() => replacedRecord(dir)).toThrow(expect.objectContaining({ code: "bad_usage" }));
});

test("what --record and --sample cannot mean is refused before anything is audited", async () => {
  const host = new Host();
  try {
    await init(host);
    const keyring = join("receiptd-data", "keyring.json");
    const before = readFileSync(host.path(keyring), "utf8");
    writeRecord(host.path("other.json"), record);
    const ran = await Promise.all([["--record", keyring], ["--record", "other.json"], ["--sample", "3"]].map((args) => here(host, ["audit", ...args])));
    expect(ran.map(({ code, stderr }) => [code, stderr])).toEqual([
      [2, expect.stringContaining("bad_usage: receiptd-data/keyring.json is not the record of an audit")],
      [2, expect.stringContaining("bad_usage: other.json is the record of the ledger test.example/receipts 000")],
      [2, expect.stringContaining("bad_usage: --sample says")],
    ]);
    expect([readFileSync(host.path(keyring), "utf8"), replacedRecord(host.path("other.json"))]).toEqual([before, record]);
    const first = await here(host, ["audit", "--record", "own.json"]);
    const made = replacedRecord(host.path("own.json"));
    expect([first.code, made?.made_by]).toEqual([0, expect.stringContaining("receiptd ")]);
    const replaced = await here(host, ["audit", "--since", "other.json", "--record", "own.json"]);
    expect([replaced.code, replaced.stdout]).toEqual([1, expect.stringContaining("No record of this audit is kept, because something is wrong.")]);
    expect(replacedRecord(host.path("own.json"))).toEqual(made);
  } finally {
    host.remove();
  }
});
