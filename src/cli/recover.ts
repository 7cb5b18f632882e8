/** `receiptd recover`: what is wrong with this ledger and what to do; with --rebuild, a new file from what is left of it. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { AnchorTarget } from "../anchor/target.ts";
import { openTarget } from "../anchor/targets.ts";
import { audit, type AuditReport } from "../audit/audit.ts";
import { type Places, placesOf } from "../daemon/places.ts";
import { count } from "../format/count.ts";
import { newId } from "../keys/new-id.ts";
import { sealedKeys, startsOf } from "../keys/seed.ts";
import { LedgerError } from "../ledger/errors.ts";
import { type Diagnosis, diagnose, isDamaged, type Problem } from "../recover/diagnose.ts";
import { keptLogs } from "../recover/files.ts";
import { kindOf } from "../recover/kinds.ts";
import { takeBack } from "../recover/order.ts";
import { tailText } from "../recover/rebuild.ts";
import type { Rebuilt } from "../recover/rebuilt.ts";
import { type Knowledge, recover as runRecover, type Recovered, survey } from "../recover/recover.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { identitiesIn } from "./identities.ts";
import { type HostKeys, hostKeys } from "./ledger-files.ts";
import { progress } from "./progress.ts";
import { keysProblem, outboxProblem, targetProblems } from "./recover-keys.ts";
import { requireSeedsOf, seedsIn } from "./seeds.ts";
import { type SourceOptions, sourceOf } from "./source.ts";
import { printable } from "./table.ts";

interface RecoverOptions extends Omit<SourceOptions, "from"> {
  readonly rebuild?: boolean;
  readonly from?: string;
  readonly identity?: string;
  readonly seed?: readonly string[];
  readonly dropTail?: boolean;
  readonly progress?: boolean;
}

export function addRecover(program: Command, run: Run): void {
  program.command("recover")
    .summary("say what is wrong with the ledger, and mend it")
    .description("Says what is wrong with the configured ledger, one sentence for each problem and what to run next; nothing is changed, and the daemon may be running. With --rebuild, while no daemon runs: writes a new ledger file from the receipts of the old one and, where those are damaged or missing, from what was published; checks it; puts it in the old one's place, which is kept beside it; and leaves the daemon an order to record this. Exit code 0: there is nothing to recover, or all of it is recovered; 1: something was found; 2: it could not be looked at, or done.")
    .option("--rebuild", "make the ledger's file anew")
    .option("--from <place>", "where receipts were published: s3://bucket/prefix, a folder, or the name of a configured target (default: the configured target that has most)")
    .option("--endpoint <url>", "of s3://…: the S3 server, if not AWS")
    .option("--region <name>", "of s3://…: the bucket's region")
    .option("--path-style", "of s3://…: put the bucket into the path, not into the host name")
    .option("--profile <name>", "of s3://…: a profile of the AWS SDK's configuration")
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for an encrypted archive, and for seeds that are encrypted")
    .option("--seed <file>", "the auditor's seed of a forward-secure key (may be given again), for receipts that no anchor covers, where the ratchet is lost", collect)
    .option("--drop-tail", "with --rebuild: go on without receipts that were the newest, under no anchor, and of which nothing is left that says what they were")
    .option("--progress", "show progress even where standard error is no terminal")
    .addHelpText("after", examples(["receiptd recover", "receiptd recover --rebuild", "receiptd recover --rebuild --from s3 --identity archive.key"]))
    .action(run(recover));
}

async function recover(cli: Cli, options: RecoverOptions): Promise<ExitCode> {
  const places = placesOf(cli.config);
  if (!existsSync(places.ledger)) {
    return tell(cli, [{ code: "ledger_missing", message: `there is no ledger at ${places.ledger}`, next: "put the newest copy of data_dir back; or: receiptd restore --from <target>; for a new ledger: receiptd init" }], null, []);
  }
  takeBackUnlessLocked(places);
  const keys = await hostKeys(cli);
  if ("why" in keys) return tell(cli, [{ code: "keys_unusable", message: keys.why, next: `${keys.next ?? "docs/OPERATIONS.md, “When something is wrong”"}; then: receiptd recover` }], null, []);
  const found = await look(cli, options, keys);
  if (options.rebuild !== true || !found.isRebuildable) return tell(cli, found.problems, null, found.unseen);
  const bar = progress("receipts", options.progress === true ? true : null);
  try {
    const recovered = await runRecover({
      ...found.knowledge, others: cli.config.anchor.targets.filter(({ name }) => name !== found.knowledge.source?.name).map(openTarget), quarantinePath: places.quarantine, orderPath: places.recovery, receiptId: newId(), now: Date.now(),
      reason: found.problems.map(({ code }) => code).filter((code, i, all) => all.indexOf(code) === i).join(", "),
    }, { onProgress: (receipts) => bar.update(receipts, null) });
    bar.end();
    const after = recovered.kept === null ? null : await look(cli, options, keys);
    return tell(cli, after?.problems ?? found.problems, recovered, after?.unseen ?? found.unseen);
  } finally {
    bar.end();
  }
}

/** Whoever has the lock does it. */
function takeBackUnlessLocked({ recovery, ledger }: Places): void {
  try {
    takeBack(recovery, ledger);
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "ledger_locked") throw error;
  }
}

