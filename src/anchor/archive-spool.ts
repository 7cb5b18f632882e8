/**
 * Archive objects that are made but not yet at every target, as files of `<data_dir>/archive`. Encrypting twice gives two objects, and
 * what a target was given is locked there for years, so an object is made once: it is on the disk, with its name, before a target
 * sees it, and a retry or a restart takes the file.
 *
 * A crash leaves a `.tmp-…` file, which is removed at the next use, or a whole file that is found again. A file is taken only if its
 * bytes have the hash in its name, and it is known by a tag for what is in it: a ledger that was put back, or other recipients, make
 * another object. Losing the folder costs a second copy at the targets, nothing else.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { toHex } from "../format/bytes.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { syncFolder, writeNewFile } from "./durable.ts";
import { AnchorError } from "./errors.ts";

/** Receipts `firstIndex` to `lastIndex`; `tag` is 64 hex digits that say which, for whom. */
export interface SpooledName {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly tag: string;
}

interface SpooledFile extends SpooledName {
  readonly file: string;
  /** Of the bytes, hex. */
  readonly sha256: string;
}

const FILE = /^(\d{20})-(\d{20})-([0-9a-f]{64})-([0-9a-f]{64})\.part$/;
const TEMPORARY = ".tmp-";

export class ArchiveSpool {
  readonly #folder: string;
  /** By first index, as far as the folder was read; null before that. */
  #files: Map<number, SpooledFile> | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The object that begins with this receipt, if there is one with the tag that `tagOf` gives for its last receipt. */
  async find(firstIndex: number, tagOf: (lastIndex: number) => string | null): Promise<(SpooledName & { readonly bytes: Uint8Array }) | null> {
    return await this.#guard(async () => {
      const files = await this.#read();
      const found = files.get(firstIndex);
      if (found === undefined) return null;
      const bytes = tagOf(found.lastIndex) === found.tag ? await readFile(join(this.#folder, found.file)) : null;
      if (bytes !== null && toHex(nodeHash.sha256(bytes)) === found.sha256) return { ...found, bytes };
      files.delete(firstIndex); // of an earlier life, or damaged
      await rm(join(this.#folder, found.file), { force: true });
      return null;
    });
  }

  /** Keeps the object: on the disk, with its name, when this resolves. */
  async keep(name: SpooledName, bytes: Uint8Array): Promise<void> {
    await this.#guard(async () => {
      const files = await this.#read();
      const sha256 = toHex(nodeHash.sha256(bytes));
      const file = `${digits(name.firstIndex)}-${digits(name.lastIndex)}-${name.tag}-${sha256}.part`;
      const temporary = join(this.#folder, `${TEMPORARY}${randomBytes(16).toString("hex")}`);
      try {
        await writeNewFile(temporary, bytes, 0o600);
        await rename(temporary, join(this.#folder, file));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
      await syncFolder(this.#folder);
      files.set(name.firstIndex, { ...name, file, sha256 });
    });
  }

  /** Removes the objects of receipts below `treeSize`. What cannot be removed now is removed another time. */
  async release(treeSize: number): Promise<void> {
    const files = await this.#guard(() => this.#read());
    for (const [firstIndex, { lastIndex, file }] of files) {
      if (lastIndex >= treeSize) continue;
      files.delete(firstIndex);
      await rm(join(this.#folder, file), { force: true }).catch(() => undefined);
    }
  }

  /** Once: what is there, without what a crash left. */
  async #read(): Promise<Map<number, SpooledFile>> {
    if (this.#files !== null) return this.#files;
    if (await mkdir(this.#folder, { recursive: true, mode: 0o700 }) !== undefined) await syncFolder(dirname(this.#folder));
    const files = new Map<number, SpooledFile>();
    for (const file of await readdir(this.#folder)) {
      const parts = FILE.exec(file);
      if (file.startsWith(TEMPORARY)) await rm(join(this.#folder, file), { force: true });
      if (parts === null) continue;
      const [firstIndex, lastIndex] = [Number(parts[1]), Number(parts[2])];
      const earlier = files.get(firstIndex);
      if (earlier !== undefined) await rm(join(this.#folder, earlier.file), { force: true }); // only one of them can be of use
      files.set(firstIndex, { firstIndex, lastIndex, tag: parts[3]!, sha256: parts[4]!, file });
    }
    this.#files = files;
    return files;
  }

  /** After a failure the folder is read again: it may be another one, or hold other files. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#files = null;
      throw new AnchorError("archive_failed", `the archive's folder ${this.#folder}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

function digits(value: number): string {
  return String(value).padStart(20, "0");
}
