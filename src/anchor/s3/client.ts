/**
 * The AWS SDK, loaded at the first use of an S3 target (a daemon without one never pays for it), and requests that end.
 *
 * The SDK ends a request whose socket is silent. A server that sends a byte now and then, and a credential process that hangs,
 * are ended by a limit on the whole call. Whoever runs the server, or a proxy on the way to it, controls every answer.
 */
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type { S3Config } from "../targets.ts";
import type { sdk } from "./sdk.ts";

/** All in ms. */
export interface S3Timeouts {
  /** Until a connection stands. */
  readonly connect: number;
  /** Of a connection on which nothing moves. */
  readonly idle: number;
  /** Of one call with all its attempts, besides the time that its bytes may take. */
  readonly call: number;
}

/** Three attempts that are all ended for silence fit into one call. */
export const S3_TIMEOUTS: S3Timeouts = { connect: 5_000, idle: 30_000, call: 120_000 };

/** Of a read. A write is tried once: only a look at the bucket tells whether one that got no answer was carried out. */
const READ_ATTEMPTS = 3;
/** Bytes per ms below which a transfer is given up. */
const SLOWEST = 64;

/** What a connection needs to know of a target. */
export type S3Access = Pick<S3Config, "region" | "endpoint" | "path_style" | "profile">;

export interface S3Connection {
  readonly sdk: typeof sdk;
  /** Tries again by itself what may pass. */
  readonly reader: S3Client;
  /** Tries once. */
  readonly writer: S3Client;
  readonly timeouts: S3Timeouts;
}

/** Loads the SDK; no request is made. Credentials: the SDK's default chain, or the profile. */
export async function connectS3(access: S3Access, timeouts: S3Timeouts = S3_TIMEOUTS): Promise<S3Connection> {
  const { sdk } = await import("./sdk.ts");
  const { endpoint, profile } = access;
  // Servers other than AWS take any region, mostly; AWS must be told, here or where the SDK looks by itself.
  const region = access.region ?? (endpoint === undefined ? undefined : "us-east-1");
  const config: S3ClientConfig = {
    forcePathStyle: access.path_style,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    requestHandler: { connectionTimeout: timeouts.connect, socketTimeout: timeouts.idle },
  };
  const reader = new sdk.S3Client({ ...config, maxAttempts: READ_ATTEMPTS });
  const writer = new sdk.S3Client({ ...config, maxAttempts: 1, requestHandler: reader.config.requestHandler });
  return { sdk, reader, writer, timeouts };
}

/**
 * ms to add to this host's clock for the server's, by the `Date` of the last answer (the SDK keeps it, to sign with); 0 before the
 * first answer.
 */
export function clockOffset({ reader }: S3Connection): number {
  return reader.config.systemClockOffset;
}

/** The server's clock now, ms. */
export function serverTime(connection: S3Connection): number {
  return Date.now() + clockOffset(connection);
}

/** A client that tries once, and signs by the server's clock as far as that is known. */
export function onceClient(connection: S3Connection): S3Client {
  connection.writer.config.systemClockOffset = clockOffset(connection);
  return connection.writer;
}

/** One call, its answer's bytes included, which ends in bounded time whatever the server does. `bytes`: how many may move. */
export async function ending<T>({ timeouts }: S3Connection, bytes: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ms = timeouts.call + bytes / SLOWEST;
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = Object.assign(new Error(`no answer within ${Math.ceil(ms / 1000)} s`), { name: "TimeoutError" });
      reject(error);
      controller.abort(error);
    }, ms);
  });
  try {
    return await Promise.race([call(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
