/** Reading ahead: far-away targets are asked for several objects at once, and never for more than fits. */
import { describe, expect, it } from "vitest";
import { setImmediate as turn } from "node:timers/promises";
import { type StoredObject, TargetError, type TargetVersion } from "../../src/anchor/target.ts";
import { fetchVersions } from "../../src/audit/objects.ts";
import { VersionedTarget } from "../support/versioned-target.ts";

async function fetched(sizes: readonly number[], most: number): Promise<{ readonly names: readonly string[]; readonly atOnce: number; readonly bytes: number }> {
  const target = new VersionedTarget();
  let [now, atOnce, held, bytes] = [0, 0, 0, 0];
  target.get = async ({ name }): Promise<StoredObject> => {
    const size = sizes[Number(name)]!;
    atOnce = Math.max(atOnce, ++now);
    held += Math.min(size, most);
    bytes = Math.max(bytes, held);
    await turn();
    now--;
    return { bytes: new Uint8Array(1), lastModified: 0, retention: null };
  };
  async function* versions(): AsyncGenerator<TargetVersion> {
    for (const [i, size] of sizes.entries()) {
      await turn();
      yield { name: String(i), versionId: "v", kind: "object", lastModified: 0, size, etag: null, isMultipart: false };
    }
  }
  const names: string[] = [];
  for await (const { version } of fetchVersions(target, versions(), most, () => null)) {
    names.push(version.name);
    held -= Math.min(sizes[Number(version.name)]!, most);
  }
  return { names, atOnce, bytes };
}

const order = (length: number): string[] => Array.from({ length }, (_, i) => String(i));

describe("versions are fetched ahead", () => {
  it("small ones, 32 at a time at most, in order", async () => {
    const target = new VersionedTarget();
    const versions = order(100).map((name): TargetVersion => ({ name, versionId: target.store(name, new Uint8Array(9)).versionId, kind: "object", lastModified: 0, size: 9, etag: null, isMultipart: false }));
    let [asked, answered, most] = [0, 0, 0];
    const get = target.get.bind(target);
    target.get = async (version, bytes) => {
      most = Math.max(most, ++asked - answered);
      return await get(version, bytes);
    };
    const names: string[] = [];
    for await (const { version } of fetchVersions(target, (async function* all() { yield* versions; })(), 10, () => null)) {
      answered++;
      names.push(version.name);
    }
    expect([names, most]).toEqual([order(100), 32]);
  });

  it("large ones by their bytes: 8 MiB, or one", async () => {
    const large = await fetched(Array.from({ length: 20 }, () => 3 << 20), 4 << 20);
    expect(large.names).toEqual(order(20));
    expect(large.bytes).toBeLessThanOrEqual(8 << 20);
    const huge = await fetched([20 << 20, 20 << 20], 20 << 20);
    expect([huge.atOnce, huge.bytes]).toEqual([1, 20 << 20]);
  });

  it("a store that is away for a moment is asked again; one that stays away is not waited for", async () => {
    const target = new VersionedTarget();
    const version = { name: "a", versionId: target.store("a", new Uint8Array(1)).versionId, kind: "object", lastModified: 0, size: 1, etag: null, isMultipart: false } as const;
    let failures = 2;
    target.beforeGet = () => {
      if (failures-- > 0) throw new TargetError("target_unavailable", "away");
    };
    const read = async (): Promise<number> => {
      let count = 0;
      for await (const { stored } of fetchVersions(target, (async function* one() { yield version; })(), 10, () => null)) count += "bytes" in stored ? 1 : 0;
      return count;
    };
    expect(await read()).toBe(1);
    failures = 3;
    await expect(read()).rejects.toThrow("away");
  });
});
