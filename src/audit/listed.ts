/**
 * What a listing said, as a number of versions and one hash over all of them: an auditor who kept both knows later whether the
 * same versions are still listed, without reading their bytes.
 */
import { hash } from "node:crypto";
import type { TargetVersion } from "../anchor/target.ts";
import { formatTime } from "../format/time.ts";
import type { ListingRecord } from "./record.ts";

export interface Listed {
  /** Delete markers and everything else included. */
  readonly versions: number;
  /** hex; each version's SHA-256 is over the one before and a line with all that the listing says of it. */
  readonly sha256: string;
  /** The newest time of any of them by the target's clock, ms; 0 for none. */
  readonly newestAt: number;
}

export const NOTHING_LISTED: Listed = { versions: 0, sha256: "0".repeat(64), newestAt: 0 };

/** In the order of the listing. JSON keeps a name with any characters apart from what follows it. */
export function listedWith({ versions, sha256, newestAt }: Listed, { name, versionId, kind, lastModified, size, etag, isMultipart }: TargetVersion): Listed {
  const line = JSON.stringify([sha256, name, versionId, kind, lastModified, size, etag, isMultipart]);
  return { versions: versions + 1, sha256: hash("sha256", line, "hex"), newestAt: Math.max(newestAt, lastModified) };
}

interface Counting {
  readonly listed: Listed;
  /** Those that count. */
  readonly objects: number;
}

/** What a record keeps of it. `until` in ms: when the first lock ends; null where nothing is locked. `retain` as the target's. */
export function listingRecord(anchors: Counting, batches: Counting, until: number | null, retain: number | null): ListingRecord {
  const of = ({ listed: { versions, sha256 }, objects }: Counting): ListingRecord["anchors"] => ({ objects, versions, sha256 });
  return {
    anchors: of(anchors),
    batches: of(batches),
    newest_at: formatTime(Math.max(anchors.listed.newestAt, batches.listed.newestAt)),
    locked_until: until === null ? null : formatTime(until),
    retention_ms: retain,
  };
}
