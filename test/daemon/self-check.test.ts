/** The daemon reads its own ledger again: what another process changes behind its back is found, named and, once it is put back, over; load is no damage. */
import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { initLedger } from "../../src/daemon/init.ts";
import { Client } from "../faults/client.ts";
import { DaemonProcess, receiptd } from "../faults/daemon-process.ts";
import { Ground } from "../faults/ground.ts";

/** Much faster than by default, so that a test waits for milliseconds. */
const EAGER = { processor: 60, interval: "20ms" };
/** Of each of three organizations, some 75 receipts at a time. */
const ROUNDS = process.env["RECEIPTD_LONG"] === "1" ? 50 : 20;
/** Its thread comes last on a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 20 };
vi.setConfig({ testTimeout: 150_000 });
afterAll(() => vi.resetConfig());

interface Damage { readonly code: string; readonly also: readonly string[]; readonly log_index: number | null; readonly receipt_number: string | null }
interface Status {
  readonly state: string;
  readonly size: number;
  readonly self_check: {
    readonly failure: string | null;
    readonly last_round: { readonly began_at: string; readonly receipts: number; readonly macs_checked: number } | null;
    readonly open_epoch_macs_checked: number;
    readonly finding_count: number;
    readonly findings: readonly Damage[];
  };
}

class Checked {
  readonly ground: Ground;
  daemon!: DaemonProcess;
  client!: Client;

  constructor(ground: Ground) {
    this.ground = ground;
  }

  async start(): Promise<void> {
    this.daemon = await DaemonProcess.start(this.ground.configFile);
    this.client = new Client(this.ground.socket);
  }

  get ledger(): string {
    return join(this.ground.data, "ledger.db");
  }

  async status(): Promise<Status> {
    return await this.client.must("status") as unknown as Status;
  }

  /** Waits until a round that began after now has found nothing, and its MACs were checked. */
  async green(): Promise<Status> {
    const from = new Date().toISOString();
    return await vi.waitFor(async () => {
      const status = await this.status();
      expect([status.state, status.self_check.failure, status.self_check.findings]).toEqual(["ok", null, []]);
      expect((status.self_check.last_round?.began_at ?? "") > from).toBe(true);
      return status;
    }, PATIENCE);
  }

  /** Waits until a finding names the receipt and has the code. */
  async red(code: string, logIndex: number): Promise<Damage> {
    return await vi.waitFor(async () => {
      const { state, self_check: { findings } } = await this.status();
      expect(state).toBe("damaged");
      expect(findings.map((finding) => [finding.log_index, finding.code, ...finding.also])).toContainEqual(expect.arrayContaining([logIndex, code]));
      return findings.find((finding) => finding.log_index === logIndex && finding.receipt_number !== null) ?? findings[0]!;
    }, PATIENCE);
  }

  fatal(): readonly { readonly [name: string]: unknown }[] {
    return this.daemon.said.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as { readonly level: number }).filter(({ level }) => level === 60);
  }

  /** Past the triggers, as whoever owns the file can; in one transaction. */
  sql(change: (db: Database.Database) => void): void {
    const db = new Database(this.ledger);
    const triggers = db.prepare<[], { readonly name: string; readonly sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all();
    db.transaction(() => {
      for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
      change(db);
      for (const { sql } of triggers) db.exec(sql);
    }).immediate();
    db.close();
  }

  async append(n: number, organization = "loans"): Promise<void> {
    const receipts = Array.from({ length: n }, (_, i) => ({ system_id: "scorer", organization, decision: "APPROVE", inputs: { applicant: `person number ${i}` } }));
    await this.client.must("append_many", { receipts });
  }
}

/** The bytes with one letter of the applicant's name changed. */
function changed(bytes: Uint8Array): Uint8Array {
  const out = Buffer.from(bytes);
  const at = out.indexOf("person number");
  out[at]! ^= 1;
  return out;
}

