/** `receiptd doctor` and `receiptd init --bucket` as a person runs them: on a bucket made by the steps of config/aws, and on a server that lies. */
import { writeFileSync } from "node:fs";
import {
  CreateBucketCommand, DeleteObjectCommand, GetBucketVersioningCommand, GetObjectLockConfigurationCommand, type ObjectLockConfiguration, PutBucketPolicyCommand, PutBucketVersioningCommand,
  PutObjectCommand, PutObjectLockConfigurationCommand, PutPublicAccessBlockCommand, S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Policy } from "../../src/anchor/s3/policy.ts";
import { type Lie, LyingS3 } from "../support/lying-s3.ts";
import { radosgwAdmin } from "../../scripts/s3/server.ts";
import { ownerClient, s3Server } from "../support/s3-server.ts";
import { here, must } from "./here.ts";
import { Host, json, type Ran } from "./host.ts";
import { init } from "./talk.ts";

interface Diagnosed {
  readonly verdict: string;
  readonly checks: readonly { readonly check: string; readonly status: string; readonly message: string; readonly next?: string }[];
  readonly canaries: readonly { readonly verdict: string; readonly answers: readonly { readonly status: number; readonly at: string; readonly request_id: string }[] }[];
}

const diagnosed = (ran: Ran): Diagnosed => JSON.parse(ran.stdout) as Diagnosed;
const statusOf = (ran: Ran, check: string): string | undefined => diagnosed(ran).checks.find((one) => one.check === check)?.status;

function configOf(endpoint: string, bucket: string, more = ""): string {
  return `origin: test.example/receipts
anchor:
  targets:
    - {name: local, type: directory}
    - {name: s3, type: s3, bucket: ${bucket}, endpoint: "${endpoint}", path_style: true, region: us-east-1, retention: 30d, profile: daemon${more}}
`;
}

