/** `receiptd restore`: a ledger that was lost with its host, built again from what was published of it, and audited. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { AnchorTarget } from "../anchor/target.ts";
import { openTarget } from "../anchor/targets.ts";
import { audit, type AuditReport } from "../audit/audit.ts";
import { auditHash } from "../audit/hash.ts";
import { formatReport } from "../audit/text.ts";
import { createFolder, openKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { count } from "../format/count.ts";
import { requestKey } from "../format/mac.ts";
import type { LedgerName } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import type { Keyring } from "../keys/keyring.ts";
import { sealedKeys, startsOf } from "../keys/seed.ts";
import { readMark } from "../ledger/acks.ts";
import { restore as runRestore, type RestoreReport } from "../restore/restore.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { identitiesIn } from "./identities.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { progress } from "./progress.ts";
import { snakeCased } from "./snake-case.ts";
import { type SourceOptions, sourceOf } from "./source.ts";
import { ledgerAt } from "./target-ledgers.ts";

interface RestoreOptions extends SourceOptions, PinOptions {
  readonly ledgerId?: string;
  readonly identity?: string;
  readonly partial?: boolean;
  readonly progress?: boolean;
}

export function addRestore(program: Command, run: Run): void {
  addPinOptions(program.command("restore")
    .summary("rebuild a lost ledger from a target")
    .description("Rebuilds a ledger that was lost with its host in the configured data_dir, from the anchors, batches and archived receipts at a target, and audits it. Nothing counts that a pinned key has not signed, and a ledger that is there is never replaced. To go on writing, put root key and keyring in their places first. Exit code 0: everything is back that the target still has, and no anchor.db that was left knows of more; 1: it is not, or something is wrong; 2: it could not be done.")
    .requiredOption("--from <place>", "s3://bucket/prefix, a folder, or the name of a configured target")
    .option("--endpoint <url>", "the S3 server, if not AWS")
    .option("--region <name>", "the bucket's region")
    .option("--path-style", "put the bucket into the path, not into the host name")
    .option("--profile <name>", "a profile of the AWS SDK's configuration"))
    .option("--ledger-id <id>", "which ledger, where there are several with one origin")
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for an encrypted archive")
    .option("--partial", "where not everything can be restored, keep what can")
    .option("--progress", "show progress even where standard error is no terminal")
    .addHelpText("after", examples([
      "receiptd restore --from s3 --identity archive.key",
      "receiptd restore --from s3://acme-receipts/receiptd/ --region eu-central-1 --vkey 'receipts.example.com/loans+1a2b3c4d+AQ…'",
      "receiptd restore --from copy/anchors --trust auditors/pinned.txt",
    ]))
    .action(run(restore));
}

async function restore(cli: Cli, options: RestoreOptions): Promise<ExitCode> {
  const places = placesOf(cli.config);
  const keys = existsSync(places.keyring) ? (await openKeys(cli.config)).keyring : null; // the ratchet on this host is not that of the lost one
  const pins = pinsOf(options, keys);
  const origin = pins.names[0];
  if (origin === undefined) throw new CliError("bad_usage", "a key has to say which ledger it was", "name it with --vkey or --trust, or put root key and keyring in their places first");
  const identities = await identitiesIn(options.identity);
  const target = sourceOf(cli, options);
  const ledger = keys !== null && keys.origin === origin && options.ledgerId === undefined
    ? { origin, ledgerId: keys.ledgerId }
    : await ledgerAt([{ target, required: true }], origin, options.ledgerId, pins.vkeys);
  if (keys !== null && (keys.ledgerId !== ledger.ledgerId || keys.origin !== ledger.origin)) {
    throw new CliError("wrong_ledger", `the keyring in ${cli.config.data_dir} is that of ledger ${keys.origin} (${keys.ledgerId}), not of ${ledger.origin} (${ledger.ledgerId})`);
  }
  createFolder(cli.config.data_dir);
  const bar = progress("receipts", options.progress === true ? true : null);
  const mark = readMark(places.ledger); // of the ledger that was lost, where its folder was not
  try {
    const report = await runRestore({
      target, ledger, identities,
      others: cli.config.anchor.targets.filter(({ name }) => name !== target.name).map(openTarget),
      vkeys: pins.vkeys.map(parseVkey),
      requestKey: keys === null ? null : requestKey(keys.requestSecret, ledger.ledgerId, auditHash),
      ledgerPath: places.ledger, outboxPath: places.outbox,
      keepsPart: options.partial === true,
    }, { onProgress: (done, total) => bar.update(done, total === 0 ? null : done / total) });
    const audited = report.isKept ? await auditOf(places.ledger, target, ledger, pins, keys, identities, report) : null;
    bar.end();
    const acknowledged = mark?.ledgerId === ledger.ledgerId ? mark.acknowledged : null;
    return tell(cli, options, { acknowledged, report, audited, ledger, from: target.name, hasKeys: keys !== null, isOlder: keys !== null && report.rotatedTo !== null && !keys.checkpointKeys.some(({ vkey }) => vkey === report.rotatedTo), isSealed: keys !== null && sealedKeys(keys).length > 0 });
  } finally {
    bar.end();
  }
}

/** As of the newest anchor: that none came after the host was lost is known. */
async function auditOf(
  ledgerPath: string, target: AnchorTarget, ledger: LedgerName, pins: ReturnType<typeof pinsOf>, keys: Keyring | null, identities: readonly string[], report: RestoreReport,
): Promise<AuditReport> {
  return await audit({
    ledgerPath, ledger, identities,
    targets: [target],
    vkeys: pins.vkeys,
    areVkeysPinned: pins.pinned,
    acceptedBreaks: pins.breaks,
    keys: keys === null ? null : { starts: startsOf(keys, null), sealed: sealedKeys(keys), requestSecret: keys.requestSecret },
    now: Math.min(Date.now(), report.newest?.lastModified ?? 0),
  });
}

