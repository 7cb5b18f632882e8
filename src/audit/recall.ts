/**
 * The part of a target that an earlier audit has read. Versions under a lock do not change, so where the listing is the same to the
 * last version its bytes are not read again, except the newest anchor, which holds all before it, and a random sample. Files in a
 * folder can change, and the listing shows it only as long as whoever changes them cannot turn the clock: what is left unread there
 * is said to be so. Wherever anything is different, everything is read.
 */
import { randomInt } from "node:crypto";
import { type AnchorTarget, lockProblem, type TargetVersion } from "../anchor/target.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { objectPrefix } from "../format/names.ts";
import { verifyAnchorObject, verifyObjectName } from "../verify/anchor.ts";
import { asVerifyError } from "../verify/errors.ts";
import type { SeenAnchor } from "./anchor-group.ts";
import { type Before, endOfFirst, type EvidenceOptions } from "./evidence.ts";
import { type Listed, listedWith, NOTHING_LISTED } from "./listed.ts";
import { fetchVersion, MAX_ANCHOR_BYTES, MAX_BATCH_BYTES } from "./objects.ts";
import type { ListingRecord, TargetRecord } from "./record.ts";
import type { AuditCode } from "./report.ts";
import { SeenVersions } from "./seen-versions.ts";

/** Of a target, what is not read again. */
export interface Recalled {
  readonly before: Before;
  /** Read and verified again. */
  readonly newest: SeenAnchor;
  readonly anchors: number;
  readonly batches: number;
  /** Versions that are as they were in the listing. */
  readonly versions: number;
  /** Of these, those that were read again. */
  readonly readAgain: number;
}

export interface RecallOptions extends EvidenceOptions {
  readonly record: TargetRecord;
  /** When the record was made, RFC 3339. */
  readonly since: string;
  /** Is the ledger another than it was then? That is reported, and everything is read. */
  readonly isOther: boolean;
  /** Versions to read again, chosen by chance. */
  readonly sample: number;
  /** Are only locked versions left unread? */
  readonly isLockNeeded: boolean;
  /** ms */
  readonly now: number;
}

/** A part of the listing, up to the end of what was recorded. */
interface Seen {
  readonly listed: Listed;
  /** Of that, objects that are not newer than all that was recorded. */
  readonly old: Listed;
  /** Sizes of anchors, or names of batches. */
  readonly objects: number;
}

export class Recall {
  readonly #target: AnchorTarget;
  readonly #options: RecallOptions;
  readonly #versions = new SeenVersions();
  readonly #sample: TargetVersion[] = [];
  #newest: TargetVersion | null = null;
  /** Has any version of an anchor of the newest one's size the time that was recorded for it? */
  #isOfThatTime = false;
  #seen = 0;
  #isUnlocked = false;
  /** Is the newest anchor of the record not listed any more? That is reported. */
  isMissed = false;

