/** `receiptd recover`: what is wrong with this ledger and what to do; with --rebuild, a new file from what is left of it. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { AnchorTarget } from "../anchor/target.ts";
import { openTarget } from "../anchor/targets.ts";
import { audit, type AuditReport } from "../audit/audit.ts";
import { newId } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { count } from "../format/count.ts";
import { sealedKeys, startsOf } from "../keys/seed.ts";
import { type Diagnosis, diagnose, isDamaged, type Problem } from "../recover/diagnose.ts";
import { type Knowledge, recover as runRecover, type Recovered, survey } from "../recover/recover.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import type { ExitCode } from "./errors.ts";
import { identitiesIn } from "./identities.ts";
import { type HostKeys, hostKeys } from "./ledger-files.ts";
import { progress } from "./progress.ts";
import { outboxProblem, ratchetProblem } from "./recover-keys.ts";
import { type SourceOptions, sourceOf } from "./source.ts";
import { printable } from "./table.ts";

interface RecoverOptions extends Omit<SourceOptions, "from"> {
  readonly rebuild?: boolean;
  readonly from?: string;
  readonly identity?: string;
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
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for an encrypted archive")
    .option("--progress", "show progress even where standard error is no terminal")
    .addHelpText("after", examples(["receiptd recover", "receiptd recover --rebuild", "receiptd recover --rebuild --from s3 --identity archive.key"]))
    .action(run(recover));
}

async function recover(cli: Cli, options: RecoverOptions): Promise<ExitCode> {
  const places = placesOf(cli.config);
  if (!existsSync(places.ledger)) {
    return tell(cli, [{ code: "ledger_missing", message: `there is no ledger at ${places.ledger}`, next: "put the newest copy of data_dir back; or: receiptd restore --from <target>; for a new ledger: receiptd init" }], null, []);
  }
  const keys = await hostKeys(cli);
  if ("why" in keys) return tell(cli, [{ code: "keys_unusable", message: keys.why, next: "put root key and keyring back from their backups, then: receiptd recover" }], null, []);
  const found = await look(cli, options, keys);
  if (options.rebuild !== true || !found.isRebuildable) return tell(cli, found.problems, null, found.unseen);
  const bar = progress("receipts", options.progress === true ? true : null);
  try {
    const recovered = await runRecover({
      ...found.knowledge, quarantinePath: places.quarantine, orderPath: places.recovery, receiptId: newId(), now: Date.now(),
      reason: found.problems.map(({ code }) => code).filter((code, i, all) => all.indexOf(code) === i).join(", "),
    }, { onProgress: (receipts) => bar.update(receipts, null) });
    bar.end();
    const after = recovered.kept === null ? null : await look(cli, options, keys);
    return tell(cli, after?.problems ?? found.problems, recovered, after?.unseen ?? found.unseen);
  } finally {
    bar.end();
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
  const targets = from === undefined ? cli.config.anchor.targets.map(openTarget) : [sourceOf(cli, { ...options, from })];
  const bar = progress("receipts", options.progress === true ? true : null);
  const identities = await identitiesIn(options.identity);
  const base = {
    ledgerPath: places.ledger,
    ledger: { origin: keyring.origin, ledgerId: keyring.ledgerId },
    vkeys: keyring.checkpointKeys.map(({ vkey }) => vkey),
    identities,
    keys: { starts: startsOf(keyring, open), sealed: sealedKeys(keyring), requestSecret: keyring.requestSecret },
  };
  try {
    const report = await audit({ ...base, targets, areVkeysPinned: false, now: Date.now(), grace: cli.config.anchor.grace }, { onProgress: ({ done, total }) => bar.update(done, total === null || total === 0 ? null : done / total) });
    const knowledge: Knowledge = { ...base, outboxPath: places.outbox, source: fullest(targets, report) };
    const outbox = outboxProblem(places.outbox, base.ledger, report.counts.receipts);
    const unseen = report.failedToCheck.filter((what) => what.startsWith("the target"));
    const rebuilt = isDamaged(report) || outbox.isBehind ? await survey(knowledge) : null;
    const damage = rebuilt === null ? { problems: [], isRebuildable: false } : diagnose(report, rebuilt, rebuildCommand(options));
    const mayBeElsewhere = unseen.length > 0 && (rebuilt?.lost.count ?? 0) > 0;
    const problems = [
      ...damage.problems,
      ...(mayBeElsewhere ? [ELSEWHERE] : []),
      ...(outbox.problem === undefined ? [] : [outbox.problem]),
      ...(damage.problems.length > 0 ? [] : ratchetProblem(places.ledger, keys)),
    ];
    return { problems, isRebuildable: damage.isRebuildable && !mayBeElsewhere, knowledge, unseen };
  } finally {
    bar.end();
  }
}

/** The target with the newest anchor that counts; of several, one with archived receipts. */
function fullest(targets: readonly AnchorTarget[], { counts }: AuditReport): AnchorTarget | null {
  const [best] = counts.targets.filter(({ newestSize }) => newestSize > 0).toSorted((a, b) => b.newestSize - a.newestSize || b.archive.objects - a.archive.objects);
  return targets.find(({ name }) => name === best?.target) ?? null;
}

function rebuildCommand({ from, identity }: RecoverOptions): string {
  return `receiptd recover --rebuild${from === undefined ? "" : ` --from ${from}`}${identity === undefined ? "" : ` --identity ${identity}`}`;
}

function tell(cli: Cli, problems: readonly Problem[], recovered: Recovered | null, unseen: readonly string[]): ExitCode {
  const done = recovered?.kept === null || recovered === null ? null : recovered;
  const refused = recovered !== null && done === null ? recovered : null;
  const facts = {
    problems, not_checked: unseen,
    rebuilt: done === null ? null : { log_size: done.rebuilt.size, kept: done.kept, from_ledger: done.rebuilt.kept, from_archive: done.rebuilt.replaced.count, lost: done.rebuilt.lost.count },
  };
  cli.result(facts, () => {
    const lines: string[] = [];
    if (done !== null) {
      const { size, replaced, lost } = done.rebuilt;
      lines.push(`The ledger is rebuilt: ${count(size, "receipt")}, ${count(replaced.count)} of them put back from what was published, ${count(lost.count)} without their bytes.`);
      if (done.rebuilt.kept === 0) lines.push("Nothing of the old file could be read: receipts after the newest anchor, if there were any, are lost.");
      lines.push(`The old file is ${done.kept}; keep it until an audit with every target has found nothing. Start the daemon: it records this in the ledger (receiptd serve).`);
    }
    if (refused !== null) lines.push(`Nothing was changed: ${refused.rebuilt.stop?.message ?? refused.unsound[0]?.message ?? "the ledger would be empty"}.`);
    for (const { code, message, next } of problems) lines.push(`${code}: ${message}.`, `  → ${next}`);
    lines.push(...unseen.map((what) => `Could not look at ${what}.`));
    if (lines.length === 0) lines.push("There is nothing to recover.");
    return lines.map(printable).join("\n");
  });
  return problems.length > 0 || refused !== null ? 1 : unseen.length > 0 ? 2 : 0;
}