const ELSEWHERE: Problem = {
  code: "undecided", message: "a target that does not answer may have the bytes that are missing here: nothing is rebuilt without it",
  next: "receiptd recover, when it answers; or name another target to go by with --from",
};

interface Found extends Diagnosis {
  readonly knowledge: Knowledge;
  /** What could not be looked at. */
  readonly unseen: readonly string[];
}

async function look(cli: Cli, options: RecoverOptions, keys: HostKeys): Promise<Found> {
  const { keyring, open } = keys;
  const places = placesOf(cli.config);
  const { from } = options;
  const given = from === undefined ? null : sourceOf(cli, { ...options, from });
  const configured = cli.config.anchor.targets.map(openTarget).filter(({ name }) => name !== given?.name);
  const targets = given === null ? configured : [given, ...configured];
  const bar = progress("receipts", options.progress === true ? true : null);
  const identities = await identitiesIn(options.identity);
  const seeds = await seedsIn(options.seed ?? [], identities);
  requireSeedsOf(seeds, keyring, keyring);
  const base = {
    ledgerPath: places.ledger,
    ledger: { origin: keyring.origin, ledgerId: keyring.ledgerId },
    vkeys: keyring.checkpointKeys.map(({ vkey }) => vkey),
    identities,
    keys: { starts: startsOf(keyring, open, seeds), sealed: sealedKeys(keyring, seeds), requestSecret: keyring.requestSecret },
  };
  try {
    const report = await audit({ ...base, targets, areVkeysPinned: false, now: Date.now(), grace: cli.config.anchor.grace }, { onProgress: ({ done, total }) => bar.update(done, total === null || total === 0 ? null : done / total) });
    const unseen = report.failedToCheck.filter((what) => what.startsWith("the target"));
    const sources = sourcesIn(targets, report, given);
    if (given !== null && !sources.includes(given) && !unseen.some((what) => what.startsWith(`the target ${given.name}:`))) {
      throw new CliError("no_targets", `there is no anchor of this ledger at ${from}`, "name the place where its anchors are, or leave out --from to ask the configured targets");
    }
    const outbox = outboxProblem(places.outbox, base.ledger, report.counts.receipts);
    const isWrong = isDamaged(report) || outbox.isBehind || report.findings.some(({ code }) => code === "wal_damaged");
    const { rebuilt, knowledge } = await surveyed({ ...base, outboxPath: places.outbox, dropsTail: options.dropTail === true }, sources, isWrong);
    const damage = rebuilt === null ? { problems: [], isRebuildable: false } : diagnose(report, rebuilt, rebuildCommand(options));
    const isShort = rebuilt !== null && (rebuilt.lost.count > 0 || rebuilt.dropped.count > 0);
    const mayBeElsewhere = unseen.length > 0 && isShort && from === undefined; // whoever names a place has decided
    const keyProblems = rebuilt === null || isReadable(report, rebuilt) ? keysProblem(places.ledger, keys) : [];
    const problems = [
      ...damage.problems.filter(({ code }) => code !== "ratchet_lost" || keyProblems.every((one) => one.code !== code)), // what makes the ratchet again comes first
      ...(mayBeElsewhere ? [ELSEWHERE] : []),
      ...(outbox.problem === undefined ? [] : [outbox.problem]),
      ...targetProblems(report),
      ...keyProblems,
    ];
    return { problems, isRebuildable: damage.isRebuildable && !mayBeElsewhere, knowledge, unseen };
  } finally {
    bar.end();
  }
}

/** Are only the bytes of receipts damaged or lost, which may be for good? */
function isReadable({ findings }: AuditReport, { wrong, stop }: Rebuilt): boolean {
  return wrong.length === 0 && (stop === null || stop.code === "ratchet_lost") && findings.every((finding) => ["receipt", null].includes(kindOf(finding)) && finding.code !== "wal_damaged");
}

/** Targets with an anchor that counts: the one that was named, and then those with the newest; of several, first one with archived receipts. */
function sourcesIn(targets: readonly AnchorTarget[], { counts }: AuditReport, given: AnchorTarget | null): readonly AnchorTarget[] {
  const ranked = counts.targets.filter(({ newestSize }) => newestSize > 0)
    .toSorted((a, b) => Number(b.target === given?.name) - Number(a.target === given?.name) || b.newestSize - a.newestSize || b.archive.objects - a.archive.objects);
  return ranked.flatMap(({ target }) => targets.find(({ name }) => name === target) ?? []);
}

