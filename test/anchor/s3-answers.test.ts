/** The S3 target against answers that AWS documents and no server here gives (Amazon S3 API Reference, "Error responses"). */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  GetObjectCommand, GetObjectLockConfigurationCommand, GetObjectRetentionCommand, ListObjectVersionsCommand, PutObjectCommand, S3Client, S3ServiceException,
} from "@aws-sdk/client-s3";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { S3Target } from "../../src/anchor/s3/target.ts";
import { lockProblem, type TargetError, type TargetVersion } from "../../src/anchor/target.ts";
import type { S3Config } from "../../src/anchor/targets.ts";
import { utf8 } from "../../src/format/bytes.ts";

const DAY = 86_400_000;
const CONFIG: S3Config = { type: "s3", name: "aws", bucket: "acme-receipts", region: "eu-central-1", path_style: false, retention: 30 * DAY, required: true };
const NAME = "v1/a.example/log/anchors/1.tlog-proof";
const BYTES = utf8("an anchor\n");
const OTHER = utf8("not ours!\n");
const STORED = new Date("2026-03-01T10:00:00Z");
const SECRET = "FQoGZXIvYXdzEJr".repeat(12);

const s3 = mockClient(S3Client);
beforeEach(() => { s3.reset(); });
afterAll(() => s3.restore());
afterEach(() => { expect(s3.commandCalls(PutObjectCommand).length).toBeLessThanOrEqual(4); }); // the lane tries again, not the target

const target = (config: Partial<S3Config> = {}): S3Target => new S3Target({ ...CONFIG, ...config });
const answer = (name: string, httpStatusCode: number, message = "", more: object = {}): S3ServiceException =>
  Object.assign(new S3ServiceException({ name, message, $fault: "client", $metadata: { httpStatusCode } }), more);
const version = (VersionId: string, more: object = {}): object => ({ Key: NAME, VersionId, LastModified: STORED, Size: BYTES.length, ETag: '"5eb63bbbe01eeed093cb22bb8f5acdc3"', ...more });
const page = (Versions: readonly object[] = [], more: object = {}): object => ({ IsTruncated: false, Versions, ...more });
const object = (VersionId: string, bytes = BYTES, more: object = {}): object => ({
  Body: Readable.from([bytes]),
  ContentLength: bytes.length,
  LastModified: STORED,
  VersionId,
  ObjectLockMode: "COMPLIANCE",
  ObjectLockRetainUntilDate: new Date(STORED.getTime() + 31 * DAY),
  ...more,
});
async function all(list: AsyncIterable<TargetVersion>): Promise<TargetVersion[]> {
  const versions: TargetVersion[] = [];
  for await (const one of list) versions.push(one);
  return versions;
}

