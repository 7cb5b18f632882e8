/** What every anchor target must do (src/anchor/target.ts), whatever it is made of. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import type { AnchorTarget, TargetVersion } from "../../src/anchor/target.ts";

export interface TargetUnderTest {
  /** Empty. */
  readonly target: AnchorTarget;
  /** Changes a byte of what is stored under the name, where the place lets anybody do that. */
  readonly corrupt?: (name: string) => Promise<void>;
  /** Removes what is stored under the name, where the place lets anybody do that. */
  readonly remove?: (name: string) => Promise<void>;
  readonly dispose?: () => Promise<void>;
}

const ROOT = "v1/contract.example/log/0123456789abcdef0123456789abcdef/";
const anchor = (n: number): string => `${ROOT}anchors/${String(n).padStart(20, "0")}-${"ab".repeat(32)}.tlog-proof`;
const A = utf8("the first object\n");
const B = utf8("another object\n");

async function all(list: AsyncIterable<TargetVersion>): Promise<TargetVersion[]> {
  const versions: TargetVersion[] = [];
  for await (const version of list) versions.push(version);
  return versions;
}

export function targetContract(name: string, make: () => Promise<TargetUnderTest>): void {
  describe(`${name} keeps the contract of a target`, () => {
    let it: TargetUnderTest;
    beforeEach(async () => { it = await make(); });
    afterEach(async () => { await it.dispose?.(); });
    const names = async (prefix: string, after?: string): Promise<string[]> => (await all(it.target.list(prefix, after))).map((version) => version.name);

    test("what was put is got and listed, as the same version", async () => {
      const version = await it.target.put(anchor(1), A);
      expect(version).toMatchObject({ name: anchor(1), size: A.length });
      expect(Number.isInteger(version.lastModified)).toBe(true);
      expect(await it.target.get(version, A.length)).toEqual(A);
      expect(await all(it.target.list(ROOT))).toEqual([version]);
    });

    test("2 MB come back as they were", async () => {
      const bytes = Uint8Array.from({ length: 65_536 * 35 }, (_, i) => (i * 31 + (i >> 8)) % 256);
      const version = await it.target.put(`${ROOT}batches/large`, bytes);
      expect(Buffer.compare(await it.target.get(version, bytes.length), bytes)).toBe(0);
    });

    test("putting the same again is a success and leaves these bytes under every version of the name", async () => {
      await it.target.put(anchor(1), A);
      const again = await it.target.put(anchor(1), A);
      expect(await it.target.get(again, A.length)).toEqual(A);
      for (const version of await all(it.target.list(ROOT))) expect(await it.target.get(version, A.length)).toEqual(A);
    });

    test("other bytes under a name are a conflict, and what is there stays", async () => {
      const version = await it.target.put(anchor(1), A);
      await expect(it.target.put(anchor(1), B)).rejects.toMatchObject({ code: "target_conflict" });
      expect(await it.target.get(version, A.length)).toEqual(A);
    });

    test("different names are put at the same time", async () => {
      const sizes = [3, 1, 2, 5, 4];
      for (const size of sizes) await it.target.put(anchor(size), A);
      const got = await Promise.all(sizes.map((size) => it.target.list(anchor(size))).map(all));
      expect(got.map((versions) => versions.length)).toEqual([1, 1, 1, 1, 1]);
    });

    test("lists in the order of names, from a prefix on, after a name", async () => {
      const inOrder = [`${ROOT}a-b`, `${ROOT}a.b`, `${ROOT}a/b`, `${ROOT}a/b.c`, `${ROOT}a/c/d`, `${ROOT}a0`, anchor(2), anchor(10), `${ROOT}b/a`];
      for (const one of [...inOrder].reverse()) await it.target.put(one, A);
      await it.target.put("v1/contract.example/log2/x", A);
      await it.target.put("v1/contract.example/lo", A);
      expect(await names(ROOT)).toEqual(inOrder);
      expect(await names(`${ROOT}a/`)).toEqual(inOrder.slice(2, 5));
      expect(await names(`${ROOT}a/b`)).toEqual(inOrder.slice(2, 4));
      expect(await names(`${ROOT}anchors/0000000000000000001`)).toEqual([anchor(10)]);
      expect(await names(`${ROOT}nothing/`)).toEqual([]);
      for (const [i, one] of inOrder.entries()) expect(await names(ROOT, one)).toEqual(inOrder.slice(i + 1));
      expect(await names(`${ROOT}anchors/`, `${ROOT}anchors/${"0".repeat(18)}03`)).toEqual([anchor(10)]);
      expect(await names(`${ROOT}a/`, `${ROOT}b`)).toEqual([]);
      expect(await names(`${ROOT}b/`, ROOT)).toEqual([`${ROOT}b/a`]);
      expect(await names("")).toHaveLength(inOrder.length + 2);
    });

    test("a listing may be left early", async () => {
      for (const size of [1, 2, 3]) await it.target.put(anchor(size), A);
      for await (const version of it.target.list(ROOT)) {
        expect(version.name).toBe(anchor(1));
        break;
      }
      expect(await names(ROOT)).toHaveLength(3);
    });

    test("what is not there is missing", async () => {
      const version = await it.target.put(anchor(1), A);
      await expect(it.target.get({ name: anchor(2), versionId: version.versionId }, 100)).rejects.toMatchObject({ code: "target_missing" });
      await expect(it.target.get({ name: anchor(1), versionId: "no-such-version" }, 100)).rejects.toMatchObject({ code: "target_missing" });
    });

    test("more bytes than expected are not read", async () => {
      const version = await it.target.put(anchor(1), A);
      await expect(it.target.get(version, A.length - 1)).rejects.toMatchObject({ code: "target_damaged" });
    });

    test.each(["../x", "a/../../x", "/etc/x", "a//b", "./a", "a/.", ""])("the name %j is refused", async (bad) => {
      await expect(it.target.put(bad, A)).rejects.toThrow(TypeError);
      expect(await names("")).toEqual([]);
    });

    test("bytes changed behind its back are not taken for those that were put", async (context) => {
      if (it.corrupt === undefined) return context.skip();
      const version = await it.target.put(anchor(1), A);
      await it.corrupt(anchor(1));
      await expect(it.target.put(anchor(1), A)).rejects.toMatchObject({ code: "target_conflict" });
      const got = await it.target.get(version, 100).catch(() => null);
      expect(got).not.toEqual(A);
    });

    test("what was removed behind its back is missing, and can be put again", async (context) => {
      if (it.remove === undefined) return context.skip();
      const version = await it.target.put(anchor(1), A);
      await it.remove(anchor(1));
      await expect(it.target.get(version, 100)).rejects.toMatchObject({ code: "target_missing" });
      expect(await names(ROOT)).toEqual([]);
      expect(await it.target.get(await it.target.put(anchor(1), A), 100)).toEqual(A);
    });
  });
}
