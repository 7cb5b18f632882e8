/** `receiptd status`: how the daemon is. Exit code 0 where it takes and anchors receipts, 1 where not, 2 where it does not answer. */
import type { Command } from "commander";
import { count } from "../format/count.ts";
import type { Attested } from "../ledger/attestations.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import type { ExitCode } from "./errors.ts";
import { printable } from "./table.ts";
import { shortTime } from "./times.ts";

/** What the daemon answers to `status` (docs/PROTOCOL.md), as far as it is used here. */
export interface DaemonStatus {
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly ledger: string;
  readonly ledger_id: string;
  readonly size: number;
  readonly anchored: number;
  readonly pending: number;
  readonly pending_since: string | null;
  readonly self_check: SelfCheckState;
  /** null: no auditor is configured; a daemon of an earlier version does not say. */
  readonly attested?: Attested | null;
  readonly open_batch: { readonly count: number };
  readonly key_fingerprint: string;
  readonly key_id: string;
  readonly key_epoch: number;
  /** A daemon of an earlier version does not say. */
  readonly checkpoint_keys?: readonly { readonly vkey: string; readonly first_size: number }[];
  /** A daemon of an earlier version does not say. */
  readonly key_change_waiting?: boolean;
  /** Of anchors; a daemon of an earlier version does not say. */
  readonly signer?: { readonly state: string; readonly last_error: string | null };
  readonly targets: readonly TargetState[];
  /** null: none; a daemon of an earlier version does not say. */
  readonly policy?: { readonly version: string; readonly hash: string; readonly systems: readonly string[] } | null;
  /** `ended`, `oldest`: a daemon of an earlier version does not say. */
  readonly chains?: { readonly open: number; readonly ended?: number | null; readonly oldest?: string | null };
  readonly latency: { readonly calls: number; readonly p50_ms: number; readonly p99_ms: number };
  readonly free_bytes: number;
  readonly started_at: string;
  readonly pid: number;
  readonly connections: number;
}

type SelfCheckState = { readonly enabled: false } | {
  readonly enabled: true;
  readonly failure: string | null;
  readonly last_round: { readonly ended_at: string; readonly receipts: number } | null;
  readonly present_round: { readonly receipts: number; readonly done: number } | null;
  readonly finding_count: number;
  /** The first of them. */
  readonly findings: readonly Damage[];
};

interface Damage {
  readonly code: string;
  /** Further codes of the same receipt. */
  readonly also: readonly string[];
  readonly message: string;
  readonly log_index: number | null;
  readonly last_index: number | null;
  readonly receipt_number: string | null;
  readonly at: string | null;
}

interface TargetState {
  readonly name: string;
  readonly required: boolean;
  readonly state: string;
  readonly confirmed: { readonly tree_size: number; readonly last_modified: string } | null;
  readonly pending: number;
  readonly last_error: { readonly code: string; readonly message: string } | null;
  readonly interference: number;
  readonly warning: string | null;
}

export function addStatus(program: Command, run: Run): void {
  program.command("status")
    .summary("ask the daemon how it is")
    .description("Asks the daemon how it is. Exit code 0: it takes receipts and its targets take anchors; 1: something is wrong; 2: it cannot be reached.")
    .addHelpText("after", examples(["receiptd status", "receiptd status --json"]))
    .action(run(status));
}

async function status(cli: Cli): Promise<ExitCode> {
  const client = await cli.connect();
  try {
    const answer = await client.call("status");
    const seen = answer as unknown as DaemonStatus;
    const wrong = whatIsWrong(seen);
    cli.result(answer, () => report(seen, wrong));
    return wrong === null ? 0 : 1;
  } finally {
    client.close();
  }
}

/** A sentence for what needs a person, or null. */
function whatIsWrong({ state, reason, signer, targets, key_change_waiting: waits, self_check: check }: DaemonStatus): string | null {
  if (state === "damaged") return `Receipts are taken, but the ledger is damaged: ${damageText(check)}. Run: receiptd audit; then see docs/OPERATIONS.md, “When something is wrong”.`;
  if (state !== "ok") return `The daemon refuses receipts: ${reason === null ? state : `${reason.code}: ${reason.message}`}.`;
  if (signer?.state === "unavailable") return `Receipts are taken, but anchors cannot be signed: ${signer.last_error ?? "the checkpoint key is away"}.`;
  if (waits === true) return "Receipts are taken, but a change of keys (receiptd key rotate, or revoke) waits in the data folder and was not taken up; the log says why. Put that right and start the daemon again, or remove next.key, next.checkpoint and revocation.json.";
  const held = targets.find((target) => target.state === "refused" || (target.required && target.state === "unavailable"));
  if (held === undefined) return check.enabled && check.failure !== null ? `Receipts are taken, but the ledger could not be checked: ${check.failure}.` : null;
  const why = held.last_error === null ? "" : `: ${held.last_error.code}: ${held.last_error.message}`;
  return `Receipts are taken, but the target ${held.name} takes no anchors${why}.`;
}

