/** The archive: parts of a batch, the spool they wait in, and what a crash between its steps leaves. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Archive } from "../../src/anchor/archive.ts";
import { ArchiveError, checkRecipients, MAX_PART_BYTES, packReceipts, unpackReceipts } from "../../src/anchor/archive-object.ts";
import { anchorRowAt, batchObject, type PublishedObject } from "../../src/anchor/objects.ts";
import { type AnchorTarget, TargetError } from "../../src/anchor/target.ts";
import { parseObjectName } from "../../src/format/names.ts";
import { Bench, contents, LEDGER } from "./support.ts";

/** A process that dies: from the n-th call on nothing is done any more. */
const death = { after: Number.POSITIVE_INFINITY, calls: 0 };
const { mkdir, readdir, rename, rm, open } = promises;
beforeAll(() => {
  const dying = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => async (...args: A): Promise<R> => {
    if (death.calls++ >= death.after) throw Object.assign(new Error("dead"), { code: "EIO" });
    return await call(...args);
  };
  Object.assign(promises, {
    mkdir: dying(mkdir), readdir: dying(readdir), rename: dying(rename), rm: dying(rm),
    open: dying(async (...args: Parameters<typeof open>) => {
      const handle = await open(...args);
      for (const name of ["writeFile", "sync"] as const) {
        const call = handle[name].bind(handle) as (...args: unknown[]) => Promise<void>;
        Object.assign(handle, { [name]: dying(call) });
      }
      return handle;
    }),
  });
  syncBuiltinESMExports();
});
afterAll(() => {
  Object.assign(promises, { mkdir, readdir, rename, rm, open });
  syncBuiltinESMExports();
});

const benches: Bench[] = [];
function bench(options: ConstructorParameters<typeof Bench>[0] = {}): Bench {
  const made = new Bench(options);
  benches.push(made);
  return made;
}
afterEach(async () => {
  death.after = Number.POSITIVE_INFINITY;
  while (benches.length > 0) await benches.pop()!.dispose();
});

/** All parts of the ledger's anchors, in order. */
async function partsOf(on: Bench, archive: Archive): Promise<PublishedObject[]> {
  const reader = on.reader();
  const parts: PublishedObject[] = [];
  for (const row of reader.anchors(0, 100)) {
    const batch = batchObject(reader, row);
    if (batch !== null) for await (const part of archive.parts(row.firstIndex, batch.bytes)) parts.push({ ...part, bytes: Uint8Array.from(part.bytes) });
  }
  return parts;
}

const folderOf = (on: Bench): string => join(on.ledger.dir, "archive");
const archiveOf = (on: Bench, recipients: readonly string[] = []): Archive => new Archive(on.reader(), { folder: folderOf(on), recipients });

/** Blobs of the ledger from the parts, which must follow one another without a gap within each batch. */
async function unpacked(parts: readonly PublishedObject[], identities: readonly string[] = []): Promise<Map<number, Uint8Array>> {
  const blobs = new Map<number, Uint8Array>();
  for (const { name, bytes } of parts) {
    const parsed = parseObjectName(LEDGER, name);
    if (parsed.kind !== "receipts") throw new Error("another kind");
    const lines = await unpackReceipts(bytes, parsed.isEncrypted, identities);
    expect(lines).toHaveLength(parsed.lastIndex - parsed.firstIndex + 1);
    lines.forEach((line, i) => blobs.set(parsed.firstIndex + i, line));
  }
  return blobs;
}

