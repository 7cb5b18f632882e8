/**
 * The model beside an audit: one process for all receipts that were drawn, a line of JSON for each on its standard input, a line for each
 * answer on its standard output, in any order. What it says is believed as little as what is in the receipts.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { equal } from "../format/bytes.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import type { Receipt } from "../format/receipt.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Drawn } from "../audit/draw.ts";
import { type Answer, differences, type NotReplayable, notReplayable, question, readAnswer, type ReplayCounts, seedText } from "../audit/replay.ts";
import type { SurveyInto, SurveySeen } from "../audit/surveying.ts";
import type { Reader } from "../ledger/reader.ts";
import { verifyReceipt } from "../verify/receipt.ts";

export interface ReplayAsk {
  /** For `sh -c`: the auditor's own words, and nothing of a receipt is put into them. */
  readonly command: string;
  readonly seed: Uint8Array;
  readonly isSeedGiven: boolean;
  /** ms that all of it may take. */
  readonly timeout: number;
}

/** Bytes of a line of the model's: those of a receipt, and more than it needs. */
const MAX_LINE = 1_048_576 + 4096;
const LF = 0x0a;
/** ms that a process has to end when it is asked to. */
const MERCY = 2000;
/** Characters of the model's that are repeated. */
const MAX_SAID = 200;

/** Why it cannot be said how the model decides, each once, with the first few words of the model. */
class Failures {
  readonly #told = new Map<string, { count: number; first: string }>();

  add(what: string, first = ""): void {
    const known = this.#told.get(what);
    if (known === undefined) this.#told.set(what, { count: 1, first });
    else known.count++;
  }

