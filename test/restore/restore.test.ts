/** A ledger built again from a target: all of it or nothing, whatever lies there, and audited. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { Archive } from "../../src/anchor/archive.ts";
import { createOutbox, openOutbox } from "../../src/anchor/outbox.ts";
import { type AnchorTarget, TargetError } from "../../src/anchor/target.ts";
import { auditHash } from "../../src/audit/hash.ts";
import { checkpointPeriods } from "../../src/daemon/checkpoint-key.ts";
import { toHex } from "../../src/format/bytes.ts";
import { requestKey } from "../../src/format/mac.ts";
import { formatObjectName, parseObjectName } from "../../src/format/names.ts";
import { parseNote, parseVkey, vkeyText } from "../../src/format/note.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import type { Reader } from "../../src/ledger/reader.ts";
import { restore, type RestoreOptions } from "../../src/restore/restore.ts";
import { Bench, LEDGER } from "../anchor/support.ts";
import { auditOf } from "../audit/support.ts";
import { TestLedger } from "../support/ledger.ts";
import type { MemoryTarget } from "../support/memory-target.ts";
import { publish, publishToDirectory } from "../support/publish.ts";

const benches: Bench[] = [];
const folders: string[] = [];
afterEach(async () => {
  while (benches.length > 0) await benches.pop()!.dispose();
  while (folders.length > 0) rmSync(folders.pop()!, { recursive: true, force: true });
});

interface Lost {
  readonly on: Bench;
  readonly target: MemoryTarget;
  /** A new host's folder. */
  readonly dir: string;
  restore(changes?: Partial<RestoreOptions>): ReturnType<typeof restore>;
}

/** A ledger whose anchors are all published with its receipts. */
async function published(options: ConstructorParameters<typeof Bench>[0], recipients: readonly string[] = [], fill?: (ledger: TestLedger) => void): Promise<Lost> {
  const on = new Bench(options);
  benches.push(on);
  fill?.(on.ledger);
  const target = on.memory("source");
  const running = on.publisher([target], { archive: new Archive(on.reader(), { folder: join(on.ledger.dir, "archive"), recipients }) });
  await running.publisher.start();
  await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
  await running.stop();
  const dir = mkdtempSync(join(tmpdir(), "receiptd-restore-"));
  folders.push(dir);
  const { requestSecret } = on.ledger.keyring;
  return {
    on, target, dir,
    restore: (changes = {}) => restore({
      target, others: [], ledger: LEDGER, vkeys: [parseVkey(on.ledger.vkey)], identities: [], requestKey: requestKey(requestSecret, LEDGER.ledgerId, nodeHash),
      ledgerPath: join(dir, "ledger.db"), outboxPath: join(dir, "anchor.db"), keepsPart: false, ...changes,
    }),
  };
}

/** Every row and blob is as it was. */
function expectSame(lost: Lost, size = lost.on.anchored()): void {
  const [before, after] = [lost.on.reader(), lost.on.reader(join(lost.dir, "ledger.db"))];
  expect(after.identity()).toEqual(before.identity());
  expect(after.size()).toBe(size);
  expect(after.page(0, size, size)).toEqual(before.page(0, size, size));
  expect(after.organizations()).toEqual(before.organizations().filter(({ firstIndex }) => firstIndex < size));
  expect(after.anchors(0, 1000)).toEqual(before.anchors(0, 1000).filter(({ treeSize }) => treeSize <= size));
}

const names = (lost: Lost, kind: string): string[] => [...lost.target.objects.keys()].filter((name) => name.includes(`${LEDGER.ledgerId}/${kind}/`)).sort();

function put(target: MemoryTarget, name: string, bytes: Uint8Array): void {
  target.objects.set(name, { bytes, lastModified: 1 });
}

/** The lost host's outbox, on the new one. */
function takeOutbox({ on, dir }: Lost): void {
  openOutbox(on.outboxPath, LEDGER).close(); // empties its write-ahead log
  copyFileSync(on.outboxPath, join(dir, "anchor.db"));
}

