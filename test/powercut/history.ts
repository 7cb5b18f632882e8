/** Histories of a directory for the tests of the disk model, written down call by call. */
import { type DiskOptions, imageAt } from "./disk.ts";
import type { Image } from "./image.ts";
import type { Trace } from "./trace.ts";
import { type Ticks, Tree } from "./tree.ts";

/** The text, repeated up to the length. */
export const bytes = (text: string, length = text.length): Uint8Array =>
  new TextEncoder().encode(text.repeat(length / text.length));
/** Zeros are shown as "_". */
export const text = (data: Uint8Array | undefined): string | undefined =>
  data === undefined ? undefined : new TextDecoder("latin1").decode(data).replaceAll("\0", "_");

export class History {
  readonly tree = new Tree();
  #tick = 0;

  /** One call, or with `during` a call that others happen inside of. */
  call(during: () => void = () => undefined): Ticks {
    const begin = this.#tick++;
    during();
    return { begin, end: this.#tick++ };
  }

  file(...names: readonly string[]): number {
    return this.tree.create(this.call(), names, "file");
  }

  write(file: number, offset: number, data: Uint8Array): void {
    this.tree.write(this.call(), file, offset, data);
  }

  sync(node: number | "all", injected = false): void {
    this.tree.sync(this.call(), node, injected);
  }

  get now(): number {
    return this.#tick;
  }

  get trace(): Trace {
    const { events, types } = this.tree;
    return { events, types, start: 0, end: this.#tick, undecided: false };
  }
}

/** The images of many seeds at the end, or at a tick. */
export function images(history: History, where: DiskOptions & { readonly at?: number } = {}): readonly Image[] {
  const { at = history.now, ...options } = where;
  return Array.from({ length: 400 }, (_, seed) => imageAt(history.trace, { at, seed }, options));
}

/** All different things that a path is, undefined for none; zeros are shown as "_". */
export function possible(found: readonly Image[], path: string): ReadonlySet<string | undefined> {
  return new Set(found.map((image) => text(image.get(path))));
}
