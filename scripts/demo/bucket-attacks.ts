/** What the lock of a bucket is good for: every way to undo an anchor with all the rights there are, and a ledger lost with its host. */
import { rmSync } from "node:fs";
import { basename } from "node:path";
import { audit, catches, caughtIn, compare, passes } from "./auditor.ts";
import type { Bucket, StoredVersion } from "./bucket.ts";
import type { Day } from "./day.ts";
import { forgetSigned, keysOf, rewriteLedger } from "./forge.ts";
import { Daemon, json, lines, receiptd, until } from "./processes.ts";
import type { Report } from "./report.ts";
import { findDecision, onCopy, refuses } from "./tampering.ts";

/** With the credentials of the bucket's owner; what can be taken back is taken back after each step. */
export async function bucketAttacks(report: Report, { host, pins }: Day, bucket: Bucket): Promise<void> {
  const anchors = await bucket.anchors();
  const victim = anchors[Math.floor(anchors.length / 2)]!;
  const fileOf = ({ key }: StoredVersion): string => basename(key).replace(/^0*/, "…").slice(0, 16);
  const file = fileOf(victim);

  report.chapter("3. Tampering with the bucket, as its owner with all rights");
  await report.attempt("a locked version is not removed", async () => {
    const [removed, shortened] = [await bucket.destroy(victim), await bucket.shorten(victim)];
    if (removed === null || shortened === null) throw new Error("the server lets locked versions be removed: it is not WORM");
    return { did: `Anchor ${file}: its version deleted, its retention shortened, both past governance`, outcome: `refused: ${removed}, ${shortened}` };
  });
  // what S3 allows is done all at once, to different names, and audited once
  const covered = anchors[Math.floor(anchors.length / 2) - 1]!;
  const squatted = victim.key.replace(/anchors\/\d{20}-[0-9a-f]{64}/, `anchors/${"9".repeat(15).padStart(20, "0")}-${"0".repeat(64)}`);
  const audited = (async () => {
    const added = [await bucket.hide(victim), await bucket.store(covered.key, "another anchor"), await bucket.store(squatted, "mine")];
    const found = await audit(host, pins);
    for (const version of added) await bucket.destroy(version);
    return found;
  })();
  const caught = async (expected: string, key: string): Promise<string> =>
    caughtIn(await audited, ({ severity, code, object }) => severity === "interference" && code === expected && object?.name === key);
  await report.attempt("delete marker", async () => ({
    did: `Anchor ${file} hidden under a delete marker, which S3 allows`, outcome: `caught, and it counts all the same: ${await caught("delete_marker", victim.key)}`,
  }));
  await report.attempt("extra version", async () => ({
    did: `Anchor ${fileOf(covered)} covered by a newer version with other bytes, which S3 allows`, outcome: `caught, and it counts all the same: ${await caught("name_mismatch", covered.key)}`,
  }));
  await report.attempt("squatted name", async () => ({
    did: "The name of an anchor to come is taken in advance", outcome: `caught, and it keeps nothing out: ${await caught("name_mismatch", squatted)}`,
  }));

  report.chapter("4. Root on the host, with all of its keys");
  await report.attempt("the ledger is replaced", () => onCopy(host, async (copy) => {
    const { receipt_id, receipt_number } = findDecision(host, 2, "DENY");
    rewriteLedger(copy, (receipt, sent) => receipt.receipt_id === receipt_id ? [{ ...sent, decision: { action: "APPROVE", score: 0.99 } }] : [sent]);
    const found = await catches(copy, pins, ({ code }) => code === "log_root_mismatch");
    forgetSigned(copy.places.outbox, keysOf(copy));
    await refuses(copy, "forked");
    return {
      did: `The whole ledger made anew and signed with the live keys: ${receipt_number}, DENY to APPROVE`,
      outcome: `caught: the anchors are where root on this host cannot replace them: ${found}; and a daemon started on it refuses receipts`,
    };
  }));
}

export async function lostAndRestored(report: Report, { host, pins, acknowledgements, anchored, tail }: Day, bucket: Bucket): Promise<void> {
  report.chapter("5. The host is lost");
  let daemon = await Daemon.serve(host);
  await until(async () => (await bucket.anchors()).some(({ key }) => Number(/\/anchors\/(\d{20})-/.exec(key)?.[1]) > anchored + tail));
  await daemon.stop();
  await report.step("the ledger is restored", async () => {
    for (const file of [host.places.ledger, `${host.places.ledger}-wal`, `${host.places.ledger}-shm`, host.places.outbox]) rmSync(file, { force: true });
    const { code, stdout, stderr } = await receiptd(host, "restore", "--from", "archive", "--trust", pins);
    if (code !== 0) throw new Error(`restore ended with ${code}: ${stderr.trim() || stdout.trim()}`);
    const { same, changed, gone } = await compare(acknowledgements, host);
    if (changed + gone > 0) throw new Error(`${gone} acknowledged receipts are gone and ${changed} changed`);
    return { did: "The ledger is deleted, and rebuilt from the bucket's archive with the keyring from its backup", outcome: `all ${same} acknowledged receipts are back. ${await passes(host, pins)}` };
  });
  await report.step("it goes on", async () => {
    daemon = await Daemon.serve(host);
    const [receipt] = await lines<{ readonly receipt_number: string }>(host, "append", "--system", "demo", "--decision", '"APPROVE"', "--inputs", "{}");
    await json(host, "anchor");
    await daemon.stop();
    return { did: "The daemon goes on with the restored ledger", outcome: `${receipt!.receipt_number} is acknowledged; ${await passes(host, pins)}` };
  });
  await report.attempt("the provider destroys an anchor", async () => {
    const anchors = await bucket.anchors();
    const victim = anchors[1]!;
    if (!bucket.destroyAsProvider(victim)) return "The provider destroys an anchor: not shown, since this server is not ours";
    const found = await catches(host, pins, ({ severity, code }) => severity === "violation" && (code === "anchor_missing" || code === "version_missing"));
    return { did: "The provider, whom no lock binds, destroys an anchor", outcome: `caught: ${found}` };
  });
}
