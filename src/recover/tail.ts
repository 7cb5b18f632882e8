/** The receipts after the newest anchor, for which no root speaks: their MACs do. Where the open epoch's key is not at hand, nothing does. */
import { HashList } from "../audit/hash-list.ts";
import { UNKNOWN_HASH } from "../audit/suspects.ts";
import type { Appender } from "./appender.ts";
import { type Examined, type Examiner, isUndisputed, rowHash } from "./examine.ts";
import type { OldLedger } from "./old-ledger.ts";
import type { Stop } from "./rebuilt.ts";

/** docs/FORMAT.md section 7: no open batch has more. */
const MAX_TAIL = 65_536;

/**
 * The hashes of the receipts from `first` on: as many as are certain, and those of which the index alone is left. `dropsUnchecked`: they end
 * before the first one whose MAC cannot be checked, for want of the ratchet.
 */
export function settleTail(old: OldLedger, examiner: Examiner, appender: Appender, first: number, epoch: number, dropsUnchecked: boolean): HashList | Stop {
  const truths = new HashList();
  const heads = new Map(appender.heads);
  let end = 0;
  let isOver = false;
  for (const place of old.places(first, Math.min(old.end, first + MAX_TAIL))) {
    const examined = examiner.examine(place);
    const truth = truthOf(examined, examiner, epoch);
    if ("code" in truth) {
      if (truth.code !== "ratchet_lost" || !dropsUnchecked) return truth;
      isOver = true;
    }
    if (isOver || "code" in truth) continue; // what is of a later epoch says that more than the open batch would be dropped
    truths.push(truth.hash);
    const { read } = examined;
    const isRead = truth.isRead && read !== null;
    const row = isRead ? null : appender.rowOf(place, truth.hash, epoch, heads);
    const organization = isRead ? read.receipt.organization : row?.organization;
    if (organization === undefined) continue; // nothing, or a row that belongs to nothing: dropped, unless something follows
    heads.set(organization, { orgSeq: isRead ? read.receipt.org_seq : row!.orgSeq, prefix: row?.prefix ?? "" });
    end = truths.length;
  }
  for (const place of old.blobsFrom(first + MAX_TAIL)) {
    if (examiner.examine(place).read !== null) return lostAnchor(place.logIndex);
  }
  const kept = new HashList();
  for (let i = 0; i < end; i++) kept.push(truths.at(i));
  return kept;
}

function truthOf(place: Examined, examiner: Examiner, epoch: number): { readonly hash: Uint8Array; readonly isRead: boolean } | Stop {
  const { logIndex, read, blobHash } = place;
  const said = rowHash(place);
  if (read === null) return { hash: said ?? UNKNOWN_HASH, isRead: false };
  if (read.receipt.key_epoch !== epoch) return lostAnchor(logIndex);
  const mac = examiner.mac(place, epoch);
  if (mac === "right") return { hash: blobHash!, isRead: true };
  if (mac === "unknown") return examiner.unchecked(place);
  if (said === null || isUndisputed(place)) return { code: "mac_mismatch", logIndex, message: `receipt ${logIndex} is under no anchor and was not signed with this ledger's key: somebody has put it there` };
  return { hash: said, isRead: false };
}

function lostAnchor(logIndex: number): Stop {
  return { code: "undecided", logIndex, message: `receipt ${logIndex} is of a later epoch: an anchor receipt before it is lost, and no target has it` };
}
