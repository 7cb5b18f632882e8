import { rmSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { COMPARED } from "../../src/anchor/compare.ts";
import { anchorsPrefix, checkpointText } from "../../src/anchor/objects.ts";
import { createOutbox } from "../../src/anchor/outbox.ts";
import type { Progress } from "../../src/anchor/publisher.ts";
import { type AnchorTarget, TargetError } from "../../src/anchor/target.ts";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import { formatObjectName } from "../../src/format/names.ts";
import { formatTlogProof } from "../../src/format/tlog-proof.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { TestLedger } from "../support/ledger.ts";
import { MemoryTarget } from "../support/memory-target.ts";
import { publish, signCheckpoint } from "../support/publish.ts";
import { Bench, LEDGER } from "./support.ts";

let bench: Bench;
const others: TestLedger[] = [];
afterEach(async () => {
  await bench.dispose();
  for (const other of others.splice(0)) other.remove();
});

/** Another ledger with the same name and, unless the seed differs, the same keys and first receipts. */
function copy(batches: readonly number[], seed?: string): TestLedger {
  const other = new TestLedger({ batches, ...(seed === undefined ? {} : { seed }) });
  others.push(other);
  return other;
}

const isAnchored = (size: number) => (progress: Progress): boolean => progress.anchoredSize >= size;

/** Publishes all that the bench's ledger has, as an earlier run of the daemon. */
async function publishAll(...targets: AnchorTarget[]): Promise<void> {
  const { publisher, until, stop } = bench.publisher(targets);
  expect(await publisher.start()).toEqual(COMPARED);
  await until(({ targets }) => targets.every(({ confirmed }) => confirmed?.treeSize === bench.anchored()));
  await stop();
}

/** Stores text as an anchor of that size, under the name that its hash gives; returns the name. */
function plant(target: MemoryTarget, treeSize: number, text: string): string {
  const bytes = utf8(text);
  const planted = formatObjectName(LEDGER, { kind: "anchor", treeSize, sha256: toHex(nodeHash.sha256(bytes)) });
  target.objects.set(planted, { bytes, lastModified: 1 });
  return planted;
}

describe("the comparison at start", () => {
  test("finds nothing at new targets", async () => {
    bench = new Bench({ batches: [2] });
    expect(await bench.publisher([bench.memory(), bench.directory("folder")]).publisher.start()).toEqual(COMPARED);
  });

  test("finds that a ledger continues what it anchored", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    bench.ledger.append(3);
    bench.ledger.anchor();
    expect(await bench.publisher([target]).publisher.start()).toEqual(COMPARED);
  });

  // A backup of the ledger is restored: with its outbox, without it, or without any.
  test.each(["the old outbox", "the newest outbox", "an empty outbox"])("finds a restored backup with %s", async (which) => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    if (which === "the newest outbox") {
      const newer = copy([2, 2, 5]);
      const outbox = bench.outbox();
      const { treeSize, root } = bench.reader(newer.path).newestAnchor()!;
      outbox.reserve([{ treeSize, root }]);
    } else {
      if (which === "the old outbox") await publishAll(target);
      await publish(copy([2, 2, 5]), target);
    }
    const before = target.stored.length;
    const { publisher } = bench.publisher([target]);
    const found = await publisher.start();
    expect(found.state).toBe("ledger_behind");
    await publisher.stop(100);
    expect(publisher.status()).toMatchObject({ comparison: { state: "ledger_behind" } });
    expect(target.stored).toHaveLength(before);
  });

  test("finds a restored backup that went on while no target answered", async () => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    await publish(copy([2, 2, 5]), target);
    bench.ledger.append(20); // longer than what was anchored, but different
    bench.ledger.anchor();
    expect(await bench.publisher([target]).publisher.start()).toMatchObject({ state: "forked" });
    expect(bench.outbox().signedSize()).toBe(0);
  });

  test("finds an older anchor that contradicts the ledger, far back from its newest", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publish(copy([2, 5]), target);
    for (const count of [2500, 2500]) {
      bench.ledger.append(count);
      bench.ledger.anchor();
    }
    expect(await bench.publisher([target]).publisher.start()).toMatchObject({ state: "forked" });
  });

  test("finds that the ledger was rewritten, by its own outbox alone", async () => {
    bench = new Bench({ batches: [2] });
    const down = bench.memory();
    down.before = () => { throw new TargetError("target_unavailable", "down"); };
    bench.outbox().reserve([{ treeSize: bench.anchored(), root: new Uint8Array(32) }]);
    expect(await bench.publisher([down]).publisher.start()).toMatchObject({ state: "forked" });
  });

  test("finds an anchor with its root at a size where the ledger has none", async () => {
    bench = new Bench({ batches: [4] });
    const target = bench.memory();
    const reader = bench.reader();
    const { keyring } = bench.ledger;
    const note = await signCheckpoint(`${LEDGER.origin}\n3\n${Buffer.from(reader.rootAt(3)).toString("base64")}\n`, keyring);
    plant(target, 3, formatTlogProof({ index: 2, path: [], checkpoint: note }));
    expect(await bench.publisher([target]).publisher.start()).toMatchObject({ state: "forked" });
  });

  test("ignores what the ledger's key did not sign, and counts it", async () => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    await publishAll(target);
    const foreign = copy([2, 2, 50], "another key");
    const size = bench.reader(foreign.path).newestAnchor()!.treeSize;
    const note = await signCheckpoint(checkpointText(bench.reader(foreign.path), size), foreign.keyring);
    plant(target, size, formatTlogProof({ index: size - 1, path: [], checkpoint: note }));
    plant(target, 9_000_000_000, "junk");
    const forged = plant(target, 5000, "junk");
    target.objects.set(forged, { bytes: utf8("other junk"), lastModified: 1 });
    target.objects.set(`${anchorsPrefix(LEDGER)}zzz`, { bytes: utf8("x"), lastModified: 1 });
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    expect(publisher.status().targets[0]).toMatchObject({ interference: 4, lastError: null });
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    await until(isAnchored(bench.anchored()));
  });

  test("a fork whose name is not that of its bytes does not count", async () => {
    bench = new Bench({ batches: [2] });
    const [target, other] = [bench.memory(), new MemoryTarget()];
    await publish(copy([300]), other);
    const [name, object] = [...other.objects].find(([name]) => name.includes("/anchors/"))!;
    target.objects.set(name.replace(/-[0-9a-f]{2}/, name.includes("-00") ? "-11" : "-00"), object);
    const { publisher } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    expect(publisher.status().targets[0]).toMatchObject({ interference: 1 });
  });

  test("an old anchor of ours under another name contradicts nothing and hides nothing", async () => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    const reader = bench.reader();
    await publish(copy([2, 2, 5]), target);
    const size = reader.anchors(0, 1)[0]!.treeSize;
    const note = await signCheckpoint(checkpointText(reader, size), bench.ledger.keyring);
    plant(target, 50_000, formatTlogProof({ index: 49_999, path: [], checkpoint: note }));
    bench.ledger.append(5000);
    bench.ledger.anchor();
    expect(await bench.publisher([target]).publisher.start()).toMatchObject({ state: "forked" });
  });

  test("a target that lost what it had confirmed is refused until it has it again", async () => {
    bench = new Bench({ batches: [2] });
    const [lost, other] = [bench.memory("lost"), bench.memory("other")];
    await publishAll(lost, other);
    const kept = [...lost.objects];
    lost.objects.clear();
    bench.ledger.append(1);
    bench.ledger.anchor();
    const { publisher, until } = bench.publisher([lost, other]);
    expect(await publisher.start()).toEqual(COMPARED);
    const refused = await until(({ targets }) => targets[0]!.state === "refused" && targets[1]!.confirmed?.treeSize === bench.anchored());
    expect(refused.targets[0]!.lastError).toMatchObject({ code: "target_lost" });
    expect(lost.objects.size).toBe(0);
    for (const [name, object] of kept) lost.objects.set(name, object);
    await until(isAnchored(bench.anchored()));
  });

  test("a lost outbox is made anew: everything is compared, and stored again as it was", async () => {
    bench = new Bench({ batches: [2, 0, 2] });
    const target = bench.memory();
    await publishAll(target);
    const before = [...target.objects];
    for (const suffix of ["", "-wal", "-shm"]) rmSync(bench.outboxPath + suffix, { force: true });
    createOutbox(bench.outboxPath, LEDGER);
    bench.ledger.append(1);
    bench.ledger.anchor();
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    await until(isAnchored(bench.anchored()));
    expect([...target.objects].slice(0, before.length)).toEqual(before);
    expect([...target.objects.keys()].sort()).toEqual([...(await bench.expected()).keys()]);
  });
});

