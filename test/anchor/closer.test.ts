/** Closing batches faster than the ratchet is stored: the file is never far behind, and nothing is signed before it is there. */
import { afterEach, expect, test } from "vitest";
import { BatchCloser } from "../../src/anchor/closer.ts";
import type { RatchetState } from "../../src/keys/epoch-keys.ts";
import type { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { type Fixture, fixture } from "../support/fixture.ts";

const made: Fixture[] = [];
afterEach(() => { for (const one of made.splice(0)) one.remove(); });

/** A closer whose ratchet stores one state at a time, each when `store` is called. */
function slow() {
  const f = fixture();
  made.push(f);
  const stored: { readonly epoch: number; readonly key: Uint8Array }[] = [];
  const signable: number[] = [];
  const waiting: (() => void)[] = [];
  const ratchet = {
    store: async (state: RatchetState): Promise<void> => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      stored.push({ epoch: state.epoch, key: Uint8Array.from(state.key) });
    },
  } as unknown as RatchetFile;
  const writer = f.open();
  const closer = new BatchCloser({
    writer, keys: f.keys, ratchet, maxBatch: 100, heartbeat: 1000, grace: 0, observed: () => [], signable: (size) => void signable.push(size),
    fatal: (error) => { throw error; },
  });
  const store = async (): Promise<void> => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { f, closer, writer, stored, signable, store };
}

test("of batches that are closed meanwhile, the newest one's key is stored for all of them", async () => {
  const { f, closer, writer, stored, signable, store } = slow();
  const first = closer.close("request").treeSize;
  await new Promise((resolve) => setImmediate(resolve)); // it is being stored now
  const sizes = Array.from({ length: 20 }, () => closer.close("request").treeSize);
  expect([stored, signable]).toEqual([[], []]);
  await store();
  expect([stored.map(({ epoch }) => epoch), signable]).toEqual([[1], [first]]);
  await store();
  await closer.settled();
  expect([stored.map(({ epoch }) => epoch), signable]).toEqual([[1, writer.epoch], [first, sizes.at(-1)]]);
  expect(stored[1]!.key).toEqual(f.keys.state.key);
});

test("a batch is not signed before its ratchet is stored", async () => {
  const { closer, signable, store } = slow();
  const { treeSize } = closer.close("request");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(signable).toEqual([]);
  await store();
  await closer.settled();
  expect(signable).toEqual([treeSize]);
});
