/** The one sentence, the exit code, and what they do not cover. */
import { count, receiptRange } from "../format/count.ts";
import { ASSEMBLED_TYPES } from "../format/fields.ts";
import { formatTime } from "../format/time.ts";
import type { AuditOptions } from "./options.ts";
import type { Joiner } from "./join.ts";
import type { Part } from "./range.ts";
import { type AuditRecord, recordProblem } from "./record.ts";
import { anchoredSize, openText, pendingNote, placeText } from "./pending.ts";
import { type ReplayCounts, replayText } from "./replay.ts";
import type { AuditReport, Finding, Findings, KeyReport, OpenFinding, TargetCounts } from "./report.ts";

/** The part of the ledger that was audited. */
export interface PartSeen {
  readonly part: Part;
  readonly joined: Joiner;
  readonly isRanged: boolean;
  /** The record of the audit that read what is before the part; null: it is not left out for that. */
  readonly since: AuditRecord | null;
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

  ofLedger({ keys, range }: AuditOptions, { part, joined, isRanged, since }: PartSeen): void {
    const { macsNotChecked, notChecked } = joined.totals;
    if (keys === null) this.add("the receipts' MACs: no HMAC key was given");
    if (keys === null) this.add("request_mac in the index: no secrets were given");
    else if (keys.requestSecret === null) this.add("request_mac in the index: the request secret was not given");
    const isOfSome = keys !== null && keys.starts.length === 0 && (keys.disclosed ?? []).length > 0; // who has these is to have no others
    const macs = (what: string, of: ReadonlyMap<string, number>): void => {
      for (const [keyId, n] of of) {
        if (isOfSome) this.add(`the MACs of ${count(n, "receipt")} of ${keyId}${what}: what was disclosed (--keys-file) is of other epochs or organizations`);
        else if (keys?.sealed?.includes(keyId) === true) this.add(`the MACs of ${count(n, "receipt")} of closed epochs${what}: ${keyId} is forward-secure, so that its seed alone can re-check them, which the auditor has (--seed)`);
        else this.fail(`the MACs of ${count(n, "receipt")}${what}: the key ${keyId} was not given`);
      }
    };
    macs("", macsNotChecked);
    if (keys?.disclosed?.some(({ organization }) => organization !== null) === true) this.add("that the keys disclosed for single organizations are the epochs' own: nothing that is published speaks of them");
    macs(", the ledger's own, by which the time range was found", part.macsNotChecked ?? new Map());
    for (const [name, n] of notChecked) {
      if (name === "schema_version") this.fail(`the fields of ${count(n, "receipt")}: this program does not know their schema_version`);
      else if (ASSEMBLED_TYPES.has(name)) this.add(`what ${count(n, "receipt")} of chains say${n === 1 ? "s" : ""} of their events: the records, where they are disclosed, show it (receiptd verify-bundle --records)`);
      else this.add(`${name} of ${count(n, "receipt")}: this program does not know their type`);
    }
    if (since !== null) this.add(`the first ${count(part.first, "receipt")} again, and the ledger's tables and indexes as a whole: ${foundBy(since)}; with --all-receipts they are read again`);
    if (since?.receipts?.macs === false) this.add(`the MACs of the first ${count(part.first, "receipt")}: no audit of that record had all keys`);
    if (!isRanged) return;
    if (part.nothing !== undefined) this.add("nothing was recorded in the time range: what was read is the batches next to it");
    this.add(`receipts outside of ${part.first} to ${part.end - 1}: before them, the index's hashes are taken as they are`);
    this.add("the tables of the ledger as a whole");
    if (range?.organization !== undefined) {
      if (joined.heads.get(range.organization) === undefined) this.fail(`the organization ${range.organization}: the ledger has none of this name up to receipt ${part.end - 1}`);
      this.add(`receipts of other organizations than ${range.organization}: they take part in the trees by the index's hashes only`);
    }
  }

  /** After the targets were looked at. */
  ofPending(options: AuditOptions, seen: PartSeen, counts: readonly TargetCounts[]): void {
    const note = pendingNote(options, seen, anchoredSize(options, seen, counts));
    if (note !== null) this.add(note);
  }

