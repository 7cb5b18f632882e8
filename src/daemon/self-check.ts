/**
 * The self-check, from the side of the writer's thread: it says what is to be there, checks the MACs of the open epoch a slice at a time, and
 * keeps what was found. All else is in a thread of its own (self-check-worker.ts). What it finds stops nothing: receipts are taken, `status`
 * is red, and the log says once which receipt it is.
 */
import { Worker } from "node:worker_threads";
import type { Logger } from "pino";
import type { OpenFinding } from "../audit/report.ts";
import { count } from "../format/count.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import type { Writer } from "../ledger/writer.ts";
import type { RatchetStart } from "../verify/keys.ts";
import { SelfCheckFindings } from "./self-check-findings.ts";
import type { FromSelfCheck, Held, SelfCheckOptions, ToSelfCheck, UnsignedReceipt } from "./self-check-messages.ts";

export interface SelfCheckParts extends Omit<SelfCheckOptions, "shared"> {
  readonly writer: Pick<Writer, "size" | "logRoot">;
  readonly keys: Pick<EpochKeys, "keyId" | "epoch" | "isSigned">;
  /** Of the keys that the host keeps, copies: they are overwritten. */
  readonly starts: () => readonly RatchetStart[];
  readonly log: Logger;
}

interface Round {
  /** ms */
  readonly beganAt: number;
  readonly receipts: number;
  readonly held: readonly Held[];
  done: number;
}

/** MiB of JavaScript heap. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 2 };
/** ms after the start, at most: a daemon that lives for a moment only needs no further thread. */
const DELAY = 1000;
/** ms */
const RESTART = 10_000;
const STOP_PATIENCE = 3000;

const WHAT_TO_DO = "run: receiptd audit; docs/OPERATIONS.md, “When something is wrong”";

export class SelfCheck {
  readonly #parts: SelfCheckParts;
  readonly #findings = new SelfCheckFindings();
  readonly #shared = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  #timer: NodeJS.Timeout | null;
  #worker: Worker | null = null;
  #round: Round | null = null;
  #last: { readonly beganAt: number; readonly endedAt: number; readonly receipts: number; readonly macs: number } | null = null;
  /** Findings of the last round that are not named. */
  #unnamed = 0;
  /** MACs of open epochs that were checked. */
  #macs = 0;
  /** Why the last round came to no end. */
  #failure: string | null = null;
  #isOver = false;

  constructor(parts: SelfCheckParts) {
    this.#parts = parts;
    this.#timer = setTimeout(() => this.#start(), Math.min(DELAY, parts.interval)).unref();
  }

  /** Is something wrong with the ledger that is not known to be over? */
  get isDamaged(): boolean {
    return this.#findings.count > 0;
  }

  status(): Json {
    const round = this.#round;
    const last = this.#last;
    return {
      enabled: true,
      failure: this.#failure,
      last_round: last === null ? null : {
        began_at: formatTime(last.beganAt), ended_at: formatTime(last.endedAt), receipts: last.receipts, macs_checked: last.macs,
      },
      present_round: round === null ? null : { began_at: formatTime(round.beganAt), receipts: round.receipts, done: Math.min(round.done, round.receipts) },
      open_epoch_macs_checked: this.#macs,
      finding_count: this.#findings.count,
      findings: this.#findings.named.map(findingJson),
    };
  }

