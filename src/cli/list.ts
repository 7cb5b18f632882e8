/** `receiptd list`: receipts of a ledger, read beside its daemon. */
import type { Command } from "commander";
import { formatNumber, hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { anchoredSize } from "./anchored.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { type LedgerOptions, storedFields, withReaderOfSound } from "./ledger-files.ts";
import { table } from "./table.ts";
import { shortTime, type TimeRange, timeRange } from "./times.ts";

interface ListOptions extends LedgerOptions {
  readonly organization?: string;
  readonly type?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly last?: string;
}

interface Listed {
  readonly receipt_number: string;
  readonly recorded_at: string;
  readonly organization: string;
  readonly system_id: string | null;
  readonly type: string | null;
  readonly status: "anchored" | "pending" | null;
  readonly log_index: number;
  readonly receipt_id: string;
  readonly receipt_hash: string;
}

const USUAL_LAST = 20;
const PAGE = 256;

export function addList(program: Command, run: Run): void {
  program.command("list")
    .summary("list receipts")
    .description(`Lists receipts in the order of the log, read from the ledger itself: the newest ${USUAL_LAST}, or those asked for. Nothing is verified; see: receiptd audit`)
    .option("--organization <name>", "only this organization's; the daemon's own is _ledger")
    .option("--type <type>", "only this type")
    .option("--from <time>", "recorded at or after this date or time, UTC")
    .option("--to <time>", "recorded before this time, or on this date or before it, UTC")
    .option("--last <n>", `the newest n (default: ${USUAL_LAST})`)
    .option("--limit <n>", "the first n; 0: all")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .addHelpText("after", examples(["receiptd list --last 5", "receiptd list --organization loans --from 2026-11-01 --to 2026-11-30 --limit 0 --json"]))
    .action(run(list));
}

function list(cli: Cli, options: ListOptions): Promise<ExitCode> {
  if (options.last !== undefined && options.limit !== undefined) throw new CliError("bad_usage", "--last and --limit exclude each other");
  const range = timeRange(options);
  return withReaderOfSound(cli, options, async (reader): Promise<ExitCode> => {
    const anchored = await anchoredSize(cli, options, reader);
    const isWanted = (one: Listed): boolean => options.type === undefined || one.type === options.type;
    const found = mapped(stored(reader, options, range), (one) => listed(one, anchored), isWanted);
    const wanted = options.limit === undefined
      ? [...first(found, wholeNumber("--last", options.last ?? String(USUAL_LAST), 1))].reverse()
      : first(found, wholeNumber("--limit", options.limit) || Number.POSITIVE_INFINITY);
    if (cli.json) {
      for (const one of wanted) cli.line(JSON.stringify(one));
      return 0;
    }
    const rows = [...wanted].map((one) => [
      one.receipt_number, shortTime(one.recorded_at), one.organization, one.system_id ?? "-", one.type ?? "-", one.status ?? "?", String(one.log_index),
    ]);
    cli.line(rows.length === 0 ? "No such receipts." : table(["NUMBER", "RECORDED (UTC)", "ORGANIZATION", "SYSTEM", "TYPE", "STATUS", "INDEX"], rows));
    if (rows.length > 0) cli.note(`${count(rows.length, "receipt")} of ${count(reader.size())} in the ledger.`);
    return 0;
  });
}

/** Backwards, but with --limit. */
function* stored(reader: Reader, options: ListOptions, range: TimeRange): Generator<StoredBlob> {
  const within = reader.indexRange(range.from, range.to);
  if (within === null) return;
  const { organization } = options;
  const rows = organization === undefined
    ? paged(within.first, within.last + 1, options.limit !== undefined, (from, to) => reader.page(from, to, PAGE))
    : ofOrganization(reader, organization, within, options.limit !== undefined);
  // the clock may have been turned back in between, so each receipt's own time decides
  for (const one of rows) if (one.recordedAt >= range.from && one.recordedAt < range.to) yield one;
}

function ofOrganization(reader: Reader, organization: string, within: { readonly first: number; readonly last: number }, forwards: boolean): Iterable<StoredBlob> {
  const row = reader.organizations().find(({ name }) => name === organization);
  if (row === undefined) throw new CliError("not_found", `the ledger has no receipts of an organization ${organization.slice(0, 80)}`);
  const size = reader.organizationSize(row.org);
  /** The first org_seq at or after a log_index: both rise together. */
  const seqFrom = (logIndex: number): number => {
    let [low, high] = [1, size + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((reader.byOrgSeq(organization, middle)?.logIndex ?? 0) < logIndex) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return paged(seqFrom(within.first), seqFrom(within.last + 1), forwards, (from, to) => reader.organizationPage(organization, from, to - from));
}

/** [first, end) in pages, in either direction. */
function* paged(first: number, end: number, forwards: boolean, page: (from: number, to: number) => StoredBlob[]): Generator<StoredBlob> {
  for (let done = 0; done < end - first; done += PAGE) {
    const from = forwards ? first + done : Math.max(first, end - done - PAGE);
    const rows = page(from, forwards ? Math.min(end, from + PAGE) : end - done);
    yield* forwards ? rows : rows.reverse();
  }
}

function listed(one: StoredBlob, anchored: number | null): Listed {
  const recordedAt = formatTime(one.recordedAt);
  const receipt = one.blob === null ? null : storedFields(one.blob);
  return {
    receipt_number: formatNumber(one.prefix, recordedAt, one.orgSeq),
    recorded_at: recordedAt,
    organization: one.organization,
    system_id: textOf(receipt?.["system_id"]),
    type: textOf(receipt?.["type"]),
    status: anchored === null ? null : one.logIndex < anchored ? "anchored" : "pending",
    log_index: one.logIndex,
    receipt_id: one.receiptId,
    receipt_hash: hashText(one.receiptHash),
  };
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function* mapped(from: Iterable<StoredBlob>, map: (one: StoredBlob) => Listed, isWanted: (one: Listed) => boolean): Generator<Listed> {
  for (const one of from) {
    const value = map(one);
    if (isWanted(value)) yield value;
  }
}

function* first<T>(from: Iterable<T>, n: number): Generator<T> {
  let left = n;
  if (left <= 0) return;
  for (const one of from) {
    yield one;
    if (--left <= 0) return;
  }
}
