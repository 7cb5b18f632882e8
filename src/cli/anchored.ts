/** How much of a ledger is anchored: as its daemon says, or as the names at its targets say. No signature is checked here. */
import { anchorsPrefix, beforeAnchor } from "../anchor/objects.ts";
import { type AnchorTarget, TargetError } from "../anchor/target.ts";
import type { AnchorDetails } from "../format/fields.ts";
import { type LedgerName, sizeInName } from "../format/names.ts";
import { readReceipt } from "../format/receipt.ts";
import type { Reader } from "../ledger/reader.ts";
import type { Cli } from "./cli.ts";
import { isCopy, type LedgerOptions, targets } from "./ledger-files.ts";
import type { DaemonStatus } from "./status.ts";

/** Receipts under an anchor at all required targets; null where nobody can say. */
export async function anchoredSize(cli: Cli, options: LedgerOptions, reader: Reader): Promise<number | null> {
  if (!isCopy(cli, options) && options.anchors === undefined) {
    const status = await cli.ifRunning(async (client) => (await client.call("status")) as unknown as DaemonStatus);
    if (status !== null && status.ledger_id === reader.identity().ledgerId) return status.anchored;
  }
  const required = targets(cli, options).filter((one) => one.required);
  if (required.length === 0) return null;
  const since = confirmedBefore(reader);
  let least = Number.POSITIVE_INFINITY;
  for (const { target } of required) {
    try {
      const newest = [...(await anchorSizes(target, reader.identity(), since)).keys()].findLast((size) => size <= reader.size());
      least = Math.min(least, newest ?? since);
    } catch (error) {
      if (error instanceof TargetError) return null;
      throw error;
    }
  }
  return least;
}

/** The tree sizes that have an anchor object at a target, from `from` on, in order, with the target's time in ms. */
export async function anchorSizes(target: AnchorTarget, ledger: LedgerName, from: number): Promise<ReadonlyMap<number, number>> {
  const sizes = new Map<number, number>();
  for await (const { name, lastModified } of target.list(anchorsPrefix(ledger), beforeAnchor(ledger, from))) {
    const size = sizeInName(ledger, name);
    if (size !== null) sizes.set(size, lastModified);
  }
  return sizes;
}

/** What every target had confirmed when the newest anchor was made: where looking has to begin. */
function confirmedBefore(reader: Reader): number {
  const newest = reader.newestAnchor();
  const details = newest === null ? null : anchorDetailsAt(reader, newest.treeSize);
  const observed = details?.observed ?? [];
  return observed.length === 0 ? 0 : Math.min(...observed.map((one) => one.tree_size));
}

/** The details of an anchor receipt as it is stored; null where there is none that is well-formed. */
export function anchorDetailsAt(reader: Reader, treeSize: number): (AnchorDetails & { readonly recordedAt: string; readonly keyEpoch: number }) | null {
  const blob = reader.byIndex(treeSize - 1)?.blob;
  if (blob === null || blob === undefined) return null;
  try {
    const { known, receipt } = readReceipt(blob);
    return known && receipt.type === "anchor" ? { ...(receipt["details"] as AnchorDetails), recordedAt: receipt.recorded_at, keyEpoch: receipt.key_epoch } : null;
  } catch {
    return null;
  }
}
