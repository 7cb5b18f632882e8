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
import type { LedgerView } from "./ledger-view.ts";
import { type Listed, listedWith, NOTHING_LISTED } from "./listed.ts";
import { fetchVersion, MAX_ANCHOR_BYTES, MAX_BATCH_BYTES } from "./objects.ts";
import type { TargetRecord } from "./record.ts";
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
  /** Versions to read again, chosen by chance. */
  readonly sample: number;
  /** Are only locked versions left unread? */
  readonly isLockNeeded: boolean;
  /** ms */
  readonly now: number;
  /** The ledger as it is now; null: it is gone. */
  readonly view: LedgerView | null;
}

export class Recall {
  readonly #target: AnchorTarget;
  readonly #options: RecallOptions;
  readonly #versions = new SeenVersions();
  readonly #sample: TargetVersion[] = [];
  #newest: TargetVersion | null = null;
  #seen = 0;
  #isUnlocked = false;

  constructor(target: AnchorTarget, options: RecallOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Null where everything is to be read, for a reason that is reported. Throws TargetError. */
  async run(): Promise<Recalled | null> {
    const { record, since, ledger } = this.#options;
    const isLocked = this.#target.retain !== null;
    if (isLocked !== (record.locked_until !== null)) return this.#inFull(`its objects ${isLocked ? "were under no lock" : "are under no lock now, and were"} at the audit of ${since}`);
    if (!isLocked && this.#options.isLockNeeded) return this.#inFull("its objects are under no lock, so what it lists proves nothing about their bytes");
    const { tree_size: size } = record.newest;
    const prefix = objectPrefix(ledger);
    const anchors = await this.#list(`${prefix}anchors/`, endOfFirst(prefix, "anchors/", size));
    const batches = await this.#list(`${prefix}batches/`, endOfFirst(prefix, "batches/", size));
    if (!this.#isSame(anchors, batches)) return this.#inFull(`its listing up to the anchor of ${count(size, "receipt")} is not what it was at the audit of ${since}`);
    const newest = await this.#readNewest();
    if (newest === null || !this.#continues(newest) || !await this.#readSample()) return this.#inFull(`it is not what it was at the audit of ${since}`);
    if (this.#isUnlocked) return this.#inFull("a version is not locked as it should be");
    return {
      before: { size, anchors, batches, lockedUntil: record.locked_until === null ? null : Date.parse(record.locked_until), versions: this.#versions },
      newest,
      anchors: record.anchors.objects, batches: record.batches.objects,
      versions: anchors.versions + batches.versions, readAgain: 1 + this.#sample.length,
    };
  }

  #inFull(why: string): null {
    this.#options.findings.add({ severity: "note", code: "read_in_full", message: `${this.#target.name} is read in full: ${why}` });
    return null;
  }

  /** Up to `end`, and this very name. */
  async #list(folder: string, end: string): Promise<Listed> {
    const { ledger, onObject, record } = this.#options;
    let listed = NOTHING_LISTED;
    for await (const version of this.#target.list(folder)) {
      if (version.name > end) break;
      onObject();
      listed = listedWith(listed, version);
      if (version.kind !== "object") continue;
      if (version.name === record.newest.name && version.versionId === record.newest.version_id) this.#newest = version;
      else this.#draw(version);
      const treeSize = anchorSize(version.name, objectPrefix(ledger));
      if (treeSize !== null && !version.isMultipart) this.#versions.add(treeSize, version.versionId, version.lastModified);
    }
    return listed;
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

  #isSame(anchors: Listed, batches: Listed): boolean {
    const { record, since, now } = this.#options;
    const { name, version_id: id, tree_size: size } = record.newest;
    const was = record.anchors.versions + record.batches.versions;
    const is = anchors.versions + batches.versions;
    if (this.#newest === null) {
      this.#report("version_missing", `the anchor of ${count(size, "receipt")} that was here at the audit of ${since} is not there any more`, name, `version ${id}`, "not listed");
    } else if (is < was && record.locked_until !== null && now < Date.parse(record.locked_until)) {
      this.#options.findings.add({
        severity: "violation", code: "version_missing", expected: count(was, "version"), found: count(is),
        message: `of the ${count(was, "locked version")} that were at ${this.#target.name} at the audit of ${since}, ${count(was - is)} are not there any more`,
      });
    }
    return anchors.sha256 === record.anchors.sha256 && batches.sha256 === record.batches.sha256;
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

  /** Is the ledger still one of which this was the root? Then all anchors before it are its own, too. */
  #continues({ facts }: Pick<SeenAnchor, "facts">): boolean {
    const { view, since } = this.#options;
    const error = view?.compare(facts) ?? null;
    if (error === null) return true;
    this.#report(error.code, `the ledger does not continue what it was at the audit of ${since}: ${error.message}`, facts.name, error.expected, error.found);
    return false;
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
