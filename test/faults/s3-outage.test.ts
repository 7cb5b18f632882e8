/** The real daemon and a real S3 server that is away in every way, for long and again and again: nothing is lost, nothing is doubled. */
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type S3Config, openTarget } from "../../src/anchor/targets.ts";
import { FlappingProxy, type Weather } from "../support/flapping-proxy.ts";
import { bucket, hasS3 } from "../support/s3-server.ts";
import { auditedAt } from "./audited.ts";
import { Book, Load, until as untilPaused } from "./book.ts";
import { Client } from "./client.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { Ground } from "./ground.ts";

const grounds: Ground[] = [];
const daemons: DaemonProcess[] = [];
let proxy: FlappingProxy;
/** As the daemon reaches it, through the proxy, and as it is. */
let through: S3Config;
let direct: S3Config;

interface Status {
  readonly state: string;
  readonly size: number;
  readonly anchored: number;
  readonly reason: { readonly code: string } | null;
  readonly targets: readonly { readonly name: string; readonly state: string; readonly pending: number; readonly last_error: { readonly code: string } | null }[];
}

beforeEach(async () => {
  if (!hasS3()) return;
  direct = await bucket();
  proxy = await FlappingProxy.before(direct.endpoint!);
  through = { ...direct, endpoint: proxy.endpoint };
});
afterEach(async () => {
  for (const daemon of daemons.splice(0)) if (!daemon.over) await daemon.signal("SIGKILL");
  for (const { dir } of grounds.splice(0)) rmSync(dir, { recursive: true });
  await proxy?.close();
});

async function ground(options: ConstructorParameters<typeof Ground>[0] = {}): Promise<Ground> {
  const made = await new Ground({ targets: [settings(through)], ...options }).init();
  grounds.push(made);
  return made;
}

/** The target as the configuration has it. */
function settings({ retention, ...rest }: S3Config): object {
  return { ...rest, retention: `${retention / 86_400_000}d` };
}

async function start(on: Ground): Promise<DaemonProcess> {
  const daemon = new DaemonProcess(on.configFile);
  daemons.push(daemon);
  await daemon.ready;
  return daemon;
}

/** Each look is a call that the daemon answers: not too many of them. */
async function until(holds: () => Promise<boolean>, what: string, ms = 15_000): Promise<void> {
  await untilPaused(holds, what, ms, 50);
}

async function status(client: Client): Promise<Status> {
  return await client.must("status") as unknown as Status;
}

