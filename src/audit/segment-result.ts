/** What a worker is asked about a run of whole batches, and what it answers. Both cross threads. */
import type { AnchorDetails } from "../format/fields.ts";
import type { LedgerName } from "../format/names.ts";
import type { ChainEnd, ChainStart } from "../verify/chain.ts";
import type { DisclosedKey, RatchetStart } from "../verify/keys.ts";
import type { LogEnd, LogStart } from "../verify/log.ts";
import type { AttestationSeen } from "./attestations.ts";
import type { BreakSeen, KeySeen, RevocationSeen, VkeysSaid } from "./keys-seen.ts";
import type { FindingsData } from "./report.ts";
import type { FoldedLeaves } from "./segment-tree.ts";
import type { SurveyAsk, SurveyData } from "./survey.ts";

export interface SegmentTask {
  /** The first receipt after an anchor receipt, or 0. */
  readonly first: number;
  /** Not included. */
  readonly end: number;
  /** Of the first receipt, as the anchor receipt before it says. */
  readonly epoch: number;
  /** `epoch_commitment` for that epoch, by the same; null at the beginning, where genesis has it. */
  readonly commitment: string | null;
  /** `key_id` of the same; null at the beginning. */
  readonly keyBefore: string | null;
  /** null: MACs are not checked. */
  readonly keys: readonly RatchetStart[] | null;
}

export interface SegmentOptions {
  readonly ledger: LedgerName;
  /** R (docs/FORMAT.md section 12), or null: request_mac is not recomputed. */
  readonly requestKey: Uint8Array | null;
  /** Keys of single epochs, beside those of the task. */
  readonly disclosed: readonly DisclosedKey[];
  /** Only this organization's receipts (and the ledger's own) are read; of the others, their rows. */
  readonly organization: string | null;
  /** What is looked at beside. */
  readonly survey?: SurveyAsk | undefined;
}

/** An organization's newest receipt in a batch. */
export interface MovedHead {
  readonly organization: string;
  readonly orgSeq: number;
  readonly hash: Uint8Array;
}

export interface TimedPlace {
  /** `recorded_at` */
  readonly time: string;
  readonly logIndex: number;
}

/** A batch that was closed. */
export interface BatchSeen {
  readonly firstIndex: number;
  readonly treeSize: number;
  /** Of its anchor receipt; null where that cannot be read. */
  readonly anchor: {
    readonly receiptId: string;
    readonly receiptNumber: string;
    readonly recordedAt: string;
    readonly keyEpoch: number;
    readonly details: AnchorDetails;
  } | null;
  /** Is every leaf what the anchored root says? */
  readonly isRootRight: boolean;
  /** A leaf is not known, or in doubt: roots over it prove nothing. */
  readonly isTainted: boolean;
  /** SHA-256 of the batch object that these receipts make; null where the batch is empty or not certain. */
  readonly entries: Uint8Array | null;
  /** Before the anchor receipt, which moves `_ledger` itself. */
  readonly heads: readonly MovedHead[];
  readonly anchorHead: MovedHead | null;
  readonly earliest: TimedPlace | null;
  readonly latest: TimedPlace | null;
  /** As `SegmentTree.frontier` after the anchor receipt. */
  readonly frontier: Uint8Array | null;
}

/** The number that rows have for an organization, and who says so first. */
export interface OrganizationSeen {
  readonly org: number;
  readonly organization: string;
  readonly logIndex: number;
  readonly count: number;
}

export interface SegmentResult {
  readonly first: number;
  readonly end: number;
  readonly rows: number;
  /** Receipts that were read and checked themselves. */
  readonly checked: number;
  readonly findings: FindingsData;
  /** Names that `verifyReceipt` did not check, with the number of receipts. */
  readonly notChecked: ReadonlyMap<string, number>;
  readonly macsChecked: ReadonlyMap<string, number>;
  readonly macsNotChecked: ReadonlyMap<string, number>;
  /** log_index of the newest receipt whose MAC was not checked, -1 where there is none. */
  readonly lastUnchecked: number;
  readonly chain: {
    readonly starts: ReadonlyMap<string, ChainStart>;
    readonly ends: ReadonlyMap<string, ChainEnd>;
    /** Starts that were read from the index only: their links are not known. */
    readonly assumed: ReadonlySet<string>;
    /** Of organizations whose newest receipt is in doubt: other hashes that it may have. */
    readonly doubts: ReadonlyMap<string, readonly Uint8Array[]>;
  };
  readonly log: {
    readonly start: LogStart | null;
    readonly end: LogEnd | null;
  };
  readonly batches: readonly BatchSeen[];
  /** Heads that moved after the last anchor. */
  readonly openHeads: readonly MovedHead[];
  readonly openEarliest: TimedPlace | null;
  readonly organizations: readonly OrganizationSeen[];
  readonly leaves: FoldedLeaves;
  /** As `BatchSeen.isTainted`, of the receipts after the last anchor. */
  readonly isTailTainted: boolean;
  readonly keys: readonly KeySeen[];
  readonly revocations: readonly RevocationSeen[];
  readonly breaks: readonly BreakSeen[];
  readonly vkeys: VkeysSaid;
  readonly attestations: readonly AttestationSeen[];
  readonly clockSteps: number;
  /** null: nobody asked. */
  readonly survey: SurveyData | null;
}
