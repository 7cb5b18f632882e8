/**
 * A whole ledger, read again beside its own writer: what an audit derives from the file, and whether that is what the writer has in memory.
 * Slow by intention, and no audit: it asks no target, and of keys that are forward-secure no old MAC can be checked by anybody here.
 */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { RatchetStart } from "../verify/keys.ts";
import { checkLog } from "./extent.ts";
import { auditHash } from "./hash.ts";
import { Joiner, WHOLE } from "./join.ts";
import { type Pace, PacedInspector } from "./pace.ts";
import { planSegments, Ratchet } from "./plan.ts";
import { runSegments } from "./pool.ts";
import { type AuditCode, Findings, type OpenFinding } from "./report.ts";
import type { SegmentOptions } from "./segment-result.ts";
import { checkExtent, checkIdentity, checkOrganizations, countIndexes } from "./tables.ts";

export interface RoundOptions extends Omit<SegmentOptions, "organization" | "disclosed"> {
  readonly ledgerPath: string;
  /** Receipts, and the log's root over them, as the writer has them in memory. */
  readonly size: number;
  readonly root: Uint8Array;
  /** From where keys can be stepped that the host keeps; of the others no MAC is checked. */
  readonly starts: readonly RatchetStart[];
}

export interface RoundResult {
  readonly receipts: number;
  readonly macsChecked: number;
  /** Violations, also those that were not told. */
  readonly found: number;
  /** Receipts by the file's end, which may have grown meanwhile; null where it cannot be read. */
  readonly end: number | null;
}

/** Receipts in a segment: what is wrong is said behind each. */
const AIM = 16_384;
/** About times, which is for an audit with a clock that is not the host's. */
const NOT_DAMAGE: ReadonlySet<AuditCode> = new Set(["recorded_before_observed"]);
const DAMAGE: ReadonlySet<string> = new Set(["ledger_corrupt", "ledger_io", "not_a_ledger", "ledger_missing", "newer_ledger"]);

/** Violations that are told one by one: whoever has the file can make millions. */
const TOLD = 1000;

/** Tells of violations as they are found. */
class RoundFindings extends Findings {
  readonly #onFound: (finding: OpenFinding) => void;
  #told = 0;

  constructor(onFound: (finding: OpenFinding) => void) {
    super();
    this.#onFound = onFound;
  }

  override add(finding: OpenFinding): void {
    if (finding.severity !== "violation" || NOT_DAMAGE.has(finding.code)) return;
    super.add(finding);
    if (this.#told++ < TOLD) this.#onFound(finding);
  }
}

/** Throws `Stopped`, and LedgerError where the ledger could not be asked although nothing is known to be wrong with it. */
export async function checkRound(
  options: RoundOptions, pace: Pace, hooks: { readonly onFound: (finding: OpenFinding) => void; readonly onProgress: (receipts: number) => void },
): Promise<RoundResult> {
  const findings = new RoundFindings(hooks.onFound);
  let inspector: PacedInspector | null = null;
  try {
    checkLog(options.ledgerPath, findings);
    inspector = new PacedInspector(options.ledgerPath, pace); // anew: what another connection has in its memory is no longer what is in the file
    return await check(inspector, options, findings, hooks.onProgress);
  } catch (error) {
    if (!(error instanceof LedgerError) || !DAMAGE.has(error.code)) throw error;
    findings.add({ severity: "violation", code: "ledger_corrupt", message: `the ledger's file cannot be read: ${error.message}` });
    return { receipts: 0, macsChecked: 0, found: findings.wrong, end: null };
  } finally {
    inspector?.close();
  }
}

async function check(inspector: PacedInspector, options: RoundOptions, findings: Findings, onProgress: (receipts: number) => void): Promise<RoundResult> {
  const { ledgerPath, ledger, requestKey, size, root, starts } = options;
  checkIdentity(inspector, ledger, findings);
  const joined = new Joiner(inspector, findings, auditHash.sha256, new Set());
  const ratchet = starts.length === 0 ? null : new Ratchet(starts, auditHash);
  const tasks = planSegments(inspector, { first: 0, end: size, epoch: 0, commitment: null, start: WHOLE }, AIM, ratchet, auditHash);
  for await (const result of runSegments(tasks, { ledgerPath, ledger, requestKey, organization: null, disclosed: [] }, inspector, 0, { onProgress, signal: undefined })) joined.add(result);
  joined.finish();
  const entries = countIndexes(inspector, size, findings);
  checkExtent(inspector, joined.totals.rows, entries, findings);
  checkOrganizations(inspector, joined, joined.ends, findings);
  if (findings.wrong === 0 && !equal(joined.root(), root)) {
    findings.add({
      severity: "violation", code: "log_root_mismatch", message: `the first ${count(size, "receipt")} in the file agree with each other, and are not those that this daemon has written or found when it started`,
      logIndex: size - 1, expected: hashText(root), found: hashText(joined.root()),
    });
  }
  const macs = [...joined.totals.macsChecked.values()].reduce((sum, checked) => sum + checked, 0);
  return { receipts: joined.totals.checked, macsChecked: macs, found: findings.wrong, end: (inspector.extent().receipt?.[1] ?? -1) + 1 };
}