  /** Ends the thread. Its connection to the ledger is closed then. */
  async stop(): Promise<void> {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === null) return;
    const exited = new Promise<void>((resolve) => void worker.once("exit", () => resolve()));
    Atomics.store(this.#shared, 0, 1);
    Atomics.notify(this.#shared, 0);
    this.#tell({ kind: "stop" });
    const patience = setTimeout(() => void worker.terminate(), STOP_PATIENCE); // a disk that hangs keeps the thread
    await exited;
    clearTimeout(patience);
  }

  #start(): void {
    const { writer: _, keys: __, starts: ___, log: ____, ...options } = this.#parts;
    this.#timer = null;
    Atomics.store(this.#shared, 1, 0);
    const workerData: SelfCheckOptions = { ...options, shared: this.#shared };
    const worker = new Worker(new URL("./self-check-worker.ts", import.meta.url), { workerData, name: "self-check", resourceLimits: LIMITS });
    let why = "its thread has ended";
    worker.on("message", (message: FromSelfCheck) => this.#take(message));
    worker.on("error", (error) => { why = error instanceof Error ? error.message : String(error); });
    worker.on("exit", () => {
      this.#worker = null;
      if (this.#isOver) return;
      this.#fail(why);
      this.#timer = setTimeout(() => this.#start(), RESTART).unref();
    });
    this.#worker = worker;
  }

  #take(message: FromSelfCheck): void {
    if (this.#isOver) return;
    switch (message.kind) {
      case "ask": return this.#begin();
      case "found": return this.#found(message.finding, this.#findings.add(message.finding));
      case "progress":
        if (this.#round !== null) this.#round.done = message.receipts;
        return;
      case "macs":
        for (const receipt of message.slice) this.#checkMac(receipt);
        Atomics.add(this.#shared, 1, 1);
        return;
      case "done": return this.#done(message);
      case "failed": return this.#fail(message.message);
    }
  }

  #begin(): void {
    const { writer, starts } = this.#parts;
    const { held } = this.#findings;
    this.#round = { beganAt: Date.now(), receipts: writer.size, held, done: 0 };
    const task = { kind: "round", size: writer.size, root: writer.logRoot(), starts: starts(), held } as const;
    this.#tell(task);
    for (const { key } of task.starts) key.fill(0);
  }

  /** A receipt of an epoch that is over cannot be checked here, and a round says whether it is the one that was anchored. */
  #checkMac({ keyId, epoch, organization, unsigned, signature, hash, logIndex, receiptId, receiptNumber }: UnsignedReceipt): void {
    const { keys } = this.#parts;
    if (keyId !== keys.keyId || epoch !== keys.epoch) return;
    this.#macs++;
    if (keys.isSigned(organization, unsigned, signature)) return;
    const finding: OpenFinding = {
      severity: "violation", code: "mac_mismatch", message: "the signature is not that of this receipt under the open epoch's key", logIndex, organization, receiptId, receiptNumber,
      at: "/signature", found: signature,
    };
    this.#found(finding, this.#findings.hold(finding, hash));
  }

  #done({ receipts, macsChecked, found, end, held }: Extract<FromSelfCheck, { readonly kind: "done" }>): void {
    const { writer, log } = this.#parts;
    const round = this.#round!;
    if (end !== null && end > writer.size) {
      const finding: OpenFinding = {
        severity: "violation", code: "log_index_gap", message: "the file has receipts behind the end of the log that this daemon has not written", logIndex: end - 1,
        expected: `${count(writer.size, "receipt")}`, found: count(end, "receipt"),
      };
      this.#found(finding, this.#findings.add(finding));
    }
    const wasDamaged = this.isDamaged;
    this.#findings.finish(found, round.held, held);
    this.#last = { beganAt: round.beganAt, endedAt: Date.now(), receipts, macs: macsChecked };
    this.#round = null;
    this.#failure = null;
    const unnamed = this.#findings.count - this.#findings.named.length;
    const isNews = unnamed !== this.#unnamed;
    this.#unnamed = unnamed;
    if (unnamed > 0 && isNews) log.fatal({ findings: this.#findings.count }, `the self-check found damage at more places than it names: ${count(unnamed)} more; ${WHAT_TO_DO}`);
    if (wasDamaged && !this.isDamaged) log.warn({ receipts }, "the self-check finds nothing wrong any more");
  }

  #found({ code, message, logIndex, lastIndex, receiptNumber, receiptId, organization, at, expected, found, also }: OpenFinding, isNew: boolean): void {
    if (!isNew) return;
    this.#parts.log.fatal({
      code, log_index: logIndex, last_index: lastIndex, receipt_number: receiptNumber, receipt_id: receiptId, organization, at, expected, found, also,
    }, `the self-check found damage: ${message}; ${WHAT_TO_DO}`);
  }

  #fail(why: string): void {
    if (this.#failure !== why) this.#parts.log.error({ why }, "the self-check could not be done; trying again");
    this.#failure = why;
    this.#round = null;
    this.#findings.fail();
  }

  #tell(message: ToSelfCheck): void {
    this.#worker?.postMessage(message, []);
  }
}

function findingJson({ code, message, logIndex, lastIndex, receiptNumber, receiptId, organization, at, expected, found, also }: OpenFinding): Json {
  return {
    code, also: also ?? [], message, log_index: logIndex ?? null, last_index: lastIndex ?? null, receipt_number: receiptNumber ?? null, receipt_id: receiptId ?? null,
    organization: organization ?? null, at: at ?? null, expected: expected ?? null, found: found ?? null,
  };
}
