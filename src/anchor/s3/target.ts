/**
 * A bucket with Object Lock as an anchor target: AWS S3, or a server that speaks it.
 *
 * Object Lock keeps versions, not names. Anyone who may put can add a newer version, anyone who may delete a marker, and a put that
 * succeeded says nothing about what else has the name; so a version is named by its id, read by its id, and whoever looks for
 * what counts lists them all. A crash or a cut between a put and its answer leaves a locked version, which the next put of the
 * same bytes finds and answers with.
 */
import { createHash } from "node:crypto";
import type { GetObjectCommandOutput, PutObjectCommandInput } from "@aws-sdk/client-s3";
import { equal, utf8 } from "../../format/bytes.ts";
import { type AnchorTarget, lockProblem, type Retention, type StoredObject, TargetError, type TargetErrorCode, type TargetVersion, type VersionName } from "../target.ts";
import type { S3Config } from "../targets.ts";
import { type Backoff, retryDelay } from "../wait.ts";
import { clockOffset, connectS3, ending, onceClient, S3_TIMEOUTS, type S3Connection, type S3Timeouts, serverTime } from "./client.ts";
import { errorNameOf, s3Error, saysMissing, saysUnlocked, statusOf, unlockedBucket } from "./errors.ts";
import { listVersions } from "./listing.ts";

/** So much longer than asked for is locked, ms: the lock counts from when the server stored it, not from when it was asked to. */
const LOCK_MARGIN = 3_600_000;
const PUT_ATTEMPTS = 3;
const BACKOFF: Backoff = { minMs: 100, maxMs: 5_000 };
/** Versions of one name that are read to find ours, newest first: whoever may put can make any number of the same size. */
const MAX_CANDIDATES = 64;
const READ_AS_NONE: ReadonlySet<TargetErrorCode> = new Set(["target_missing", "target_damaged", "target_unreadable"]);
/** Bytes of a key in UTF-8. */
const MAX_KEY = 1024;

export class S3Target implements AnchorTarget {
  readonly name: string;
  readonly trustedTime = true;
  readonly retain: number;
  readonly #config: S3Config;
  readonly #timeouts: S3Timeouts;
  readonly #prefix: string;
  #connection: Promise<S3Connection> | null = null;

  constructor(config: S3Config, timeouts: S3Timeouts = S3_TIMEOUTS) {
    this.name = config.name;
    this.retain = config.retention;
    this.#config = config;
    this.#timeouts = timeouts;
    this.#prefix = config.prefix ?? "";
  }

