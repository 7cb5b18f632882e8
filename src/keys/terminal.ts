/** A secret typed at the terminal: nothing of it is shown, and nothing of it becomes a string. */
import type { ReadStream } from "node:tty";
import { KeyError } from "./errors.ts";

export interface Terminal {
  /** What is typed up to the end of the line; `passphrase_missing` if it is broken off. The caller overwrites it. */
  readSecret(prompt: string): Promise<Uint8Array>;
}

/** What is used of a terminal: that of the process, or a test's. */
export type TerminalInput = Pick<ReadStream, "setRawMode" | "on" | "off" | "pause" | "resume" | "unshift">;
export interface TerminalOutput {
  write(text: string): unknown;
}

/** Bytes; what is typed beyond is dropped, and then is not the passphrase. */
const LONGEST = 4096;
const [CTRL_C, CTRL_D, BACKSPACE, NEWLINE, RETURN, CTRL_U, SPACE, DELETE] = [0x03, 0x04, 0x08, 0x0a, 0x0d, 0x15, 0x20, 0x7f];

/** What is typed up to the end of the line. */
export async function readSecret(input: TerminalInput, output: TerminalOutput, prompt: string): Promise<Uint8Array> {
  const typed = new Line();
  input.setRawMode(true); // the terminal then shows nothing, not even of who types as soon as the prompt is there
  output.write(prompt);
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const done = (settle: () => void, rest: Uint8Array): void => {
        input.off("data", onData).off("end", onEnd).pause();
        if (rest.length > 0) input.unshift(Buffer.from(rest)); // the next line
        settle();
      };
      const broken = (): void => reject(new KeyError("passphrase_missing", "no passphrase was given"));
      const onEnd = (): void => done(broken, new Uint8Array());
      const onData = (chunk: Buffer): void => {
        const at = chunk.findIndex((byte) => typed.take(byte));
        if (at >= 0) done(() => (chunk[at] === CTRL_C || (chunk[at] === CTRL_D && typed.isEmpty) ? broken() : resolve(typed.bytes())), chunk.slice(at + 1));
        chunk.fill(0);
      };
      input.on("data", onData).on("end", onEnd).resume();
    });
  } finally {
    typed.erase();
    input.setRawMode(false);
    output.write("\n");
  }
}

/** What was typed so far, with the keys that correct it. */
class Line {
  readonly #bytes = new Uint8Array(new ArrayBuffer(LONGEST));
  #length = 0;

  get isEmpty(): boolean { return this.#length === 0; }

  /** True for the byte that ends the line. */
  take(byte: number): boolean {
    if (byte === NEWLINE || byte === RETURN || byte === CTRL_C || byte === CTRL_D) return true;
    if (byte === BACKSPACE || byte === DELETE) this.#dropCharacter();
    else if (byte === CTRL_U) this.erase();
    else if (byte >= SPACE && this.#length < LONGEST) this.#bytes[this.#length++] = byte;
    return false;
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  erase(): void {
    this.#bytes.fill(0);
    this.#length = 0;
  }

  /** The last one, with all bytes of its UTF-8. */
  #dropCharacter(): void {
    while (this.#length > 0) {
      const byte = this.#bytes[--this.#length]!;
      this.#bytes[this.#length] = 0;
      if ((byte & 0xc0) !== 0x80) return;
    }
  }
}
