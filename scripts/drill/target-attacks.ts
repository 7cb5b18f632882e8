/** Attacks on anchors in a folder, on the clock, on the promise of the next anchor, and on whoever audits. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatTime } from "../../src/format/time.ts";
import { anchorNames, tamper } from "../demo/attacks.ts";
import { keysOf, receiptsOf } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";
import { PLAIN, targetsOf } from "./auditor.ts";
import { decision } from "./days.ts";
import { appendAs, hideAnchors, hideBatches, publishAfter, refusedWith, requireTaken, secondSigner, turned, turnInFile, victimIn } from "./hands.ts";
import { publish, rewriteFrom, Root } from "./root.ts";
import { AUDIT, byAudit, type Ground, NotShown, onCopy, requirePass, type Trial } from "./trial.ts";

const onDay = ({ day }: Ground): Ground["day"]["host"] => day.host;
const DAY = 86_400_000;
const HOUR = 3_600_000;

/** All anchors of the folder made anew from the ledger as it is now. */
export async function remakeAnchors(copy: Host, signedBy = keysOf(copy).checkpointKeys[0]!): Promise<void> {
  hideAnchors(copy, () => true);
  hideBatches(copy, 0);
  await publishAfter(copy, 0, { signedBy, folder: copy.anchors });
}

/** An anchored decision is turned, and the past from there on written anew with all keys. */
export function rewritePast(copy: Host, { day, pick }: Ground): void {
  const victim = victimIn(pick, copy, 1, day.anchors[0]);
  rewriteFrom(copy, 1, turned(victim));
}

/** More receipts that say another time than the clock did, in bytes and index. */
function appendDated(copy: Host, recordedAt: number): void {
  const { size } = appendAs(copy, { disguise: { recordedAt: formatTime(recordedAt) } });
  tamper(copy, (db) => db.prepare("UPDATE receipt SET recorded_at = ? WHERE log_index >= ?").run(recordedAt, size - 2));
}

