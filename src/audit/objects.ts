/** Reading the objects of a target: listed in order, some fetched ahead. */
import { setTimeout as delay } from "node:timers/promises";
import { fetchAhead } from "../anchor/fetch-ahead.ts";
import { type AnchorTarget, type StoredObject, TargetError, type TargetVersion } from "../anchor/target.ts";
import { entryOf } from "../format/entries.ts";
import { MAX_TLOG_PROOF_BYTES } from "../format/tlog-proof.ts";
import type { AuditCode } from "./report.ts";

/** Why a version does not count, before or after its bytes are read. */
export interface Refusal {
  readonly code: AuditCode;
  readonly message: string;
  /** It is there, and whoever asks may not read it: of every object, it is no finding but a missing permission. */
  readonly denied?: TargetError;
}

/** One version of an object, and what is stored; or why that was not read. */
export interface FetchedVersion {
  readonly version: TargetVersion;
  readonly stored: StoredObject | Refusal;
}

export const MAX_ANCHOR_BYTES = MAX_TLOG_PROOF_BYTES;
/** 65,536 entries, each behind its length. */
export const MAX_BATCH_BYTES = 65_536 * (2 + entryOf(new Uint8Array(32)).length);

const AHEAD = { count: 32, bytes: 8 << 20 };
const ATTEMPTS = 3;
const RETRY_MS = 200;

/** The versions in their order, each with what is stored unless `refuse` has something against it. Throws TargetError `target_unavailable`. */
export function fetchVersions(
  target: AnchorTarget, versions: AsyncIterable<TargetVersion>, maxBytes: number, refuse: (version: TargetVersion) => Refusal | null,
): AsyncGenerator<FetchedVersion, void, undefined> {
  return fetchAhead(versions, AHEAD, (version) => {
    const refusal = refuse(version);
    if (refusal !== null) return { bytes: 0, start: () => Promise.resolve({ version, stored: refusal }) };
    return { bytes: Math.min(version.size, maxBytes), start: () => fetchVersion(target, version, maxBytes) };
  });
}

export async function fetchVersion(target: AnchorTarget, version: TargetVersion, maxBytes: number): Promise<FetchedVersion> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { version, stored: await target.get(version, maxBytes) };
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      if (error.code !== "target_unavailable") {
        const stored: Refusal = { code: "unreadable_object", message: `the object is listed and cannot be read: ${error.message}` };
        return { version, stored: error.code === "target_denied" || error.code === "target_unreadable" ? { ...stored, denied: error } : stored };
      }
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