function tell(cli: Cli, options: RestoreOptions, { acknowledged, report, audited, ledger, from, hasKeys, isOlder, isSealed }: {
  readonly acknowledged: number | null; readonly report: RestoreReport; readonly audited: AuditReport | null; readonly ledger: LedgerName; readonly from: string; readonly hasKeys: boolean; readonly isOlder: boolean; readonly isSealed: boolean;
}): ExitCode {
  const { stop, isKept, receipts, anchors, newest } = report;
  cli.result({ ledger: ledger.origin, ledger_id: ledger.ledgerId, acknowledged, restored: snakeCased(report), audit: audited === null ? null : snakeCased(audited) }, () => {
    const back = `${count(receipts, "receipt")} under ${count(anchors, "anchor")}`;
    const lines = stop === null
      ? [`${report.isWitnessed ? "Everything anchored" : `Everything that ${from} still has`} is back: ${back}, the newest of ${newest?.recordedAt}.`]
      : [`Not everything could be restored: ${stop.message}.`, isKept ? `Back is ${back}; what came after is not.` : `Up to there it would be ${back}; nothing was kept${receipts > 0 && options.partial !== true ? ": to keep that, give --partial" : ""}.`];
    if (report.setAside > 0) lines.push(`${count(report.setAside, "object")} at the target did not count.`);
    if (report.unanswered.length > 0) lines.push(`${report.unanswered.join(", ")} did not answer: what is there already is published once more, and an encrypted archive as a second copy.`);
    if (stop === null && !report.isWitnessed) lines.push(`If somebody destroyed newer anchors at ${from}, that cannot be seen there: compare with another target, the acknowledgements, or an auditor's --record.`);
    if (isKept) lines.push(acknowledged !== null && acknowledged > receipts ? `${count(acknowledged - receipts, "receipt")} or more that were acknowledged here (log indexes ${receipts} to ${acknowledged - 1}) are lost; the next ones get their places.` : "Receipts after the newest anchor, if there were any, are lost.");
    if (isKept && !hasKeys) lines.push("The ledger can be read and audited. To go on writing to it, restore root key and keyring from their backup, move this ledger.db and anchor.db away, and restore again: what tells requests that are sent twice needs the keyring.");
    if (isKept && isSealed) lines.push("Its keys are forward-secure: if the ratchet was lost with the host, make it again with the auditor's seed first: receiptd init --ratchet --seed FILE; where nobody has it: receiptd key break");
    if (isKept && isOlder) lines.push(`The keyring is older than this ledger: it has not the checkpoint key ${report.rotatedTo}. receiptd serve refuses${stop === null ? " until the newest backup of the keyring is in its place" : ": this can be read and audited; to go on writing, put the newest backup of the keyring in its place, move this ledger.db and anchor.db away, and restore again"}.`);
    if (isKept && hasKeys && !isOlder && stop?.code !== "anchor_missing" && stop?.code !== "vkey_unknown") lines.push("Start it with: receiptd serve");
    if (audited !== null) lines.push("", formatReport(audited).trimEnd());
    return lines.join("\n");
  });
  return stop !== null ? 1 : audited?.exitCode ?? 1;
}
