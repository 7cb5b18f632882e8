/**
 * What the SDK throws, as what an operator can do about it. Codes are those of the Amazon S3 API Reference, "Error responses", and
 * of Node's sockets.
 *
 * An error of the SDK carries the request's signature, headers and, for an expired one, the session token: it is never handed on,
 * not even as a cause. Of the server's own words a short line is quoted.
 */
import { TargetError, type TargetErrorCode } from "../target.ts";
import type { S3Config } from "../targets.ts";

/** What was being done. */
export interface S3Attempt {
  readonly config: Pick<S3Config, "name" | "bucket" | "region" | "endpoint" | "profile">;
  /** The permission that it takes, as policies name it: `s3:PutObject`. */
  readonly action: string;
  readonly key: string;
  /** Server's clock minus the host's, ms. */
  readonly clockOffset: number;
}

/** The fields of an SDK error that are used; each is checked, the server writes them. */
interface Failure {
  /** The S3 error code, or the name of what the SDK threw. */
  readonly name: string;
  readonly message: string;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** Of Node: ECONNREFUSED … */
  readonly code: string;
  /** Where the bucket is, by the server. */
  readonly region: string | null;
}

const CREDENTIALS = new Set([
  "CredentialsProviderError", "TokenProviderError", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
  "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException",
]);
const REGION = new Set(["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"]);
const DAMAGED = new Set(["BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"]);
const AGAIN = new Set(["SlowDown", "RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict"]);
const NO_LOCK = new Set(["ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"]);
const MISSING = new Set(["NoSuchKey", "NoSuchVersion", "MethodNotAllowed"]);
/** What the SDK calls an answer in which there is no error code: a web page of a proxy, not a word of S3 about an object. */
const NOT_S3 = new Set(["NotFound", "Unknown", "UnknownError"]);
/** Of the KMS key that an object is stored under: it is not to be used by this host; it fails, which passes. */
const KMS_KEY = /^KMS\.(?:Disabled|NotFound|AccessDenied|InvalidKeyUsage|(?:KMS)?InvalidState)Exception$/;
const KMS_AGAIN = /^KMS\.(?:Throttling|LimitExceeded|KMSInternal|DependencyTimeout|KeyUnavailable)Exception$/;
const TLS = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$)/;

/** HTTP status of the answer; null where there was none. */
export function statusOf(error: unknown): number | null {
  return failureOf(error).status;
}

/** The code of the answer, or the name of what was thrown. */
export function errorNameOf(error: unknown): string {
  return failureOf(error).name;
}

/** The version that was asked for is not there, or is a delete marker. */
export function saysMissing(error: unknown): boolean {
  const { name, status } = failureOf(error);
  // AWS calls a version id that it never gave out an invalid argument.
  return MISSING.has(name) || (status === 400 && name === "InvalidArgument");
}

/** The object, or the bucket, has no lock. */
export function saysUnlocked(error: unknown): boolean {
  const { name, message } = failureOf(error);
  return NO_LOCK.has(name) || (name === "InvalidRequest" && /missing object lock|object lock not configured/i.test(message));
}

export function s3Error(error: unknown, attempt: S3Attempt): TargetError {
  if (error instanceof TargetError) return error;
  if (saysUnlocked(error)) return unlockedBucket(attempt.config);
  const failure = failureOf(error);
  const [code, what] = verdict(failure, attempt);
  const { name, bucket } = attempt.config;
  return new TargetError(code, `${name}: ${attempt.action} of ${bucket}/${attempt.key}: ${what}${quoted(failure)}`);
}

/** The bucket cannot keep what it is given. */
export function unlockedBucket({ name, bucket }: S3Attempt["config"]): TargetError {
  return new TargetError(
    "target_unlocked",
    `${name}: the bucket ${bucket} has no versioning or no Object Lock, so nothing in it is safe; switch both on (aws s3api put-bucket-versioning, then put-object-lock-configuration) or make a bucket as \`receiptd init --bucket\` says`,
  );
}

