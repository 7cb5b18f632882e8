/**
 * A store with versions in memory, as S3 with Object Lock is one: names have any number of versions, the newest listed first, and
 * delete markers between them. What anybody with rights there can do is done by `store` and `mark`, what only the provider can by
 * `destroy` and by changing a stored version.
 */
import { createHash } from "node:crypto";
import { type AnchorTarget, lockProblem, type Retention, type StoredObject, TargetError, type TargetVersion, type VersionName } from "../../src/anchor/target.ts";
import { equal } from "../../src/format/bytes.ts";

export const DAY = 86_400_000;

export interface StoredVersion {
  readonly versionId: string;
  /** null: a delete marker. */
  bytes: Uint8Array | null;
  lastModified: number;
  retention: Retention | null;
  isMultipart: boolean;
}

export class VersionedTarget implements AnchorTarget {
  readonly name: string;
  readonly trustedTime = true;
  readonly retain: number;
  /** By name, the oldest version first. */
  readonly versions = new Map<string, StoredVersion[]>();
  /** The store's own clock, ms. */
  now = 0;
  /** Versions that were read. */
  reads = 0;
  /** What it throws is what `get` throws. */
  beforeGet: (version: VersionName) => void = () => undefined;
  #ids = 0;

  constructor(name = "s3", retain = 365 * DAY) {
    this.name = name;
    this.retain = retain;
  }

  /** The names that begin so, in order. */
  names(prefix: string): string[] {
    return [...this.versions.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  /** The one version of the name. */
  only(name: string): StoredVersion {
    const found = this.versions.get(name) ?? [];
    if (found.length !== 1) throw new Error(`${name} has ${found.length} versions`);
    return found[0]!;
  }

  store(name: string, bytes: Uint8Array, change: Partial<StoredVersion> = {}): StoredVersion {
    const version: StoredVersion = {
      versionId: `version-${this.#ids++}`, bytes, lastModified: this.now, retention: { mode: "COMPLIANCE", until: this.now + this.retain + 3_600_000 }, isMultipart: false, ...change,
    };
    this.versions.set(name, [...(this.versions.get(name) ?? []), version]);
    return version;
  }

  mark(name: string): void {
    this.store(name, new Uint8Array(), { bytes: null, retention: null });
  }

  /** All versions, or one. */
  destroy(name: string, versionId?: string): void {
    const left = (this.versions.get(name) ?? []).filter((version) => versionId !== undefined && version.versionId !== versionId);
    if (left.length === 0) this.versions.delete(name);
    else this.versions.set(name, left);
  }

  put(name: string, bytes: Uint8Array): Promise<VersionName> {
    const same = this.versions.get(name)?.find((version) => version.bytes !== null && equal(version.bytes, bytes) && lockProblem(this.retain, version as StoredObject) === null);
    return Promise.resolve({ name, versionId: (same ?? this.store(name, bytes)).versionId });
  }

  get(version: VersionName, maxBytes: number): Promise<StoredObject> {
    try {
      this.reads++;
      this.beforeGet(version);
      const found = this.versions.get(version.name)?.find(({ versionId }) => versionId === version.versionId);
      if (found === undefined || found.bytes === null) throw new TargetError("target_missing", "there is no such version");
      if (found.bytes.length > maxBytes) throw new TargetError("target_damaged", "it is too large");
      return Promise.resolve({ bytes: found.bytes.slice(), lastModified: found.lastModified, retention: found.retention });
    } catch (error) {
      return Promise.reject(error as TargetError);
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
    for (const name of this.names(prefix)) {
      if (after !== undefined && name <= after) continue;
      for (const { versionId, bytes, lastModified, isMultipart } of this.versions.get(name)!.toReversed()) {
        const etag = bytes === null ? null : `${createHash("md5").update(bytes).digest("hex")}${isMultipart ? "-1" : ""}`;
        yield { name, versionId, kind: bytes === null ? "delete_marker" : "object", lastModified, size: bytes?.length ?? 0, etag, isMultipart };
      }
    }
  }
}