describe("a ledger with forward-secure keys", () => {
  const ground = new Ground({ anchor: { max_batch: 1000 }, selfCheck: EAGER });
  const checked = new Checked(ground);
  /** log_index: in a batch that is closed, and in the open one. */
  let closed = 0;
  let open = 0;
  beforeAll(async () => {
    await ground.init();
    await checked.start();
    await checked.append(20);
    closed = (await checked.status()).size - 10;
    await checked.client.must("anchor");
    await checked.append(10);
    open = (await checked.status()).size - 5;
  });
  afterAll(async () => { await checked.daemon.signal("SIGKILL"); });

  test("is read again, the open epoch with its MACs", async () => {
    const { size } = await checked.status();
    const status = await checked.green();
    expect(status.self_check.last_round).toMatchObject({ receipts: size, macs_checked: 0 });
    await vi.waitFor(async () => expect((await checked.status()).self_check.open_epoch_macs_checked).toBeGreaterThan(10), PATIENCE);
    expect(checked.fatal()).toEqual([]);
  });

  const blob = (at: () => number) => (db: Database.Database): (() => void) => {
    const bytes = db.prepare<[number], Buffer>("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(at())!;
    const put = (value: Uint8Array) => () => checked.sql((to) => void to.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(value, at()));
    put(changed(bytes))();
    return put(bytes);
  };
  const column = (table: string, name: string, key: string, at: () => number) => (db: Database.Database): (() => void) => {
    const value = db.prepare<[number], Buffer>(`SELECT ${name} FROM ${table} WHERE ${key} = ?`).pluck().get(at())!;
    const put = (to: Uint8Array) => () => checked.sql((file) => void file.prepare(`UPDATE ${table} SET ${name} = ? WHERE ${key} = ?`).run(to, at()));
    put(value.map((byte) => byte ^ 0x10))();
    return put(value);
  };
  const anchorSize = (): number => {
    const db = new Database(checked.ledger, { readonly: true });
    const size = db.prepare<[], number>("SELECT max(tree_size) FROM anchor").pluck().get()!;
    db.close();
    return size;
  };

  test.each<readonly [what: string, at: () => number, code: string, change: (db: Database.Database) => () => void]>([
    ["bytes of a receipt that is anchored", () => closed, "receipt_changed", blob(() => closed)],
    ["bytes of a receipt of the open batch", () => open, "mac_mismatch", blob(() => open)],
    ["a hash in the index", () => closed, "index_mismatch", column("receipt", "receipt_hash", "log_index", () => closed)],
    ["a MAC of a request", () => closed, "request_mac_mismatch", column("receipt", "request_mac", "log_index", () => closed)],
    ["an anchor's root", () => anchorSize() - 1, "anchor_row_mismatch", column("anchor", "root", "tree_size", anchorSize)],
  ])("%s, changed by another process, is found and named, and is over when it is put back", async (_, at, code, change) => {
    const db = new Database(checked.ledger, { readonly: true });
    const putBack = change(db);
    db.close();
    await checked.red(code, at());
    putBack();
    await checked.green();
    expect(checked.fatal().map((line) => [line["log_index"], line["code"], ...(line["also"] as string[] | undefined) ?? []])).toContainEqual(expect.arrayContaining([at(), code]));
  });

  test("a receipt that nobody signed, with everything else put right, is found by its MAC and by what the daemon has in memory", async () => {
    const db = new Database(checked.ledger, { readonly: true });
    const last = (await checked.status()).size - 1; // no later receipt names its hash
    const before = db.prepare<[number], { readonly bytes: Buffer; readonly receipt_hash: Buffer }>(
      "SELECT bytes, receipt_hash FROM blob JOIN receipt USING (log_index) WHERE log_index = ?").get(last)!;
    db.close();
    const forged = Buffer.from(before.bytes);
    const digit = forged.indexOf("hmac-sha256:") + 12;
    forged[digit] = forged[digit] === 0x30 ? 0x31 : 0x30;
    const put = (bytes: Uint8Array, hash: Uint8Array) => checked.sql((to) => {
      to.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(bytes, last);
      to.prepare("UPDATE receipt SET receipt_hash = ? WHERE log_index = ?").run(hash, last);
    });
    put(forged, createHash("sha256").update(forged).digest());
    await checked.red("mac_mismatch", last);
    await checked.red("log_root_mismatch", last);
    put(before.bytes, before.receipt_hash);
    expect(await checked.green()).toMatchObject({ size: last + 1 });
  });

  test("a bit in the file itself; status ends with 1 and says which receipt it is and what to do, and receipts are taken all the same", async () => {
    const damaged = closed - 3; // in its place since it was written
    const db = new Database(checked.ledger);
    db.pragma("wal_checkpoint(TRUNCATE)");
    const bytes = db.prepare<[number], Buffer>("SELECT bytes FROM blob WHERE log_index = ?").pluck().get(damaged)!;
    db.close();
    const at = readFileSync(checked.ledger).lastIndexOf(bytes) + bytes.indexOf("person number");
    const put = (byte: number): void => {
      const file = openSync(checked.ledger, "r+");
      writeSync(file, Uint8Array.of(byte), 0, 1, at);
      closeSync(file);
    };
    put("p".charCodeAt(0) ^ 0x04);
    const { receipt_number: number } = await checked.red("receipt_changed", damaged);
    const [program = "", ...args] = receiptd("status", "--config", checked.ground.configFile);
    const said = spawnSync(program, args, { encoding: "utf8" });
    expect([said.status, said.stdout.split("\n")[0]]).toEqual([1, expect.stringMatching(new RegExp(`^Receipts are taken, but the ledger is damaged: receipt ${number} \\(log index ${damaged}\\): [a-z_, ]*receipt_changed: .*Run: receiptd audit`))]);
    expect(said.stdout).toContain(`  DAMAGE           receipt ${number} `);
    expect(`${said.stdout}${checked.daemon.said}`).not.toContain("erson number"); // nothing of what a receipt says
    await checked.append(1);
    put("p".charCodeAt(0));
    await checked.green();
    expect(spawnSync(program, args, { encoding: "utf8" })).toMatchObject({ status: 0, stdout: expect.stringMatching(/self-check {7}[\d,]+ receipts read again, until .*; nothing wrong\n/) as unknown });
    expect(checked.daemon.said).toContain("the self-check finds nothing wrong any more");
  });

  test("a frame of the write-ahead log, behind which all would be lost if the daemon were killed", async () => {
    const db = new Database(checked.ledger);
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
    for (let n = 0; n < 4; n++) await checked.append(1);
    const flip = (): void => {
      const log = openSync(`${checked.ledger}-wal`, "r+");
      const byte = Buffer.alloc(1);
      readSync(log, byte, 0, 1, 32 + 16); // of the first frame's checksum
      byte[0]! ^= 1;
      writeSync(log, byte, 0, 1, 32 + 16);
      closeSync(log);
    };
    flip();
    await vi.waitFor(async () => {
      const { state, self_check: { findings } } = await checked.status();
      expect([state, findings.map(({ code }) => code)]).toEqual(["damaged", ["wal_damaged"]]);
    }, PATIENCE);
    flip();
    await checked.green();
  });

  test("a row and its bytes that are gone, and rows that the daemon has not written", async () => {
    const db = new Database(checked.ledger, { readonly: true });
    const row = db.prepare<[number], { readonly [name: string]: unknown }>("SELECT * FROM receipt WHERE log_index = ?").get(closed)!;
    const { size } = await checked.status();
    db.close();
    const insert = (values: { readonly [name: string]: unknown }) => (to: Database.Database): void => {
      to.prepare(`INSERT INTO receipt (${Object.keys(values).join()}) VALUES (${Object.keys(values).map(() => "?").join()})`).run(Object.values(values));
    };
    checked.sql((to) => void to.prepare("DELETE FROM receipt WHERE log_index = ?").run(closed));
    await checked.red("row_missing", closed);
    checked.sql(insert(row));
    await checked.green();
    const stray = size + 50;
    checked.sql(insert({ ...row, log_index: stray, org_seq: 5000, receipt_id: new Uint8Array(16) }));
    await checked.red("log_index_gap", stray);
    checked.sql((to) => void to.prepare("DELETE FROM receipt WHERE log_index = ?").run(stray));
    expect(await checked.green()).toMatchObject({ size });
  });

  test("the daemon ends in order in the midst of a round", async () => {
    expect(await checked.daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});

describe("a ledger under load", () => {
  const checked = new Checked(new Ground({ ack: "wal", anchor: { max_batch: 700 }, selfCheck: { processor: 50, interval: "10ms" } }));
  beforeAll(async () => {
    await initLedger(checked.ground.config());
    await checked.start();
  });
  afterAll(async () => { await checked.daemon.signal("SIGKILL"); });

  test(`${(ROUNDS * 200).toLocaleString("en")} receipts, batches that close at any time and rotations are no damage; MACs of closed epochs are checked where the seed is kept`, async () => {
    const rotations: Promise<unknown>[] = [];
    const rotate = async (...options: readonly string[]): Promise<void> => {
      await Promise.all(rotations);
      const [program = "", ...args] = receiptd("key", "rotate", ...options, "--config", checked.ground.configFile);
      await promisify(execFile)(program, args);
    };
    const load = async (organization: string): Promise<void> => {
      for (let i = 0; i < ROUNDS; i++) {
        await checked.append(45 + ((i * 37) % 61), organization);
        if (i % 7 === 0) await checked.client.must("anchor");
        if (organization === "loans" && i === Math.floor(ROUNDS / 5)) rotations.push(rotate());
        if (organization === "loans" && i === Math.floor(ROUNDS / 2)) rotations.push(rotate("--print-seed")); // forward-secure
      }
    };
    await Promise.all([load("loans"), load("cards"), load("kyc")]);
    await Promise.all(rotations);
    await checked.append(1);
    const { size } = await checked.status();
    expect(size).toBeGreaterThan(ROUNDS * 200);
    const { self_check: check } = await checked.green();
    const { hmac_keys: keys } = JSON.parse(readFileSync(join(checked.ground.data, "keyring.json"), "utf8")) as { readonly hmac_keys: readonly { readonly mode: string; readonly first_epoch: number }[] };
    expect(keys.map(({ mode }) => mode)).toEqual(["retained", "retained", "forward-secure"]);
    const db = new Database(checked.ledger, { readonly: true });
    const kept = db.prepare<[number], number>("SELECT count(*) FROM receipt WHERE key_epoch < ?").pluck().get(keys[2]!.first_epoch)!;
    db.close();
    expect(kept).toBeLessThan(size);
    expect(check.last_round).toMatchObject({ receipts: size, macs_checked: kept });
    expect(checked.fatal()).toEqual([]);
  });
});
