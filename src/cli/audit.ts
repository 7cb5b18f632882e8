/** `receiptd audit`: the ledger and its targets, checked from the bytes up; also by a third party with copies and a pinned key. */
import type { Command } from "commander";
import { formatReport } from "../audit/text.ts";
import { addAuditOptions, type AuditOptions, runAudit } from "./audit-run.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { snakeCased } from "./snake-case.ts";

export function addAudit(program: Command, run: Run): void {
  addAuditOptions(program.command("audit")
    .summary("check everything")
    .description("Checks everything from the bytes up: every receipt, chain, MAC, index, batch and root of the ledger, and every object at the targets, each against the other. Nothing is written, and the daemon may be running. Exit code 0: all is well; 1: something is wrong; 2: something could not be checked."))
    .option("--from <time>", "only batches with receipts from this date or time on, UTC")
    .option("--to <time>", "only batches with receipts before this time, or up to this date, UTC")
    .option("--organization <name>", "only this organization's receipts")
    .option("--ledger-gone", "check the anchors and batches alone")
    .option("--record <file>", "if nothing is found, keep here what was read, for --since")
    .option("--since <file>", "read what is new since the audit that --record kept there, and what is not as it was then")
    .option("--all-receipts", "with --since: read all receipts again, and all objects but those under a lock")
    .addHelpText("after", examples([
      "receiptd audit",
      "receiptd audit --from 2026-11-01 --to 2026-11-30 --organization loans --json",
      "receiptd audit --since audit.json --record audit.json",
      "receiptd audit --from 2026-11-01 --to 2026-11-30 --sample 200 --replay 'python3 model.py --replay'",
      "receiptd audit --ledger copy/ledger.db --anchors copy/anchors --trust pinned.txt --seed seed.key_v1.age --identity auditor.key",
      "receiptd audit --ledger-gone --anchors s3://acme-receipts --region eu-central-1 --retention 7y --trust pinned.txt",
      "receiptd audit --ledger copy/ledger.db --anchors copy/anchors --vkey 'receipts.example.com/loans+1a2b3c4d+AQ…'",
    ]))
    .action(run(audit));
}

async function audit(cli: Cli, options: AuditOptions): Promise<ExitCode> {
  if ((options.since ?? options.record) !== undefined && (options.from ?? options.to ?? options.organization) !== undefined) {
    throw new CliError("bad_usage", "--since and --record are for an audit of everything, not of a time or an organization");
  }
  if (options.allReceipts === true && options.since === undefined) throw new CliError("bad_usage", "--all-receipts says what --since reads again, and is of no use without it");
  if (options.sample !== undefined && options.since === undefined && options.replay === undefined) throw new CliError("bad_usage", "--sample says what --since reads again, or how many decisions --replay draws, and is of no use without them");
  requireOfLedger(options);
  const { report } = await runAudit(cli, options);
  cli.result(snakeCased(report), () => formatReport(report).trimEnd());
  return report.exitCode;
}

/** What only an audit of receipts can do is refused where there are none, and not passed over. */
function requireOfLedger({ ledgerGone, from, to, organization, seed, keysFile, acceptSuspect, replay: command }: AuditOptions): void {
  if (ledgerGone !== true || (from ?? to ?? organization ?? seed ?? keysFile ?? acceptSuspect ?? command) === undefined) return;
  throw new CliError("bad_usage", "--from, --to, --organization, --seed, --keys-file, --accept-suspect and --replay are about receipts, and --ledger-gone says that there are none to read", "restore the ledger to check them: receiptd restore");
}