describe("without an answer", () => {
  test("nothing is signed, until one target answers", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    target.before = () => { throw new TargetError("target_unavailable", "down"); };
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toMatchObject({ state: "uncompared" });
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    await until(({ targets }) => targets[0]!.pending === 2);
    expect(bench.outbox().newest()).toBeNull();
    target.before = () => undefined;
    await until(isAnchored(bench.anchored()));
    expect(publisher.status().comparison).toEqual(COMPARED);
  });

  test("a fork is found when the target answers at last", async () => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    await publish(copy([2, 7]), target);
    target.before = () => { throw new TargetError("target_unavailable", "down"); };
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toMatchObject({ state: "uncompared" });
    target.before = () => undefined;
    await until(({ comparison }) => comparison.state === "ledger_behind");
    expect(bench.outbox().newest()).toBeNull();
  });

  test("a silent target that answers later with a fork stops everything", async () => {
    bench = new Bench({ batches: [2, 2] });
    const [good, late] = [bench.memory("good"), bench.memory("late")];
    await publish(copy([2, 7]), late);
    late.before = () => { throw new TargetError("target_unavailable", "down"); };
    const { publisher, until } = bench.publisher([good, late]);
    expect(await publisher.start()).toEqual(COMPARED);
    await until(({ targets }) => targets[0]!.confirmed?.treeSize === bench.anchored());
    late.before = () => undefined;
    await until(({ comparison }) => comparison.state === "ledger_behind");
    const stored = good.stored.length;
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    await new Promise((resolve) => { setTimeout(resolve, 30); });
    expect(good.stored).toHaveLength(stored);
    expect(late.stored).toHaveLength(4);
  });
});