/** Asks one source after the other, until one lacks nothing; a second past that any of them has signed is never passed over. */
async function surveyed(known: Omit<Knowledge, "source">, sources: readonly AnchorTarget[], isWrong: boolean): Promise<{ readonly knowledge: Knowledge; readonly rebuilt: Rebuilt | null }> {
  let best: { readonly knowledge: Knowledge; readonly rebuilt: Rebuilt } | null = null;
  for (const source of sources.length === 0 ? [null] : sources) {
    const knowledge = { ...known, source };
    if (!isWrong) return { knowledge, rebuilt: null };
    const rebuilt = await survey(knowledge);
    const isBest = best === null || lackOf(rebuilt) < lackOf(best.rebuilt) || rebuilt.stop?.code === "forked";
    if (isBest) best = { knowledge, rebuilt };
    if (lackOf(rebuilt) === 0 || rebuilt.stop?.code === "forked") break;
  }
  return best!;
}

function lackOf({ stop, lost, dropped }: Rebuilt): number {
  return stop === null ? lost.count + dropped.count : Infinity;
}

function rebuildCommand({ from, identity, seed = [], dropTail }: RecoverOptions): string {
  return `receiptd recover --rebuild${dropTail === true ? " --drop-tail" : ""}${from === undefined ? "" : ` --from ${from}`}${identity === undefined ? "" : ` --identity ${identity}`}${seed.map((file) => ` --seed ${file}`).join("")}`;
}

function tell(cli: Cli, found: readonly Problem[], recovered: Recovered | null, unseen: readonly string[]): ExitCode {
  const done = recovered?.kept === null || recovered === null ? null : recovered;
  const refused = recovered !== null && done === null ? recovered : null;
  const problems = done === null ? found : [...droppedProblem(done.rebuilt), ...found];
  const copies = keptLogs(placesOf(cli.config).ledger);
  const facts = {
    problems, not_checked: unseen, kept_logs: copies,
    rebuilt: done === null ? null : {
      log_size: done.rebuilt.size, kept: done.kept, from_ledger: done.rebuilt.kept, from_archive: done.rebuilt.replaced.count, lost: done.rebuilt.lost.count, dropped: done.rebuilt.dropped.count, notes: done.notes,
    },
  };
  cli.result(facts, () => {
    const lines = done === null ? [] : rebuiltLines(done);
    if (refused !== null) lines.push(`Nothing was changed: ${refused.rebuilt.stop?.message ?? refused.unsound[0]?.message ?? "the ledger would be empty"}.`);
    for (const { code, message, next } of problems) lines.push(`${code}: ${message}.`, `  → ${next}`);
    lines.push(...unseen.map((what) => `Could not look at ${what}.`));
    if (lines.length === 0) lines.push("There is nothing to recover.");
    lines.push(...copies.map((copy) => `${copy} is a copy of a write-ahead log that a power cut tore, with what was left out then; it is yours to remove.`));
    return lines.map(printable).join("\n");
  });
  return problems.length > 0 || refused !== null ? 1 : unseen.length > 0 ? 2 : 0;
}

function rebuiltLines({ rebuilt: { size, replaced, added, lost, dropped, kept }, kept: keptAs, notes, unanswered }: Recovered): string[] {
  const lines = [`The ledger is rebuilt: ${count(size, "receipt")}, ${count(replaced.count)} of them put back from what was published, ${count(lost.count)} without their bytes${dropped.count === 0 ? "" : `; ${count(dropped.count)} dropped`}.`];
  if (added.range !== null) lines.push(`The old file ended at ${count(added.range[0], "receipt")}: if a copy of this ledger is in use elsewhere, it goes on there; stop it before you start this one.`);
  if (kept === 0) lines.push("Nothing of the old file could be read: receipts after the newest anchor, if there were any, are lost.");
  else if (added.range !== null && dropped.count === 0) lines.push("Receipts after the newest anchor, if there were any, are lost: nothing here says how many the ledger had. Tell whoever has acknowledgements to compare them.");
  if (notes > 0) lines.push(`${count(notes, "signed anchor")} that anchor.db did not have ${notes === 1 ? "is" : "are"} in it now, as published.`);
  if (unanswered.length > 0) lines.push(`${unanswered.join(", ")} did not answer: what is there already is published once more, and an encrypted archive as a second copy.`);
  lines.push(`The old file is ${keptAs!}; keep it until an audit with every target has found nothing. Start the daemon: it records this in the ledger (receiptd serve).`);
  return lines;
}

/** The new file does not tell of them any more. */
function droppedProblem({ dropped }: Rebuilt): readonly Problem[] {
  if (dropped.count === 0) return [];
  return [{ code: "receipt_lost", message: `${tailText(dropped)}: the next receipts get these log indexes and numbers`, next: "tell whoever has acknowledgements of them: they are not in the ledger; the receipt of this recovery names them" }];
}
