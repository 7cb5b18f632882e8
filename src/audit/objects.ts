/** Reading the objects of a target: listed in order, some fetched ahead, so that a far-away target is not asked one by one. */
import { setTimeout as delay } from "node:timers/promises";
import { type AnchorTarget, TargetError, type TargetVersion } from "../anchor/target.ts";
import { entryOf } from "../format/entries.ts";
import { MAX_TLOG_PROOF_BYTES } from "../format/tlog-proof.ts";

/** One version of an object, and its bytes; null where they are not there or more than such an object can have. */
export interface FetchedObject {
  readonly version: TargetVersion;
  readonly bytes: Uint8Array | null;
  /** Why not, in words. */
  readonly failure: string | null;
}

export const MAX_ANCHOR_BYTES = MAX_TLOG_PROOF_BYTES;
/** 65,536 entries, each behind its length. */
export const MAX_BATCH_BYTES = 65_536 * (2 + entryOf(new Uint8Array(32)).length);

/** Objects; of the largest batches, 9 MB. */
const AHEAD = 4;
const ATTEMPTS = 3;
const RETRY_MS = 200;

/** Every version below `prefix` after `after`, with its bytes, in the order of names. Throws TargetError `target_unavailable`. */
export async function* fetchObjects(target: AnchorTarget, prefix: string, after: string | undefined, maxBytes: number): AsyncGenerator<FetchedObject, void, undefined> {
  const ahead: Promise<FetchedObject>[] = [];
  for await (const version of target.list(prefix, after)) {
    const fetched = fetchObject(target, version, maxBytes);
    fetched.catch(() => undefined); // is heard of in its turn
    ahead.push(fetched);
    if (ahead.length >= AHEAD) yield await ahead.shift()!;
  }
  for (const fetched of ahead) yield await fetched;
}

async function fetchObject(target: AnchorTarget, version: TargetVersion, maxBytes: number): Promise<FetchedObject> {
  if (version.size < 0) return { version, bytes: null, failure: "it is not a file" };
  if (version.size > maxBytes) return { version, bytes: null, failure: `it has ${version.size} bytes; such objects have at most ${maxBytes}` };
  for (let attempt = 1; ; attempt++) {
    try {
      return { version, bytes: await target.get(version, maxBytes), failure: null };
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      if (error.code !== "target_unavailable") return { version, bytes: null, failure: error.message };
      if (attempt === ATTEMPTS) throw error;
      await delay(RETRY_MS * attempt);
    }
  }
}

/** One element looked at before it is taken. */
export class Peekable<T> {
  readonly #source: AsyncIterator<T, void, undefined>;
  #next: { readonly value: T | null } | null = null;

  constructor(source: AsyncIterable<T, void, undefined>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** null at the end. */
  async peek(): Promise<T | null> {
    if (this.#next === null) {
      const { value, done } = await this.#source.next();
      this.#next = { value: done === true ? null : value };
    }
    return this.#next.value;
  }

  async take(): Promise<T | null> {
    const value = await this.peek();
    if (value !== null) this.#next = null;
    return value;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