describe("an object", () => {
  test("gives back what was packed, whatever it is", async () => {
    const line = fc.uint8Array({ maxLength: 60 }).filter((bytes) => !bytes.includes(10));
    await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      const back = await unpackReceipts(await packReceipts(lines, []), false, []);
      expect(back.map((one) => [...one])).toEqual(lines.map((one) => [...one]));
    }), { numRuns: 50 });
  });

  test("that was flipped in any byte is damaged, or holds something else", async () => {
    const lines = [Buffer.from('{"a":1}'), Buffer.from('{"b":2}')];
    const identity = await generateX25519Identity();
    for (const recipients of [[], [await identityToRecipient(identity)]]) {
      const bytes = await packReceipts(lines, recipients);
      for (let at = 0; at < bytes.length; at++) {
        const flipped = bytes.slice();
        flipped[at]! ^= 1 << (at % 8);
        const back = await unpackReceipts(flipped, recipients.length > 0, [identity]).catch((error: unknown) => error);
        if (back instanceof ArchiveError) expect(["archive_damaged", "archive_encrypted"]).toContain(back.code);
        else expect((back as Uint8Array[]).map(String)).toEqual(lines.map((one) => String(Uint8Array.from(one)))); // a byte of gzip's header that means nothing
      }
    }
  });

  test("that unpacks to more than a part can hold is refused", async () => {
    const bomb = await packReceipts([new Uint8Array(MAX_PART_BYTES)], []);
    expect(bomb.length).toBeLessThan(10_000);
    await expect(unpackReceipts(bomb, false, [])).rejects.toMatchObject({ code: "archive_damaged" });
    await expect(unpackReceipts(await packReceipts([], []), false, [])).rejects.toMatchObject({ code: "archive_damaged" });
  });

  test("whose age header has more stanzas or bytes than any of ours is damaged, with or without an identity", async () => {
    const identity = await generateX25519Identity();
    const packed = Buffer.from(await packReceipts([Buffer.from("{}")], [await identityToRecipient(identity)]));
    const [start] = packed.toString("latin1").split("--- ");
    const stanza = start!.slice(start!.indexOf("-> "));
    const withStanzas = (stanzas: string): Buffer => Buffer.concat([Buffer.from(start! + stanzas), packed.subarray(start!.length)]);
    const wrong = { code: "archive_damaged" };
    for (const identities of [[], [identity]]) {
      await expect(unpackReceipts(withStanzas(stanza.repeat(64)), true, identities)).rejects.toMatchObject({ ...wrong, message: expect.stringContaining("65 recipients") as string });
      await expect(unpackReceipts(withStanzas(`-> x\n${`${"A".repeat(64)}\n`.repeat(600)}AA\n`), true, identities)).rejects.toMatchObject({ ...wrong, message: expect.stringContaining("age header") as string });
      await expect(unpackReceipts(Buffer.from("junk"), true, identities)).rejects.toMatchObject(wrong);
    }
    await expect(unpackReceipts(withStanzas(stanza.repeat(63)), true, [])).rejects.toMatchObject({ code: "archive_encrypted" });
  });

  test("may be encrypted to as many recipients of any kind as can be set", async () => {
    const identities = await Promise.all(Array.from({ length: 16 }, () => generateHybridIdentity()));
    const bytes = await packReceipts([Buffer.from("{}")], await Promise.all(identities.map((one) => identityToRecipient(one))));
    expect(await unpackReceipts(bytes, true, identities.slice(-1))).toHaveLength(1);
  });

  test("that is encrypted opens to its identity only", async () => {
    const [mine, other] = [await generateX25519Identity(), await generateX25519Identity()];
    const bytes = await packReceipts([Buffer.from("{}")], [await identityToRecipient(mine)]);
    expect((await unpackReceipts(bytes, true, [other, mine])).map(String)).toEqual(["{}"]);
    await expect(unpackReceipts(bytes, true, [other])).rejects.toMatchObject({ code: "archive_encrypted" });
    await expect(unpackReceipts(bytes, true, [])).rejects.toMatchObject({ code: "archive_encrypted" });
    await expect(checkRecipients(["age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"])).rejects.toMatchObject({ code: "bad_recipient" });
    const mistaken = await checkRecipients([" AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"]).catch((error: unknown) => error);
    expect(mistaken).toMatchObject({ code: "bad_recipient" });
    expect((mistaken as Error).cause).toBeUndefined();
    expect(String(mistaken)).not.toContain("1QQP");
  });
});

