/** What an audit is asked, and whom it tells of what. */
import type { AnchorTarget } from "../anchor/target.ts";
import type { LedgerName } from "../format/names.ts";
import type { DisclosedKey, RatchetStart } from "../verify/keys.ts";
import type { Progress } from "./progress.ts";
import type { AuditRange } from "./range.ts";
import type { AuditRecord } from "./record.ts";
import type { ReplayCounts } from "./replay.ts";
import type { RevokedKeys } from "./revoked.ts";
import type { SurveyAsk } from "./survey.ts";
import type { SurveyInto, SurveySeen } from "./surveying.ts";

export interface AuditOptions {
  /** null: the ledger is gone; the anchors and batch objects are checked alone. */
  readonly ledgerPath: string | null;
  /** Which ledger this is, from outside of it. */
  readonly ledger: LedgerName;
  /** In words, where its id was taken from; undefined: it was pinned, outside of the host that is audited. */
  readonly ledgerIdFrom?: string | undefined;
  readonly targets: readonly AnchorTarget[];
  /** Verifier keys; anchors signed by none of them do not count. */
  readonly vkeys: readonly string[];
  /** Were they pinned outside of the host that is audited? */
  readonly areVkeysPinned: boolean;
  /** Why keys that should be there cannot be used. */
  readonly keysProblem?: string;
  /** null: MACs are not checked. */
  readonly keys: {
    /** From where the receipts' keys can be stepped. */
    readonly starts: readonly RatchetStart[];
    /** Those of single epochs. */
    readonly disclosed?: readonly DisclosedKey[];
    /** Keys of which earlier epochs than those can be checked by nobody here, by design: they are forward-secure. */
    readonly sealed?: readonly string[];
    /** null: request_mac is not recomputed. */
    readonly requestSecret: Uint8Array | null;
  } | null;
  /** Keys that are not to be believed any more, as the auditor knows; those that the ledger announces are judged too. */
  readonly revoked?: RevokedKeys | undefined;
  /** `sha256:…` of each `ratchet_break` receipt that the auditor accepts: a note, and no finding. */
  readonly acceptedBreaks?: ReadonlySet<string> | undefined;
  /** age identities, for archived receipts that are encrypted. */
  readonly identities?: readonly string[] | undefined;
  readonly range?: AuditRange | undefined;
  /** The record of an earlier audit: receipts that it has read, and objects that are listed as they were, are not read again. Not with a range. */
  readonly since?: AuditRecord | undefined;
  /** What the new record takes the place of: it is not to know less. */
  readonly replaces?: AuditRecord | undefined;
  /** With `since`: read all receipts, and all objects that are under no lock, again all the same. */
  readonly allReceipts?: boolean | undefined;
  /** Versions at each target that are read again nevertheless, chosen by chance; default 32. */
  readonly sample?: number | undefined;
  /** This program and its version, for the record. */
  readonly program?: string | undefined;
  /** ms, the auditor's clock: whether an anchor is late. */
  readonly now: number;
  /** ms that an anchor may be late; default a minute. */
  readonly grace?: number | undefined;
  /** What is looked at beside, of the receipts that are read: for `onSurvey`. Not without the ledger. */
  readonly survey?: SurveyAsk | undefined;
  /** Threads; default one for each processor, and none for a small ledger. */
  readonly workers?: number | undefined;
}

export interface AuditHooks {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Told after an audit of everything that found nothing, before it returns: what a later one is given as `since`. */
  readonly onRecord?: ((record: AuditRecord) => void) | undefined;
  /** Told what `survey` asked for, before the verdict, to which it may add. */
  readonly onSurvey?: ((seen: SurveySeen, into: SurveyInto) => Promise<ReplayCounts | null>) | undefined;
  /** Stops the audit, which then throws. */
  readonly signal?: AbortSignal | undefined;
}