/** Another object of receipts `first` to `last`, under the right hash. */
function putReceipts(target: MemoryTarget, firstIndex: number, lastIndex: number, lines: readonly Uint8Array[], level = 9): string {
  const bytes = gzipSync(Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])), { level });
  const name = formatObjectName(LEDGER, { kind: "receipts", firstIndex, lastIndex, sha256: toHex(nodeHash.sha256(bytes)), isEncrypted: false });
  put(target, name, bytes);
  return name;
}

function linesOf(lost: Lost, firstIndex: number, lastIndex: number): Uint8Array[] {
  return lost.on.reader().page(firstIndex, lastIndex + 1, 100_000).map(({ blob }) => blob!);
}

describe("everything that is anchored", () => {
  test("is back, with every row of the index, and passes the audit", async () => {
    const lost = await published({ batches: [5, 0, 700, 3], tail: 4, organizations: 5 });
    const report = await lost.restore();
    expect(report).toMatchObject({ receipts: lost.on.anchored(), anchors: 4, stop: null, isKept: true, setAside: 0 });
    expect(readdirSync(lost.dir).sort()).toEqual(["anchor.db", "ledger.db", "ledger.db.lock"]);
    expectSame(lost);
    const audited = await auditOf({ path: join(lost.dir, "ledger.db"), now: lost.on.ledger.now }, [await publishToDirectory(lost.on.ledger, "local")]);
    expect([audited.sentence, audited.exitCode]).toEqual([expect.any(String), 0]);
  });

  test("is back from an encrypted archive with the identity, and without it nothing is", async () => {
    const identity = await generateX25519Identity();
    const lost = await published({ batches: [5, 6] }, [await identityToRecipient(identity), await identityToRecipient(await generateX25519Identity())]);
    for (const identities of [[], [await generateX25519Identity()]]) {
      expect(await lost.restore({ identities })).toMatchObject({ receipts: 0, isKept: false, stop: { code: "archive_encrypted" } });
      expect(readdirSync(lost.dir)).toEqual(["ledger.db.lock"]);
    }
    expect(await lost.restore({ identities: [identity] })).toMatchObject({ stop: null, isKept: true });
    expectSame(lost);
  });

  test("without the keyring is back but for request_mac", async () => {
    const lost = await published({ batches: [5] });
    await lost.restore({ requestKey: null });
    const reader = lost.on.reader(join(lost.dir, "ledger.db"));
    expect(reader.page(0, 10, 10).map(({ requestMac }) => requestMac)).toEqual(Array.from({ length: 7 }, () => null));
    const audited = await auditOf({ path: join(lost.dir, "ledger.db"), now: lost.on.ledger.now }, [await publishToDirectory(lost.on.ledger, "local")], { keys: null });
    expect(audited.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
  });

  test("the outbox knows what was signed and what the target has", async () => {
    const lost = await published({ batches: [5, 6, 7] });
    await lost.restore();
    const [before, after] = [lost.on.outbox(), openOutbox(join(lost.dir, "anchor.db"), LEDGER)];
    try {
      expect(after.signedSize()).toBe(before.signedSize());
      expect(after.newest()).toEqual(before.newest());
      for (const { treeSize } of lost.on.reader().anchors(0, 10)) expect(after.note(treeSize)).toBe(before.note(treeSize));
      expect(after.confirmed("source")).toEqual(before.confirmed("source"));
    } finally {
      after.close();
    }
  });

  test("and what other targets have: the newest anchor there that is the ledger's", async () => {
    const lost = await published({ batches: [5, 6, 7] });
    const [ahead, behind, silent] = [lost.on.memory("ahead"), lost.on.memory("behind"), lost.on.memory("silent")];
    for (const [name, { bytes }] of lost.target.objects) put(ahead, name, bytes);
    for (const name of names(lost, "anchors").slice(0, 2)) put(behind, name, lost.target.objects.get(name)!.bytes);
    const [newest] = names(lost, "anchors").slice(2);
    put(behind, newest!.replace(/-[0-9a-f]{64}/, `-${"0".repeat(64)}`), Buffer.from("junk"));
    silent.before = () => { throw new TargetError("target_unavailable", "down"); };
    expect(await lost.restore({ others: [ahead, behind, silent] })).toMatchObject({ unanswered: ["silent"] });
    const outbox = openOutbox(join(lost.dir, "anchor.db"), LEDGER);
    try {
      expect(["ahead", "behind", "silent"].map((name) => outbox.confirmed(name)?.treeSize)).toEqual([lost.on.anchored(), 14, undefined]);
    } finally {
      outbox.close();
    }
  });

  test("an outbox that is there is kept, one of another ledger refused", async () => {
    const lost = await published({ batches: [5] });
    takeOutbox(lost);
    const before = readFileSync(join(lost.dir, "anchor.db"));
    await expect(lost.restore({ ledger: { ...LEDGER, ledgerId: "f".repeat(32) } })).rejects.toMatchObject({ code: "wrong_ledger" });
    expect(existsSync(join(lost.dir, "ledger.db"))).toBe(false);
    expect(await lost.restore()).toMatchObject({ isKept: true, isWitnessed: true, stop: null });
    expect(readFileSync(join(lost.dir, "anchor.db"))).toEqual(before);
  });

  test("an outbox that knows of anchors which are gone stops it, and says whether they were confirmed", async () => {
    const lost = await published({ batches: [5, 6, 7] });
    expect(await lost.restore()).toMatchObject({ stop: null, isWitnessed: false });
    for (const name of ["ledger.db", "anchor.db"]) rmSync(join(lost.dir, name));
    takeOutbox(lost);
    lost.target.objects.delete(names(lost, "anchors").at(-1)!);
    const none = await lost.restore();
    expect(none).toMatchObject({ isKept: false, isWitnessed: true, receipts: 14, stop: { code: "anchor_missing", message: expect.stringMatching(/source had confirmed the anchor of 22 receipts/) } });
    expect(existsSync(join(lost.dir, "ledger.db"))).toBe(false);
    expect(await lost.restore({ keepsPart: true })).toMatchObject({ isKept: true, receipts: 14, stop: { code: "anchor_missing" } });
  });

  test("an older copy of the outbox is no witness of what came after it, and gets what was signed since", async () => {
    const lost = await published({ batches: [5] });
    takeOutbox(lost);
    lost.on.ledger.append(3);
    lost.on.ledger.anchor();
    const running = lost.on.publisher([lost.target], { archive: new Archive(lost.on.reader(), { folder: join(lost.on.ledger.dir, "archive"), recipients: [] }) });
    await running.publisher.start();
    await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === lost.on.anchored());
    await running.stop();
    expect(await lost.restore()).toMatchObject({ receipts: lost.on.anchored(), stop: null, isWitnessed: false });
    const outbox = openOutbox(join(lost.dir, "anchor.db"), LEDGER);
    expect(outbox.note(lost.on.anchored())).toBe(lost.on.outbox().note(lost.on.anchored()));
    outbox.close();
  });

  test("one that has signed what no target has confirmed, or another past, stops it too", async () => {
    const lost = await published({ batches: [5] });
    const path = join(lost.dir, "anchor.db");
    const signing = (treeSize: number): void => {
      rmSync(path, { force: true });
      createOutbox(path, LEDGER);
      const outbox = openOutbox(path, LEDGER);
      outbox.reserve([{ treeSize, root: new Uint8Array(32) }]);
      outbox.close();
    };
    signing(9);
    expect((await lost.restore()).stop).toMatchObject({ code: "anchor_missing", message: expect.stringContaining("no target had confirmed") });
    signing(7);
    expect((await lost.restore()).stop).toMatchObject({ code: "fork" });
  });

  test("a ledger that is there is not replaced", async () => {
    const lost = await published({ batches: [5] });
    writeFileSync(join(lost.dir, "ledger.db"), "mine");
    await expect(lost.restore()).rejects.toMatchObject({ code: "ledger_exists" });
    expect(readFileSync(join(lost.dir, "ledger.db"), "utf8")).toBe("mine");
  });

  test("what a restore left that was cut is replaced", async () => {
    const lost = await published({ batches: [5] });
    let calls = 0;
    lost.target.before = () => { if (calls++ === 4) throw new Error("dead"); };
    await expect(lost.restore()).rejects.toThrow("dead");
    lost.target.before = () => undefined;
    for (const name of ["ledger.db.new", "ledger.db.new-wal", "anchor.db.restored", "anchor.db.restored-wal"]) writeFileSync(join(lost.dir, name), "half");
    expect((await lost.restore()).stop).toBeNull();
    expect(readdirSync(lost.dir).sort()).toEqual(["anchor.db", "ledger.db", "ledger.db.lock"]);
    expectSame(lost);
  });
});

