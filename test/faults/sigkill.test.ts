/**
 * The daemon killed: at random moments under load, after each kind of step of anchoring, in the midst of what a new ledger is made of, and
 * between the two writes of the ratchet.
 * What it acknowledged is there, nothing is there twice, and everything adds up. RECEIPTD_LONG=1 kills more often, and after every step.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { initLedger } from "../../src/daemon/init.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { keyInUse } from "../../src/ledger/keys-said.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { cachedImage } from "../powercut/disk.ts";
import { writeImage } from "../powercut/image.ts";
import { ratchetEpochs } from "../powercut/promises.ts";
import { seededRandom } from "../powercut/random.ts";
import { toldBefore, traceDaemon } from "../powercut/traced-daemon.ts";
import { straceProblem } from "../powercut/traced-process.ts";
import type { Trace } from "../powercut/trace.ts";
import { audited } from "./audited.ts";
import { Book, Load, sendAgain, until } from "./book.ts";
import { check, lost } from "./check.ts";
import { Client } from "./client.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { Ground } from "./ground.ts";
import { interfering } from "./interfering.ts";
import { closeSecrets, revive } from "./revive.ts";

const LONG = process.env["RECEIPTD_LONG"] === "1";
const ROUNDS = LONG ? 60 : 4;
/** ms */
const PATIENCE = LONG ? 1_200_000 : 120_000;

const problem = straceProblem();
if (problem !== undefined) console.error(`\n*** TESTS THAT KILL AT A SYSTEM CALL DID NOT RUN: ${problem} ***\n`);

let ground: Ground;
let daemon: DaemonProcess | null = null;

beforeEach(async () => {
  ground = await new Ground().init();
});
afterEach(async () => {
  if (daemon !== null && !daemon.over) await daemon.signal("SIGKILL");
  daemon = null;
  rmSync(ground.dir, { recursive: true });
});

