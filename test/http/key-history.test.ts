/** What is said of keys where the ledger's own receipts were changed, or cannot be read: nothing is called valid that may be revoked. */
import { closeSync, copyFileSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { hashText } from "../../src/format/chain.ts";
import { formatTime } from "../../src/format/time.ts";
import { KeyHistory } from "../../src/http/key-history.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { LedgerError } from "../../src/ledger/errors.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { tamper } from "../audit/support.ts";
import { here } from "../cli/here.ts";
import { HttpHost, type Members } from "./support.ts";

type Db = Parameters<Parameters<typeof tamper>[1]>[0];

const codes = (value: unknown): readonly unknown[] => (value as readonly Members[]).map(({ code }) => code);

let h: HttpHost;
/** Of a receipt whose key is revoked, and of one under the next key. */
let suspect: string;
let good: string;
/** Of the key_revocation. */
let revocation: number;
beforeAll(async () => {
  h = await new HttpHost().init();
  await h.startDaemon();
  suspect = String((await h.append({}))["receipt_id"]);
  await h.anchor();
  const ran = await here(h.host, ["key", "revoke", "key_v1", "--since", formatTime(Date.now() - 1000), "--reason", "stolen"]);
  expect(ran.code, ran.stderr).toBe(0);
  await vi.waitFor(() => expect(reading((reader) => reader.organizationPage("_ledger", 1, 256).some(isRevocation))).toBe(true), { timeout: 20_000 });
  good = String((await h.append({}))["receipt_id"]);
  await h.anchor();
  await h.stopDaemon();
  revocation = reading((reader) => reader.organizationPage("_ledger", 1, 256).find(isRevocation)!.logIndex);
  tamper(h.places.ledger, () => undefined); // all of it is in the one file
  copyFileSync(h.places.ledger, `${h.places.ledger}.kept`);
}, 60_000);
afterAll(() => h.remove());

function isRevocation({ blob }: { readonly blob: Uint8Array | null }): boolean {
  return blob !== null && Buffer.from(blob).includes('"type":"key_revocation"');
}

function reading<T>(work: (reader: Reader) => T): T {
  const reader = new Reader(h.places.ledger, nodeHash.sha256);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** Asks of a ledger that was changed, and puts the old one back. */
async function changed(change: () => void, ask: () => Promise<void>): Promise<void> {
  change();
  try {
    await h.startHttp();
    await ask();
  } finally {
    await h.http?.stop();
    h.http = null;
    for (const suffix of ["-wal", "-shm"]) rmSync(h.places.ledger + suffix, { force: true });
    copyFileSync(`${h.places.ledger}.kept`, h.places.ledger);
  }
}

const verify = async (id: string): Promise<Members> => (await h.get(`/v1/receipts/${id}/verify`)).json;

test("as it was recorded", () => changed(() => undefined, async () => {
  expect([await verify(suspect), await verify(good)]).toMatchObject([{ valid: null, status: "suspect" }, { valid: true, status: "anchored" }]);
  expect((await h.get("/v1/keys")).json).toMatchObject({ complete: true, revoked: [{ key_id: "key_v1" }] });
}));

describe("a revocation that was changed", () => {
  const edit = (db: Db, sql: string): void => void db.prepare(sql).run(revocation);
  const rehash = (db: Db, at: number): void => {
    const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(at) as Buffer;
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(bytes), at);
  };
  const LATER = "UPDATE blob SET bytes = CAST(replace(bytes, '\"compromised_since\":\"20', '\"compromised_since\":\"29') AS BLOB) WHERE log_index = ?";

  test.each<readonly [string, isIndex: boolean, change: (db: Db) => void]>([
    ["it names a later time", false, (db) => edit(db, LATER)],
    ["it names another type", false, (db) => edit(db, "UPDATE blob SET bytes = CAST(replace(bytes, '\"type\":\"key_revocation\"', '\"type\":\"key_revocatiom\"') AS BLOB) WHERE log_index = ?")],
    ["its bytes are no receipt", false, (db) => edit(db, "UPDATE blob SET bytes = x'7b' WHERE log_index = ?")],
    ["its bytes are missing", false, (db) => edit(db, "DELETE FROM blob WHERE log_index = ?")],
    ["it is missing", true, (db) => edit(db, "DELETE FROM receipt WHERE log_index = ?")],
    ["the index was changed with it, and the link was not", true, (db) => {
      edit(db, LATER);
      rehash(db, revocation);
    }],
    ["its bytes are no receipt, by the index, too", true, (db) => {
      const previous = /"previous_receipt_hash":"[^"]*"/.exec(String(db.prepare("SELECT CAST(bytes AS TEXT) FROM blob WHERE log_index = ?").pluck().get(revocation)))![0];
      db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from(`{${previous},"type":"key_revocation"}`), revocation);
      rehash(db, revocation);
    }],
    ["the ledger's own organization is gone", false, (db) => void db.exec("UPDATE organization SET name = 'ledger' WHERE name = '_ledger'")],
  ])("%s", (_, isIndex, change) => changed(() => tamper(h.places.ledger, change), async () => {
    const answers = [await verify(suspect), await verify(good)];
    // false: where the index was changed, nothing leads to the root of their anchor, either
    for (const { valid, problem, not_checked: notChecked } of answers) expect([valid === (problem === null ? null : false), codes(notChecked).includes("revocations")]).toEqual([true, true]);
    if (!isIndex) expect(answers[1]!["status"]).toBe("not_checked");
    expect((await h.get("/v1/keys")).json).toMatchObject({ complete: false });
    expect((await h.get("/v1/overview")).json).toMatchObject({ keys_complete: false });
  }));
});