describe("what is missing", () => {
  test.each([["receipts", "not_archived"], ["batches", "batch_missing"], ["anchors", "anchor_link_mismatch"]])("%s: it stops there, and keeps nothing or the part before", async (kind, code) => {
    const lost = await published({ batches: [5, 6, 7] });
    const [, second] = names(lost, kind);
    lost.target.objects.delete(second!);
    const none = await lost.restore();
    expect(none).toMatchObject({ isKept: false, receipts: 7, anchors: 1, stop: { code } });
    expect(readdirSync(lost.dir)).toEqual(["ledger.db.lock"]);
    const part = await lost.restore({ keepsPart: true });
    expect(part).toMatchObject({ isKept: true, receipts: 7, anchors: 1, stop: { code } });
    expectSame(lost, 7);
  });

  test("no archive at all, or no anchors", async () => {
    const lost = await published({ batches: [5] });
    for (const name of names(lost, "receipts")) lost.target.objects.delete(name);
    expect(await lost.restore({ keepsPart: true })).toMatchObject({ isKept: false, receipts: 0, stop: { code: "not_archived" } });
    lost.target.objects.clear();
    expect(await lost.restore({ keepsPart: true })).toMatchObject({ isKept: false, stop: { code: "no_anchors" } });
    expect(readdirSync(lost.dir)).toEqual(["ledger.db.lock"]);
  });

  test("two pasts that were signed: it stops before them", async () => {
    const lost = await published({ batches: [5, 6] });
    const other = await published({ batches: [5] }, [], (ledger) => {
      ledger.append(6, () => ({ summary: "another past" }));
      ledger.anchor();
    });
    for (const name of names(other, "anchors").slice(1)) put(lost.target, name, other.target.objects.get(name)!.bytes);
    expect(await lost.restore()).toMatchObject({ isKept: false, receipts: 7, stop: { code: "fork" } });
  });
});

