/**
 * The AWS SDK for KMS, loaded at the first call (a host without a key in KMS never pays for it), and calls that end in bounded time,
 * whatever the server, a proxy on the way or a credential process does.
 */
import type { KMSClient } from "@aws-sdk/client-kms";
import type { KeyError } from "../errors.ts";
import { kmsError } from "./errors.ts";
import type { sdk } from "./sdk.ts";

/** A key in AWS KMS, and how to get at it; everything here can be cloned into a thread. */
export interface KmsKey {
  /** The key's ARN; not an alias, which can be pointed at another key. */
  readonly key: string;
  /** Left out: the ARN's. */
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
}

/** All in ms. */
export interface KmsTimeouts {
  /** Until a connection stands. */
  readonly connect: number;
  /** Of a connection on which nothing moves. */
  readonly idle: number;
  /** Of one call with all its attempts. */
  readonly call: number;
}

/** Three attempts that are all ended for silence fit into one call. */
const KMS_TIMEOUTS: KmsTimeouts = { connect: 3_000, idle: 8_000, call: 30_000 };

/** Every call may be made again: none changes anything in KMS. */
const ATTEMPTS = 3;

interface Connection {
  readonly sdk: typeof sdk;
  readonly client: KMSClient;
}

/** What one call is given. */
export interface KmsCall extends Connection {
  readonly options: { readonly abortSignal: AbortSignal };
}

export class Kms {
  readonly access: KmsKey;
  readonly #timeouts: KmsTimeouts;
  #connection: Promise<Connection> | null = null;

  constructor(access: KmsKey, timeouts: KmsTimeouts = KMS_TIMEOUTS) {
    this.access = access;
    this.#timeouts = timeouts;
  }

  /** `action` is the permission that it takes, as policies name it. Throws KeyErrors: `kms_unavailable`, `kms_denied`, `wrong_root_key`. */
  async call<T>(action: string, send: (call: KmsCall) => Promise<T>): Promise<T> {
    this.#connection ??= this.#connect();
    const connection = await this.#connection;
    const controller = new AbortController();
    const { call } = this.#timeouts;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const error = Object.assign(new Error(`no answer within ${Math.ceil(call / 1000)} s`), { name: "TimeoutError" });
        reject(error);
        controller.abort(error);
      }, call);
    });
    try {
      return await Promise.race([send({ ...connection, options: { abortSignal: controller.signal } }), late]);
    } catch (error) {
      throw this.error(error, action);
    } finally {
      clearTimeout(timer);
    }
  }

  error(error: unknown, action: string): KeyError {
    return kmsError(error, { access: this.access, action });
  }

  /** Credentials: the SDK's default chain, or the profile. */
  async #connect(): Promise<Connection> {
    const { sdk } = await import("./sdk.ts");
    const { key, region, endpoint, profile } = this.access;
    const client = new sdk.KMSClient({
      region: region ?? regionOf(key),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      requestHandler: { connectionTimeout: this.#timeouts.connect, socketTimeout: this.#timeouts.idle },
      maxAttempts: ATTEMPTS,
    });
    return { sdk, client };
  }
}

/** `arn:<partition>:kms:<region>:<account>:key/<id>` */
function regionOf(arn: string): string {
  return arn.split(":")[3] ?? "";
}
