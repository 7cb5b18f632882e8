/** What an audit says: one sentence, an exit code, and findings, each naming what is wrong where. */
import type { AuditCode } from "./codes.ts";
import type { ReplayCounts } from "./replay.ts";

export type { AuditCode } from "./codes.ts";

/**
 * `violation`: something is not as it was recorded or promised. `interference`: somebody put things into a target that do not
 * count; whoever may write there can. `note`: worth knowing, nothing wrong.
 */
export type Severity = "violation" | "interference" | "note";

/** An object in a target. */
export interface ObjectRef {
  readonly target: string;
  readonly name: string;
}

/** The anchor that shows that something was otherwise when it was published. */
export interface ChangedAfter {
  readonly treeSize: number;
  /** RFC 3339, by the target's clock; of a target without trusted times that is the host's own. */
  readonly time: string;
  readonly target: string;
}

export interface Finding {
  readonly severity: Severity;
  readonly code: AuditCode;
  /** One sentence. */
  readonly message: string;
  readonly logIndex?: number | undefined;
  /** Where the finding is about several receipts in a row: the last of them. */
  readonly lastIndex?: number | undefined;
  readonly receiptId?: string | undefined;
  readonly receiptNumber?: string | undefined;
  readonly organization?: string | undefined;
  readonly object?: ObjectRef | undefined;
  /** JSON pointer into the receipt, or `table.column` of the index. */
  readonly at?: string | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
  /** Further codes of the same receipt. */
  readonly also?: readonly AuditCode[] | undefined;
  readonly changedAfter?: ChangedAfter | undefined;
}

/** A finding about a receipt before it is known what the targets say. */
export interface OpenFinding extends Omit<Finding, "changedAfter"> {
  /** It was otherwise when its batch was anchored: the batch's root says so. */
  readonly changed?: boolean | undefined;
  readonly changedAfter?: ChangedAfter | undefined;
}

/**
 * How a target ends. `current`: the next anchor is not due yet; `idle`: nor is it, and there was nothing to anchor lately; `stopped`: in
 * order, nothing was promised; `late`: what was promised is not here, so it was not published or is hidden; `forked`: two pasts are signed;
 * `empty`: no anchor of this ledger counts.
 */
export type Freshness = "current" | "idle" | "stopped" | "late" | "forked" | "empty";

/** Of archived receipts. */
export interface ArchiveCounts {
  /** Objects that have the hash in their name. */
  readonly objects: number;
  /** Receipts that were read there and are those that are anchored. */
  readonly receipts: number;
  /** Receipts of whole batches that are in no object. */
  readonly missing: number;
  /** Objects that no identity opens. */
  readonly encrypted: number;
  /** Receipts that are in none but such an object, by its name; of these objects only those that are locked as was promised. */
  readonly unread: number;
}

export interface TargetCounts {
  readonly target: string;
  readonly state: Freshness;
  /** Versions that are listed, of everything below the ledger's prefix. */
  readonly objects: number;
  /** Versions whose bytes were read by this audit. */
  readonly read: number;
  readonly anchors: number;
  readonly batches: number;
  /** Archived receipts; `before`: objects of batches that are not looked at again. */
  readonly archive: ArchiveCounts & { readonly before: number };
  /** Of all these, what was not read again, because it is listed as at an earlier audit; null: everything was read. */
  readonly remembered: Remembered | null;
  /** When the first lock on an anchor or batch ends, RFC 3339; null where nothing is locked, or it has ended. */
  readonly lockedUntil: string | null;
  /** Tree size of the newest anchor that counts, 0 if there is none. */
  readonly newestSize: number;
  /** Tree size of the newest anchor of which the ledger has the root; 0 if there is none, or the ledger was not read. */
  readonly anchoredSize: number;
  /** RFC 3339 */
  readonly newestTime: string | null;
  readonly nextAnchorBy: string | null;
}

export interface Remembered {
  /** When the audit was whose record is gone on from, RFC 3339. */
  readonly since: string;
  /** When an audit last read all of them; those after it, up to `since`, each went on from the one before. */
  readonly readAt: string;
  readonly anchors: number;
  readonly batches: number;
  readonly versions: number;
  /** Of the versions, those that were read and checked again: the newest anchor, and some chosen by chance. */
  readonly readAgain: number;
  /** When the first of their locks ends or ended, RFC 3339; null where there are none. */
  readonly lockedUntil: string | null;
  /** Are all under locks still? Elsewhere the listing shows a change only to whoever can trust the target's clock. */
  readonly isLocked: boolean;
}

export interface RecordMade {
  readonly isMade: boolean;
  /** Why not; null where it is. */
  readonly why: string | null;
  /** Targets of which the next audit will read everything again, and why. */
  readonly readInFull: readonly { readonly target: string; readonly why: string }[];
}

