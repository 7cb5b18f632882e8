/**
 * Where anchors go: a place outside the ledger that keeps what it was given. One interface, one contract suite
 * (test/contract/target.ts), several implementations.
 */

/** One stored version of a name. */
export interface VersionName {
  /** Full object name, docs/FORMAT.md section 11. */
  readonly name: string;
  readonly versionId: string;
}

/** What a listing says of one version. A target may hold several for one name; an audit looks at all of them. */
export interface TargetVersion extends VersionName {
  /**
   * `delete_marker` hides a name from those who do not list versions, and removes nothing. `other`: has a name here, but is no
   * object (a symbolic link, a device). Neither is ever read.
   */
  readonly kind: "object" | "delete_marker" | "other";
  /** The target's own clock, ms. */
  readonly lastModified: number;
  /** Bytes. */
  readonly size: number;
  /** Changes with the bytes (S3: the ETag; a file: the time of its last change, which nobody sets but the clock); null where the target has no such thing. */
  readonly etag: string | null;
  /** Sent in parts: `lastModified` is when that began, which bounds nothing. */
  readonly isMultipart: boolean;
}

/** A lock on one version. */
export interface Retention {
  readonly mode: "COMPLIANCE" | "GOVERNANCE";
  /** ms */
  readonly until: number;
}

export interface StoredObject {
  readonly bytes: Uint8Array;
  /** The target's own clock, ms. */
  readonly lastModified: number;
  /** null: not locked. */
  readonly retention: Retention | null;
}

export interface AnchorTarget {
  /** The name in the configuration. */
  readonly name: string;
  /** May its `lastModified` be believed against the host? (A directory's is the host's own clock.) */
  readonly trustedTime: boolean;
  /** ms after `lastModified` for which each object is locked against everybody; null where the place has no locks. */
  readonly retain: number | null;

  /**
   * Stores the bytes under the name, durably and locked, and never replaces anything: where the name has a version with the same
   * bytes already, that is the answer; where it has others, these bytes become a version beside them, or, where a name can
   * have but one, `target_conflict` is thrown. Safe to call again after any failure. What is not the name of an object (empty
   * parts, `.` and `..` among them) is a TypeError. The caller reads back what counts.
   */
  put(name: string, bytes: Uint8Array): Promise<VersionName>;

  /** One version; `target_missing` if it is gone. At most `maxBytes`, else `target_damaged`. */
  get(version: VersionName, maxBytes: number): Promise<StoredObject>;

  /** Every version of every name that begins with `prefix` and sorts after `after` (if given), in the order of names. */
  list(prefix: string, after?: string): AsyncIterable<TargetVersion>;
}

export type TargetErrorCode =
  | "target_unavailable"
  | "target_denied"
  | "target_unlocked"
  | "target_missing"
  | "target_conflict"
  | "target_damaged"
  | "target_unreadable";

/**
 * `target_unavailable` is worth trying again; the others need a person. `target_unreadable`: one object is stored so that whoever asks
 * cannot read it (a key of its own, cold storage), which says nothing about the others.
 */
export class TargetError extends Error {
  override readonly name = "TargetError";
  readonly code: TargetErrorCode;

  constructor(code: TargetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What is wrong with the lock of an object at a target that locks, in words; null where nothing is. */
export function lockProblem(retain: number | null, { retention, lastModified }: Pick<StoredObject, "retention" | "lastModified">): string | null {
  if (retain === null) return null;
  if (retention === null) return "it is not locked";
  if (retention.mode !== "COMPLIANCE") return `it is locked in mode ${retention.mode}, which whoever may bypass it can remove`;
  if (retention.until >= lastModified + retain) return null;
  return `it is locked until ${new Date(retention.until).toISOString()} only, not until ${new Date(lastModified + retain).toISOString()}`;
}
