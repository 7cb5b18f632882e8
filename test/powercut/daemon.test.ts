/**
 * The real daemon under power cuts: what it acknowledged as `disk` is there afterwards, what it anchored fits what it has, and it
 * starts again. And the same harness finds the loss where there must be one: on a disk that ignores fsync, after `wal`, and when a
 * single fsync is missing. RECEIPTD_LONG=1 cuts more often.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { initLedger } from "../../src/daemon/init.ts";
import { damagedLog } from "../../src/ledger/left-over.ts";
import { audited } from "../faults/audited.ts";
import { check, type Found } from "../faults/check.ts";
import { Ground } from "../faults/ground.ts";
import { closeSecrets, revive } from "../faults/revive.ts";
import { reboot } from "../support/reboot.ts";
import { type Cut, type DiskOptions, cuts, imageAt } from "./disk.ts";
import { writeImage } from "./image.ts";
import { brokenPromises } from "./promises.ts";
import { type TracedDaemon, toldBefore, traceDaemon } from "./traced-daemon.ts";
import { straceProblem } from "./traced-process.ts";
import type { Trace } from "./trace.ts";

const LONG = process.env["RECEIPTD_LONG"] === "1";
const CUTS = LONG ? 200 : 24;
/** Of the cuts, those from which the daemon is started again. */
const STARTS = CUTS / 12;
const RECEIPTS = 120;
const SEED = 1;
/** ms */
const PATIENCE = LONG ? 600_000 : 120_000;

/** Where strace is missing these tests do not run, which must not pass for success: under CI it is a failure. */
const problem = straceProblem();
if (problem !== undefined) console.error(`\n*** POWER-CUT TESTS DID NOT RUN: ${problem} ***\n`);

const scratch = mkdtempSync(join(tmpdir(), "powercut-daemon-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(problem !== undefined)("a power cut under the daemon", () => {
  let traced: TracedDaemon;
  beforeAll(async () => {
    traced = await traceDaemon(scratch, { ack: "disk", receipts: RECEIPTS });
  }, PATIENCE);

  test("loses no receipt that was acknowledged, and keeps every promise", () => {
    const { trace } = traced;
    const outcomes = cuts(trace, CUTS, SEED).map((cut, i) => outcomeOf(trace, cut, { names: i % 2 === 0 ? "posix" : "ext4" }));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ lost: 0, findings: [] });
    // all of the run was cut, its beginning and its end; receipts are acknowledged by groups, of which there are some dozens
    expect(new Set(outcomes.map((outcome) => outcome.told)).size).toBeGreaterThan(Math.min(CUTS / 6, 15));
    expect(Math.max(...outcomes.map((outcome) => outcome.told))).toBe(RECEIPTS);
    expect(Math.max(...outcomes.map((outcome) => outcome.published))).toBeGreaterThan(3);
  }, PATIENCE);

  test("leaves what the daemon starts from as if nothing had happened", async () => {
    const { trace, book } = traced;
    const some = cuts(trace, STARTS, SEED + 1);
    const early = Math.min(...trace.events.filter((event) => event.kind === "link" && event.entry.name === "ratchet").map((event) => event.end));
    for (const cut of [...some, { at: early, seed: SEED }]) {
      const dir = written(trace, cut, {});
      const ground = new Ground({}, dir);
      // a creation that was cut short is taken up where it stopped
      if (!existsSync(join(dir, "data/ledger.db"))) await initLedger(ground.config());
      // before the first anchor is at the target the audit cannot know that it was never there
      if (check(ground).published.length > 0) expect({ cut, wrong: await audited(ground) }).toEqual({ cut, wrong: [] });
      expect({ cut, wrong: await revive(dir, book.before(toldBefore(trace, cut.at))) }).toEqual({ cut, wrong: [] });
      rmSync(dir, { recursive: true });
    }
  }, PATIENCE);

  test("in the midst of a rotation, it leaves a ledger that goes on with one key or the other", async () => {
    const { trace, book } = await traceDaemon(scratch, { ack: "disk", receipts: 5, rotated: "receipts" });
    const [from, to] = ["keyring.json.new", "next.key"].map((name) => trace.events.findLast((event) => (event.kind === "link" || event.kind === "unlink") && event.entry.name === name)!.end);
    const width = to! - from! + 40;
    for (let i = 0; i < CUTS / 6; i++) {
      const cut = { at: from! - 30 + Math.floor((width * (i + 0.5)) / (CUTS / 6)), seed: i };
      const dir = written(trace, cut, { names: i % 2 === 0 ? "posix" : "ext4" });
      expect({ cut, wrong: await revive(dir, book.before(toldBefore(trace, cut.at))) }).toEqual({ cut, wrong: [] });
      expect(existsSync(join(dir, "data/next.key"))).toBe(false);
      rmSync(dir, { recursive: true });
    }
  }, PATIENCE);

  test("a single missing fsync of the ledger is found", () => {
    const { trace } = traced;
    const logs = new Set(trace.events.flatMap((event) => event.kind === "link" && event.entry.name === "ledger.db-wal" ? [event.node] : []));
    const answers = trace.events.filter((event) => event.kind === "acknowledge" && new TextDecoder().decode(event.data).includes('"ack":"disk"'));
    const tried = Array.from({ length: 8 }, (_, i) => answers[Math.floor(((i + 0.5) * answers.length) / 8)]!);
    const found = tried.filter(({ begin }) => {
      const missing = trace.events.findLast((event) => event.kind === "sync" && logs.has(Number(event.node)) && event.end < begin);
      const events = trace.events.filter((event) => event !== missing);
      const here = Array.from({ length: 3 }, (_, seed): Cut => ({ at: begin + 1, seed }));
      return here.some((cut) => outcomeOf({ ...trace, events }, cut).lost > 0);
    });
    // not always: another sync may have come before the answer, or the writes been lucky
    expect(found.length).toBeGreaterThan(tried.length / 2);
  }, PATIENCE);

  test("a disk that lies about fsync loses acknowledged receipts", async () => {
    const { trace } = await traceDaemon(scratch, { ack: "disk", receipts: RECEIPTS / 3, injectNoSync: true });
    expect(trace.events.some((event) => event.kind === "sync" && event.injected)).toBe(true);
    expect(cuts(trace, 12, SEED).some((cut) => outcomeOf(trace, cut).lost > 0)).toBe(true);
  }, PATIENCE);

  test("`wal` promises less: receipts may be lost, but none that was promised for `disk` after the daemon was killed", async () => {
    const { trace } = await traceDaemon(scratch, { ack: "wal", receipts: RECEIPTS / 3, killed: true });
    const outcomes = cuts(trace, 24, SEED).map((cut) => outcomeOf(trace, cut));
    expect(outcomes.some((outcome) => outcome.lost > 0)).toBe(true);
    expect(Math.max(...outcomes.map((outcome) => outcome.promised))).toBe(RECEIPTS / 3);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ broken: 0, findings: [] });
  }, PATIENCE);
});