function report(seen: DaemonStatus, wrong: string | null): string {
  const { latency, targets } = seen;
  const speed = latency.calls === 0 ? "" : `, acknowledged in ${latency.p50_ms} ms (99%: ${latency.p99_ms} ms)`;
  return [
    wrong ?? `The daemon takes receipts: ${count(seen.size)} in the ledger, ${count(seen.anchored)} anchored, ${count(seen.pending)} pending.`,
    `  ledger           ${seen.ledger} (${seen.ledger_id})`,
    `  key              ${seen.key_id}, epoch ${seen.key_epoch}; fingerprint of the vkey ${seen.key_fingerprint}`,
    ...checkpointLines(seen),
    `  open batch       ${count(seen.open_batch.count, "receipt")}`,
    ...(seen.pending_since === null ? [] : [`  not anchored     ${count(seen.pending, "receipt")}, the first since ${shortTime(seen.pending_since)} UTC`]),
    ...targets.map((target) => `  target           ${targetText(target)}`),
    ...targets.filter(({ interference }) => interference > 0).map((target) => `  INTERFERENCE     ${interferenceText(target)}`),
    ...attestedLines(seen.attested ?? null),
    ...selfCheckLines(seen.self_check),
    ...policyLines(seen),
    ...chainLines(seen),
    `  since start      ${count(latency.calls, "receipt")}${speed}`,
    `  free disk        ${count(Math.floor(seen.free_bytes / 2 ** 20))} MiB`,
    `  process          ${seen.pid}, since ${shortTime(seen.started_at)} UTC, ${count(seen.connections, "connection")}`,
  ].map(printable).join("\n");
}

/** Of a key that was rotated to. */
function checkpointLines({ checkpoint_keys: keys = [] }: DaemonStatus): readonly string[] {
  const newest = keys.at(-1);
  return newest === undefined || keys.length === 1 ? [] : [`  checkpoint key   signs anchors since that of ${count(newest.first_size, "receipt")}; ${count(keys.length - 1, "other")} before it: receiptd key list`];
}

function policyLines({ policy }: DaemonStatus): readonly string[] {
  if (policy === undefined) return [];
  return [policy === null ? "  policy           none" : `  policy           version ${policy.version}, ${count(policy.systems.length, "system")}; ${policy.hash}`];
}

function chainLines({ chains }: DaemonStatus): readonly string[] {
  if (chains === undefined) return [];
  const { open, ended = null, oldest = null } = chains;
  return [`  chains           ${count(open)} open${oldest === null ? "" : `, the oldest since ${shortTime(oldest)} UTC`}${ended === null ? "" : `; ${count(ended)} ended`}`];
}

function damageText(check: SelfCheckState): string {
  if (!check.enabled || check.findings.length === 0) return "see the log";
  const more = check.finding_count - 1;
  return `${placeText(check.findings.find(({ log_index: at }) => at !== null) ?? check.findings[0]!)}${more === 0 ? "" : `, and ${count(more)} more`}`;
}

function placeText({ code, also, message, log_index: first, last_index: last, receipt_number: number, at }: Damage): string {
  const place = first === null ? "" : last !== null ? `receipts ${first} to ${last}: ` : number === null ? `receipt ${first}: ` : `receipt ${number} (log index ${first}): `;
  return `${place}${[code, ...also].join(", ")}: ${message}${at === null ? "" : ` (${at})`}`;
}

function attestedLines(attested: Attested | null): readonly string[] {
  if (attested === null) return [];
  const { since, auditors } = attested;
  return [
    ...auditors.map(({ name, size, audited_at: at }) => `  attested         ${at === null ? `nothing by ${name} yet` : `${count(size, "receipt")} by ${name}, audited at ${shortTime(at)} UTC`}`),
    ...(since === null ? [] : [`  not attested     the oldest receipt is of ${shortTime(since)} UTC`]),
  ];
}

function selfCheckLines(check: SelfCheckState): readonly string[] {
  if (!check.enabled) return ["  self-check       turned off"];
  const { last_round: last, present_round: round, findings, finding_count: found } = check;
  const done = last === null ? "no whole round yet" : `${count(last.receipts, "receipt")} read again, until ${shortTime(last.ended_at)} UTC`;
  const now = round === null ? "" : `; now at ${count(round.done)} of ${count(round.receipts)}`;
  return [
    `  self-check       ${done}${now}; ${found === 0 ? "nothing wrong" : count(found, "finding")}${check.failure === null ? "" : `; could not go on: ${check.failure}`}`,
    ...findings.map((finding) => `  DAMAGE           ${placeText(finding)}`),
  ];
}

function interferenceText({ name, interference, warning }: TargetState): string {
  return `${name}: ${count(interference, "object")} that the ledger did not make: somebody else writes there${warning === null ? "" : `; the last: ${warning}`}`;
}

function targetText({ name, required, state, confirmed, pending, last_error: error }: TargetState): string {
  const newest = confirmed === null ? "no anchor yet" : `${count(confirmed.tree_size, "receipt")} anchored, last at ${shortTime(confirmed.last_modified)} UTC`;
  return `${name}: ${state}, ${newest}${pending > 0 ? `, ${count(pending, "anchor")} to publish` : ""}${required ? "" : " (not required)"}${error === null ? "" : `; ${error.code}: ${error.message}`}`;
}