  async put(name: string, bytes: Uint8Array): Promise<VersionName> {
    const key = this.#keyToWrite(name);
    let condition: "*" | undefined = "*";
    for (let attempt = 1; ; attempt++) {
      const there = await this.#find(name, bytes);
      if (there !== null) return there;
      try {
        return { name, versionId: await this.#store(key, bytes, condition) };
      } catch (error) {
        if (condition !== undefined && statusOf(error) === 412) {
          condition = undefined; // ours, by an attempt that got no answer, or somebody else's: the next look tells
          attempt--;
          continue;
        }
        if (condition === undefined && statusOf(error) === 403 && errorNameOf(error) === "AccessDenied") throw this.#squatted(key);
        const failure = await this.#failure(error, "s3:PutObject", key);
        if (failure.code !== "target_unavailable" || attempt >= PUT_ATTEMPTS) throw failure;
        await sleep(retryDelay(attempt, BACKOFF, Math.random()));
      }
    }
  }

  async get(version: VersionName, maxBytes: number): Promise<StoredObject> {
    const { name, versionId } = version;
    const key = this.#prefix + name;
    const connection = await this.#connect();
    const { sdk, reader } = connection;
    try {
      const { output, bytes } = await ending(connection, maxBytes, async (abortSignal) => {
        const output = await reader.send(new sdk.GetObjectCommand({ Bucket: this.#config.bucket, Key: key, VersionId: versionId }), { abortSignal });
        return { output, bytes: await bodyOf(output, version, maxBytes) };
      });
      const lastModified = output.LastModified?.getTime() ?? Number.NaN;
      if (Number.isNaN(lastModified)) throw notS3("target_unavailable", name, "no time of its storage");
      const retention = retentionOf(output.ObjectLockMode, output.ObjectLockRetainUntilDate) ?? await this.#retention(connection, key, versionId);
      return { bytes, lastModified, retention };
    } catch (error) {
      if (saysMissing(error)) throw new TargetError("target_missing", `${this.name}: ${name} has no version ${versionId.slice(0, 100)}`);
      throw await this.#failure(error, "s3:GetObjectVersion", key);
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
    const connection = await this.#connect();
    const { sdk, reader } = connection;
    const wanted = this.#prefix + prefix;
    try {
      yield* listVersions(async (marker) => ending(connection, 0, async (abortSignal) => reader.send(new sdk.ListObjectVersionsCommand({
        Bucket: this.#config.bucket,
        Prefix: wanted,
        EncodingType: "url",
        MaxKeys: 1_000, // the most that S3 has, said, so that a server that allows fewer is asked again
        ...(marker === null ? {} : { KeyMarker: marker.key }),
        ...(marker?.versionId === undefined ? {} : { VersionIdMarker: marker.versionId }),
      }), { abortSignal })), wanted, this.#prefix, after === undefined ? undefined : this.#prefix + after);
    } catch (error) {
      throw await this.#failure(error, "s3:ListBucketVersions", wanted);
    }
  }

  /** A version of the name that has these bytes and is locked as it must be. */
  async #find(name: string, bytes: Uint8Array): Promise<VersionName | null> {
    let candidates = 0;
    for await (const version of this.list(name)) {
      if (version.name !== name) break; // the name itself sorts before all that it is a prefix of
      if (version.kind !== "object" || version.isMultipart || version.size !== bytes.length) continue;
      if (++candidates > MAX_CANDIDATES) break;
      const stored = await this.#ifReadable(version, bytes.length);
      if (stored !== null && equal(stored.bytes, bytes) && lockProblem(this.retain, stored) === null) return { name, versionId: version.versionId };
    }
    return null;
  }

  /** Null for what was removed since it was listed, is not what was listed, or is stored as no object of ours is. */
  async #ifReadable(version: VersionName, size: number): Promise<StoredObject | null> {
    try {
      return await this.get(version, size);
    } catch (error) {
      if (error instanceof TargetError && READ_AS_NONE.has(error.code)) return null;
      throw error;
    }
  }

  /** One PUT; the new version's id. Throws what the SDK throws, too. */
  async #store(key: string, bytes: Uint8Array, condition: "*" | undefined): Promise<string> {
    const connection = await this.#connect();
    const { bucket } = this.#config;
    const input: PutObjectCommandInput = {
      Bucket: bucket,
      Key: key,
      Body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), // of known length: a stream is sent in chunks that some servers refuse
      ContentType: "application/octet-stream",
      ChecksumSHA256: createHash("sha256").update(bytes).digest("base64"),
      ObjectLockMode: "COMPLIANCE",
      ObjectLockRetainUntilDate: new Date(serverTime(connection) + this.retain + LOCK_MARGIN),
      ...(condition === undefined ? {} : { IfNoneMatch: condition }),
      // Not by a KMS key, which the bucket may have as its default: whoever deletes that destroys what is locked. Servers
      // elsewhere have no such default, and refuse the header where they cannot encrypt (radosgw without a key store, 400).
      ...(isAws(this.#config.endpoint) ? { ServerSideEncryption: "AES256" } : {}),
    };
    const client = onceClient(connection);
    const { VersionId } = await ending(connection, bytes.length, async (abortSignal) => client.send(new connection.sdk.PutObjectCommand(input), { abortSignal }));
    if (VersionId === undefined || VersionId === "" || VersionId === "null") throw unlockedBucket(this.#config);
    return VersionId;
  }

  /**
   * The lock of a version that was read without one. The headers are left out both where there is no lock and, on AWS, where the
   * reader may not see it.
   */
  async #retention(connection: S3Connection, key: string, versionId: string): Promise<Retention | null> {
    const { sdk, reader } = connection;
    const command = new sdk.GetObjectRetentionCommand({ Bucket: this.#config.bucket, Key: key, VersionId: versionId });
    try {
      const { Retention: found } = await ending(connection, 0, async (abortSignal) => reader.send(command, { abortSignal }));
      return retentionOf(found?.Mode, found?.RetainUntilDate);
    } catch (error) {
      if (saysUnlocked(error)) return null;
      // radosgw says no more of a bucket without a lock than that the request is invalid
      if (errorNameOf(error) === "InvalidRequest") return null;
      if (saysMissing(error)) throw error;
      throw await this.#failure(error, "s3:GetObjectRetention", key);
    }
  }

  /** Says what is wrong, after a look at the bucket where the error alone does not tell. */
  async #failure(error: unknown, action: string, key: string): Promise<TargetError> {
    if (error instanceof TargetError) return error;
    const connection = await this.#connect();
    const isVague = action === "s3:PutObject" && errorNameOf(error) === "InvalidRequest" && !saysUnlocked(error);
    if (isVague && !await this.#hasLock(connection)) return unlockedBucket(this.#config);
    return s3Error(error, { config: this.#config, action, key, clockOffset: clockOffset(connection) });
  }

  async #hasLock(connection: S3Connection): Promise<boolean> {
    const { sdk, reader } = connection;
    const command = new sdk.GetObjectLockConfigurationCommand({ Bucket: this.#config.bucket });
    try {
      await ending(connection, 0, async (abortSignal) => reader.send(command, { abortSignal }));
      return true;
    } catch (error) {
      return !saysUnlocked(error);
    }
  }

  #squatted(key: string): TargetError {
    const { bucket } = this.#config;
    return new TargetError(
      "target_conflict",
      `${this.name}: somebody has put other bytes under ${key}, and the bucket's policy allows no version beside them; put a delete marker, which removes nothing, and it is tried again: aws s3api delete-object --bucket ${bucket} --key ${key}`,
    );
  }

  #keyToWrite(name: string): string {
    const key = this.#prefix + name;
    const isBad = /[\p{Cc}\p{Cs}]/u.test(name) || name.split("/").some((part) => part === "" || part === "." || part === "..");
    if (isBad || utf8(key).length > MAX_KEY) throw new TypeError(`not a name to write: ${name.slice(0, 200)}`);
    return key;
  }

  #connect(): Promise<S3Connection> {
    this.#connection ??= connectS3(this.#config, this.#timeouts);
    return this.#connection;
  }
}

function isAws(endpoint: string | undefined): boolean {
  return endpoint === undefined || /(?:^|\.)amazonaws\.com(?:\.cn)?$/.test(new URL(endpoint).hostname);
}

/** The bytes, if the answer is about the version at all, and as long as they are no more than expected, whatever its header says. */
async function bodyOf({ Body, ContentLength, VersionId }: GetObjectCommandOutput, { name, versionId }: VersionName, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = (size: number): TargetError => new TargetError("target_damaged", `${name} has ${size} bytes or more; at most ${maxBytes} are expected`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stream = Body as AsyncIterable<Uint8Array> & { destroy(): unknown };
  try {
    if ((VersionId ?? "null") !== versionId) throw notS3(VersionId === undefined ? "target_unavailable" : "target_damaged", name, "another version than was asked for");
    if (ContentLength !== undefined && ContentLength > maxBytes) throw tooLarge(ContentLength);
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(size);
      chunks.push(chunk);
    }
  } finally {
    stream.destroy();
  }
  return new Uint8Array(Buffer.concat(chunks, size));
}

function retentionOf(mode: string | undefined, until: Date | undefined): Retention | null {
  const ms = until?.getTime() ?? Number.NaN;
  return (mode === "COMPLIANCE" || mode === "GOVERNANCE") && !Number.isNaN(ms) ? { mode, until: ms } : null;
}

function notS3(code: "target_unavailable" | "target_damaged", name: string, what: string): TargetError {
  return new TargetError(code, `${name} was answered with ${what}; is a proxy or another service there?`);
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => { setTimeout(resolve, ms); });
}
