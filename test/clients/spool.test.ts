/** The spool: what it took is delivered once, in order, whatever happened; what it cannot take is refused. */
import fs, { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client, type ClientOptions, type ReceiptInput, receipted, type SpoolReport } from "../../src/clients/index.ts";
import { errorLine, type FakeDaemon, fakeDaemon, resultLine } from "../cli/fake-daemon.ts";
import { must, serveHere } from "../cli/here.ts";
import { Host } from "../cli/host.ts";
import { acknowledge, errorOf, RECEIPT, refuse, stored } from "./support.ts";

const ID = "0192aaaa-0000-7000-8000-00000000000";
let dir: string;
let fake: FakeDaemon | null = null;
let reports: (SpoolReport & { kind: string })[];
const clients: Client[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-spool-"));
  reports = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await fake?.stop();
  fake = null;
  rmSync(dir, { recursive: true, force: true });
});

const folder = (part: string): string => join(dir, "spool", part);
const names = (part: string): string[] => readdirSync(folder(part)).sort();
/** A client with a spool; without a daemon unless one is named. */
function open(options: ClientOptions = {}): Client {
  const client = new Client({ socket: join(dir, "none"), spool: join(dir, "spool"), spoolWaitMs: 100, timeoutMs: 2000, onRefused: (report) => reports.push({ kind: "refused", ...report }), onDamaged: (report) => reports.push({ kind: "damaged", ...report }), ...options });
  clients.push(client);
  return client;
}
const sent = (): ReceiptInput[] => fake!.calls.map(({ params }) => params.receipt as ReceiptInput);
/** Writes an entry as any program may, to this layout. */
function write(stamp: number, receipt: object, { id = (receipt as { receipt_id: string }).receipt_id, crc = "" } = {}): string {
  mkdirSync(folder("pending"), { recursive: true });
  const json = JSON.stringify(receipt);
  const name = `${String(stamp).padStart(16, "0")}-${id}.entry`;
  writeFileSync(join(folder("pending"), name), `${crc || crc32(json).toString(16).padStart(8, "0")} ${json}\n`);
  return name;
}

test("no daemon: queued, on the disk, marked; then delivered in the very same bytes", async () => {
  const client = open();
  const before = new Date().toISOString();
  const queued = await client.append({ ...RECEIPT, metadata: { trace: "t" } });
  expect(queued).toEqual({ queued: true, receiptId: expect.any(String), queuedAt: expect.any(String), reason: "unreachable", duplicate: false });
  expect(client.spool).toMatchObject({ pending: 1, refused: 0, damaged: 0, bytes: expect.any(Number) });
  const [name] = names("pending");
  expect(name).toMatch(new RegExp(`^\\d{16}-${queued.receiptId}\\.entry$`));
  const line = readFileSync(join(folder("pending"), name!), "utf8");
  const [, crc, json] = /^([0-9a-f]{8}) (.*)\n$/.exec(line)!;
  expect(Number.parseInt(crc!, 16)).toBe(crc32(json!));
  const receipt = JSON.parse(json!) as ReceiptInput;
  expect(receipt).toEqual({ ...RECEIPT, receipt_id: queued.receiptId, timestamp: expect.any(String), metadata: { trace: "t", receiptd_spooled: { queued_at: (queued as { queuedAt: string }).queuedAt, reason: "unreachable" } } });
  expect(receipt.timestamp! >= before).toBe(true);
  expect([statSync(folder("pending")).mode & 0o777, statSync(join(folder("pending"), name!)).mode & 0o777]).toEqual([0o700, 0o600]);
  await client.close();

  fake = await fakeDaemon(acknowledge);
  const next = open({ socket: fake.path });
  expect(await next.spool!.flush(5000)).toBe(true);
  expect(fake.calls.map(({ params }) => JSON.stringify(params))).toEqual([`{"receipt":${json},"ack":"disk"}`]);
  expect([names("pending"), next.spool!.pending, next.spool!.bytes]).toEqual([[], 0, 0]);
});