test("killed at random moments under load, nothing acknowledged is lost and nothing is there twice", async () => {
  const random = seededRandom(7);
  const book = new Book();
  for (let round = 0; round < ROUNDS; round++) {
    daemon = await DaemonProcess.start(ground.configFile);
    await sendAgain(ground.socket, book);
    const loads = [
      new Load(ground.socket, book, { clients: 3, depth: 8, ack: "disk" }),
      new Load(ground.socket, book, { clients: 2, depth: 8, ack: "wal" }),
    ];
    const asking = new Client(ground.socket);
    const due = book.acknowledged.size + 20 + random.below(200);
    await until(() => book.acknowledged.size >= due, "acknowledgements");
    if (random.chance(0.5)) void asking.call("anchor");
    expect(await daemon.signal("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
    await Promise.all([...loads.map((load) => load.over), asking.close()]);
  }
  daemon = await DaemonProcess.start(ground.configFile);
  await sendAgain(ground.socket, book, "all");
  expect(await daemon.signal("SIGTERM")).toEqual({ code: 0, signal: null });
  const found = check(ground);
  expect(found.findings).toEqual([]);
  expect(await audited(ground)).toEqual([]);
  expect([lost(book, found), book.open(), book.contradictions]).toEqual([[], [], []]);
  expect(found.anchors.filter((anchor) => anchor.details.reason === "start")).toHaveLength(ROUNDS + 1);
  expect(found.published).toEqual(found.anchors.map((anchor) => anchor.treeSize));
}, PATIENCE);

describe.skipIf(problem !== undefined)("killed at a system call", () => {
  test("after any step of anchoring, the daemon starts from what is there", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "receiptd-killed-"));
    try {
      const { trace, book } = await traceDaemon(scratch, { ack: "disk", receipts: 90 });
      const { creation, serving } = stepsIn(trace);
      const chosen = LONG ? serving : oneOfEachKind(serving);
      // behind the tree that is to be signed, its signature and what a target has confirmed, which are all writes of the outbox
      expect(new Set(chosen.map(({ what }) => POINTS.find(([, kind]) => kind.test(what))?.[0]))).toEqual(new Set(POINTS.map(([point]) => point)));
      for (const { at, what } of LONG ? creation : creation.filter((step) => /^(link (root\.key|ratchet)$|rename )/.test(step.what))) {
        const dir = join(scratch, "image");
        writeImage(cachedImage(trace, at), dir);
        closeSecrets(dir);
        const begun = new Ground({}, dir);
        if (!existsSync(join(dir, "data/ledger.db"))) await initLedger(begun.config(), null);
        expect({ at, what, wrong: await revive(dir, new Book()) }).toEqual({ at, what, wrong: [] });
        rmSync(dir, { recursive: true });
      }
      for (const { at, what } of chosen) {
        const dir = join(scratch, "image");
        writeImage(cachedImage(trace, at), dir);
        closeSecrets(dir);
        expect({ at, what, wrong: await revive(dir, book.before(toldBefore(trace, at))) }).toEqual({ at, what, wrong: [] });
        rmSync(dir, { recursive: true });
      }
    } finally {
      rmSync(scratch, { recursive: true });
    }
  }, PATIENCE);

  test("after any step of a rotation, the daemon goes on with one key or the other", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "receiptd-killed-"));
    try {
      const { trace, book } = await traceDaemon(scratch, { ack: "disk", receipts: 5, rotated: "receipts" });
      const { serving: all } = stepsIn(trace);
      const steps = all.slice(0, all.findLastIndex(({ what }) => what.endsWith(" next.key")) + 2);
      expect(new Set(steps.map(({ what }) => what))).toEqual(new Set([
        "link s", "write ratchet", "link keyring.json.new", "write keyring.json.new", "rename keyring.json", "sync ledger.db-wal", "write ledger.db-acks", "write next.key", "unlink next.key",
      ]));
      const signing = new Set<string>();
      for (const { at, what } of LONG ? steps : steps.filter((_, i) => i % 5 === 0)) {
        const dir = join(scratch, "image");
        writeImage(cachedImage(trace, at), dir);
        closeSecrets(dir);
        signing.add(keyOf(dir));
        expect({ at, what, wrong: await revive(dir, book.before(toldBefore(trace, at))) }).toEqual({ at, what, wrong: [] });
        expect([keyOf(dir), existsSync(join(dir, "data/next.key"))]).toEqual(["key_v2", false]);
        rmSync(dir, { recursive: true });
      }
      expect([...signing].sort()).toEqual(["key_v1", "key_v2"]); // before it and behind it
    } finally {
      rmSync(scratch, { recursive: true });
    }
  }, PATIENCE);

  test("after any step of a rotation of the checkpoint key, every anchor has the signatures that it must have", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "receiptd-killed-"));
    try {
      const { trace, book } = await traceDaemon(scratch, { ack: "disk", receipts: 5, rotated: "checkpoint" });
      const { serving: all } = stepsIn(trace);
      const steps = all.slice(0, all.findLastIndex(({ what }) => what.endsWith(" keyring.json.old")) + 2);
      const own = steps.filter(({ what }) => /keyring|next\.checkpoint|ledger\.db|tlog-proof/.test(what));
      expect(new Set(own.map(({ what }) => what.replace(/\d{20}-[0-9a-f]{64}/, "")))).toEqual(new Set([
        "link keyring.json.new", "write keyring.json.new", "rename keyring.json", "sync ledger.db-wal", "write ledger.db-acks", "write next.checkpoint", "unlink next.checkpoint",
        "link .tlog-proof", "link keyring.json.old", "write keyring.json.old", "unlink keyring.json.old",
      ]));
      const secrets = new Set<string>();
      for (const { at, what } of LONG ? steps : oneOfEach(own)) {
        const dir = join(scratch, "image");
        writeImage(cachedImage(trace, at), dir);
        closeSecrets(dir);
        secrets.add(checkpointKeysOf(dir));
        expect({ at, what, wrong: await revive(dir, book.before(toldBefore(trace, at))) }).toEqual({ at, what, wrong: [] });
        expect([what, checkpointKeysOf(dir), ...["next.checkpoint", "keyring.json.old"].map((name) => existsSync(join(dir, "data", name)))]).toEqual([what, "overwritten, here", false, false]);
        rmSync(dir, { recursive: true });
      }
      expect([...secrets].sort()).toEqual(["here", "here, here", "overwritten, here"]); // before it, in it and behind it
    } finally {
      rmSync(scratch, { recursive: true });
    }
  }, PATIENCE);

  test("between the two writes of the ratchet: the old key is gone before anything is signed", async () => {
    // two writes when the daemon starts, two when it closes the first batch
    daemon = new DaemonProcess(ground.configFile, interfering({ path: join(ground.data, "ratchet"), calls: "pwrite64", how: "signal=KILL:when=4" }));
    expect(await daemon.ended).toEqual({ code: null, signal: "SIGKILL" });
    expect(ratchetEpochs(ground.data).toSorted()).toEqual([0, 1]);

    // the first write into the outbox stores what is about to be signed
    daemon = new DaemonProcess(ground.configFile, interfering({ path: join(ground.data, "anchor.db-wal"), calls: "pwrite64", how: "signal=KILL:when=1" }));
    expect(await daemon.ended).toEqual({ code: null, signal: "SIGKILL" });
    expect(ratchetEpochs(ground.data)).not.toContain(0);
    expect(await revive(ground.dir, new Book())).toEqual([]);
  });
});

