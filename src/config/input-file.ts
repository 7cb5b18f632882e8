/** Files that a command line names: regular ones, read piece by piece or whole up to a bounded size, so that nothing keeps a command waiting, or fills its memory. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** What a shell has opened already: standard input, or <(…). */
const OPENED = /^(?:\/dev\/(?:stdin|fd\/\d+)|\/proc\/self\/fd\/\d+)$/;
const CHUNK = 65_536;

/** Makes the error of a file that is something else, or larger. */
type Refuse = (why: string) => Error;

export class InputFile {
  readonly #fd: number;
  readonly #refuse: Refuse;

  constructor(path: string, refuse: Refuse) {
    const isOpened = OPENED.test(path);
    this.#fd = openSync(path, isOpened ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK); // a pipe without a writer would hold us up
    this.#refuse = refuse;
    const stat = fstatSync(this.#fd);
    if (stat.isFile() || (isOpened && stat.isFIFO())) return;
    this.close();
    throw refuse("it is no regular file");
  }

  /** The next piece, in memory of its own; null at the end. */
  read(): Uint8Array | null {
    const piece = Buffer.alloc(CHUNK);
    const n = readSync(this.#fd, piece);
    return n === 0 ? null : piece.subarray(0, n);
  }

  /** What was read already and the rest, at most `max` bytes. */
  rest(already: readonly Uint8Array[], max: number): Uint8Array {
    const parts = [...already];
    let size = parts.reduce((sum, part) => sum + part.length, 0);
    for (let piece = this.read(); piece !== null && size <= max; piece = this.read()) {
      parts.push(piece);
      size += piece.length;
    }
    if (size > max) throw this.#refuse(`it has more than ${max} bytes`);
    return Buffer.concat(parts);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** At most `max` bytes. */
export function readBounded(path: string, max: number, refuse: Refuse): Uint8Array {
  const file = new InputFile(path, refuse);
  try {
    return file.rest([], max);
  } finally {
    file.close();
  }
}