describe("what somebody put there", () => {
  test("flipped bits in any archive object stop it, unless another object has the receipts", async () => {
    const lost = await published({ batches: [40] });
    const [name] = names(lost, "receipts");
    const { bytes } = lost.target.objects.get(name!)!;
    const some = Array.from({ length: Math.ceil(bytes.length / 131) }, (_, i) => 131 * i);
    for (const at of [...some, bytes.length - 8, bytes.length - 4]) { // gzip's checksum and length are at the end
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << (at % 8);
      put(lost.target, name!, flipped);
      expect(await lost.restore(), String(at)).toMatchObject({ isKept: false, stop: { code: "not_archived" }, setAside: 1 });
    }
    putReceipts(lost.target, 0, 40, linesOf(lost, 0, 40), 1);
    expect(await lost.restore()).toMatchObject({ stop: null, setAside: 1 });
    expectSame(lost);
  });

  test("objects under the right hash with other receipts, too few, too many, or no receipts at all", async () => {
    const lost = await published({ batches: [5, 6] });
    const lines = linesOf(lost, 0, 5);
    const changed = [...lines.slice(0, 5), Buffer.from(String(Buffer.from(lines[5]!)).replace("loan", "lean"))];
    putReceipts(lost.target, 0, 5, changed);
    putReceipts(lost.target, 0, 5, lines.slice(0, 5));
    putReceipts(lost.target, 0, 4, lines);
    putReceipts(lost.target, 0, 9, linesOf(lost, 0, 9)); // over an anchor
    putReceipts(lost.target, 6, 6, linesOf(lost, 6, 6)); // an anchor receipt
    put(lost.target, `v1/${LEDGER.origin}/${LEDGER.ledgerId}/receipts/junk`, Buffer.from("junk"));
    const bytes = Buffer.from("not gzip");
    put(lost.target, formatObjectName(LEDGER, { kind: "receipts", firstIndex: 0, lastIndex: 5, sha256: toHex(nodeHash.sha256(bytes)), isEncrypted: true }), bytes);
    expect(await lost.restore()).toMatchObject({ stop: null, isKept: true });
    expectSame(lost);
  });

  test("receipts cut in other ways: overlapping, one by one, and half of them flipped", async () => {
    const lost = await published({ batches: [20] });
    for (const name of names(lost, "receipts")) lost.target.objects.delete(name);
    for (const [first, last] of [[0, 8], [0, 3], [5, 12], [9, 9], [12, 20]] as const) putReceipts(lost.target, first, last, linesOf(lost, first, last));
    expect(await lost.restore()).toMatchObject({ stop: null });
    expectSame(lost);
    rmSync(join(lost.dir, "ledger.db"));
    for (const name of names(lost, "receipts")) if (/-0*(8|9)-/.test(name)) lost.target.objects.delete(name);
    expect(await lost.restore()).toMatchObject({ isKept: false, stop: { code: "not_archived", message: expect.stringContaining("receipt 4 ") } });
  });

  test("batch objects of the same range with another root do not count", async () => {
    const lost = await published({ batches: [5] });
    const [name] = names(lost, "batches");
    const bytes = lost.target.objects.get(name!)!.bytes.slice();
    bytes[40]! ^= 1;
    const parsed = parseObjectName(LEDGER, name!);
    put(lost.target, formatObjectName(LEDGER, { ...parsed, sha256: toHex(nodeHash.sha256(bytes)) }), bytes);
    expect(await lost.restore()).toMatchObject({ stop: null, setAside: 1 });
    expectSame(lost);
  });

  test("anchors that a rotated checkpoint key has signed behind its time do not count, and a rotation's anchor keeps both signatures", async () => {
    let rotated = 0;
    const lost = await published({ batches: [3] }, [], (ledger) => {
      rotated = ledger.rotateCheckpoint("second");
      ledger.append(2);
      ledger.anchor();
    });
    const { keyring } = lost.on.ledger;
    const forged = new TestLedger({ batches: [3, 1, 20] });
    const theirs = lost.on.memory("theirs");
    await publish(forged, theirs, { after: rotated });
    forged.remove();
    const half = lost.on.memory("half");
    await publish(lost.on.ledger, half, { signedBy: () => keyring.checkpointKeys.slice(0, 1) });
    for (const [name, object] of [...theirs.objects, ...[...half.objects].filter(([one]) => one.includes(`/anchors/${String(rotated).padStart(20, "0")}`))]) {
      if (name.includes("/anchors/")) lost.target.objects.set(name, { ...object, lastModified: 1 });
    }
    const vkeys = keyring.checkpointKeys.map(({ vkey }) => parseVkey(vkey));
    expect(await lost.restore({ vkeys })).toMatchObject({ receipts: lost.on.anchored(), stop: null, isKept: true, setAside: 1, rotatedTo: vkeyText(vkeys[1]!) });
    const outbox = openOutbox(join(lost.dir, "anchor.db"), LEDGER);
    expect(parseNote(outbox.note(rotated)!).signatures.map(({ keyId }) => keyId)).toEqual(vkeys.map(({ keyId }) => keyId));
    outbox.close();
    expectSame(lost);
  });

  test.each([[true], [false]])("a rotation to a key that is neither pinned nor in the keyring is not the end, whether or not more came behind it: %s", async (goesOn) => {
    let rotated = 0;
    const lost = await published({ batches: [3] }, [], (ledger) => {
      rotated = ledger.rotateCheckpoint("second");
      if (goesOn) {
        ledger.append(2);
        ledger.anchor();
      }
    });
    const [first, second] = lost.on.ledger.keyring.checkpointKeys;
    const none = await lost.restore();
    expect(none).toMatchObject({ isKept: false, receipts: rotated, rotatedTo: second!.vkey, stop: { code: "vkey_unknown", message: expect.stringMatching(/the newest backup of the keyring in its place, or pin that key/) as unknown } });
    expect(none.stop!.message).toContain(second!.vkey);
    expect(readdirSync(lost.dir).filter((name) => !name.endsWith(".lock"))).toEqual([]);
    expect(await lost.restore({ keepsPart: true })).toMatchObject({ isKept: true, receipts: rotated, rotatedTo: second!.vkey, stop: { code: "vkey_unknown" } });
    const reader = lost.on.reader(join(lost.dir, "ledger.db"));
    let refused: unknown;
    try {
      checkpointPeriods(reader, [first!]);
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: "key_missing" }); // what is kept is read, and no daemon goes on from it with that keyring
  });

  test("anchors of another key do not count", async () => {
    const lost = await published({ batches: [5] });
    const stranger = await published({ seed: "another", batches: [9] });
    for (const [name, { bytes }] of stranger.target.objects) put(lost.target, name, bytes);
    expect((await lost.restore()).stop).toBeNull();
    expectSame(lost);
  });
});

