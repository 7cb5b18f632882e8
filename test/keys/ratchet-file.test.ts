/** The file as a crash, a torn write or a flipped bit leaves it: a key that was stored, or none; never anything else. */
import { chmodSync, copyFileSync, linkSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RatchetState } from "../../src/keys/epoch-keys.ts";
import { KeyError } from "../../src/keys/errors.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { openRootKeyFile, type RootKey } from "../../src/keys/root-key.ts";
import { codeOf, flipped, LEDGER, overwrite, ownFolder, secretFile } from "./support.ts";

const SLOT = 512;
/** Bytes of a slot behind which there are zeros only. */
const USED = 100;
const at = ownFolder();
const root = (fill = 7): RootKey => openRootKeyFile(secretFile(at(`root-${fill}`), new Uint8Array(32).fill(fill)));
const files: RatchetFile[] = [];
const fileAt = (name = "ratchet", key = root(), ledgerId = LEDGER.ledgerId): RatchetFile => {
  const file = new RatchetFile(at(name), key, ledgerId);
  files.push(file);
  return file;
};
afterEach(async () => {
  for (const file of files.splice(0)) await file.close();
});

const stateOf = (epoch: number): RatchetState => ({ keyId: "key_v1", epoch, key: new Uint8Array(32).fill(100 + epoch) });
const slots = (image: Uint8Array): readonly [Uint8Array, Uint8Array] => [image.subarray(0, SLOT), image.subarray(SLOT, 2 * SLOT)];
const isErased = (slot: Uint8Array): boolean => slot.every((byte) => byte === 0);

