/**
 * Batch objects behind the newest anchor. A batch is published right before its anchor, one at a time, so one range that begins where
 * the newest anchor's tree ends is what a crash or an audit in between leaves; any other had an anchor, which was removed, or was put
 * there by somebody who may write to the target (docs/FORMAT.md section 13.3 step 5).
 */
import type { AnchorTarget } from "../anchor/target.ts";
import { receiptRange } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import { type LedgerName, objectPrefix, parseObjectName } from "../format/names.ts";
import { endOfFirst, type Evidence, type SeenBatch } from "./evidence.ts";

/** Reported at most: anybody can make any number of them, and the first ones say it all. */
const MAX_KEPT = 64;

export class Ahead {
  readonly #evidence: Evidence;
  /** The last index of the one range that may be waiting for its anchor. */
  #waiting: number | null = null;
  readonly #without: Pick<SeenBatch, "name" | "firstIndex" | "lastIndex" | "lock">[] = [];

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** A batch object that begins at or after `size`, the newest anchor's tree size. */
  add({ name, firstIndex, lastIndex, lock }: SeenBatch, size: number): void {
    if (firstIndex === size) this.#waiting ??= lastIndex;
    if (firstIndex === size && lastIndex === this.#waiting) {
      this.#evidence.report("note", "unanchored_batch", "a batch object without an anchor yet", name);
    } else if (this.#without.length < MAX_KEPT) {
      this.#without.push({ name, firstIndex, lastIndex, lock });
    }
  }

  /** After the last one. Throws TargetError. */
  async finish(target: AnchorTarget, ledger: LedgerName, size: number): Promise<void> {
    if (this.#without.length === 0 || await hasNewerAnchor(target, ledger, size)) return; // published while this audit was reading: it is for the next one
    for (const { name, firstIndex, lastIndex, lock } of this.#without) {
      const isLocked = target.retain === null || lock.until !== null;
      const range = receiptRange(firstIndex, lastIndex);
      if (isLocked) {
        this.#evidence.report("violation", "anchor_missing", `the batch object of ${range} is there without an anchor, and is not the next one after the newest: anchors were removed, or whoever may write there put it`, name, { logIndex: lastIndex });
      } else {
        this.#evidence.report("interference", "unanchored_batch", `a batch object of ${range} that is not the next one after the newest anchor, and under no lock: it does not count`, name);
      }
    }
  }
}

/** Is there by now an anchor of a larger tree? The anchors were listed before the batches were. */
async function hasNewerAnchor(target: AnchorTarget, ledger: LedgerName, size: number): Promise<boolean> {
  const prefix = objectPrefix(ledger);
  for await (const { name, kind } of target.list(`${prefix}anchors/`, endOfFirst(prefix, "anchors/", size))) {
    if (kind === "object" && isAnchor(ledger, name)) return true;
  }
  return false;
}

function isAnchor(ledger: LedgerName, name: string): boolean {
  try {
    return parseObjectName(ledger, name).kind === "anchor";
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