describe("a put", () => {
  test("asks for everything that makes an anchor safe", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page());
    s3.on(PutObjectCommand).resolves({ VersionId: "v1" });
    const before = Date.now();
    expect(await target({ prefix: "receipts/" }).put(NAME, BYTES)).toEqual({ name: NAME, versionId: "v1" });
    const { input } = s3.commandCalls(PutObjectCommand)[0]!.args[0];
    expect(input).toMatchObject({
      Bucket: "acme-receipts",
      Key: `receipts/${NAME}`,
      IfNoneMatch: "*",
      ChecksumSHA256: createHash("sha256").update(BYTES).digest("base64"),
      ObjectLockMode: "COMPLIANCE",
      ServerSideEncryption: "AES256",
      ContentType: "application/octet-stream",
    });
    expect(Buffer.isBuffer(input.Body) && input.Body.equals(BYTES)).toBe(true);
    expect(input.ObjectLockRetainUntilDate!.getTime()).toBeGreaterThan(before + 30 * DAY);
    expect(s3.commandCalls(ListObjectVersionsCommand)[0]!.args[0].input).toMatchObject({ Prefix: `receipts/${NAME}`, EncodingType: "url" });
  });

  test.each([
    ["https://bucket.vpce-1a2b3c4d.s3.eu-central-1.vpce.amazonaws.com", "AES256"],
    ["https://s3.cn-north-1.amazonaws.com.cn", "AES256"],
    ["https://s3.example.com", undefined],
    ["https://amazonaws.com.example.com", undefined],
  ])("at %s asks for the encryption %s", async (endpoint, encryption) => {
    s3.on(ListObjectVersionsCommand).resolves(page());
    s3.on(PutObjectCommand).resolves({ VersionId: "v1" });
    await target({ endpoint }).put(NAME, BYTES);
    expect(s3.commandCalls(PutObjectCommand)[0]!.args[0].input.ServerSideEncryption).toBe(encryption);
  });

  test("finds what an attempt without an answer has stored, and stores nothing", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([version("v1")]));
    s3.on(GetObjectCommand, { VersionId: "v1" }).resolves(object("v1"));
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "v1" });
    expect(s3.commandCalls(PutObjectCommand)).toHaveLength(0);
  });

  test.each([
    ["in mode GOVERNANCE", {}, { ObjectLockMode: "GOVERNANCE" }],
    ["for too short", {}, { ObjectLockRetainUntilDate: new Date(STORED.getTime() + 29 * DAY) }],
    ["and sent in parts", { ETag: '"5eb63bbbe01eeed093cb22bb8f5acdc3-2"' }, {}],
  ])("does not take for its own what is locked %s", async (_how, listed, got) => {
    s3.on(ListObjectVersionsCommand).resolves(page([version("theirs", listed)]));
    s3.on(GetObjectCommand).callsFake(() => object("theirs", BYTES, got));
    s3.on(PutObjectCommand).rejectsOnce(answer("PreconditionFailed", 412)).resolves({ VersionId: "ours" });
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "ours" });
  });

  test("412, and what is there is ours: an attempt that was cut had been carried out", async () => {
    s3.on(ListObjectVersionsCommand).resolvesOnce(page()).resolves(page([version("v1")]));
    s3.on(GetObjectCommand).resolves(object("v1"));
    s3.on(PutObjectCommand).rejects(answer("PreconditionFailed", 412));
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "v1" });
    expect(s3.commandCalls(PutObjectCommand)).toHaveLength(1);
  });

  test("412, and somebody else has the name: ours becomes a version beside", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([version("theirs")]));
    s3.on(GetObjectCommand).callsFake(() => object("theirs", OTHER));
    s3.on(PutObjectCommand).rejectsOnce(answer("PreconditionFailed", 412)).resolves({ VersionId: "ours" });
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "ours" });
    expect(s3.commandCalls(PutObjectCommand).map((call) => call.args[0].input.IfNoneMatch)).toEqual(["*", undefined]);
    expect(s3.commandCalls(PutObjectCommand)[1]!.args[0].input).toMatchObject({ ObjectLockMode: "COMPLIANCE" });
  });

  test("412, and somebody else has the name with what cannot be read: ours becomes a version beside", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([version("theirs")]));
    s3.on(GetObjectCommand).rejects(answer("InvalidRequest", 400, "The object was stored using a form of Server Side Encryption."));
    s3.on(PutObjectCommand).rejectsOnce(answer("PreconditionFailed", 412)).resolves({ VersionId: "ours" });
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "ours" });
  });

  test("412, somebody else has the name, and the policy demands the condition: a person can put a marker", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([version("theirs")]));
    s3.on(GetObjectCommand).callsFake(() => object("theirs", OTHER));
    s3.on(PutObjectCommand).rejectsOnce(answer("PreconditionFailed", 412)).rejects(answer("AccessDenied", 403));
    await expect(target().put(NAME, BYTES)).rejects.toMatchObject({
      code: "target_conflict",
      message: expect.stringContaining(`aws s3api delete-object --bucket acme-receipts --key ${NAME}`),
    });
  });

  test("409 is tried again", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page());
    s3.on(PutObjectCommand).rejectsOnce(answer("ConditionalRequestConflict", 409)).resolves({ VersionId: "v1" });
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "v1" });
  });

  test("what passed without an answer is looked for before it is sent again", async () => {
    s3.on(ListObjectVersionsCommand).resolvesOnce(page()).resolves(page([version("v1")]));
    s3.on(GetObjectCommand).resolves(object("v1"));
    s3.on(PutObjectCommand).rejects(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }));
    expect(await target().put(NAME, BYTES)).toEqual({ name: NAME, versionId: "v1" });
    expect(s3.commandCalls(PutObjectCommand)).toHaveLength(1);
  });

  test.each([undefined, "null", ""])("an answer with the version %j is a bucket that keeps nothing", async (VersionId) => {
    s3.on(ListObjectVersionsCommand).resolves(page());
    s3.on(PutObjectCommand).resolves({ VersionId });
    await expect(target().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unlocked", message: expect.stringContaining("receiptd init --bucket") });
  });

  test("a refusal that does not say why is looked into", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page());
    s3.on(PutObjectCommand).rejects(answer("InvalidRequest", 400));
    s3.on(GetObjectLockConfigurationCommand).rejects(answer("ObjectLockConfigurationNotFoundError", 404));
    await expect(target().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_unlocked" });
    s3.on(GetObjectLockConfigurationCommand).resolves({ ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" } });
    await expect(target().put(NAME, BYTES)).rejects.toMatchObject({ code: "target_denied", message: expect.stringContaining("InvalidRequest") });
  });

  const cases: readonly (readonly [Error, TargetError["code"], string])[] = [
    [answer("ConditionalRequestConflict", 409), "target_unavailable", "it is tried again"],
    [answer("SlowDown", 503), "target_unavailable", "it is tried again"],
    [answer("InternalError", 500), "target_unavailable", "it is tried again"],
    [answer("RequestTimeout", 400), "target_unavailable", "it is tried again"],
    [answer("AccessDenied", 403, "User: x is not authorized to perform: s3:PutObject"), "target_denied", "allow s3:PutObject"],
    [answer("InvalidRequest", 400, "Bucket is missing Object Lock Configuration"), "target_unlocked", "Object Lock"],
    [answer("InvalidRequest", 400, "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"), "target_denied", "x-amz-checksum-"],
    [answer("BadDigest", 400), "target_damaged", "other bytes arrived"],
    [answer("XAmzContentSHA256Mismatch", 400), "target_damaged", "other bytes arrived"],
    [answer("RequestTimeTooSkewed", 403), "target_unavailable", "this host's clock is off by"],
    [answer("NoSuchBucket", 404), "target_unavailable", "no such bucket"],
    [answer("InvalidAccessKeyId", 403), "target_denied", "aws sts get-caller-identity"],
    [answer("SignatureDoesNotMatch", 403), "target_denied", "aws sts get-caller-identity"],
    [answer("ExpiredToken", 400), "target_denied", "aws sts get-caller-identity"],
    [Object.assign(new Error("Command failed: secret"), { name: "CredentialsProviderError" }), "target_denied", "aws sts get-caller-identity"],
    [answer("PermanentRedirect", 301, "", { $response: { headers: { "x-amz-bucket-region": "us-west-2" } } }), "target_denied", "region: us-west-2"],
    [answer("AuthorizationHeaderMalformed", 400, "", { Region: "us-west-2" }), "target_denied", "region: us-west-2"],
    [new Error("Region is missing"), "target_denied", "set `region`"],
    [answer("EntityTooLarge", 400), "target_denied", "EntityTooLarge"],
    [Object.assign(new Error("x"), { code: "ECONNREFUSED" }), "target_unavailable", "nothing accepts connections"],
    [Object.assign(new Error("x"), { code: "ENOTFOUND" }), "target_unavailable", "DNS"],
    [Object.assign(new Error("x"), { code: "EAI_AGAIN" }), "target_unavailable", "DNS"],
    [Object.assign(new Error("x"), { code: "CERT_HAS_EXPIRED" }), "target_unavailable", "certificate"],
    [Object.assign(new Error("x"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }), "target_unavailable", "certificate"],
    [Object.assign(new Error("x"), { name: "TimeoutError" }), "target_unavailable", "does not answer in time"],
  ];
  test.each(cases.map(([error, code, what]) => [error.name === "Error" ? `${error.message} ${"code" in error ? String(error.code) : ""}` : error.name, code, what, error] as const))(
    "that fails with %s is %s: …%s…",
    async (_name, code, what, error) => {
      s3.on(ListObjectVersionsCommand).resolves(page());
      s3.on(GetObjectLockConfigurationCommand).resolves({});
      s3.on(PutObjectCommand).rejects(error);
      const failure: unknown = await target().put(NAME, BYTES).catch((thrown: unknown) => thrown);
      expect(failure).toMatchObject({ name: "TargetError", code, message: expect.stringContaining(what) });
      expect(failure).not.toHaveProperty("cause");
    },
  );

  test("no secret of a failed request is in its error", async () => {
    s3.on(ListObjectVersionsCommand).rejects(answer("InvalidArgument", 400, `the token\n ${SECRET} is\u001b[31m bad`, { "Token-0": SECRET, StringToSign: SECRET }));
    const failure = await target().put(NAME, BYTES).catch((thrown: unknown) => thrown as TargetError);
    expect(failure).toMatchObject({ code: "target_denied", message: expect.stringContaining("“the token … is [31m bad”") });
    expect(JSON.stringify([failure, String(failure), Object.entries(failure)])).not.toContain(SECRET.slice(0, 20));
  });
});