/** The profiles of a file, and nothing else, for commands in this process. Returns what takes it back. */
function inForce({ env }: { readonly env: Readonly<Record<string, string>> }): () => void {
  const wanted: Readonly<Record<string, string | undefined>> = { ...env, AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
  const set = (variables: typeof wanted): void => {
    for (const [name, value] of Object.entries(variables)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  const before = Object.fromEntries(Object.keys(wanted).map((name) => [name, process.env[name]]));
  set(wanted);
  return () => set(before);
}

function withProfiles(host: Host, keys: Readonly<Record<string, string>>): { readonly env: Readonly<Record<string, string>> } {
  writeFileSync(host.path("credentials"), Object.entries(keys).map(([name, secret]) => `[${name}]\naws_access_key_id = ${name}\naws_secret_access_key = ${secret}\n`).join("\n"));
  return { env: { AWS_SHARED_CREDENTIALS_FILE: host.path("credentials"), AWS_CONFIG_FILE: host.path("none") } };
}

describe("init --bucket", () => {
  const host = new Host("origin: test.example/receipts\nanchor:\n  targets:\n    - {name: s3, type: s3, bucket: mine, prefix: a/, retention: 30d}\n");
  afterAll(() => host.remove());

  test("prints the policies, with the ledger it creates and for one that is there; never asks the network", async () => {
    const role = "arn:aws:iam::123456789012:role/receiptd-anchor";
    const document = json(await must(host, ["init", "--bucket", "mine", "--role", role, "--policy", "bucket"])) as unknown as Policy;
    expect(document.Statement.find((one) => one.Sid === "PutAnchors")).toMatchObject({
      Effect: "Allow", Principal: { AWS: role }, Action: ["s3:PutObject"], Resource: "arn:aws:s3:::mine/a/v1/*",
      Condition: { StringEquals: { "s3:object-lock-mode": "COMPLIANCE" }, NumericGreaterThanEquals: { "s3:object-lock-remaining-retention-days": "29" }, Null: { "s3:if-none-match": "false" } },
    });
    const created = await must(host, ["init", "--bucket", "mine"]);
    expect(created.stdout).toMatch(/^The ledger test\.example\/receipts is created;[\s\S]*Policies for the bucket mine, prefix a\/, anchors locked for 30 days \(target s3\)[\s\S]*# anchoring-role: /);
    expect(created.stdout).toContain("ACCOUNT in the role's ARN");
    const again = await must(host, ["init", "--bucket", "other", "--json"]);
    expect(json(again)).toMatchObject({ bucket_setup: { bucket: "other", target: null, policies: { auditor: { Version: "2012-10-17" } } } });
    expect(again.stderr).toContain("There is a ledger already");
  });

  test.each([
    [["--bucket", "No_Bucket"]], [["--bucket", "mine", "--role", "me"]], [["--bucket", "mine", "--policy", "all"]], [["--role", "arn:aws:iam::123456789012:role/x"]], [["--bucket", "mine", "--origin", "x.example/y"]],
  ])("%j is refused", async (args) => {
    const { code, stderr } = await here(host, ["init", ...args]);
    expect([code, stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: /)]);
  });
});

describe("doctor without a server", () => {
  const host = new Host(configOf("http://127.0.0.1:9", "acme-receipts"));
  const options = withProfiles(host, { daemon: "x" });
  beforeAll(async () => {
    await init(host);
    return inForce(options);
  });
  afterAll(() => host.remove());

  test("what cannot be reached could not be checked: 2; a target that is a folder is fine: 0", async () => {
    const [away, local, text] = await Promise.all([here(host, ["doctor", "--json"]), here(host, ["doctor", "--target", "local", "--json"]), host.run(["doctor", "--target", "local"], options)]);
    expect([away.code, diagnosed(away).verdict, statusOf(away, "target s3"), diagnosed(away).canaries]).toEqual([2, "not_checked", "unchecked", []]);
    expect(diagnosed(local).checks.filter((one) => one.status === "problem")).toEqual([]);
    expect(statusOf(local, "target local: WORM")).toBe("warning");
    expect(text.stdout).toMatch(/^ok +configuration: receiptd\.yaml is valid\nok +data_dir: /);
  });

  test("a wrong configuration is found: 1; wrong usage: 2", async () => {
    writeFileSync(host.path("bad.yaml"), "ack: maybe\n");
    const bad = await here(host, ["doctor", "--config", "bad.yaml", "--json"]);
    expect([bad.code, diagnosed(bad).checks]).toMatchObject([1, [{ check: "configuration", status: "problem", message: expect.stringContaining("bad.yaml:1") }]]);
    for (const args of [["--target", "gone"], ["--canary-lock", "1"], ["--skip-canary", "--canary-profile", "x"]]) expect(await here(host, ["doctor", ...args])).toMatchObject({ code: 2 });
  });

  test("what others may read is found: 1", async () => {
    const found = await host.run(["doctor", "--target", "local", "--json"], { env: { RECEIPTD_DATA_DIR: "/" } });
    expect([found.code, statusOf(found, "data_dir"), statusOf(found, "ledger"), statusOf(found, "keys")]).toEqual([1, "problem", "problem", "problem"]);
  });
});

describe("doctor on a server that accepts COMPLIANCE", () => {
  const all = new Host(null);
  beforeAll(() => inForce(withProfiles(all, { daemon: "x", breaker: "x" })));
  afterAll(() => all.remove());
  const run = async (lies: readonly Lie[], denied: Readonly<Record<string, readonly string[]>>, args: readonly string[]): Promise<Ran> => {
    const server = await LyingS3.start({ lies, denied });
    const host = new Host(configOf(server.endpoint, "acme-receipts"));
    try {
      await init(host);
      return await here(all, ["doctor", "--config", host.path("receiptd.yaml"), "--canary-lock", "2", ...args]);
    } finally {
      await Promise.all([host.remove(), server.stop()]);
    }
  };
  const least = { daemon: ["DeleteObject"] };

  test.concurrent("and deletes anyway: not WORM, 1", async () => {
    const [text, asJson] = await Promise.all([run(["deletes"], least, ["--canary-profile", "breaker"]), run(["deletes"], least, ["--canary-profile", "breaker", "--json"])]);
    expect(text).toMatchObject({ code: 1, stdout: expect.stringMatching(/204 +breaker: remove the locked version {2}\(DeleteObject of the version\)\n {2}404 NoSuchVersion +daemon: read the locked version[\s\S]*\nPROBLEM +target s3: canary: not WORM: /) });
    const { verdict, canaries } = diagnosed(asJson);
    expect([asJson.code, verdict, canaries[0]!.verdict]).toEqual([1, "problem", "not_worm"]);
    expect(canaries[0]!.answers.every((one) => one.request_id !== null && Number.isFinite(Date.parse(one.at)))).toBe(true);
  });

  test.concurrent("whose refusals may be those of permissions: 2, not an error", async () => {
    const ran = await run([], least, ["--json"]);
    expect([ran.code, statusOf(ran, "target s3: canary"), diagnosed(ran).canaries[0]!.verdict]).toEqual([2, "unchecked", "not_shown"]);
    expect(diagnosed(ran).checks.find((one) => one.check === "target s3: canary")!.message).toMatch(/^refused by permissions, not shown to be refused by the lock/);
  });
});

/**
 * The statements as radosgw takes them: it knows other ARNs, no actions on encryption and replicas, and no keys of locks, If-None-Match
 * and storage; what is denied under a condition with such a key, it denies always.
 */
function forRadosgw({ Statement }: Policy, user: string): readonly object[] {
  return Statement.filter(({ Effect, Condition }) => Effect === "Allow" || Condition === undefined).map(({ Sid, Effect, Resource, Action }) => ({
    Sid, Effect, Resource, Principal: { AWS: [`arn:aws:iam:::user/${user}`] }, Action: Action.filter((action) => !/EncryptionConfiguration|ReplicateObject/.test(action)),
  }));
}

describe.skipIf((s3Server()?.folder ?? null) === null)("on the real server, a bucket made by the steps of config/aws", () => {
  const Bucket = `receiptd-aws-${process.pid}`;
  let host: Host;
  let owner: S3Client;
  let options: { readonly env: Readonly<Record<string, string>> };

  beforeAll(async () => {
    owner = await ownerClient();
    const { endpoint, accessKeyId, secretAccessKey } = s3Server()!;
    for (const user of ["daemon", "breaker"]) radosgwAdmin(s3Server()!, ["user", "create", `--uid=${user}`, `--display-name=${user}`, `--access-key=${user}`, `--secret=${user}secret`]);
    host = new Host(configOf(endpoint, Bucket));
    options = withProfiles(host, { daemon: "daemonsecret", breaker: "breakersecret", [accessKeyId]: secretAccessKey });
    await init(host);
    await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    await owner.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
    const lock: ObjectLockConfiguration = { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: { Mode: "COMPLIANCE", Days: 30 } } };
    await owner.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: lock }));
    const printed = async (name: string) => json(await must(host, ["init", "--bucket", Bucket, "--policy", name])) as unknown as Policy;
    const Statement = [...forRadosgw(await printed("bucket"), "daemon"), ...forRadosgw(await printed("canary"), "breaker")];
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: "2012-10-17", Statement }) }));
    return inForce(options);
  });
  afterAll(() => host.remove());

  test("it is as it should be, and the daemon's identity can do no more than it must", async () => {
    const { endpoint, region } = s3Server()!;
    expect((await owner.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe("Enabled");
    expect((await owner.send(new GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration?.Rule?.DefaultRetention).toMatchObject({ Mode: "COMPLIANCE", Days: 30 });
    const daemon = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId: "daemon", secretAccessKey: "daemonsecret" }, maxAttempts: 1 });
    const put = (Key: string) => daemon.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from("x"), ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: new Date(Date.now() + 5000) }));
    const { VersionId } = await put("v1/test.example/x");
    const denied = { name: "AccessDenied" };
    await expect(put("elsewhere")).rejects.toMatchObject(denied);
    await expect(daemon.send(new DeleteObjectCommand({ Bucket, Key: "v1/test.example/x" }))).rejects.toMatchObject(denied);
    await expect(daemon.send(new DeleteObjectCommand({ Bucket, Key: "v1/test.example/x", VersionId }))).rejects.toMatchObject(denied);
    await expect(daemon.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }))).rejects.toMatchObject(denied);
    await expect(daemon.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" } }))).rejects.toMatchObject(denied);
    await expect(daemon.send(new PutBucketPolicyCommand({ Bucket, Policy: "{}" }))).rejects.toMatchObject(denied);
  });

  test.concurrent("doctor: WORM by an identity with the rights of the policy “canary”, least privilege for the daemon, everything looked at", async () => {
    const ran = await host.run(["doctor", "--canary-profile", "breaker", "--canary-lock", "3", "--json"], options);
    const { checks, canaries } = diagnosed(ran);
    expect(canaries).toMatchObject([{ verdict: "worm", excess_rights: [] }]);
    for (const check of ["target s3", "target s3: versioning", "target s3: Object Lock", "target s3: bucket policy", "target s3: lifecycle", "target s3: canary", "target s3: least privilege", "clock", "ledger", "fsync"]) {
      expect([check, statusOf(ran, check)]).toEqual([check, "ok"]);
    }
    expect(checks.filter((one) => one.status === "problem")).toEqual([]);
  });

  test.concurrent("doctor with an identity that lacks a right does not call its refusal a lock's: 2", async () => {
    // on radosgw the bucket's owner may remove what others have put there, and not change its lock
    const ran = await here(host, ["doctor", "--canary-profile", s3Server()!.accessKeyId, "--canary-lock", "3", "--json"]);
    expect([ran.code, diagnosed(ran).canaries]).toMatchObject([2, [{ verdict: "not_shown", why: expect.stringMatching(/ s3:PutObjectRetention$/) }]]);
  });

  test.concurrent("doctor with the daemon's identity alone could not check the lock: 2", async () => {
    const ran = await here(host, ["doctor", "--canary-lock", "3", "--json"]);
    expect([ran.code, statusOf(ran, "target s3: canary"), statusOf(ran, "target s3: least privilege")]).toEqual([2, "unchecked", "ok"]);
  });

  test("a bucket without lock, and one that is not there, are findings: 1", async () => {
    await owner.send(new CreateBucketCommand({ Bucket: `${Bucket}-plain` }));
    await owner.send(new PutPublicAccessBlockCommand({ Bucket: `${Bucket}-plain`, PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true } }));
    const { endpoint, accessKeyId } = s3Server()!;
    for (const [name, bucket] of [["plain.yaml", `${Bucket}-plain`], ["gone.yaml", `${Bucket}-gone`]] as const) writeFileSync(host.path(name), configOf(endpoint, bucket).replace("profile: daemon", `profile: ${accessKeyId}`));
    const [plain, gone] = await Promise.all([here(host, ["doctor", "--config", "plain.yaml", "--json"]), here(host, ["doctor", "--config", "gone.yaml", "--json"])]);
    expect([plain.code, statusOf(plain, "target s3: versioning"), statusOf(plain, "target s3: Object Lock"), statusOf(plain, "target s3: public access"), statusOf(plain, "target s3: canary")]).toEqual([1, "problem", "problem", "ok", undefined]);
    expect([gone.code, diagnosed(gone).checks.find((one) => one.check === "target s3")]).toMatchObject([2, { status: "unchecked", message: expect.stringContaining("no such bucket") }]);
  });
});
