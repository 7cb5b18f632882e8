import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { targetContract } from "../contract/target.ts";
import { MemoryTarget } from "../support/memory-target.ts";

let folder: string;
let outside: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  folder = join(outside, "target");
  createDirectoryTarget(folder);
});
afterEach(() => rmSync(outside, { recursive: true, force: true }));

targetContract("a folder", async () => ({
  target: new DirectoryTarget({ name: "local", path: folder }),
  corrupt: async (name) => {
    const bytes = readFileSync(join(folder, name));
    bytes[0]! ^= 1;
    chmodSync(join(folder, name), 0o644);
    writeFileSync(join(folder, name), bytes);
  },
  remove: async (name) => rmSync(join(folder, name)),
}));

targetContract("the memory of the tests", async () => {
  const target = new MemoryTarget();
  return {
    target,
    corrupt: async (name) => {
      const { bytes, lastModified } = target.objects.get(name)!;
      target.objects.set(name, { bytes: bytes.map((byte) => byte ^ 1), lastModified });
    },
    remove: async (name) => void target.objects.delete(name),
  };
});

const BYTES = utf8("an object");
const NAME = "v1/a.example/0123/anchors/1.tlog-proof";
const make = (now?: () => number): DirectoryTarget => new DirectoryTarget({ name: "local", path: folder, ...(now === undefined ? {} : { now }) });
const temporary = (): string => `.tmp-${randomBytes(16).toString("hex")}`;

/** Names, and of objects their sizes. */
async function listed(prefix = ""): Promise<(readonly [string, number | string])[]> {
  const found: (readonly [string, number | string])[] = [];
  for await (const { name, kind, size } of make().list(prefix)) found.push([name, kind === "object" ? size : kind]);
  return found;
}

