/** Lines to a stream, at its pace. */
import type { Writable } from "node:stream";

export class Out {
  readonly #stream: Writable;
  #isGone = false;
  /** While there is none. */
  #room: PromiseWithResolvers<void> | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("drain", () => this.#hasRoom());
    for (const end of ["error", "close", "finish"]) {
      stream.on(end, () => {
        this.#isGone = true;
        this.#hasRoom();
      });
    }
  }

  /** Nobody reads any more. */
  get isGone(): boolean {
    return this.#isGone || this.#stream.destroyed;
  }

  /** Resolves when there is room for more; at once where nobody reads any more. */
  async write(line: string): Promise<void> {
    if (this.isGone) return;
    if (!this.#stream.write(`${line}\n`)) this.#room ??= Promise.withResolvers();
    await this.#room?.promise;
  }

  end(): void {
    if (!this.isGone) this.#stream.end();
  }

  #hasRoom(): void {
    this.#room?.resolve();
    this.#room = null;
  }
}
