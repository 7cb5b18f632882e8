/** One call to S3 on the record: when, by whom, what was answered. The evidence that `receiptd doctor` gathers. */
import { errorNameOf, statusOf } from "./errors.ts";
import { ending, type S3Connection } from "./client.ts";

export interface Identity {
  /** As it is called in the record: `daemon`, or the name of the profile. */
  readonly name: string;
  readonly connection: S3Connection;
}

export interface Answer {
  /** What was tried, in words. */
  readonly tried: string;
  /** The operation, as the Amazon S3 API Reference names it, with what mattered in it. */
  readonly call: string;
  readonly identity: string;
  /** RFC 3339, this host's clock. */
  readonly at: string;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** The error code; null for a success. */
  readonly code: string | null;
  readonly request_id: string | null;
}

export type Outcome<T> = { readonly answer: Answer; readonly value: T } | { readonly answer: Answer; readonly error: unknown };

type Send<T> = (connection: S3Connection, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** Makes a call once and records its answer. Throws nothing. `bytes`: how many may move. */
export async function attempt<T>(identity: Identity, tried: string, call: string, send: Send<T>, bytes = 0): Promise<Outcome<T>> {
  const { connection } = identity;
  const about = { tried, call, identity: identity.name, at: new Date().toISOString() };
  try {
    const value = await ending(connection, bytes, (abortSignal) => send(connection, { abortSignal }));
    const { status, requestId } = metadataOf(value);
    return { answer: { ...about, status: status ?? 200, code: null, request_id: requestId }, value };
  } catch (error) {
    return { answer: { ...about, status: statusOf(error), code: errorNameOf(error), request_id: metadataOf(error).requestId }, error };
  }
}

/**
 * Refused by the lock or by a policy. A 5xx, a cut connection or wrong credentials say nothing about either. (AWS and radosgw refuse what
 * is locked as AccessDenied, MinIO as InvalidRequest.)
 */
export function isRefusal({ status, code }: Answer): boolean {
  return (status === 403 && !/Skewed|Signature|AccessKey|Token/.test(code ?? "")) || (status === 400 && code === "InvalidRequest");
}

export function succeeded({ code }: Answer): boolean {
  return code === null;
}

function metadataOf(value: unknown): { readonly status: number | null; readonly requestId: string | null } {
  const metadata: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "$metadata") : undefined;
  const field = (name: string): unknown => (typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, name) : undefined);
  const [status, requestId] = [field("httpStatusCode"), field("requestId")];
  return { status: typeof status === "number" ? status : null, requestId: typeof requestId === "string" ? requestId.slice(0, 200) : null };
}
