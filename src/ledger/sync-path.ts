/** Bringing what was written to the disk. */
import { closeSync, fsyncSync, openSync } from "node:fs";

/** A file's bytes, or the names in a folder: on the disk when this returns. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