describe("a get", () => {
  const read = async (): Promise<unknown> => target().get({ name: NAME, versionId: "v1" }, 100);

  test("says how long it is locked", async () => {
    s3.on(GetObjectCommand).resolves(object("v1"));
    expect(await read()).toEqual({ bytes: BYTES, lastModified: STORED.getTime(), retention: { mode: "COMPLIANCE", until: STORED.getTime() + 31 * DAY } });
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, { ObjectLockMode: "GOVERNANCE" }));
    expect(lockProblem(DAY, await target().get({ name: NAME, versionId: "v1" }, 100))).toContain("GOVERNANCE");
  });

  const unlocked = { ObjectLockMode: undefined, ObjectLockRetainUntilDate: undefined };
  test.each(["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"])("%s: not locked", async (name) => {
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, unlocked));
    s3.on(GetObjectRetentionCommand).rejects(answer(name, 404));
    expect(await read()).toMatchObject({ retention: null });
  });

  test("a lock that the reader may not see is a missing permission, not a missing lock", async () => {
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, unlocked));
    s3.on(GetObjectRetentionCommand).rejects(answer("AccessDenied", 403));
    await expect(read()).rejects.toMatchObject({ code: "target_denied", message: expect.stringContaining("allow s3:GetObjectRetention") });
  });

  test("a lock that is not in the headers is asked for", async () => {
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, unlocked));
    s3.on(GetObjectRetentionCommand).resolves({ Retention: { Mode: "COMPLIANCE", RetainUntilDate: STORED } });
    expect(await read()).toMatchObject({ retention: { mode: "COMPLIANCE", until: STORED.getTime() } });
  });

  test.each([["NoSuchKey", 404], ["NoSuchVersion", 404], ["MethodNotAllowed", 405], ["InvalidArgument", 400]])("%s is missing", async (name, status) => {
    s3.on(GetObjectCommand).rejects(answer(name, status));
    await expect(read()).rejects.toMatchObject({ code: "target_missing" });
  });

  test.each([
    ["InvalidRequest", 400, "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."],
    ["InvalidObjectState", 403, "The operation is not valid for the object's storage class"],
    ["KMS.DisabledException", 400, "arn:aws:kms:eu-central-1:1:key/x is disabled."],
    ["AccessDenied", 403, "User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:2:key/x because no resource-based policy allows the kms:Decrypt action"],
  ])("%s (%d) of how it is stored is about this object alone", async (name, status, message) => {
    s3.on(GetObjectCommand).rejects(answer(name, status, message));
    await expect(read()).rejects.toMatchObject({ code: "target_unreadable" });
  });

  test.each([
    ["AccessDenied", 403, "User: x is not authorized to perform: s3:GetObjectVersion on resource: y", "target_denied"],
    ["AccessDenied", 403, "Access Denied", "target_denied"],
    ["KMS.ThrottlingException", 400, "", "target_unavailable"],
  ])("%s (%d, %j) is not: %s", async (name, status, message, code) => {
    s3.on(GetObjectCommand).rejects(answer(name, status, message));
    await expect(read()).rejects.toMatchObject({ code });
  });

  test("another version than was asked for is not what was asked for", async () => {
    s3.on(GetObjectCommand).resolves(object("v2"));
    await expect(read()).rejects.toMatchObject({ code: "target_damaged" });
    s3.on(GetObjectCommand).resolves(object("v1", new Uint8Array(200), { VersionId: undefined })); // a proxy's page
    await expect(read()).rejects.toMatchObject({ code: "target_unavailable" });
  });

  test("more than expected is not read, whatever its header says", async () => {
    let chunks = 0;
    const endless = Readable.from((function* () { for (;;) { chunks++; yield BYTES; } })());
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, { Body: endless }));
    await expect(read()).rejects.toMatchObject({ code: "target_damaged" });
    expect(endless.destroyed).toBe(true);
    expect(chunks).toBeLessThan(1000);
  });

  test("bytes with another checksum than the server's are damaged", async () => {
    const broken = Readable.from((function* () { yield BYTES; throw new Error("Checksum mismatch: expected \"a\" but received \"b\" in response header"); })());
    s3.on(GetObjectCommand).resolves(object("v1", BYTES, { Body: broken }));
    await expect(read()).rejects.toMatchObject({ code: "target_damaged" });
  });
});

