/** The files of a recovery: bytes that are kept aside, and the new ledger in the place of the old one, which stays under another name. */
import { closeSync, constants, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { auditHash } from "../audit/hash.ts";
import { toHex } from "../format/bytes.ts";
import { syncPath } from "../ledger/sync-path.ts";

/** `data_dir/quarantine`: bytes that stood in a receipt's place, in files named by log index and SHA-256. Made when it is needed. */
export class Quarantine {
  readonly #folder: string;
  readonly #made: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  put(logIndex: number, bytes: Uint8Array): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, `${String(logIndex).padStart(20, "0")}-${toHex(auditHash.sha256(bytes))}.bytes`);
    if (!existsSync(path)) this.#made.push(path);
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600); // a crash may have left a part of it
    try {
      writeFileSync(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** On the disk, with their names. */
  sync(): void {
    if (this.#made.length === 0) return;
    syncPath(this.#folder);
    syncPath(dirname(this.#folder));
  }

  /** Removes what this run has put there. */
  discard(): void {
    for (const path of this.#made) rmSync(path, { force: true });
  }
}

/**
 * A name for a ledger that is about to be out of use, beside it: the one that a recovery which was cut short has given it already, or a
 * new one. `now` in ms.
 */
export function damagedName(path: string, now: number): string {
  const known = givenName(path);
  if (known !== null) return known;
  const name = `${path}.damaged-${new Date(now).toISOString().replaceAll(/[-:.]/g, "")}`;
  return existsSync(name) ? `${name}-${readdirSync(dirname(path)).length}` : name;
}

/** The other name of the file at `path`; null where it has none. */
function givenName(path: string): string | null {
  const folder = dirname(path);
  const { ino } = statSync(path, { bigint: true });
  const given = readdirSync(folder).filter((name) => name.startsWith(`${basename(path)}.damaged-`) && !/-(wal|shm|acks)$/.test(name)).map((name) => join(folder, name));
  return given.find((one) => statSync(one, { bigint: true }).ino === ino) ?? null;
}

/**
 * Gives the ledger at `path` the name `kept` too, and then its own to the new file, in one rename: a crash leaves the old ledger or the new
 * one. Its write-ahead log, where that could not be moved into it, and its mark go with it; a crash between that and the rename is made good
 * by `takeBackLog`.
 */
export function replaceLedger(path: string, fresh: string, kept: string, onLinked: () => void): void {
  if (!existsSync(kept)) linkSync(path, kept);
  for (const suffix of COMPANIONS) {
    rmSync(kept + suffix, { force: true });
    if (hasBytes(path + suffix)) linkSync(path + suffix, kept + suffix);
  }
  syncPath(dirname(path));
  onLinked();
  for (const suffix of [...COMPANIONS, "-shm"]) {
    rmSync(path + suffix, { force: true });
    rmSync(fresh + suffix, { force: true }); // of whoever has read it
  }
  renameSync(fresh, path);
  syncPath(dirname(path));
}

/** Files that a ledger is not whole without. */
const COMPANIONS = ["-wal", "-acks"];

/** Copies of logs that a power cut has torn, beside the ledger (ledger/left-over.ts). */
export function keptLogs(path: string): readonly string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}-wal.damaged-`)).sort().map((name) => join(dirname(path), name));
}

/** The old ledger was left without its log or its mark; the caller holds the lock. */
export function takeBackLog(path: string): void {
  const kept = givenName(path);
  if (kept === null) return;
  for (const suffix of COMPANIONS) if (!hasBytes(path + suffix) && hasBytes(kept + suffix)) renameSync(kept + suffix, path + suffix);
  syncPath(dirname(path));
}

function hasBytes(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** A database that was never put in its place. */
export function removeFresh(fresh: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true });
}
