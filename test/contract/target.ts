/** What every anchor target must do (src/anchor/target.ts), whatever it is made of. */
import { beforeEach, describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { type AnchorTarget, lockProblem, type TargetVersion, type VersionName } from "../../src/anchor/target.ts";

interface TargetUnderTest {
  /** Empty. */
  readonly target: AnchorTarget;
  /** Removes what is stored under the name for good, as whoever runs the place can. */
  readonly remove: (name: string) => Promise<void>;
}

/** A place where a name has one version. */
export interface NamesUnderTest extends TargetUnderTest {
  /** Changes a byte of what is stored under the name. */
  readonly corrupt: (name: string) => Promise<void>;
}

/** A place where a name may have several versions, each of which stays what it is. */
export interface VersionsUnderTest extends TargetUnderTest {
  /** Puts a delete marker on top of the name. */
  readonly hide: (name: string) => Promise<void>;
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

export function targetContract(name: string, make: () => Promise<NamesUnderTest>): void {
  describe(`${name} keeps the contract of a target`, () => {
    let it: NamesUnderTest;
    beforeEach(async () => { it = await make(); });
    common(() => it, true);

    test("other bytes under a name are a conflict, and what is there stays", async () => {
      const version = await it.target.put(anchor(1), A);
      await expect(it.target.put(anchor(1), B)).rejects.toMatchObject({ code: "target_conflict" });
      expect((await it.target.get(version, A.length)).bytes).toEqual(A);
      expect(await all(it.target.list(ROOT))).toHaveLength(1);
    });

    test("bytes changed behind its back are not taken for those that were put", async () => {
      const version = await it.target.put(anchor(1), A);
      await it.corrupt(anchor(1));
      await expect(it.target.put(anchor(1), A)).rejects.toMatchObject({ code: "target_conflict" });
      const got = await it.target.get(version, A.length).catch(() => null);
      expect(got?.bytes).not.toEqual(A);
    });
  });
}

/** `isOurs`: whoever runs the place, and can remove what is locked, is at hand. */
export function versionsContract(name: string, make: () => Promise<VersionsUnderTest>, isOurs: boolean): void {
  describe(`${name} keeps the contract of a target with versions`, () => {
    let it: VersionsUnderTest;
    beforeEach(async () => { it = await make(); });
    common(() => it, isOurs);

    test("putting the same again answers with the version that is there", async () => {
      const version = await it.target.put(anchor(1), A);
      expect(await it.target.put(anchor(1), A)).toEqual(version);
      expect(await all(it.target.list(ROOT))).toHaveLength(1);
    });

    test("other bytes under a name become a version beside, and what is there stays", async () => {
      const first = await it.target.put(anchor(1), A);
      const second = await it.target.put(anchor(1), B);
      expect((await it.target.get(first, A.length)).bytes).toEqual(A);
      expect((await it.target.get(second, B.length)).bytes).toEqual(B);
      expect(await all(it.target.list(ROOT))).toMatchObject([second, first]);
      expect(await it.target.put(anchor(1), A)).toEqual(first);
      expect(await it.target.put(anchor(1), B)).toEqual(second);
      expect(await all(it.target.list(ROOT))).toHaveLength(2);
    });

    test("a delete marker is listed, hides nothing from who names the version, and is no reason to store it again", async () => {
      const version = await it.target.put(anchor(1), A);
      await it.hide(anchor(1));
      expect((await it.target.get(version, A.length)).bytes).toEqual(A);
      expect(await it.target.put(anchor(1), A)).toEqual(version);
      const listed = await all(it.target.list(ROOT));
      expect(listed).toMatchObject([{ name: anchor(1), kind: "delete_marker", size: 0, etag: null }, { ...version, kind: "object" }]);
      await expect(it.target.get(listed[0]!, 100)).rejects.toMatchObject({ code: "target_missing" });
    });
  });
}

function common(current: () => TargetUnderTest, isOurs: boolean): void {
  describe("as any target", () => {
    let it: TargetUnderTest;
    beforeEach(() => { it = current(); });
    const bytesOf = async (version: VersionName): Promise<Uint8Array> => (await it.target.get(version, A.length)).bytes;
    const names = async (prefix: string, after?: string): Promise<string[]> => (await all(it.target.list(prefix, after))).map((version) => version.name);

    test("what was put is got and listed, as the same version", async () => {
      const version = await it.target.put(anchor(1), A);
      const { bytes, lastModified } = await it.target.get(version, A.length);
      expect(bytes).toEqual(A);
      expect(Number.isInteger(lastModified)).toBe(true);
      expect(await all(it.target.list(ROOT))).toMatchObject([{ ...version, kind: "object", size: A.length, isMultipart: false, lastModified }]);
    });

    test("what was put is locked as the target says", async () => {
      const version = await it.target.put(anchor(1), A);
      expect(lockProblem(it.target.retain, await it.target.get(version, A.length))).toBeNull();
    });

    test("2 MB come back as they were", async () => {
      const bytes = Uint8Array.from({ length: 65_536 * 35 }, (_, i) => (i * 31 + (i >> 8)) % 256);
      const version = await it.target.put(`${ROOT}batches/large`, bytes);
      expect(Buffer.compare((await it.target.get(version, bytes.length)).bytes, bytes)).toBe(0);
    });

    test("putting the same again is a success and leaves these bytes under every version of the name", async () => {
      await it.target.put(anchor(1), A);
      const again = await it.target.put(anchor(1), A);
      expect(await bytesOf(again)).toEqual(A);
      for (const version of await all(it.target.list(ROOT))) expect(await bytesOf(version)).toEqual(A);
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

    test.skipIf(!isOurs)("what was removed behind its back is missing, and can be put again", async () => {
      const version = await it.target.put(anchor(1), A);
      await it.remove(anchor(1));
      await expect(it.target.get(version, 100)).rejects.toMatchObject({ code: "target_missing" });
      expect(await names(ROOT)).toEqual([]);
      expect(await bytesOf(await it.target.put(anchor(1), A))).toEqual(A);
    });
  });
}
