/** `receiptd get`: one receipt, from the daemon, or from the ledger where no daemon is running. */
import type { Command } from "commander";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { canonicalize } from "../format/canonical.ts";
import { formatNumber, hashText } from "../format/chain.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { anchoredSize } from "./anchored.ts";
import type { Cli } from "./cli.ts";
import { examples, receiptArgument, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { findReceipt, isCopy, type LedgerOptions, type Naming, namingOf, storedFields, withReaderOfSound } from "./ledger-files.ts";
import { printable } from "./table.ts";

interface GetOptions extends LedgerOptions {
  readonly raw?: boolean;
}

interface Found {
  /** The stored text. */
  readonly blob: string;
  readonly number: string;
  readonly organization: string;
  readonly logIndex: number;
  readonly recordedAt: string;
  readonly hash: string;
  readonly status: string | null;
}

export function addGet(program: Command, run: Run): void {
  program.command("get")
    .summary("print one receipt")
    .description("Prints one receipt: from the daemon, or straight from the ledger where no daemon is running. Nothing is verified; see: receiptd verify")
    .addArgument(receiptArgument())
    .option("--raw", "print nothing but the stored bytes")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .addHelpText("after", examples(["receiptd get PR-2026-00042", "receiptd get 17 --raw | sha256sum"]))
    .action(run(get));
}

async function get(cli: Cli, receipt: string, options: GetOptions): Promise<ExitCode> {
  const naming = namingOf(receipt);
  const found = (isCopy(cli, options) ? null : await fromDaemon(cli, naming)) ?? (await fromLedger(cli, naming, options));
  if (options.raw === true) {
    process.stdout.write(found.blob);
    return 0;
  }
  if (cli.json) {
    cli.line(`{"receipt":${found.blob},"receipt_hash":"${found.hash}","log_index":${found.logIndex},"status":${JSON.stringify(found.status)}}`);
    return 0;
  }
  const status = found.status === null ? "" : `, ${found.status}`;
  cli.line(`${found.number} of ${found.organization}, log index ${found.logIndex}, recorded at ${found.recordedAt}${status}; ${found.hash}`);
  const fields = storedFields(utf8(found.blob));
  const text = fields === null ? found.blob : JSON.stringify(fields, null, 2);
  cli.line(text.split("\n").map(printable).join("\n"));
  return 0;
}

async function fromDaemon(cli: Cli, naming: Naming): Promise<Found | null> {
  const found = await cli.ifRunning((client) => client.call("get", naming));
  if (found === null) return null;
  const text = (name: string): string => String(found[name]);
  return {
    blob: canonicalize(found["receipt"] as Json), // what is stored is canonical, so this is it
    number: text("receipt_number"), organization: text("organization"), logIndex: Number(found["log_index"]),
    recordedAt: text("recorded_at"), hash: text("receipt_hash"), status: text("status"),
  };
}

function fromLedger(cli: Cli, naming: Naming, options: GetOptions): Promise<Found> {
  return withReaderOfSound(cli, options, async (reader) => {
    const found = findReceipt(reader, naming);
    if (found.blob === null) throw new CliError("not_found", "the receipt is in the index of the ledger, but its bytes are missing", "see what can be done with: receiptd recover");
    const recordedAt = formatTime(found.recordedAt);
    const anchored = await anchoredSize(cli, options, reader);
    return {
      blob: fromUtf8(found.blob),
      number: formatNumber(found.prefix, recordedAt, found.orgSeq),
      organization: found.organization, logIndex: found.logIndex, recordedAt, hash: hashText(found.receiptHash),
      status: anchored === null ? null : found.logIndex < anchored ? "anchored" : "pending",
    };
  });
}
