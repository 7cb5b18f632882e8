/** An audit as the command line asks for it: `receiptd audit`, and what is made of one. */
import type { Command } from "commander";
import { DirectoryTarget } from "../anchor/directory.ts";
import { audit, type AuditReport, type Progress as AuditProgress } from "../audit/audit.ts";
import type { AuditRecord } from "../audit/record.ts";
import type { SurveySeen } from "../audit/surveying.ts";
import type { LedgerName } from "../format/names.ts";
import type { RatchetState } from "../keys/epoch-keys.ts";
import type { Keyring } from "../keys/keyring.ts";
import { type Seed, sealedKeys, startsOf } from "../keys/seed.ts";
import { LedgerError } from "../ledger/errors.ts";
import { readRecord, replacedRecord, writeRecord } from "./audit-record.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { collect } from "./command.ts";
import { disclosedIn, disclosedKeys } from "./disclosed-keys.ts";
import { CliError } from "./errors.ts";
import { identitiesIn } from "./identities.ts";
import { type HostKeys, hostKeys, isCopy, keysProblem, type LedgerOptions, ledgerPath, type NamedTarget, targets, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions, type Pins, pinsOf } from "./pins.ts";
import { progress } from "./progress.ts";
import { replay } from "./replay.ts";
import { replayAsk, type ReplayOptions, spanOf } from "./replay-options.ts";
import { requireSeedsOf, seedsIn } from "./seeds.ts";
import { checkedId, ledgerAt } from "./target-ledgers.ts";
import { timeRange } from "./times.ts";
import { versionText } from "./version.ts";

export interface AuditOptions extends LedgerOptions, PinOptions, ReplayOptions {
  readonly from?: string;
  readonly to?: string;
  readonly organization?: string;
  readonly ledgerGone?: boolean;
  readonly ledgerId?: string;
  /** False with --no-keys. */
  readonly keys: boolean;
  readonly acceptSuspect?: readonly string[];
  readonly identity?: string;
  readonly seed?: readonly string[];
  readonly keysFile?: readonly string[];
  readonly since?: string;
  readonly record?: string;
  readonly allReceipts?: boolean;
  readonly workers?: string;
  readonly progress?: boolean;
}

export interface AuditRun {
  readonly report: AuditReport;
  /** What was asked for beside; null where the ledger was not read. */
  readonly seen: SurveySeen | null;
  /** Of the host, where it is the ledger's. */
  readonly keyring: Keyring | null;
}

/** Those that say where things are, and what is believed. */
export function addAuditOptions(command: Command): Command {
  return addPinOptions(command)
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <place>", "a folder of anchors, or s3://bucket/prefix, in place of the configured targets")
    .option("--endpoint <url>", "of s3://…: the S3 server, if not AWS")
    .option("--region <name>", "of s3://…: the bucket's region")
    .option("--path-style", "of s3://…: put the bucket into the path, not into the host name")
    .option("--profile <name>", "of s3://…: a profile of the AWS SDK's configuration")
    .option("--target <name>", "the name that the ledger's host has for this place, under which anchor receipts name what they saw there")
    .option("--retention <time>", "how long after it was stored every object must be locked (1d to 100y; default: as configured; of s3://…, at all)")
    .option("--ledger-id <id>", "which ledger it must be, as was noted when it was created (a key names the origin only)")
    .option("--no-keys", "leave the host's keys alone: MACs are then not checked")
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for archived receipts and seeds that are encrypted")
    .option("--seed <file>", "the seed of a forward-secure key (as init wrote it; may be given again): all its MACs are checked", collect)
    .option("--keys-file <file>", "keys that receiptd disclose has printed (may be given again): the MACs of their epochs are checked", collect)
    .option("--accept-suspect <key>", "receipts of this revoked key that are suspect are known to you: a note, and no finding (may be given again)", collect)
    .option("--sample <n>", "with --since: versions at each target to read again all the same, chosen by chance (default: 32); with --replay: decisions to draw (default: 200)")
    .option("--replay <command>", "have decisions that are drawn at random made again by the model: its command, for sh -c, which reads and writes a line of JSON each")
    .option("--sample-seed <hex>", "with --replay: draw as an audit did that printed this seed (default: by chance)")
    .option("--replay-timeout <time>", "with --replay: how long all of it may take (default: 10m)")
    .option("--workers <n>", "threads (default: one for each processor)")
    .option("--progress", "show progress even where standard error is no terminal");
}

