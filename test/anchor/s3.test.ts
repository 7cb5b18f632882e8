/** The S3 target against a real server with Object Lock; what that server lacks is in s3-answers.test.ts. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand, type PutObjectCommandInput, PutBucketPolicyCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { S3Target } from "../../src/anchor/s3/target.ts";
import type { TargetVersion } from "../../src/anchor/target.ts";
import type { S3Config } from "../../src/anchor/targets.ts";
import { utf8 } from "../../src/format/bytes.ts";
import { type VersionsUnderTest, versionsContract } from "../contract/target.ts";
import { bucket, destroyVersion, hasS3, newBucket, ownerClient, s3Server } from "../support/s3-server.ts";

const NAME = "v1/a.example/log/anchors/1.tlog-proof";
const BYTES = utf8("an anchor\n");
const DAY = 86_400_000;

async function all(list: AsyncIterable<TargetVersion>): Promise<TargetVersion[]> {
  const versions: TargetVersion[] = [];
  for await (const one of list) versions.push(one);
  return versions;
}

async function underTest(prefix = ""): Promise<VersionsUnderTest> {
  const config = await bucket(prefix === "" ? {} : { prefix });
  const target = new S3Target(config);
  return {
    target,
    remove: async (name) => {
      for await (const version of target.list(name)) await destroyVersion(config.bucket, `${prefix}${version.name}`, version.versionId);
    },
    hide: async (name) => {
      await (await ownerClient()).send(new DeleteObjectCommand({ Bucket: config.bucket, Key: `${prefix}${name}` }));
    },
  };
}

describe.skipIf(!hasS3())("on a real server", () => {
  const isOurs = s3Server()?.folder !== null;
  versionsContract("a bucket with Object Lock", underTest, isOurs);
  versionsContract("a prefix of a bucket", async () => underTest("receiptd/one/"), isOurs);

  let config: S3Config;
  beforeEach(async () => { config = await bucket(); });
  afterEach(() => { vi.unstubAllEnvs(); });

  /** Puts something as somebody else who may. */
  async function squat(more: Partial<PutObjectCommandInput>): Promise<string> {
    const { VersionId } = await (await ownerClient()).send(new PutObjectCommand({ Bucket: config.bucket, Key: NAME, Body: Buffer.from(BYTES), ...more }));
    return VersionId!;
  }

  test("locks for what was asked and a margin, in the bucket's own time", async () => {
    const target = new S3Target({ ...config, retention: 30 * DAY });
    const { lastModified, retention } = await target.get(await target.put(NAME, BYTES), 100);
    expect(retention).toMatchObject({ mode: "COMPLIANCE" });
    expect(retention!.until - lastModified).toBeGreaterThan(30 * DAY);
    expect(retention!.until - lastModified).toBeLessThan(31 * DAY);
  });

  test.each<readonly [string, () => Partial<PutObjectCommandInput>]>([
    ["without a lock", () => ({})],
    ["in mode GOVERNANCE", () => ({ ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: new Date(Date.now() + 2 * DAY) })],
    ["for too short", () => ({ ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: new Date(Date.now() + DAY / 2) })],
  ])("the same bytes, put by somebody %s, are not ours", async (_how, more) => {
    const theirs = await squat(more());
    const target = new S3Target(config);
    const ours = await target.put(NAME, BYTES);
    expect(ours.versionId).not.toBe(theirs);
    expect((await all(target.list(""))).map(({ versionId }) => versionId)).toEqual([ours.versionId, theirs]);
    expect(await target.put(NAME, BYTES)).toEqual(ours);
  });

  test("the same bytes, sent in parts, are listed as such and are not ours", async () => {
    const owner = await ownerClient();
    const where = { Bucket: config.bucket, Key: NAME };
    const { UploadId } = await owner.send(new CreateMultipartUploadCommand({ ...where, ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: new Date(Date.now() + 2 * DAY) }));
    const { ETag } = await owner.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: Buffer.from(BYTES) }));
    await owner.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] } }));
    const target = new S3Target(config);
    const ours = await target.put(NAME, BYTES);
    expect(await all(target.list(""))).toMatchObject([{ ...ours, isMultipart: false }, { name: NAME, isMultipart: true }]);
  });

  test("names of any characters are listed as they are, and can be read", async () => {
    const owner = await ownerClient();
    const keys = ["a b", "a+b", "a%2Fb", "a\u0001b", "a\nb", "a//b", "ä/é", "\uE000", "😀", '<&">'];
    for (const Key of keys) await owner.send(new PutObjectCommand({ Bucket: config.bucket, Key, Body: Buffer.from(Key) }));
    const target = new S3Target(config);
    const listed = await all(target.list(""));
    expect(listed.map(({ name }) => name)).toEqual(keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    for (const version of listed) expect((await target.get(version, 100)).bytes).toEqual(utf8(version.name));
    for (const [i, { name }] of listed.entries()) expect(await all(target.list("", name))).toEqual(listed.slice(i + 1));
  });

  test("more versions than a page holds are all listed, in order, from any name on", async () => {
    const owner = await ownerClient();
    const page = s3Server()!.folder === null ? 1_000 : 100; // our own server's pages are small
    const count = page + page / 10;
    const key = (i: number): string => `n/${String(i >> 1).padStart(4, "0")}`; // two of each name
    for (let i = 0; i < count; i += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => owner.send(new PutObjectCommand({ Bucket: config.bucket, Key: key(i + j), Body: Buffer.from("x") }))));
    }
    const deleted = [0, page - 2, page].map(key);
    for (const Key of deleted) await owner.send(new DeleteObjectCommand({ Bucket: config.bucket, Key }));
    expect(await owner.send(new ListObjectVersionsCommand({ Bucket: config.bucket, Prefix: "n/", MaxKeys: 1_000 }))).toMatchObject({ IsTruncated: true });
    const target = new S3Target(config);
    const listed = await all(target.list("n/"));
    expect(listed.map(({ name }) => name)).toEqual([...Array.from({ length: count }, (_, i) => key(i)), ...deleted].sort());
    expect(new Set(listed.map(({ versionId }) => versionId)).size).toBe(count + 3);
    expect(listed.filter(({ kind }) => kind === "delete_marker").map(({ name }) => name)).toEqual(deleted);
    expect(await all(target.list("n/", deleted[1]))).toEqual(listed.filter(({ name }) => name > deleted[1]!));
  });

  test.each(["versioned", "plain"] as const)("a %s bucket is unlocked, and nothing is left in it", async (kind) => {
    const target = new S3Target(await bucket({ bucket: await newBucket(kind) }));
    await expect(target.put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unlocked", message: expect.stringContaining("receiptd init --bucket") });
    expect(await all(target.list(""))).toEqual([]);
  });

  test("what is in an unversioned bucket is read as not locked", async () => {
    const plain = await newBucket("plain");
    await (await ownerClient()).send(new PutObjectCommand({ Bucket: plain, Key: NAME, Body: Buffer.from(BYTES) }));
    const target = new S3Target(await bucket({ bucket: plain }));
    expect(await target.get((await all(target.list("")))[0]!, 100)).toMatchObject({ bytes: BYTES, retention: null });
  });

  test("a bucket that is not there is unavailable", async () => {
    const target = new S3Target({ ...config, bucket: "receiptd-test-nowhere" });
    const expected = { code: "target_unavailable", message: expect.stringContaining("no such bucket") };
    await expect(target.put(NAME, BYTES)).rejects.toMatchObject(expected);
    await expect(target.get({ name: NAME, versionId: "x" }, 100)).rejects.toMatchObject(expected);
    await expect(all(target.list(""))).rejects.toMatchObject(expected);
  });

  test.each(["s3:PutObject", "s3:ListBucketVersions", "s3:GetObjectVersion"])("who may not %s is told which right is missing", async (Action) => {
    const target = new S3Target(config);
    const version = await target.put(NAME, BYTES);
    const Resource = [`arn:aws:s3:::${config.bucket}`, `arn:aws:s3:::${config.bucket}/*`];
    await (await ownerClient()).send(new PutBucketPolicyCommand({
      Bucket: config.bucket,
      Policy: JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Deny", Principal: "*", Action, Resource }] }),
    }));
    const call = Action === "s3:PutObject" ? target.put("v1/other", BYTES) : Action === "s3:ListBucketVersions" ? all(target.list("")) : target.get(version, 100);
    await expect(call).rejects.toMatchObject({ code: "target_denied", message: expect.stringContaining(`allow ${Action}`) });
  });

  test("credentials are those of the profile, if one is named; a wrong one is denied", async () => {
    const folder = mkdtempSync(join(tmpdir(), "receiptd-test-"));
    const { accessKeyId, secretAccessKey } = s3Server()!;
    const profile = (name: string, secret: string): string => `[${name}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secret}\n`;
    writeFileSync(join(folder, "credentials"), profile("anchors", secretAccessKey) + profile("wrong", "a secret that is wrong"));
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
    vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another secret that is wrong");
    const as = (more: Partial<S3Config>): S3Target => new S3Target({ ...config, ...more });
    expect(await as({ profile: "anchors" }).put(NAME, BYTES)).toMatchObject({ name: NAME });
    for (const [more, what] of [[{ profile: "wrong" }, "of the profile wrong"], [{ profile: "none" }, "of the profile none"], [{}, "environment"]] as const) {
      const failure = await as(more).put(NAME, BYTES).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "target_denied", message: expect.stringContaining(what) });
      expect(String(failure)).not.toContain("that is wrong");
    }
    rmSync(folder, { recursive: true });
  });
});

test("the SDK is loaded at the first use of such a target, not by whoever has none", () => {
  const script = `
    import { registerHooks } from "node:module";
    registerHooks({ resolve: (name, context, next) => { if (name.startsWith("@aws-sdk/")) console.log(name); return next(name, context); } });
    const { openTarget } = await import("./src/anchor/targets.ts");
    const target = openTarget({ type: "s3", name: "s3", bucket: "acme", endpoint: "http://127.0.0.1:1", path_style: true, retention: 1, required: true });
    console.log("opened");
    await target.get({ name: "a", versionId: "b" }, 1).catch(() => undefined);
  `;
  const lines = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }).trim().split("\n");
  expect(lines.slice(0, 2)).toEqual(["opened", "@aws-sdk/client-s3"]);
});
