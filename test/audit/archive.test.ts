/** Archived receipts in an audit: read and compared with what is anchored, with and without the ledger. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterEach, expect, test } from "vitest";
import { packReceipts } from "../../src/anchor/archive-object.ts";
import { Archive } from "../../src/anchor/archive.ts";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import { batchObject } from "../../src/anchor/objects.ts";
import { toHex } from "../../src/format/bytes.ts";
import { formatObjectName } from "../../src/format/names.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { LEDGER_ID, type LedgerOptions, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { Published } from "./bucket.ts";
import { auditOf } from "./support.ts";

const LEDGER = { origin: ORIGIN, ledgerId: LEDGER_ID };
const ledgers: TestLedger[] = [];
afterEach(() => {
  while (ledgers.length > 0) ledgers.pop()!.remove();
});

interface Made {
  readonly ledger: TestLedger;
  readonly target: DirectoryTarget;
  readonly reader: Reader;
  /** Names of the archive's objects. */
  readonly names: string[];
  put(firstIndex: number, lastIndex: number, lines: readonly Uint8Array[]): Promise<void>;
  path(name: string): string;
}

async function archived(options: LedgerOptions, recipients: readonly string[] = [], more: (ledger: TestLedger) => void = () => undefined): Promise<Made> {
  const ledger = new TestLedger(options);
  more(ledger);
  ledgers.push(ledger);
  const target = await publishToDirectory(ledger, "local");
  const reader = new Reader(ledger.path, nodeHash.sha256);
  const archive = new Archive(reader, { folder: join(ledger.dir, "archive"), recipients });
  const names: string[] = [];
  for (const row of reader.anchors(0, 100)) {
    const batch = batchObject(reader, row);
    if (batch === null) continue;
    for await (const { name, bytes } of archive.parts(row.firstIndex, batch.bytes)) {
      await target.put(name, bytes);
      names.push(name);
    }
  }
  return {
    ledger, target, reader, names,
    async put(firstIndex, lastIndex, lines) {
      const bytes = gzipSync(Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
      await target.put(formatObjectName(LEDGER, { kind: "receipts", firstIndex, lastIndex, sha256: toHex(nodeHash.sha256(bytes)), isEncrypted: false }), bytes);
    },
    path: (name) => join(ledger.targetPath("local"), name),
  };
}

const found = (report: Awaited<ReturnType<typeof auditOf>>): (readonly string[])[] => report.findings.map(({ severity, code }) => [severity, code]).filter(([, code]) => code !== "idle" && code !== "stopped");

test("whole archives are read, with the ledger and without it", async () => {
  const { ledger, target } = await archived({ batches: [5, 0, 700] });
  const counts = { objects: 2, receipts: 706, missing: 0, encrypted: 0, unread: 0, before: 0 };
  const whole = await auditOf(ledger, [target]);
  expect([whole.exitCode, found(whole), whole.counts.targets[0]!.archive]).toEqual([0, [], counts]);
  const gone = await auditOf(ledger, [target], { ledgerPath: null, keys: null });
  expect([gone.exitCode, found(gone), gone.counts.targets[0]!.archive]).toEqual([0, [], counts]);
  expect(gone.sentence).toContain("all 706 receipts in their batches were read in the archive at local and are as anchored");
  expect(gone.notChecked.join("\n")).toContain("chains and MACs");
});

test("what is missing is a note, an archive that is missing altogether is none", async () => {
  const { ledger, target, names, path } = await archived({ batches: [5, 6] });
  rmSync(path(names[1]!));
  const part = await auditOf(ledger, [target]);
  expect([part.exitCode, found(part)]).toEqual([0, [["note", "not_archived"]]]);
  expect(part.counts.targets[0]!.archive).toMatchObject({ receipts: 6, missing: 6 });
  const gone = await auditOf(ledger, [target], { ledgerPath: null, keys: null });
  expect(gone.sentence).toContain("; 6 receipts were read in the archive");
  rmSync(path(names[0]!));
  const none = await auditOf(ledger, [target]);
  expect([none.exitCode, found(none), none.counts.targets[0]!.archive.missing]).toEqual([0, [], 0]);
});

test("what contradicts the batch is interference, whatever else is there", async () => {
  const { ledger, target, reader, put } = await archived({ batches: [5, 6] });
  const lines = reader.page(0, 14, 14).map(({ blob }) => blob!);
  const changed = [...lines.slice(0, 5), Buffer.from(String(Buffer.from(lines[5]!)).replace("APPROVE", "REJECT_"))];
  await put(0, 5, [Buffer.from("{}"), ...lines.slice(1, 6)]);
  await put(0, 4, lines.slice(0, 4));
  await put(0, 5, changed.slice(0, 3));
  await put(5, 8, lines.slice(5, 9)); // over an anchor
  await put(6, 6, lines.slice(6, 7)); // an anchor receipt
  await put(900, 901, lines.slice(0, 2)); // of what may come
  await put(1, 3, lines.slice(1, 4)); // a second one that is right
  const report = await auditOf(ledger, [target]);
  expect(found(report)).toEqual([
    ["interference", "archive_mismatch"], ["interference", "archive_mismatch"], ["interference", "archive_mismatch"],
    ["interference", "unanchored_receipts"], ["interference", "unanchored_receipts"],
  ]);
  expect(report.counts.targets[0]!.archive).toMatchObject({ receipts: 12, missing: 0 });
});

test("junk beside it is called so", async () => {
  const { ledger, target, names, path } = await archived({ batches: [5] });
  const folder = `v1/${ORIGIN}/${LEDGER_ID}/receipts/`;
  await target.put(`${folder}junk`, Buffer.from("junk"));
  await target.put(names[0]!.replace(/-[0-9a-f]{64}/, `-${"0".repeat(64)}`), Buffer.from("junk"));
  mkdirSync(path(`${folder}sub`));
  await target.put(`${folder}sub/file`, Buffer.from("junk"));
  const report = await auditOf(ledger, [target]);
  expect(found(report)).toEqual([["interference", "name_mismatch"], ["interference", "bad_object_name"], ["interference", "bad_object_name"]]);
});

test("an encrypted archive is read with its identity; without it that is said", async () => {
  const identity = await generateX25519Identity();
  const { ledger, target } = await archived({ batches: [5, 6] }, [await identityToRecipient(identity)]);
  const blind = await auditOf(ledger, [target]);
  expect([blind.exitCode, found(blind), blind.counts.targets[0]!.archive]).toEqual([0, [], { objects: 2, receipts: 0, missing: 0, encrypted: 2, unread: 12, before: 0 }]);
  expect(blind.notChecked.join("\n")).toContain("encrypted");
  const seeing = await auditOf(ledger, [target], { identities: [identity] });
  expect(seeing.counts.targets[0]!.archive).toMatchObject({ receipts: 12, encrypted: 0 });
});

/** An age file to somebody else, under the name of all receipts of the batch. */
async function stub(part: string): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const bytes = await packReceipts([Buffer.from("x")], [await identityToRecipient(await generateX25519Identity())]);
  return { name: part.replace(/[0-9a-f]{64}.*/, `${toHex(nodeHash.sha256(bytes))}.ndjson.gz.age`), bytes };
}

