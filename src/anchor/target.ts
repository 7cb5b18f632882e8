/**
 * Where anchors go: a place outside the ledger that keeps what it was given. One interface, one contract suite
 * (test/contract/target.ts), several implementations.
 */

/** One stored version of a name. A target may hold several for one name; an audit looks at all of them. */
export interface TargetVersion {
  /** Full object name, docs/FORMAT.md section 11. */
  readonly name: string;
  readonly versionId: string;
  /** The target's own clock, ms. */
  readonly lastModified: number;
  /** Bytes; -1 for what has a name here but is no object at all (a symbolic link, a device): it is shown and never followed. */
  readonly size: number;
}

export interface AnchorTarget {
  /** The name in the configuration. */
  readonly name: string;
  /** May its `lastModified` be believed against the host? (A directory's is the host's own clock.) */
  readonly trustedTime: boolean;

  /**
   * Stores the bytes under the name, durably, and never replaces anything: the same name with the same bytes is a success,
   * with other bytes a `TargetError` of code `target_conflict`. Safe to call again after any failure. What is not the name of an
   * object (empty parts, `.` and `..` among them) is a TypeError.
   */
  put(name: string, bytes: Uint8Array): Promise<TargetVersion>;

  /** The bytes of one version; `target_missing` if it is gone. At most `maxBytes`, else `target_damaged`. */
  get(version: Pick<TargetVersion, "name" | "versionId">, maxBytes: number): Promise<Uint8Array>;

  /** Every version of every name that begins with `prefix` and sorts after `after` (if given), in the order of names. */
  list(prefix: string, after?: string): AsyncIterable<TargetVersion>;
}

export type TargetErrorCode =
  | "target_unavailable"
  | "target_missing"
  | "target_conflict"
  | "target_damaged";

/** `target_unavailable` is worth trying again; the others need a person. */
export class TargetError extends Error {
  override readonly name = "TargetError";
  readonly code: TargetErrorCode;

  constructor(code: TargetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
