/** The settings of a bucket that decide about its anchors, each on its own: an identity may see some and not others. */
import { connectS3, ending, type S3Connection } from "./client.ts";
import { errorNameOf, s3Error, saysUnlocked, statusOf } from "./errors.ts";
import type { TargetError } from "../target.ts";
import type { S3Config } from "../targets.ts";

/** `denied`: this identity may not look. `unknown`: the server has no such setting. `failed`: no clear answer; `why` is its code. */
export type Setting<T> =
  | { readonly seen: "value"; readonly value: T }
  | { readonly seen: "denied"; readonly action: string }
  | { readonly seen: "unknown" }
  | { readonly seen: "failed"; readonly why: string };

export interface DefaultRetention {
  readonly mode: string;
  readonly days: number;
}

export interface ExpiryRule {
  readonly id: string | null;
  /** Of the names whose current versions it expires; tags and sizes are left out: they may match. */
  readonly prefix: string;
}

export interface BucketSettings {
  /** Enabled, Suspended, or null for off. */
  readonly versioning: Setting<string | null>;
  /** `lock: null`: off. */
  readonly lock: Setting<{ readonly standard: DefaultRetention | null } | null>;
  /** null: there is none. */
  readonly policy: Setting<{ readonly isPublic: boolean } | null>;
  /** Is all public access blocked? */
  readonly publicAccessBlocked: Setting<boolean>;
  /** Enabled rules that put delete markers over current versions. */
  readonly expiry: Setting<readonly ExpiryRule[]>;
  /** Algorithms of the default encryption: AES256, aws:kms … */
  readonly encryption: Setting<readonly string[]>;
}

export interface OpenedBucket {
  readonly connection: S3Connection;
  readonly accessKeyId: string;
}

/** A bucket that answers, or why it does not; and its server's clock minus this host's, ms, to a second, where there was an answer. */
export async function openBucket(config: S3Config): Promise<{ readonly opened: OpenedBucket | TargetError; readonly offset: number | null }> {
  const connection = await connectS3(config);
  const offset = watchClock(connection);
  const Prefix = config.prefix ?? "";
  try {
    const { accessKeyId } = await connection.reader.config.credentials();
    const { sdk, reader } = connection;
    // not HeadBucket: a HEAD has no body to say what is wrong
    await ending(connection, 0, (abortSignal) => reader.send(new sdk.ListObjectVersionsCommand({ Bucket: config.bucket, Prefix, MaxKeys: 1 }), { abortSignal }));
    return { opened: { connection, accessKeyId }, offset: offset() };
  } catch (error) {
    return { opened: s3Error(error, { config, action: "s3:ListBucketVersions", key: Prefix, clockOffset: offset() ?? 0 }), offset: offset() };
  }
}

/** Notes the server's `Date`, which it gives in whole seconds. (The SDK's own offset is 0 below five minutes.) */
function watchClock({ reader }: S3Connection): () => number | null {
  let offset: number | null = null;
  reader.middlewareStack.add((next) => async (args) => {
    const before = Date.now();
    const result = await next(args);
    const headers: unknown = typeof result.response === "object" && result.response !== null ? Reflect.get(result.response, "headers") : undefined;
    const date: unknown = typeof headers === "object" && headers !== null ? Reflect.get(headers, "date") : undefined;
    const server = typeof date === "string" ? Date.parse(date) : Number.NaN;
    if (!Number.isNaN(server)) offset = server + 500 - (before + Date.now()) / 2;
    return result;
  }, { step: "deserialize", priority: "low", name: "receiptdClock" });
  return () => offset;
}