test("the real daemon, later: all of them, once, in order, each with its mark", async () => {
  const host = new Host();
  await must(host, ["init"]);
  const client = open({ socket: host.path("receiptd-data/receiptd.sock"), spoolWaitMs: 20, timeoutMs: 10_000, breaker: { failures: 3, openMs: 60_000 } });
  const queued = [];
  for (let n = 0; n < 30; n++) queued.push(await client.append({ ...RECEIPT, inputs: { n } }));
  expect(client.circuit.state).toBe("open");
  const daemon = await serveHere(host);
  expect(await client.spool!.flush(20_000)).toBe(true);
  expect(client.circuit.state).toBe("closed"); // what was delivered has shown that it is there
  for (const [at, { receiptId }] of queued.entries()) {
    const { receipt, orgSeq } = await client.get(receiptId);
    expect({ orgSeq, inputs: receipt["inputs"] }).toEqual({ orgSeq: at + 1, inputs: { n: at } });
    expect(receipt["metadata"]).toMatchObject({ receiptd_spooled: { reason: at < 3 ? "unreachable" : "circuit_open" } });
  }
  expect((await client.head("default")).orgSeq).toBe(30);
  daemon.child.kill();
  await daemon.ended;
  await host.remove();
});

test("nobody knows whether it is stored: the very same bytes, without a mark", async () => {
  fake = await fakeDaemon((call, socket, connection) => (connection === 1 ? undefined : acknowledge(call, socket)));
  const client = open({ socket: fake.path });
  expect(await client.append(RECEIPT)).toMatchObject({ queued: true, reason: "timeout" });
  expect(await client.spool!.flush(5000)).toBe(true);
  const [first, second] = sent();
  expect(JSON.stringify(second)).toBe(JSON.stringify(first));
  expect([first!.metadata, typeof first!.timestamp]).toEqual([undefined, "string"]);
});

test("always: the daemon is not asked first", async () => {
  fake = await fakeDaemon(acknowledge);
  const client = open({ socket: fake.path, spoolMode: "always" });
  expect(await Promise.all([client.append(RECEIPT), client.append(RECEIPT)])).toMatchObject([{ queued: true, reason: "always" }, { queued: true }]);
  expect(await client.spool!.flush(5000)).toBe(true);
  expect(fake.calls.length).toBe(2);
});

test("a decision is handed out once the spool has it, and not before", async () => {
  const client = open();
  const decide = receipted(({ n }: { readonly n: number }) => n, { client, systemId: "s" });
  expect(await decide({ n: 1 })).toBe(1);
  expect(client.spool!.pending).toBe(1);
  rmSync(folder("pending"), { recursive: true });
  expect(await errorOf(decide({ n: 2 }))).toMatchObject({ name: "ReceiptUnavailable", code: "spool_failed", maybeStored: false });
});

test("a daemon that refuses on purpose, and then says nothing, is not got round either", async () => {
  fake = await fakeDaemon((call, socket) => void (fake!.calls.length === 1 && socket.write(errorLine(call.id, "anchoring_overdue", true))));
  const client = open({ socket: fake.path, spoolWaitMs: 1000 });
  expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code: "timeout", because: "anchoring_overdue" });
  expect(names("pending")).toEqual([]);
});

test.each(["ledger_behind", "forked", "ledger_failed", "internal"])("%s is not got round by way of the spool, also while the circuit is open", async (code) => {
  fake = await fakeDaemon((call, socket) => refuse(call, socket, code));
  const client = open({ socket: fake.path, spoolWaitMs: 5000, timeoutMs: 5000, breaker: { failures: 1 } });
  expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code });
  expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code: "circuit_open", because: code });
  expect(client.spool!.pending).toBe(0);
});

test("several of which one cannot be written: none is left", async () => {
  const client = open({ spoolMode: "always" });
  const later = Date.now() + 1_000_000;
  vi.spyOn(Date, "now").mockReturnValue(later); // so that the second's name is known
  try {
    const second = `${String(later * 1000 + 1).padStart(16, "0")}-${ID}2.tmp`;
    mkdirSync(join(folder("pending"), second));
    const error = await errorOf(client.appendMany([1, 2, 3].map((n) => ({ ...RECEIPT, receipt_id: `${ID}${n}` }))));
    expect(error).toMatchObject({ code: "spool_failed", receiptId: `${ID}2`, maybeStored: true });
    expect([names("pending"), client.spool!.pending, client.spool!.bytes]).toEqual([[second], 0, 0]);
  } finally {
    vi.restoreAllMocks();
  }
});

test("full, by number and by bytes: refused", async () => {
  const few = open({ spoolMaxReceipts: 2 });
  await Promise.all([few.append(RECEIPT), few.append(RECEIPT)]);
  expect(await errorOf(few.append(RECEIPT))).toMatchObject({ name: "ReceiptUnavailable", code: "spool_full" });
  expect(await errorOf(few.appendMany([RECEIPT, RECEIPT]))).toMatchObject({ code: "spool_full" });
  await few.close();
  const small = open({ spoolMaxBytes: 1000 });
  expect(small.spool).toMatchObject({ pending: 2 });
  expect(await errorOf(small.append({ ...RECEIPT, summary: "x".repeat(900) }))).toMatchObject({ code: "spool_full" });
  expect(names("pending").length).toBe(2);
});