describe("parts", () => {
  test("hold every receipt but the anchors, byte for byte", async () => {
    const on = bench({ batches: [5, 0, 700], tail: 3 });
    const blobs = await unpacked(await partsOf(on, archiveOf(on)));
    const reader = on.reader();
    const anchored = reader.newestAnchor()!.treeSize;
    for (let at = 0; at < anchored; at++) {
      const isAnchor = anchorRowAt(reader, at + 1) !== null;
      expect(blobs.has(at), String(at)).toBe(!isAnchor);
      if (!isAnchor) expect(Buffer.compare(blobs.get(at)!, reader.byIndex(at)!.blob!)).toBe(0);
    }
    expect(Math.max(...blobs.keys())).toBeLessThan(anchored);
  });

  test("are cut at 8 MiB of receipts", async () => {
    const on = bench();
    on.ledger.append(20, (n) => ({ inputs: { n, text: "x".repeat(1_000_000) } }));
    on.ledger.anchor();
    const parts = await partsOf(on, archiveOf(on));
    expect(parts).toHaveLength(3);
    const blobs = await unpacked(parts);
    expect(blobs.size).toBe(21);
    for (const { name } of parts) {
      const parsed = parseObjectName(LEDGER, name) as { firstIndex: number; lastIndex: number };
      let bytes = 0;
      for (let at = parsed.firstIndex; at <= parsed.lastIndex; at++) bytes += blobs.get(at)!.length + 1;
      expect(bytes).toBeLessThanOrEqual(MAX_PART_BYTES);
    }
  });

  test("are not made of a receipt that was changed", async () => {
    const on = bench({ batches: [5] });
    const reader = on.reader();
    const batch = batchObject(reader, reader.anchors(0, 1)[0]!)!;
    on.ledger.close();
    on.ledger.forge(3, (text) => text.replace("APPROVE", "DENY"));
    const parts: { readonly name: string }[] = [];
    for await (const part of archiveOf(on).parts(0, batch.bytes)) parts.push(part);
    expect(parts.map(({ name }) => parseObjectName(LEDGER, name))).toMatchObject([{ firstIndex: 0, lastIndex: 2 }, { firstIndex: 4, lastIndex: 5 }]); // the others are
    on.ledger.reopen();
  });
});

describe("the spool", () => {
  test("gives the same encrypted bytes again, also to another process, until they are released", async () => {
    const on = bench({ batches: [5, 5] });
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const archive = archiveOf(on, recipients);
    const first = await partsOf(on, archive);
    expect(first[0]!.name).toMatch(/\.ndjson\.gz\.age$/);
    expect(await partsOf(on, archive)).toEqual(first);
    const next = archiveOf(on, recipients);
    expect(await partsOf(on, next)).toEqual(first);
    expect((await unpacked(first, [identity])).size).toBe(11);
    const files = readdirSync(folderOf(on));
    expect(files).toHaveLength(2);
    expect(statSync(join(folderOf(on), files[0]!)).mode & 0o777).toBe(0o600);
    expect(statSync(folderOf(on)).mode & 0o777).toBe(0o700);
    await next.release(7);
    expect(readdirSync(folderOf(on))).toHaveLength(1);
    const again = await partsOf(on, archiveOf(on, recipients));
    expect([again[0]!.name === first[0]!.name, again[1]!.name === first[1]!.name]).toEqual([false, true]);
  });

  test("does not give what was meant for others, or is damaged", async () => {
    const on = bench({ batches: [5] });
    const [one, other] = [await identityToRecipient(await generateX25519Identity()), await identityToRecipient(await generateX25519Identity())];
    const [first] = await partsOf(on, archiveOf(on, [one]));
    const [second] = await partsOf(on, archiveOf(on, [other]));
    expect(second!.name).not.toBe(first!.name);
    const [plain] = await partsOf(on, archiveOf(on));
    expect(plain!.name).toMatch(/\.ndjson\.gz$/);
    const [file] = readdirSync(folderOf(on));
    const path = join(folderOf(on), file!);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.of(0)]));
    expect((await partsOf(on, archiveOf(on)))[0]).toEqual(plain);
    expect(readFileSync(path)).toHaveLength(plain!.bytes.length);
  });

  test("that cannot be used is tried again and is not fatal", async () => {
    const on = bench({ batches: [5] });
    const archive = archiveOf(on);
    writeFileSync(folderOf(on), "a file in its place");
    await expect(partsOf(on, archive)).rejects.toMatchObject({ code: "archive_failed", fatal: false });
    rmSync(folderOf(on));
    expect(await partsOf(on, archive)).toHaveLength(1);
  });

  test("after a death at any step: what a target was given is given again", async () => {
    const recipients = [await identityToRecipient(await generateX25519Identity())];
    const on = bench({ batches: [3] });
    death.calls = 0;
    await partsOf(on, archiveOf(on, recipients));
    const steps = death.calls;
    expect(steps).toBeGreaterThan(6);
    for (let after = 0; after <= steps; after++) {
      rmSync(folderOf(on), { recursive: true });
      [death.calls, death.after] = [0, after];
      const given = await partsOf(on, archiveOf(on, recipients)).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "archive_failed" });
        return [];
      });
      death.after = Number.POSITIVE_INFINITY;
      const again = await partsOf(on, archiveOf(on, recipients));
      expect(again).toHaveLength(1);
      if (given.length > 0) expect(again).toEqual(given);
      expect(readdirSync(folderOf(on)), String(after)).toHaveLength(1); // nothing that was cut is left
    }
  });
});

