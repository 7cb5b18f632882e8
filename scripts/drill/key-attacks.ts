/** Attacks with keys of the past, keys that nobody announced, and on what is anchored nowhere yet. */
import { randomUUID } from "node:crypto";
import { count } from "../../src/format/count.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { cutTo, tamper } from "../demo/attacks.ts";
import { keysOf, receiptsOf } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";
import { PLAIN } from "./auditor.ts";
import { type Acknowledged, decision, handedOver } from "./days.ts";
import { appendAs, breakRatchet, hideAnchors, hideBatches, madeUp, publishAfter, refusedWith, requireTaken, turned, victimIn } from "./hands.ts";
import { rewriteFrom, Root } from "./root.ts";
import { AUDIT, byAudit, type Ground, NotShown, onCopy, requirePass, type Shown, type Trial } from "./trial.ts";

const onDay = ({ day }: Ground): Ground["day"]["host"] => day.host;
const onSealed = ({ sealed }: Ground): Ground["day"]["host"] => sealed.host;

/** What the ledger has in the place of acknowledged receipts: null where they are all there. */
function contradicted(host: Host, kept: readonly Acknowledged[]): { readonly code: string; readonly where: string; readonly count: number } | null {
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  try {
    const wrong = kept.flatMap(({ receipt_id: id, receipt_hash: hash, receipt_number: where }) => {
      const there = reader.byId(id);
      if (there === null) return [{ code: "receipt_id", where }];
      return `sha256:${Buffer.from(there.receiptHash).toString("hex")}` === hash ? [] : [{ code: "receipt_hash", where }];
    });
    return wrong[0] === undefined ? null : { ...wrong[0], count: wrong.length };
  } finally {
    reader.close();
  }
}

/** The audit passes, before and after; what writers kept tells. */
function byAcknowledgements(code: string, attack: (copy: Host, ground: Ground) => void): Trial["run"] {
  return (ground) => onCopy(ground.day.host, async (copy): Promise<Shown> => {
    const { day, auditor, disabled } = ground;
    const kept = disabled.includes("acknowledgements") ? [] : day.acknowledged;
    if (contradicted(copy, kept) !== null) throw new NotShown("the acknowledgements contradict the untouched copy");
    attack(copy, ground);
    const found = contradicted(copy, kept);
    if (found?.code !== code) throw new NotShown(`NOT caught: the acknowledgements contradict nothing by ${code}`);
    requirePass(await auditor.ask(copy, { ...PLAIN, pins: day.host.pins }), "without the acknowledgements it");
    const says = code === "receipt_id" ? `acknowledged and not there: ${count(found.count, "receipt")}` : `acknowledged and another one now: ${count(found.count, "receipt")}`;
    return { code, where: found.where, says, notWithout: ["acknowledgements"] };
  });
}

/** A keyring as it was before the first rotation. */
function stolen(host: Host): Keyring {
  const keyring = keysOf(host);
  return { ...keyring, hmacKeys: keyring.hmacKeys.slice(0, 1) };
}