export const TARGET_ATTACKS: readonly Trial[] = [
  {
    id: "anchor-removed", attack: "An anchor is removed from the folder", caughtBy: AUDIT, artefact: "the anchor receipt in the ledger",
    run: byAudit({
      host: onDay, code: "anchor_missing", notWithout: [["anchors"]],
      tamper: (copy, { day }) => hideAnchors(copy, (size) => size === day.anchors[1]),
    }),
  },
  {
    id: "second-signer", attack: "Past and anchors are made anew, the anchors signed by a second key, which the host says is its own", caughtBy: `${AUDIT} --trust`, artefact: "the signature under each anchor",
    run: byAudit({
      host: onDay, code: "bad_note", severity: "interference", notWithout: [["pinned keys"]],
      tamper: async (copy, ground) => {
        rewritePast(copy, ground);
        const signer = secondSigner();
        await remakeAnchors(copy, signer);
        return { hostSays: [signer.vkey] };
      },
    }),
  },
  {
    id: "fork", attack: "Past and anchors are made anew with all keys; one earlier anchor, which somebody kept, is laid beside them", caughtBy: AUDIT, artefact: "two signed roots for one size",
    run: byAudit({
      host: onDay, code: "fork",
      tamper: async (copy, ground) => {
        const [, kept] = [...anchorNames(copy, keysOf(copy))].find(([size]) => size === ground.day.anchors[1])!;
        const bytes = readFileSync(join(copy.anchors, kept));
        rewritePast(copy, ground);
        await remakeAnchors(copy);
        requirePass(await ground.auditor.ask(copy, { ...PLAIN, pins: ground.day.host.pins }), "without the anchor that was kept it");
        writeFileSync(join(copy.anchors, kept), bytes, { mode: 0o444 });
      },
      also: () => Promise.resolve({ notWithout: "the anchor that was kept" }),
    }),
  },
  {
    id: "remade-since", attack: "The same, seen by an auditor who has nothing but his record", caughtBy: `${AUDIT} --since`, artefact: "the auditor's own record",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["record"]],
      question: async ({ auditor, day }, copy) => ({ since: await auditor.record(copy, { ...PLAIN, pins: day.host.pins }) }),
      tamper: async (copy, ground) => {
        rewritePast(copy, ground);
        await remakeAnchors(copy);
      },
    }),
  },
  {
    id: "second-daemon", attack: "The ledger is copied, one daemon goes on with it and anchors, and another one is started on the copy", caughtBy: "the daemon, before it publishes", artefact: "the signed anchor of the other at the target",
    run: (ground) => onCopy(ground.day.host, (copy) => onCopy(ground.day.host, async (clone) => {
      const root = new Root(clone);
      root.append(decision(1));
      root.anchor();
      root.end();
      await publish(clone.places.ledger, root.keyring, targetsOf(copy)[0]!, { after: ground.day.anchored });
      await requireTaken(ground.day.host);
      const own = new Root(copy); // what the other one goes on with
      own.append(...Array.from({ length: 4 }, (_, n) => decision(n)));
      own.end();
      const says = await refusedWith(copy, "forked");
      await publish(clone.places.ledger, root.keyring, targetsOf(clone)[0]!, { after: ground.day.anchored });
      requirePass(await ground.auditor.ask(clone, { ...PLAIN, pins: ground.day.host.pins }), "each at a target of its own it");
      return { code: "forked", where: "the target", says, notWithout: ["one target for both"] };
    })),
  },
  {
    id: "other-ids", attack: "Junk and copies of anchors are put under other ids of the origin, to be taken for ledgers", caughtBy: AUDIT, artefact: "nothing of it counts: no pinned key has signed another ledger",
    run: (ground) => onCopy(ground.day.host, async (copy) => {
      const { origin, ledgerId } = keysOf(copy);
      const own = join(copy.anchors, "v1", origin, ledgerId, "anchors");
      for (let n = 0; n < 20; n++) {
        const other = own.replace(ledgerId, n.toString(16).padStart(32, "0"));
        mkdirSync(other, { recursive: true });
        for (const file of readdirSync(own)) {
          if (n % 2 === 0) copyFileSync(join(own, file), join(other, file));
          else writeFileSync(join(other, file), "junk");
        }
      }
      const answer = await ground.auditor.ask(copy, { ...PLAIN, pins: ground.day.host.pins });
      requirePass(answer, "junk that proves nothing");
      return { code: "no finding", where: "the folder", says: answer.sentence, notWithout: [] };
    }),
  },
  {
    id: "anchoring-stopped", attack: "The host anchors no more, or newer anchors are withheld", caughtBy: `${AUDIT}, an hour later`, artefact: "next_anchor_by of the newest anchor",
    run: byAudit({
      host: onDay, code: "anchor_late", notWithout: [["time"], ["anchors"]],
      control: (question) => ({ ...question, later: 0 }), question: () => ({ later: HOUR }), tamper: () => undefined,
    }),
  },
  {
    id: "clock-back", attack: "The host's clock is turned back a day", caughtBy: AUDIT, artefact: "the clock_step receipt that the ledger itself writes",
    run: byAudit({
      host: onDay, code: "recorded_before_observed", severity: "note", isIt: ({ message }) => message.includes("the ledger records clock steps"), tamper: (copy) => void appendAs(copy, {}, Date.now() - DAY),
    }),
  },
  {
    id: "clock-back-hidden", attack: "Receipts are backdated by a day, and no clock_step is written", caughtBy: AUDIT, artefact: "recorded_at, which falls",
    run: byAudit({ host: onDay, code: "time_backwards", tamper: (copy) => appendDated(copy, Date.now() - DAY) }),
  },
  {
    id: "changed-after-audit", attack: "An old receipt is changed after an audit, and the next one reads what is new only", caughtBy: `${AUDIT} --since --all-receipts`, artefact: "the receipt's MAC; its batch's root",
    run: byAudit({
      host: onDay, code: "mac_mismatch", notWithout: [["all receipts"]],
      question: async ({ auditor, day }, copy) => ({ since: await auditor.record(copy, { ...PLAIN, pins: day.host.pins }), allReceipts: true }),
      tamper: (copy, { day, pick }) => turnInFile(copy, victimIn(pick, copy, 1, day.anchors[0], (one) => one.org_seq > 1), "bytes"),
    }),
  },
  {
    id: "target-read", attack: "Whoever reads the folder of anchors looks for what was decided on", caughtBy: "nothing is there to be read", artefact: "anchors and batches hold hashes",
    run: (ground) => onCopy(ground.day.host, async (copy) => {
      const canary = JSON.stringify(receiptsOf(copy.places.ledger).at(-1)!["inputs"]).slice(1, 20);
      const isIn = (path: string): boolean => readFileSync(path).includes(canary);
      const files = readdirSync(copy.anchors, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      if (files.length === 0 || files.some(isIn)) throw new NotShown("an object at the target holds what was decided on");
      if (!isIn(copy.places.ledger) && !isIn(`${copy.places.ledger}-wal`)) throw new NotShown("not even the ledger holds it: it was looked for in vain");
      return { code: "no finding", where: "the folder", says: `none of ${files.length} objects holds an input; the ledger does`, notWithout: [] };
    }),
  },
];