describe("a listing", () => {
  const at = (Key: string, VersionId: string, seconds: number, more: object = {}): object => ({ Key, VersionId, LastModified: new Date(seconds * 1000 + 250), Size: 3, ETag: '"ab"', ...more });

  test("merges versions and markers in the order of names across pages, and goes on where a page ends", async () => {
    s3.on(ListObjectVersionsCommand).callsFake(({ KeyMarker, VersionIdMarker }: { readonly KeyMarker?: string; readonly VersionIdMarker?: string }) => {
      switch (`${KeyMarker ?? ""} ${VersionIdMarker ?? ""}`) {
        case "p/a ": return page([at("p/b+c", "1", 5), at("p/b+c", "2", 3, { ETag: '"ab-2"' })], { IsTruncated: true, DeleteMarkers: [at("p/b", "3", 9)], NextKeyMarker: "p/b+c", NextVersionIdMarker: "2" });
        case "p/b c 2": return page([], { IsTruncated: true, DeleteMarkers: [at("p/b+c", "4", 2)], NextKeyMarker: "p/b+c", NextVersionIdMarker: "4" });
        case "p/b c 4": return page([at("p/%EE%80%80", "5", 1), at("p/%F0%9F%98%80%0A%01", "6", 1)], { DeleteMarkers: [at("p/b%2Bc", "7", 1)] });
        default: throw new Error(`unexpected marker ${KeyMarker} ${VersionIdMarker}`);
      }
    });
    const listed = await all(target({ prefix: "p/" }).list("", "a"));
    expect(listed.map(({ name, versionId, kind }) => [name, versionId, kind])).toEqual([
      ["b", "3", "delete_marker"], ["b c", "1", "object"], ["b c", "2", "object"], ["b c", "4", "delete_marker"],
      ["b+c", "7", "delete_marker"], ["\uE000", "5", "object"], ["😀\n\u0001", "6", "object"],
    ]);
    expect(listed[1]).toEqual({ name: "b c", versionId: "1", kind: "object", lastModified: 5000, size: 3, etag: "ab", isMultipart: false });
    expect(listed[2]).toMatchObject({ etag: "ab-2", isMultipart: true });
    expect(listed[0]).toMatchObject({ size: 0, etag: null, isMultipart: false, lastModified: 9000 });
  });

  test("a reader who leaves in the first page asks for no second", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([at("a", "1", 1), at("b", "1", 1)], { IsTruncated: true, NextKeyMarker: "b", NextVersionIdMarker: "1" }));
    for await (const { name } of target().list("")) {
      expect(name).toBe("a");
      break;
    }
    expect(s3.commandCalls(ListObjectVersionsCommand)).toHaveLength(1);
  });

  test("what does not begin with the prefix, or not after the name, is left out", async () => {
    s3.on(ListObjectVersionsCommand).resolves(page([at("x", "1", 1), at("p/a", "1", 1), at("p/b", "1", 1)]));
    expect((await all(target({ prefix: "p/" }).list("", "a"))).map(({ name }) => name)).toEqual(["b"]);
  });

  test.each([
    ["no word on the end", {}],
    ["an end without a place", { IsTruncated: true }],
    ["an entry without a version", { IsTruncated: false, Versions: [{ Key: "a", LastModified: STORED }] }],
    ["an entry without a time", { IsTruncated: false, DeleteMarkers: [{ Key: "a", VersionId: "1" }] }],
    ["a key that is not UTF-8", { IsTruncated: false, Versions: [{ Key: "%FF", VersionId: "1", LastModified: STORED }] }],
    ["a page that does not get on", { IsTruncated: true, NextKeyMarker: "a", NextVersionIdMarker: "1" }],
  ])("an answer with %s is not taken for a listing", async (_what, output) => {
    s3.on(ListObjectVersionsCommand).resolves(output);
    await expect(all(target().list(""))).rejects.toMatchObject({ code: "target_unavailable" });
  });

  test("a failure in a later page is a failure", async () => {
    s3.on(ListObjectVersionsCommand).resolvesOnce(page([at("a", "1", 1)], { IsTruncated: true, NextKeyMarker: "a", NextVersionIdMarker: "1" })).rejects(answer("AccessDenied", 403));
    await expect(all(target().list(""))).rejects.toMatchObject({ code: "target_denied", message: expect.stringContaining("s3:ListBucketVersions") });
  });
});
