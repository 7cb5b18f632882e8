/** Checkpoint keys that take turns, as the publisher signs with them: which key signs what, with what is gone, and with what somebody has kept. */
import { afterEach, describe, expect, test } from "vitest";
import { checkpointText } from "../../src/anchor/objects.ts";
import type { Progress } from "../../src/anchor/publisher.ts";
import { Signers } from "../../src/anchor/signers.ts";
import { parseCheckpoint } from "../../src/format/checkpoint.ts";
import { parseNote, parseVkey, signNote } from "../../src/format/note.ts";
import { TestLedger } from "../support/ledger.ts";
import type { MemoryTarget } from "../support/memory-target.ts";
import { publish } from "../support/publish.ts";
import { Bench, contents, periodsOf } from "./support.ts";

let bench: Bench;
afterEach(() => bench.dispose());

const isAnchored = (size: number) => (progress: Progress): boolean => progress.anchoredSize >= size;
/** Who has signed each anchor in the outbox, as places in the keyring. */
const signedBy = (...sizes: readonly number[]): readonly (readonly number[])[] => {
  const outbox = bench.outbox();
  const keyIds = bench.ledger.keyring.checkpointKeys.map(({ vkey }) => parseVkey(vkey).keyId);
  return sizes.map((size) => parseNote(outbox.note(size)!).signatures.map(({ keyId }) => keyIds.indexOf(keyId)));
};
/** Without the private keys of those that were rotated away. */
const overwritten = (): Signers => new Signers(periodsOf(bench.ledger.keyring).map((period, i, all) => (i < all.length - 1 ? { ...period, key: null } : period)));

/** 4 anchors, of which the second and the third begin with another key. */
async function rotated(): Promise<{ readonly target: MemoryTarget; readonly sizes: readonly [number, number, number, number] }> {
  bench = new Bench({ batches: [2] });
  const target = bench.memory();
  const first = bench.anchored();
  const second = bench.ledger.rotateCheckpoint("second");
  const third = bench.ledger.rotateCheckpoint("third");
  bench.ledger.append(2);
  const fourth = bench.ledger.anchor();
  return { target, sizes: [first, second, third, fourth] };
}

describe("signing", () => {
  test("each anchor by the key whose turn it is, those of the rotations by both, the old one first", async () => {
    const { target, sizes } = await rotated();
    const { publisher, until } = bench.publisher([target]);
    await publisher.start();
    await until(isAnchored(sizes[3]));
    expect(signedBy(...sizes)).toEqual([[0], [0, 1], [1, 2], [2]]);
    expect(await contents(target)).toEqual(await bench.expected());
  });

  test("goes on with a key that comes while it runs", async () => {
    bench = new Bench({ batches: [2] });
    const target = bench.memory();
    const signers = new Signers(periodsOf(bench.ledger.keyring));
    const { publisher, until } = bench.publisher([target], { signers });
    await publisher.start();
    await until(isAnchored(bench.anchored()));
    const first = bench.ledger.rotateCheckpoint("second");
    const [, next] = periodsOf(bench.ledger.keyring);
    signers.add({ vkey: next!.vkey, first, signer: new Signers([{ ...next!, first: 0 }]).at(bench.reader(), 4)![0]! });
    publisher.closed(first);
    bench.ledger.append(1);
    const second = bench.ledger.anchor();
    publisher.closed(second);
    await until(isAnchored(second));
    expect(signedBy(first, second)).toEqual([[0, 1], [1]]);
    expect(await contents(target)).toEqual(await bench.expected());
  });

  test("an outbox that was lost gets what nobody can sign any more from the targets, and publishes nothing anew", async () => {
    const { target, sizes } = await rotated();
    await publish(bench.ledger, target);
    const before = await contents(target);
    const { publisher, until } = bench.publisher([target, bench.memory("second")], { signers: overwritten() });
    await publisher.start();
    await until(isAnchored(sizes[3]));
    expect([signedBy(...sizes), await contents(target)]).toEqual([[[0], [0, 1], [1, 2], [2]], before]);
  });

  test("where no target has it, nothing is signed, and it is said what to do", async () => {
    const { target, sizes } = await rotated();
    const { publisher, until } = bench.publisher([target], { signers: overwritten() });
    await publisher.start();
    expect((await until(({ signerError }) => signerError !== null)).signerError).toMatch(new RegExp(`the anchor of ${sizes[0]} receipts was rotated away and overwritten, and no target`));
    expect(publisher.status().signedSize).toBe(0);
  });

  test.each<readonly [string, (keys: Bench["ledger"]["keyring"]["checkpointKeys"]) => Bench["ledger"]["keyring"]["checkpointKeys"]]>([
    ["that does not know the newest key", (keys) => keys.slice(0, 2)],
    ["that knows the first key only", (keys) => keys.slice(0, 1)],
    ["that has a key for which there is no receipt", (keys) => [...keys, { ...keys[0]!, vkey: keys[0]!.vkey, after: 99 }]],
  ])("a keyring %s: nothing is signed, whether or not an outbox tells", async (what, change) => {
    const { target } = await rotated();
    const signers = (): Signers => new Signers(periodsOf({ ...bench.ledger.keyring, checkpointKeys: change(bench.ledger.keyring.checkpointKeys) }));
    if (!what.includes("receipt")) {
      const { publisher, until } = bench.publisher([target], { signers: signers() });
      await publisher.start();
      await expect(until(() => false)).rejects.toMatchObject({ code: "publisher_failed", message: expect.stringMatching(/put the newest backup of the keyring in its place/) as unknown });
      await publisher.stop(100);
    }
    const right = bench.publisher([target]);
    await right.publisher.start();
    await right.until(isAnchored(bench.anchored()));
    await right.stop();
    const again = bench.publisher([target], { signers: signers() });
    if (what.includes("receipt")) await again.publisher.start(); // it is never its turn
    else await expect(again.publisher.start()).rejects.toMatchObject({ code: "publisher_failed" });
  });
});

