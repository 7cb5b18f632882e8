import { afterEach, describe, expect, test } from "vitest";
import { TargetError } from "../../src/anchor/target.ts";
import type { Progress } from "../../src/anchor/publisher.ts";
import { Bench, contents } from "./support.ts";

let bench: Bench;
afterEach(() => bench.dispose());

const isAnchored = (size: number) => (progress: Progress): boolean => progress.anchoredSize >= size;
const unavailable = (): never => { throw new TargetError("target_unavailable", "down"); };

describe("publishing", () => {
  test("brings every anchor and batch to every target, in order, each once", async () => {
    bench = new Bench({ batches: [3, 0, 300, 1] });
    const [memory, folder] = [bench.memory(), bench.directory("folder")];
    const { publisher, until } = bench.publisher([memory, folder]);
    expect(await publisher.start()).toMatchObject({ state: "ok" });
    const done = await until(isAnchored(bench.anchored()));
    expect(done.targets.map(({ confirmed, lastError, pending }) => [confirmed?.treeSize, lastError, pending])).toEqual([
      [bench.anchored(), null, 0],
      [bench.anchored(), null, 0],
    ]);
    const expected = await bench.expected();
    expect(expected.size).toBe(4 + 3);
    expect(await contents(memory)).toEqual(expected);
    expect(await contents(folder)).toEqual(expected);
  });

  test("publishes what is closed later, once it may be signed", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    await until(isAnchored(bench.anchored()));
    bench.ledger.append(5);
    const first = bench.ledger.anchor();
    bench.ledger.append(1);
    const second = bench.ledger.anchor();
    publisher.closed(first);
    await until(isAnchored(first));
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    expect(publisher.status()).toMatchObject({ signedSize: first, anchoredSize: first });
    expect(bench.outbox().note(second)).toBeNull();
    publisher.closed(second);
    await until(isAnchored(second));
    expect(await contents(target)).toEqual(await bench.expected());
  });

  test("counts as anchored what all required targets have", async () => {
    bench = new Bench({ batches: [2] });
    const [up, down, extra] = [bench.memory("up"), bench.memory("down"), bench.memory("extra")];
    down.before = unavailable;
    const { publisher, until } = bench.publisher([up, { target: down, required: true }, { target: extra, required: false }]);
    expect(await publisher.start()).toMatchObject({ state: "ok" });
    const partly = await until(({ targets }) => targets[0]!.confirmed !== null && targets[2]!.confirmed !== null);
    expect(partly.anchoredSize).toBe(0);
    expect(partly.targets[1]).toMatchObject({ state: "unavailable", pending: 1, lastError: { code: "target_unavailable" } });
    down.before = () => undefined;
    expect(await until(isAnchored(1))).toMatchObject({ anchoredSize: bench.anchored() });
  });

  test("without required targets what any one has is anchored", async () => {
    bench = new Bench({ batches: [2] });
    const down = bench.memory("down");
    down.before = unavailable;
    const { publisher, until } = bench.publisher([{ target: down, required: false }, { target: bench.memory("up"), required: false }]);
    await publisher.start();
    expect(await until(isAnchored(1))).toMatchObject({ anchoredSize: bench.anchored() });
  });

  test("one that hangs holds up neither the others nor the end", async () => {
    bench = new Bench({ batches: [2, 2] });
    const [slow, quick] = [bench.memory("slow"), bench.memory("quick")];
    slow.before = (call) => call === "put" ? new Promise<void>(() => undefined) : undefined;
    const { publisher, until } = bench.publisher([slow, quick]);
    expect(await publisher.start()).toMatchObject({ state: "ok" });
    await until(({ targets }) => targets[1]!.confirmed?.treeSize === bench.anchored());
    expect(publisher.status().targets[0]).toMatchObject({ confirmed: null, pending: 2, state: "publishing" });
    await publisher.stop(10);
    expect(await contents(quick)).toEqual(await bench.expected());
  });

  test("one that does not even answer does not hold up the comparison", async () => {
    bench = new Bench({ batches: [2] });
    const [silent, quick] = [bench.memory("silent"), bench.memory("quick")];
    silent.before = () => new Promise<void>(() => undefined);
    const { publisher, until } = bench.publisher([silent, { target: quick, required: false }], { timing: { backoff: { minMs: 1, maxMs: 5 }, compareMs: 50 } });
    expect(await publisher.start()).toMatchObject({ state: "ok" });
    await until(({ targets }) => targets[1]!.confirmed !== null);
    expect(publisher.status().targets[0]).toMatchObject({ state: "comparing" });
  });

  test("a target that comes and goes gets everything in order, each once", async () => {
    bench = new Bench({ batches: [4, 0, 4, 4, 0, 4, 4, 4] });
    const target = bench.memory();
    let calls = 0;
    target.before = () => { if (calls++ % 13 > 7) unavailable(); };
    const { publisher, until, told } = bench.publisher([target]);
    await publisher.start();
    await until(isAnchored(bench.anchored()));
    target.before = () => undefined;
    expect(await contents(target)).toEqual(await bench.expected());
    expect(target.stored).toHaveLength(8 + 6);
    const sizes = told.map(({ anchoredSize }) => anchoredSize);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });

  test("a target that was down for long catches up", async () => {
    bench = new Bench({ batches: Array.from({ length: 150 }, () => 1) });
    const target = bench.memory();
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    await until(isAnchored(bench.anchored()));
    expect(target.stored).toHaveLength(300);
    expect(await contents(target)).toEqual(await bench.expected());
  });

  test("a conflict is refused and told, and ends when somebody ends it", async () => {
    bench = new Bench({ batches: [2, 2] });
    const target = bench.memory();
    const [name, bytes] = [...await bench.expected()].find(([name]) => name.includes("/batches/"))!;
    target.objects.set(name, { bytes: bytes.slice(1), lastModified: 1 });
    const { publisher, until } = bench.publisher([target]);
    expect(await publisher.start()).toMatchObject({ state: "ok" });
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]).toMatchObject({ confirmed: null, pending: 2, lastError: { code: "target_conflict" } });
    target.objects.delete(name);
    await until(isAnchored(bench.anchored()));
    expect(await contents(target)).toEqual(await bench.expected());
  });

  test("bytes that come back changed are refused", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const get = target.get.bind(target);
    target.get = async (...args) => {
      const stored = await get(...args);
      return { ...stored, bytes: stored.bytes.map((byte, i) => i === 40 ? byte ^ 1 : byte) };
    };
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    const refused = await until(({ targets }) => targets[0]!.state === "refused");
    expect(refused.targets[0]).toMatchObject({ confirmed: null, lastError: { code: "target_damaged" } });
  });

  test("a target added later gets everything from the first anchor on", async () => {
    bench = new Bench({ batches: [2, 0, 2] });
    const [old, added] = [bench.memory("old"), bench.memory("added")];
    const first = bench.publisher([old]);
    await first.publisher.start();
    await first.until(isAnchored(bench.anchored()));
    await first.stop();
    const second = bench.publisher([old, added]);
    expect(second.publisher.status().targets.map(({ pending }) => pending)).toEqual([0, 3]);
    await second.publisher.start();
    await second.until(isAnchored(bench.anchored()));
    expect(await contents(added)).toEqual(await bench.expected());
  });

  test("a damaged ledger is fatal and not published", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const reader = bench.reader();
    reader.receiptHashes = (first, end) => new Uint8Array((end - first) * 32);
    const { publisher, until } = bench.publisher([target], { reader });
    await publisher.start();
    await expect(until(isAnchored(1))).rejects.toMatchObject({ code: "ledger_corrupt" });
    expect(target.stored).toEqual([]);
  });

  test("what is stopped records nothing more", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const entered = Promise.withResolvers<void>();
    const let_go = Promise.withResolvers<void>();
    target.before = (call, name) => {
      if (call !== "get" || !name.includes("/anchors/")) return undefined;
      entered.resolve();
      return let_go.promise;
    };
    const { publisher } = bench.publisher([target]);
    await publisher.start();
    await entered.promise;
    await publisher.stop(1);
    let_go.resolve();
    await new Promise((resolve) => { setTimeout(resolve, 10); });
    expect(bench.outbox().confirmed("memory")).toBeNull();
    expect(publisher.status().anchoredSize).toBe(0);
  });
});
