/** `receiptd export`: the receipts of a time in one file, which shows that none is left out. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { exportHeader, exportPieces } from "../bundle/export.ts";
import type { ExportHeader } from "../format/export.ts";
import type { Reader } from "../ledger/reader.ts";
import type { ExportFacts } from "../verify/export.ts";
import { exportVerdict, wordsForExport } from "../verify/export-words.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { AnchorsAtTargets } from "./evidence.ts";
import { hostKeys, type LedgerOptions, ledgerPath, targets, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { progress } from "./progress.ts";
import { timeRange } from "./times.ts";
import { exportExit } from "./verify-export.ts";

interface ExportCliOptions extends LedgerOptions, PinOptions {
  readonly output?: string;
  readonly from?: string;
  readonly to?: string;
  readonly organization?: string;
}

export function addExport(program: Command, run: Run): void {
  addPinOptions(program.command("export")
    .summary("the receipts of a time, in a file that shows that none is left out")
    .description("Writes the receipts of a time, or of one organization in a time, into one file, with what shows that none is left out. It takes whole batches, up to the newest anchor at the latest; of the receipts of other organizations it has the hashes. Whoever has the ledger's vkey can check it offline: receiptd verify-bundle."))
    .requiredOption("-o, --output <file>", "write to this new file")
    .option("--from <time>", "recorded at or after this date or time, UTC (default: from the ledger's beginning)")
    .option("--to <time>", "recorded before this time, or on this date or before it, UTC (default: up to the newest anchor)")
    .option("--organization <name>", "only this organization's; the daemon's own receipts are always there")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .addHelpText("after", examples(["receiptd export --organization loans --from 2026-11-01 --to 2026-11-30 -o loans-november.ndjson", "receiptd verify-bundle loans-november.ndjson --vkey …"]))
    .action(run(exportReceipts));
}

async function exportReceipts(cli: Cli, options: ExportCliOptions): Promise<ExitCode> {
  const output = options.output!;
  const { from, to } = timeRange(options);
  const time = { from: options.from === undefined ? null : from, to: options.to === undefined ? null : to };
  const host = await hostKeys(cli);
  const { vkeys } = pinsOf(options, "keyring" in host ? host.keyring : null);
  if (vkeys.length === 0) throw new CliError("no_evidence", "the anchors' signatures cannot be checked: no verifier key is known", "name it with --vkey or --trust");
  const path = ledgerPath(cli, options);
  const asked = { ...time, organization: options.organization ?? null };
  const facts = await withReader(cli, options, async (reader) => (
    write(output, reader, await exportHeader(reader, path, asked, new AnchorsAtTargets(reader, targets(cli, options), vkeys), vkeys))
  ));
  const { sentence } = wordsForExport(facts);
  cli.result(
    { file: output, verdict: exportVerdict(facts), receipts: facts.receipts, first: facts.header.first, end: facts.header.end, until: facts.endAt, sentence },
    () => `${sentence}\nThe export is in ${output}. Whoever gets it needs the vkey by another way: receiptd verify-bundle ${output} --vkey …`,
  );
  return exportExit(exportVerdict(facts), facts.header.to);
}

/** The file has its name when it is whole; one that is cut short is another's. */
function write(output: string, reader: Reader, header: ExportHeader): ExportFacts {
  if (existsSync(output)) throw new CliError("file_exists", `${output} is there already, and is not replaced`, "choose another name");
  const part = `${output}.${process.pid}.part`;
  const fd = openSync(part, "wx", 0o600);
  const bar = progress("receipts", null);
  try {
    const pieces = exportPieces(reader, header, (done, all) => bar.update(done, done / all));
    for (;;) {
      const { done, value } = pieces.next();
      if (done === true) {
        fsyncSync(fd);
        linkSync(part, output); // replaces nothing
        return value;
      }
      for (let at = 0; at < value.length;) at += writeSync(fd, value, at);
    }
  } finally {
    bar.end();
    closeSync(fd);
    rmSync(part, { force: true });
  }
}