  ofTargets({ targets, keys, ledger, ledgerIdFrom, since, vkeys, areVkeysPinned, ledgerPath, now }: AuditOptions, counts: readonly TargetCounts[]): void {
    if (ledgerPath === null) this.add(withoutLedger(counts));
    if (targets.length === 0 && keys === null) this.fail("who wrote this: neither anchors nor HMAC keys were given, and links and hashes anyone can make");
    else if (targets.length === 0) this.add("anything outside of the host: no target was given, so nothing speaks against whoever holds the keys");
    for (const { name, trustedTime, retain } of targets) {
      if (retain === 0) this.add(`how long the objects of ${name} should be locked: that was not given, so that any lock in mode COMPLIANCE was taken`);
      if (!trustedTime) this.add(`the times of ${name}: they are the clock of whoever can write there`);
    }
    for (const one of counts) this.#ofTarget(one);
    if (ledgerIdFrom !== undefined && (since === undefined || recordProblem(since, ledger, vkeys, now) !== null)) {
      this.add(`whether this is the ledger that is meant: a verifier key says ${ledger.origin} and no more, and the id ${ledger.ledgerId} was taken from ${ledgerIdFrom}; pin it outside of the host, with --ledger-id`);
    }
    if (vkeys.length > 0 && !areVkeysPinned) {
      this.add("whether the verifier keys are the right ones: they come from the host that is audited; pin them outside of it");
    }
  }

  #ofTarget({ target, remembered, archive }: TargetCounts): void {
    if (remembered !== null && remembered.versions > remembered.readAgain) {
      const { since, readAt, versions, readAgain, lockedUntil, isLocked } = remembered;
      const unread = versions - readAgain;
      const again = `${count(readAgain)} of ${count(versions)} were read again`;
      const audits = auditsText(since, readAt);
      if (isLocked) this.add(`the bytes of ${count(unread, "older version")} at ${target}: they are listed exactly as at the audit of ${since}, ${readAt === since ? "which" : `and ${audits}`} read them; ${again}`);
      else {
        const open = lockedUntil === null ? "a folder has no locks" : `the first of their locks ended at ${lockedUntil}`;
        this.add(`the bytes of ${count(unread, "older object")} at ${target} that ${audits} ${readAt === since ? "has" : "have"} read: ${open}, so they may have been changed since by whoever can hide that from the listing; ${again}`);
      }
    }
    if (archive.before > 0) this.add(`${count(archive.before, "older object")} with archived receipts at ${target}: a restore reads and checks them`);
    if (archive.encrypted > 0) this.add(`${count(archive.encrypted, "object")} with archived receipts at ${target}: encrypted, and no identity was given that opens ${archive.encrypted === 1 ? "it" : "them"}${archive.unread === 0 ? "" : `; ${count(archive.unread, "receipt")} ${archive.unread === 1 ? "is" : "are"} archived nowhere else there, if at all`}`);
  }
}

