/**
 * Receipts by their fields, a page at a time. There is no index over fields, so receipts are read and looked at, at most so many for one
 * request; the cursor goes on where that ended. An organization's are read in the order of its chain, all others in that of time.
 */
import { setImmediate as turn } from "node:timers/promises";
import { fromUtf8 } from "../format/bytes.ts";
import { hashText, type ReceiptNumber } from "../format/chain.ts";
import type { StoredBlob } from "../ledger/reader.ts";
import { ApiError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import type { LedgerSource, LedgerView } from "./ledger-view.ts";
import { isWhole, numberOf } from "./which.ts";

export interface Wanted {
  readonly organization: string | null;
  /** ms: recorded at or after `from`, before `to`. */
  readonly from: number;
  readonly to: number;
  readonly firstNumber: ReceiptNumber | null;
  readonly lastNumber: ReceiptNumber | null;
  readonly type: string | null;
  readonly systemId: string | null;
  /** Of the decision, `action`, or the decision itself where it is text. */
  readonly decision: string | null;
  /** Of one of its gates. */
  readonly gateStatus: string | null;
}

/** What one request may read: receipts, bytes of them, ms. */
const SCAN = { receipts: 5000, bytes: 16 * 1024 * 1024, ms: 500 } as const;
/** Read between two turns of the event loop, so that others are served: receipts, and bytes of them as the ones before were long. */
const SLICE = { first: 4, most: 64, bytes: 512 * 1024 } as const;
/** Bytes of receipts on one page. */
const PAGE_BYTES = 4 * 1024 * 1024;

export interface Page {
  /** Each is JSON text. */
  readonly receipts: readonly string[];
  readonly next: string | null;
  /** Why it ends here. `scan_limit`: more may follow, also where this page is empty. */
  readonly ended: "end" | "page_full" | "scan_limit";
  readonly scanned: number;
  readonly organizations: readonly string[];
  readonly firstNumber: string | null;
  readonly lastNumber: string | null;
}

/** Goes through candidates; each knows the cursor behind it. */
interface Walk {
  next(view: LedgerView, count: number): readonly { readonly stored: StoredBlob; readonly cursor: string }[];
}

export async function search(source: LedgerSource, wanted: Wanted, grant: Grant, cursor: string | null, limit: number): Promise<Page> {
  const view = source.view();
  const walk = walkOf(view, narrowed(view, wanted, grant), cursor);
  const anchored = view.anchoredSize();
  const signed = view.outbox.signedSize();
  const receipts: string[] = [];
  const taken: StoredBlob[] = [];
  const began = performance.now();
  let [scanned, bytes, pageBytes] = [0, 1, 0];
  let last: string | null = cursor;
  const page = (ended: Page["ended"]): Page => ({
    receipts, ended, scanned, next: ended === "end" ? null : last,
    organizations: [...new Set(taken.map(({ organization }) => organization))].sort(),
    firstNumber: taken.length === 0 ? null : numberOf(taken[0]!), lastNumber: taken.length === 0 ? null : numberOf(taken.at(-1)!),
  });
  for (;;) {
    const wide = scanned === 0 ? SLICE.first : Math.floor((SLICE.bytes * scanned) / bytes);
    const slice = walk.next(source.view(), Math.max(1, Math.min(SLICE.most, wide)));
    if (slice.length === 0) return page("end");
    for (const { stored, cursor: behind } of slice) {
      scanned++;
      bytes += stored.blob?.length ?? 0;
      last = behind;
      if (grant.allows(stored.organization) && matches(stored, wanted)) {
        const text = listedText(stored, stored.logIndex < anchored ? "anchored" : stored.logIndex < signed ? "logged" : "pending");
        receipts.push(text);
        taken.push(stored);
        pageBytes += text.length;
        if (receipts.length >= limit || pageBytes >= PAGE_BYTES) return page("page_full");
      }
    }
    if (scanned >= SCAN.receipts || bytes >= SCAN.bytes || performance.now() - began >= SCAN.ms) return page("scan_limit");
    await turn();
  }
}

/** The receipt as it is stored, with what is known of it; of one that is damaged nothing but that. */
export function listedText(stored: StoredBlob, status: "anchored" | "logged" | "pending"): string {
  const isGood = isWhole(stored);
  const members = JSON.stringify({ receipt_hash: hashText(stored.receiptHash), receipt_number: numberOf(stored), log_index: stored.logIndex, status, problem: isGood ? null : "receipt_damaged" });
  return `{"receipt":${isGood ? fromUtf8(stored.blob!) : "null"},${members.slice(1)}`;
}

/** With the organization that a number, or a token for one only, leaves. Throws ApiError. */
function narrowed({ reader }: LedgerView, wanted: Wanted, grant: Grant): Wanted {
  const { firstNumber, lastNumber } = wanted;
  const prefix = (firstNumber ?? lastNumber)?.prefix;
  if (prefix === undefined) {
    const only = grant.organizations?.length === 1 && !grant.allows("_ledger") ? grant.organizations[0]! : null;
    return { ...wanted, organization: wanted.organization ?? only };
  }
  if (firstNumber !== null && lastNumber !== null && firstNumber.prefix !== lastNumber.prefix) throw new ApiError("bad_request", "first_number and last_number have two prefixes");
  const organization = reader.byNumber(prefix, 1)?.organization ?? null;
  // first of all, and in the same words: whether another organization has that prefix, and its name, are not for this token
  if (organization === null || !grant.allows(organization)) throw new ApiError("not_found", "no organization has such numbers");
  if (wanted.organization !== null && wanted.organization !== organization) throw new ApiError("bad_request", "the numbers are not of that organization");
  return { ...wanted, organization };
}

function matches(stored: StoredBlob, { from, to, type, systemId, decision, gateStatus }: Wanted): boolean {
  if (stored.recordedAt < from || stored.recordedAt >= to) return false;
  if (type === null && systemId === null && decision === null && gateStatus === null) return true;
  if (!isWhole(stored)) return false; // what it says is nobody's
  const receipt = JSON.parse(fromUtf8(stored.blob!)) as { readonly [name: string]: unknown };
  if (type !== null && receipt["type"] !== type) return false;
  if (systemId !== null && receipt["system_id"] !== systemId) return false;
  if (decision !== null && actionOf(receipt["decision"]) !== decision) return false;
  return gateStatus === null || (Array.isArray(receipt["gates"]) && receipt["gates"].some((gate: { readonly status?: unknown }) => gate.status === gateStatus));
}

function actionOf(decision: unknown): unknown {
  return typeof decision === "object" && decision !== null && "action" in decision ? decision.action : decision;
}

/** A cursor is a place and nothing else: what may be seen from there is asked anew. Throws ApiError `bad_request`. */
function walkOf(view: LedgerView, wanted: Wanted, cursor: string | null): Walk {
  const { organization } = wanted;
  const place = (organization === null ? /^t-([0-9]{1,15})-([0-9]{1,15})$/ : /^s-([0-9]{1,15})$/).exec(cursor ?? "");
  if (cursor !== null && place === null) throw new ApiError("bad_request", "cursor is none of this list: use `next` of the page before, with the same parameters");
  if (organization === null) return inTime(wanted, place === null ? null : { recordedAt: Number(place[1]), logIndex: Number(place[2]) });
  return inChain(view, organization, wanted, place === null ? null : Number(place[1]) + 1);
}

function inTime({ from, to }: Wanted, after: { readonly recordedAt: number; readonly logIndex: number } | null): Walk {
  let at = after ?? { recordedAt: from, logIndex: -1 };
  return {
    next({ reader }, count) {
      const rows = reader.timePage(at, to, count);
      const last = rows.at(-1);
      if (last !== undefined) at = last;
      return rows.map((stored) => ({ stored, cursor: `t-${stored.recordedAt}-${stored.logIndex}` }));
    },
  };
}

function inChain(view: LedgerView, organization: string, wanted: Wanted, after: number | null): Walk {
  let at = Math.max(after ?? firstSeq(view, organization, wanted.from), wanted.firstNumber?.orgSeq ?? 1);
  const most = wanted.lastNumber?.orgSeq ?? Number.MAX_SAFE_INTEGER;
  return {
    next({ reader, history }, count) {
      if (at > most) return [];
      const rows = reader.organizationPage(organization, at, count).filter(({ orgSeq }) => orgSeq <= most);
      const [first] = rows;
      // times rise in a chain, but where the clock was turned back
      if (first !== undefined && first.recordedAt >= wanted.to && history.isComplete && !history.clockSteps.some((step) => step > first.logIndex)) return [];
      at = (rows.at(-1)?.orgSeq ?? at) + 1;
      return rows.map((stored) => ({ stored, cursor: `s-${stored.orgSeq}` }));
    },
  };
}

/** The first of an organization that can have been recorded at or after a time: by halving, where the clock was never turned back. */
function firstSeq({ reader, history }: LedgerView, organization: string, from: number): number {
  const row = reader.organizations().find(({ name }) => name === organization);
  if (row === undefined || !history.isComplete || history.clockSteps.length > 0) return 1;
  let [low, high] = [1, reader.organizationSize(row.org) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((reader.byOrgSeq(organization, middle)?.recordedAt ?? Number.POSITIVE_INFINITY) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