test("several at a time: each is an entry, in their order", async () => {
  const client = open();
  const queued = await client.appendMany([0, 1, 2].map((n) => ({ ...RECEIPT, inputs: { n } })));
  expect(queued).toMatchObject([{ queued: true, duplicate: false }, { queued: true }, { queued: true }]);
  expect(names("pending").map((name) => name.slice(17, -6))).toEqual(queued.map(({ receiptId }) => receiptId));
});

test("what would be refused for its form is refused now", async () => {
  const client = open();
  expect(await errorOf(client.append({ ...RECEIPT, unknown: 1 }))).toMatchObject({ name: "ReceiptRefused", code: "unknown_field", pointer: "/unknown" });
  expect(await errorOf(client.append({ ...RECEIPT, metadata: [] as never }))).toMatchObject({ code: "bad_value", pointer: "/metadata" });
  expect(client.spool!.pending).toBe(0);
});

test("one receipt twice at once, or in one call: one entry, and never one that the daemon would refuse", async () => {
  const client = open();
  const receipt = { ...RECEIPT, receipt_id: `${ID}1` };
  const both = await Promise.allSettled([client.append(receipt), client.append(receipt)]);
  expect(names("pending").filter((name) => name.endsWith(".entry")).length).toBe(1);
  expect(both.filter(({ status }) => status === "fulfilled").length).toBeGreaterThanOrEqual(1);
  const other = { ...RECEIPT, receipt_id: `${ID}2` };
  expect(await errorOf(client.appendMany([other, other]))).toMatchObject({ code: "conflict", receiptId: `${ID}2` });
  expect(names("pending").length).toBe(1);
});

test("what another program acknowledges, or the daemon only in part, stays", async () => {
  fake = await fakeDaemon(({ id, params }, socket) => void socket.write(resultLine(id, { ...stored(params.receipt?.receipt_id), ack: "wal" })));
  const client = open({ socket: fake.path, spoolMode: "always" });
  await client.append(RECEIPT);
  while (fake.calls.length < 2) await sleep(5);
  expect(names("pending").length).toBe(1);
});

test("an entry that cannot be read is told of, once, and stays; those behind it go", async () => {
  const stuck = `0000000000000001-${ID}1.entry`;
  mkdirSync(join(folder("pending"), stuck), { recursive: true });
  write(2, { ...RECEIPT, receipt_id: `${ID}2` });
  fake = await fakeDaemon(acknowledge);
  const warnings = await warningsOf(async () => {
    const client = open({ socket: fake!.path });
    while (names("pending").length > 1) await sleep(5);
    write(3, { ...RECEIPT, receipt_id: `${ID}3` });
    expect(await client.spool!.flush(200)).toBe(false); // what is left is not called delivered
    expect(await errorOf(client.append({ ...RECEIPT, receipt_id: `${ID}1` }))).toMatchObject({ name: "ReceiptUnavailable", code: "spool_failed", maybeStored: true });
  });
  expect(warnings).toEqual([expect.stringMatching(`^receiptd spool: .*/${stuck} cannot be worked on, and stays where it is: Error: EISDIR`)]);
  expect([sent().map(({ receipt_id }) => receipt_id), names("pending"), reports]).toEqual([[`${ID}2`, `${ID}3`], [stuck], []]);
});

test("nor do entries that cannot be put aside hold up those behind them", async () => {
  const ids = Array.from({ length: 101 }, (_, n) => `0192aaaa-0000-7000-8000-${String(n).padStart(12, "0")}`);
  for (const [at, receipt_id] of ids.entries()) write(at, { ...RECEIPT, receipt_id }, at === 0 ? { crc: "00000000" } : {});
  fake = await fakeDaemon((call, socket) => (call.params.receipt!.receipt_id === ids[100] ? acknowledge(call, socket) : refuse(call, socket, "conflict")));
  await open().close(); // has made the folders
  for (const part of ["refused", "damaged"]) {
    rmSync(folder(part), { recursive: true });
    mkdirSync(folder(part));
    for (const [at, id] of ids.entries()) mkdirSync(join(folder(part), `${String(at).padStart(16, "0")}-${id}.${part === "refused" ? "error" : "entry"}`));
  }
  const warnings = await warningsOf(async () => {
    open({ socket: fake!.path });
    while (names("pending").length > 100) await sleep(5);
  });
  expect(names("pending").map((name) => name.slice(17, -6))).toEqual(ids.slice(0, 100));
  expect(warnings.length).toBe(100);
});

