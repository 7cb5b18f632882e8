/** What cannot be caught, by nature: each is tried, and nothing notices it. */
import { cutTo } from "../demo/attacks.ts";
import { receiptsOf } from "../demo/forge.ts";
import { decision } from "./days.ts";
import { hideAnchors, hideBatches, publishAfter, turned, victimIn } from "./hands.ts";
import { rewriteFrom, Root } from "./root.ts";
import { rewritePast, remakeAnchors } from "./target-attacks.ts";
import { type Ground, type Limit, NotShown, unnoticed } from "./trial.ts";

const onDay = ({ day }: Ground): Ground["day"]["host"] => day.host;
const HOUR = 3_600_000;

export const LIMITS: readonly Limit[] = [
  {
    id: "tail-of-retained-key", attack: "What is not anchored yet is written anew with the live, retained key; nobody has kept an acknowledgement",
    why: "nobody outside has seen it: anchor often, let writers keep acknowledgements, or use a forward-secure key",
    run: unnoticed({
      host: onDay,
      tamper: (copy, { day, pick }) => {
        const victim = victimIn(pick, copy, day.anchored);
        rewriteFrom(copy, victim.log_index, turned(victim));
      },
    }),
  },
  {
    id: "tail-gone", attack: "What is not anchored yet is cut off; nobody has kept an acknowledgement",
    why: "nobody outside has seen it: anchor often, and let writers keep acknowledgements",
    run: unnoticed({ host: onDay, tamper: (copy, { day }) => cutTo(copy, day.anchored) }),
  },
  {
    id: "forged-before-anchoring", attack: "With the live key a receipt of a decision that nobody made is appended, and anchored with the rest",
    why: "to whoever has the key of the open epoch it is a receipt like any other",
    run: unnoticed({
      host: onDay,
      tamper: async (copy, { day }) => {
        const root = new Root(copy);
        root.append(decision(1));
        root.anchor();
        root.end();
        await publishAfter(copy, day.anchored);
      },
    }),
  },
  {
    id: "open-epoch", attack: "The open epoch of a forward-secure key is written anew with the key that is on the host; the auditor has the seed",
    why: "the key of the open epoch is on the host: close epochs often",
    run: unnoticed({
      host: ({ sealed }) => sealed.host, question: ({ sealed }) => ({ seeds: [sealed.seed] }),
      tamper: (copy, { sealed, pick }) => {
        const victim = victimIn(pick, copy, sealed.open);
        rewriteFrom(copy, victim.log_index, turned(victim));
      },
    }),
  },
  {
    id: "lie-at-the-input", attack: "A writer sends a well-formed receipt that is not true, and the daemon signs it",
    why: "a ledger keeps what it was told, and who told it when: whether it is true it cannot know",
    run: async (ground) => {
      const replies = ground.day.door.get("lie")!;
      if (!replies.every((reply) => "result" in reply)) throw new NotShown("the daemon refused it");
      await unnoticed({ host: onDay, tamper: () => undefined })(ground);
    },
  },
  {
    id: "revocation-untold", attack: "A key is stolen, the key_revocation receipt is cut off before it is anchored, and nobody tells the auditor",
    why: "what a host leaves out only somebody else can say: tell auditors of a revocation by another way",
    run: unnoticed({
      host: onDay,
      tamper: (copy, { day, pick }) => {
        const root = new Root(copy);
        root.revoke("key_v1", day.stolen);
        root.end();
        const { log_index: at } = receiptsOf(copy.places.ledger).find(({ type }) => type === "key_revocation")!;
        cutTo(copy, at);
        rewriteFrom(copy, day.anchored, turned(victimIn(pick, copy, day.anchored)));
      },
    }),
  },
  {
    id: "folder-remade", attack: "Ledger and folder of anchors are both made anew with all keys; no record, no copy of an anchor, no bucket",
    why: "nothing that the attacker cannot replace has ever been outside: anchor where he cannot write, or keep a record",
    run: unnoticed({
      host: onDay,
      tamper: async (copy, ground) => {
        rewritePast(copy, ground);
        await remakeAnchors(copy);
      },
    }),
  },
  {
    id: "cut-everywhere", attack: "The newest batch is cut from the ledger, and its anchors and batches from the folder; no record",
    why: "until the promise of the next anchor has passed it looks like a ledger that is not there yet; then it is late",
    run: unnoticed({
      host: onDay,
      tamper: (copy, { day }) => {
        const kept = day.anchors[1]!;
        cutTo(copy, kept);
        hideAnchors(copy, (size) => size > kept);
        hideBatches(copy, kept);
      },
    }),
  },
  {
    id: "clock-within-bracket", attack: "The host's clock goes wrong by less than the time between two anchors, or by a year where only a folder of its own says when",
    why: "between two anchors nobody outside knows when; a folder has the host's own clock: anchor in a bucket",
    run: unnoticed({
      host: onDay,
      tamper: async (copy, { day }) => {
        const root = new Root(copy);
        for (const wrong of [HOUR, 8760 * HOUR]) {
          root.now = Date.now() + wrong;
          root.append(decision(1));
        }
        root.anchor();
        root.end();
        await publishAfter(copy, day.anchored, { folder: copy.anchors });
      },
    }),
  },
];