/** The key that the ledger in a folder goes on with. */
function keyOf(dir: string): string {
  const reader = new Reader(join(dir, "data/ledger.db"), nodeHash.sha256);
  try {
    return keyInUse(reader)!;
  } finally {
    reader.close();
  }
}

/** Where the checkpoint keys in a folder's keyring are. */
function checkpointKeysOf(dir: string): string {
  const keyring = openKeyring(join(dir, "data/keyring.json"), openRootKeyFile(join(dir, "data/root.key")));
  return keyring.checkpointKeys.map(({ privateKey }) => (privateKey === undefined ? "overwritten" : "here")).join(", ");
}

/** The first of each kind. */
function oneOfEach(steps: readonly Step[]): readonly Step[] {
  return Object.values(Object.groupBy(steps, ({ what }) => what.replace(/[0-9a-f-]{20,}/g, ""))).flatMap((alike = []) => alike.slice(0, 1));
}

interface Step {
  readonly at: number;
  readonly what: string;
}

/** What the steps of anchoring are, in order. */
const POINTS: readonly (readonly [string, RegExp])[] = [
  ["commit", /^sync ledger\.db-wal/], ["ratchet", /^write ratchet/], ["sign, and read back", /^(write|truncate|link|unlink|rename) anchor\.db/],
  ["publish", /^(link|unlink|write) .*(tlog-proof|entries|tmp-)/], ["close", /./],
];

/** The moments after each change while the ledger is made; then after each of ratchet, outbox and target, and each commit of the ledger. */
function stepsIn(trace: Trace): { readonly creation: readonly Step[]; readonly serving: readonly Step[] } {
  const names = new Map<number, string>();
  const creation: Step[] = [];
  const steps: Step[] = [];
  let serving = false;
  for (const event of trace.events) {
    if (event.kind === "link") {
      names.set(event.node, event.entry.name);
      serving ||= event.entry.name === "s"; // its socket
    }
    const name = event.kind === "write" ? names.get(event.file) : "entry" in event ? event.entry.name : "to" in event ? event.to.name : undefined;
    const isCommit = event.kind === "sync" && names.get(Number(event.node)) === "ledger.db-wal";
    if (serving && (isCommit || (name !== undefined && name !== "ledger.db-wal"))) {
      steps.push({ at: event.end + 1, what: `${event.kind} ${name ?? "ledger.db-wal"}` });
    } else if (!serving && !isCommit && name !== undefined && !name.endsWith("-shm")) creation.push({ at: event.end + 1, what: `${event.kind} ${name}` });
  }
  return { creation, serving: steps };
}

/** In the middle of the run; not of what is done only once, at its beginning and its end. */
function oneOfEachKind(steps: readonly Step[]): readonly Step[] {
  const kinds = Object.groupBy(steps, ({ what }) => what.replace(/[0-9a-f-]{20,}/g, ""));
  return Object.values(kinds).flatMap((alike = []) => (alike.length > 1 ? [alike[alike.length >> 1]!] : []));
}
