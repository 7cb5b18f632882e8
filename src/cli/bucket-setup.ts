/** What `receiptd init --bucket` prints: the policies of a bucket for anchors. Nothing is asked of the bucket or the network. */
import { bucketPolicies, type BucketUse, isRoleArn, POLICIES, type Policy, type PolicyName, UNKNOWN_ROLE } from "../anchor/s3/policy.ts";
import type { Config } from "../config.ts";
import { CliError } from "./errors.ts";

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** 7y, as a target has it that says nothing else; ms. */
const USUAL_RETENTION = 7 * 366 * 86_400_000;

const PURPOSES: Readonly<Record<PolicyName, string>> = {
  "anchoring-role": "for the role that the daemon runs with: least privilege",
  bucket: "for the bucket itself",
  auditor: "for whoever audits: reading alone",
  canary: "for the identity of receiptd doctor --canary-profile: every right over the doctor's own objects, none over anchors",
};

export interface BucketSetup {
  readonly use: BucketUse;
  /** Of the configured target with this bucket; null where there is none. */
  readonly target: string | null;
  readonly policies: Readonly<Record<PolicyName, Policy>>;
}

export function bucketSetup(config: Config, bucket: string, role = UNKNOWN_ROLE): BucketSetup {
  if (!BUCKET.test(bucket)) throw new CliError("bad_usage", `${bucket.slice(0, 80)} is not the name of a bucket`, "for example: --bucket acme-receipts");
  if (!isRoleArn(role)) throw new CliError("bad_usage", `${role.slice(0, 80)} is not the ARN of a role or user`, "for example: --role arn:aws:iam::123456789012:role/receiptd-anchor");
  const target = config.anchor.targets.find((one) => one.type === "s3" && one.bucket === bucket);
  const { prefix = "", retention } = target?.type === "s3" ? target : { retention: USUAL_RETENTION };
  const use = { bucket, prefix, retention, role };
  return { use, target: target?.name ?? null, policies: bucketPolicies(use) };
}

export function isPolicyName(name: string): name is PolicyName {
  return (POLICIES as readonly string[]).includes(name);
}

export function bucketText({ use, target, policies }: BucketSetup): string {
  const days = Math.floor(use.retention / 86_400_000);
  return [
    `Policies for the bucket ${use.bucket}${use.prefix === "" ? "" : `, prefix ${use.prefix}`}, anchors locked for ${days} days${target === null ? "" : ` (target ${target})`}:`,
    ...POLICIES.flatMap((name) => ["", `# ${name}: ${PURPOSES[name]}`, JSON.stringify(policies[name], null, 2)]),
    "",
    ...(use.role === UNKNOWN_ROLE ? ["ACCOUNT in the role's ARN stands for the number of your account; or say --role <arn>."] : []),
    ...(target === null ? [
      "No target of the configuration has this bucket yet; under anchor.targets:",
      `  - {name: s3, type: s3, bucket: ${use.bucket}, region: eu-central-1, retention: 7y}`,
    ] : []),
    "Making the bucket: config/aws (Terraform, or the steps of the AWS CLI). Afterwards: receiptd doctor",
  ].join("\n");
}

/** The same for scripts. */
export function bucketFacts({ use, target, policies }: BucketSetup): object {
  return { bucket: use.bucket, prefix: use.prefix, retention: use.retention, role: use.role, target, policies };
}