describe("a folder as a target", () => {
  test("its files cannot be written, and nothing else is left behind", async () => {
    await make().put(NAME, BYTES);
    expect(statSync(join(folder, NAME)).mode & 0o777).toBe(0o444);
    expect(statSync(join(folder, NAME)).nlink).toBe(1);
    expect(readdirSync(join(folder, dirname(NAME)))).toEqual(["1.tlog-proof"]);
  });

  test("a missing root is unavailable and is never made anew", async () => {
    rmSync(folder, { recursive: true });
    await expect(make().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable" });
    await expect(make().get({ name: NAME, versionId: "1" }, 10)).rejects.toMatchObject({ code: "target_unavailable" });
    await expect(listed()).rejects.toMatchObject({ code: "target_unavailable" });
    expect(existsSync(folder)).toBe(false);
  });

  test("a root that goes away while in use is unavailable, then found again", async () => {
    const target = make();
    await target.put(NAME, BYTES);
    renameSync(folder, `${folder}.away`);
    await expect(target.put(`${NAME}2`, BYTES)).rejects.toMatchObject({ code: "target_unavailable" });
    expect(existsSync(folder)).toBe(false);
    renameSync(`${folder}.away`, folder);
    await target.put(`${NAME}2`, BYTES);
    expect(await listed()).toHaveLength(2);
  });

  test("folders that go away while in use are made again", async () => {
    const target = make();
    await target.put(NAME, BYTES);
    rmSync(join(folder, "v1"), { recursive: true });
    await expect(target.put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable" });
    expect((await target.get(await target.put(NAME, BYTES), 100)).bytes).toEqual(BYTES);
  });

  test("a root that is a file is unavailable", async () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "");
    await expect(make().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unavailable" });
  });

  test("creating a target leaves one that is there as it is", async () => {
    await make().put(NAME, BYTES);
    createDirectoryTarget(folder);
    expect(await listed()).toEqual([[NAME, BYTES.length]]);
    createDirectoryTarget(join(outside, "a/b/c"));
    expect(statSync(join(outside, "a/b/c")).isDirectory()).toBe(true);
  });

  // What a crash leaves after each step of putting an object, by hand.
  test.each(["before the link", "after the link", "after the unlink"])("goes on where a crash was %s", async (where) => {
    const path = join(folder, NAME);
    mkdirSync(dirname(path), { recursive: true });
    const left = join(dirname(path), temporary());
    const old = (Date.now() - 120_000) / 1000;
    if (where !== "after the unlink") {
      writeFileSync(left, where === "before the link" ? "an ob" : BYTES);
      utimesSync(left, old, old);
    }
    if (where === "after the link") linkSync(left, path);
    if (where === "after the unlink") writeFileSync(path, BYTES);
    expect(await listed()).toEqual(where === "before the link" ? [] : [[NAME, BYTES.length]]);
    const version = await make().put(NAME, BYTES);
    expect((await make().get(version, 100)).bytes).toEqual(BYTES);
    expect(readdirSync(dirname(path))).toEqual(["1.tlog-proof"]);
  });

  test("removes only its own temporary files, and only old ones", async () => {
    const place = join(folder, dirname(NAME));
    mkdirSync(place, { recursive: true });
    const [stale, fresh] = [temporary(), temporary()];
    const kept = [".tmp-mine", ".tmp-0123", `${temporary()}0`, fresh];
    const now = Date.now();
    for (const name of [stale, ...kept]) writeFileSync(join(place, name), "x");
    for (const name of [stale, ...kept.slice(0, -1)]) utimesSync(join(place, name), now / 1000 - 61, now / 1000 - 61);
    utimesSync(join(place, fresh), now / 1000 - 30, now / 1000 - 30);
    await make(() => now).put(NAME, BYTES);
    expect(readdirSync(place).sort()).toEqual([...kept, "1.tlog-proof"].sort());
  });

  test.each([
    ["a symbolic link to the same bytes", (path: string) => {
      writeFileSync(join(outside, "real"), BYTES);
      symlinkSync(join(outside, "real"), path);
    }],
    ["a dangling symbolic link", (path: string) => symlinkSync(join(outside, "nowhere"), path)],
    ["a folder", (path: string) => mkdirSync(path)],
    ["a pipe", (path: string) => void execFileSync("sh", ["-c", 'mkfifo "$1"', "sh", path])],
  ])("%s under a name is never taken for an object", async (_, plant) => {
    const path = join(folder, NAME);
    mkdirSync(dirname(path), { recursive: true });
    plant(path);
    await expect(make().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_conflict" });
    await expect(make().get({ name: NAME, versionId: "1" }, 100)).rejects.toMatchObject({ code: "target_damaged" });
    expect(await listed()).toEqual(lstatSync(path).isDirectory() ? [] : [[NAME, "other"]]);
    expect(existsSync(join(outside, "nowhere"))).toBe(false);
  });

  test("a symbolic link in place of a folder is shown and not followed", async () => {
    await make().put(NAME, BYTES);
    const anchors = join(folder, dirname(NAME));
    renameSync(anchors, join(outside, "elsewhere"));
    symlinkSync(join(outside, "elsewhere"), anchors);
    await expect(make().put(`${NAME}2`, BYTES)).rejects.toMatchObject({ code: "target_damaged" });
    await expect(make().get({ name: NAME, versionId: "1" }, 100)).rejects.toMatchObject({ code: "target_damaged" });
    expect(await listed()).toEqual([[dirname(NAME), "other"]]);
    expect(readdirSync(join(outside, "elsewhere"))).toEqual(["1.tlog-proof"]);
  });

  test("shows files with any name, but not those being written", async () => {
    await make().put(NAME, BYTES);
    writeFileSync(join(folder, dirname(NAME), temporary()), "half");
    writeFileSync(join(folder, dirname(NAME), "odd name ü"), "junk");
    symlinkSync("/", join(folder, dirname(NAME), temporary()));
    expect((await listed()).map(([, size]) => size).sort()).toEqual([4, BYTES.length, "other"].sort());
    const odd = (await listed()).find(([name]) => name.includes("odd"))!;
    expect(await make().get({ name: odd[0], versionId: "1" }, 10)).toMatchObject({ bytes: utf8("junk") });
  });

  test.each([
    ["of its own temporary files", ".tmp-0123456789abcdef0123456789abcdef"],
    ["with a space", "a b"],
    ["with a newline", "a\nb"],
    ["with another letter", "ü"],
    ["of 1025 characters", "x/".repeat(512) + "y"],
  ])("does not write a name %s", async (_, name) => {
    await expect(make().put(name, BYTES)).rejects.toThrow(TypeError);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(["../secret", "a/../../secret", "a\0b"])("does not read the name %j", async (name) => {
    writeFileSync(join(outside, "secret"), "s");
    await expect(make().get({ name, versionId: "1" }, 10)).rejects.toThrow(TypeError);
  });

  test("of two that put different bytes at once one wins, and nothing is lost", async () => {
    const objects = Array.from({ length: 8 }, (_, i) => utf8(`object ${i}`));
    const results = await Promise.allSettled(objects.map((bytes) => make().put(NAME, bytes)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "target_conflict" });
    const winner = results.findIndex(({ status }) => status === "fulfilled");
    expect(readFileSync(join(folder, NAME))).toEqual(Buffer.from(objects[winner]!));
    expect(readdirSync(join(folder, dirname(NAME)))).toHaveLength(1);
  });

  // A limit on the size of files stands for a full disk: it needs no rights, and fails in the same call.
  test("a file that does not fit is unavailable, and nothing stays", () => {
    const script = `
      import { DirectoryTarget } from ${JSON.stringify(new URL("../../src/anchor/directory.ts", import.meta.url).href)};
      const target = new DirectoryTarget({ name: "small", path: process.argv[1] });
      const code = await target.put(process.argv[2], new Uint8Array(200_000)).catch((error) => error.code);
      await target.put(process.argv[2], new Uint8Array(100));
      console.log(code);`;
    const output = execFileSync("sh", ["-c", 'trap "" XFSZ; ulimit -f 64; exec "$@"', "sh", process.execPath, "--input-type=module", "-e", script, folder, NAME]);
    expect(output.toString()).toBe("target_unavailable\n");
    expect(readdirSync(join(folder, dirname(NAME)))).toEqual(["1.tlog-proof"]);
    expect(statSync(join(folder, NAME)).size).toBe(100);
  });
});
