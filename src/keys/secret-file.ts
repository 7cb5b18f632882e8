/** Files that hold secrets: made whole with mode 0600, refused with any other, replaced only where that is asked for. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, fsyncSync, linkSync, openSync, readSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { KeyError } from "./errors.ts";

const MAX_BYTES = 1 << 20;

/**
 * Reads a file of the daemon's own user (or root) that nobody else may read or write; symbolic links are not followed.
 * `isCredential`: it is of systemd's making.
 */
export function readSecretFile(path: string, isCredential = false): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK); // a pipe without a writer would hold us up
  } catch (error) {
    throw notOpened(path, error);
  }
  try {
    const stat = fstatSync(fd);
    const uid = process.getuid?.() ?? stat.uid;
    if (!stat.isFile() || stat.size > MAX_BYTES) throw new KeyError("key_file_damaged", `${path} is not a key file`);
    if ((stat.mode & forbidden(stat.uid, isCredential)) !== 0) {
      throw new KeyError("key_file_mode", `${path} has mode ${(stat.mode & 0o777).toString(8)}: others can read it; treat the key as known to them, or run: chmod 600 ${path}`);
    }
    if (stat.uid !== uid && stat.uid !== 0) throw new KeyError("key_file_mode", `${path} belongs to user ${stat.uid}, not to ${uid}`);
    const bytes = new Uint8Array(stat.size);
    let at = 0;
    while (at < bytes.length) {
      const n = readSync(fd, bytes, at, bytes.length - at, at);
      if (n === 0) throw new KeyError("key_file_damaged", `${path} shrank while it was read`);
      at += n;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** systemd's credentials are root's, mode 0440: what stat shows as the group's right is that of an ACL, which lets in the service's user alone. */
function forbidden(owner: number, isCredential: boolean): number {
  return isCredential && owner === 0 ? 0o037 : 0o077;
}

/** `key_file_missing` only where there is none: a file that is there and cannot be opened is not one to make anew. */
export function notOpened(path: string, cause: unknown): KeyError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const text = `cannot open ${path}: ${message}`;
  if (code === "ENOENT") return new KeyError("key_file_missing", text, { cause });
  if (code === "EACCES" || code === "EPERM") return new KeyError("key_file_mode", text, { cause });
  return new KeyError("key_file_damaged", code === "ELOOP" ? `${path} is a symbolic link, not a key file` : text, { cause });
}

/** Puts a file in the place of the one that is there, in one step: after a crash it is the old one or the new one, whole. */
export function replaceSecretFile(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.new`;
  writeFresh(fresh, bytes);
  renameSync(fresh, path);
  syncFolder(path);
}

/**
 * The same, and what the file held is overwritten. A crash behind the replacement leaves the old file under another name, which the next
 * call of this or `eraseReplaced` overwrites.
 */
export function replaceAndErase(path: string, bytes: Uint8Array): void {
  eraseReplaced(path);
  linkSync(path, replacedName(path));
  replaceSecretFile(path, bytes);
  eraseReplaced(path);
}

/** What a replacement that was cut short has left. */
export function eraseReplaced(path: string): void {
  const old = replacedName(path);
  if (!existsSync(old)) return;
  if (existsSync(path) && statSync(old).ino === statSync(path).ino) rmSync(old); // it was not replaced yet
  else eraseSecretFile(old);
}

function replacedName(path: string): string {
  return `${path}.old`;
}

/** Overwrites the file, then removes it; none is there afterwards. */
export function eraseSecretFile(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw notOpened(path, error);
  }
  try {
    writeSync(fd, new Uint8Array(fstatSync(fd).size), 0, undefined, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  rmSync(path, { force: true });
  syncFolder(path);
}

/** Creates the file; `key_file_exists` where there is one. Whole, on the disk, with its name, when this returns. */
export function createSecretFile(path: string, bytes: Uint8Array): void {
  const fresh = `${path}.${randomBytes(4).toString("hex")}.new`; // another process may be creating it
  writeFresh(fresh, bytes);
  try {
    linkSync(fresh, path); // unlike a rename, this replaces nothing
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new KeyError("key_file_exists", `${path} is there already; a key file is never replaced`, { cause: error });
  } finally {
    rmSync(fresh, { force: true });
  }
  syncFolder(path);
}

function writeFresh(path: string, bytes: Uint8Array): void {
  rmSync(path, { force: true }); // a creation that was cut short
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(path: string): void {
  const fd = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
