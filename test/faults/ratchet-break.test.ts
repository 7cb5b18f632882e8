/**
 * `receiptd key break` cut short, by a kill or by the power, after any of its writes: either the ledger has gone on, and so does the daemon;
 * or it has not, the daemon refuses as before, and the same command does it. Nothing acknowledged is lost, and one break is all there is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { RatchetBreak } from "../../src/daemon/ratchet-break.ts";
import { newSeed, nextKeyName } from "../../src/keys/next-key.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { openKeyring } from "../../src/keys/keyring.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile } from "../../src/keys/root-key.ts";
import { keyInUse } from "../../src/ledger/keys-said.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { cachedImage, cuts, imageAt } from "../powercut/disk.ts";
import { type Image, writeImage } from "../powercut/image.ts";
import { ratchetEpochs } from "../powercut/promises.ts";
import type { Trace } from "../powercut/trace.ts";
import { straceProblem, traceProcess } from "../powercut/traced-process.ts";
import { Book, Load } from "./book.ts";
import { DaemonProcess, environment, receiptd } from "./daemon-process.ts";
import { Ground } from "./ground.ts";
import { closeSecrets, revive } from "./revive.ts";

const LONG = process.env["RECEIPTD_LONG"] === "1";
const problem = straceProblem();
if (problem !== undefined) console.error(`\n*** TESTS THAT KILL AT A SYSTEM CALL DID NOT RUN: ${problem} ***\n`);

/** Syncs of secrets are not among them: what a kill leaves is the same before and after. */
const SECRETS_AND_LEDGER = /^(?:(?:link|write|rename) (?:ratchet|keyring\.json|keyring\.json\.new|ledger\.db-wal)|sync ledger\.db-wal)$/;

/** What the ratchet's file is when the command comes. */
const RATCHETS: Readonly<Record<string, (ground: Ground) => Promise<void> | void>> = {
  lost: ({ data }) => rmSync(join(data, "ratchet")),
  ahead: async ({ data }) => {
    const root = openRootKeyFile(join(data, "root.key"));
    const file = new RatchetFile(join(data, "ratchet"), root, openKeyring(join(data, "keyring.json"), root).ledgerId);
    const { keyId, epoch, key } = file.load()!;
    await file.store({ keyId, epoch: epoch + 2, key });
    await file.close();
  },
};

/** A ledger with receipts in its open epoch, of a daemon that was killed; then the command, traced. */
async function traced(scratch: string, ratchet: string): Promise<{ readonly trace: Trace; readonly book: Book }> {
  const ground = await new Ground({}, mkdtempSync(join(scratch, "traced-"))).init();
  const daemon = await DaemonProcess.start(ground.configFile);
  const book = new Book();
  await new Load(ground.socket, book, { clients: 1, depth: 2, ack: "disk", receipts: 5 }).over;
  await daemon.signal("SIGKILL");
  await RATCHETS[ratchet]!(ground);
  const [command = "", ...args] = receiptd("key", "break", "--config", ground.configFile, "--reason", "a test", "--retained");
  const { child, finish } = traceProcess({ command, args, dir: ground.dir, env: environment(), stdio: ["ignore", "ignore", "inherit"] });
  const trace = await finish();
  expect(child.exitCode).toBe(0);
  return { trace, book };
}

function keyOf(dir: string): string {
  const reader = new Reader(join(dir, "data/ledger.db"), nodeHash.sha256);
  try {
    return keyInUse(reader)!;
  } finally {
    reader.close();
  }
}

/** The same command again; false where there is nothing to do. */
async function breakAgain(dir: string): Promise<boolean> {
  const broken = await RatchetBreak.open(new Ground({}, dir).config());
  try {
    await broken.goOn({ keyId: nextKeyName(broken.keyring), mode: "retained", firstEpoch: null, createdAt: new Date().toISOString(), reason: "request", secret: newSeed() }, "a test");
    return true;
  } finally {
    broken.close();
  }
}

const codeOf = (attempt: Promise<unknown>): Promise<unknown> => attempt.then(() => null, (error: { readonly code?: string }) => error.code ?? error);

/** The moments after each change of a file. */
function stepsOf(trace: Trace): readonly { readonly at: number; readonly what: string }[] {
  const names = new Map(trace.events.flatMap((event) => (event.kind === "link" ? [[event.node, event.entry.name] as const] : [])));
  return trace.events.filter(({ begin }) => begin >= trace.start).map((event) => {
    const name = event.kind === "write" ? names.get(event.file) : event.kind === "sync" ? names.get(Number(event.node)) : "entry" in event ? event.entry.name : "to" in event ? event.to.name : undefined;
    return { at: event.end + 1, what: `${event.kind} ${name}` };
  });
}

/** What went otherwise than it should; the key that the ledger had gone on with. */
async function after(image: Image, dir: string, ratchet: string, book: Book): Promise<{ readonly had: string; readonly wrong: readonly unknown[] }> {
  writeImage(image, dir);
  closeSecrets(dir);
  const had = keyOf(dir);
  const wrong: unknown[] = [];
  if (had === "key_v1") {
    const refused = await codeOf(startDaemon(new Ground({}, dir).config(), pino({ level: "silent" }), () => undefined));
    if (refused !== `ratchet_${ratchet}`) wrong.push(refused);
    await breakAgain(dir);
  } else {
    const refused = await codeOf(breakAgain(dir));
    if (refused !== "ratchet_usable") wrong.push(refused);
  }
  // both verifiers say what they have to say, and nothing else: the walk its one finding, the audit its sentence and its one finding
  const said = await revive(dir, book.before(book.acknowledged));
  const isBreak = (line: string): boolean => /^\d+: ratchet_break: |goes on with key_v[23], which key_v1 has not named/.test(line);
  if (said.length !== 3 || !said.every(isBreak)) wrong.push(...said);
  if (ratchetEpochs(join(dir, "data")).length !== 1) wrong.push("an old key is in the ratchet");
  rmSync(dir, { recursive: true });
  return { had, wrong };
}

describe.skipIf(problem !== undefined)("a break that is cut short", () => {
  test.each(["lost", "ahead"])("where the ratchet is %s", { timeout: LONG ? 1_200_000 : 120_000 }, async (ratchet) => {
    const scratch = mkdtempSync(join(tmpdir(), "receiptd-killed-"));
    try {
      const { trace, book } = await traced(scratch, ratchet);
      const steps = stepsOf(trace);
      const kills = LONG ? steps : steps.filter(({ what }, i) => SECRETS_AND_LEDGER.test(what) && steps.findLastIndex((one) => one.what === what) === i);
      expect(kills.map(({ what }) => what)).toEqual(expect.arrayContaining(["write ratchet", "write keyring.json.new", "rename keyring.json", "sync ledger.db-wal"]));
      const images = [...kills.map(({ at, what }) => [`killed after ${what}, ${at}`, cachedImage(trace, at)] as const), ...cuts(trace, LONG ? 100 : 2, 7).map((cut) => [JSON.stringify(cut), imageAt(trace, cut)] as const)];
      const seen = new Set<string>();
      for (const [what, image] of images) {
        const { had, wrong } = await after(image, join(scratch, "image"), ratchet, book);
        expect({ what, wrong }).toEqual({ what, wrong: [] });
        seen.add(had);
      }
      expect([...seen].toSorted()).toEqual(["key_v1", "key_v2"]); // before it and behind it
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});
