/**
 * The names below a prefix in order, and which of their versions count (docs/FORMAT.md section 13.3 step 1). A lock protects a
 * version, not its name: whoever may write can put newer versions and delete markers over it, which change nothing here.
 *
 * Memory is bounded whatever is stored: versions are judged one at a time, and of a name only a summary is kept.
 */
import { type AnchorTarget, lockProblem, type TargetError, type TargetVersion } from "../anchor/target.ts";
import { toHex } from "../format/bytes.ts";
import { FormatError } from "../format/errors.ts";
import type { Hash } from "../format/hash.ts";
import { type LedgerName, type ObjectName, parseObjectName } from "../format/names.ts";
import { asVerifyError, type VerifyError } from "../verify/errors.ts";
import { type Listed, listedWith } from "./listed.ts";
import { isBetter, type Lock, type Locks } from "./locks.ts";
import { fetchVersions, type FetchedVersion, type Refusal } from "./objects.ts";
import type { AuditCode, Severity } from "./report.ts";

export const DELETE_MARKER = "a delete marker hides the name from those who do not list versions; what is under it counts all the same";
export const MULTIPART = "the version was uploaded in parts, so that its time is when that began, which may be long before it had these bytes: it does not count";

/** A name of which at least one version counts. */
export interface CountingObject<T> {
  readonly name: string;
  readonly value: T;
  /** ms, of the earliest version that counts: by then these bytes existed, whoever stored them again. */
  readonly lastModified: number;
  readonly versionId: string;
  readonly lock: Lock;
  /** Everything listed below the prefix, up to this name. */
  readonly listed: Listed;
}

export interface VersionOptions<T> {
  readonly ledger: LedgerName;
  readonly hash: Hash;
  readonly maxBytes: number;
  /** Where every name is to be locked; null where only the reader knows which objects are of use. */
  readonly locks: Locks | null;
  /** The meaning of an object's bytes, whose hash is that of their name; may throw FormatError and VerifyError: then it does not count. */
  readonly read: (name: ObjectName, bytes: Uint8Array, version: TargetVersion) => T;
  /** A version with the right bytes. */
  readonly onCounting: (name: ObjectName, version: TargetVersion) => void;
  /** Each version that is listed. */
  readonly onVersion: (version: TargetVersion) => void;
  readonly report: (severity: Severity, code: AuditCode, message: string, object: string, detail: { readonly expected?: string | undefined; readonly found?: string | undefined }) => void;
}

/** What is known of the name whose versions are being listed. */
interface OpenName<T> {
  readonly name: string;
  first: { readonly value: T } | null;
  error: VerifyError | null;
  lastModified: number;
  versionId: string;
  /** The best so far. */
  lock: Lock;
}

export class VersionReader<T> {
  readonly #target: AnchorTarget;
  readonly #options: VersionOptions<T>;
  /** Versions whose bytes were read. */
  read = 0;
  /** Versions that count and are not locked as was promised themselves, though others of their name may be: they can be removed. */
  unlocked = 0;
  /** The first version that may not be read. */
  denied: TargetError | null = null;

  constructor(target: AnchorTarget, options: VersionOptions<T>) {
    this.#target = target;
    this.#options = options;
  }

  /** `listed`: what comes before `after`. Throws TargetError `target_unavailable`. */
  async *objects(prefix: string, after: string | undefined, listed: Listed): AsyncGenerator<CountingObject<T>, void, undefined> {
    const versions = this.#target.list(prefix, after);
    let open: OpenName<T> | null = null;
    let before = listed;
    for await (const fetched of fetchVersions(this.#target, versions, this.#options.maxBytes, (version) => this.#refuse(version))) {
      const { version } = fetched;
      if (open !== null && open.name !== version.name) {
        yield* this.#close(open, before);
        open = null;
      }
      open ??= { name: version.name, first: null, error: null, lastModified: Number.POSITIVE_INFINITY, versionId: "", lock: { problem: "", until: null } };
      before = listedWith(before, version);
      this.#options.onVersion(version);
      this.#add(open, fetched);
    }
    if (open !== null) yield* this.#close(open, before);
  }

  /** What speaks against a version before its bytes are read. */
  #refuse(version: TargetVersion): Refusal | null {
    const { ledger, maxBytes } = this.#options;
    if (version.kind === "delete_marker") {
      return { code: "delete_marker", message: DELETE_MARKER };
    }
    try {
      parseObjectName(ledger, version.name);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { code: "bad_object_name", message: `the object does not count: ${error.message}` };
    }
    const mismatch = (why: string): Refusal => ({ code: "name_mismatch", message: `the object is not one of this ledger's: ${why}` });
    if (version.kind === "other") return mismatch("it is not a file");
    if (version.size > maxBytes) return mismatch(`it has ${version.size} bytes; such objects have at most ${maxBytes}`);
    if (!version.isMultipart) return null;
    return { code: "multipart_version", message: MULTIPART };
  }

  #add(open: OpenName<T>, { version, stored }: FetchedVersion): void {
    const { ledger, hash, read, report, onCounting } = this.#options;
    const { name } = version;
    if ("code" in stored) {
      this.denied ??= stored.denied ?? null;
      report("interference", stored.code, stored.message, name, {});
      return;
    }
    this.read++;
    const parsed = parseObjectName(ledger, name);
    const found = toHex(hash.sha256(stored.bytes));
    if (found !== parsed.sha256) {
      report("interference", "name_mismatch", "the object was changed or never was what its name says: it does not count", name, { expected: parsed.sha256, found });
      return;
    }
    if (open.first !== null) {
      report("note", "duplicate_object", "the object is there in several versions with the same bytes", name, {});
    } else {
      try {
        if (open.error === null) open.first = { value: read(parsed, stored.bytes, version) };
      } catch (error) {
        open.error = asVerifyError(error);
      }
    }
    if (open.error !== null) {
      const { code, message, expected, found: other } = open.error;
      report("interference", code, `the object does not count: ${message}`, name, { expected, found: other });
      return;
    }
    onCounting(parsed, version);
    if (version.lastModified < open.lastModified) [open.lastModified, open.versionId] = [version.lastModified, version.versionId];
    const { retention } = stored;
    const lock: Lock = {
      problem: lockProblem(this.#target.retain, { retention, lastModified: version.lastModified }),
      until: retention?.mode === "COMPLIANCE" ? retention.until : null,
    };
    if (lock.problem !== null) this.unlocked++;
    if (open.lock.problem === "" || isBetter(lock, open.lock)) open.lock = lock;
  }

  *#close({ name, first, lastModified, versionId, lock }: OpenName<T>, listed: Listed): Generator<CountingObject<T>, void, undefined> {
    if (first === null) return;
    if (this.#target.retain !== null) this.#options.locks?.add(name, lock);
    yield { name, value: first.value, lastModified, versionId, lock, listed };
  }
}