interface Outcome {
  readonly cut: Cut;
  /** Receipts acknowledged before the cut, and how many of them are not in the ledger as they were. */
  readonly told: number;
  readonly lost: number;
  /** The same of those that were acknowledged as `disk`. */
  readonly promised: number;
  readonly broken: number;
  readonly published: number;
  readonly findings: readonly string[];
}

function outcomeOf(trace: Trace, cut: Cut, options: DiskOptions = {}): Outcome {
  const told = [...toldBefore(trace, cut.at)];
  const dir = written(trace, cut, options);
  try {
    const { hashes, published, findings } = look(dir);
    const promised = told.filter(([, { ack }]) => ack === "disk");
    const missing = (some: typeof told): number => some.filter(([id, { hash }]) => hashes.get(id) !== hash).length;
    return { cut, told: told.length, lost: missing(told), promised: promised.length, broken: missing(promised), published: published.length, findings };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** What is there; a ledger that was never created, or cannot be opened, has nothing. */
function look(dir: string): Pick<Found, "hashes" | "published" | "findings"> {
  const data = join(dir, "data");
  if (!existsSync(join(data, "ledger.db"))) return { hashes: new Map(), published: [], findings: [] };
  const refused = damagedLog(join(data, "ledger.db")); // no power cut keeps the daemon from starting
  if (refused !== null) return { hashes: new Map(), published: [], findings: [refused] };
  try {
    const { hashes, published, findings } = check({ data, target: join(data, "anchors") });
    return { hashes, published, findings: [...findings, ...brokenPromises(data, published)] };
  } catch (error) {
    return { hashes: new Map(), published: [], findings: [error instanceof Error ? error.message : String(error)] };
  }
}

function written(trace: Trace, cut: Cut, options: DiskOptions): string {
  const dir = mkdtempSync(join(scratch, "image-"));
  writeImage(imageAt(trace, cut, options), dir);
  reboot(join(dir, "data/ledger.db"));
  closeSecrets(dir);
  return dir;
}
