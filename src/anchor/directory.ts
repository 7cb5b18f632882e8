/**
 * A folder as an anchor target: the embedded default, or a mounted disk. Objects are files of mode 0444 with one version each.
 *
 * A file gets its name by link(2) when its bytes are on the disk, so a name never has half an object and is never replaced. A
 * crash leaves at most a `.tmp-…` file, which has no name that counts and is removed at the folder's next use. Whoever else can
 * write here controls every name, kind and byte that is read; nothing is followed out of the folder.
 */
import { randomBytes } from "node:crypto";
import { constants, mkdirSync } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, opendir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { equal } from "../format/bytes.ts";
import { syncPath } from "../ledger/sync-path.ts";
import { ifThere, isTemporary, TEMPORARY_PREFIX, walk } from "./directory-walk.ts";
import { syncFolder, writeNewFile } from "./durable.ts";
import { type AnchorTarget, type StoredObject, TargetError, type TargetVersion, type VersionName } from "./target.ts";

/** A name has one version: nothing is ever replaced. */
const VERSION = "1";
const STALE_MS = 60_000;
const WRITABLE_NAME = /^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const MAX_NAME = 1024;

export interface DirectoryOptions {
  readonly name: string;
  /** The folder; it must exist. A missing one is an unmounted disk and is never made anew. */
  readonly path: string;
  /** ms, the clock that the files' times are by. */
  readonly now?: () => number;
}

/** Makes the folder, durably, for a new ledger; one that is there already is left as it is. */
export function createDirectoryTarget(path: string): void {
  const first = mkdirSync(resolve(path), { recursive: true, mode: 0o755 });
  if (first === undefined) return;
  for (let at = resolve(path); at.length >= first.length; at = dirname(at)) syncPath(dirname(at));
}

export class DirectoryTarget implements AnchorTarget {
  readonly name: string;
  readonly trustedTime = false;
  readonly retain = null;
  readonly #root: string;
  readonly #now: () => number;
  /** Folders that this process has made durable and cleaned. */
  readonly #ready = new Set<string>();

  constructor(options: DirectoryOptions) {
    this.name = options.name;
    this.#root = resolve(options.path);
    this.#now = options.now ?? Date.now;
  }

  async put(name: string, bytes: Uint8Array): Promise<VersionName> {
    const parts = partsOf(name);
    if (!WRITABLE_NAME.test(name) || name.length > MAX_NAME || parts.some(isTemporary)) throw new TypeError(`not a name to write: ${name.slice(0, 200)}`);
    try {
      const folder = await this.#prepare(parts.slice(0, -1));
      const path = join(folder, parts.at(-1)!);
      if (!await sameFile(path, bytes)) await this.#store(folder, path, bytes);
      await syncFolder(folder); // also after an earlier put that was cut between its link and here
      return { name, versionId: VERSION };
    } catch (error) {
      this.#ready.clear(); // the folders may be gone, or those of another disk
      throw this.#failure(error, `cannot store ${name}`);
    }
  }