test("a stub that says that it is the encrypted part hides no hole that is to be seen", async () => {
  const { ledger, target, names, path } = await archived({ batches: [5, 6, 7] });
  rmSync(path(names[1]!));
  const one = await stub(names[1]!);
  await target.put(one.name, one.bytes);
  const other = await stub(names[2]!); // of receipts that are read all the same
  await target.put(other.name, other.bytes);
  const report = await auditOf(ledger, [target]);
  expect(report.counts.targets[0]!.archive).toEqual({ objects: 4, receipts: 13, missing: 0, encrypted: 2, unread: 6, before: 0 });
  expect(report.notChecked.join("\n")).toContain("6 receipts are archived nowhere else there, if at all");
});

test("where there are locks, a stub without one counts for nothing", async () => {
  const made = await new Published().batches(5, 6);
  const reader = new Reader(made.ledger.path, nodeHash.sha256);
  const archive = new Archive(reader, { folder: join(made.ledger.dir, "archive"), recipients: [] });
  ledgers.push(made.ledger);
  const rows = [...reader.anchors(0, 10)];
  const parts: string[] = [];
  for (const row of rows) {
    for await (const { name, bytes } of archive.parts(row.firstIndex, batchObject(reader, row)!.bytes)) {
      parts.push(name);
      if (row !== rows[1]) made.target.store(name, bytes);
    }
  }
  const { name, bytes } = await stub(parts[1]!);
  const stored = made.target.store(name, bytes, { retention: null });
  const unlocked = await auditOf(made.ledger, [made.target]);
  expect(found(unlocked)).toEqual([["note", "lock_missing"], ["note", "not_archived"]]);
  expect(unlocked.counts.targets[0]!.archive).toMatchObject({ missing: 6, encrypted: 1, unread: 0 });
  stored.retention = { mode: "COMPLIANCE", until: 1e14 };
  const locked = await auditOf(made.ledger, [made.target]);
  expect(locked.counts.targets[0]!.archive).toMatchObject({ missing: 0, encrypted: 1, unread: 6 });
});

