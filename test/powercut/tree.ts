/**
 * The directory under test as the running system sees it, and the record of everything done to it.
 *
 * The tree knows what strace does not print: which file a name stood for at that moment, and how long the file was when
 * something was appended. Every change goes through here, so that the tree and the events cannot disagree.
 */
import { TraceError } from "./strace.ts";

/** "other" is a socket or a FIFO: it has a name and no bytes. */
export type NodeType = "file" | "directory" | "other";

/** An entry in a directory; the directory is a node number. */
export interface Entry {
  readonly directory: number;
  readonly name: string;
}

export type Action =
  | { readonly kind: "write"; readonly file: number; readonly offset: number; readonly data: Uint8Array }
  | { readonly kind: "truncate"; readonly file: number; readonly length: number }
  /** fsync or fdatasync of a file or directory, or sync of everything. An injected one did nothing. */
  | { readonly kind: "sync"; readonly node: number | "all"; readonly injected: boolean }
  | { readonly kind: "link"; readonly entry: Entry; readonly node: number }
  | { readonly kind: "unlink"; readonly entry: Entry }
  | { readonly kind: "rename"; readonly from: Entry; readonly to: Entry; readonly node: number }
  /** `stream` is one socket or pipe, such as `socket:[4711]`. */
  | { readonly kind: "acknowledge"; readonly stream: string; readonly data: Uint8Array };

/** The ticks between which something happened (see Call in strace.ts); `end` is Infinity when it may never have. */
export interface Ticks {
  readonly begin: number;
  readonly end: number;
}

export type Event = Action & Ticks;

/** Names from the directory under test down; [] is that directory itself. */
export type Names = readonly string[];

interface TreeNode {
  readonly id: number;
  readonly type: NodeType;
  readonly entries: Map<string, TreeNode>;
  size: number;
}

interface Place {
  readonly directory: TreeNode;
  readonly name: string;
  readonly node: TreeNode | undefined;
}

export class Tree {
  readonly #nodes: TreeNode[] = [{ id: 0, type: "directory", entries: new Map(), size: 0 }];
  readonly #events: Event[] = [];

  /** In the order in which the calls returned; those that never did are last. */
  get events(): readonly Event[] {
    return this.#events.toSorted((a, b) => (a.end === b.end ? a.begin - b.begin : a.end - b.end));
  }

  /** By node number; 0 is the directory under test. */
  get types(): readonly NodeType[] {
    return this.#nodes.map((node) => node.type);
  }

  /** The node that the names stand for; undefined when there is none. */
  find(names: Names): number | undefined {
    return this.#walk(names)?.id;
  }

  size(id: number): number {
    return this.#node(id).size;
  }

  create(ticks: Ticks, names: Names, type: NodeType): number {
    const place = this.#place(names);
    if (place.node) throw new TraceError(`created twice: ${names.join("/")}`);
    const node: TreeNode = { id: this.#nodes.length, type, entries: new Map(), size: 0 };
    this.#nodes.push(node);
    this.#link(ticks, place, node);
    return node.id;
  }

  link(ticks: Ticks, from: Names, to: Names): void {
    this.#link(ticks, this.#place(to), this.#existing(this.#place(from)));
  }

  unlink(ticks: Ticks, names: Names): void {
    const place = this.#place(names);
    this.#existing(place);
    place.directory.entries.delete(place.name);
    this.#record(ticks, { kind: "unlink", entry: entryOf(place) });
  }

  rename(ticks: Ticks, from: Names, to: Names): void {
    const source = this.#place(from);
    const target = this.#place(to);
    const node = this.#existing(source);
    // rename(2): two names of one file stay as they are.
    if (node === target.node) return;
    source.directory.entries.delete(source.name);
    target.directory.entries.set(target.name, node);
    this.#record(ticks, { kind: "rename", from: entryOf(source), to: entryOf(target), node: node.id });
  }

  write(ticks: Ticks, file: number, offset: number, data: Uint8Array): void {
    const node = this.#node(file);
    node.size = Math.max(node.size, offset + data.length);
    this.#record(ticks, { kind: "write", file, offset, data });
  }

  truncate(ticks: Ticks, file: number, length: number): void {
    const node = this.#node(file);
    if (node.size === length) return;
    node.size = length;
    this.#record(ticks, { kind: "truncate", file, length });
  }

  sync(ticks: Ticks, node: number | "all", injected: boolean): void {
    this.#record(ticks, { kind: "sync", node, injected });
  }

  acknowledge(ticks: Ticks, stream: string, data: Uint8Array): void {
    this.#record(ticks, { kind: "acknowledge", stream, data });
  }

  #link(ticks: Ticks, place: Place, node: TreeNode): void {
    place.directory.entries.set(place.name, node);
    this.#record(ticks, { kind: "link", entry: entryOf(place), node: node.id });
  }

  #record({ begin, end }: Ticks, action: Action): void {
    this.#events.push({ ...action, begin, end });
  }

  #node(id: number): TreeNode {
    const node = this.#nodes[id];
    if (!node) throw new TraceError(`no node ${id}`);
    return node;
  }

  #walk(names: Names): TreeNode | undefined {
    let node = this.#nodes[0];
    for (const name of names) node = node?.entries.get(name);
    return node;
  }

  #place(names: Names): Place {
    const name = names.at(-1);
    const directory = this.#walk(names.slice(0, -1));
    if (name === undefined || directory === undefined) throw new TraceError(`not in a known directory: ${names.join("/")}`);
    return { directory, name, node: directory.entries.get(name) };
  }

  #existing(place: Place): TreeNode {
    if (!place.node) throw new TraceError(`${place.name} was not made by the traced process`);
    return place.node;
  }
}

function entryOf(place: Place): Entry {
  return { directory: place.directory.id, name: place.name };
}
