/** What is wrong with a ledger that a recovery is about, in sentences, each with what to do next. */
import type { AuditReport, Finding, TargetCounts } from "../audit/report.ts";
import { count, receiptRange } from "../format/count.ts";
import { kindOf } from "./kinds.ts";
import { tailText } from "./rebuild.ts";
import type { Rebuilt, Spot } from "./rebuilt.ts";

export interface Problem {
  readonly code:
    | "wal_damaged" | "file_cut" | "index_damaged" | "receipt_damaged" | "receipt_lost" | "ledger_behind" | "forked" | "number_twice" | "undecided" | "keys_unusable" | "ratchet_lost" | "ratchet_ahead" | "outbox_missing" | "anchors_missing"
    | "ledger_missing" | "unsound";
  /** A sentence. */
  readonly message: string;
  /** The command to run next, or what a person has to do. */
  readonly next: string;
}

export interface Diagnosis {
  readonly problems: readonly Problem[];
  /** Would a rebuilding change anything for the better? */
  readonly isRebuildable: boolean;
}

export const NEWEST_KEYRING = "put the newest backup of the keyring in its place, then: receiptd recover";

/** Is there anything in the audit that has to be looked at more closely? */
export function isDamaged({ findings }: AuditReport): boolean {
  return findings.some((finding) => kindOf(finding) !== null);
}

/** `rebuild`: the command that rebuilds, with what was given to this one. */
export function diagnose(report: AuditReport, rebuilt: Rebuilt, rebuild: string): Diagnosis {
  const { findings, counts: { targets } } = report;
  const index = findings.filter((finding) => kindOf(finding) === "index");
  const { stop, replaced, added, lost, dropped, wrong } = rebuilt;
  const size = Math.max(report.counts.receipts, rebuilt.size - added.count); // a file that the audit cannot open is not empty
  const damaged = replaced.named.filter(({ logIndex }) => added.range === null || logIndex < added.range[0]);
  const problems: Problem[] = wrong.map(({ code, message }) => ({
    code, message: `${message}${code === "file_cut" ? "; what is left of its index says which receipts were there" : stop === null && dropped.count === 0 ? "; what is missing there is found here all the same" : ""}`,
    next: code === "wal_damaged" ? `stop the daemon, if it runs, in order: it has the log in memory, and moves it into the ledger's file; then: ${stop === null ? rebuild : "receiptd recover"}` : rebuild,
  }));
  if (index.length > 0 && stop?.code !== "number_twice") problems.push(indexDamaged(index, rebuild));
  problems.push(...damaged.map((spot): Problem => ({
    code: "receipt_damaged", message: `${nameOf(spot)} is ${spot.found === null ? "missing" : "damaged"}: its bytes were published and can be put back`, next: rebuild,
  })));
  problems.push(...lost.named.map((spot): Problem => (spot.found === null
    ? { code: "receipt_lost", message: `the bytes of ${nameOf(spot)} are lost: they are neither here nor published, and the ledger goes on with the receipt's hash`, next: "if another target or a copy of the archive has them, receiptd recover --rebuild --from it; else keep the finding: the audit will go on naming it" }
    : { code: "receipt_damaged", message: `${nameOf(spot)} is damaged, and its bytes are not published: they can be set aside, and the ledger goes on with the receipt's hash`, next: rebuild })));
  if (lost.count > lost.named.length) problems.push({ code: "receipt_lost", message: `so ${count(lost.count - lost.named.length, "receipt")} more`, next: rebuild });
  const ahead = targets.find((target) => target.newestSize > size);
  if (stop === null && added.range !== null) problems.push(behind(size, added.range, ahead, dropped.count, rebuild));
  if (stop === null && dropped.count > 0) problems.push({ code: "receipt_lost", message: `${tailText(dropped)}: the ledger goes on without, and the next receipts get these log indexes and numbers`, next: rebuild });
  if (stop !== null) problems.push(stopped(stop, { size, targets, ahead, rebuild, isBroken: wrong.length > 0 || index.length > 0 }));
  const isBetter = wrong.length > 0 || index.length > 0 || dropped.count > 0 || replaced.count > 0 || lost.named.some(({ found }) => found !== null);
  if (problems.length === 0) problems.push(...findings.filter((finding) => kindOf(finding) !== null).slice(0, 1).map(({ message }): Problem => ({ code: "unsound", message, next: "receiptd audit" })));
  return { problems, isRebuildable: stop === null && isBetter };
}

function indexDamaged(findings: readonly Finding[], next: string): Problem {
  const codes = [...new Set(findings.map(({ code }) => code))];
  const [first] = findings;
  return {
    code: "index_damaged", next,
    message: `the index over the receipts, or the file that it is in, is damaged (${codes.join(", ")}; ${count(findings.length, "finding")}, the first: ${first!.message}${first!.logIndex === undefined ? "" : `, at log index ${first!.logIndex}`}): it can be made anew from the receipts`,
  };
}