  constructor(target: AnchorTarget, options: RecallOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Null where everything is to be read, for a reason that is reported. The listing is held against the record all the same. Throws TargetError. */
  async run(): Promise<Recalled | null> {
    const { record: { listing, newest: { tree_size: size } }, since, ledger } = this.#options;
    const isLocked = this.#target.retain !== null;
    if (listing === null) return this.#inFull(`not everything there was locked as it should be at the audit of ${since}`);
    if (isLocked !== (listing.retention_ms !== null)) return this.#inFull(`its objects ${isLocked ? "were under no lock" : "are under no lock now, and were"} at the audit of ${since}`);
    const prefix = objectPrefix(ledger);
    const until = Date.parse(listing.newest_at);
    const anchors = await this.#list(`${prefix}anchors/`, endOfFirst(prefix, "anchors/", size), until);
    const batches = await this.#list(`${prefix}batches/`, endOfFirst(prefix, "batches/", size), until);
    this.#reportMissing(listing, anchors, batches);
    const why = this.#whyInFull(listing);
    if (why !== null) return this.#inFull(why);
    if (!this.#isSame(listing, anchors, batches)) return this.#inFull(`its listing up to the anchor of ${count(size, "receipt")} is not what it was at the audit of ${since}`);
    const newest = await this.#readNewest();
    if (newest === null || !await this.#readSample()) return this.#inFull(`it is not what it was at the audit of ${since}`);
    if (this.#isUnlocked) return this.#inFull("a version is not locked as it should be");
    return {
      before: { size, anchors: anchors.listed, batches: batches.listed, lockedUntil: listing.locked_until === null ? null : Date.parse(listing.locked_until), versions: this.#versions },
      newest,
      anchors: anchors.objects, batches: batches.objects,
      versions: anchors.listed.versions + batches.listed.versions, readAgain: 1 + this.#sample.length,
    };
  }

  #inFull(why: string): null {
    this.#options.findings.add({ severity: "note", code: "read_in_full", message: `${this.#target.name} is read in full: ${why}` });
    return null;
  }

  /** What no listing can make up for. */
  #whyInFull({ locked_until: until, retention_ms: retention }: ListingRecord): string | null {
    const { isOther, isLockNeeded, hasLedger, record, since, now } = this.#options;
    if (isOther) return `the ledger is not what it was at the audit of ${since}`;
    if (hasLedger && !record.with_ledger) return "the earlier audit was one of the targets alone, and did not hold it against the ledger";
    if (retention !== null && retention < this.#target.retain!) return "its locks were judged by a shorter retention at the earlier audit";
    if (!isLockNeeded || isHeld(until, now)) return null;
    return until === null ? "its objects are under no lock, so what it lists proves nothing about their bytes" : `the first of its locks ended at ${until}, so what it lists proves nothing about their bytes`;
  }

  /** Up to `end`, and this very name; `until`: the newest time that was recorded. */
  async #list(folder: string, end: string, until: number): Promise<Seen> {
    const { ledger, onObject, record: { newest } } = this.#options;
    let listed = NOTHING_LISTED;
    let old = NOTHING_LISTED;
    let objects = 0;
    let last: string | number | null = null;
    for await (const version of this.#target.list(folder)) {
      if (version.name > end) break;
      onObject();
      listed = listedWith(listed, version);
      if (version.kind !== "object") continue;
      const treeSize = anchorSize(version.name, objectPrefix(ledger));
      if (last !== (treeSize ?? version.name)) objects++;
      last = treeSize ?? version.name;
      if (version.name === newest.name && version.versionId === newest.version_id) this.#newest = version;
      else this.#draw(version);
      if (version.isMultipart) continue;
      if (version.lastModified <= until) old = listedWith(old, version);
      if (treeSize === null) continue;
      this.#isOfThatTime ||= treeSize === newest.tree_size && version.lastModified === Date.parse(newest.last_modified);
      this.#versions.add(treeSize, version.versionId, version.lastModified);
    }
    return { listed, old, objects };
  }

  /** Every version but the newest anchor, which is read anyway, is in the sample with the same probability, which nobody can foresee. */
  #draw(version: TargetVersion): void {
    const { sample } = this.#options;
    this.#seen++;
    if (this.#sample.length < sample) {
      this.#sample.push(version);
      return;
    }
    const place = randomInt(this.#seen);
    if (place < sample) this.#sample[place] = version;
  }

  /** The newest anchor, and whatever was under a lock that has not ended. */
  #reportMissing({ anchors: wasAnchors, batches: wasBatches, locked_until: until }: ListingRecord, anchors: Seen, batches: Seen): void {
    const { record: { newest: { name, version_id: id, tree_size: size } }, since, now } = this.#options;
    if (this.#newest === null) {
      this.isMissed = true;
      this.#report("version_missing", `the anchor of ${count(size, "receipt")} that was here at the audit of ${since} is not there any more`, name, `version ${id}`, "not listed");
      return;
    }
    if (!isHeld(until, now) || (!isLess(anchors.old, wasAnchors) && !isLess(batches.old, wasBatches))) return;
    const was = wasAnchors.versions + wasBatches.versions;
    const is = anchors.old.versions + batches.old.versions;
    this.#options.findings.add({
      severity: "violation", code: "version_missing", expected: count(was, "version"), found: is < was ? count(is) : "others",
      message: `of the ${count(was, "locked version")} that were at ${this.#target.name} at the audit of ${since}, ${is < was ? count(was - is) : "some"} ${was - is === 1 ? "is not there any more as it was" : "are not there any more as they were"}`,
    });
  }

