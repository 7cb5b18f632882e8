/** Attacks on the ledger's files, without keys and with all of them, under anchors that the attacker cannot replace. */
import { createHash, randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { cutTo, deleteReceipt, swapReceipts } from "../demo/attacks.ts";
import { forgetSigned, keysOf, receiptsOf } from "../demo/forge.ts";
import { PLAIN } from "./auditor.ts";
import { decision } from "./days.ts";
import { editBytes, hideAnchors, hideBatches, madeUp, publishAfter, refusedWith, replaceLedger, requireTaken, turned, turnInFile, victimIn } from "./hands.ts";
import { rewriteFrom, Root } from "./root.ts";
import { AUDIT, byAudit, type Ground, type Trial } from "./trial.ts";

const onDay = ({ day }: Ground): Ground["day"]["host"] => day.host;

export const LEDGER_ATTACKS: readonly Trial[] = [
  {
    id: "edited", attack: "A decision is edited in the file, and its hash in the index made right", caughtBy: AUDIT, artefact: "the receipt's MAC; the batch's root",
    run: byAudit({
      host: onDay, isProcess: true, code: "mac_mismatch",
      tamper: (copy, ground) => turnInFile(copy, victimIn(ground.pick, copy, 1, ground.day.anchored)),
    }),
  },
  {
    id: "edited-newest", attack: "The newest receipt, anchored nowhere, is edited without a key, and its hash in the index made right", caughtBy: AUDIT, artefact: "the receipt's MAC",
    run: byAudit({
      host: onDay, code: "mac_mismatch", notWithout: [["keys"]],
      tamper: (copy) => turnInFile(copy, receiptsOf(copy.places.ledger).at(-1)!),
    }),
  },
  {
    id: "deleted", attack: "A receipt is deleted, index and bytes", caughtBy: AUDIT, artefact: "the log index",
    run: byAudit({
      host: onDay, code: "receipt_missing",
      tamper: (copy, ground) => deleteReceipt(copy, victimIn(ground.pick, copy, 1, ground.day.anchored).log_index),
    }),
  },
  {
    id: "swapped", attack: "Two receipts change places, index and bytes", caughtBy: AUDIT, artefact: "the log index in the signed bytes",
    run: byAudit({
      host: onDay, code: "log_index_gap",
      tamper: (copy, ground) => {
        const { log_index: at } = victimIn(ground.pick, copy, 1, ground.day.anchors[0]! - 3);
        swapReceipts(copy, at, at + 1);
      },
    }),
  },
  {
    id: "relinked", attack: "The past from one receipt on is written anew without keys: chain, numbers, index, roots, all right but the MACs", caughtBy: AUDIT, artefact: "every MAC from there on; the anchors' roots",
    run: byAudit({
      host: onDay, code: "mac_mismatch", notWithout: [["keys", "anchors"]],
      tamper: (copy, ground) => {
        const victim = victimIn(ground.pick, copy, 1, ground.day.anchored);
        rewriteFrom(copy, victim.log_index, turned(victim), { keyring: madeUp(copy) });
      },
    }),
  },
  {
    id: "rewritten", attack: "With all keys of the host: one anchored decision is turned, and all that follows signed and chained anew", caughtBy: AUDIT, artefact: "the anchors' roots",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy, ground) => {
        const victim = victimIn(ground.pick, copy, 1, ground.day.anchored);
        rewriteFrom(copy, 1, turned(victim));
      },
    }),
  },
  {
    id: "inserted", attack: "With the live key a receipt is forged into what is anchored", caughtBy: AUDIT, artefact: "the anchors' roots",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy, ground) => {
        const victim = victimIn(ground.pick, copy, 1, ground.day.anchored);
        rewriteFrom(copy, 1, (receipt, sent) => (receipt.receipt_id === victim.receipt_id ? [{ ...decision(1), receipt_id: randomUUID() }, sent] : [sent]));
      },
    }),
  },
  {
    id: "batch-removed", attack: "With all keys one anchored batch is emptied, the rest written anew, and its anchor taken out of the folder", caughtBy: AUDIT, artefact: "the roots of the anchors after it",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy, ground) => {
        const [first, second] = ground.day.anchors as readonly [number, number];
        rewriteFrom(copy, 1, ({ log_index: at }, sent) => (at >= first && at < second ? [] : [sent]));
        hideAnchors(copy, (size) => size === second);
      },
    }),
  },
  {
    id: "cut", attack: "The ledger is cut before its newest anchor, or an older backup put back", caughtBy: `${AUDIT}; the daemon's start`, artefact: "the newest anchor",
    run: byAudit({
      host: onDay, code: "ledger_behind", notWithout: [["anchors"]],
      tamper: (copy, ground) => {
        cutTo(copy, ground.day.anchors[1]! + 1);
        forgetSigned(copy.places.outbox, keysOf(copy));
      },
      also: async (copy, { day }) => {
        await requireTaken(day.host);
        return { says: await refusedWith(copy, "ledger_behind") };
      },
    }),
  },
  {
    id: "cut-with-anchors", attack: "The newest batch is cut from the ledger, and its anchors hidden", caughtBy: `${AUDIT} --since`, artefact: "the auditor's own record",
    run: byAudit({
      host: onDay, code: "ledger_behind", notWithout: [["record"]],
      question: async ({ auditor, day }, copy) => ({ since: await auditor.record(copy, { ...PLAIN, pins: day.host.pins }) }),
      tamper: (copy, ground) => {
        const kept = ground.day.anchors[1]!;
        cutTo(copy, kept);
        hideAnchors(copy, (size) => size > kept);
        hideBatches(copy, kept);
      },
    }),
  },
  {
    id: "replaced", attack: "With the checkpoint key: another past under a new ledger id, with anchors of its own beside the old ones", caughtBy: AUDIT, artefact: "the signed anchors of the other id",
    run: byAudit({
      host: onDay, code: "ledger_replaced", question: () => ({ isCopy: true }), notWithout: [["anchors"]], tamper: replaceLedger,
    }),
  },
  {
    id: "replaced-alone", attack: "The same where the old anchors are not shown any more", caughtBy: `${AUDIT} --ledger-id`, artefact: "the id that the auditor noted",
    run: byAudit({
      host: onDay, code: "ledger_mismatch", notWithout: [["ledger id"]],
      question: ({ day }) => ({ isCopy: true, ledgerId: keysOf(day.host).ledgerId }),
      tamper: async (copy) => {
        const { ledgerId, origin } = keysOf(copy);
        await replaceLedger(copy);
        rmSync(join(copy.anchors, "v1", origin, ledgerId), { recursive: true });
      },
    }),
  },
  {
    id: "moved", attack: "A receipt is moved to another organization in the file, its hash in the index made right", caughtBy: AUDIT, artefact: "the receipt's MAC, under its organization's key",
    run: byAudit({
      host: onDay, code: "mac_mismatch",
      tamper: (copy, ground) => {
        const { log_index: at, organization } = victimIn(ground.pick, copy, 1, ground.day.anchored);
        editBytes(copy, at, (text) => text.replace(`"organization":"${organization}"`, `"organization":"${organization === "hr" ? "loans" : "hr"}"`));
      },
    }),
  },
  {
    id: "moved-with-keys", attack: "With all keys a receipt is moved to another organization, and both chains made right", caughtBy: AUDIT, artefact: "the anchors' roots",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy, ground) => {
        const victim = victimIn(ground.pick, copy, 1, ground.day.anchored);
        rewriteFrom(copy, 1, ({ receipt_id }, sent) => [receipt_id === victim.receipt_id ? { ...sent, organization: victim.organization === "hr" ? "loans" : "hr" } : sent]);
      },
    }),
  },
  {
    id: "hidden-organization", attack: "With all keys an organization is taken out, and all that follows made right", caughtBy: AUDIT, artefact: "the anchors' roots",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy) => { rewriteFrom(copy, 1, ({ organization }, sent) => (organization === "hr" ? [] : [sent])); },
    }),
  },
  {
    id: "hidden-head", attack: "A host that is not honest anchors a tree whose list of organizations leaves one out", caughtBy: AUDIT, artefact: "org_heads_root of the anchor receipt",
    run: byAudit({
      host: onDay, code: "org_heads_mismatch",
      tamper: async (copy, ground) => {
        const root = new Root(copy);
        root.anchor((details) => ({ ...details, org_heads_root: `sha256:${createHash("sha256").update("without hr").digest("hex")}` }));
        root.end();
        await publishAfter(copy, ground.day.anchored);
      },
    }),
  },
];