function behind(size: number, [first, last]: readonly [number, number], ahead: TargetCounts | undefined, dropped: number, rebuild: string): Problem {
  const more = ahead === undefined ? "more" : `${count(ahead.newestSize)} are anchored at ${ahead.target}`;
  return {
    code: "ledger_behind",
    message: `the ledger ends at ${count(size, "receipt")}, and ${more}: it was put back from a backup, its end was cut, or a copy of it is in use elsewhere and goes on; ${receiptRange(first, last)} (by log index) ${first === last ? "is" : "are"} published there and can be put back${dropped > 0 ? "" : "; what came after, if anything did, is nowhere"}`,
    next: `see first that no copy of this ledger is in use: stop it, and keep that one instead; if there is none: ${rebuild}`,
  };
}

interface Around {
  readonly size: number;
  readonly targets: readonly TargetCounts[];
  readonly ahead: TargetCounts | undefined;
  readonly rebuild: string;
  /** The file, its log or its index: a command that writes refuses it. */
  readonly isBroken: boolean;
}

function stopped({ code, message, logIndex }: NonNullable<Rebuilt["stop"]>, { size, targets, ahead, rebuild, isBroken }: Around): Problem {
  switch (code) {
    case "forked":
      return {
        code: "forked", message: `${message}; ${whoIsAhead(size, targets)}`,
        next: "nothing is changed by this command: stop both daemons, find out which one the writers talked to, and keep both ledgers and every object (docs/OPERATIONS.md, “When something is wrong”)",
      };
    case "vkey_unknown":
    case "key_unknown":
      return { code: "keys_unusable", message, next: NEWEST_KEYRING };
    case "ratchet_lost":
      return { code: "ratchet_lost", message, next: `with the auditor's seed: ${rebuild} --seed FILE; where nobody has it: receiptd key break, then: receiptd recover (docs/OPERATIONS.md, “Forward-secure keys”)${isBroken ? `; if that refuses the damaged file, go on without the receipts from log index ${logIndex} on that are under no anchor: ${rebuild} --drop-tail, then: receiptd key break` : ""}` };
    case "archive_encrypted":
      return { code: "ledger_behind", message, next: `${rebuild} --identity FILE` };
    case "not_archived":
    case "ledger_behind": {
      const end = Math.max(ahead?.newestSize ?? 0, Number(/anchor of (\d+) receipts/.exec(message)?.[1] ?? 0));
      const gone = end > size ? ` ${count(end - size, "receipt")} (log indexes ${size} to ${end - 1}) are lost with that, and` : "";
      return {
        code: "ledger_behind", message: `${message}:${gone} no honest continuation exists under this ledger id, since other receipts in their places would be a second past`,
        next: "find the newer copy of data_dir and put it back, or an archive (receiptd recover --rebuild --from …); if there is none, keep this folder as it is, and begin a new ledger with another data_dir and origin: receiptd init",
      };
    }
    case "number_twice":
      return {
        code: "number_twice", message: `${message}; both are as they were recorded, and one chain cannot be made of two`,
        next: `keep this folder as it is: receiptd audit, list, get and evidence read it, and every receipt is in it. If nothing from log index ${logIndex} on is anchored, a copy of data_dir from before can go on in its place, without the receipts since; else begin a new ledger with another data_dir and origin: receiptd init`,
      };
    case "tail_lost":
      return {
        code: "receipt_lost", message,
        next: `put a newer copy of data_dir back; if there is none, go on without them (the next receipts get their log indexes and numbers): ${rebuild} --drop-tail`,
      };
    default:
      return { code: "undecided", message: `${message}${logIndex === undefined ? "" : ` (log index ${logIndex})`}`, next: "receiptd recover --rebuild --from another target or a copy of its anchors, which say what it was; or put back a backup of data_dir" };
  }
}

function whoIsAhead(size: number, targets: readonly TargetCounts[]): string {
  const newest = targets.toSorted((a, b) => b.newestSize - a.newestSize)[0];
  if (newest === undefined || newest.newestSize === 0) return `this ledger has ${count(size, "receipt")}`;
  const said = `the newest anchor at ${newest.target} is of ${count(newest.newestSize, "receipt")}${newest.newestTime === null ? "" : ` (${newest.newestTime})`}, this ledger has ${count(size)}`;
  return `${said}: ${newest.newestSize > size ? "the other host is ahead" : "this host has more receipts, and the other one has anchored"}`;
}

function nameOf({ logIndex, receiptNumber }: Spot): string {
  return receiptNumber === null ? `receipt ${logIndex}` : `receipt ${receiptNumber} (log index ${logIndex})`;
}