/** `tally`: count what the receipts of the time are about. */
export async function runAudit(cli: Cli, options: AuditOptions, tally: { readonly refusals: readonly string[] } | null = null): Promise<AuditRun> {
  const replaying = replayAsk(options);
  const since = options.since === undefined ? null : readRecord(options.since);
  const replaced = options.record === undefined ? null : replacedRecord(options.record);
  const identities = await identitiesIn(options.identity);
  const seeds = await seedsIn(options.seed ?? [], identities);
  const own = await ownKeys(cli, options);
  const pins = pinsOf(options, own.keyring);
  const at = namedTargets(cli, options);
  const { ledger, from: ledgerIdFrom } = await identity(cli, options, own.keyring, pins, at);
  if (replaced !== null && isOther(replaced, ledger) && (since === null || !isOther(since, ledger))) {
    throw new CliError("bad_usage", `${options.record!} is the record of the ledger ${replaced.origin} ${replaced.ledger_id}, and this one is ${ledger.origin} ${ledger.ledgerId}`,
      "hold this ledger against it with --since, or keep the new record in another file");
  }
  const secrets = own.keyring?.ledgerId === ledger.ledgerId ? own.keyring : null;
  requireSeedsOf(seeds, ledger, secrets);
  const starts = startsOf(secrets, own.open, seeds);
  const disclosed = disclosedKeys(disclosedIn(options.keysFile ?? []), ledger, starts);
  const problem = own.why ?? (secrets === null ? null : await problemOf(cli, options, { keyring: secrets, open: own.open }, seeds));
  const range = rangeOf(options);
  const bar = progress("receipts", options.progress === true ? true : null);
  let report: AuditReport;
  let seen: SurveySeen | null = null;
  try {
    report = await audit({
      ledgerPath: options.ledgerGone === true ? null : ledgerPath(cli, options),
      ledger,
      ledgerIdFrom,
      identities,
      targets: at.map(({ target }) => target),
      vkeys: pins.vkeys,
      areVkeysPinned: pins.pinned,
      keys: secrets === null && seeds.length === 0 && disclosed.length === 0 ? null : {
        starts, disclosed, sealed: secrets === null || problem !== null ? [] : sealedKeys(secrets, seeds), requestSecret: secrets?.requestSecret ?? null,
      },
      ...(problem === null ? {} : { keysProblem: problem }),
      range,
      revoked: { since: pins.revoked, accepted: new Set(options.acceptSuspect) },
      acceptedBreaks: pins.breaks,
      ...(since === null ? {} : { since, allReceipts: options.allReceipts === true }),
      ...(replaced === null ? {} : { replaces: replaced }),
      ...(options.sample === undefined || replaying !== null ? {} : { sample: wholeNumber("--sample", options.sample) }),
      ...(replaying === null && tally === null ? {} : { survey: { ...spanOf(range), draw: replaying === null ? null : { seed: replaying.seed, size: replaying.size }, tally } }),
      program: `receiptd ${versionText()}`,
      now: Date.now(),
      ...(isCopy(cli, options) ? {} : { grace: cli.config.anchor.grace }),
      ...(options.workers === undefined ? {} : { workers: wholeNumber("--workers", options.workers) }),
    }, {
      onProgress: (at) => show(at, bar),
      onSurvey: async (found, into) => {
        seen = found;
        bar.end(); // the model may have something to say
        return replaying === null ? null : await replay(replaying, found, into);
      },
      ...(options.record === undefined ? {} : { onRecord: (record: AuditRecord) => writeRecord(options.record!, record) }),
    });
  } finally {
    bar.end();
  }
  return { report, seen, keyring: secrets };
}

