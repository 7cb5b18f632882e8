/** Attacks on anchors in a bucket with Object Lock: as its owner with all rights, as root with all keys, as the provider; and on clocks and keys, of which a bucket knows the time. */
import { setTimeout as sleep } from "node:timers/promises";
import { anchorsPrefix } from "../../src/anchor/objects.ts";
import { cutTo } from "../demo/attacks.ts";
import { forgetSigned, keysOf, receiptsOf } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";
import { PLAIN, targetsOf } from "./auditor.ts";
import type { Anchored } from "./buckets.ts";
import { decision } from "./days.ts";
import { publishAfter, refusedWith, turned, victimIn } from "./hands.ts";
import { publish, rewriteFrom, Root } from "./root.ts";
import { AUDIT, byAudit, type Ground, type Limit, NotShown, onCopy, requirePass, type Trial, unnoticed } from "./trial.ts";

const DAY = 86_400_000;
const YEAR = 365 * DAY;
/** ms; a bucket's times have seconds. */
const A_SECOND = 1_100;

type Tamper = (world: Anchored, copy: Host, ground: Ground) => Promise<unknown>;

/** A trial on a bucket of its own. */
function inBucket(tamper: Tamper, plan: Omit<Parameters<typeof byAudit>[0], "host" | "tamper">): Trial["run"] {
  return async (ground) => {
    const world = await ground.buckets!.fresh();
    return await byAudit({ ...plan, host: () => world, tamper: async (copy, given) => { await tamper(world, copy, given); } })(ground);
  };
}

async function closeBatchAt(copy: Host, { sizes }: Anchored, now: number): Promise<void> {
  const root = new Root(copy);
  root.now = now;
  root.append(decision(1), decision(3));
  root.observed = await newestAt(copy);
  root.anchor();
  root.end();
  await publishAfter(copy, sizes.at(-1)!);
}

/** What the daemon would have seen at the target. */
async function newestAt(copy: Host): Promise<Root["observed"]> {
  const [target] = targetsOf(copy);
  const { details } = receiptsOf(copy.places.ledger).findLast(({ type }) => type === "anchor") as unknown as { readonly details: { readonly observed: Root["observed"] } };
  let newest: Root["observed"] = details.observed;
  for await (const { name, versionId, lastModified } of target!.list(anchorsPrefix(keysOf(copy)))) {
    newest = [{ target: target!.name, tree_size: Number(/\/anchors\/(\d{20})-/.exec(name)![1]), version_id: versionId, last_modified: new Date(lastModified).toISOString() }];
  }
  return newest;
}

