/**
 * Every version and delete marker under a prefix: `ListObjectVersions` (Amazon S3 API Reference), page after page, for those
 * who must see what the current version of a name hides. A page is at most 1,000 entries; no more than two are in memory.
 */
import type { DeleteMarkerEntry, ListObjectVersionsCommandOutput, ObjectVersion } from "@aws-sdk/client-s3";
import { utf8 } from "../../format/bytes.ts";
import { TargetError, type TargetVersion } from "../target.ts";

/** Where a page begins: after all versions of `key`, or after one version of it. */
export interface Marker {
  readonly key: string;
  readonly versionId?: string | undefined;
}

export type FetchPage = (marker: Marker | null) => Promise<ListObjectVersionsCommandOutput>;

/** In S3's order: keys by their UTF-8 bytes, of one key the newest first. Names are keys without `stripped`. */
export async function* listVersions(fetch: FetchPage, prefix: string, stripped: string, after: string | undefined): AsyncGenerator<TargetVersion> {
  let marker: Marker | null = after === undefined ? null : { key: after };
  let pending = fetch(marker);
  for (let first = true; ; first = false) {
    const page = await pending;
    const next = nextMarker(page, marker);
    const isReadOn = !first && next !== null; // who reads beyond one page reads on: the next is on its way meanwhile
    if (isReadOn) {
      pending = fetch(next);
      pending.catch(() => undefined); // thrown where it is awaited; nowhere if the reader leaves
    }
    for (const version of merged(page)) {
      // AWS begins after the marker's key, radosgw with it
      if (after !== undefined && compareKeys(version.name, after) <= 0) continue;
      if (version.name.startsWith(prefix)) yield { ...version, name: version.name.slice(stripped.length) };
    }
    if (next === null) return;
    if (!isReadOn) pending = fetch(next);
    marker = next;
  }
}

interface Listed {
  readonly version: TargetVersion;
  /** ms, as precise as the server says. */
  readonly time: number;
  readonly isLatest: boolean;
}

/** A page has versions and markers apart, each in order. */
function merged(page: ListObjectVersionsCommandOutput): TargetVersion[] {
  const entries = [
    ...(page.Versions ?? []).map((entry) => listed(entry, "object")),
    ...(page.DeleteMarkers ?? []).map((entry) => listed(entry, "delete_marker")),
  ];
  entries.sort((a, b) => compareKeys(a.version.name, b.version.name) || b.time - a.time || Number(b.isLatest) - Number(a.isLatest));
  return entries.map(({ version }) => version);
}

function listed(entry: ObjectVersion | DeleteMarkerEntry, kind: "object" | "delete_marker"): Listed {
  const { Key, VersionId, LastModified, IsLatest } = entry;
  const time = LastModified?.getTime() ?? Number.NaN;
  if (Key === undefined || VersionId === undefined || Number.isNaN(time)) throw notListing("an entry without key, version or time");
  const { ETag, Size } = kind === "object" ? (entry as ObjectVersion) : {};
  const etag = ETag?.replaceAll('"', "") ?? null;
  // Whole seconds, as AWS lists them and every GET tells them: what is listed and what is read must be the same time.
  const lastModified = Math.floor(time / 1000) * 1000;
  const version = { name: decoded(Key), versionId: VersionId, kind, lastModified, size: Size ?? 0, etag, isMultipart: etag?.includes("-") ?? false };
  return { version, time, isLatest: IsLatest === true };
}

/** Null at the end. A server that does not get on would be listed for ever. */
function nextMarker(page: ListObjectVersionsCommandOutput, last: Marker | null): Marker | null {
  // A web page that a proxy answers with is read as an empty list by the SDK; nothing listed must mean that nothing is there.
  if (page.IsTruncated === undefined) throw notListing("no word on whether there is more");
  if (!page.IsTruncated) return null;
  if (page.NextKeyMarker === undefined) throw notListing("more to come, but not from where");
  const next: Marker = { key: decoded(page.NextKeyMarker), versionId: page.NextVersionIdMarker };
  const isFurther = last === null || compareKeys(next.key, last.key) > 0 || (next.key === last.key && next.versionId !== last.versionId);
  if (!isFurther) throw notListing("a page that begins where the one before it began");
  return next;
}

/** Keys are listed URL-encoded, because XML cannot carry every character; a space may be `+`, a plus is always `%2B`. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    throw notListing("a key that is not UTF-8");
  }
}

function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(utf8(a), utf8(b));
}

function notListing(what: string): TargetError {
  return new TargetError("target_unavailable", `the answer is not a listing of versions (${what}); is a proxy or another service there?`);
}