export async function readSettings(connection: S3Connection, Bucket: string): Promise<BucketSettings> {
  const { sdk, reader } = connection;
  const ask = <T>(action: string, absent: RegExp, none: T, call: (options: { readonly abortSignal: AbortSignal }) => Promise<T>): Promise<Setting<T>> =>
    setting(connection, action, (error) => absent.test(errorNameOf(error)), none, call);
  const [versioning, lock, policy, publicAccessBlocked, expiry, encryption] = await Promise.all([
    ask<string | null>("s3:GetBucketVersioning", /^$/, null, async (options) => (await reader.send(new sdk.GetBucketVersioningCommand({ Bucket }), options)).Status ?? null),
    setting<{ readonly standard: DefaultRetention | null } | null>(connection, "s3:GetBucketObjectLockConfiguration", saysUnlocked, null, async (options) => {
      const found = (await reader.send(new sdk.GetObjectLockConfigurationCommand({ Bucket }), options)).ObjectLockConfiguration;
      const rule = found?.Rule?.DefaultRetention;
      if (found?.ObjectLockEnabled !== "Enabled") return null;
      return { standard: rule === undefined ? null : { mode: String(rule.Mode), days: rule.Days ?? (rule.Years ?? 0) * 365 } };
    }),
    ask<{ readonly isPublic: boolean } | null>("s3:GetBucketPolicyStatus", /^NoSuchBucketPolicy$/, null, async (options) => {
      const { Policy = "" } = await reader.send(new sdk.GetBucketPolicyCommand({ Bucket }), options); // some servers have a status without a policy
      const { PolicyStatus } = await reader.send(new sdk.GetBucketPolicyStatusCommand({ Bucket }), options);
      return { isPublic: PolicyStatus?.IsPublic === true && !namesWhomItAllows(Policy) };
    }),
    ask("s3:GetBucketPublicAccessBlock", /^NoSuchPublicAccessBlockConfiguration$/, false, async (options) => {
      const { BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets } = (await reader.send(new sdk.GetPublicAccessBlockCommand({ Bucket }), options)).PublicAccessBlockConfiguration ?? {};
      return [BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets].every((one) => one === true);
    }),
    ask<readonly ExpiryRule[]>("s3:GetLifecycleConfiguration", /^NoSuchLifecycleConfiguration$/, [], async (options) => {
      const { Rules = [] } = await reader.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }), options);
      const expiring = Rules.filter(({ Status, Expiration }) => Status === "Enabled" && (Expiration?.Days !== undefined || Expiration?.Date !== undefined));
      return expiring.map(({ ID, Filter, Prefix }) => ({ id: ID ?? null, prefix: Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? "" }));
    }),
    ask<readonly string[]>("s3:GetEncryptionConfiguration", /^ServerSideEncryptionConfigurationNotFoundError$/, [], async (options) => {
      const { Rules = [] } = (await reader.send(new sdk.GetBucketEncryptionCommand({ Bucket }), options)).ServerSideEncryptionConfiguration ?? {};
      return Rules.map((rule) => rule.ApplyServerSideEncryptionByDefault?.SSEAlgorithm ?? "");
    }),
  ]);
  return { versioning, lock, policy, publicAccessBlocked, expiry, encryption };
}

/** A policy that names everybody whom it lets in is not public; Ceph 16 says so even of such. */
function namesWhomItAllows(policy: string): boolean {
  try {
    const { Statement } = JSON.parse(policy) as { readonly Statement?: unknown };
    return [Statement].flat().every((one) => {
      const { Effect, Principal } = one as { readonly Effect?: unknown; readonly Principal?: unknown };
      return Effect === "Deny" || (typeof Principal === "object" && Principal !== null && !JSON.stringify(Principal).includes("*"));
    });
  } catch {
    return false;
  }
}

async function setting<T>(connection: S3Connection, action: string, isAbsent: (error: unknown) => boolean, none: T, call: (options: { readonly abortSignal: AbortSignal }) => Promise<T>): Promise<Setting<T>> {
  try {
    return { seen: "value", value: await ending(connection, 0, (abortSignal) => call({ abortSignal })) };
  } catch (error) {
    if (isAbsent(error)) return { seen: "value", value: none };
    if (statusOf(error) === 403) return { seen: "denied", action };
    return statusOf(error) === 501 || errorNameOf(error) === "NotImplemented" ? { seen: "unknown" } : { seen: "failed", why: errorNameOf(error) };
  }
}