  get texts(): readonly string[] {
    return [...this.#told].map(([what, { count: n, first }]) => `${n === 1 ? "" : `${count(n)} times: `}${what}${first === "" ? "" : ` (${first.slice(0, MAX_SAID).toWellFormed()})`}`);
  }
}

/** Gives what was drawn to the model, and what it answers to the audit's verdict. */
export async function replay(ask: ReplayAsk, { draw }: SurveySeen, { findings, notChecked, reader, signal }: SurveyInto): Promise<ReplayCounts> {
  const { among = 0, drawn = [] } = draw ?? {};
  const failures = new Failures();
  const not: Record<NotReplayable, number> = { none: 0, hashed: 0, sealed: 0 };
  const due = new Map<string, Drawn>();
  const done = { same: 0, differ: 0 };
  for (const one of drawn.toSorted((a, b) => a.logIndex - b.logIndex)) {
    const receipt = receiptAt(reader, one);
    const why = receipt === null ? null : notReplayable(receipt["inputs"]);
    if (receipt === null) failures.add("a receipt that was drawn is not there any more as the audit read it");
    else if (why !== null) not[why]++;
    else due.set(receipt.receipt_id, one);
  }
  const asked = due.size;
  const unread = drawn.length - asked - not.none - not.hashed - not.sealed;

  const take = (answer: Answer): void => {
    const one = due.get(answer.receiptId);
    if (one === undefined) return failures.add("an answer to a receipt that it was not asked about, or had answered", answer.receiptId);
    due.delete(answer.receiptId);
    const receipt = receiptAt(reader, one); // read anew: answers may come when all have been asked, and the receipts of all need not fit into the memory
    if (receipt === null) return failures.add("a receipt that was drawn is not there any more as the audit read it");
    if ("error" in answer) return failures.add("no decision, but an error", `${receipt.receipt_number}: ${answer.error}`);
    const [first, ...more] = differences(receipt["decision"]!, answer.decision);
    if (first === undefined) {
      done.same++;
      return undefined;
    }
    done.differ++;
    return findings.add({
      severity: "violation", code: "decision_differs", message: `the model decides otherwise than was recorded${more.length === 0 ? "" : `, also at ${more.map(({ at }) => at).join(", ")}`}`,
      logIndex: receipt.log_index, receiptId: receipt.receipt_id, receiptNumber: receipt.receipt_number, organization: receipt.organization,
      at: first.at, expected: first.recorded, found: first.replayed,
    });
  };

  if (asked > 0) await run(ask, [...due.values()], { reader, take, failures, signal });
  if (due.size > 0) failures.add(`no answer to ${count(due.size, "receipt")}`);
  for (const text of failures.texts) notChecked.fail(`decisions by making them again: ${text}`);
  const counts: ReplayCounts = {
    seed: seedText(ask.seed), isSeedGiven: ask.isSeedGiven, decisions: among, drawn: drawn.length, ...done, unanswered: asked - done.same - done.differ + unread, notReplayable: not,
  };
  remark(counts, asked, notChecked);
  return counts;
}

function remark({ decisions, drawn, isSeedGiven, notReplayable: { none, hashed, sealed } }: ReplayCounts, asked: number, notChecked: SurveyInto["notChecked"]): void {
  const kinds = [[none, "without inputs"], [hashed, "with nothing but hashes as inputs"], [sealed, "with sealed inputs"]] as const;
  const said = kinds.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`).join(", ");
  if (said !== "") notChecked.add(`by making them again: ${said}, of ${count(drawn, "decision")} that ${drawn === 1 ? "was" : "were"} drawn`);
  if (drawn > 0 && asked === 0) notChecked.fail("decisions by making them again: none that was drawn can be made again from its receipt");
  if (drawn < decisions) notChecked.add(`by making them again: ${count(decisions - drawn, "decision")} that ${decisions - drawn === 1 ? "was" : "were"} not drawn`);
  if (isSeedGiven) notChecked.add("whether the draw was by chance: its seed was given (--sample-seed), and whoever knows it before decisions are recorded knows which are drawn");
}

/** null where it is not the one that the audit has read. */
function receiptAt(reader: Reader, { logIndex, hash }: Drawn): Receipt | null {
  const blob = reader.byIndex(logIndex)?.blob ?? null;
  if (blob === null || !equal(nodeHash.sha256(blob), hash)) return null;
  const read = verifyReceipt(blob, nodeHash);
  return read.known ? read.receipt : null;
}

interface Talk {
  readonly reader: Reader;
  readonly take: (answer: Answer) => void;
  readonly failures: Failures;
  readonly signal: AbortSignal | undefined;
}

type Model = ChildProcessByStdio<Writable, Readable, null>;

async function run({ command, timeout }: ReplayAsk, asked: readonly Drawn[], talk: Talk): Promise<void> {
  const { failures } = talk;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECEIPTD_")));
  const model: Model = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "pipe", "inherit"], env, detached: true }); // a group of its own, so that all of it can be ended
  const closed = once(model, "close").catch((error: unknown) => { failures.add(`the model cannot be started: ${error instanceof Error ? error.message : String(error)}`); });
  const stop = new AbortController();
  const timer = setTimeout(() => {
    failures.add(`the model was not ready in ${count(Math.ceil(timeout / 1000), "second")}, and was ended`);
    stop.abort();
  }, timeout);
  const onAbort = (): void => stop.abort();
  talk.signal?.addEventListener("abort", onAbort);
  stop.signal.addEventListener("abort", () => end(model));
  model.stdin.on("error", () => undefined); // it may end without reading: its missing answers tell
  try {
    await Promise.all([ask(model.stdin, asked, talk.reader, stop.signal), listen(model.stdout, talk, stop)]);
    await closed;
    const { exitCode, signalCode } = model;
    if (!stop.signal.aborted && exitCode !== 0 && model.pid !== undefined) failures.add(`the model ended with ${exitCode === null ? String(signalCode) : `exit code ${exitCode}`}`);
  } finally {
    clearTimeout(timer);
    talk.signal?.removeEventListener("abort", onAbort);
    kill(model, "SIGKILL"); // whatever it has left behind
  }
}

async function ask(stdin: Writable, asked: readonly Drawn[], reader: Reader, stopped: AbortSignal): Promise<void> {
  for (const one of asked) {
    if (stopped.aborted || stdin.destroyed) return;
    const receipt = receiptAt(reader, one);
    if (receipt === null) continue; // its answer will be missing
    await new Promise<void>((resolve) => { stdin.write(`${question(receipt)}\n`, () => resolve()); }); // also where nobody reads it any more
  }
  stdin.end();
}

/** Lines of bounded length, as they come. */
async function listen(stdout: Readable, { take, failures }: Talk, stop: AbortController): Promise<void> {
  let line: Buffer[] = [];
  let size = 0;
  const add = (piece: Buffer): void => {
    line.push(piece);
    size += piece.length;
  };
  const finish = (): void => {
    const text = Buffer.concat(line);
    [line, size] = [[], 0];
    if (text.toString("latin1").trim() === "") return;
    try {
      take(readAnswer(text));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      failures.add(`a line that is no answer: ${error.code}`, text.toString("utf8"));
    }
  };
  try {
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
        add(chunk.subarray(from, at));
        finish();
        from = at + 1;
      }
      add(chunk.subarray(from));
      if (size <= MAX_LINE) continue;
      failures.add(`a line of more than ${count(MAX_LINE, "byte")}, and the model was ended`);
      stop.abort();
      return;
    }
    finish();
  } catch (error) {
    if (stop.signal.aborted) return; // the pipe was closed on it
    stop.abort();
    throw error;
  }
}

/** Asks it to end, and does not ask twice. */
function end(model: Model): void {
  kill(model, "SIGTERM");
  model.stdin.destroy();
  setTimeout(() => {
    kill(model, "SIGKILL");
    model.stdout.destroy();
  }, MERCY).unref();
}

/** The whole group: a shell's children go with it. */
function kill({ pid }: Model, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error; // gone, or the number is somebody else's by now
  }
}
