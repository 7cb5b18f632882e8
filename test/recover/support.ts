/** Ledgers that were published, to be damaged and recovered. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { Archive } from "../../src/anchor/archive.ts";
import { audit, type AuditReport } from "../../src/audit/audit.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader, type StoredBlob } from "../../src/ledger/reader.ts";
import { type Diagnosis, diagnose } from "../../src/recover/diagnose.ts";
import { type Knowledge, recover, type Recovered, type RecoverHooks, type RecoverOptions, survey } from "../../src/recover/recover.ts";
import { Bench, LEDGER } from "../anchor/support.ts";
import { tamper } from "../audit/support.ts";
import { type LedgerOptions, START, type TestLedger, testKeyring } from "../support/ledger.ts";
import type { MemoryTarget } from "../support/memory-target.ts";

export const RECEIPT_ID = "0198c0de-0000-7000-8000-00000000aaaa";

/** For the test ledger in this folder, without any target. */
export function optionsIn(dir: string): RecoverOptions {
  const keyring = testKeyring();
  return {
    ledgerPath: join(dir, "ledger.db"), outboxPath: join(dir, "anchor.db"), quarantinePath: join(dir, "quarantine"), orderPath: join(dir, "recovery.json"),
    ledger: LEDGER, source: null, vkeys: [keyring.checkpointKeys[0]!.vkey], identities: [],
    keys: { starts: startsOf(keyring, null), requestSecret: keyring.requestSecret },
    reason: "a test", dropsTail: false, receiptId: RECEIPT_ID, now: START,
  };
}

export class Victim {
  readonly on: Bench;
  readonly target: MemoryTarget;
  /** Every row and blob, as they were. */
  readonly before: readonly StoredBlob[];
  readonly isArchived: boolean;

  private constructor(on: Bench, target: MemoryTarget, before: readonly StoredBlob[], isArchived: boolean) {
    [this.on, this.target, this.before, this.isArchived] = [on, target, before, isArchived];
  }

  /** Its anchors are published, with its receipts unless `archives` is false; the ledger is closed. */
  static async make(options: LedgerOptions, { archives = true, fill }: { readonly archives?: boolean; readonly fill?: (ledger: TestLedger) => void } = {}): Promise<Victim> {
    const on = new Bench(options);
    fill?.(on.ledger);
    const target = on.memory("source");
    const running = on.publisher([target], archives ? { archive: new Archive(on.reader(), { folder: join(on.ledger.dir, "archive"), recipients: [] }) } : {});
    await running.publisher.start();
    await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    await running.stop();
    for (const [name, { bytes }] of target.objects) target.objects.set(name, { bytes, lastModified: on.ledger.now + 1000 });
    const before = rowsAt(on.ledger.path);
    on.ledger.close();
    return new Victim(on, target, before, archives);
  }

  get path(): string {
    return this.on.ledger.path;
  }

  knowledge(): Knowledge {
    return this.#options();
  }

  damage(change: (db: Database.Database) => void): this {
    tamper(this.path, change);
    return this;
  }

  async diagnosis(): Promise<Diagnosis> {
    return diagnose(await this.audited(), await survey(this.knowledge()), "receiptd recover --rebuild");
  }

  recover(changes: Partial<Knowledge> = {}, hooks: RecoverHooks = {}): Promise<Recovered> {
    return recover({ ...this.#options(), ...changes }, hooks);
  }

  audited(): Promise<AuditReport> {
    const { ledgerPath, ledger, vkeys, keys } = this.knowledge();
    return audit({ ledgerPath, ledger, vkeys, keys, areVkeysPinned: true, targets: [this.target], now: this.on.ledger.now, workers: 0 });
  }

  /** With the newest keyring. */
  #options(): RecoverOptions {
    const { dir, keyring } = this.on.ledger;
    return { ...optionsIn(dir), source: this.target, keys: { starts: startsOf(keyring, null), requestSecret: keyring.requestSecret } };
  }

  /** Files beside the ledger, without those of SQLite and of the bench. */
  files(): readonly string[] {
    return readdirSync(this.on.ledger.dir).filter((name) => !/^(anchor\.db.*|archive|ledger\.db(-wal|-shm|-acks|\.lock)?)$/.test(name)).sort();
  }

  order(): unknown {
    const path = join(this.on.ledger.dir, "recovery.json");
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
  }

  async remove(): Promise<void> {
    await this.on.dispose();
  }
}

export function rowsAt(path: string): readonly StoredBlob[] {
  const reader = new Reader(path, nodeHash.sha256);
  try {
    return reader.page(0, reader.size(), 100_000);
  } finally {
    reader.close();
  }
}
