/** A bucket of `npm run demo -- --s3` and `npm run drill`: on a real server with Object Lock, and what somebody with all of its rights can do to it. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand, PutObjectRetentionCommand, S3Client, S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { findS3, HOW_TO_INSTALL, radosgwAdmin, type S3Place, startS3, stopS3 } from "../s3/server.ts";

export interface StoredVersion {
  readonly key: string;
  readonly versionId: string;
}

export class Bucket {
  readonly place: S3Place;
  readonly name = `receiptd-demo-${randomBytes(6).toString("hex")}`;
  readonly #client: S3Client;

  private constructor(place: S3Place, client: S3Client) {
    this.place = place;
    this.#client = client;
  }

  /** On the server that the environment names, else on one that is started here. */
  static async open(folder: string): Promise<Bucket> {
    const inside = join(folder, "s3");
    mkdirSync(inside);
    const place = await findS3(inside);
    if (place === null) throw new Error(`there is no S3 server: ${HOW_TO_INSTALL}`);
    await startS3(place);
    const { endpoint, region, accessKeyId, secretAccessKey } = place;
    // where the SDK of the daemon and of the audit looks for them
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    return await Bucket.#make(place, new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } }));
  }

  /** A further one on the same server; it is closed with the first. */
  another(): Promise<Bucket> {
    return Bucket.#make(this.place, this.#client);
  }

  static async #make(place: S3Place, client: S3Client): Promise<Bucket> {
    const bucket = new Bucket(place, client);
    await client.send(new CreateBucketCommand({ Bucket: bucket.name, ObjectLockEnabledForBucket: true }));
    return bucket;
  }

  close(): void {
    this.#client.destroy();
    stopS3(this.place);
  }

  /** The target as the configuration has it. */
  get settings(): string {
    const { endpoint, region } = this.place;
    return `{name: archive, type: s3, bucket: ${this.name}, endpoint: "${endpoint}", region: ${region}, path_style: true, retention: 1d}`;
  }

  async anchors(): Promise<readonly StoredVersion[]> {
    return (await this.versions()).filter(({ key }) => key.includes("/anchors/"));
  }

  async versions(): Promise<readonly StoredVersion[]> {
    const { Versions = [] } = await this.#client.send(new ListObjectVersionsCommand({ Bucket: this.name }));
    return Versions.map(({ Key: key = "", VersionId: versionId = "" }) => ({ key, versionId }));
  }

  /** Without a version: what S3 answers to `aws s3 rm`. Returns the marker. */
  async hide({ key }: StoredVersion): Promise<StoredVersion> {
    const { VersionId: versionId = "" } = await this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
    return { key, versionId };
  }

  /** What is not locked goes; for what is, the server's refusal. */
  async destroy({ key, versionId }: StoredVersion): Promise<string | null> {
    return refusalOf(this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key, VersionId: versionId, BypassGovernanceRetention: true })));
  }

  async shorten({ key, versionId }: StoredVersion): Promise<string | null> {
    const Retention = { Mode: "COMPLIANCE", RetainUntilDate: new Date(Date.now() + 60_000) } as const;
    return refusalOf(this.#client.send(new PutObjectRetentionCommand({ Bucket: this.name, Key: key, VersionId: versionId, Retention, BypassGovernanceRetention: true })));
  }

  /** A new version of a name, or a new name; without a lock. */
  async store(key: string, content: string | Uint8Array): Promise<StoredVersion> {
    const { VersionId: versionId = "" } = await this.#client.send(new PutObjectCommand({
      Bucket: this.name, Key: key, Body: Buffer.from(content), ChecksumSHA256: createHash("sha256").update(content).digest("base64"),
    }));
    return { key, versionId };
  }

  /** The same sent in parts, of which S3 says when that began. */
  async storeInParts(key: string, content: string): Promise<void> {
    const where = { Bucket: this.name, Key: key };
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(where));
    const { ETag } = await this.#client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: Buffer.from(content) }));
    await this.#client.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }));
  }

  /** As the provider, whom no lock binds. False where that is not us. */
  destroyAsProvider({ key, versionId }: StoredVersion): boolean {
    if (this.place.folder === null) return false;
    radosgwAdmin(this.place, ["object", "rm", `--bucket=${this.name}`, `--object=${key}`, `--object-version=${versionId}`]);
    return true;
  }
}

async function refusalOf(call: Promise<unknown>): Promise<string | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 403) return `403 ${error.name}`;
    throw error;
  }
}
