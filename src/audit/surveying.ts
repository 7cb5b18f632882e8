/** What was asked for beside the audit, put together segment by segment. */
import type { AnchorDetails } from "../format/fields.ts";
import type { Inspector } from "../ledger/inspect.ts";
import type { Reader } from "../ledger/reader.ts";
import { detailsOf } from "../verify/log.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { DrawData } from "./draw.ts";
import { auditHash } from "./hash.ts";
import type { Part } from "./range.ts";
import type { Findings } from "./report.ts";
import type { SegmentResult } from "./segment-result.ts";
import { Survey, type SurveyAsk } from "./survey.ts";
import { Promises, type TallyData } from "./tally.ts";
import type { NotChecked } from "./verdict.ts";

export interface SurveySeen {
  readonly draw: DrawData | null;
  readonly tally: TallyData | null;
  readonly promises: Promises;
}

/** Where what is found beside goes. */
export interface SurveyInto {
  readonly findings: Findings;
  readonly notChecked: NotChecked;
  readonly reader: Reader;
  readonly signal: AbortSignal | undefined;
}

export class Surveying {
  readonly #survey: Survey;
  readonly #promises: Promises;

  constructor(ask: SurveyAsk, inspector: Inspector, part: Part, grace: number) {
    this.#survey = new Survey(ask, auditHash.sha256);
    this.#promises = new Promises(grace);
    const before = part.start.anchor?.details ?? (part.first === 0 ? null : anchorAt(inspector, part.first - 1));
    if (before !== null) this.#promises.begin(before);
  }

  add({ survey, batches }: SegmentResult): void {
    if (survey !== null) this.#survey.add(survey);
    for (const { treeSize, anchor } of batches) if (anchor !== null) this.#promises.step(treeSize, anchor.recordedAt, anchor.details, this.#survey.wants(anchor.recordedAt));
  }

  seen(): SurveySeen {
    return { ...this.#survey.data, promises: this.#promises };
  }
}

/** The anchor receipt with which the part before ends. */
function anchorAt(inspector: Inspector, logIndex: number): AnchorDetails | null {
  const blob = inspector.blobs(logIndex, logIndex + 1, 1).blobs[0]?.bytes;
  const read = blob === undefined ? null : verifyReceipt(blob, auditHash);
  return read?.known === true && read.receipt.type === "anchor" ? detailsOf<AnchorDetails>(read.receipt) : null;
}
