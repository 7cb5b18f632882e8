/**
 * The outbox of a ledger that is restored or rebuilt: what was signed, as its anchors say, and that the target has them. So the daemon goes on
 * behind them and publishes nothing again that it encrypted another time. One that is there is kept: it may know more, and is then the witness
 * that the target has lost something. The signed notes that it lacks are added: of a key that was overwritten nobody can sign them again.
 *
 * The same is asked of the ledger's other targets: what one has is not published there a second time.
 *
 * It is written under another name; a crash leaves files that the next restore replaces.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { anchorsPrefix } from "../anchor/objects.ts";
import { createOutbox, openOutbox, type Outbox } from "../anchor/outbox.ts";
import { type AnchorTarget, TargetError, type TargetVersion } from "../anchor/target.ts";
import { auditHash } from "../audit/hash.ts";
import { fetchVersion, MAX_ANCHOR_BYTES } from "../audit/objects.ts";
import { equal } from "../format/bytes.ts";
import { parseCheckpoint } from "../format/checkpoint.ts";
import { type LedgerName, sizeInName } from "../format/names.ts";
import { parseNote, type Vkey } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { syncPath } from "../ledger/sync-path.ts";
import { verifyAnchorObject } from "../verify/anchor.ts";
import { VerifyError } from "../verify/errors.ts";
import type { PublishedAnchor } from "./published.ts";

/** Anchors stored together. */
const PAGE = 256;
/** Of the newest objects that call themselves anchors, so many are read; whoever may write there can add some. */
const TRIES = 64;

export class RestoredOutbox {
  readonly #path: string;
  readonly #fresh: string;
  /** The new one. */
  readonly #outbox: Outbox | null;
  /** The one that is there. */
  readonly #before: Outbox | null;
  readonly #target: string;
  #page: PublishedAnchor[] = [];
  /** What the one that is there lacks, in order of size. */
  readonly #lacking: { readonly treeSize: number; readonly root: Uint8Array; readonly note: string }[] = [];

  /** Throws AnchorError: `wrong_ledger` where the outbox that is there is another ledger's. */
  static begin(path: string, ledger: LedgerName, target: string): RestoredOutbox {
    const fresh = `${path}.restored`;
    remove(fresh);
    if (existsSync(path)) {
      return new RestoredOutbox(path, fresh, { fresh: null, before: openOutbox(path, ledger) }, target);
    }
    createOutbox(fresh, ledger);
    return new RestoredOutbox(path, fresh, { fresh: openOutbox(fresh, ledger), before: null }, target);
  }

  private constructor(path: string, fresh: string, opened: { readonly fresh: Outbox | null; readonly before: Outbox | null }, target: string) {
    this.#path = path;
    this.#fresh = fresh;
    this.#outbox = opened.fresh;
    this.#before = opened.before;
    this.#target = target;
  }

  /** Signed notes that it had not, so far. */
  taken = 0;

  /** Does one that is there know of all anchors up to the restored `size`? An older copy of it tells nothing of what came after. */
  isWitness(size: number): boolean {
    return (this.#before?.newest()?.treeSize ?? 0) >= size;
  }

  /** Did this host sign another root than this for the size? */
  contradicts({ facts: { treeSize, root } }: PublishedAnchor): boolean {
    const known = this.#before?.root(treeSize) ?? null;
    return known !== null && !equal(known, root);
  }

  /** What this host has signed beyond the restored `size`, in one sentence; null: nothing that is known. */
  missing(size: number): string | null {
    const signed = this.#before?.newest()?.treeSize ?? 0;
    const confirmed = this.#before?.newestConfirmed() ?? null;
    if (Math.max(signed, confirmed?.treeSize ?? 0) <= size) return null;
    const back = `${this.#target} has no more than ${size} receipts`;
    return confirmed !== null && confirmed.treeSize > size
      ? `${this.#path} says that ${confirmed.target} had confirmed the anchor of ${confirmed.treeSize} receipts, and ${back}`
      : `${this.#path} says that an anchor of ${signed} receipts was signed, which no target had confirmed, and ${back}`;
  }

  /** The next anchor, in order of size. */
  add(anchor: PublishedAnchor): void {
    const { facts: { treeSize, root }, note } = anchor;
    if ((this.#before?.note(treeSize) ?? null) !== null) return;
    this.taken++;
    if (this.#before !== null) {
      this.#lacking.push({ treeSize, root, note });
      return;
    }
    this.#page.push(anchor);
    if (this.#page.length >= PAGE) this.#store();
  }

  /**
   * What another target of the ledger has. Publishing goes in order, so the newest anchor that is the ledger's tells of those before;
   * that they are still there is for the audit. Returns false where the target does not answer: everything is then published there anew.
   */
  async ask(target: AnchorTarget, { ledger, vkeys, size }: { readonly ledger: LedgerName; readonly vkeys: readonly Vkey[]; readonly size: number }): Promise<boolean> {
    if (this.#outbox === null) return true; // the one that is there knows, or asks
    this.#store();
    const newest: TargetVersion[] = [];
    try {
      for await (const version of target.list(anchorsPrefix(ledger))) {
        const treeSize = sizeInName(ledger, version.name);
        if (version.kind !== "object" || treeSize === null || treeSize > size) continue;
        if (newest.push(version) > TRIES) newest.shift();
      }
      for (const version of newest.reverse()) if (await this.#confirm(target, version, ledger, vkeys)) break;
      return true;
    } catch (error) {
      if (error instanceof TargetError) return false;
      throw error;
    }
  }

  /** Gives it its name; on the disk when this returns. */
  finish(): void {
    this.#before?.reserve(this.#lacking);
    this.#before?.saveNotes(this.#lacking);
    this.#before?.close();
    if (this.#outbox === null) return;
    this.#store();
    this.#outbox.close();
    renameSync(this.#fresh, this.#path);
    syncPath(dirname(this.#path));
  }

  discard(): void {
    this.#before?.close();
    this.#outbox?.close();
    remove(this.#fresh);
  }

  async #confirm(target: AnchorTarget, version: TargetVersion, ledger: LedgerName, vkeys: readonly Vkey[]): Promise<boolean> {
    const { stored } = await fetchVersion(target, version, MAX_ANCHOR_BYTES);
    if ("code" in stored) return false;
    try {
      const { treeSize, root } = verifyAnchorObject(version.name, stored.bytes, ledger, vkeys, { hash: auditHash, verify: verifyByNode });
      const note = this.#outbox?.note(treeSize) ?? null;
      if (note === null || !equal(parseCheckpoint(parseNote(note).text).root, root)) return false;
      this.#outbox?.confirm(target.name, { treeSize, versionId: version.versionId, lastModified: stored.lastModified });
      return true;
    } catch (error) {
      if (error instanceof VerifyError) return false;
      throw error;
    }
  }

  #store(): void {
    const newest = this.#page.at(-1);
    if (this.#outbox === null || newest === undefined) return;
    this.#outbox.reserve(this.#page.map(({ facts: { treeSize, root } }) => ({ treeSize, root })));
    this.#outbox.saveNotes(this.#page.map(({ facts: { treeSize }, note }) => ({ treeSize, note })));
    this.#outbox.confirm(this.#target, { treeSize: newest.facts.treeSize, versionId: newest.versionId, lastModified: newest.lastModified });
    this.#page = [];
  }
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm", ".new", ".new-wal", ".new-shm"]) rmSync(path + suffix, { force: true });
}
