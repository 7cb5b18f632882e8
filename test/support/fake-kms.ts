/**
 * A server that speaks the JSON protocol of AWS KMS (the "TrentService" of its API Reference), with real cryptography behind it and
 * faults on request. Using it sets credentials into this process's environment, where the SDK and child processes look for them.
 */
import { createCipheriv, createDecipheriv, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { canonicalize } from "../../src/format/canonical.ts";
import type { Json } from "../../src/format/strict-json.ts";
import type { KmsTimeouts } from "../../src/keys/kms/client.ts";

/** `silent` never answers, `drips` sends a byte now and then; `wrong` answers in good form with what is not true. */
export type KmsFault = "silent" | "drips" | "error" | "throttled" | "denied" | "garbage" | "page" | "cut" | "empty" | "wrong";

/** ms: for a fault that is ended by waiting. All that gets an answer has the usual ones, so that a busy machine is no fault. */
const IMPATIENT = { connect: 300, idle: 200, call: 900 };

export function patience(fault: KmsFault): KmsTimeouts | undefined {
  return fault === "silent" || fault === "drips" || fault === "throttled" ? IMPATIENT : undefined;
}

interface Call {
  readonly action: string;
  readonly body: { readonly [name: string]: Json };
}

type Key = { readonly kind: "symmetric"; readonly secret: Buffer } | { readonly kind: "ed25519"; readonly privateKey: KeyObject } | { readonly kind: "rsa" };

/** What KMS answers in place of a result. */
class Refusal extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

const NONCE = 12;
const TAG = 16;

export class FakeKms {
  readonly #keys = new Map<string, Key>();
  readonly #calls: Call[] = [];
  readonly #dataKeys: Buffer[] = [];
  readonly #server: Server;
  #port = 0;
  /** Of every call; null: none. */
  fault: KmsFault | null = null;
  /** Told of each call when it has come in. */
  onCall: (call: Call) => void = () => undefined;

  private constructor() {
    process.env["AWS_ACCESS_KEY_ID"] ??= "AKIAFAKEKMS";
    process.env["AWS_SECRET_ACCESS_KEY"] ??= "fake-kms-secret";
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<FakeKms> {
    const kms = new FakeKms();
    await kms.comeBack();
    return kms;
  }

  get endpoint(): string { return `http://127.0.0.1:${this.#port}`; }
  get isThere(): boolean { return this.#server.listening; }
  get calls(): readonly Call[] { return this.#calls; }
  /** Plaintexts that were given out. */
  get dataKeys(): readonly Buffer[] { return this.#dataKeys; }

  /** The ARN of a new key. */
  newKey(kind: Key["kind"]): string {
    const arn = `arn:aws:kms:eu-central-1:111122223333:key/${randomUUID()}`;
    const key: Key = kind === "symmetric" ? { kind, secret: randomBytes(32) } : kind === "ed25519" ? { kind, privateKey: generateKeyPairSync("ed25519").privateKey } : { kind };
    this.#keys.set(arn, key);
    return arn;
  }

  /** Nothing listens from now on. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens, where it did before. */
  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const action = String(request.headers["x-amz-target"]).replace("TrentService.", "");
    const isSigned = /^AWS4-HMAC-SHA256 Credential=.*\/kms\/aws4_request, /.test(request.headers.authorization ?? "");
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Call["body"];
    this.#calls.push({ action, body });
    this.onCall({ action, body });
    const answer = (status: number, value: object): void => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(value));
    };
    const { fault } = this;
    if (fault === "silent") return;
    if (fault === "drips") return drip(response);
    if (fault === "cut") return void request.socket.destroy();
    if (fault === "page") return void response.writeHead(200, { "content-type": "text/html" }).end("<html>Please log in</html>");
    if (fault === "garbage") return void response.writeHead(200, { "content-type": "application/x-amz-json-1.1" }).end('{"Plaintext": "\u0000');
    if (fault === "empty") return answer(200, {});
    try {
      if (fault === "error") throw new Refusal("KMSInternalException", "an internal error", 500);
      if (fault === "throttled") throw new Refusal("ThrottlingException", "Rate exceeded");
      if (fault === "denied" || !isSigned) throw new Refusal("AccessDeniedException", `User: arn:aws:sts::111122223333:assumed-role/x is not authorized to perform: kms:${action}`);
      answer(200, this.#answer(action, body, fault === "wrong"));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer(error.status, { __type: error.type, message: error.message });
    }
  }

  #answer(action: string, body: Call["body"], lies: boolean): object {
    const KeyId = String(body["KeyId"]);
    const key = this.#keys.get(KeyId);
    if (key === undefined) throw new Refusal("NotFoundException", `Key '${KeyId}' does not exist`);
    const isSymmetric = key.kind === "symmetric";
    const context = Buffer.from(canonicalize(body["EncryptionContext"] ?? {}));
    if (isSymmetric && action === "GenerateDataKey") {
      const plain = randomBytes(Number(body["NumberOfBytes"]));
      this.#dataKeys.push(plain);
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv("aes-256-gcm", key.secret, nonce).setAAD(context);
      const blob = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return { KeyId, Plaintext: plain.toString("base64"), CiphertextBlob: blob.toString("base64") };
    }
    if (isSymmetric && action === "Decrypt") {
      const plain = decrypted(key.secret, Buffer.from(String(body["CiphertextBlob"]), "base64"), context);
      if (lies) plain[0]! ^= 1;
      return { KeyId, Plaintext: plain.toString("base64"), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
    }
    if (key.kind === "ed25519" && action === "Sign" && body["SigningAlgorithm"] === "ED25519_SHA_512" && body["MessageType"] === "RAW") {
      const signature = sign(null, Buffer.from(String(body["Message"]), "base64"), key.privateKey);
      if (lies) signature[0]! ^= 1;
      if (body["DryRun"] === true) throw new Refusal("DryRunOperationException", "the request would have succeeded");
      return { KeyId, Signature: signature.toString("base64"), SigningAlgorithm: "ED25519_SHA_512" };
    }
    if (!isSymmetric && action === "GetPublicKey") {
      const publicKey = key.kind === "ed25519" ? createPublicKey(key.privateKey) : generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
      const spec = key.kind === "ed25519" ? "ECC_NIST_EDWARDS25519" : "RSA_2048";
      return { KeyId, PublicKey: publicKey.export({ format: "der", type: "spki" }).toString("base64"), KeySpec: spec, KeyUsage: "SIGN_VERIFY", SigningAlgorithms: ["ED25519_SHA_512"] };
    }
    throw new Refusal("InvalidKeyUsageException", `${action} is not for this key`);
  }
}

function decrypted(secret: Buffer, blob: Buffer, context: Buffer): Buffer {
  try {
    const decipher = createDecipheriv("aes-256-gcm", secret, blob.subarray(0, NONCE)).setAAD(context).setAuthTag(blob.subarray(-TAG));
    return Buffer.concat([decipher.update(blob.subarray(NONCE, -TAG)), decipher.final()]);
  } catch {
    throw new Refusal("InvalidCiphertextException", "");
  }
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
  const timer = setInterval(() => response.write(" "), 20);
  response.on("close", () => clearInterval(timer));
}
