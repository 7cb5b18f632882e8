/** The sentence on top of the page: what the host's facts come to. Nothing here was checked by the page, which says so beneath. */
import { count } from "../../format/count.ts";
import type { Overview, Target } from "./api.ts";
import { at, duration } from "./words.ts";

export type Level = "good" | "warn" | "bad";

export interface Reason {
  readonly level: Exclude<Level, "good">;
  readonly text: string;
}

export interface Verdict {
  readonly level: Level;
  /** Beside the icon: what the colour says. */
  readonly label: string;
  readonly sentence: string;
  /** The others, worst first. */
  readonly more: readonly string[];
}

const LABELS: Readonly<Record<Level, string>> = { good: "In order", warn: "Needs attention", bad: "Something is wrong" };

/** What the daemon's refusals mean; others are named by their code. */
const REFUSALS: Readonly<Record<string, string>> = {
  forked: "a target holds another history than this ledger: it was changed after it was anchored, or somebody else signs with its key",
  ledger_behind: "a target has anchors of more receipts than this ledger has: an older ledger was put back",
  anchoring_overdue: "receipts have waited longer for their anchor than the configuration allows",
  disk_full: "the disk is full",
};

/** `now`: ms, by the server's clock. */
export function verdictOf(overview: Overview, now: number): Verdict {
  const reasons = reasonsFor(overview, now);
  const sorted = [...reasons.filter(({ level }) => level === "bad"), ...reasons.filter(({ level }) => level === "warn")];
  const [worst, ...others] = sorted;
  if (worst === undefined) return { level: "good", label: LABELS.good, sentence: factsOf(overview, now), more: [] };
  return { level: worst.level, label: LABELS[worst.level], sentence: worst.text, more: [...others.map(({ text }) => text), factsOf(overview, now)] };
}

/** `1,000 receipts are recorded, 980 of them anchored; the newest anchor is 40 seconds old.` */
function factsOf({ receipts, anchored, newest_anchor: newest }: Overview, now: number): string {
  const recorded = receipts === 1 ? "1 receipt is recorded" : `${count(receipts)} receipts are recorded`;
  const covered = anchored === 0 ? "none of them anchored" : anchored === receipts ? "all of them anchored" : `${count(anchored)} of them anchored`;
  return `${recorded}, ${covered}; ${newest === null ? "there is no anchor yet" : `the newest anchor is ${duration(now - Date.parse(newest.recorded_at))} old`}.`;
}

function reasonsFor(overview: Overview, now: number): readonly Reason[] {
  const { targets, revoked_keys: revoked, keys_complete: areKeysKnown, newest_anchor: newest, receipts } = overview;
  return [
    ...ofDaemon(overview),
    ...ofSelfCheck(overview),
    ...ofAnchors(overview, now),
    ...(newest === null && receipts > 1 ? [{ level: "warn", text: "No anchor has been made yet: nothing outside this host vouches for these receipts." } as const] : []),
    ...(areKeysKnown ? [] : [{ level: "warn", text: "Whether a key is revoked is not known: the ledger's own receipts are damaged, or have not all been read yet. An audit names damage." } as const]),
    ...targets.flatMap(ofTarget),
    ...(revoked > 0 ? [{ level: "warn", text: `${revoked === 1 ? "A key is revoked" : `${count(revoked)} revocations of keys are recorded`}: what it signed is suspect, unless it was anchored before.` } as const] : []),
  ];
}

function ofDaemon({ daemon, newest_anchor: newest }: Overview): readonly Reason[] {
  const { state, reason, signer, key_change_waiting: waits } = daemon;
  if (state === "away") {
    if (newest?.state === "stopped") return [{ level: "warn", text: `The daemon was stopped in order, with an anchor at ${at(newest.recorded_at)} UTC, and takes no receipts.` }];
    return [{ level: "bad", text: "The daemon does not answer: as far as this server can tell, no receipts are recorded or anchored." }];
  }
  return [
    ...(state === "refusing" ? [{ level: "bad", text: `The daemon refuses receipts (${reason ?? "no reason"})${reason !== null && Object.hasOwn(REFUSALS, reason) ? `: ${REFUSALS[reason]!}` : ""}.` } as const] : []),
    ...(signer === "unavailable" ? [{ level: "warn", text: "Anchors cannot be signed: the checkpoint key is away. Receipts are taken, and anchors wait." } as const] : []),
    ...(waits ? [{ level: "warn", text: "A change of keys waits on the host and was not taken up." } as const] : []),
  ];
}

function ofSelfCheck({ self_check: check, daemon }: Overview): readonly Reason[] {
  if (check === null || !check.enabled) return [];
  if (check.finding_count > 0 || daemon.state === "damaged") {
    const [first] = check.findings;
    const place = first === undefined ? "" : ` (${first.code}${first.log_index === null ? "" : `, at log index ${count(first.log_index)}`})`;
    return [{ level: "bad", text: `The self-check has found damage in the ledger: ${count(check.finding_count, "finding")}${place}. An audit names all of it.` }];
  }
  return check.failed ? [{ level: "warn", text: "The self-check could not go on: the ledger is not being read again." }] : [];
}

function ofAnchors({ newest_anchor: newest }: Overview, now: number): readonly Reason[] {
  if (newest?.state !== "missing" || newest.next_anchor_by === null) return [];
  const due = Date.parse(newest.next_anchor_by);
  return [{ level: "bad", text: `Anchors are late: the next was promised by ${at(newest.next_anchor_by)} UTC, ${duration(now - due)} ago, and has not come.` }];
}

function ofTarget({ name, required, state, error, interference }: Target): readonly Reason[] {
  const code = error === null ? "" : ` (${error.code})`;
  const held: readonly Reason[] = state === "refused"
    ? [{ level: "bad", text: `The target ${name} and this ledger do not agree${code}: nothing is published there.` }]
    : state === "unavailable"
      ? [{ level: "warn", text: `The target ${name} is unavailable${code}: ${required ? "receipts are taken, and count as anchored only when it has them" : "it is not required, and anchors wait for it"}.` }]
      : [];
  return [...held, ...(interference > 0 ? [{ level: "warn", text: `At the target ${name} there ${interference === 1 ? "is 1 object" : `are ${count(interference)} objects`} that this ledger did not make: somebody else writes there.` } as const] : [])];
}

/** Beneath every verdict, whatever it is. */
export const NOT_CHECKED = "This page shows what the ledger's own host says of it. It has recomputed none of these figures and compared nothing with the published anchors. "
  + "What proves it: receiptd audit, against the anchors where they were published, or a receipt's file of evidence in verify.html, with the ledger's key from elsewhere.";
