/**
 * A folder's files in the order of their full names, the way an object store lists them: `a-b` comes before `a/b`. Symbolic links
 * are shown and never followed. Memory is bounded by the names of one folder (and of those above it) that are asked for.
 */
import type { Stats } from "node:fs";
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

export const TEMPORARY_PREFIX = ".tmp-";
const TEMPORARY = /^\.tmp-[0-9a-f]{32}$/;

/** The name of a file that is being written, or that a crash left. */
export function isTemporary(part: string): boolean {
  return TEMPORARY.test(part);
}

export interface Walked {
  readonly name: string;
  readonly stats: Stats;
}

/**
 * Everything below `root/path` (`path` is "" or ends in "/") whose name begins with `prefix` and sorts after `after`. Files being
 * written are left out. What vanishes meanwhile is left out, too.
 */
export async function* walk(root: string, path: string, prefix: string, after: string | undefined): AsyncGenerator<Walked> {
  for (const name of await names(join(root, path), path, prefix, after)) {
    if (name.endsWith("/")) {
      yield* walk(root, name, prefix, after);
      continue;
    }
    const stats = await ifThere(lstat(join(root, name)));
    if (stats !== null) yield { name, stats };
  }
}

/** Full names, in order; those of folders end in "/", so that they sort where their contents belong. */
async function names(folder: string, path: string, prefix: string, after: string | undefined): Promise<string[]> {
  const found: string[] = [];
  const entries = await ifThere(opendir(folder, { bufferSize: 256 }));
  if (entries === null) return found;
  for await (const entry of entries) {
    const isFolder = entry.isDirectory();
    const name = `${path}${entry.name}${isFolder ? "/" : ""}`;
    if (entry.isFile() && isTemporary(entry.name)) continue;
    if (!name.startsWith(prefix) && !(isFolder && prefix.startsWith(name))) continue;
    if (after !== undefined && name <= after && !(isFolder && after.startsWith(name))) continue;
    found.push(name);
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** Null for what is gone, or has become something else, since it was named. */
export async function ifThere<T>(wanted: Promise<T>): Promise<T | null> {
  try {
    return await wanted;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}