/** What the process was warned of meanwhile. */
async function warningsOf(work: () => Promise<void>): Promise<readonly string[]> {
  const warnings: string[] = [];
  const spy = vi.spyOn(process, "emitWarning").mockImplementation((warning) => void warnings.push(String(warning)));
  await work().finally(() => spy.mockRestore());
  return warnings;
}

test("what was there for a moment may have been delivered", async () => {
  fake = await fakeDaemon(acknowledge);
  const client = open({ socket: fake.path, spoolMode: "always" });
  const handle = await openFile(folder("pending"));
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const sync = Reflect.get(prototype, "sync") as () => Promise<void>;
  const spy = vi.spyOn(prototype, "sync").mockImplementation(async function (this: typeof handle) {
    if (!(await this.stat()).isDirectory()) return await sync.call(this);
    const flushed = client.spool!.flush(20_000); // the sender is faster than the disk
    expect(await flushed).toBe(true);
    throw Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO" });
  });
  try {
    expect(await errorOf(client.append(RECEIPT))).toMatchObject({ code: "spool_failed", maybeStored: true });
    expect(await errorOf(client.appendMany([RECEIPT]))).toMatchObject({ code: "spool_failed", maybeStored: true });
  } finally {
    spy.mockRestore();
  }
  expect([fake.calls.length, names("pending")]).toEqual([2, []]);
});

test("a folder is on the disk with all that leads to it", async () => {
  const synced: string[] = [];
  const { fsyncSync } = fs;
  fs.fsyncSync = (file) => {
    synced.push(readlinkSync(`/proc/self/fd/${file}`));
    fsyncSync(file);
  };
  syncBuiltinESMExports();
  try {
    await open({ spool: join(dir, "a", "b", "c") }).close();
  } finally {
    fs.fsyncSync = fsyncSync;
    syncBuiltinESMExports();
  }
  expect(new Set(synced)).toEqual(new Set([join(dir, "a", "b", "c"), join(dir, "a", "b"), join(dir, "a"), dir]));
});

test("what was given is what is queued, if it is changed meanwhile", async () => {
  const inputs = { score: 1 };
  const metadata = { trace: "t" };
  fake = await fakeDaemon((call, socket) => {
    Object.assign(inputs, { score: 2 });
    Object.assign(metadata, { trace: "other" });
    refuse(call, socket, "overloaded", true);
  });
  await open({ socket: fake.path }).append({ ...RECEIPT, inputs, metadata });
  const [first] = sent();
  expect(first).toMatchObject({ inputs: { score: 1 }, metadata: { trace: "t" } });
  const queued = JSON.parse(readFileSync(join(folder("pending"), names("pending")[0]!), "utf8").slice(9)) as object;
  expect(queued).toEqual({ ...first, metadata: expect.objectContaining({ trace: "t" }) }); // with its mark, unless the last try had no answer in time
});

test("closed in the midst of a delivery: what was acknowledged is gone, all else stays, and goes once", async () => {
  const ids = Array.from({ length: 200 }, (_, n) => `0192aaaa-0000-7000-8000-${String(n).padStart(12, "0")}`);
  const written = ids.map((receipt_id, at) => write(at, { ...RECEIPT, receipt_id }));
  const other = ID.replace("aaaa", "bbbb") + "1";
  let answered = 0;
  fake = await fakeDaemon((call, socket) => {
    if (answered++ < 100) acknowledge(call, socket);
  });
  const first = open({ socket: fake.path, spoolWaitMs: 60_000, timeoutMs: 60_000 });
  while (names("pending").length > 100) await sleep(1);
  const late = errorOf(first.append({ ...RECEIPT, receipt_id: other }));
  while (!sent().some(({ receipt_id }) => receipt_id === other)) await sleep(1); // it is on the way, and gets no answer
  await first.close();
  expect(await late).toMatchObject({ code: "closed", maybeStored: true });
  expect([names("pending"), first.spool!.pending]).toEqual([written.slice(100), 100]);
  await fake.stop();

  fake = await fakeDaemon(acknowledge);
  const next = open({ socket: fake.path });
  expect(await next.spool!.flush(5000)).toBe(true);
  expect(sent().map(({ receipt_id }) => receipt_id)).toEqual(ids.slice(100));
});

