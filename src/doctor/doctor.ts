/** `receiptd doctor`: looks at everything an installation depends on, in the order in which it is best put right. Changes nothing. */
import { connectS3 } from "../anchor/s3/client.ts";
import { type CanaryReport, runCanary } from "../anchor/s3/canary.ts";
import { s3Error } from "../anchor/s3/errors.ts";
import { openTarget, type S3Config, type TargetConfig } from "../anchor/targets.ts";
import type { Config } from "../config.ts";
import { placesOf } from "../daemon/places.ts";
import { checkNewestAnchor, checkOutbox } from "./anchors.ts";
import { type BucketSeen, checkBucket } from "./bucket.ts";
import { type Check, messageOf, ok, problem, unchecked, warning } from "./check.ts";
import { checkClock, type ClockReading, isSynchronized } from "./clock.ts";
import { checkDirectory } from "./directory.ts";
import { checkDataDir, checkDisk, checkKept } from "./host.ts";
import { checkDaemon, checkKeys, checkLedger, checkSchedule, type DaemonState } from "./ledger.ts";

export interface CanaryWish {
  /** Of an identity that may delete and change locks; null: the daemon's own is used, which proves less. */
  readonly profile: string | null;
  /** ms that the canary is locked for. */
  readonly lock: number;
}

export interface DoctorOptions {
  readonly config: Config;
  /** Those to look at. */
  readonly targets: readonly TargetConfig[];
  /** null: none is put. */
  readonly canary: CanaryWish | null;
  readonly uid: number;
  readonly askDaemon: () => Promise<DaemonState | null | Error>;
  /** Told before what takes long. */
  readonly note: (text: string) => void;
}

/** What was tried on one bucket, and what was answered. */
export type Evidence = Omit<CanaryReport, "error" | "excess" | "left"> & { readonly target: string; readonly endpoint: string | null; readonly bucket: string; readonly excess_rights: readonly string[] };

export interface Diagnosis {
  readonly checks: readonly Check[];
  readonly evidence: readonly Evidence[];
}

export async function examine(options: DoctorOptions): Promise<Diagnosis> {
  const { config, targets, uid } = options;
  const places = placesOf(config);
  const { checks: keys, keyring } = await checkKeys(config);
  const { checks: ledger, facts } = checkLedger(config, keyring);
  const { checks: outbox, confirmed } = checkOutbox(config, facts);
  const daemon = await options.askDaemon();
  const isRunning = daemon !== null && !(daemon instanceof Error);
  const [readings, ofTargets, evidence]: [ClockReading[], Check[], Evidence[]] = [[], [], []];
  for (const target of targets) {
    const newest = (): Promise<readonly Check[]> => facts === null ? Promise.resolve([]) : checkNewestAnchor(openTarget(target), confirmed?.get(target.name) ?? null, facts, keyring);
    if (target.type === "directory") {
      const checks = checkDirectory(target, config.data_dir);
      ofTargets.push(...checks, ...(checks[0]?.status === "ok" ? await newest() : []));
    } else {
      const seen = await checkBucket(target);
      if (seen.offset !== null) readings.push({ server: `S3 (target ${target.name})`, offset: seen.offset });
      ofTargets.push(...seen.checks, ...(seen.checks[0]?.status === "ok" ? await newest() : []));
      const tried = await tryCanary(target, facts?.origin ?? config.origin, seen, options);
      ofTargets.push(...tried.checks);
      if (tried.evidence !== null) evidence.push(tried.evidence);
    }
  }
  return {
    checks: [
      ...checkDataDir(config.data_dir, uid), ...keys, ...ledger, ...outbox, ...checkKept(places.ledger, places.quarantine), ...checkDisk(config.data_dir),
      ...checkClock(readings, await isSynchronized()), checkSchedule(config, facts, isRunning, Date.now()), ...checkDaemon(daemon, facts), ...ofTargets,
    ],
    evidence,
  };
}

async function tryCanary(target: S3Config, origin: string, { connection, offset }: BucketSeen, { canary, note }: DoctorOptions): Promise<{ readonly checks: readonly Check[]; readonly evidence: Evidence | null }> {
  if (connection === null || canary === null) return { checks: [], evidence: null };
  const { bucket, prefix = "" } = target;
  const check = `target ${target.name}: canary`;
  note(`Trying to break a lock of ${Math.round(canary.lock / 1000)} s in the bucket ${bucket} …`);
  let breaker = null;
  if (canary.profile !== null) {
    try {
      const theirs = await connectS3({ ...target, profile: canary.profile });
      await theirs.reader.config.credentials();
      breaker = { name: canary.profile, connection: theirs };
    } catch (error) {
      return { checks: [unchecked(check, `no credentials of the profile ${canary.profile}: ${messageOf(error).slice(0, 200)}`, "see ~/.aws/config and ~/.aws/credentials")], evidence: null };
    }
  }
  const report = await runCanary({ bucket, prefix, origin, lock: canary.lock, offset: offset ?? 0, breaker, daemon: { name: "daemon", connection } });
  const { error, excess, left: _, ...rest } = report;
  const evidence = { target: target.name, endpoint: target.endpoint ?? null, bucket, ...rest, excess_rights: excess };
  const checks = error === null ? canaryChecks(check, target, report) : [notTried(check, target, error)];
  return { checks, evidence };
}

function canaryChecks(check: string, { name, bucket }: S3Config, { verdict, why, excess, left, key }: CanaryReport): readonly Check[] {
  const privilege = `target ${name}: least privilege`;
  return [
    verdict === "worm" ? ok(check, `WORM: ${why}`)
      : verdict === "not_worm" ? problem(check, `not WORM: ${why}`, "do not count on anchors here: take another server, or a bucket with versioning and Object Lock")
      : unchecked(check, why, "run it with --canary-profile <profile> of an identity that holds these rights (receiptd init --bucket prints the policy)"),
    excess.length === 0 ? ok(privilege, "the daemon's identity could neither remove nor hide anything that was tried")
      : problem(privilege, `the daemon's identity holds ${excess.join(", ")}, at least under doctor/, which it never needs`, `give it no more than: receiptd init --bucket ${bucket} --policy anchoring-role`),
    ...(left === 0 ? [] : [warning(`${check}, tidying up`, `${left} small objects stay under ${key}`, "they can be removed by whoever may, as their lock has ended; audits do not look there")]),
  ];
}

function notTried(check: string, config: S3Config, error: unknown): Check {
  const { code, message } = s3Error(error, { config, action: "s3:PutObject", key: `${config.prefix ?? ""}doctor/`, clockOffset: 0 });
  return code === "target_unlocked" ? problem(check, message, "switch Object Lock on") : unchecked(check, `no canary could be put: ${message}`, "allow the daemon's identity s3:PutObject and s3:PutObjectRetention under doctor/, or use --skip-canary");
}
