/** `receiptd anchors`: the anchors of a ledger and where each of them is. Signatures are not checked here; the audit does. */
import type { Command } from "commander";
import { TargetError } from "../anchor/target.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { parseTime } from "../format/time.ts";
import type { Reader } from "../ledger/reader.ts";
import { anchorDetailsAt, anchorSizes } from "./anchored.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import type { ExitCode } from "./errors.ts";
import { type LedgerOptions, type NamedTarget, targets, withReader } from "./ledger-files.ts";
import { table } from "./table.ts";
import { shortTime } from "./times.ts";

interface AnchorsOptions extends LedgerOptions {
  readonly last: string;
}

/** `there`: an object has the name of one of this size. `waiting`: newer than all that the target has. `missing`: older than something that it has. */
type Presence = "there" | "waiting" | "missing" | "unavailable";

interface Listed {
  readonly tree_size: number;
  readonly root: string;
  /** Of the anchor receipt; null where it cannot be read. */
  readonly recorded_at: string | null;
  readonly count: number;
  readonly reason: string | null;
  /** It came later than the anchor before had promised. */
  readonly late: boolean;
  readonly targets: { readonly [name: string]: Presence };
}

interface Overview {
  readonly anchors: readonly Listed[];
  /** The newest promise of another anchor, if it is over. */
  readonly overdue: string | null;
  readonly unavailable: readonly string[];
}

export function addAnchors(program: Command, run: Run): void {
  program.command("anchors")
    .summary("list anchors and where they are")
    .description("Lists the ledger's newest anchors with what each target has of them. Exit code 1: one is missing or overdue. “there” is said by the names of objects, which are not read; see: receiptd audit")
    .option("--last <n>", "the newest n", "20")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .addHelpText("after", examples(["receiptd anchors", "receiptd anchors --last 1000 --json"]))
    .action(run(anchors));
}

function anchors(cli: Cli, options: AnchorsOptions): Promise<ExitCode> {
  return withReader(cli, options, async (reader): Promise<ExitCode> => {
    const seen = await overview(reader, targets(cli, options), wholeNumber("--last", options.last, 1), Date.now());
    cli.result(seen, () => report(seen));
    if (seen.overdue !== null || seen.anchors.some(({ targets: at }) => Object.values(at).includes("missing"))) return 1;
    return seen.unavailable.length > 0 ? 2 : 0;
  });
}

async function overview(reader: Reader, at: readonly NamedTarget[], last: number, now: number): Promise<Overview> {
  const rows = newestAnchors(reader, last + 1);
  const from = rows[0]?.treeSize ?? 0;
  const present = new Map<string, Present | null>();
  for (const { target } of at) present.set(target.name, await sizesAt(target, reader, from));
  let promised: string | null = null;
  const all = rows.map(({ treeSize, firstIndex, root }): Listed => {
    const details = anchorDetailsAt(reader, treeSize);
    const late = details !== null && promised !== null && details.recordedAt > promised;
    promised = details?.next_anchor_by ?? null;
    const presence = [...present].map(([name, sizes]) => [name, presenceOf(treeSize, sizes)] as const);
    return {
      tree_size: treeSize, root: hashText(root), recorded_at: details?.recordedAt ?? null, count: treeSize - 1 - firstIndex,
      reason: details?.reason ?? null, late, targets: Object.fromEntries(presence),
    };
  });
  const promise = promised as string | null;
  const overdue = promise !== null && (parseTime(promise) ?? 0) < now ? promise : null;
  // the first of more than were asked for only tells what it had promised
  return { anchors: all.slice(-last), overdue, unavailable: [...present].filter(([, sizes]) => sizes === null).map(([name]) => name) };
}

/** The newest n, in order of size: looking back twice as far until there are so many. */
function newestAnchors(reader: Reader, n: number): ReturnType<Reader["anchors"]> {
  const size = reader.size();
  for (let back = n; ; back *= 2) {
    const rows = reader.anchors(Math.max(0, size - back), back);
    if (rows.length >= n || back >= size) return rows.slice(-n);
  }
}

interface Present {
  readonly sizes: ReadonlyMap<number, number>;
  readonly newest: number;
}

async function sizesAt(target: NamedTarget["target"], reader: Reader, from: number): Promise<Present | null> {
  try {
    const sizes = await anchorSizes(target, reader.identity(), from);
    return { sizes, newest: [...sizes.keys()].at(-1) ?? 0 };
  } catch (error) {
    if (error instanceof TargetError) return null;
    throw error;
  }
}

function presenceOf(treeSize: number, present: Present | null): Presence {
  if (present === null) return "unavailable";
  if (present.sizes.has(treeSize)) return "there";
  return present.newest > treeSize ? "missing" : "waiting";
}

function report({ anchors, overdue, unavailable }: Overview): string {
  const newest = anchors.at(-1);
  if (newest === undefined) return "There is no anchor yet.";
  const names = Object.keys(newest.targets);
  const [missing, waiting] = (["missing", "waiting"] as const).map((presence) => anchors.filter(({ targets: at }) => Object.values(at).includes(presence)).length) as [number, number];
  const sentence = missing > 0 ? `${count(missing, "anchor")} ${missing === 1 ? "is" : "are"} missing at a target.`
    : overdue !== null ? `The next anchor is overdue: it was promised by ${shortTime(overdue)} UTC.`
    : unavailable.length > 0 ? `It could not be seen which anchors are at ${unavailable.join(", ")}.`
    : waiting > 0 ? `The newest anchor covers ${count(newest.tree_size, "receipt")}; ${count(waiting)} of those listed ${waiting === 1 ? "is" : "are"} not at every target yet.`
    : names.length === 0 ? `The newest anchor covers ${count(newest.tree_size, "receipt")}; no target was looked at.`
    : `The newest anchor covers ${count(newest.tree_size, "receipt")}; none of those listed is missing.`;
  const rows = anchors.map((one) => [
    String(one.tree_size), one.recorded_at === null ? "-" : shortTime(one.recorded_at), String(one.count), (one.reason ?? "-") + (one.late ? ", late" : ""),
    ...names.map((name) => one.targets[name] ?? "-"), one.root,
  ]);
  const looked = !rows.some((row) => row.includes("there")) ? [] : ["“there” is said of names: an object is listed there with the name of an anchor of this size, and neither its bytes nor its signature were looked at (receiptd audit does)."];
  return [sentence, table(["SIZE", "RECORDED (UTC)", "RECEIPTS", "REASON", ...names.map((name) => name.toUpperCase()), "ROOT"], rows), ...looked].join("\n");
}
