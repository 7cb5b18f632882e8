/**
 * Who may do what with a bucket of anchors, as policies of AWS IAM and S3 (Service Authorization Reference, "Actions, resources, and
 * condition keys for Amazon S3"). config/aws/policies has the same documents as templates; a test keeps them the same.
 *
 * Least privilege is the second wall: what a lock forbids, nobody can do; what these forbid, the host of the daemon cannot do, taken over
 * or not. Conditions that a server does not know are not kept there: radosgw ignores those on locks and If-None-Match.
 */
export interface BucketUse {
  readonly bucket: string;
  /** Before every object's name; empty, or ends in "/". */
  readonly prefix: string;
  /** ms that each anchor is locked for. */
  readonly retention: number;
  /** ARN of the daemon's role. */
  readonly role: string;
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | { readonly AWS: string };
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: { readonly [operator: string]: { readonly [key: string]: string } };
}

export interface Policy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly Statement[];
}

export const POLICIES = ["anchoring-role", "bucket", "auditor", "canary"] as const;
export type PolicyName = (typeof POLICIES)[number];

/** The role's ARN where the account is not known yet; what is left to fill in is in capitals. */
export const UNKNOWN_ROLE = "arn:aws:iam::ACCOUNT:role/receiptd-anchor";
const ROLE = /^arn:(aws[a-z-]{0,20}):iam::(?:\d{12}|ACCOUNT):(?:role|user)\/[\w+=,.@/-]{1,512}$/;

const DAY = 86_400_000;
const READ_OBJECTS = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"];
const READ_BUCKET = [
  "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration",
  "s3:GetEncryptionConfiguration", "s3:GetReplicationConfiguration", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock",
];
/** What would hide anchors, end their locks early, or open a way to that. */
const UNDO = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"];
/**
 * What is stored so can be listed and not be read. Of a header that was not sent the key is missing: that fails `Null`, and
 * passes `StringNotEquals`.
 */
const UNREADABLE: readonly (readonly [sid: string, condition: NonNullable<Statement["Condition"]>])[] = [
  ["NeverCustomerKey", { Null: { "s3:x-amz-server-side-encryption-customer-algorithm": "false" } }],
  ["NeverOtherKey", { Null: { "s3:x-amz-server-side-encryption": "false" }, StringNotEquals: { "s3:x-amz-server-side-encryption": "AES256" } }],
  ["NeverColdStorage", { Null: { "s3:x-amz-storage-class": "false" }, StringNotEquals: { "s3:x-amz-storage-class": "STANDARD" } }],
];
const NEVER_OBJECTS = [...UNDO, "s3:ReplicateObject"]; // a replica has the time of its original
const NEVER_BUCKET = [
  "s3:PutLifecycleConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy",
  "s3:PutReplicationConfiguration", "s3:PutEncryptionConfiguration", "s3:DeleteBucket",
];

export function isRoleArn(text: string): boolean {
  return ROLE.test(text);
}

/** Whole days that each anchor must have left when it arrives: a day less than configured, since S3 counts from its arrival. */
export function leastDays(retention: number): number {
  return Math.max(1, Math.floor(retention / DAY) - 1);
}

/**
 * `anchoring-role`: for the daemon's identity. `bucket`: the bucket's own policy, which also lets in a role of another account.
 * `auditor`: reads, and nothing else. `canary`: for the identity that `receiptd doctor --canary-profile` breaks locks with; it has
 * every right over the doctor's own objects, and none over anchors.
 */
export function bucketPolicies(use: BucketUse): Readonly<Record<PolicyName, Policy>> {
  const bucket = `arn:${ROLE.exec(use.role)?.[1] ?? "aws"}:s3:::${use.bucket}`;
  const anchors = `${bucket}/${use.prefix}v1/*`;
  const canaries = `${bucket}/${use.prefix}doctor/*`;
  const locked = { StringEquals: { "s3:object-lock-mode": "COMPLIANCE" } };
  const longEnough = { ...locked, NumericGreaterThanEquals: { "s3:object-lock-remaining-retention-days": String(leastDays(use.retention)) } };
  const asNew = { Null: { "s3:if-none-match": "false" } }; // no multipart upload has it, so there are none
  const readObjects: Statement = { Sid: "ReadObjects", Effect: "Allow", Action: READ_OBJECTS, Resource: [anchors, canaries] };
  const readBucket: Statement = { Sid: "ReadBucket", Effect: "Allow", Action: READ_BUCKET, Resource: bucket };
  const role: readonly Statement[] = [
    { Sid: "PutAnchors", Effect: "Allow", Action: ["s3:PutObject"], Resource: anchors, Condition: { ...longEnough, ...asNew } },
    { Sid: "LockAnchors", Effect: "Allow", Action: ["s3:PutObjectRetention"], Resource: anchors, Condition: longEnough },
    { Sid: "PutCanaries", Effect: "Allow", Action: ["s3:PutObject"], Resource: canaries, Condition: { ...locked, ...asNew } },
    { Sid: "LockCanaries", Effect: "Allow", Action: ["s3:PutObjectRetention"], Resource: canaries, Condition: locked },
    readObjects,
    readBucket,
    { Sid: "NeverDelete", Effect: "Deny", Action: NEVER_OBJECTS, Resource: `${bucket}/*` },
    ...UNREADABLE.map(([Sid, Condition]): Statement => ({ Sid, Effect: "Deny", Action: ["s3:PutObject"], Resource: `${bucket}/*`, Condition })),
    { Sid: "NeverReconfigure", Effect: "Deny", Action: NEVER_BUCKET, Resource: bucket },
  ];
  return {
    "anchoring-role": policy(role),
    bucket: policy([
      ...role.map(({ Sid, Effect, ...rest }) => ({ Sid, Effect, Principal: { AWS: use.role }, ...rest })),
      { Sid: "OnlyTls", Effect: "Deny", Principal: "*", Action: ["s3:*"], Resource: [bucket, `${bucket}/*`], Condition: { Bool: { "aws:SecureTransport": "false" } } },
    ]),
    auditor: policy([readObjects, readBucket]),
    canary: policy([
      { Sid: "TryOnCanaries", Effect: "Allow", Action: ["s3:PutObject", "s3:PutObjectRetention", ...UNDO, ...READ_OBJECTS], Resource: canaries },
      { Sid: "FindCanaries", Effect: "Allow", Action: ["s3:ListBucketVersions"], Resource: bucket, Condition: { StringLike: { "s3:prefix": `${use.prefix}doctor/*` } } },
    ]),
  };
}

function policy(statements: readonly Statement[]): Policy {
  return { Version: "2012-10-17", Statement: statements };
}