describe("a page of the file that cannot be read", () => {
  const MORE = 400;
  const name = (n: number): string => `own receipt ${String(n).padStart(4, "0")}`;

  /** Own receipts behind the last, each linked and of half a page. */
  function addReceipts(db: Db): void {
    const last = db.prepare("SELECT r.org, r.org_seq, r.receipt_hash, (SELECT max(log_index) FROM receipt) AS log_index FROM receipt r JOIN organization o USING (org) WHERE o.name = '_ledger' ORDER BY org_seq DESC LIMIT 1")
      .get() as { readonly org: number; readonly org_seq: number; readonly receipt_hash: Uint8Array; readonly log_index: number };
    let previous = last.receipt_hash;
    for (let n = 1; n <= MORE; n++) {
      const bytes = Buffer.from(JSON.stringify({ name: name(n), padding: ".".repeat(1500), previous_receipt_hash: hashText(previous) }));
      previous = nodeHash.sha256(bytes);
      const id = Buffer.alloc(16);
      id.writeUInt32BE(n);
      db.prepare("INSERT INTO receipt (log_index, org, org_seq, receipt_id, receipt_hash, recorded_at, key_epoch) VALUES (?, ?, ?, ?, ?, 0, 0)").run(last.log_index + n, last.org, last.org_seq + n, id, previous);
      db.prepare("INSERT INTO blob (log_index, bytes) VALUES (?, ?)").run(last.log_index + n, bytes);
    }
  }

  function damage(n: number): void {
    const file = readFileSync(h.places.ledger);
    const size = file.readUInt16BE(16);
    const at = file.indexOf(name(n));
    expect(at).toBeGreaterThan(0);
    const fd = openSync(h.places.ledger, "r+");
    writeSync(fd, Buffer.alloc(size, 0xff), 0, size, at - (at % size));
    closeSync(fd);
  }

  test("more receipts than are read at once", () => changed(() => tamper(h.places.ledger, addReceipts), async () => {
    await expect.poll(async () => (await h.get("/v1/keys")).json["complete"]).toBe(true);
    expect(await verify(good)).toMatchObject({ valid: true });
  }));

  test.each([["among the first receipts", 20], ["behind those that are read at once", 390]])("%s: the API starts and goes on", (_, n) => changed(() => {
    tamper(h.places.ledger, addReceipts);
    damage(n);
  }, async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise((done) => setTimeout(done, 300)); // the file is looked at anew
      const json = await verify(good);
      expect([json["valid"], json["status"], codes(json["not_checked"]).includes("revocations")]).toEqual([null, "not_checked", true]);
    }
    expect((await h.get("/v1/keys")).json).toMatchObject({ complete: false });
    expect([(await h.get(`/v1/receipts/${good}/link`)).status, (await h.get("/v1/health")).status]).toEqual([200, 200]);
  }));

  test("what could not be read once is read later", () => reading((reader) => {
    let isBroken = true;
    const history = new KeyHistory({
      organizationPage(...place) {
        if (isBroken) throw new LedgerError("ledger_corrupt", "malformed");
        return reader.organizationPage(...place);
      },
    });
    expect([history.step(), history.isComplete, history.isUnsure]).toEqual([false, false, true]);
    isBroken = false;
    expect([history.step(), history.isComplete, history.isUnsure, history.revocations.length]).toEqual([false, true, false, 1]);
  }));
});
