/** The third and fourth chapter: what an audit of this host cannot see, said plainly, and what does see it. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { anchorNames, cutTo } from "./attacks.ts";
import { catches, compare, passes } from "./auditor.ts";
import type { Day } from "./day.ts";
import { keysOf, rewriteAnchors, rewriteLedger, type Wish } from "./forge.ts";
import { Daemon, until } from "./processes.ts";
import type { Report } from "./report.ts";
import { findDecision, onCopy } from "./tampering.ts";

/** The receipt with this id says APPROVE, with a score to match. */
function approve(receiptId: string): Wish {
  return ({ receipt_id }, sent) => receipt_id === receiptId ? [{ ...sent, decision: { action: "APPROVE", score: 0.99 }, reasons: [] }] : [sent];
}

export async function openTail(report: Report, { host, pins, acknowledgements, anchored, tail }: Day): Promise<void> {
  report.chapter("3. Tampering with what is not anchored yet: nobody outside has seen it but its writer");
  await report.attempt("the tail is cut", () => onCopy(host, async (copy) => {
    cutTo(copy, anchored);
    await passes(copy, pins);
    const { gone } = await compare(acknowledgements, copy);
    if (gone !== tail) throw new Error(`by the acknowledgements ${gone} of ${tail} receipts are gone`);
    return {
      did: `Un-anchored tail cut: ${tail} receipts are gone`,
      outcome: `NOT caught: the audit passes. The writer's acknowledgements tell: they name ${gone} receipts that are not there`,
      isUnnoticed: true,
    };
  }));

  await report.attempt("the tail is rewritten", () => onCopy(host, async (copy) => {
    const { receipt_id, receipt_number } = findDecision(host, anchored, "DENY");
    rewriteLedger(copy, approve(receipt_id));
    await passes(copy, pins);
    const { changed, gone } = await compare(acknowledgements, copy);
    if (changed === 0 || gone > 0) throw new Error("the acknowledgements do not contradict the rewritten tail");
    return {
      did: `Un-anchored tail rewritten with the live keys: ${receipt_number}, DENY to APPROVE`,
      outcome: `NOT caught: the audit passes. The writer's acknowledgements tell: ${changed} of ${tail} receipt hashes are others now`,
      isUnnoticed: true,
    };
  }));

  await report.step("the tail is anchored", async () => {
    const daemon = await Daemon.serve(host);
    await until(async () => [...anchorNames(host, keysOf(host)).keys()].some((size) => size > anchored + tail));
    await daemon.stop();
    return "The daemon, started again, anchors the tail at once, and then stops in order";
  });
  await report.attempt("the same cut is caught", () => onCopy(host, async (copy) => {
    cutTo(copy, anchored);
    return { did: "The very same cut, after that", outcome: `caught: ${await catches(copy, pins, ({ code }) => code === "ledger_behind")}` };
  }));
  report.say("So: anchor often (anchor.schedule, anchor.max_batch), and let writers keep their acknowledgements until they are anchored.");
}

export async function wholeHost(report: Report, { host, pins }: Day): Promise<void> {
  const kept = [...anchorNames(host, keysOf(host)).values()][2]!;
  const elsewhere = join(dirname(host.folder), basename(kept));
  copyFileSync(join(host.anchors, kept), elsewhere); // the auditor, at some time before

  report.chapter("4. Root on the host, who can also write to the folder of anchors");
  await onCopy(host, async (copy) => {
    await report.attempt("ledger and anchors are both replaced", async () => {
      const { receipt_id, receipt_number } = findDecision(host, 2, "DENY");
      await rewriteAnchors(copy, rewriteLedger(copy, approve(receipt_id)));
      await passes(copy, pins);
      return {
        did: `Ledger and anchors both made anew and signed with the live keys: ${receipt_number}, DENY to APPROVE`,
        outcome: "NOT caught: nothing on this host contradicts it. A folder on the same host is a target for a demo, not WORM storage",
        isUnnoticed: true,
      };
    });
    await report.attempt("an old anchor contradicts it", async () => {
      writeFileSync(join(copy.anchors, kept), readFileSync(elsewhere), { mode: 0o444 });
      const found = await catches(copy, pins, ({ code }) => code === "fork");
      return { did: "One earlier anchor, which the auditor had copied elsewhere, is put beside them", outcome: `caught: ${found}` };
    });
  });
  report.say("So: anchors belong where this host's root cannot replace them, under a retention lock (S3 Object Lock) or with somebody else.");
  await report.attempt("the last audit passes", async () => ({ did: "The real ledger, at the end of the day", outcome: await passes(host, pins) }));
}
