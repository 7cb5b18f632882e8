/**
 * The real S3 server of this test run (scripts/s3/server.ts), shared by all test files; each makes buckets of its own.
 *
 * Using it sets its credentials into this process's environment, where the SDK and child processes look for them.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from "@aws-sdk/client-s3";
import { inject } from "vitest";
import { radosgwAdmin, type S3Place, startS3 } from "../../scripts/s3/server.ts";
import type { S3Config } from "../../src/anchor/targets.ts";

/** Where the server is, or will be at the first `newBucket()`; null where there is none, and its tests must be skipped. */
export function s3Server(): S3Place | null {
  return inject("s3");
}

export function hasS3(): boolean {
  return s3Server() !== null;
}

let client: S3Client | null = null;

/** A client that may do everything, as the bucket's owner. */
export async function ownerClient(): Promise<S3Client> {
  const { endpoint, region, accessKeyId, secretAccessKey } = await running();
  client ??= new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
  return client;
}

/** The name of a new bucket. */
export async function newBucket(kind: "locked" | "versioned" | "plain" = "locked"): Promise<string> {
  const Bucket = `receiptd-test-${randomBytes(8).toString("hex")}`;
  const owner = await ownerClient();
  await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: kind === "locked" }));
  if (kind === "versioned") await owner.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  return Bucket;
}

/** A new bucket as a target of the configuration: locked for a day. */
export async function bucket(overrides: Partial<S3Config> = {}): Promise<S3Config> {
  const { endpoint, region } = await running();
  const name = overrides.bucket ?? await newBucket();
  return { type: "s3", name: "s3", bucket: name, region, endpoint, path_style: true, retention: 86_400_000, required: true, ...overrides };
}

/** Removes one version whatever its lock, as whoever runs the server can. */
export async function destroyVersion(bucketName: string, key: string, versionId: string): Promise<void> {
  radosgwAdmin(await running(), ["object", "rm", `--bucket=${bucketName}`, `--object=${key}`, `--object-version=${versionId}`]);
}

/** Test files are processes: the one that makes the folder `starting` starts the server, the others wait. */
async function running(): Promise<S3Place> {
  const server = inject("s3");
  if (server === null) throw new Error("there is no S3 server: skip this test unless hasS3()");
  const { folder, owner, accessKeyId, secretAccessKey } = server;
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  if (folder === null) return server;
  const failed = join(folder, "failed");
  const served = join(folder, "served");
  if (!existsSync(served) && madeFirst(join(folder, "starting"))) {
    await startS3(server, owner).then(() => writeFileSync(served, ""), (error: unknown) => writeFileSync(failed, String(error)));
  }
  while (!existsSync(served)) {
    if (existsSync(failed)) throw new Error(`the S3 server does not start; see ${folder}/log`);
    await sleep(50);
  }
  return server;
}

function madeFirst(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