  #isSame(was: ListingRecord, anchors: Seen, batches: Seen): boolean {
    const isPart = ({ listed, objects }: Seen, { sha256, versions, objects: counted }: ListingRecord["anchors"]): boolean => listed.sha256 === sha256 && listed.versions === versions && objects === counted;
    return this.#newest !== null && this.#isOfThatTime && isPart(anchors, was.anchors) && isPart(batches, was.batches)
      && Math.max(anchors.listed.newestAt, batches.listed.newestAt) === Date.parse(was.newest_at);
  }

  async #readNewest(): Promise<SeenAnchor | null> {
    const { record, ledger, vkeys, hash, verify } = this.#options;
    const { name, root } = record.newest;
    const stored = await this.#read(this.#newest!, MAX_ANCHOR_BYTES);
    if (stored === null) return null;
    try {
      const facts = verifyAnchorObject(name, stored, ledger, vkeys, { hash, verify });
      if (hashText(facts.root) === root) return { facts, lastModified: Date.parse(record.newest.last_modified), versionId: record.newest.version_id };
      this.#changed(name, root, hashText(facts.root));
    } catch (error) {
      const { message } = asVerifyError(error);
      this.#changed(name, root, message);
    }
    return null;
  }

  async #readSample(): Promise<boolean> {
    const { ledger, hash, vkeys, verify } = this.#options;
    let isSame = true;
    for (const version of this.#sample) {
      const bytes = await this.#read(version, MAX_BATCH_BYTES);
      try {
        if (bytes === null) isSame = false;
        else if (anchorSize(version.name, objectPrefix(ledger)) !== null) verifyAnchorObject(version.name, bytes, ledger, vkeys, { hash, verify });
        else verifyObjectName(version.name, bytes, ledger, hash);
      } catch (error) {
        const { expected, found, message } = asVerifyError(error);
        this.#changed(version.name, expected, found ?? message);
        isSame = false;
      }
    }
    return isSame;
  }

  /** The bytes of a version that was read before; null, reported, where it is not what it was. */
  async #read(version: TargetVersion, maxBytes: number): Promise<Uint8Array | null> {
    const { stored } = await fetchVersion(this.#target, version, maxBytes);
    if ("code" in stored) {
      if (stored.denied !== undefined) throw stored.denied;
      this.#changed(version.name, undefined, stored.message);
      return null;
    }
    // a name may have others beside one that is locked: the full audit tells
    this.#isUnlocked ||= lockProblem(this.#target.retain, { retention: stored.retention, lastModified: version.lastModified }) !== null;
    return stored.bytes;
  }

  #changed(name: string, expected: string | undefined, found: string): void {
    this.#report("version_changed",
      `a version that was read at the audit of ${this.#options.since}, and is listed as it was, is not the same any more`, name, expected, found);
  }

  #report(code: AuditCode, message: string, name: string, expected: string | undefined, found: string | undefined): void {
    this.#options.findings.add({ severity: "violation", code, message, object: { target: this.#target.name, name }, expected, found });
  }
}

/** Of a name below `anchors/`; its form was checked by the audit that read it. */
function anchorSize(name: string, prefix: string): number | null {
  const folder = `${prefix}anchors/`;
  return name.startsWith(folder) ? Number(name.slice(folder.length, folder.length + 20)) : null;
}

/** Has the first of the locks not ended? */
export function isHeld(lockedUntil: string | null, now: number): boolean {
  return lockedUntil !== null && Date.parse(lockedUntil) > now;
}

/** Has any of these gone? What came since is newer, or adds to their number. */
function isLess(old: Listed, was: ListingRecord["anchors"]): boolean {
  return old.versions < was.versions || (old.versions === was.versions && old.sha256 !== was.sha256);
}