test("the same receipt again, while it waits: the same place; another under its id: a conflict", async () => {
  const first = open();
  const receipt = { ...RECEIPT, receipt_id: `${ID}1`, metadata: { a: 1 } };
  expect(await first.append(receipt)).toMatchObject({ queued: true, duplicate: false });
  await first.close();
  for (const client of [open(), open()]) { // also one that found it there
    expect(await client.append(receipt)).toMatchObject({ queued: true, duplicate: true });
    expect(await errorOf(client.append({ ...receipt, decision: "DENY" }))).toMatchObject({ name: "ReceiptRefused", code: "conflict", receiptId: `${ID}1` });
  }
  expect(names("pending").length).toBe(1);
});

test("the daemon refuses it for good: put aside with the reason, counted, told; the others go on", async () => {
  const ids = [1, 2, 3].map((n) => `${ID}${n}`);
  const written = ids.map((receipt_id, at) => write(at, { ...RECEIPT, receipt_id }));
  fake = await fakeDaemon((call, socket) => (call.params.receipt!.receipt_id === ids[1] ? refuse(call, socket, "conflict") : acknowledge(call, socket)));
  const client = open({ socket: fake.path });
  expect(await client.spool!.flush(5000)).toBe(true);
  expect(names("refused")).toEqual([written[1], written[1]!.replace("entry", "error")].sort());
  const why = JSON.parse(readFileSync(join(folder("refused"), written[1]!.replace("entry", "error")), "utf8")) as object;
  expect(why).toEqual({ code: "conflict", message: expect.any(String), pointer: null, refused_at: expect.any(String) });
  expect(reports).toEqual([{ kind: "refused", receiptId: ids[1], code: "conflict", message: expect.any(String), pointer: null, path: join(folder("refused"), written[1]!) }]);
  expect(client.spool).toMatchObject({ pending: 0, refused: 1 });
  expect(sent().map((receipt) => receipt.receipt_id)).toEqual(ids);
});

test.each<readonly [string, (path: string) => void]>([
  ["one bit of it", (path) => writeFileSync(path, readFileSync(path, "utf8").replace("APPROVE", "@PPROVE"))],
  ["its checksum", (path) => writeFileSync(path, `00000000${readFileSync(path, "utf8").slice(8)}`)],
  ["its end", (path) => writeFileSync(path, readFileSync(path).subarray(0, -1))],
  ["a second line", (path) => writeFileSync(path, `${readFileSync(path, "utf8")}\n`)],
  ["all of it", (path) => writeFileSync(path, "")],
  ["its name", (path) => renameSync(path, path.replace(`${ID}2`, `${ID}9`))],
])("damage is put aside and told, and never sent: %s", async (_, harm) => {
  const ids = [1, 2, 3].map((n) => `${ID}${n}`);
  const written = ids.map((receipt_id, at) => write(at, { ...RECEIPT, receipt_id }));
  harm(join(folder("pending"), written[1]!));
  fake = await fakeDaemon(acknowledge);
  const client = open({ socket: fake.path });
  expect(await client.spool!.flush(5000)).toBe(true);
  expect(sent().map((receipt) => receipt.receipt_id)).toEqual([ids[0], ids[2]]);
  expect([names("damaged").length, client.spool!.damaged]).toEqual([1, 1]);
  expect(reports).toMatchObject([{ kind: "damaged", code: "spool_damaged" }]);
});

test("what was being written when its process ended is nobody's, once it is old; other names are left alone", async () => {
  mkdirSync(folder("pending"), { recursive: true });
  for (const name of [`${"0".repeat(16)}-${ID}1.tmp`, `${"0".repeat(16)}-${ID}2.tmp`, "notes.txt"]) writeFileSync(join(folder("pending"), name), "half");
  utimesSync(join(folder("pending"), `${"0".repeat(16)}-${ID}1.tmp`), 0, 0);
  expect(open().spool!.pending).toBe(0);
  expect(names("pending")).toEqual([`${"0".repeat(16)}-${ID}2.tmp`, "notes.txt"]);
});

