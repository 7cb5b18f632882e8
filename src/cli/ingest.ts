/** `receiptd ingest`: a file of receipts, one a line, into the ledger; running it again doubles nothing. */
import { createReadStream, fstatSync, openSync } from "node:fs";
import type { Command } from "commander";
import { fromUtf8 } from "../format/bytes.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import { ackOption, examples, type Run } from "./command.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { LineIds } from "./line-ids.ts";
import { type Line, lines } from "./lines.ts";
import { type Progress, progress } from "./progress.ts";
import { readReceiptText, withId } from "./receipt-text.ts";
import { type Answer, RpcFailure } from "../door/client.ts";
import { deliver, type Parcel } from "../door/sender.ts";

interface IngestOptions {
  readonly ack?: "disk" | "wal";
  readonly patience: string;
  readonly progress?: boolean;
}

interface Refused {
  readonly line: number;
  readonly code: string;
  /** Into the receipt of the line. */
  readonly pointer?: string;
  readonly message: string;
}

/** A receipt of 1 MiB can be spelled with more bytes than its canonical form has; the daemon's limit for a message is 4 MiB. */
const MAX_LINE = 4 * 1024 * 1024 - 1024;
const MAX_LISTED = 20;
const CHUNK = 256 * 1024;

export function addIngest(program: Command, run: Run): void {
  program.command("ingest")
    .summary("store a file of receipts")
    .description("Stores receipts from a file, one JSON object a line. A line without receipt_id gets one that follows from its content, so the same file can be sent again after any failure and nothing is stored twice.")
    .argument("<file>", "NDJSON file; - is standard input")
    .addOption(ackOption())
    .option("--patience <seconds>", "go on trying for so long when the daemon does not answer", "30")
    .option("--progress", "show progress even where standard error is no terminal")
    .addHelpText("after", examples(["receiptd ingest decisions.ndjson", "zcat 2025.ndjson.gz | receiptd ingest - --ack wal"]))
    .action(run(ingest));
}

async function ingest(cli: Cli, file: string, options: IngestOptions): Promise<ExitCode> {
  const input = openInput(file);
  const patience = wholeNumber("--patience", options.patience) * 1000;
  const bar = progress("receipts", options.progress === true ? true : null);
  const startedAt = performance.now();
  const tally = new Tally(bar, input.size);
  try {
    const ledgerId = await ledgerIdOf(cli);
    await deliver(parcels(input.chunks, new LineIds(ledgerId), tally), {
      connect: () => cli.connect(),
      ack: options.ack,
      patience,
      onTrouble: ({ code, message }, again) => {
        if (again) return;
        bar.end();
        cli.note(`receiptd: ${code}: ${message}; trying again for ${options.patience} s`);
      },
    });
  } catch (error) {
    bar.end();
    if (error instanceof RpcFailure && tally.settled > 0) {
      cli.note(`${tally.sentence()} Not all lines were settled: run the same command again, nothing is doubled.`);
    }
    throw error;
  }
  bar.end();
  const seconds = (performance.now() - startedAt) / 1000;
  cli.result(tally.report(seconds), () => tally.text(seconds));
  return tally.refused === 0 ? 0 : 1;
}

/** The daemon's ledger, of which the ids of lines are made. */
async function ledgerIdOf(cli: Cli): Promise<string> {
  const client = await cli.connect();
  try {
    return String((await client.call("head"))["ledger_id"]);
  } finally {
    client.close();
  }
}

interface Input {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes, null where the end is not known. */
  readonly size: number | null;
}

function openInput(file: string): Input {
  if (file === "-") {
    if (process.stdin.isTTY) throw new CliError("bad_usage", "standard input is a terminal", "pipe the receipts in, or name a file");
    return { chunks: process.stdin, size: null };
  }
  const fd = openSync(file, "r");
  const stat = fstatSync(fd);
  return { chunks: createReadStream("", { fd, highWaterMark: CHUNK }), size: stat.isFile() ? stat.size : null };
}

async function* parcels(chunks: AsyncIterable<Uint8Array>, ids: LineIds, tally: Tally): AsyncGenerator<readonly Parcel[]> {
  for await (const portion of lines(chunks, MAX_LINE)) {
    const ready: Parcel[] = [];
    for (const line of portion) {
      const parcel = parcelOf(line, ids, tally);
      if (parcel !== null) ready.push(parcel);
    }
    if (ready.length > 0) yield ready;
  }
}

/** Null for an empty line, and for one that is refused without asking. */
function parcelOf({ number, bytes }: Line, ids: LineIds, tally: Tally): Parcel | null {
  const size = (bytes?.length ?? MAX_LINE) + 1;
  try {
    if (bytes === null) throw new FormatError("too_large", `the line has more than ${MAX_LINE} bytes`, "");
    const line = fromUtf8(bytes);
    if (line.trim() === "") return null;
    const receipt = readReceiptText(line);
    const { text } = withId(receipt, () => ids.next(line, receipt.fields["timestamp"]));
    return { text, done: (answer) => tally.answered(number, size, answer) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    tally.refuse(size, { line: number, code: error.code, message: error.message, ...(error.pointer ? { pointer: error.pointer } : {}) });
    return null;
  }
}

/** What became of the lines. */
class Tally {
  stored = 0;
  duplicates = 0;
  refused = 0;
  #first: Refused[] = [];
  #bytes = 0;
  readonly #bar: Progress;
  readonly #size: number | null;

  constructor(bar: Progress, size: number | null) {
    this.#bar = bar;
    this.#size = size;
  }

  get settled(): number {
    return this.stored + this.duplicates + this.refused;
  }

  answered(line: number, size: number, answer: Answer): void {
    if ("failure" in answer) {
      const { code, message, pointer } = answer.failure;
      this.refuse(size, { line, code, message, ...(pointer ? { pointer } : {}) });
      return;
    }
    if (answer.result["duplicate"] === true) this.duplicates++;
    else this.stored++;
    this.#done(size);
  }

  refuse(size: number, refused: Refused): void {
    this.refused++;
    // those refused here come before those that the daemon refuses, whatever their lines
    if (this.#first.length < MAX_LISTED || refused.line < this.#first.at(-1)!.line) {
      this.#first = [...this.#first, refused].sort((a, b) => a.line - b.line).slice(0, MAX_LISTED);
    }
    this.#done(size);
  }

  sentence(): string {
    const there = this.duplicates === 0 ? "" : `, ${count(this.duplicates)} ${this.duplicates === 1 ? "was" : "were"} there already`;
    const stored = `${count(this.stored, "receipt")} stored${there}`;
    return this.refused === 0 ? `${stored}, none refused.` : `${count(this.refused, "line")} refused; ${stored}.`;
  }

  report(seconds: number): object {
    return {
      stored: this.stored, duplicates: this.duplicates, refused: this.refused, refusals: this.#first,
      seconds: Math.round(seconds * 1000) / 1000, receipts_per_second: Math.round(this.settled / seconds),
    };
  }

  text(seconds: number): string {
    const more = this.refused - this.#first.length;
    return [
      this.sentence(),
      ...this.#first.map(({ line, code, pointer, message }) => `  line ${line}: ${code}: ${pointer === undefined ? "" : `${pointer}: `}${message}`),
      ...(more > 0 ? [`  … and ${count(more)} more`] : []),
      `${seconds.toFixed(1)} s, ${count(Math.round(this.settled / seconds))} receipts/s`,
    ].join("\n");
  }

  #done(size: number): void {
    this.#bytes += size;
    this.#bar.update(this.settled, this.#size === null ? null : this.#bytes / this.#size);
  }
}