async function allAnchored(client: Client, ms = 60_000): Promise<void> {
  let seen: Status | null = null;
  await until(async () => {
    seen = await status(client);
    return seen.anchored === seen.size;
  }, "everything is anchored", ms).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(seen)}`);
  });
}

/** Names of the anchors at the bucket with the number of their versions. */
async function anchorVersions(config: S3Config): Promise<ReadonlyMap<string, number>> {
  const versions = new Map<string, number>();
  for await (const { name } of openTarget(config).list("v1/")) if (name.includes("/anchors/")) versions.set(name, (versions.get(name) ?? 0) + 1);
  return versions;
}

describe.skipIf(!hasS3())("S3 is away", () => {
  test("for as long as it is, receipts are taken and anchors queue; when it is back they are published in order", async () => {
    const on = await ground({ anchor: { max_batch: 10 } });
    await start(on);
    const client = new Client(on.socket);
    await allAnchored(client);
    proxy.weather = "refused";
    const book = new Book();
    await new Load(on.socket, book, { clients: 2, depth: 8, receipts: 200 }).over;
    expect(book.acknowledged.size).toBe(200);
    await until(async () => (await status(client)).targets[0]!.state === "unavailable", "the target is known to be away");
    await until(async () => (await status(client)).targets[0]!.pending > 15, "the anchors queue");
    const away = await status(client);
    expect(away.state).toBe("ok");
    expect(away.targets[0]).toMatchObject({ state: "unavailable", last_error: { code: "target_unavailable" } });
    expect(away.anchored).toBeLessThan(10);
    proxy.weather = "fair";
    await client.must("anchor");
    await allAnchored(client);
    const { targets } = await status(client);
    expect(targets[0]).toMatchObject({ state: "current", pending: 0, last_error: null });
    await client.close();
    expect((await daemons[0]!.signal("SIGTERM")).code).toBe(0);
    expect(await auditedAt(on.data, [openTarget(direct)])).toEqual([]);
  });

  test("longer than fail_closed_after: receipts are refused until the anchors are there", async () => {
    const on = await ground({ anchor: { fail_closed_after: "500ms", max_batch: 2 } });
    await start(on);
    const client = new Client(on.socket);
    await allAnchored(client);
    proxy.weather = "silent";
    const book = new Book();
    expect(await book.send(client, book.receipt())).toBe(true);
    await until(async () => !(await book.send(client, book.receipt())), "a refusal");
    expect([...book.refused.values()]).toEqual(["anchoring_overdue"]);
    expect(await status(client)).toMatchObject({ state: "refusing", reason: { code: "anchoring_overdue" } });
    proxy.weather = "fair";
    await client.must("anchor");
    await until(() => book.send(client, book.receipt()), "it takes receipts again");
    await client.close();
  });

  test("a target that is not required holds up nobody", async () => {
    const on = await ground({ targets: [{ name: "local", type: "directory" }, { ...settings(through), required: false }] });
    proxy.weather = "refused";
    await start(on);
    const client = new Client(on.socket);
    const book = new Book();
    await book.send(client, book.receipt());
    await client.must("anchor");
    await allAnchored(client);
    const { targets } = await status(client);
    expect(targets.map(({ name, state }) => [name, state])).toEqual([["local", "current"], [through.name, "unavailable"]]);
    proxy.weather = "fair";
    await until(async () => (await status(client)).targets[1]!.state === "current", "the other one has caught up");
    expect((await anchorVersions(direct)).size).toBeGreaterThan(0);
    await client.close();
  });
});

/** Deterministic, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

// a minute is 50 ms here: a batch is closed by its size in each, and nothing waits for a clock
const MINUTE = 50;
const HOURS = process.env["RECEIPTD_LONG"] === "1" ? 24 : 1;

describe.skipIf(!hasS3())("S3 flaps", () => {
  test(`for ${HOURS} simulated hours: every receipt is anchored, every anchor is there once, the audit finds nothing`, { timeout: 600_000 }, async () => {
    const on = await ground({ anchor: { max_batch: 3 } });
    let daemon = await start(on);
    const book = new Book();
    const chance = random(24);
    const kinds: readonly Weather[] = ["refused", "silent", "cut_request", "cut_answer", "slow_down"];
    let client = new Client(on.socket);
    let left = 0;
    for (let minute = 0; minute < HOURS * 60; minute++) {
      if (left-- <= 0) { // away for up to 20 minutes, back for up to 20
        const isAway = chance() < 0.5;
        proxy.weather = isAway ? kinds[Math.floor(chance() * kinds.length)]! : "fair";
        left = Math.floor(chance() * 20);
      }
      if (minute % 97 === 96) { // and the host is not spared either
        await client.close();
        await daemon.signal("SIGKILL");
        daemon = await start(on);
        client = new Client(on.socket);
      }
      for (let i = 0; i < 3; i++) expect(await book.send(client, book.receipt())).toBe(true);
      await sleep(MINUTE);
    }
    proxy.weather = "fair";
    await client.must("anchor");
    await allAnchored(client, 180_000);
    await client.close();
    expect((await daemon.signal("SIGTERM")).code).toBe(0);
    expect(proxy.troubled).toBeGreaterThan(HOURS);
    expect(await auditedAt(on.data, [openTarget(direct)])).toEqual([]);
    const versions = await anchorVersions(direct);
    expect(versions.size).toBeGreaterThan(HOURS * 60);
    expect([...versions.values()].filter((count) => count > 1)).toEqual([]);
    expect(book.acknowledged.size).toBe(HOURS * 60 * 3);
  });
});

describe.skipIf(!hasS3())("a copy of the ledger", () => {
  test("that is started beside it notices before it publishes, refuses receipts and says forked", async () => {
    const on = await ground();
    await start(on);
    const first = new Client(on.socket);
    const book = new Book();
    await book.send(first, book.receipt());
    await first.must("anchor");
    await allAnchored(first);
    await first.close();
    expect((await daemons[0]!.signal("SIGTERM")).code).toBe(0);

    const copyDir = `${on.dir}-copy`;
    cpSync(on.dir, copyDir, { recursive: true });
    const config = join(copyDir, "receiptd.yaml");
    writeFileSync(config, JSON.stringify({ data_dir: "data", origin: "example.com/faults", socket: { path: "s" }, anchor: { schedule: "0 0 1 1 *", targets: [settings(through)] } }));
    const copy = new Ground({}, copyDir);
    grounds.push(copy);
    await start(on);
    const own = new Client(on.socket);
    await book.send(own, book.receipt());
    await own.must("anchor");
    await allAnchored(own);

    const before = await anchorVersions(direct);
    const second = new DaemonProcess(copy.configFile);
    daemons.push(second);
    await second.ready;
    const other = new Client(copy.socket);
    await until(async () => (await status(other)).state === "refusing", "it refuses");
    expect((await status(other)).reason?.code).toMatch(/^(forked|ledger_behind)$/);
    const answer = await other.call("append", { receipt: book.receipt() });
    expect(answer).toMatchObject({ error: { code: expect.stringMatching(/^(forked|ledger_behind)$/) as string } });
    expect(await anchorVersions(direct)).toEqual(before);
    await other.close();
    await own.close();
  });
});
