/** Files that a command line names: regular ones of a bounded size, so that nothing keeps a command waiting, or fills its memory. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** What a shell has opened already: standard input, or <(…). */
const OPENED = /^(?:\/dev\/(?:stdin|fd\/\d+)|\/proc\/self\/fd\/\d+)$/;
const CHUNK = 65_536;

/** At most `max` bytes. `refuse` makes the error of a file that is something else, or larger. */
export function readBounded(path: string, max: number, refuse: (why: string) => Error): Uint8Array {
  const isOpened = OPENED.test(path);
  const fd = openSync(path, isOpened ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK); // a pipe without a writer would hold us up
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !(isOpened && stat.isFIFO())) throw refuse("it is no regular file");
    const parts: Buffer[] = [];
    for (let size = 0; ;) {
      const part = Buffer.alloc(CHUNK);
      const n = readSync(fd, part);
      if (n === 0) return Buffer.concat(parts);
      size += n;
      if (size > max) throw refuse(`it has more than ${max} bytes`);
      parts.push(part.subarray(0, n));
    }
  } finally {
    closeSync(fd);
  }
}
