/**
 * What the SDK throws, as what an operator can do about it. Codes are those of the AWS KMS API Reference and its "Common Errors", and of
 * Node's sockets.
 *
 * An error of the SDK carries the request's signature, headers and what was answered, the plaintext of a key included: it is never handed
 * on, not even as a cause. Of the server's own words a short line is quoted.
 */
import { KeyError, type KeyErrorCode } from "../errors.ts";
import type { KmsKey } from "./client.ts";

/** What was being done. */
interface KmsAttempt {
  readonly access: KmsKey;
  /** The permission that it takes, as policies name it: `kms:Decrypt`. */
  readonly action: string;
}

/** The fields of an SDK error that are used; each is checked, the server writes them. */
interface Failure {
  readonly name: string;
  readonly message: string;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** Of Node: ECONNREFUSED … */
  readonly code: string;
}

const CREDENTIALS = new Set([
  "CredentialsProviderError", "TokenProviderError", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId",
  "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "IncompleteSignatureException", "NotAuthorized", "OptInRequired",
]);
/** Its ciphertext was changed, is that of another key, or was made in another encryption context. */
const OTHER_KEY = new Set(["InvalidCiphertextException", "IncorrectKeyException"]);
const UNUSABLE: ReadonlyMap<string, string> = new Map([
  ["NotFoundException", "there is no such key; is its ARN right, and the region?"],
  ["DisabledException", "the key is disabled; switch it on: aws kms enable-key"],
  ["KMSInvalidStateException", "the key cannot be used in the state that it is in; if it is to be deleted, stop that at once: aws kms cancel-key-deletion"],
  ["InvalidKeyUsageException", "the key is for another use: a root key wants SYMMETRIC_DEFAULT with ENCRYPT_DECRYPT, a checkpoint key ECC_NIST_EDWARDS25519 with SIGN_VERIFY"],
]);
const TLS = /^(?:ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$)/;

export function kmsError(error: unknown, attempt: KmsAttempt): KeyError {
  if (error instanceof KeyError) return error;
  const failure = failureOf(error);
  const [code, what] = verdict(failure, attempt);
  return new KeyError(code, `${attempt.action} with ${attempt.access.key}: ${what}${quoted(failure)}`);
}

/** An answer that no KMS gives. */
export function badAnswer({ access, action }: KmsAttempt, what: string): KeyError {
  return new KeyError("kms_unavailable", `${action} with ${access.key}: ${serverOf(access)} gave ${what}, which is no answer of KMS; is a proxy or another service there?`);
}

function verdict({ name, status, code }: Failure, { access, action }: KmsAttempt): readonly [KeyErrorCode, string] {
  const { profile } = access;
  if (CREDENTIALS.has(name)) {
    const whose = profile === undefined ? "(environment, ~/.aws or the instance's role)" : `of the profile ${profile}`;
    return ["kms_denied", `the credentials ${whose} are missing, wrong or expired, or this host's clock is off; to see whose they are: aws sts get-caller-identity${profile === undefined ? "" : ` --profile ${profile}`}`];
  }
  if (name === "AccessDeniedException") return ["kms_denied", `not allowed; allow ${action} on this key in the policy of the key or of the role`];
  if (OTHER_KEY.has(name)) return ["wrong_root_key", "KMS does not open what is stored: it was changed, or it is that of another key; restore it from its backup"];
  const unusable = UNUSABLE.get(name);
  if (unusable !== undefined) return ["kms_denied", unusable];
  const isAgain = status === 429 || (status !== null && status >= 500) || /Throttl|LimitExceeded|TooManyRequests|Internal|DependencyTimeout|KeyUnavailable|ServiceUnavailable/.test(name);
  if (isAgain) return ["kms_unavailable", `${serverOf(access)} cannot do it now (${name})`];
  if (status !== null && status >= 400 && name.endsWith("Exception")) return ["kms_denied", `refused as ${name} (HTTP ${status})`];
  return ["kms_unavailable", network(name, code, status, serverOf(access))];
}

function network(name: string, code: string, status: number | null, server: string): string {
  if (code === "ECONNREFUSED") return `nothing accepts connections at ${server}`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the name of ${server} cannot be resolved; is DNS up, and the endpoint right?`;
  if (TLS.test(code)) return `no TLS with ${server} (${code}); is its certificate valid here?`;
  if (name === "TimeoutError" || name === "AbortError" || code === "ETIMEDOUT") return `${server} does not answer in time`;
  if (status !== null) return `${server} gave an answer that is not one of KMS (HTTP ${status}); is a proxy or another service there?`;
  return `the connection to ${server} failed (${code === "" ? name : code})`;
}

function serverOf({ endpoint, region, key }: KmsKey): string {
  return endpoint ?? `KMS in ${region ?? key.split(":")[3]}`;
}

/** The server's words about a request that it refused; of an answer that could not be read the SDK's words may quote what was in it. */
function quoted({ name, message, status }: Failure): string {
  if (status === null || status < 400 || CREDENTIALS.has(name) || !name.endsWith("Exception")) return "";
  const line = message.replaceAll(/[\p{C}\s]+/gu, " ").replaceAll(/[A-Za-z0-9+=]{40,}/g, "…").trim().slice(0, 300);
  return line === "" || line === "UnknownError" || line === name ? "" : ` (“${line}”)`;
}

function failureOf(error: unknown): Failure {
  const field = (from: unknown, name: string): unknown => (typeof from === "object" && from !== null ? Reflect.get(from, name) : undefined);
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const status = field(field(error, "$metadata"), "httpStatusCode");
  const name = text(field(error, "name"));
  return {
    name: /^[A-Za-z0-9_.:-]{1,80}$/.test(name) ? name : "an unknown error",
    message: text(field(error, "message")),
    status: typeof status === "number" ? status : null,
    code: text(field(error, "code")),
  };
}
