/** The canary: on a real server whose locks hold, on servers that lie, and where permissions alone refuse. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CanaryReport, runCanary } from "../../src/anchor/s3/canary.ts";
import { connectS3 } from "../../src/anchor/s3/client.ts";
import { type Lie, LyingS3, type LyingOptions } from "../support/lying-s3.ts";
import { bucket, hasS3, ownerClient } from "../support/s3-server.ts";
import { ListObjectVersionsCommand } from "@aws-sdk/client-s3";

const dir = mkdtempSync(join(tmpdir(), "receiptd-canary-"));
const servers: LyingS3[] = [];
const LOCK = 2500;

beforeAll(() => {
  const profiles = ["daemon", "breaker"].map((name) => `[${name}]\naws_access_key_id = ${name}\naws_secret_access_key = secret\n`);
  writeFileSync(join(dir, "credentials"), profiles.join("\n"));
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(dir, "credentials");
});
afterAll(async () => {
  await Promise.all(servers.map((one) => one.stop()));
  rmSync(dir, { recursive: true });
});

async function onServer(options: LyingOptions & { readonly alone?: boolean } = {}): Promise<CanaryReport & { readonly server: LyingS3 }> {
  const server = await LyingS3.start(options);
  servers.push(server);
  const access = { endpoint: server.endpoint, region: "us-east-1", path_style: true };
  const daemon = { name: "daemon", connection: await connectS3({ ...access, profile: "daemon" }) };
  const breaker = options.alone === true ? null : { name: "breaker", connection: await connectS3({ ...access, profile: "breaker" }) };
  const report = await runCanary({ bucket: "b", prefix: "p/", origin: "test.example/x", daemon, breaker, lock: LOCK, offset: options.ahead ?? 0 });
  return { ...report, server };
}

/** What the daemon's identity is denied where it has least privilege. */
const LEAST = { daemon: ["DeleteObject"] };
const found = ({ answers }: CanaryReport, tried: RegExp) => answers.filter((one) => tried.test(one.tried)).map(({ identity, status, code }) => [identity, status, code]);

describe.concurrent("a server that keeps locks", () => {
  test("is WORM by an identity that shows its rights; nothing is left, all is on the record", async () => {
    const report = await onServer({ denied: LEAST });
    expect(report).toMatchObject({ verdict: "worm", excess: [], left: 0, error: null });
    expect(report.key).toMatch(/^p\/doctor\/test\.example\/x\/[0-9a-f]{24}$/);
    expect(found(report, /^remove the locked|by bypass$|^shorten|^weaken/)).toEqual(Array.from({ length: 4 }, () => ["breaker", 403, "AccessDenied"]));
    expect(found(report, /after its lock has ended/)).toContainEqual(["breaker", 204, null]);
    expect(report.server.versions).toEqual([]);
    for (const { at, request_id: id } of report.answers) {
      expect(new Date(at).toISOString()).toBe(at);
      expect(id).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  test("and what the daemon's identity has too much of is seen", async () => {
    const excess = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
    expect(await Promise.all([onServer(), onServer({ alone: true })])).toMatchObject([{ verdict: "worm", excess }, { verdict: "worm", excess }]);
  });

  test("its clock counts, not the host's", async () => {
    const reports = await Promise.all([200_000, -200_000].map((ahead) => onServer({ denied: LEAST, ahead })));
    expect(reports).toMatchObject([{ verdict: "worm", left: 0 }, { verdict: "worm", left: 0 }]);
  });
});

describe.concurrent("a server that accepts COMPLIANCE is not WORM where it", () => {
  test.each<readonly [Lie, RegExp]>([
    ["deletes", /“remove the locked version” \(HTTP 204\) the version was gone \(HTTP 404 NoSuchVersion\)/],
    ["bypass", /“remove it by bypass” \(HTTP 204\) the version was gone/],
    ["shortens", /“shorten the lock” \(HTTP 200\) the version was locked until .* only/],
    ["weakens", /“weaken the lock to GOVERNANCE” \(HTTP 200\) the version was locked in mode GOVERNANCE only/],
    ["forgets", /accepted and not kept: the version had no lock/],
    ["overwrites", /“write over it” \(HTTP 200\) the version had other bytes/],
  ])("%s", async (lie, why) => {
    const report = await onServer({ lies: [lie], denied: LEAST });
    expect(report.verdict).toBe("not_worm");
    expect(report.why).toMatch(why);
  });

  test("deletes even for the daemon's identity alone", async () => {
    expect(await onServer({ lies: ["deletes"], alone: true })).toMatchObject({ verdict: "not_worm" });
  });
});

describe.concurrent("not shown, because", () => {
  test.each<readonly [what: string, options: LyingOptions & { readonly alone?: boolean }, why: RegExp]>([
    ["the daemon's identity may not anyway", { denied: LEAST, alone: true }, /^refused by permissions.*: daemon did not show that it has s3:DeleteObjectVersion, s3:BypassGovernanceRetention$/],
    ["the breaker may not delete", { denied: { ...LEAST, breaker: ["DeleteObject"] } }, /breaker did not show that it has s3:DeleteObjectVersion, s3:BypassGovernanceRetention$/],
    ["the breaker may not change locks", { denied: { ...LEAST, breaker: ["PutObjectRetention"] } }, /breaker did not show that it has s3:PutObjectRetention$/],
    ["a refusal was none", { denied: LEAST, lies: ["fails"] }, /“shorten the lock” was not refused and not seen to be done \(HTTP 500 InternalError\)/],
    ["a deletion was answered as if done", { denied: LEAST, lies: ["pretends"] }, /“remove the locked version” was not refused and not seen to be done \(HTTP 204\)/],
    ["the version cannot be read", { denied: { daemon: ["DeleteObject", "GetObject"] } }, /“read it back” was not refused and not seen to be done \(HTTP 403 AccessDenied\)/],
  ])("%s", async (_, options, why) => {
    const report = await onServer(options);
    expect(report.verdict).toBe("not_shown");
    expect(report.why).toMatch(why);
  });

  test("no canary could be put", async () => {
    const report = await onServer({ denied: { daemon: ["PutObject"] } });
    expect(report).toMatchObject({ verdict: "not_tried", version_id: null, left: 0 });
    expect(report.error).not.toBeNull();
  });
});

describe.skipIf(!hasS3())("the real server", () => {
  test("is WORM; nothing is left, and no ledger's name was touched", async () => {
    const { bucket: name, ...access } = await bucket();
    const connection = await connectS3(access);
    const identity = { name: "owner", connection };
    const report = await runCanary({ bucket: name, prefix: "", origin: "test.example/x", daemon: identity, breaker: identity, lock: LOCK, offset: 0 });
    expect(report).toMatchObject({ verdict: "worm", left: 0 });
    const { Versions = [], DeleteMarkers = [] } = await (await ownerClient()).send(new ListObjectVersionsCommand({ Bucket: name }));
    expect([...Versions, ...DeleteMarkers]).toEqual([]);
  });
});
