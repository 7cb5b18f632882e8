/** The one sentence, the exit code, and what they do not cover. */
import { formatTime } from "../format/time.ts";
import type { AuditOptions } from "./audit.ts";
import type { Joiner } from "./join.ts";
import type { Part } from "./range.ts";
import type { AuditReport, Finding, Findings, OpenFinding, TargetCounts } from "./report.ts";

/** The part of the ledger that was audited. */
export interface PartSeen {
  readonly part: Part;
  readonly joined: Joiner;
  readonly isRanged: boolean;
}

/** What a verdict does not cover: by its nature, or (`failed`) because something that was asked for could not be done. */
export class NotChecked {
  readonly notes: string[] = [];
  readonly failed: string[] = [];

  add(note: string): void {
    this.notes.push(note);
  }

  fail(what: string): void {
    this.failed.push(what);
  }

  ofLedger({ keys, range }: AuditOptions, { part, joined, isRanged }: PartSeen): void {
    const { macsNotChecked, notChecked } = joined.totals;
    const pending = joined.size - joined.anchoredSize;
    if (keys === null) {
      this.add("the receipts' MACs: no HMAC key was given");
      if (pending > 0) this.add(`the ${pending} receipts after the newest anchor: without a key nothing authenticates them`);
    } else {
      if (pending > 0) this.add(`the ${pending} receipts after the newest anchor by anything outside: they rest on the HMAC key alone`);
      if (keys.requestSecret === null) this.add("request_mac in the index: the request secret was not given");
    }
    if (keys === null) this.add("request_mac in the index: no secrets were given");
    for (const [keyId, count] of macsNotChecked) this.fail(`the MACs of ${count} receipts: the key ${keyId} was not given`);
    for (const [name, count] of notChecked) {
      if (name === "schema_version") this.fail(`the fields of ${count} receipts: their schema_version is not known to this program`);
      else this.add(`${name} of ${count} receipts: this program does not know their type`);
    }
    if (!isRanged) return;
    this.add(`receipts outside of ${part.first} to ${part.end - 1}: before them, the index's hashes are taken as they are`);
    this.add("the tables of the ledger as a whole");
    if (range?.organization !== undefined) {
      if (joined.heads.get(range.organization) === undefined) this.fail(`the organization ${range.organization}: the ledger has none of this name up to receipt ${part.end - 1}`);
      this.add(`receipts of other organizations than ${range.organization}: they take part in the trees by the index's hashes only`);
    }
  }

  ofTargets({ targets, keys, keysProblem, vkeys, areVkeysPinned, ledgerPath }: AuditOptions): void {
    if (ledgerPath === null) this.add("the receipts: the ledger was not given; batch objects hold their hashes only");
    if (targets.length === 0 && keys === null) this.fail("who wrote this: neither anchors nor HMAC keys were given, and links and hashes anyone can make");
    else if (targets.length === 0) this.add("anything outside of the host: no target was given, so nothing speaks against whoever holds the keys");
    if (keysProblem !== undefined) this.fail(`the receipts' MACs: ${keysProblem}`);
    for (const { name, trustedTime } of targets) {
      if (!trustedTime) this.add(`the times of ${name}: they are the clock of whoever can write there`);
    }
    if (vkeys.length > 0 && !areVkeysPinned) {
      this.add("whether the verifier keys are the right ones: they come from the host that is audited; pin them outside of it");
    }
  }
}

export function reportOf(seen: {
  readonly options: AuditOptions;
  readonly findings: Findings;
  readonly notChecked: NotChecked;
  readonly part: PartSeen | null;
  readonly targets: readonly TargetCounts[];
  readonly elapsedMs: number;
}): AuditReport {
  const { options, findings, notChecked, part, targets, elapsedMs } = seen;
  const joined = part?.joined ?? null;
  const receipts = joined?.totals.checked ?? 0;
  const kept = findings.kept.map((finding) => dated(finding, joined));
  const verdict = findings.wrong > 0 ? "findings" : notChecked.failed.length > 0 ? "not_checked" : "ok";
  const counts = {
    receipts,
    organizations: joined?.heads.size ?? 0,
    batches: joined?.totals.batches ?? 0,
    anchors: joined?.trail.length ?? Math.max(0, ...targets.map(({ anchors }) => anchors)),
    pending: joined === null ? 0 : joined.size - joined.anchoredSize,
    targets,
  };
  return {
    verdict,
    exitCode: verdict === "ok" ? 0 : verdict === "findings" ? 1 : 2,
    sentence: sentenceOf(verdict, kept, findings, notChecked, counts, joined !== null),
    ledger: options.ledger,
    scope: { ledger: joined !== null, firstIndex: part?.part.first ?? 0, endIndex: part?.part.end ?? 0, organization: options.range?.organization ?? null },
    counts,
    macsChecked: Object.fromEntries(joined?.totals.macsChecked ?? []),
    findings: kept,
    findingCounts: findings.counts,
    consequences: findings.consequences,
    notChecked: notChecked.notes,
    failedToCheck: notChecked.failed,
    startedAt: formatTime(options.now),
    elapsedMs: Math.round(elapsedMs),
    receiptsPerSecond: Math.round(receipts / Math.max(0.001, elapsedMs / 1000)),
  };
}

/** What was otherwise when its batch was anchored was changed after the anchor was published. */
function dated({ changed, ...finding }: OpenFinding, joined: Joiner | null): Finding {
  if (changed !== true || finding.changedAfter !== undefined || finding.logIndex === undefined) return finding;
  const cover = joined?.trail.coverOf(finding.logIndex) ?? null;
  return cover === null ? finding : { ...finding, changedAfter: { treeSize: cover.treeSize, time: formatTime(cover.time), target: cover.target } };
}

function sentenceOf(
  verdict: AuditReport["verdict"], kept: readonly Finding[], findings: Findings, notChecked: NotChecked, counts: AuditReport["counts"], hasLedger: boolean,
): string {
  if (verdict === "findings") {
    const first = kept.find(({ severity }) => severity === "violation") ?? kept.find(({ severity }) => severity === "interference");
    const more = findings.wrong === 1 ? "" : `, and ${findings.wrong - 1} more`;
    return `Something is wrong: ${first === undefined ? "see the findings" : `${subjectOf(first)}${first.message}`}${more}.`;
  }
  if (verdict === "not_checked") return `Nothing wrong was found, but not everything could be checked: ${notChecked.failed[0]!}${notChecked.failed.length > 1 ? ", and more" : ""}.`;
  const where = counts.targets.length === 0 ? "" : `, as anchored at ${counts.targets.map(({ target }) => target).join(", ")}`;
  if (!hasLedger) return `The ${counts.anchors} anchors and their batches are whole and continue one another${where}.`;
  const open = counts.pending === 0 ? "" : `; ${counts.pending} of them are not anchored yet`;
  return `All ${counts.receipts} receipts are as they were recorded${where}${open}.`;
}

/** `PREFIX-2026-00001: ` or the like. */
export function subjectOf({ receiptNumber, logIndex, lastIndex, object }: Finding): string {
  if (receiptNumber !== undefined) return `${receiptNumber} (receipt ${logIndex}): `;
  if (object !== undefined) return `${object.target}, ${object.name.slice(object.name.lastIndexOf("/", object.name.lastIndexOf("/") - 1) + 1)}: `;
  if (logIndex === undefined) return "";
  return lastIndex === undefined ? `receipt ${logIndex}: ` : `receipts ${logIndex} to ${lastIndex}: `;
}