/** Runs `act`; returns the order of what was done to files, with the content of `path` after each sync. */
async function watched(path: string, act: () => Promise<void>): Promise<{ readonly order: readonly string[]; readonly images: readonly Uint8Array[] }> {
  const handle = await open(path, "r");
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const order: string[] = [];
  const images: Uint8Array[] = [];
  const { write, datasync } = prototype;
  const spies = [
    vi.spyOn(prototype, "write").mockImplementation(function (this: FileHandle, ...given: unknown[]) {
      order.push("write");
      return Reflect.apply(write, this, given) as never;
    }),
    vi.spyOn(prototype, "datasync").mockImplementation(async function (this: FileHandle) {
      order.push("datasync");
      await Reflect.apply(datasync, this, []);
      images.push(readFileSync(path));
    }),
  ];
  try {
    await act();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { order, images };
}

/** The file before, between and after the two writes of a `store` of epoch 1 over epoch 0. */
async function step(): Promise<{ readonly before: Uint8Array; readonly between: Uint8Array; readonly after: Uint8Array }> {
  const file = fileAt();
  file.create(stateOf(0));
  const before = readFileSync(at("ratchet"));
  const { order, images } = await watched(at("ratchet"), () => file.store(stateOf(1)));
  expect(order).toEqual(["datasync", "write", "datasync", "write", "datasync"]); // first what a killed process may have left unsynced
  return { before, between: images[1]!, after: images[2]! };
}

function loadImage(image: Uint8Array, key = root()): RatchetState | null {
  return new RatchetFile(secretFile(at("image"), image), key, LEDGER.ledgerId).load();
}

describe("a step", () => {
  test("writes the new key beside the old one, then overwrites the old one", async () => {
    const { before, between, after } = await step();
    expect(slots(before).map(isErased)).toEqual([false, true]);
    expect(slots(between)[0]).toEqual(slots(before)[0]);
    expect(slots(between).map(isErased)).toEqual([false, false]);
    expect(slots(after)[1]).toEqual(slots(between)[1]);
    expect(slots(after).map(isErased)).toEqual([true, false]);
    expect([before, between, after].map((image) => loadImage(image))).toEqual([stateOf(0), stateOf(1), stateOf(1)]);
  });

  test("after step the other slot's turn comes, and one key is in the file", async () => {
    const file = fileAt();
    file.create(stateOf(0));
    for (let epoch = 1; epoch <= 6; epoch++) {
      await file.store(stateOf(epoch));
      expect(slots(readFileSync(at("ratchet"))).map(isErased)).toEqual(epoch % 2 === 1 ? [true, false] : [false, true]);
      expect(fileAt().load()).toEqual(stateOf(epoch));
      if (epoch === 3) await file.close(); // a close does not end it
    }
  });

  test("cut off within either write, leaves the old key or the new one, and the next step works", async () => {
    const { before, between, after } = await step();
    const key = root();
    for (const [from, to, slot] of [[before, between, 1], [between, after, 0]] as const) {
      for (let done = 0; done <= SLOT; done += done < USED ? 1 : 50) {
        const torn = Uint8Array.from(from);
        torn.set(to.subarray(slot * SLOT, slot * SLOT + done), slot * SLOT);
        const file = new RatchetFile(secretFile(at("torn"), torn), key, LEDGER.ledgerId);
        const kept = file.load();
        if (slot === 0) expect(kept).toEqual(stateOf(1));
        else expect([stateOf(0), stateOf(1)]).toContainEqual(kept);
        if (done % 25 === 1) {
          await file.store(stateOf(2));
          await file.close();
          expect(file.load()).toEqual(stateOf(2));
          expect(slots(readFileSync(at("torn"))).filter(isErased)).toHaveLength(1);
        }
      }
    }
  });

  test("taken up after a crash between the writes, overwrites the older key first", async () => {
    const { between } = await step();
    const file = new RatchetFile(secretFile(at("image"), between), root(), LEDGER.ledgerId);
    files.push(file);
    expect(file.load()).toEqual(stateOf(1));
    const { images: [, ...images] } = await watched(at("image"), () => file.store(stateOf(2)));
    expect(images.map((image) => loadImage(image))).toEqual([stateOf(2), stateOf(2)]);
    expect(slots(images[0]!)[1]).toEqual(slots(between)[1]);
    expect(slots(images[1]!).map(isErased)).toEqual([false, true]);
  });
});

describe("a damaged file", () => {
  test("one flipped bit or erased byte in a slot gives the other slot's key, or the same, never another", async () => {
    const { between } = await step();
    const key = root();
    const path = secretFile(at("image"), between);
    const file = new RatchetFile(path, key, LEDGER.ledgerId);
    const seen = { 0: new Set<number | null>(), 1: new Set<number | null>() };
    const look = (image: Uint8Array, byte: number): void => {
      overwrite(path, image);
      const state = file.load();
      if (state !== null) expect(state).toEqual(stateOf(state.epoch));
      seen[byte < SLOT ? 0 : 1].add(state?.epoch ?? null);
    };
    for (let byte = 0; byte < between.length; byte += byte % SLOT < USED ? 1 : 103) {
      for (let bit = 0; bit < 8; bit++) look(flipped(between, byte * 8 + bit), byte);
      look(Uint8Array.from(between).fill(0, byte, byte + 1), byte);
    }
    expect([...seen[0]]).toEqual([1]); // the older key's slot: nothing is lost
    expect([...seen[1]].sort()).toEqual([0, 1]);
  });

  test("cut short anywhere gives what is whole, or none, and can be written again", async () => {
    const { between } = await step();
    const key = root();
    const path = secretFile(at("image"), between);
    const used = 2 + between[0]! + between[1]!;
    expect(used).toBeLessThan(USED);
    for (let length = between.length - 1; length >= 0; length--) {
      truncateSync(path, length);
      expect(new RatchetFile(path, key, LEDGER.ledgerId).load()?.epoch ?? null).toBe(length >= SLOT + used ? 1 : length >= used ? 0 : null);
    }
    const file = new RatchetFile(path, key, LEDGER.ledgerId);
    expect(file.load()).toBeNull();
    await file.store(stateOf(3));
    await file.close();
    expect(file.load()).toEqual(stateOf(3));
  });

  test("with both slots unreadable gives none, and can be written again", async () => {
    const file = new RatchetFile(secretFile(at("image"), new Uint8Array(2 * SLOT).fill(0xaa)), root(), LEDGER.ledgerId);
    files.push(file);
    expect(file.load()).toBeNull();
    await file.store(stateOf(3));
    expect(file.load()).toEqual(stateOf(3));
  });

  test("is none of another root key or ledger", () => {
    fileAt().create(stateOf(0));
    expect(fileAt("ratchet", root(8)).load()).toBeNull();
    expect(fileAt("ratchet", root(), "f".repeat(32)).load()).toBeNull();
  });

  test.each<readonly [string, object]>([
    ["half an epoch", { epoch: 6.5 }], ["an epoch below 0", { epoch: -1 }], ["an epoch without end", { epoch: 1e300 }], ["an epoch that is text", { epoch: "7" }],
    ["a short key", { key: new Uint8Array(5) }], ["a long key", { key: new Uint8Array(33) }], ["another key id", { keyId: "K 1" }],
  ])("%s is none, even of whoever holds the root key", (_, change) => {
    fileAt().create({ ...stateOf(7), ...change });
    expect(fileAt().load()).toBeNull();
  });

  test("cannot have its epoch or key id rewritten", () => {
    fileAt().create(stateOf(0));
    const text = readFileSync(at("ratchet"), "latin1");
    for (const [from, to] of [['"epoch":0', '"epoch":9'], ["key_v1", "key_v2"]] as const) {
      expect(text).toContain(from);
      expect(loadImage(Buffer.from(text.replace(from, to), "latin1"))).toBeNull();
    }
  });
});

describe("the file", () => {
  test("that is not there gives none, and is made whole by the first step", async () => {
    const file = fileAt();
    expect(file.load()).toBeNull();
    await file.store(stateOf(4));
    expect(statSync(at("ratchet"))).toMatchObject({ size: 2 * SLOT });
    expect(statSync(at("ratchet")).mode & 0o7777).toBe(0o600);
    expect(file.load()).toEqual(stateOf(4));
    await file.store(stateOf(5));
    expect(fileAt().load()).toEqual(stateOf(5));
  });

  test("is created once, and refused when others can read it", () => {
    fileAt().create(stateOf(0));
    expect(codeOf(() => fileAt().create(stateOf(1)))).toBe("key_file_exists");
    expect(fileAt().load()).toEqual(stateOf(0));
    chmodSync(at("ratchet"), 0o640);
    expect(codeOf(() => fileAt().load())).toBe("key_file_mode");
  });

  test("is not reached through a symbolic link, neither to read nor to write", async () => {
    const victim = secretFile(at("victim"), "mine");
    symlinkSync(victim, at("ratchet"));
    expect(codeOf(() => fileAt().load())).toBe("key_file_damaged");
    await expect(fileAt().store(stateOf(1))).rejects.toBeInstanceOf(KeyError);
    expect(readFileSync(victim, "utf8")).toBe("mine");
  });

  test("takes the longest key id and the largest epoch", async () => {
    const state: RatchetState = { keyId: "k".repeat(64), epoch: Number.MAX_SAFE_INTEGER, key: new Uint8Array(32).fill(1) };
    fileAt().create(state);
    expect(fileAt().load()).toEqual(state);
  });
});

test.each(["removed", "replaced by another"])("a file that is %s while it is open is made anew: the key is where it is looked for", async (how) => {
  const file = fileAt();
  file.create(stateOf(1));
  await file.store(stateOf(2));
  rmSync(at("ratchet"));
  if (how !== "removed") fileAt().create(stateOf(9));
  await file.store(stateOf(3));
  expect(fileAt().load()).toEqual(stateOf(3));
  await file.store(stateOf(4));
  expect(fileAt().load()).toEqual(stateOf(4));
});

test.each(["moved", "moved, with a copy in its place", "removed, with a second name"])("a file that is %s while it is open keeps no key of a closed epoch", async (how) => {
  const file = fileAt();
  file.create(stateOf(1));
  await file.store(stateOf(2));
  if (how.startsWith("removed")) {
    linkSync(at("ratchet"), at("away"));
    rmSync(at("ratchet"));
  } else {
    renameSync(at("ratchet"), at("away"));
  }
  if (how.endsWith("copy in its place")) {
    copyFileSync(at("away"), at("ratchet"));
    linkSync(at("ratchet"), at("copy")); // what is left of it can be looked at
  }
  await expect(file.prepare({ ...stateOf(3), keyId: "key_v2" })).rejects.toMatchObject({ code: "key_file_missing" });
  expect(fileAt("away").load()).toEqual(stateOf(2));
  await file.store(stateOf(3));
  expect(fileAt().load()).toEqual(stateOf(3));
  for (const name of how.endsWith("copy in its place") ? ["away", "copy"] : ["away"]) expect([name, isErased(readFileSync(at(name)))]).toEqual([name, true]);
  await file.prepare({ ...stateOf(4), keyId: "key_v2" });
  expect(fileAt().load()).toMatchObject({ keyId: "key_v2", epoch: 4 });
});
