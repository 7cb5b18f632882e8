/** `receiptd doctor`: is everything as it must be? Exit code 0: yes; 1: something must be put right; 2: something could not be checked. */
import type { Command } from "commander";
import type { Answer } from "../anchor/s3/attempt.ts";
import { ConfigError } from "../config.ts";
import type { Check } from "../doctor/check.ts";
import { type Diagnosis, type Evidence, examine } from "../doctor/doctor.ts";
import type { DaemonState } from "../doctor/ledger.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { RpcFailure } from "../door/client.ts";
import { printable } from "./table.ts";

interface DoctorOptions {
  readonly target?: string;
  readonly canaryProfile?: string;
  readonly canaryLock: string;
  readonly skipCanary?: boolean;
}

/** Seconds that the canary is locked for. A lock is long enough once all tries fit into it. */
const USUAL_LOCK = "60";
const LABELS: Readonly<Record<Check["status"], string>> = { ok: "ok", warning: "warning", problem: "PROBLEM", unchecked: "could not check" };

export function addDoctor(program: Command, run: Run): void {
  program.command("doctor")
    .summary("check the installation, and whether the bucket keeps what is locked")
    .description([
      "Checks configuration, files, disk, clock, schedule, daemon and targets. In each S3 bucket it puts a small object under a short lock and tries to",
      "break that lock; with --canary-profile by an identity that holds the rights to, without one by the daemon's, whose refusals prove little.",
      "Changes nothing else. Exit code 0: all is well; 1: something must be put right; 2: something could not be checked.",
    ].join("\n"))
    .option("--target <name>", "look at this target alone")
    .option("--canary-profile <profile>", "AWS profile of an identity that may delete, bypass and change locks under doctor/")
    .option("--canary-lock <seconds>", "how long the canary is locked, which is how long this takes", USUAL_LOCK)
    .option("--skip-canary", "put nothing into buckets")
    .addHelpText("after", examples(["receiptd doctor", "receiptd doctor --skip-canary", "receiptd doctor --canary-profile breaker --json > evidence.json"]))
    .action(run(doctor));
}

async function doctor(cli: Cli, options: DoctorOptions): Promise<ExitCode> {
  const lock = wholeNumber("--canary-lock", options.canaryLock, 2) * 1000;
  const { canaryProfile: profile = null, skipCanary = false } = options;
  if (skipCanary && profile !== null) throw new CliError("bad_usage", "--canary-profile and --skip-canary exclude each other");
  const startedAt = new Date().toISOString();
  let config;
  try {
    config = cli.config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return tell(cli, startedAt, { evidence: [], checks: [{ check: "configuration", status: "problem", message: error.message, next: "correct it, then run this again: nothing else was looked at" }] });
  }
  const targets = config.anchor.targets.filter(({ name }) => options.target === undefined || name === options.target);
  if (targets.length === 0) throw new CliError("no_targets", `there is no target ${String(options.target).slice(0, 80)}`, `one of ${config.anchor.targets.map(({ name }) => name).join(", ")}`);
  const { checks, evidence } = await examine({
    config, targets,
    canary: skipCanary ? null : { profile, lock },
    uid: process.getuid?.() ?? 0,
    askDaemon: () => askDaemon(cli),
    note: (text) => { if (!cli.json) cli.note(text); },
  });
  const valid: Check = { check: "configuration", status: "ok", message: `${cli.configFile ?? "the defaults"} is valid` };
  return tell(cli, startedAt, { checks: [valid, ...checks], evidence });
}

async function askDaemon(cli: Cli): Promise<DaemonState | null | Error> {
  try {
    const client = await cli.connect();
    try {
      return (await client.call("status")) as unknown as DaemonState;
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    return error.code === "daemon_not_running" ? null : error;
  }
}

function tell(cli: Cli, startedAt: string, { checks, evidence }: Diagnosis): ExitCode {
  const has = (status: Check["status"]): boolean => checks.some((one) => one.status === status);
  const code = has("problem") ? 1 : has("unchecked") ? 2 : 0;
  const verdict = (["ok", "problem", "not_checked"] as const)[code];
  cli.result({ verdict, started_at: startedAt, ended_at: new Date().toISOString(), checks, canaries: evidence }, () => [
    ...evidence.flatMap(evidenceLines),
    ...checks.flatMap(checkLines),
    ["All is well.", "Something must be put right.", "Nothing is wrong that could be seen, but not everything could be."][code]!,
  ].map(printable).join("\n"));
  return code;
}

function checkLines({ status, check, message, next }: Check): readonly string[] {
  const lines = message.split("\n");
  const margin = " ".repeat(17);
  return [
    `${LABELS[status].padEnd(16)} ${check}: ${lines[0]}`,
    ...lines.slice(1).map((line) => `${margin}${line}`),
    ...(next === undefined ? [] : [`${margin}→ ${next}`]),
  ];
}

function evidenceLines({ target, bucket, key, answers }: Evidence): readonly string[] {
  const answered = ({ status, code }: Answer): string => (status === null ? `no answer (${String(code)})` : `${status}${code === null ? "" : ` ${code}`}`);
  const width = Math.max(...answers.map((one) => answered(one).length));
  return [
    `Tried at ${target}, ${bucket}/${key}:`,
    ...answers.map((one) => `  ${answered(one).padEnd(width)}  ${one.identity}: ${one.tried}  (${one.call})`),
    "",
  ];
}
