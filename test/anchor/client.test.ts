import { generateKeyPairSync } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { type PublisherClient, type PublisherClientOptions, type PublisherStatus, startPublisher } from "../../src/anchor/client.ts";
import { formatTime } from "../../src/format/time.ts";
import { TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { Bench, contents, LEDGER, QUICK } from "./support.ts";

let bench: Bench;
const clients: PublisherClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.stop();
  await bench.dispose();
});

function start(names: readonly string[], overrides: Partial<PublisherClientOptions> = {}): { readonly client: PublisherClient; readonly fatal: Promise<Error> } {
  const fatal = Promise.withResolvers<Error>();
  const key = bench.ledger.keyring.checkpointKeys[0]!;
  const client = startPublisher({
    ledgerPath: bench.ledger.path,
    outboxPath: bench.outboxPath,
    ledger: LEDGER,
    targets: names.map((name) => ({ type: "directory", name, path: bench.ledger.targetPath(name), required: true })),
    archive: null,
    checkpointKeys: [{ vkey: key.vkey, first: 0, key: { vkey: key.vkey, privateKey: key.privateKey! } }],
    signableSize: bench.anchored(),
    timing: QUICK,
    onFatal: fatal.resolve,
    ...overrides,
  });
  clients.push(client);
  return { client, fatal: fatal.promise };
}

function reached(client: PublisherClient, size: number): Promise<PublisherStatus> {
  return new Promise((resolve) => {
    const look = (status: PublisherStatus): void => {
      if (status.anchoredSize < size) return;
      end();
      resolve(status);
    };
    const end = client.onProgress(look);
    look(client.status());
  });
}

describe("the publisher's thread", () => {
  test("publishes what is there and what is closed later, and tells of it", async () => {
    bench = new Bench({ batches: [3] });
    const [a, b] = [bench.directory("a"), bench.directory("b")];
    const { client } = start(["a", "b"]);
    expect(client.status()).toMatchObject({ anchoredSize: 0, refusal: null });
    expect(await client.ready).toMatchObject({ state: "ok" });
    await reached(client, bench.anchored());
    bench.ledger.append(2);
    const size = bench.ledger.anchor();
    client.closed(size);
    const status = await reached(client, size);
    expect(status.targets.map(({ name, state, pending }) => [name, state, pending])).toEqual([["a", expect.any(String), 0], ["b", expect.any(String), 0]]);
    const expected = await bench.expected();
    expect(await contents(a)).toEqual(expected);
    expect(await contents(b)).toEqual(expected);
    const newest = [...expected.keys()].findLast((name) => name.includes("/anchors/"))!;
    const { mtimeMs } = statSync(`${bench.ledger.targetPath("a")}/${newest}`);
    expect(client.observed()[0]).toEqual({ target: "a", tree_size: size, version_id: "1", last_modified: formatTime(Math.floor(mtimeMs)) });
  });

  test("tells of a fork, and why receipts must be refused", async () => {
    bench = new Bench({ batches: [2, 2] });
    const other = new TestLedger({ batches: [2, 5] });
    await publish(other, bench.directory("a"));
    other.remove();
    const { client } = start(["a"]);
    expect(await client.ready).toMatchObject({ state: "ledger_behind" });
    expect(client.status().refusal).toMatchObject({ code: "ledger_behind", message: expect.stringContaining("backup") });
  });

  test("without its target it is uncompared, and can be stopped", async () => {
    bench = new Bench({ batches: [2] });
    const { client } = start(["missing"]);
    expect(await client.ready).toMatchObject({ state: "uncompared" });
    expect(client.status()).toMatchObject({ refusal: null, signedSize: 0, targets: [{ state: "unavailable", lastError: { code: "target_unavailable" } }] });
    await client.stop();
    await client.stop();
  });

  test.each<[what: string, () => Partial<PublisherClientOptions>, code: string]>([
    ["a missing outbox", () => {
      rmSync(bench.outboxPath);
      return {};
    }, "outbox_missing"],
    ["a missing ledger", () => ({ ledgerPath: `${bench.ledger.path}.gone` }), "ledger_missing"],
    ["the outbox of another ledger", () => ({ ledger: { ...LEDGER, ledgerId: "f".repeat(32) } }), "wrong_ledger"],
  ])("%s is fatal", async (_, options, code) => {
    bench = new Bench({ batches: [2] });
    bench.directory("a");
    const { client, fatal } = start(["a"], options());
    expect(await fatal).toMatchObject({ code: "publisher_failed", message: expect.stringContaining(`(${code})`) });
    await expect(client.ready).rejects.toMatchObject({ code: "publisher_failed" });
  });

  test("a key that is not that of its vkey signs nothing", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.directory("a");
    const { privateKey } = generateKeyPairSync("ed25519");
    const { fatal } = start(["a"], { checkpointKeys: [{ vkey: bench.ledger.vkey, first: 0, key: { vkey: bench.ledger.vkey, privateKey } }] });
    expect(await fatal).toMatchObject({ code: "publisher_failed" });
    expect(await contents(target)).toEqual(new Map());
  });

  test("stopped at once it is no error", async () => {
    bench = new Bench({ batches: [2] });
    bench.directory("a");
    let failed = false;
    const { client } = start(["a"], { onFatal: () => { failed = true; } });
    await client.stop();
    await expect(client.ready).rejects.toMatchObject({ code: "publisher_failed" });
    expect(failed).toBe(false);
  });
});