describe("much", () => {
  // the largest batch there is takes half a minute: with RECEIPTD_LONG=1
  const many = process.env["RECEIPTD_LONG"] === "1" ? 65_535 : 3000;
  test(`a batch of ${many} receipts, and receipts of 1 MiB, in bounded memory`, async () => {
    const lost = await published({}, [], (ledger) => {
      ledger.append(many);
      ledger.anchor();
      ledger.append(24, (n) => ({ inputs: { n, text: "x".repeat(1_000_000) } }));
      ledger.anchor();
    });
    const before = process.memoryUsage().rss;
    let peak = before;
    await restoreWatching(lost, () => { peak = Math.max(peak, process.memoryUsage().rss); });
    expect(peak - before).toBeLessThan(many > 10_000 ? 220 * 2 ** 20 : 160 * 2 ** 20);
    const reader: Reader = lost.on.reader(join(lost.dir, "ledger.db"));
    const size = lost.on.anchored();
    expect(reader.size()).toBe(size);
    expect(toHex(reader.rootAt(size))).toBe(toHex(lost.on.reader().rootAt(size)));
  }, 120_000);
});

async function restoreWatching(lost: Lost, watch: () => void): Promise<void> {
  const { target } = lost;
  const watched: AnchorTarget = {
    name: target.name, trustedTime: true, retain: null, put: (name, bytes) => target.put(name, bytes), list: (prefix, after) => target.list(prefix, after),
    get: async (version, maxBytes) => {
      watch();
      return await target.get(version, maxBytes);
    },
  };
  const report = await restore({
    target: watched, others: [], ledger: LEDGER, vkeys: [parseVkey(lost.on.ledger.vkey)], identities: [],
    requestKey: requestKey(lost.on.ledger.keyring.requestSecret, LEDGER.ledgerId, auditHash),
    ledgerPath: join(lost.dir, "ledger.db"), outboxPath: join(lost.dir, "anchor.db"), keepsPart: false,
  }, { onProgress: watch });
  expect(report.stop).toBeNull();
}