describe("before each publication", () => {
  test.each([
    ["at the next size", [2, 3], [2, 3], "other"],
    ["before the next size", [2, 8], [2, 3], "same"],
    ["far beyond it", [2, 3], [2, 900], "same"],
  ] as const)("an anchor of a copy %s is a fork, and nothing more is stored", async (_, own, theirs, fields) => {
    bench = new Bench({ batches: own.slice(0, 1) });
    const target = bench.memory();
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    await until(isAnchored(bench.anchored()));
    const clone = copy(theirs.slice(0, 1));
    clone.append(theirs[1], () => fields === "other" ? { summary: "somebody else's" } : {});
    clone.anchor();
    await publish(clone, target, { after: bench.anchored() });
    const stored = target.stored.length;
    bench.ledger.append(own[1]);
    publisher.closed(bench.ledger.anchor());
    await until(({ comparison }) => comparison.state === "forked");
    await publisher.stop(100);
    expect(target.stored).toHaveLength(stored);
  });

  test("catching up, it is found before the next round", async () => {
    bench = new Bench({ batches: Array.from({ length: 100 }, () => 1) });
    const [target, other] = [bench.memory(), new MemoryTarget()];
    await publish(copy([300]), other);
    let planted = false;
    target.before = (call) => {
      if (call !== "put" || planted) return;
      planted = true;
      for (const [name, object] of other.objects) target.objects.set(name, object);
    };
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    await until(({ comparison }) => comparison.state === "forked");
    expect(target.stored).toHaveLength(2 * 64);
  });

  test("the wrong disk under the right path gets nothing", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    await until(isAnchored(bench.anchored()));
    target.objects.clear();
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]!.lastError).toMatchObject({ code: "target_lost" });
    expect(target.objects.size).toBe(0);
  });
});

/** An anchor of the ledger's first size, in as many spellings as are wanted: the signature says nothing about what comes with it. */
async function plantCopies(target: MemoryTarget, count: number): Promise<void> {
  const reader = bench.reader();
  const note = await signCheckpoint(checkpointText(reader, reader.anchors(0, 1)[0]!.treeSize), bench.ledger.keyring);
  for (let i = 0; i < count; i++) plant(target, 1_000_000 + i, formatTlogProof({ extra: utf8(`${i}`), index: 1, path: [], checkpoint: note }));
}

/** Gets by name; `unreadable` are thrown for, with that code. */
function watchGets(target: MemoryTarget, unreadable: ReadonlySet<string> = new Set(), code: "target_unreadable" | "target_denied" = "target_unreadable"): Map<string, number> {
  const gets = new Map<string, number>();
  target.before = (call, name) => {
    if (call !== "get") return;
    gets.set(name, (gets.get(name) ?? 0) + 1);
    if (unreadable.has(name)) throw new TargetError(code, `${name} is stored under a key of somebody's`);
  };
  return gets;
}