describe("published", () => {
  test("before the batch and its anchor, the same to every target, and the spool is emptied when all have it", async () => {
    const on = bench({ batches: [5, 0, 5] });
    const recipients = [await identityToRecipient(await generateX25519Identity())];
    const [a, b] = [on.memory("a"), on.memory("b")];
    let isDown = true;
    b.before = () => { if (isDown) throw new TargetError("target_unavailable", "down"); };
    const first = on.publisher([a, b], { archive: archiveOf(on, recipients) });
    await first.publisher.start();
    await first.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    expect(readdirSync(folderOf(on))).toHaveLength(2);
    await first.stop();
    isDown = false;
    const second = on.publisher([a, b], { archive: archiveOf(on, recipients) });
    await second.publisher.start();
    await second.until(({ targets }) => targets.every(({ confirmed }) => confirmed?.treeSize === on.anchored()));
    expect(b.stored).toEqual(a.stored);
    const kinds = a.stored.map((name) => parseObjectName(LEDGER, name).kind);
    expect(kinds).toEqual(["receipts", "batch", "anchor", "anchor", "receipts", "batch", "anchor"]);
    await vi.waitFor(() => expect(readdirSync(folderOf(on))).toEqual([]));
  });

  test("also for anchors that are there already, when the target is given another name", async () => {
    const on = bench({ batches: [5, 6] });
    const target = on.memory("first");
    const before = on.publisher([target]);
    await before.publisher.start();
    await before.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    await before.stop();
    const anchors = [...target.stored];
    const renamed: AnchorTarget = { name: "second", trustedTime: true, retain: null, put: (...args) => target.put(...args), get: (...args) => target.get(...args), list: (...args) => target.list(...args) };
    const after = on.publisher([renamed], { archive: archiveOf(on) });
    await after.publisher.start();
    await after.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    expect(target.stored.slice(0, anchors.length)).toEqual(anchors);
    expect(target.stored.slice(anchors.length).map((name) => parseObjectName(LEDGER, name).kind)).toEqual(["receipts", "receipts"]);
  });

  test("to a real folder", async () => {
    const on = bench({ batches: [600, 600] });
    const target = on.directory("local");
    const running = on.publisher([target], { archive: archiveOf(on) });
    await running.publisher.start();
    await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    const objects = [...await contents(target)].filter(([name]) => name.endsWith(".gz")).map(([name, bytes]) => ({ name, bytes }));
    expect((await unpacked(objects)).size).toBe(1201);
  });

  test("not at all while the spool's disk is full, and goes on afterwards", async () => {
    const on = bench({ batches: [5] });
    const memory = on.memory();
    writeFileSync(folderOf(on), "");
    const running = on.publisher([memory], { archive: archiveOf(on) });
    await running.publisher.start();
    await running.until(({ targets }) => targets[0]!.lastError?.code === "local");
    expect(memory.stored).toEqual([]);
    rmSync(folderOf(on));
    await running.until(({ targets }) => targets[0]!.confirmed?.treeSize === on.anchored());
    expect(memory.stored).toHaveLength(3);
  });
});
