/**
 * An attacker who has everything that is on a host at one moment: the disk, the root key, the keys of the ratchet. He writes anew what was
 * closed before and is anchored nowhere yet, as well as that can be done.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anchorNames, cutTo } from "../../scripts/demo/attacks.ts";
import { copyOf, type Host, makeHost } from "../../scripts/demo/hosts.ts";
import { breakRatchet } from "../../scripts/drill/hands.ts";
import { rewriteFrom, Root } from "../../scripts/drill/root.ts";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import { audit, type AuditReport } from "../../src/audit/audit.ts";
import { loadConfig } from "../../src/config.ts";
import { initLedger, newForwardSecure } from "../../src/daemon/init.ts";
import { readReceipt, type Receipt } from "../../src/format/receipt.ts";
import { FIRST_KEY, type Keyring, openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { sealedKeys, type Seed, startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { until } from "../faults/book.ts";
import { Client } from "../faults/client.ts";
import { DaemonProcess } from "../faults/daemon-process.ts";

const ORIGIN = "attacked.example/loans";
const BATCH = 5;
/** Receipts that are anchored nowhere: some batches, and what is open. */
const TAIL = 3 * BATCH + 2;
const folder = mkdtempSync(join(tmpdir(), "receiptd-attack-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Day {
  readonly host: Host;
  /** The auditor's; none where the seed stays on the host. */
  readonly seeds: readonly Seed[];
  /** Tree size of the newest anchor at the target. */
  readonly anchored: number;
}

async function init(host: Host, isForward: boolean): Promise<readonly Seed[]> {
  const config = loadConfig({ path: host.config, env: {} });
  if (!isForward) {
    await initLedger(config);
    return [];
  }
  const { ledgerId, seed } = newForwardSecure();
  const kept = { origin: ORIGIN, ledgerId, keyId: FIRST_KEY, firstEpoch: 0, seed: Uint8Array.from(seed) };
  await initLedger(config, { ledgerId, seed, sealed: null });
  return [kept];
}

/** Some receipts under an anchor; then the target is away while batches are closed; then the host is the attacker's. */
async function dayOf(name: string, isForward: boolean): Promise<Day> {
  const host = makeHost(join(folder, name), ORIGIN, BATCH);
  const seeds = await init(host, isForward);
  const daemon = await DaemonProcess.start(host.config);
  const client = new Client(host.socket);
  const decide = async (n: number): Promise<unknown> => await client.must("append", { receipt: { system_id: "scorer", organization: "loans", decision: { action: "DENY" }, inputs: { n } } });
  for (let n = 0; n < 3; n++) await decide(n);
  await client.must("anchor");
  await until(async () => (await client.must("status"))["pending"] === 0, "the anchor at its target");
  const away = `${host.anchors}.away`;
  renameSync(host.anchors, away);
  writeFileSync(host.anchors, "");
  for (let n = 3; n < 3 + TAIL; n++) await decide(n);
  expect(await daemon.signal("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
  await client.close();
  rmSync(host.anchors);
  renameSync(away, host.anchors);
  return { host, seeds, anchored: Math.max(...anchorNames(host, keyringOf(host)).keys()) };
}

function keyringOf({ places }: Host): Keyring {
  return openKeyring(places.keyring, openRootKeyFile(places.rootKey));
}

/** The decisions from log index `from` on become approvals: chain, numbers, tree, batches, everything made right, with the keys that he has. */
function forge(host: Host, from: number): void {
  rewriteFrom(host, from, (_, sent) => [{ ...sent, decision: { action: "APPROVE" } }]);
}

function receiptsFrom(host: Host, from: number): readonly Receipt[] {
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  try {
    return reader.page(from, reader.size(), reader.size()).map(({ blob }) => readReceipt(blob!).receipt as Receipt);
  } finally {
    reader.close();
  }
}

/** What an auditor finds with the seeds and what the host has. */
async function audited(host: Host, seeds: readonly Seed[], acceptedBreaks: ReadonlySet<string> = new Set()): Promise<AuditReport> {
  const keyring = keyringOf(host);
  const open = new RatchetFile(host.places.ratchet, openRootKeyFile(host.places.rootKey), keyring.ledgerId).load();
  return await audit({
    ledgerPath: host.places.ledger, ledger: keyring, targets: [new DirectoryTarget({ name: "archive", path: host.anchors })],
    vkeys: keyring.checkpointKeys.map(({ vkey }) => vkey), areVkeysPinned: true, now: Date.now(),
    keys: { starts: startsOf(keyring, open, seeds), sealed: sealedKeys(keyring, seeds), requestSecret: keyring.requestSecret },
    acceptedBreaks,
  });
}

describe("what was closed before the attack and is anchored nowhere", () => {
  let forward: Day;
  let retained: Day;
  beforeAll(async () => {
    [forward, retained] = await Promise.all([dayOf("forward", true), dayOf("retained", false)]);
  }, 60_000);

  test("untouched: the auditor's seed checks every MAC, the host those of the open epoch", async () => {
    const copy = copyOf(forward.host, "untouched");
    const withSeed = await audited(copy, forward.seeds);
    expect(withSeed).toMatchObject({ exitCode: 0, macsChecked: { key_v1: withSeed.counts.receipts } });
    const byHost = await audited(copy, []);
    expect(byHost.exitCode).toBe(0);
    expect(byHost.macsChecked["key_v1"]).toBeLessThan(withSeed.counts.receipts);
    expect(byHost.notChecked.join("\n")).toMatch(/the MACs of \d+ receipts of closed epochs: key_v1 is forward-secure/);
  });

  test("forged with all that is on the host: caught by the auditor with the seed, at the first receipt; and by nobody else", async () => {
    const copy = copyOf(forward.host, "forged");
    forge(copy, forward.anchored);
    const report = await audited(copy, forward.seeds);
    expect(report.exitCode).toBe(1);
    expect(report.findings[0]).toMatchObject({ severity: "violation", code: "mac_mismatch", logIndex: forward.anchored });
    // the defence off: whoever has not got the seed can only say that he has not checked
    const byHost = await audited(copy, []);
    expect(byHost.exitCode).toBe(0);
    expect(byHost.notChecked.join("\n")).toContain("key_v1 is forward-secure");
  });

  test("the same with a seed that stays on the host: nobody notices", async () => {
    const copy = copyOf(retained.host, "retained-forged");
    forge(copy, retained.anchored);
    expect(receiptsFrom(copy, retained.anchored).filter(({ decision }) => (decision as { action?: string } | undefined)?.action === "APPROVE")).toHaveLength(TAIL);
    expect(await audited(copy, [])).toMatchObject({ exitCode: 0, notChecked: expect.not.arrayContaining([expect.stringContaining("forward-secure")]) });
  });

  test("the open epoch is his: what is forged from there on is signed as it must be", async () => {
    const copy = copyOf(forward.host, "open");
    const newest = receiptsFrom(copy, 0).findLast(({ type }) => type === "anchor")!;
    forge(copy, newest.log_index + 1);
    expect(JSON.stringify(receiptsFrom(copy, newest.log_index + 1))).toContain("APPROVE");
    expect(await audited(copy, forward.seeds)).toMatchObject({ exitCode: 0 });
  });

  test("cut off, and written anew behind a ratchet_break: caught by everybody, with the seed or without", async () => {
    const copy = copyOf(forward.host, "broken");
    cutTo(copy, forward.anchored);
    await breakRatchet(copy);
    const root = new Root(copy);
    root.append({ system_id: "scorer", organization: "loans", decision: { action: "APPROVE" }, inputs: { n: 3 } });
    root.anchor();
    root.end();
    let hash = "";
    for (const seeds of [forward.seeds, []]) {
      const report = await audited(copy, seeds);
      const violations = report.findings.filter(({ severity }) => severity === "violation");
      expect([report.exitCode, violations.map(({ code, logIndex }) => [code, logIndex])]).toEqual([1, [["ratchet_break", forward.anchored]]]);
      hash = violations[0]!.found!;
    }
    // the defence off: an auditor who takes every break that a ledger shows
    expect(await audited(copy, forward.seeds, new Set([hash]))).toMatchObject({ exitCode: 0 });
  });

  test("an older ledger put back beside the ratchet: the daemon does not start", async () => {
    const copy = copyOf(forward.host, "older");
    cutTo(copy, forward.anchored);
    await expect(DaemonProcess.start(copy.config)).rejects.toThrow(/ratchet_ahead/);
  });

  test("an epoch in the index that was never published does not take the ratchet there, from where nothing leads back", async () => {
    const copy = copyOf(forward.host, "index");
    const ratchet = readFileSync(copy.places.ratchet);
    const db = new Database(copy.places.ledger);
    const triggers = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all();
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    db.exec("UPDATE receipt SET key_epoch = key_epoch + 1000 WHERE log_index = (SELECT max(log_index) FROM receipt)");
    db.close();
    await expect(DaemonProcess.start(copy.config)).rejects.toThrow(/ledger_corrupt/);
    expect(readFileSync(copy.places.ratchet)).toEqual(ratchet);
  });
});
