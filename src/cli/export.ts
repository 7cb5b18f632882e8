/** `receiptd export`: the receipts of a time in one file, which shows that none is left out. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { type ExportHeader, formatDigestLine, formatExportHeader } from "../format/export.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import type { Reader } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import { type ExportFacts, ExportReader } from "../verify/export.ts";
import { exportVerdict, wordsForExport } from "../verify/export-words.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { placeOf } from "./evidence.ts";
import { exportLines, headsOf, noReceipts, ownBefore } from "./export-lines.ts";
import { type ExportRange, exportRange } from "./export-range.ts";
import { hostKeys, type LedgerOptions, ledgerPath, targets, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { progress } from "./progress.ts";
import { timeRange } from "./times.ts";
import { exportExit, exportOptions } from "./verify-export.ts";

interface ExportCliOptions extends LedgerOptions, PinOptions {
  readonly output?: string;
  readonly from?: string;
  readonly to?: string;
  readonly organization?: string;
}

const LINE_FEED = Buffer.from("\n");
/** Bytes that are written, and checked, at once. */
const PIECE = 262_144;

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
  const facts = await withReader(cli, options, async (reader) => {
    const organization = options.organization ?? null;
    if (organization !== null && !reader.organizations().some(({ name }) => name === organization)) throw noReceipts(organization, "");
    const range = await exportRange(reader, path, time, targets(cli, options), vkeys);
    const header = await headerFor(reader, path, range, {
      from: time.from === null ? null : formatTime(time.from), to: time.to === null ? null : formatTime(time.to), organization, vkeys,
    });
    return write(output, reader, header);
  });
  const { sentence } = wordsForExport(facts);
  cli.result(
    { file: output, verdict: exportVerdict(facts), receipts: facts.receipts, first: facts.header.first, end: facts.header.end, until: facts.endAt, sentence },
    () => `${sentence}\nThe export is in ${output}. Whoever gets it needs the vkey by another way: receiptd verify-bundle ${output} --vkey …`,
  );
  return exportExit(exportVerdict(facts), facts.header.to);
}

async function headerFor(
  reader: Reader, path: string, { first, end, anchors }: ExportRange, asked: Pick<ExportHeader, "from" | "to" | "organization" | "vkeys">,
): Promise<ExportHeader> {
  const { organization } = asked;
  const { target, version } = anchors[0]!;
  const { checkpoint } = parseTlogProof((await target.get(version, MAX_TLOG_PROOF_BYTES)).bytes);
  return {
    ...asked, ledger: reader.identity().origin, first, end, checkpoint,
    left: reader.frontier(first),
    before: first === 0 ? null : { receipt: bytesAt(reader, first - 1), path: reader.inclusionPath(first - 1, end) },
    ownBefore: ownBefore(reader, first),
    heads: organization === null || organization === LEDGER_ORGANIZATION ? null : headsOf(reader, path, organization, { first, end }),
    published: anchors.map(placeOf),
  };
}

function bytesAt(reader: Reader, logIndex: number): Uint8Array {
  const blob = reader.byIndex(logIndex)?.blob ?? null;
  if (blob === null) throw new CliError("not_found", `the bytes of the receipt at log index ${logIndex} are missing`, "see what can be done with: receiptd recover");
  return blob;
}

/** What is handed out has been checked: each piece as it is written. The file has its name when it is whole; one that is cut short is another's. */
function write(output: string, reader: Reader, header: ExportHeader): ExportFacts {
  if (existsSync(output)) throw new CliError("file_exists", `${output} is there already, and is not replaced`, "choose another name");
  const part = `${output}.${process.pid}.part`;
  const fd = openSync(part, "wx", 0o600);
  const bar = progress("receipts", null);
  try {
    const check = new ExportReader(header.vkeys.map(parseVkey), exportOptions);
    const put = (parts: readonly Uint8Array[]): void => {
      const piece = Buffer.concat(parts);
      check.push(piece);
      for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
    };
    let parts: Uint8Array[] = [formatExportHeader(header), LINE_FEED];
    let size = 0;
    for (const line of exportLines(reader, header, ownSeq(reader, header.first))) {
      parts.push(line, LINE_FEED);
      size += line.length;
      if (size < PIECE) continue;
      put(parts);
      [parts, size] = [[], 0];
      const { done, all } = check.progress!;
      bar.update(done, done / all);
    }
    put(parts);
    put([formatDigestLine(check.digest()), LINE_FEED]);
    const facts = check.end();
    fsyncSync(fd);
    linkSync(part, output); // replaces nothing
    return facts;
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    throw new CliError("no_evidence", `what the ledger has is not what is anchored: ${error.code}: ${error.message}`, "see: receiptd audit", { cause: error });
  } finally {
    bar.end();
    closeSync(fd);
    rmSync(part, { force: true });
  }
}

/** `org_seq` of the ledger's first own receipt from `first` on: behind an anchor receipt. */
function ownSeq(reader: Reader, first: number): number {
  return first === 0 ? 1 : (reader.byIndex(first - 1)?.orgSeq ?? 0) + 1;
}