describe("what the daemon cannot read", () => {
  const newestOf = (target: MemoryTarget): string => target.stored.findLast((name) => name.includes("/anchors/"))!;

  test.each(["while it runs", "at the start"])("one object put %s under an anchor's name stops nothing, and is told", async (when) => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    const running = bench.publisher([target]);
    if (when === "while it runs") expect(await running.publisher.start()).toEqual(COMPARED);
    const planted = [plant(target, 4, "sse-c"), plant(target, 50_000, "glacier")];
    const gets = watchGets(target, new Set(planted));
    if (when === "at the start") expect(await running.publisher.start()).toEqual(COMPARED);
    for (let i = 0; i < 3; i++) {
      bench.ledger.append(1);
      running.publisher.closed(bench.ledger.anchor());
      await running.until(isAnchored(bench.anchored()));
    }
    const [status] = running.publisher.status().targets;
    expect(status).toMatchObject({ lastError: null, warning: expect.stringContaining("under a key of somebody's") });
    expect(status!.interference).toBeGreaterThan(0);
    for (const name of planted) expect(gets.get(name) ?? 0).toBeLessThanOrEqual(1);
  });

  test("if the confirmed anchor cannot be read either, nothing is published, and a fork behind it is found once it can be", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    await publish(copy([2, 9]), target, { after: bench.anchored() });
    const unreadable = new Set(target.objects.keys());
    watchGets(target, unreadable);
    bench.ledger.append(1);
    bench.ledger.anchor();
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toMatchObject({ state: "uncompared" });
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]!.lastError).toMatchObject({ code: "target_unreadable" });
    unreadable.clear();
    await until(({ comparison }) => comparison.state === "ledger_behind" || comparison.state === "forked");
  });

  test("a key that is lost while it runs makes no fork junk", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    await publish(copy([2, 9]), target, { after: bench.anchored() });
    const unreadable = new Set(target.objects.keys());
    watchGets(target, unreadable);
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]!.lastError).toMatchObject({ code: "target_unreadable" });
    unreadable.clear();
    await until(({ comparison }) => comparison.state === "forked");
  });

  test("with the outbox lost and nothing of its own to be read, nothing is signed, until something can be", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publish(copy([2, 9]), target);
    const unreadable = new Set(target.objects.keys());
    watchGets(target, unreadable);
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toMatchObject({ state: "uncompared" });
    await until(({ targets }) => targets[0]!.lastError?.code === "target_unreadable");
    expect(bench.outbox().newest()).toBeNull();
    unreadable.clear();
    await until(({ comparison }) => comparison.state === "ledger_behind");
  });

  test("what is denied, be it one object, stops the target: it may be a fork that somebody hides", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    watchGets(target, new Set([plant(target, 50_000, "hidden")]), "target_denied");
    bench.ledger.append(1);
    bench.ledger.anchor();
    const before = newestOf(target);
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]!.lastError).toMatchObject({ code: "target_denied" });
    expect(newestOf(target)).toBe(before);
  });
});

describe("thousands of copies of a true anchor under later names", () => {
  test("are read once each, some at a time, and hide no fork", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    await publishAll(target);
    await plantCopies(target, 600);
    const gets = watchGets(target);
    const count = target.before;
    let [now, most] = [0, 0];
    target.before = async (call, name) => {
      await count(call, name);
      if (call !== "get") return;
      most = Math.max(most, ++now);
      await new Promise((resolve) => { setImmediate(resolve); });
      now--;
    };
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toEqual(COMPARED);
    for (let i = 0; i < 3; i++) {
      bench.ledger.append(1);
      publisher.closed(bench.ledger.anchor());
      await until(isAnchored(bench.anchored()));
    }
    const copies = [...gets].filter(([name]) => name.includes("/anchors/0000000000000100"));
    expect([copies.length, Math.max(...copies.map(([, times]) => times))]).toEqual([600, 1]);
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(16);
    expect(publisher.status().targets[0]).toMatchObject({ interference: 600, lastError: null, warning: expect.stringContaining("none of the ledger's anchors") });
    await publish(copy([2, 900]), target, { after: 3 });
    bench.ledger.append(1);
    publisher.closed(bench.ledger.anchor());
    await until(({ comparison }) => comparison.state === "forked");
  });
});