test("an outbox whose newest anchor both keys have signed tells of a newer keyring; one that a retired key has signed, of an older one", async () => {
  bench = new Bench({ batches: [2] });
  const target = bench.memory();
  const rotation = bench.ledger.rotateCheckpoint("second");
  const both = bench.publisher([target]);
  await both.publisher.start();
  await both.until(isAnchored(rotation));
  await both.stop();
  const [first] = periodsOf(bench.ledger.keyring);
  const older = bench.publisher([target], { signers: new Signers([first!]) });
  await expect(older.publisher.start()).rejects.toMatchObject({ code: "publisher_failed", message: expect.stringMatching(/put the newest backup of the keyring in its place/) as unknown });
  bench.ledger.append(1);
  const next = bench.ledger.anchor();
  const outbox = bench.outbox();
  const text = checkpointText(bench.reader(), next);
  outbox.reserve([{ treeSize: next, root: parseCheckpoint(text).root }]);
  outbox.saveNotes([{ treeSize: next, note: await signNote(text, ...new Signers([first!]).at(bench.reader(), next)!) }]);
  const right = bench.publisher([target]);
  await expect(right.publisher.start()).rejects.toMatchObject({ code: "publisher_failed", message: expect.stringMatching(/rotated away before.*receiptd init --outbox.*receiptd audit/) as unknown });
});

describe("what somebody has signed with a key that was rotated away", () => {
  /** Another past, published by the first key up to the anchor of so many receipts behind the first one. */
  async function withForged(receipts: number, goesOn: boolean): Promise<Progress> {
    bench = new Bench({ batches: [2] });
    const [target, theirs] = [bench.memory(), bench.memory("theirs")];
    const first = bench.anchored();
    bench.ledger.rotateCheckpoint("second");
    if (goesOn) {
      bench.ledger.append(2);
      bench.ledger.anchor();
    }
    await publish(bench.ledger, target);
    const forged = new TestLedger({ batches: [2, receipts] });
    await publish(forged, theirs, { after: first });
    forged.remove();
    for (const [name, object] of theirs.objects) if (name.includes("/anchors/")) target.objects.set(name, object);
    const { publisher } = bench.publisher([target]);
    await publisher.start();
    return publisher.status();
  }

  test.each([[4], [40]])("behind its last anchor it is somebody's junk, and stops nothing: %i receipts", async (receipts) => {
    expect(await withForged(receipts, true)).toMatchObject({ comparison: { state: "ok" }, targets: [{ interference: 1 }] });
  });

  test("under its last anchor it is another past", async () => {
    expect(await withForged(1, false)).toMatchObject({ comparison: { state: "forked" } });
  });
});
