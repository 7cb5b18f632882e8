/** The second chapter: every way to change what is anchored, each on a copy of ledger and anchors, and what the audit says to it. */
import { randomUUID } from "node:crypto";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { readReceipt, type Receipt } from "../../src/format/receipt.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { anchorNames, cutTo, deleteReceipt, editDecision, replaceAnchor, swapReceipts } from "./attacks.ts";
import { catches, passes } from "./auditor.ts";
import type { Day } from "./day.ts";
import { forgetSigned, keysOf, rewriteLedger } from "./forge.ts";
import { copyOf, type Host, remove } from "./hosts.ts";
import { Daemon, receiptd } from "./processes.ts";
import type { Report } from "./report.ts";

/** Runs `work` on a copy that is removed afterwards. */
export async function onCopy<T>(host: Host, work: (copy: Host) => Promise<T>): Promise<T> {
  const copy = copyOf(host, "copy");
  try {
    return await work(copy);
  } finally {
    remove(copy);
  }
}

/** The first receipt from a log index on with this decision. */
export function findDecision(host: Host, from: number, action: string): Receipt {
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  try {
    for (let at = from; at < reader.size(); at++) {
      const { receipt } = readReceipt(reader.byIndex(at)!.blob!);
      if (actionOf(receipt as Receipt) === action) return receipt as Receipt;
    }
    throw new Error(`no receipt with the decision ${action} from log index ${from} on`);
  } finally {
    reader.close();
  }
}

function actionOf({ decision }: Receipt): unknown {
  return (decision as { readonly action?: string } | undefined)?.action;
}

/** `hasFolder`: the anchors are files, which can be replaced. What an edit, a deletion, a swap or an insertion comes to is the same with any target. */
export async function tampering(report: Report, day: Day, hasFolder: boolean): Promise<void> {
  const { host, pins, anchored } = day;
  const ledger = keysOf(host);
  const half = Math.floor(anchored / 2);
  const victim = findDecision(host, half, "DENY");
  const { log_index: at, receipt_number: name } = victim;

  report.chapter("2. Tampering with what is anchored, each on a copy");
  await report.attempt("an untouched copy passes", () => onCopy(host, async (copy) => ({
    did: "Untouched copy", outcome: await passes(copy, pins),
  })));

  if (hasFolder) await report.attempt("edited decision", () => onCopy(host, async (copy) => {
    editDecision(copy, at, "DENY", "APPROVE");
    const found = await catches(copy, pins, ({ receipt_number, log_index }) => receipt_number === name || log_index === at);
    return { did: `Edited decision: ${name}, DENY to APPROVE, its hash in the index made right`, outcome: `caught: ${found}` };
  }));

  if (hasFolder) await report.attempt("deleted receipt", () => onCopy(host, async (copy) => {
    deleteReceipt(copy, at);
    const found = await catches(copy, pins, ({ log_index }) => log_index === at);
    return { did: `Deleted receipt: ${name} (log index ${at})`, outcome: `caught: ${found}` };
  }));

  if (hasFolder) await report.attempt("swapped order", () => onCopy(host, async (copy) => {
    const other = findDecision(host, at + 1, "APPROVE").log_index;
    swapReceipts(copy, at, other);
    const found = await catches(copy, pins, ({ log_index }) => log_index === at || log_index === other);
    return { did: `Swapped order: log index ${at} and ${other}`, outcome: `caught: ${found}` };
  }));

  if (hasFolder) await report.attempt("forged insertion", () => onCopy(host, async (copy) => {
    const forged = { receipt_id: randomUUID(), decision: { action: "APPROVE", score: 0.99 } };
    rewriteLedger(copy, (receipt, sent) => receipt.log_index === at ? [{ ...sent, ...forged }, sent] : [sent]);
    const found = await catches(copy, pins, ({ code }) => code === "log_root_mismatch");
    return {
      did: `Forged insertion: an approval before ${name}; all that follows signed, linked and indexed anew with the host's live keys`,
      outcome: `caught, by the anchors alone: ${found}`,
    };
  }));

  if (hasFolder) await report.attempt("replaced anchor", () => onCopy(host, async (copy) => {
    const treeSize = [...anchorNames(copy, ledger).keys()].find((size) => size > half)!;
    await replaceAnchor(copy, ledger, treeSize);
    const found = await catches(copy, pins, ({ code, object }) => code === "bad_note" && object !== undefined);
    return { did: `Replaced anchor: that of ${treeSize} receipts, by one with another root`, outcome: `caught: ${found}` };
  }));

  await report.attempt("cut tail", () => onCopy(host, async (copy) => {
    cutTo(copy, anchored - 3);
    forgetSigned(copy.places.outbox, ledger); // as an older backup of the whole host would have it
    const found = await catches(copy, pins, ({ code }) => code === "ledger_behind");
    await refuses(copy, "ledger_behind");
    return {
      did: `Cut tail: back to ${anchored - 3} receipts, before the newest anchor`,
      outcome: `caught: ${found}; and a daemon started on it refuses receipts`,
    };
  }));
}

/** A daemon started on this host refuses receipts with this code. */
export async function refuses(host: Host, code: string): Promise<void> {
  const daemon = await Daemon.serve(host);
  const receipt = ["--system", "demo", "--decision", '"APPROVE"', "--inputs", "{}"];
  const { stderr } = await receiptd(host, "append", ...receipt, "--patience", "0");
  await daemon.stop();
  if (!stderr.includes(`"code":"${code}"`)) throw new Error(`the daemon did not refuse a receipt with ${code}: ${stderr.trim() || "it took it"}`);
}