function verdict(failure: Failure, { config, action, clockOffset }: S3Attempt): readonly [TargetErrorCode, string] {
  const { name, status } = failure;
  if (CREDENTIALS.has(name)) return ["target_denied", `the credentials ${credentials(config)} are missing, wrong or expired; to see whose they are: ${identityCommand(config)}`];
  if (name === "RequestTimeTooSkewed" || name === "RequestInTheFuture") return ["target_unavailable", `this host's clock is off by ${duration(clockOffset)}; fix NTP (chronyc tracking)`];
  if (REGION.has(name)) return ["target_denied", wrongRegion(failure, config)];
  if (name === "NoSuchBucket") return ["target_unavailable", "there is no such bucket; is its name right, and the account or endpoint? If it was deleted, its anchors are gone"];
  if (DAMAGED.has(name) || failure.message.startsWith("Checksum mismatch")) return ["target_damaged", "other bytes arrived than were sent; look for faulty memory or a proxy that changes bodies"];
  if (AGAIN.has(name) || KMS_AGAIN.test(name) || status === 409 || status === 429 || (status !== null && status >= 500)) return ["target_unavailable", `the server cannot do it now (${name}); it is tried again`];
  if (action === "s3:GetObjectVersion" && isUnreadable(failure)) return ["target_unreadable", "it is stored under a key that this host does not have, or in cold storage; no anchor of receiptd is"];
  if (status !== null && NOT_S3.has(name)) return ["target_unavailable", network(failure, config)];
  if (status === 403) return ["target_denied", `not allowed; allow ${action} in the policies of role and bucket (receiptd init --bucket prints them)`];
  if (status === 412) return ["target_conflict", "the name is taken"];
  if (MISSING.has(name)) return ["target_missing", "it is not there"];
  if (status !== null && status >= 400) return ["target_denied", `refused as ${name} (HTTP ${status}); see: receiptd doctor`];
  if (failure.message.startsWith("Region is missing")) return ["target_denied", "the bucket's region is not known; set `region` of the target"];
  return ["target_unavailable", network(failure, config)];
}

/**
 * S3's answer about how one object is stored, which whoever may put decides: under a key of the client's (SSE-C: InvalidRequest), in
 * an archive, under a KMS key. The lack of `kms:Decrypt` is AccessDenied as every other, and only its message says of what.
 */
function isUnreadable({ name, status, message }: Failure): boolean {
  if (name === "AccessDenied") return status === 403 && /\bnot authorized to perform: kms:|^The ciphertext refers to a customer master key\b/.test(message);
  return name === "InvalidObjectState" || (name === "InvalidRequest" && status === 400) || KMS_KEY.test(name);
}

function network({ name, code, status }: Failure, { endpoint, region }: S3Attempt["config"]): string {
  const server = endpoint ?? `S3 in ${region ?? "the default region"}`;
  if (status !== null) return `${server} gave an answer that is not one of S3 (HTTP ${status}); is a proxy or another service there?`;
  if (code === "ECONNREFUSED") return `nothing accepts connections at ${server}`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the name of ${server} cannot be resolved; is DNS up, and the endpoint right?`;
  if (TLS.test(code)) return `no TLS with ${server} (${code}); is its certificate valid here?`;
  if (name === "TimeoutError" || name === "AbortError" || code === "ETIMEDOUT") return `${server} does not answer in time`;
  return `the connection to ${server} failed (${code === "" ? name : code})`;
}

function wrongRegion({ region }: Failure, config: S3Attempt["config"]): string {
  const used = config.region === undefined ? "" : ` instead of ${config.region}`;
  return region === null ? `the bucket is in another region${used}; set \`region\` of the target` : `the bucket is in the region ${region}; set \`region: ${region}\` of the target${used}`;
}

function credentials({ profile }: S3Attempt["config"]): string {
  return profile === undefined ? "(environment, ~/.aws or the instance's role)" : `of the profile ${profile}`;
}

function identityCommand({ profile }: S3Attempt["config"]): string {
  return `aws sts get-caller-identity${profile === undefined ? "" : ` --profile ${profile}`}`;
}

function duration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const size = seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
  return ms === 0 ? "more than the server allows" : `${size} (it is ${ms > 0 ? "behind" : "ahead"})`;
}

/** The server's words, where they were about the request; credentials' errors may quote what failed, and are not. */
function quoted({ name, message, status }: Failure): string {
  if (status === null || CREDENTIALS.has(name)) return "";
  // no server has reason to send a long run of base64 back, unless it is a token of ours
  const line = message.replaceAll(/[\p{C}\s]+/gu, " ").replaceAll(/[A-Za-z0-9+/=]{100,}/g, "…").trim().slice(0, 300);
  return line === "" || line === "UnknownError" || line === name ? "" : ` (“${line}”)`;
}

function failureOf(error: unknown): Failure {
  const field = (from: unknown, name: string): unknown => (typeof from === "object" && from !== null ? Reflect.get(from, name) : undefined);
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const status = field(field(error, "$metadata"), "httpStatusCode");
  const region = text(field(field(field(error, "$response"), "headers"), "x-amz-bucket-region")) || text(field(error, "Region"));
  const name = text(field(error, "name"));
  return {
    name: /^[A-Za-z0-9_.:-]{1,80}$/.test(name) ? name : "an unknown error",
    message: text(field(error, "message")),
    status: typeof status === "number" ? status : null,
    code: text(field(error, "code")),
    region: /^[a-z0-9-]{1,64}$/.test(region) ? region : null,
  };
}