  async get(version: VersionName, maxBytes: number): Promise<StoredObject> {
    const parts = partsOf(version.name);
    if (version.versionId !== VERSION) throw missing(version.name);
    try {
      const folder = await this.#folder(parts.slice(0, -1));
      const handle = await openRegular(join(folder, parts.at(-1)!));
      try {
        const { size, mtimeMs } = await handle.stat();
        if (size > maxBytes) throw new TargetError("target_damaged", `${version.name} has ${size} bytes; at most ${maxBytes} are expected`);
        return { bytes: await readAll(handle, size), lastModified: Math.floor(mtimeMs), retention: null };
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (errno(error) === "ENOENT") throw missing(version.name, error);
      throw this.#failure(error, `cannot read ${version.name}`);
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
    try {
      await this.#requireRoot();
      for await (const { name, stats } of walk(this.#root, "", prefix, after)) {
        const kind = stats.isFile() ? "object" : "other";
        yield { name, versionId: VERSION, kind, lastModified: Math.floor(stats.mtimeMs), size: stats.size, etag: String(stats.ctimeMs), isMultipart: false };
      }
    } catch (error) {
      throw this.#failure(error, "cannot list the folder");
    }
  }

  async #store(folder: string, path: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(folder, `${TEMPORARY_PREFIX}${randomBytes(16).toString("hex")}`);
    try {
      await writeNewFile(temporary, bytes, 0o444);
      await link(temporary, path);
    } catch (error) {
      if (errno(error) !== "EEXIST" || !await sameFile(path, bytes)) throw error;
    } finally {
      // what cannot be removed now is removed at the next start
      await unlink(temporary).catch(() => undefined);
    }
  }

  /** The folder, made where it is missing; at its first use durable up to the root and without what a crash left. */
  async #prepare(parts: readonly string[]): Promise<string> {
    const key = parts.join("/");
    if (this.#ready.has(key)) return join(this.#root, ...parts);
    await this.#requireRoot();
    let folder = this.#root;
    for (const part of parts) {
      const parent = folder;
      folder = join(folder, part);
      const made = await mkdir(folder, { mode: 0o755 }).then(() => true, (error: unknown) => {
        if (errno(error) !== "EEXIST") throw error;
        return false;
      });
      if (!made) await requireFolder(folder);
      await syncFolder(parent); // also one that a crash left un-synced
    }
    await this.#removeStale(folder);
    this.#ready.add(key);
    return folder;
  }

  async #folder(parts: readonly string[]): Promise<string> {
    await this.#requireRoot();
    let folder = this.#root;
    for (const part of parts) {
      folder = join(folder, part);
      await requireFolder(folder);
    }
    return folder;
  }

  async #removeStale(folder: string): Promise<void> {
    for await (const entry of await opendir(folder)) {
      if (!entry.isFile() || !isTemporary(entry.name)) continue;
      const path = join(folder, entry.name);
      const stats = await ifThere(lstat(path));
      if (stats !== null && this.#now() - stats.mtimeMs > STALE_MS) await ifThere(unlink(path));
    }
  }

  /** The root itself may be a symbolic link: the operator chose it. */
  async #requireRoot(): Promise<void> {
    const stats = await stat(this.#root).catch((error: unknown) => {
      throw new TargetError("target_unavailable", `${this.name}: ${this.#root} is not there (${messageOf(error)}); is its disk mounted?`, { cause: error });
    });
    if (!stats.isDirectory()) throw new TargetError("target_unavailable", `${this.name}: ${this.#root} is not a folder`);
  }

  #failure(error: unknown, what: string): TargetError {
    if (error instanceof TargetError) return error;
    return new TargetError("target_unavailable", `${this.name}: ${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** The parts of a name that stays inside the folder. */
function partsOf(name: string): readonly string[] {
  const parts = name.split("/");
  if (name.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) throw new TypeError(`not an object's name: ${name.slice(0, 200)}`);
  return parts;
}

/** Are these bytes stored under the path? False if nothing is; `target_conflict` if it is anything else. */
async function sameFile(path: string, bytes: Uint8Array): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await openRegular(path);
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    if (error instanceof TargetError) throw new TargetError("target_conflict", error.message, { cause: error });
    throw error;
  }
  try {
    const { size } = await handle.stat();
    if (size !== bytes.length || !equal(await readAll(handle, size), bytes)) {
      throw new TargetError("target_conflict", `${path} is there already, with other bytes`);
    }
    await handle.sync(); // whoever wrote it may not have
    return true;
  } finally {
    await handle.close();
  }
}

/** Opens a regular file, and nothing else: no symbolic link, and no pipe that would block. */
async function openRegular(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
    if (errno(error) === "ELOOP" || errno(error) === "ENXIO") throw new TargetError("target_damaged", `${path} is not a file`, { cause: error });
    throw error;
  });
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new TargetError("target_damaged", `${path} is not a file`);
}

async function readAll(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const { bytesRead } = await handle.read(bytes, at, size - at, at);
    if (bytesRead === 0) throw new TargetError("target_damaged", "a file shrank while it was read");
    at += bytesRead;
  }
  return bytes;
}

async function requireFolder(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) throw new TargetError("target_damaged", `${path} is not a folder`);
}

function missing(name: string, cause?: unknown): TargetError {
  return new TargetError("target_missing", `${name} is not there`, { cause });
}

function errno(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