test("of a part of a ledger, the archive of that part", async () => {
  const { ledger, target } = await archived({ batches: [5, 6, 7] });
  const report = await auditOf(ledger, [target], { range: { from: ledger.now - 2000 } });
  expect(found(report)).toEqual([]);
  expect(report.counts.targets[0]!.archive.receipts).toBeGreaterThan(0);
  expect(report.counts.targets[0]!.archive.receipts).toBeLessThan(19);
});

test("a rotation of the checkpoint key that an archived receipt names is told of with the ledger gone, and what only the new key has signed is not late", async () => {
  const { ledger, target } = await archived({ batches: [4] }, [], (rotated) => {
    rotated.rotateCheckpoint("second");
    rotated.append(3);
    rotated.anchor();
  });
  const [one, two] = ledger.keyring.checkpointKeys.map(({ vkey }) => vkey) as [string, string];
  const gone = async (vkeys: readonly string[]): Promise<unknown> => {
    const { exitCode, findings, failedToCheck } = await auditOf(ledger, [target], { ledgerPath: null, keys: null, vkeys, now: ledger.now + 3 * 3_600_000 });
    return [exitCode, findings.filter(({ severity }) => severity !== "note").map(({ code }) => code), failedToCheck];
  };
  expect(await gone([one])).toEqual([2, [], [expect.stringContaining(`an archived receipt before the anchor of 8 receipts names ${two} as the ledger's next one`)]]);
  expect(await gone([one, two])).toEqual([1, ["anchor_late"], []]);
});

test("a ratchet_break is told of with the ledger gone, too, and is a note where it is known", async () => {
  const { ledger, target } = await archived({ batches: [4], tail: 2 }, [], (broken) => broken.breakRatchet("key_v2"));
  const gone = async (...accepted: readonly string[]): Promise<unknown> => {
    const { exitCode, findings } = await auditOf(ledger, [target], { ledgerPath: null, keys: null, acceptedBreaks: new Set(accepted) });
    return [exitCode, findings.map(({ severity, code, logIndex }) => [severity, code, logIndex])];
  };
  expect(await gone()).toEqual([1, [["violation", "ratchet_break", 8]]]);
  expect(await gone("key_v2")).toEqual([1, [["violation", "ratchet_break", 8]]]);
  expect(await gone(...ledger.breaks)).toEqual([0, [["note", "ratchet_break", 8]]]);
});