/** A folder of anchors, too, may be a copy of a target that anchor receipts name. */
function namedTargets(cli: Cli, options: AuditOptions): readonly NamedTarget[] {
  const found = targets(cli, options);
  const { anchors: path, target: name } = options;
  if (path === undefined || name === undefined || path.startsWith("s3://")) return found;
  return found.map(({ required }) => ({ target: new DirectoryTarget({ name, path }), required }));
}

function isOther({ origin, ledger_id: id }: AuditRecord, ledger: LedgerName): boolean {
  return origin !== ledger.origin || id !== ledger.ledgerId;
}

/** The keys of the host, for MACs and, unless others are pinned, for its vkeys. `why`: they should be there, but cannot be used. */
async function ownKeys(cli: Cli, options: AuditOptions): Promise<{ readonly keyring: Keyring | null; readonly open: RatchetState | null; readonly why: string | null }> {
  const none = { keyring: null, open: null };
  if (!options.keys || isCopy(cli, options)) return { ...none, why: null };
  const found = await hostKeys(cli);
  return "keyring" in found ? { ...found, why: null } : { ...none, why: found.why };
}

async function problemOf(cli: Cli, options: AuditOptions, keys: HostKeys, seeds: readonly Seed[]): Promise<string | null> {
  if (options.ledgerGone === true) return null;
  try {
    return await withReader(cli, options, (reader) => keysProblem(keys, reader, seeds));
  } catch (error) {
    if (error instanceof LedgerError) return keysProblem(keys, null, seeds); // what is wrong with the ledger the audit finds
    throw error;
  }
}

/**
 * Which ledger is meant, from outside of it as far as possible: whoever changed the ledger could have changed its name. `from`: where
 * its id was taken from, undefined where it was given.
 */
async function identity(
  cli: Cli, options: AuditOptions, own: Keyring | null, pins: Pins, at: readonly NamedTarget[],
): Promise<{ readonly ledger: LedgerName; readonly from?: string }> {
  const origin = pins.names[0];
  const given = options.ledgerId === undefined ? null : checkedId(options.ledgerId);
  if (own !== null && (!pins.pinned || origin === own.origin)) {
    if (given !== null) return { ledger: { origin: own.origin, ledgerId: given } };
    return { ledger: { origin: own.origin, ledgerId: own.ledgerId }, from: "the keyring of the host that is audited" };
  }
  if (origin !== undefined && given !== null) return { ledger: { origin, ledgerId: given } };
  if (options.ledgerGone !== true) {
    try {
      const said = await withReader(cli, options, (reader) => reader.identity());
      if (given !== null) return { ledger: { origin: said.origin, ledgerId: given } };
      return { ledger: { origin: origin ?? said.origin, ledgerId: said.ledgerId }, from: "the audited ledger itself" };
    } catch (error) {
      // a ledger that cannot be read is the audit's finding, if anything else says which one it was
      if (!(error instanceof LedgerError) || origin === undefined || at.length === 0) throw error;
    }
  }
  if (origin === undefined) throw new CliError("bad_usage", "without a ledger a key has to say which one it was", "name it with --vkey or --trust");
  return { ledger: await ledgerAt(at, origin, options.ledgerId, pins.vkeys), from: "the names at the targets" };
}

function rangeOf(options: AuditOptions): { readonly from?: number; readonly to?: number; readonly organization?: string } {
  const { from, to } = timeRange(options);
  return {
    ...(options.from === undefined ? {} : { from }),
    ...(options.to === undefined ? {} : { to }),
    ...(options.organization === undefined ? {} : { organization: options.organization }),
  };
}

function show({ phase, done, total }: AuditProgress, bar: ReturnType<typeof progress>): void {
  if (phase !== "indexes") bar.update(done, total === null || total === 0 ? null : done / total, phase === "targets" ? "objects" : "receipts");
}
