/** What a report on a period says: made of the audit of that period, and of what its receipts are about. The page and the file both show this. */
import type { AuditReport } from "../audit/report.ts";
import type { SurveySeen } from "../audit/surveying.ts";
import type { Counted, OwnEvent, PassedGate, TallyData } from "../audit/tally.ts";
import type { Attested } from "../ledger/attestations.ts";
import type { Period } from "./period.ts";

/** Names with counts, the largest first; `others`: what the rest add up to. */
export interface Ranking {
  readonly names: readonly { readonly name: string; readonly count: number }[];
  /** Names that are counted apart and not listed. */
  readonly more: number;
  readonly others: number;
}

export interface ReportContent {
  readonly program: string;
  readonly period: Period;
  readonly isOver: boolean;
  readonly organization: string | null;
  readonly audit: AuditReport;
  /** Of the period; null where the ledger could not be read. */
  readonly receipts: {
    readonly count: number;
    readonly decisions: number;
    readonly firstAt: string | null;
    readonly lastAt: string | null;
    readonly byOrganization: Ranking;
    readonly bySystem: Ranking;
    readonly byType: Ranking;
  } | null;
  /** Findings by which something is missing, by code. */
  readonly gaps: { readonly [code: string]: number };
  readonly gates: {
    readonly byStatus: Ranking;
    readonly ungatedDecisions: number;
    /** Decisions of which a gate had failed, by what the receipt says became of them. */
    readonly failed: { readonly refused: number; readonly executed: number; readonly unsaid: number };
    /** The first of those that were executed. */
    readonly executed: readonly PassedGate[];
  } | null;
  readonly macs: { readonly checked: number; readonly notChecked: number } | null;
  readonly anchors: {
    /** Anchor receipts of the period. */
    readonly count: number;
    /** Those that came later than the one before had promised, by the host's clock. */
    readonly late: number;
    readonly lateOnes: SurveySeen["promises"]["lateOnes"];
    /** Findings. */
    readonly missing: number;
    /** Findings: promised, and not there. */
    readonly overdue: number;
    /** Notes: stored later than promised, by the target's clock. */
    readonly publishedLate: number;
  } | null;
  readonly suspect: number;
  /** What the ledger says of itself. */
  readonly events: readonly OwnEvent[];
  /** Receipts by which accesses to contents were recorded. */
  readonly accesses: number;
  /** How far auditors have attested by the time of the report; null: none is named, or the ledger could not be read. */
  readonly attested: Attested | null;
}

/** Names of a kind that are listed. */
const MAX_RANKED = 1000;
const GAPS = ["log_index_gap", "org_seq_gap", "link_mismatch", "receipt_missing", "blob_missing", "row_missing", "batch_gap", "batch_missing", "anchor_missing", "version_missing"];

export function contentOf(
  { program, period, now, attested }: Pick<ReportContent, "program" | "period" | "attested"> & { readonly now: number }, report: AuditReport, seen: SurveySeen | null,
): ReportContent {
  const tally = seen?.tally ?? null;
  const found = (code: string): number => report.findingCounts[code] ?? 0;
  const checked = Object.values(report.macsChecked).reduce((sum, n) => sum + n, 0);
  return {
    program, period, isOver: Date.parse(period.to) <= now, organization: report.scope.organization, audit: report,
    receipts: tally === null ? null : receiptsOf(tally),
    gaps: Object.fromEntries(GAPS.filter((code) => found(code) > 0).map((code) => [code, found(code)])),
    gates: tally === null ? null : { byStatus: ranked(tally.gates), ungatedDecisions: tally.ungated, failed: tally.failed, executed: tally.executed },
    macs: tally === null ? null : { checked, notChecked: report.counts.receipts - checked },
    anchors: seen === null ? null : {
      count: seen.promises.count, late: seen.promises.late, lateOnes: seen.promises.lateOnes,
      missing: found("anchor_missing"), overdue: found("anchor_late"), publishedLate: found("published_late"),
    },
    suspect: report.keys.reduce((sum, { suspect }) => sum + suspect, 0),
    events: tally?.events ?? [],
    accesses: tally?.types.names.get("access") ?? 0,
    attested,
  };
}

function receiptsOf({ receipts, decisions, firstAt, lastAt, organizations, systems, types }: TallyData): NonNullable<ReportContent["receipts"]> {
  return { count: receipts, decisions, firstAt, lastAt, byOrganization: ranked(organizations), bySystem: ranked(systems), byType: ranked(types) };
}

function ranked({ names, others }: Counted): Ranking {
  const all = [...names].map(([name, count]) => ({ name, count })).toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  const rest = all.slice(MAX_RANKED);
  return { names: all.slice(0, MAX_RANKED), more: rest.length, others: others + rest.reduce((sum, { count }) => sum + count, 0) };
}
