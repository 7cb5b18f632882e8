/** The policies of a bucket: the printed ones and the templates of config/aws are one and the same; what they allow and forbid. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bucketPolicies, isRoleArn, leastDays, type Policy, POLICIES, type Statement, UNKNOWN_ROLE } from "../../src/anchor/s3/policy.ts";

const DAY = 86_400_000;
const ROLE = "arn:aws-cn:iam::123456789012:role/anchors/receiptd";
const USE = { bucket: "acme-receipts", prefix: "receiptd/", retention: 2562 * DAY, role: ROLE };

/** As Terraform's templatefile and envsubst(1) fill in. */
function filled(name: string, values: Readonly<Record<string, string>>): unknown {
  const text = readFileSync(`config/aws/policies/${name}.json`, "utf8").replace(/\$\{(\w+)\}/g, (_, key: string) => values[key]!);
  return JSON.parse(text);
}

describe("config/aws", () => {
  test.each(POLICIES)("the template %s becomes what `receiptd init --bucket` prints", (name) => {
    const values = { partition: "aws-cn", bucket: USE.bucket, prefix: USE.prefix, days: "2561", role: ROLE };
    expect(filled(name, values)).toEqual(bucketPolicies(USE)[name]);
    expect(readdirSync("config/aws/policies").sort()).toEqual(POLICIES.map((one) => `${one}.json`).sort());
  });

  test("Terraform has the same names, defaults and sum", () => {
    const [policies, variables, main] = ["policies", "variables", "main"].map((name) => readFileSync(`config/aws/terraform/${name}.tf`, "utf8"));
    expect(policies).toContain(`[${POLICIES.map((name) => `"${name}"`).join(", ")}]`);
    const given = new Set([...policies!.matchAll(/^ {4}(\w+) +=/gm)].map((match) => match[1]));
    for (const name of POLICIES) {
      for (const [, key] of readFileSync(`config/aws/policies/${name}.json`, "utf8").matchAll(/\$\{(\w+)\}/g)) expect(given).toContain(key);
      expect(main).toContain(`local.policies["${name}"]`);
    }
    expect(Number(/retention_days"[\s\S]*?default += (\d+)/.exec(variables!)![1]) * DAY).toBe(USE.retention);
    expect(policies).toContain("max(1, var.retention_days - 1)");
    expect([1, 2, 90].map((days) => leastDays(days * DAY))).toEqual([1, 1, 89]);
    expect(main).toMatch(/object_lock_enabled = true/);
    expect(main).toMatch(/mode = "COMPLIANCE"/);
  });
});

/** Does a policy allow a request? Deny wins, conditions as IAM reads them (a missing key fails, except for Null and what is negated). */
function allows(policy: Policy, action: string, resource: string, keys: Readonly<Record<string, string>> = {}): boolean {
  const matches = (pattern: string, text: string): boolean => new RegExp(`^${pattern.replaceAll(/[.+?^$()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*")}$`).test(text);
  const holds = (operator: string, key: string, wanted: string): boolean => {
    const have = keys[key];
    if (operator === "Null") return (have === undefined) === (wanted === "true");
    if (operator === "StringNotEquals") return have !== wanted;
    if (have === undefined) return false;
    if (operator === "NumericGreaterThanEquals") return Number(have) >= Number(wanted);
    return operator === "StringLike" ? matches(wanted, have) : have === wanted;
  };
  const applies = ({ Action, Resource, Condition = {} }: Statement): boolean =>
    Action.some((one) => matches(one, action)) && [Resource].flat().some((one) => matches(one, resource)) &&
    Object.entries(Condition).every(([operator, pairs]) => Object.entries(pairs).every(([key, wanted]) => holds(operator, key, wanted)));
  const effects = new Set(policy.Statement.filter(applies).map((one) => one.Effect));
  return effects.has("Allow") && !effects.has("Deny");
}

describe("what the anchoring role may do, by both of its policies", () => {
  const bucket = "arn:aws-cn:s3:::acme-receipts";
  const anchor = `${bucket}/receiptd/v1/receipts.example.com/00/anchors/1`;
  const canary = `${bucket}/receiptd/doctor/receipts.example.com/1`;
  const put = { "s3:object-lock-mode": "COMPLIANCE", "s3:object-lock-remaining-retention-days": "2562", "s3:if-none-match": "*", "aws:SecureTransport": "true" };
  const without = (key: keyof typeof put): Record<string, string> => Object.fromEntries(Object.entries(put).filter(([name]) => name !== key));

  test.each<readonly [what: string, allowed: boolean, action: string, resource: string, keys: Readonly<Record<string, string>>]>([
    ["an anchor", true, "s3:PutObject", anchor, put],
    ["its lock", true, "s3:PutObjectRetention", anchor, without("s3:if-none-match")],
    ["over what is there, or in parts", false, "s3:PutObject", anchor, without("s3:if-none-match")],
    ["without a lock", false, "s3:PutObject", anchor, without("s3:object-lock-mode")],
    ["under a lock that can be bypassed", false, "s3:PutObject", anchor, { ...put, "s3:object-lock-mode": "GOVERNANCE" }],
    ["under a short lock", false, "s3:PutObject", anchor, { ...put, "s3:object-lock-remaining-retention-days": "2560" }],
    ["under SSE-S3, in S3 Standard", true, "s3:PutObject", anchor, { ...put, "s3:x-amz-server-side-encryption": "AES256", "s3:x-amz-storage-class": "STANDARD" }],
    ["under a key of the client's", false, "s3:PutObject", anchor, { ...put, "s3:x-amz-server-side-encryption-customer-algorithm": "AES256" }],
    ["under a KMS key", false, "s3:PutObject", anchor, { ...put, "s3:x-amz-server-side-encryption": "aws:kms" }],
    ["in cold storage", false, "s3:PutObject", anchor, { ...put, "s3:x-amz-storage-class": "GLACIER" }],
    ["outside of the prefix", false, "s3:PutObject", `${bucket}/v1/x`, put],
    ["a canary", true, "s3:PutObject", canary, { ...put, "s3:object-lock-remaining-retention-days": "0" }],
    ["a version", true, "s3:GetObjectVersion", anchor, {}],
    ["the list", true, "s3:ListBucketVersions", bucket, {}],
    ["a marker", false, "s3:DeleteObject", anchor, {}],
    ["a deletion", false, "s3:DeleteObjectVersion", canary, {}],
    ["a bypass", false, "s3:BypassGovernanceRetention", anchor, {}],
    ["the bucket's lock", false, "s3:PutBucketObjectLockConfiguration", bucket, {}],
    ["the bucket's policy", false, "s3:PutBucketPolicy", bucket, {}],
    ["a lifecycle", false, "s3:PutLifecycleConfiguration", bucket, {}],
  ])("%s: %s", (_, allowed, action, resource, keys) => {
    const policies = bucketPolicies(USE);
    expect(allows(policies["anchoring-role"], action, resource, keys)).toBe(allowed);
    expect(allows(policies.bucket, action, resource, { "aws:SecureTransport": "true", ...keys })).toBe(allowed);
    expect(allows(policies.bucket, action, resource, { ...keys, "aws:SecureTransport": "false" })).toBe(false);
  });

  test("auditor and canary: no more than their names say", () => {
    const { auditor, canary: breaker } = bucketPolicies(USE);
    for (const action of ["s3:PutObject", "s3:PutObjectRetention", "s3:DeleteObject", "s3:PutBucketPolicy"]) expect(allows(auditor, action, anchor, put)).toBe(false);
    expect(allows(auditor, "s3:GetObjectRetention", anchor)).toBe(true);
    for (const action of ["s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention", "s3:PutObject"]) {
      expect(allows(breaker, action, canary)).toBe(true);
      expect(allows(breaker, action, anchor)).toBe(false);
    }
    expect(allows(breaker, "s3:ListBucketVersions", bucket, { "s3:prefix": "receiptd/doctor/receipts.example.com/1" })).toBe(true);
    expect(allows(breaker, "s3:ListBucketVersions", bucket, { "s3:prefix": "receiptd/v1/" })).toBe(false);
  });
});

test("which ARNs are a role's or user's", () => {
  expect([ROLE, UNKNOWN_ROLE, "arn:aws:iam::123456789012:user/ci"].every(isRoleArn)).toBe(true);
  expect(["*", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:root", "arn:aws:s3:::x", `${ROLE}"`].some(isRoleArn)).toBe(false);
});