export interface KeyReport {
  readonly keyId: string;
  readonly receipts: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** `recorded_at` of the first and the last of them; null where that is not known. */
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  readonly macsChecked: number;
  /** RFC 3339, and who says so; null: it is to be believed. */
  readonly revoked: { readonly since: string; readonly by: "auditor" | "ledger" } | null;
  /** Receipts of a revoked key that no anchor shows to have been there before. */
  readonly suspect: number;
}

export interface AuditReport {
  /** `findings`: something is wrong. `not_checked`: nothing is, but something that was asked for could not be looked at. */
  readonly verdict: "ok" | "findings" | "not_checked";
  readonly exitCode: 0 | 1 | 2;
  readonly sentence: string;
  readonly ledger: { readonly origin: string; readonly ledgerId: string };
  /** What was looked at: the whole ledger, a part of it, or the targets alone. */
  readonly scope: {
    readonly ledger: boolean;
    readonly firstIndex: number;
    /** Not included. */
    readonly endIndex: number;
    /** The earlier audit whose record says that the receipts before `firstIndex` are as they were recorded, RFC 3339; null: they were not left out for that. */
    readonly since: string | null;
    /** When an audit last read all of these; those after it, up to `since`, each went on from the one before. */
    readonly readAt: string | null;
    readonly organization: string | null;
  };
  readonly counts: {
    readonly receipts: number;
    readonly organizations: number;
    readonly batches: number;
    readonly anchors: number;
    /** Receipts after the newest anchor: of those that were found at a target, where there is one. */
    readonly pending: number;
    readonly targets: readonly TargetCounts[];
  };
  /** Receipts whose MAC was checked, by key id. */
  readonly macsChecked: { readonly [keyId: string]: number };
  /** Of the receipts that were read, in order. */
  readonly keys: readonly KeyReport[];
  /** At most 1000, of every code some. */
  readonly findings: readonly Finding[];
  /** All findings, by code. */
  readonly findingCounts: { readonly [code: string]: number };
  /** What follows from a finding and is not listed apart, by code. */
  readonly consequences: { readonly [code: string]: number };
  /** What this verdict does not cover. */
  readonly notChecked: readonly string[];
  /** The part of it that should have been checked: makes the exit code 2. */
  readonly failedToCheck: readonly string[];
  /** What is kept for a later audit; null where nobody asked. */
  readonly record: RecordMade | null;
  /** Decisions that were made again; null where nobody asked, or the ledger was not read. */
  readonly replay: ReplayCounts | null;
  readonly startedAt: string;
  readonly elapsedMs: number;
  readonly receiptsPerSecond: number;
}

const MAX_FINDINGS = 1000;
/** Of one code, so that a flood of one does not crowd out the others. */
const MAX_OF_CODE = 200;

/** Keeps the first findings and counts all. Memory is bounded whatever is wrong. */
export class Findings {
  readonly #kept: OpenFinding[] = [];
  readonly #counts = new Map<AuditCode, number>();
  readonly #consequences = new Map<AuditCode, number>();
  #wrong = 0;

  add(finding: OpenFinding): void {
    const count = (this.#counts.get(finding.code) ?? 0) + 1;
    this.#counts.set(finding.code, count);
    if (finding.severity !== "note") this.#wrong++;
    if (count <= MAX_OF_CODE && this.#kept.length < MAX_FINDINGS) this.#kept.push(finding);
  }

  /** Counts what follows from a finding that is there. */
  addConsequence(code: AuditCode, count = 1): void {
    this.#consequences.set(code, (this.#consequences.get(code) ?? 0) + count);
  }

  /** Takes over what another collector has: its kept findings, and the counts of all. */
  addAll(other: FindingsData): void {
    const kept = new Map<AuditCode, number>();
    const wrong = this.#wrong + other.wrong;
    for (const finding of other.kept) {
      this.add(finding);
      kept.set(finding.code, (kept.get(finding.code) ?? 0) + 1);
    }
    for (const [code, count] of other.counts) this.#counts.set(code, (this.#counts.get(code) ?? 0) + count - (kept.get(code) ?? 0));
    this.#wrong = wrong;
    for (const [code, count] of other.consequences) this.addConsequence(code, count);
  }

  get data(): FindingsData {
    return { kept: this.#kept, counts: [...this.#counts], consequences: [...this.#consequences], wrong: this.#wrong };
  }

  get kept(): readonly OpenFinding[] {
    return this.#kept;
  }

  /** Violations and interference. */
  get wrong(): number {
    return this.#wrong;
  }

  get counts(): { readonly [code: string]: number } {
    return Object.fromEntries(this.#counts);
  }

  get consequences(): { readonly [code: string]: number } {
    return Object.fromEntries(this.#consequences);
  }
}

/** Crosses threads. */
export interface FindingsData {
  readonly kept: readonly OpenFinding[];
  readonly counts: readonly (readonly [AuditCode, number])[];
  readonly consequences: readonly (readonly [AuditCode, number])[];
  /** As `Findings.wrong`. */
  readonly wrong: number;
}
