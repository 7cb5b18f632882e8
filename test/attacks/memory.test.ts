/** An attacker who reads the daemon's memory at one moment: of the epochs that were closed before he finds no key, nor what a key is made of. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { epochSecret, firstRatchetKey, nextRatchetKey, organizationKey } from "../../src/format/mac.ts";
import { parseSeed, type Seed } from "../../src/keys/seed.ts";
import { Client } from "../faults/client.ts";
import { DaemonProcess } from "../faults/daemon-process.ts";
import { Ground, seedsBeside } from "../faults/ground.ts";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "receiptd-memory-"));
let daemon: DaemonProcess | null = null;
afterEach(async () => {
  await daemon?.signal("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** bytes */
const PAGE = 4096;
const ZEROS = Buffer.alloc(PAGE);
/** Bytes of a page in /proc/PID/pagemap, and two bits of the last of them: 63 and 62 of the whole. */
const ENTRY = 8;
const PRESENT_OR_SWAPPED = 0xc0;

/** Which of the needles are in the memory that a process can write to. */
function inMemoryOf(pid: number, needles: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const byStart = Map.groupBy([...needles], ([, bytes]) => (bytes[0]! << 8) | bytes[1]!);
  const isStart = new Uint8Array(65_536);
  for (const start of byStart.keys()) isStart[start] = 1;
  const found = new Set<string>();
  for (const region of readMemory(pid)) {
    for (let page = 0; page < region.length; page += ZEROS.length) {
      const end = Math.min(region.length - 1, page + ZEROS.length);
      if (region.subarray(page, end).equals(ZEROS)) continue; // most of what is reserved
      for (let i = page; i < end; i++) {
        const start = (region[i]! << 8) | region[i + 1]!;
        if (isStart[start] === 0) continue;
        for (const [name, bytes] of byStart.get(start)!) if (region.subarray(i, i + bytes.length).equals(bytes)) found.add(name);
      }
    }
  }
  return [...found].sort();
}

/** What of that memory is there: most is reserved only, and reading it would make it (proc_pid_pagemap(5)). */
function* readMemory(pid: number): Generator<Buffer> {
  const [memory, pages] = [openSync(`/proc/${pid}/mem`, "r"), openSync(`/proc/${pid}/pagemap`, "r")];
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").trim().split("\n")) {
    const [, from = "", to = "", mode = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line)!;
    const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
    if (!mode.startsWith("rw") || end - start > 2 ** 30) continue;
    const entries = Buffer.alloc(((end - start) / PAGE) * ENTRY);
    const known = readSync(pages, entries, 0, entries.length, (start / PAGE) * ENTRY) / ENTRY;
    // what is not known to be away is read
    const isThere = (page: number): boolean => page >= known || (entries[page * ENTRY + ENTRY - 1]! & PRESENT_OR_SWAPPED) !== 0;
    for (let page = 0, next = 0; page < entries.length / ENTRY; page = next) {
      next = page + 1;
      if (!isThere(page)) continue;
      while (next < entries.length / ENTRY && isThere(next)) next++;
      const region = Buffer.alloc((next - page) * PAGE);
      try {
        yield region.subarray(0, readSync(memory, region, 0, region.length, start + page * PAGE));
      } catch {
        // a guard, or what has gone meanwhile
      }
    }
  }
  closeSync(memory);
  closeSync(pages);
}

/** Another forward-secure key, made by another process; its seed. */
function rotated(config: string): Seed {
  const printed = execFileSync(process.execPath, [MAIN, "--config", config, "key", "rotate", "--print-seed"], { encoding: "utf8" });
  return parseSeed(Buffer.from(printed.split("\n")[0]!), "the first line");
}

test("in the daemon's memory there is no key of a closed epoch, nor of a key that was rotated away", async () => {
  const ground = await new Ground({ anchor: { max_batch: 1000 }, selfCheck: { processor: 50, interval: "10ms" } }, folder).init(); // also what the self-check does with keys
  const seeds = [...seedsBeside(ground.data)];
  daemon = await DaemonProcess.start(ground.configFile);
  const client = new Client(ground.socket);
  const organizations = ["loans", "cards"];
  const ROUNDS = [100, 100, 1, 1, 1, 1]; // with garbage to collect, and without: memory that is freed is soon another's
  for (const [round, receipts] of ROUNDS.entries()) {
    if (round === 4) seeds.push(rotated(ground.configFile));
    await Promise.all(Array.from({ length: receipts }, (_, n) => client.must("append", { receipt: { system_id: "scorer", organization: organizations[n % 2], decision: 1, inputs: { n } } })));
    await client.must("anchor");
  }
  await client.must("append", { receipt: { system_id: "scorer", organization: "loans", decision: 1, inputs: {} } });
  const { key_epoch: epoch, pid } = await client.must("status") as { key_epoch: number; pid: number };
  expect(epoch).toBeGreaterThan(ROUNDS.length);

  const closed = new Map(seeds.map(({ keyId, seed }) => [`seed of ${keyId}`, seed]));
  const open = new Map<string, Uint8Array>();
  let key: Uint8Array = new Uint8Array(32);
  for (let at = 0; at <= epoch; at++) {
    const begins = seeds.find(({ firstEpoch }) => firstEpoch === at);
    if (begins !== undefined) key = firstRatchetKey(begins.seed, begins.ledgerId, begins.keyId);
    const secret = epochSecret(key);
    const keys: [string, Uint8Array][] = [[`K_${at}`, key], [`S_${at}`, secret]];
    for (const organization of [...organizations, "_ledger"]) {
      const mac = organizationKey(secret, organization);
      keys.push([`M_${at},${organization}`, mac], [`M_${at},${organization} ^ ipad`, mac.map((byte) => byte ^ 0x36)], [`M_${at},${organization} ^ opad`, mac.map((byte) => byte ^ 0x5c)]);
    }
    for (const [name, bytes] of keys) (at < epoch ? closed : open).set(name, bytes);
    key = nextRatchetKey(key);
  }
  const found = inMemoryOf(pid, new Map([...closed, ...open]));
  expect(found.filter((name) => closed.has(name))).toEqual([]);
  expect(found).toEqual(expect.arrayContaining([`K_${epoch}`, `S_${epoch}`, `M_${epoch},loans ^ ipad`])); // it was looked for in the right place
  await client.close();
}, 60_000);