export const KEY_ATTACKS: readonly Trial[] = [
  {
    id: "tail-without-keys", attack: "What is not anchored yet is written anew without keys", caughtBy: AUDIT, artefact: "every MAC from there on",
    run: byAudit({
      host: onDay, code: "mac_mismatch", notWithout: [["keys"]],
      tamper: (copy, { day, pick }) => {
        const victim = victimIn(pick, copy, day.anchored);
        rewriteFrom(copy, victim.log_index, turned(victim), { keyring: madeUp(copy) });
      },
    }),
  },
  {
    id: "tail-rewritten", attack: "What is not anchored yet is written anew with the live key, which the host retains", caughtBy: "receiptd list, against acknowledgements", artefact: "receipt_hash, which the writer kept",
    run: byAcknowledgements("receipt_hash", (copy, { day, pick }) => {
      const victim = victimIn(pick, copy, day.anchored);
      rewriteFrom(copy, victim.log_index, turned(victim));
    }),
  },
  {
    id: "tail-cut", attack: "What is not anchored yet is cut off", caughtBy: "receiptd list, against acknowledgements", artefact: "receipt_id, which the writer kept",
    run: byAcknowledgements("receipt_id", (copy, { day, pick }) => cutTo(copy, pick.whole(day.anchored, day.anchored + day.acknowledged.length / 4))),
  },
  {
    id: "closed-epochs", attack: "Closed epochs that are not anchored are forged with all that is on the host, whose key is forward-secure", caughtBy: `${AUDIT} --seed`, artefact: "every MAC of the closed epochs",
    run: byAudit({
      host: onSealed, isProcess: true, code: "mac_mismatch", notWithout: [["seed"]],
      question: ({ sealed }) => ({ seeds: [sealed.seed] }),
      tamper: (copy, { sealed, pick }) => {
        const victim = victimIn(pick, copy, sealed.anchored, sealed.open);
        rewriteFrom(copy, victim.log_index, turned(victim));
      },
      also: async (_, ground) => {
        // the same attack where the key is retained: with all keys nobody notices
        await onCopy(ground.day.host, async (copy) => {
          const victim = victimIn(ground.pick, copy, ground.day.anchored);
          rewriteFrom(copy, victim.log_index, turned(victim));
          requirePass(await ground.auditor.ask(copy, { ...PLAIN, pins: ground.day.host.pins }), "with a retained key it");
        });
        return { notWithout: "forward-secure keys" };
      },
    }),
  },
  {
    id: "epochs-skipped", attack: "Closed epochs are cut off, and the ledger goes on under the open epoch's key (what journald took)", caughtBy: `${AUDIT} --seed`, artefact: "key_epoch, which the range of the log index gives",
    run: byAudit({
      host: onSealed, code: "epoch_mismatch", question: ({ sealed }) => ({ seeds: [sealed.seed] }),
      tamper: (copy, { sealed }) => {
        cutTo(copy, sealed.anchored);
        const { size } = appendAs(copy, { disguise: { keyEpoch: sealed.epoch } });
        tamper(copy, (db) => db.prepare("UPDATE receipt SET key_epoch = ? WHERE log_index >= ?").run(sealed.epoch, size - 2));
      },
    }),
  },
  {
    id: "older-ledger", attack: "An older ledger is put back beside a ratchet that has gone on", caughtBy: "the daemon's start", artefact: "the file ratchet",
    run: (ground) => onCopy(ground.sealed.host, async (copy) => {
      await requireTaken(ground.sealed.host);
      cutTo(copy, ground.sealed.anchored);
      return { code: "ratchet_ahead", where: "ratchet", says: await refusedWith(copy, "ratchet_ahead"), notWithout: [] };
    }),
  },
  {
    id: "ratchet-broken", attack: "The same epochs are cut off and written anew behind a ratchet_break, which the attacker has receiptd make", caughtBy: AUDIT, artefact: "the ratchet_break receipt",
    run: byAudit({
      host: onSealed, isProcess: true, code: "ratchet_break", notWithout: [["distrust of breaks"]],
      tamper: async (copy, { sealed }) => {
        const cut = receiptsOf(copy.places.ledger).filter(({ log_index: at, organization }) => at >= sealed.anchored && organization !== "_ledger").length;
        cutTo(copy, sealed.anchored);
        await breakRatchet(copy);
        const root = new Root(copy);
        root.append(...Array.from({ length: cut }, (_, n) => ({ ...decision(n), receipt_id: randomUUID() })));
        root.anchor();
        root.end();
      },
    }),
  },
  {
    id: "old-key", attack: "Somebody with a backup of the keyring from before a rotation adds receipts under the old key", caughtBy: AUDIT, artefact: "key_id, against the key_rotation receipt",
    run: byAudit({
      host: onDay, code: "key_mismatch",
      tamper: (copy) => void appendAs(copy, { disguise: { keyId: "key_v1" } }),
    }),
  },
  {
    id: "unannounced-key", attack: "The host goes on with another key without a key_rotation", caughtBy: AUDIT, artefact: "key_id, against the newest key_rotation",
    run: byAudit({
      host: onDay, code: "key_mismatch",
      tamper: (copy) => void appendAs(copy, { disguise: { keyId: "key_v9" } }),
    }),
  },
  {
    id: "rotation-undone", attack: "With the stolen key_v1 the past is written anew from the rotation on, which is left out", caughtBy: AUDIT, artefact: "the anchors' roots",
    run: byAudit({
      host: onDay, code: "log_root_mismatch", notWithout: [["anchors"]],
      tamper: (copy, { day }) => {
        const keyring = stolen(copy);
        const second = day.anchors[1]!;
        const after = receiptsOf(copy.places.ledger).filter(({ log_index: at, organization }) => at >= second && organization !== "_ledger").length;
        cutTo(copy, second);
        const root = new Root(copy, { keyring });
        root.append(...Array.from({ length: after }, (_, n) => ({ ...decision(n), receipt_id: randomUUID() })));
        root.anchor();
        root.end();
      },
    }),
  },
  {
    id: "retired-checkpoint-key", attack: "With a stolen checkpoint key, which was rotated since, another past is anchored behind its rotation, and shown without its ledger", caughtBy: `${AUDIT} --ledger-gone`, artefact: "the signatures under the anchor of the rotation",
    run: (ground) => onCopy(ground.day.host, async (copy) => {
      const [signedBy] = keysOf(copy).checkpointKeys;
      const { vkey, treeSize } = await handedOver(copy);
      return byAudit({
        host: () => ({ ...copy, pins: [...ground.day.host.pins, vkey] }), code: "retired_key", notWithout: [["newest pin"]],
        question: () => ({ ledgerGone: true }),
        tamper: async (forged, { pick }) => {
          rewriteFrom(forged, treeSize, turned(victimIn(pick, forged, treeSize)));
          hideAnchors(forged, (size) => size > treeSize);
          hideBatches(forged, treeSize);
          await publishAfter(forged, treeSize, { signedBy: signedBy!, folder: forged.anchors });
        },
      })(ground);
    }),
  },
  {
    id: "revoked-key", attack: "A key was stolen; whatever it has signed may be forged", caughtBy: `${AUDIT} --revoked`, artefact: "key_id; no anchor with a clock of its own is from before",
    run: byAudit({
      host: onDay, code: "key_revoked", notWithout: [["revocation"]],
      question: ({ day }) => ({ revoked: new Map([["key_v1", day.stolen]]) }),
      control: (question) => ({ ...question, acceptSuspect: ["key_v1"] }),
      tamper: () => undefined, // who has the key needs no hands here: nothing tells what he has signed
    }),
  },
];