export function reportOf(seen: {
  readonly options: AuditOptions;
  readonly findings: Findings;
  readonly notChecked: NotChecked;
  readonly part: PartSeen | null;
  readonly targets: readonly TargetCounts[];
  readonly keys: readonly KeyReport[];
  readonly replay: ReplayCounts | null;
  readonly elapsedMs: number;
}): AuditReport {
  const { options, findings, notChecked, part, targets, keys, replay, elapsedMs } = seen;
  const joined = part?.joined ?? null;
  const receipts = joined?.totals.checked ?? 0;
  const kept = findings.kept.map((finding) => dated(finding, joined));
  const verdict = findings.wrong > 0 ? "findings" : notChecked.failed.length > 0 ? "not_checked" : "ok";
  const counts = {
    receipts,
    organizations: joined?.heads.size ?? 0,
    batches: joined?.totals.batches ?? 0,
    anchors: joined?.trail.length ?? Math.max(0, ...targets.map(({ anchors }) => anchors)),
    pending: part === null ? 0 : part.joined.size - anchoredSize(options, part, targets),
    targets,
  };
  const scope = { ledger: joined !== null, firstIndex: part?.part.first ?? 0, endIndex: part?.part.end ?? 0, since: part?.since?.made_at ?? null, readAt: part?.since?.receipts?.read_at ?? null, organization: options.range?.organization ?? null };
  return {
    verdict,
    exitCode: verdict === "ok" ? 0 : verdict === "findings" ? 1 : 2,
    sentence: `${sentenceOf(verdict, kept, findings, notChecked, counts, scope, part?.part.nothing)}${verdict === "ok" && replay !== null ? ` ${replayText(replay)}` : ""}`,
    ledger: options.ledger,
    scope,
    counts,
    macsChecked: Object.fromEntries(joined?.totals.macsChecked ?? []),
    keys,
    findings: kept,
    findingCounts: findings.counts,
    consequences: findings.consequences,
    notChecked: notChecked.notes,
    failedToCheck: notChecked.failed,
    record: null,
    replay,
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
  verdict: AuditReport["verdict"], kept: readonly Finding[], findings: Findings, notChecked: NotChecked, counts: AuditReport["counts"], scope: AuditReport["scope"], nothing: Part["nothing"],
): string {
  if (verdict === "findings") {
    const first = kept.find(({ code }) => code === "fork") ?? kept.find(({ severity }) => severity === "violation") ?? kept.find(({ severity }) => severity === "interference");
    const more = findings.wrong === 1 ? "" : `, and ${findings.wrong - 1} more`;
    return `Something is wrong: ${first === undefined ? "see the findings" : `${subjectOf(first)}${first.message}`}${more}.`;
  }
  if (verdict === "not_checked") return ended(`Nothing wrong was found, but not everything could be checked: ${notChecked.failed[0]!}${notChecked.failed.length > 1 ? ", and more" : ""}`);
  const at = counts.targets.filter(({ anchors }) => anchors > 0);
  const isNone = scope.organization === null && counts.pending > 0 && counts.pending >= counts.receipts;
  const size = Math.max(0, ...at.map((one) => one.anchoredSize));
  const where = at.length === 0 || (isNone && scope.since === null) ? "" : `, ${isNone ? "which are" : "as"} anchored at ${at.map((one) => placeText(one, Math.min(size, scope.endIndex))).join(", ")}`;
  if (!scope.ledger) return `${anchorsText(counts)}${where}${archiveText(at)}${endText(at)}.`;
  if (scope.since !== null) return `${newText(counts, scope.firstIndex, scope.since, scope.readAt)}${where}${openText(counts, false)}.`;
  const whole = counts.receipts === 1 ? "The 1 receipt is as it was recorded" : `All ${count(counts.receipts)} receipts are as they were recorded`;
  if (nothing !== undefined) return `${nothingText(nothing, counts, scope)}${where}${openText(counts, scope.organization !== null)}.`;
  return `${whole}${where}${openText(counts, scope.organization !== null)}.`;
}

/** Whose word it is: of the time behind the newest anchor the ledger alone can say that nothing was recorded. */
function nothingText(nothing: Part["nothing"], { receipts, targets }: AuditReport["counts"], { endIndex, organization }: AuditReport["scope"]): string {
  const isShown = nothing === "anchored" && targets.some(({ newestSize }) => newestSize >= endIndex);
  const whose = isShown ? "as the anchors before and behind it show" : "says the ledger alone, as no anchor behind it does";
  const of = organization === null ? "" : ` of ${organization}`;
  return `Nothing${of} was recorded in the time range, ${whose}; the ${count(receipts, "receipt")} of the batches next to it ${receipts === 1 ? "is as it was" : "are as they were"} recorded`;
}

/** Nothing is claimed of those before, but what the earlier audits found and the anchor holds. */
function newText({ receipts }: AuditReport["counts"], before: number, since: string, readAt: string | null): string {
  const old = `the first ${count(before, "receipt")}, which ${auditsText(since, readAt ?? since)} found as ${before === 1 ? "it was" : "they were"} recorded`;
  if (receipts === 0) return `There is no receipt after ${old}`;
  return receipts === 1 ? `The 1 receipt after ${old}, is as it was recorded and continues them` : `The ${count(receipts)} receipts after ${old}, are as they were recorded and continue them`;
}

/** Of several, each went on from the one before. */
function auditsText(since: string, readAt: string): string {
  return readAt === since ? `the audit of ${since}` : `the audits from ${readAt} to ${since}`;
}

/** Which audits have read the first receipts. */
function foundBy({ made_at: at, receipts }: AuditRecord): string {
  const all = receipts!.read_at;
  return all === at ? `the audit of ${at} found them as they were recorded` : `the audit of ${at} was itself one of what was new: the last that read all receipts was that of ${all}`;
}

/** A sentence with one mark at its end, whatever a message ends with. */
export function ended(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

function anchorsText({ anchors, targets }: AuditReport["counts"]): string {
  const remembered = targets.reduce<TargetCounts["remembered"]>((most, one) => ((one.remembered?.anchors ?? 0) > (most?.anchors ?? 0) ? one.remembered : most), null);
  if (remembered !== null) {
    const newer = anchors - remembered.anchors;
    const old = `${count(remembered.anchors, "anchor")} that ${remembered.since === remembered.readAt ? `${remembered.anchors === 1 ? "was" : "were"} whole at the audit of ${remembered.since}` : `${auditsText(remembered.since, remembered.readAt)} found whole`}`;
    return newer === 0 ? `There is no anchor beyond the ${old}` : `The newest ${newer === 1 ? "anchor continues" : `${count(newer)} anchors and their batches are whole and continue`} the ${old}`;
  }
  return anchors === 1 ? "The 1 anchor and its batch are whole" : `The ${count(anchors)} anchors and their batches are whole and continue one another`;
}

/** What cannot be known of the receipts where the ledger is gone. */
function withoutLedger(counts: readonly TargetCounts[]): string {
  const read = Math.max(0, ...counts.map(({ archive }) => archive.receipts));
  if (read === 0) return "the receipts: the ledger was not given; batch objects hold their hashes only";
  const rest = counts.some(({ archive }) => archive.receipts === read && archive.missing === 0 && archive.encrypted === 0 && archive.before === 0) ? "" : ", and nothing of those that are in no archive that was read";
  return `the chains and MACs of the receipts: the ledger was not given, and archived receipts are read one by one${rest}; restore the ledger to check all`;
}

/** The receipts themselves, where the ledger is gone and they were read in the archive. */
function archiveText(targets: readonly TargetCounts[]): string {
  const [best] = targets.toSorted((a, b) => b.archive.receipts - a.archive.receipts);
  if (best === undefined || best.archive.receipts === 0) return "";
  const { receipts, missing, encrypted, before } = best.archive;
  const all = missing === 0 && encrypted === 0 && before === 0;
  return `; ${all ? "all " : ""}${count(receipts, "receipt")} ${all ? "in their batches " : ""}${receipts === 1 ? "was" : "were"} read in the archive at ${best.target} and ${receipts === 1 ? "is" : "are"} as anchored`;
}

/** With nothing but the targets, how they end is what there is to say of the host. */
function endText(targets: readonly TargetCounts[]): string {
  const [first] = targets;
  if (first === undefined || targets.some(({ state }) => state !== first.state)) return "";
  if (first.state === "stopped") return "; the ledger was stopped in order";
  return first.state === "idle" ? `; nothing was recorded lately, and the next anchor is promised for ${first.nextAnchorBy!}` : "";
}

/** `PREFIX-2026-00001: ` or the like. */
export function subjectOf({ receiptNumber, logIndex, lastIndex, object }: Finding): string {
  if (receiptNumber !== undefined) return `${receiptNumber} (receipt ${logIndex}): `;
  if (object !== undefined) return `${object.target}, ${object.name.slice(object.name.lastIndexOf("/", object.name.lastIndexOf("/") - 1) + 1)}: `;
  if (logIndex === undefined) return "";
  return `${receiptRange(logIndex, lastIndex ?? logIndex)}: `;
}
