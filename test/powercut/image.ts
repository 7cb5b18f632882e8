/** The contents of a directory as a value: read from a real one, written into one, compared. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { TraceError } from "./strace.ts";
import type { FoundFile } from "./trace.ts";

/**
 * Bytes by path relative to the directory. A directory in it is there as its path with a "/" at the end, and no bytes.
 * SQLite's -shm, sockets and FIFOs are never in an image.
 */
export type Image = ReadonlyMap<string, Uint8Array>;

/** SQLite's -shm is memory that happens to have a name: it is rebuilt from the -wal by whoever opens the database first. */
export function isSharedMemory(path: string): boolean {
  return path.endsWith("-shm");
}

/** The paths at which two images differ. */
export function differences(a: Image, b: Image): readonly string[] {
  const paths = new Set([...a.keys(), ...b.keys()]);
  return [...paths].filter((path) => {
    const [left, right] = [a.get(path), b.get(path)];
    return !left || !right || Buffer.compare(left, right) !== 0;
  });
}

/** Writes the image into a directory, which is created and should be empty. */
export function writeImage(image: Image, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [path, data] of image) {
    if (path.endsWith("/")) {
      mkdirSync(join(directory, path), { recursive: true });
    } else {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), data);
    }
  }
}

/** What is in a real directory now. Throws TraceError for symbolic links, which are not modelled. */
export function findFiles(directory: string, above: readonly string[] = []): readonly FoundFile[] {
  const found: FoundFile[] = [];
  for (const name of existsSync(directory) ? readdirSync(directory).sort() : []) {
    const path = join(directory, name);
    const names = [...above, name];
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) throw new TraceError(`symbolic links are not modelled: ${names.join("/")}`);
    const type = stat.isFile() ? "file" : stat.isDirectory() ? "directory" : "other";
    found.push({ names, type, data: type === "file" ? new Uint8Array(readFileSync(path)) : new Uint8Array() });
    if (type === "directory") found.push(...findFiles(path, names));
  }
  return found;
}

/** The same as an image, to compare with one. */
export function imageOf(files: readonly FoundFile[]): Image {
  const image = new Map<string, Uint8Array>();
  for (const { names, type, data } of files) {
    const path = names.join("/");
    if (type === "directory") image.set(`${path}/`, data);
    else if (type === "file" && !isSharedMemory(path)) image.set(path, data);
  }
  return image;
}