export const BUCKET_ATTACKS: readonly Trial[] = [
  {
    id: "lock-broken", needs: "bucket", attack: "The bucket's owner removes a locked version, and shortens its lock", caughtBy: "the server", artefact: "the lock, in mode COMPLIANCE",
    run: async ({ buckets, auditor }) => {
      const world = await buckets!.fresh();
      const [victim] = await world.bucket.anchors();
      const [removed, shortened] = [await world.bucket.destroy(victim!), await world.bucket.shorten(victim!)];
      if (removed === null || shortened === null) throw new NotShown("the server lets locked versions be removed: it is not WORM");
      requirePass(await auditor.ask(world, { ...PLAIN, pins: world.pins }), "the bucket afterwards");
      if (await world.bucket.destroy(await world.bucket.store("unlocked", "mine")) !== null) throw new NotShown("without a lock it is refused, too");
      return { code: "403", where: "the bucket", says: `${removed}, ${shortened}`, notWithout: ["a lock"] };
    },
  },
  {
    id: "delete-marker", needs: "bucket", attack: "The newest anchor is hidden under a delete marker", caughtBy: AUDIT, artefact: "the listing of versions; what is hidden counts",
    run: inBucket(async ({ bucket }) => bucket.hide((await bucket.anchors()).at(-1)!), { code: "delete_marker", severity: "interference" }),
  },
  {
    id: "extra-version", needs: "bucket", attack: "An anchor is covered by a newer version with other bytes", caughtBy: AUDIT, artefact: "the hash in the object's name; what is covered counts",
    run: inBucket(async ({ bucket }) => bucket.store((await bucket.anchors())[1]!.key, "another anchor"), { code: "name_mismatch", severity: "interference" }),
  },
  {
    id: "squatted-name", needs: "bucket", attack: "The name of an anchor to come is taken in advance", caughtBy: AUDIT, artefact: "the hash in the object's name",
    run: inBucket(async ({ bucket }) => bucket.store((await bucket.anchors())[0]!.key.replace(/anchors\/\d{20}-[0-9a-f]{64}/, `anchors/${"9".repeat(15).padStart(20, "0")}-${"0".repeat(64)}`), "mine"), {
      code: "name_mismatch", severity: "interference",
    }),
  },
  {
    id: "in-parts", needs: "bucket", attack: "An anchor is sent once more in parts, which would give it an earlier time", caughtBy: AUDIT, artefact: "the ETag, which says so",
    run: inBucket(async ({ bucket }) => bucket.storeInParts((await bucket.anchors())[1]!.key, "in parts"), { code: "multipart_version", severity: "interference" }),
  },
  {
    id: "unlocked", needs: "bucket", attack: "A host that is not honest uploads the next anchor without a lock, to remove it later", caughtBy: AUDIT, artefact: "the version's retention",
    run: inBucket(async ({ bucket, sizes }, copy) => {
      const root = new Root(copy);
      root.anchor();
      root.end();
      await publishAfter(copy, sizes.at(-1)!, { put: ({ name, bytes }) => bucket.store(name, bytes) });
    }, { code: "lock_missing" }),
  },
  {
    id: "ledger-remade", needs: "bucket", attack: "With all keys the whole ledger is made anew; the bucket is out of reach", caughtBy: `${AUDIT}; the daemon's start`, artefact: "the locked anchors' roots",
    run: inBucket(async (_, copy, { pick }) => {
      rewriteFrom(copy, 1, turned(victimIn(pick, copy, 1, 5)));
      forgetSigned(copy.places.outbox, keysOf(copy));
    }, { code: "log_root_mismatch", notWithout: [["anchors"]], also: async (copy) => ({ says: await refusedWith(copy, "forked") }) }),
  },
  {
    id: "another-past", needs: "bucket", attack: "The same, and the other past's anchors are signed and put into the bucket, locked", caughtBy: AUDIT, artefact: "two signed roots for one size, both locked",
    run: inBucket(async ({ sizes }, copy, { pick }) => {
      rewriteFrom(copy, 1, turned(victimIn(pick, copy, 1, 5)));
      await publish(copy.places.ledger, keysOf(copy), targetsOf(copy)[0]!, { after: sizes[0]! - 1 });
    }, { code: "fork", notWithout: [["anchors"]] }),
  },
  {
    id: "provider", needs: "provider", attack: "The provider, whom no lock binds, destroys an anchor", caughtBy: AUDIT, artefact: "the anchor receipt in the ledger, and the anchors after it",
    run: inBucket(async ({ bucket }) => bucket.destroyAsProvider((await bucket.anchors())[1]!), { code: "anchor_missing", notWithout: [["anchors"]] }),
  },
  {
    id: "clock-forward", needs: "bucket", attack: "The host's clock is turned forward a year", caughtBy: AUDIT, artefact: "the bucket's own time of the anchor",
    run: inBucket((world, copy) => closeBatchAt(copy, world, Date.now() + YEAR), {
      code: "recorded_after_anchor", notWithout: [["anchors"]],
      also: (_, { day, auditor }) => onCopy(day.host, async (copy) => {
        const root = new Root(copy);
        root.now = Date.now() + YEAR;
        root.append(decision(1));
        root.anchor();
        root.end();
        await publishAfter(copy, day.anchored, { folder: copy.anchors });
        requirePass(await auditor.ask(copy, { ...PLAIN, pins: day.host.pins }), "in a folder with the host's own clock it");
        return { notWithout: "a bucket" };
      }),
    }),
  },
  {
    id: "clock-back-in-bucket", needs: "bucket", attack: "The host's clock is turned back a day", caughtBy: AUDIT, artefact: "the bucket's own time of the anchor before",
    run: inBucket((world, copy) => closeBatchAt(copy, world, Date.now() - DAY), { code: "recorded_before_observed", notWithout: [["anchors"]] }),
  },
  {
    id: "backdated", needs: "bucket", attack: "Receipts are forged with a stolen key and dated before the theft, in a batch that is anchored after it", caughtBy: `${AUDIT} --revoked`, artefact: "the bucket's own time of the anchor over them",
    run: async (ground) => {
      const world = await ground.buckets!.fresh();
      const covered = world.sizes.at(-1)!;
      cutTo(world, covered); // all of the key is anchored when it is stolen
      await sleep(A_SECOND);
      const stolen = Date.now();
      await sleep(A_SECOND);
      return await byAudit({
        host: () => world, code: "key_revoked", notWithout: [["revocation"]], question: () => ({ revoked: new Map([["key_v1", stolen]]) }),
        isIt: ({ message }) => message.includes(`receipts ${covered} to`) || message.startsWith("3 receipts"),
        tamper: (copy) => closeBatchAt(copy, world, stolen - A_SECOND),
      })(ground);
    },
  },
];

export const BUCKET_LIMITS: readonly Limit[] = [
  {
    id: "provider-with-host", needs: "provider", attack: "The provider destroys the newest anchor with its batch, the host cuts the ledger before them; no record",
    why: "who could contradict them is gone: a second target elsewhere, or an auditor's record, speaks against both",
    run: async (ground) => {
      const world = await ground.buckets!.fresh();
      const kept = world.sizes.at(-2)!;
      await unnoticed({
        host: () => world,
        tamper: async (copy) => {
          cutTo(copy, kept);
          for (const version of await world.bucket.versions()) {
            const from = Number(/\/(?:anchors|batches)\/(\d{20})-/.exec(version.key)![1]);
            if (from > kept || (version.key.includes("/batches/") && from === kept)) world.bucket.destroyAsProvider(version);
          }
        },
      })(ground);
    },
  },
];
