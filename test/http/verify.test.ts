/** What verification says of a ledger that somebody has changed, of revoked keys, and of anchors that are not outside yet. */
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { tamper } from "../audit/support.ts";
import { here } from "../cli/here.ts";
import { HttpHost, type Members } from "./support.ts";

const list = (value: unknown): readonly Members[] => value as readonly Members[];
const codes = (value: unknown): readonly unknown[] => list(value).map(({ code }) => code);

let h: HttpHost;
let ids: readonly string[];
let token: string;
beforeAll(async () => {
  h = await new HttpHost().start();
  const acks: Members[] = [];
  for (let n = 1; n <= 8; n++) acks.push(await h.append({ inputs: { n } }));
  await h.anchor();
  for (let n = 9; n <= 12; n++) acks.push(await h.append({ inputs: { n } }));
  ids = acks.map(({ receipt_id }) => String(receipt_id));
  ({ token } = await h.token());
});
afterAll(() => h.remove());

const verify = async (n: number): Promise<Members> => (await h.get(`/v1/receipts/${ids[n - 1]}/verify`)).json;
const indexOf = (n: number): number => (n <= 8 ? n + 1 : n + 2); // behind genesis and one anchor, or two

/** Changes a receipt's bytes, and, where that is asked for, the index with them. Returns what puts everything back. */
function change(n: number, sql: string, alsoIndex: boolean): () => void {
  const at = indexOf(n);
  let before: { readonly bytes: Buffer; readonly hash: Buffer } | undefined;
  tamper(h.places.ledger, (db) => {
    before = db.prepare("SELECT b.bytes AS bytes, r.receipt_hash AS hash FROM blob b JOIN receipt r USING (log_index) WHERE log_index = ?").get(at) as typeof before;
    db.prepare(sql).run(at);
    if (!alsoIndex) return;
    const bytes = db.prepare("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(at) as Buffer;
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(nodeHash.sha256(bytes), at);
  });
  return () => tamper(h.places.ledger, (db) => {
    db.prepare("INSERT OR REPLACE INTO blob (log_index, bytes) VALUES (?, ?)").run(at, before!.bytes);
    db.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(before!.hash, at);
  });
}

describe("in the ledger's file", () => {
  test.each<readonly [string, n: number, problem: string, also: number | null, sql: string]>([
    ["a changed byte under an anchor, and the index with it, before anything was read: nothing leads to the root", 4, "inclusion_mismatch", 5, "UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":4', '\"n\":5') AS BLOB) WHERE log_index = ?"],
    ["a changed byte under an anchor", 2, "index_mismatch", null, "UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":2', '\"n\":3') AS BLOB) WHERE log_index = ?"],
    ["bytes that are missing", 7, "blob_missing", null, "DELETE FROM blob WHERE log_index = ?"],
    ["bytes that are no JSON", 9, "bad_json", null, "UPDATE blob SET bytes = x'7b' WHERE log_index = ?"],
    ["a changed byte of the open batch", 11, "mac_mismatch", 12, "UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":11', '\"n\":12') AS BLOB) WHERE log_index = ?"],
  ])("%s", async (_, n, problem, broken, sql) => {
    const undo = change(n, sql, broken !== null);
    expect(await verify(n)).toMatchObject({ valid: false, status: "invalid", problem: { code: problem }, evidence: null });
    if (broken !== null) expect(await verify(broken)).toMatchObject({ valid: false, problem: { code: "link_mismatch" } });
    else expect([await h.code(`/v1/receipts/${ids[n - 1]}`, token), await h.code(`/v1/receipts/${ids[n - 1]}/link`), await h.code(`/v1/receipts/${ids[n - 1]}/evidence`, token)]).toEqual(["receipt_damaged", "receipt_damaged", "receipt_damaged"]);
    undo();
    expect(await verify(n)).toMatchObject({ valid: true });
    expect(await verify(6)).toMatchObject({ valid: true }); // whose path has what was read while it was damaged
  });

  const EDIT = "UPDATE blob SET bytes = CAST(replace(bytes, '\"n\":2', '\"n\":3') AS BLOB) WHERE log_index = ?";

  test("the one behind a damaged receipt is as it was, and that is said", async () => {
    const undo = change(2, EDIT, false);
    const json = await verify(3);
    undo();
    expect([json["valid"], json["status"], codes(json["checks"]).includes("link"), codes(json["not_checked"]).includes("link")]).toEqual([true, "anchored", false, true]);
  });

  test("an index that leads to another receipt", async () => {
    const swap = (db: Parameters<Parameters<typeof tamper>[1]>[0], a: string, b: string): void => {
      const bytes = (id: string): Buffer => Buffer.from(id.replaceAll("-", ""), "hex");
      const set = db.prepare("UPDATE receipt SET receipt_id = ? WHERE receipt_id = ?");
      set.run(Buffer.alloc(16), bytes(a));
      set.run(bytes(a), bytes(b));
      set.run(bytes(b), Buffer.alloc(16));
    };
    tamper(h.places.ledger, (db) => swap(db, ids[0]!, ids[5]!));
    expect(await verify(1)).toMatchObject({ valid: false, problem: { code: "index_mismatch" } });
    tamper(h.places.ledger, (db) => swap(db, ids[0]!, ids[5]!));
    expect(await verify(1)).toMatchObject({ valid: true });
  });

  test("a list names what is damaged, and goes on", async () => {
    const undo = change(2, EDIT, false);
    const { json } = await h.get("/v1/receipts?organization=loans", token);
    undo();
    const damaged = list(json["receipts"]).filter(({ problem }) => problem === "receipt_damaged");
    expect([damaged.length, damaged[0]!["receipt"], list(json["receipts"]).length]).toEqual([1, null, 12]);
  });

  test("an anchor that is signed and not confirmed", async () => {
    tamper(h.places.outbox, (db) => void db.exec("DELETE FROM confirmed"));
    const json = await verify(1);
    expect([json["valid"], json["status"], codes(json["not_checked"]).includes("confirmed")]).toEqual([true, "logged", true]);
    expect(await h.code(`/v1/receipts/${ids[0]}/evidence`, token)).toBe("not_anchored");
  });

  test("a checkpoint that another key has signed", async () => {
    tamper(h.places.outbox, (db) => void db.exec("UPDATE signed SET note = replace(note, char(10) || '— ', char(10) || '— x')"));
    expect(await verify(1)).toMatchObject({ valid: false, problem: { code: "bad_note" } });
  });
});

test("an anchor that is closed and not signed yet: nobody can say", async () => {
  tamper(h.places.outbox, (db) => void db.exec("DELETE FROM signed"));
  const json = await verify(1);
  expect([json["valid"], json["status"], codes(json["not_checked"])[1]]).toEqual([null, "pending", "mac_between"]);
  expect((await h.get("/v1/checkpoint")).status).toBe(404);
});

describe("a revoked key", () => {
  test("what it signed is suspect, and not called valid: a folder's times are the host's", async () => {
    const r = await new HttpHost().start();
    try {
      const { receipt_id: id } = await r.append({});
      const { receipt_id: later } = await r.append({});
      await r.anchor();
      const asked = async (name: unknown): Promise<Members> => (await r.get(`/v1/receipts/${String(name)}/verify`)).json;
      expect(await asked(id)).toMatchObject({ valid: true, status: "anchored" });
      const ran = await here(r.host, ["key", "revoke", "key_v1", "--since", formatTime(Date.now() - 1000), "--reason", "stolen"]);
      expect(ran.code, ran.stderr).toBe(0);
      await expect.poll(() => asked(id), { timeout: 20_000 }).toMatchObject({ valid: null, status: "suspect" });
      expect(codes((await asked(later))["not_checked"])).toContain("key_revoked");
      expect((await r.get("/v1/keys")).json).toMatchObject({ keys: [{ key_id: "key_v1", last_epoch: 2 }, { key_id: "key_v2", last_epoch: null, begun_by: "key_rotation" }], revoked: [{ key_id: "key_v1" }], complete: true });
      const { receipt_id: fresh } = await r.append({});
      expect(await asked(fresh)).toMatchObject({ valid: true, status: "pending" });
      // another file in the ledger's place, as a recovery leaves it, is read from then on
      await r.stopDaemon();
      tamper(r.places.ledger, () => undefined);
      copyFileSync(r.places.ledger, `${r.places.ledger}.copy`);
      tamper(`${r.places.ledger}.copy`, (db) => void db.exec("DELETE FROM receipt WHERE org_seq = 1 AND log_index > 0"));
      for (const suffix of ["-wal", "-shm"]) rmSync(r.places.ledger + suffix, { force: true });
      renameSync(`${r.places.ledger}.copy`, r.places.ledger);
      await expect.poll(async () => (await r.get(`/v1/receipts/${String(id)}/verify`)).status, { timeout: 20_000 }).toBe(404);
    } finally {
      await r.remove();
    }
  });
});
