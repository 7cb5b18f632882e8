/**
 * When a receipt goes into the spool rather than to the daemon, and in what words. Only where the daemon is away or has too much to do:
 * one that refuses receipts until a person has looked is not got round.
 */
import { FormatError } from "../format/errors.ts";
import { canonicalize } from "../format/canonical.ts";
import type { Json } from "../format/strict-json.ts";
import { ReceiptRefused, ReceiptUnavailable } from "./errors.ts";
import { type Acknowledgement, newId, type Prepared, type Queued, type ReceiptInput } from "./receipts.ts";
import type { Spool } from "./spool.ts";

const SPOOLED: ReadonlySet<string> = new Set([
  "unreachable", "timeout", "bad_answer", "overloaded", "disk_full", "shutting_down", "ledger_busy", "too_many_connections",
]);
/** The reasons where the daemon was not asked. */
const ALWAYS = "always";
const PENDING = "pending";
const MARK = "receiptd_spooled";

/** What the daemon says within `timeoutMs` or the spool's shorter wait; else, all of them in the spool. */
export async function spooled(
  spool: Spool, all: readonly Prepared[], timeoutMs: number, live: (timeoutMs: number) => Promise<readonly Acknowledgement[]>,
): Promise<readonly (Acknowledgement | Queued)[]> {
  const queuedAt = new Date().toISOString();
  let waiting = waitingOf(spool, all);
  let reason = spool.isFirst ? ALWAYS : PENDING;
  let maybeStored = false;
  if (waiting.size === 0 && !spool.isFirst) {
    try {
      return await live(Math.min(timeoutMs, spool.waitMs));
    } catch (error) {
      if (!(error instanceof ReceiptUnavailable) || !isSpooled(error)) throw error;
      ({ code: reason, maybeStored } = error);
      waiting = waitingOf(spool, all); // another call may have put it there meanwhile
    }
  }
  // another content under an id that may be stored would be a conflict
  const fresh = all.filter((prepared) => !waiting.has(prepared)).map((prepared) => (maybeStored ? prepared : marked(prepared, queuedAt, reason)));
  try {
    await checkForm(fresh);
    await spool.add(fresh);
  } catch (error) {
    if (!(error instanceof ReceiptUnavailable)) throw error;
    const { code, message, receiptId, cause } = error;
    throw new ReceiptUnavailable(code, message, { maybeStored: maybeStored || error.maybeStored, receiptId, cause });
  }
  return all.map((prepared) => ({ queued: true, receiptId: prepared.receiptId, queuedAt, reason, duplicate: waiting.has(prepared) }));
}

function isSpooled({ code, because }: ReceiptUnavailable): boolean {
  return SPOOLED.has(because ?? code); // a daemon that refuses on purpose is not got round, if it then does not answer in time either
}

function waitingOf(spool: Spool, all: readonly Prepared[]): ReadonlySet<Prepared> {
  return new Set(all.filter((prepared) => isWaiting(spool, prepared)));
}

/** Whether the same receipt waits in the spool. Throws ReceiptRefused `conflict` where another one does under its id. */
function isWaiting(spool: Spool, { receiptId, text }: Prepared): boolean {
  const kept = spool.find(receiptId);
  if (kept === null) return false;
  const receipt = JSON.parse(text) as ReceiptInput;
  const same = canonicalize(receipt as Json) === canonicalize(unmarked(JSON.parse(kept) as ReceiptInput, receipt) as Json);
  if (!same) throw new ReceiptRefused("conflict", "another receipt with this receipt_id waits in the spool", { receiptId, pointer: "/receipt_id" });
  return true;
}

/** What was kept, without what the client had put in. */
function unmarked({ metadata, timestamp, ...kept }: ReceiptInput, asked: ReceiptInput): object {
  const { [MARK]: _, ...rest } = (metadata ?? {}) as { readonly [name: string]: unknown };
  return {
    ...kept,
    ...(asked.timestamp === undefined || timestamp === undefined ? {} : { timestamp }),
    ...(asked.metadata === undefined && Object.keys(rest).length === 0 ? {} : { metadata: rest }),
  };
}

/** Whoever reads the receipt sees that it came late, and why. Of what was prepared: the caller's own object may be another by now. */
function marked({ receiptId, text }: Prepared, queuedAt: string, reason: string): Prepared {
  const receipt = JSON.parse(text) as ReceiptInput;
  const whole = { ...receipt, timestamp: receipt.timestamp ?? queuedAt, metadata: { ...receipt.metadata, [MARK]: { queued_at: queuedAt, reason } } };
  return { receiptId, text: JSON.stringify(whole) };
}

/** What the daemon would refuse for its form is refused now, and not once the decision has been carried out. */
async function checkForm(all: readonly Prepared[]): Promise<void> {
  const { readRequest } = await import("../format/request.ts"); // more than other calls need
  for (const { receiptId, text } of all) {
    try {
      readRequest(JSON.parse(text) as Json, "", newId);
    } catch (error) {
      if (error instanceof FormatError) throw new ReceiptRefused(error.code, error.message, { pointer: error.pointer, receiptId });
      throw error;
    }
  }
}