test("trouble on the way: it goes on with the first that is left, and nothing is lost", async () => {
  const ids = Array.from({ length: 200 }, (_, n) => `0192aaaa-0000-7000-8000-${String(n).padStart(12, "0")}`);
  for (const [at, receipt_id] of ids.entries()) write(at, { ...RECEIPT, receipt_id });
  let calls = 0;
  const taken = new Set<string>();
  fake = await fakeDaemon((call, socket) => {
    calls++;
    if (calls % 61 === 0) return void socket.destroy();
    if (calls % 83 === 0) return refuse(call, socket, "disk_full", true);
    if (calls % 97 === 0) return refuse(call, socket, "ledger_failed");
    taken.add(call.params.receipt!.receipt_id);
    acknowledge(call, socket);
  });
  const client = open({ socket: fake.path });
  expect(await client.spool!.flush(20_000)).toBe(true);
  expect([...taken].sort()).toEqual(ids);
  expect([client.spool!.refused, client.spool!.damaged, reports]).toEqual([0, 0, []]);
});

test("one sends at a time; the lock of a process that is gone is taken", async () => {
  mkdirSync(join(dir, "spool"));
  writeFileSync(join(dir, "spool/sender.lock"), '{"pid":4194304,"token":"ab","at":"2026-01-01T00:00:00Z"}\n');
  fake = await fakeDaemon(acknowledge);
  write(1, { ...RECEIPT, receipt_id: `${ID}1` });
  const first = open({ socket: fake.path });
  expect(await first.spool!.flush(5000)).toBe(true);
  const { pid } = JSON.parse(readFileSync(join(dir, "spool/sender.lock"), "utf8")) as { pid: number };
  expect(pid).toBe(process.pid);
  const second = open({ socket: fake.path });
  write(2, { ...RECEIPT, receipt_id: `${ID}2` });
  expect(await second.spool!.flush(5000)).toBe(true); // the first one sends it
  await first.close();
  expect(readdirSync(join(dir, "spool"))).not.toContain("sender.lock");
  write(3, { ...RECEIPT, receipt_id: `${ID}3` });
  expect(await second.spool!.flush(5000)).toBe(true);
  expect(sent().map((receipt) => receipt.receipt_id)).toEqual([1, 2, 3].map((n) => `${ID}${n}`));
});

test("a lock of somebody who lives is respected, until it gives no sign of life", async () => {
  mkdirSync(join(dir, "spool"));
  const lock = join(dir, "spool/sender.lock");
  writeFileSync(lock, `{"pid":${process.ppid},"token":"ab","at":"2026-01-01T00:00:00Z"}\n`);
  write(1, { ...RECEIPT, receipt_id: `${ID}1` });
  fake = await fakeDaemon(acknowledge);
  const client = open({ socket: fake.path });
  await sleep(100);
  expect(fake.calls).toEqual([]);
  utimesSync(lock, new Date(Date.now() - 31_000), new Date(Date.now() - 31_000));
  expect(await client.spool!.flush(5000)).toBe(true);
});

test("a folder that cannot be one", () => {
  writeFileSync(join(dir, "spool"), "a file");
  expect(() => open()).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringContaining("not a folder") }));
});

test.each<readonly [string, ClientOptions]>([
  ["spoolMode", { spoolMode: "fallbck" as never }], ["spoolWaitMs", { spoolWaitMs: -1 }], ["onRefused", { onRefused: "log" as never }], ["onDamaged", { onDamaged: null as never }], ["breaker.openMs", { breaker: { openMs: Number.NaN } }], ["spoolMaxBytes", { spoolMaxBytes: Number.NaN }], ["spoolMaxReceipts", { spoolMaxReceipts: 0.5 }],
])("a setting that cannot be meant: %s, and no folder is made for it", (name, options) => {
  expect(() => open(options)).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringMatching(`^${name}: `) }));
  expect(existsSync(join(dir, "spool"))).toBe(false);
});

test.each([Number.NaN, -1, "5" as never])("flush: %s is no time", async (timeoutMs) => {
  expect(await errorOf(open().spool!.flush(timeoutMs))).toMatchObject({ code: "bad_setting" });
});

test.each(["", "pending", "refused", "damaged"])("a folder that others may write to is refused: spool/%s", async (part) => {
  const path = join(dir, "spool", part);
  await open().close(); // has made them
  chmodSync(path, 0o770);
  expect(() => open()).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringContaining(`${path.replace(/\/$/, "")}: chmod go-w`) }));
  chmodSync(path, 0o755);
  expect(open().spool!.pending).toBe(0);
});

test.runIf(process.geteuid!() === 0)("a folder of another user is refused", () => {
  mkdirSync(join(dir, "spool"), { mode: 0o700 });
  chownSync(join(dir, "spool"), 65_534, 65_534);
  expect(() => open()).toThrow(expect.objectContaining({ code: "bad_setting", message: expect.stringContaining("belongs to the user 65534") }));
});
