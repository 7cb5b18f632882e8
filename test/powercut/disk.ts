/**
 * What can be on the disk after a power cut (fsync(2), rename(2), ext4(5)).
 *
 * The model, worst case first:
 * - A byte is durable once an fsync or fdatasync of its file, entered after the write had returned, has itself returned.
 *   An injected sync makes nothing durable.
 * - Later writes are there or not, in sectors of 512 bytes. The page cache reaches the disk as it was at some moment, so
 *   within one sector a write is never there without those before it; between sectors there is no order at all.
 * - A longer file may keep its old length, or have its new one with zeros in it. A file whose un-synced truncation was lost
 *   keeps its old blocks: nothing written behind the cut since then is there either.
 * - A name (create, link, rename, unlink, mkdir) is durable once the directory was fsynced; a rename between two directories
 *   once both were. Until then each such change is there or not, a rename as a whole.
 *   This is POSIX, and stricter than any one file system. `names: "ext4"` is ext4 with a journal (data=ordered): an fsync of
 *   a file that was created since the last commit commits its name too and, the journal being one sequence, every earlier
 *   change of a name; the changes that are lost are always the last ones.
 * - SQLite's -shm is never there, nor are sockets and FIFOs.
 */
import { type FileChange, fileContents } from "./file.ts";
import { type Image, isSharedMemory } from "./image.ts";
import { type Random, seededRandom } from "./random.ts";
import type { Trace } from "./trace.ts";
import type { Entry, Event } from "./tree.ts";

/** A moment, and which of the disks that are possible then. */
export interface Cut {
  /** A tick of the trace: everything that began before it may have happened. */
  readonly at: number;
  /** The same cut and options always give the same image. */
  readonly seed: number;
}

export interface DiskOptions {
  /** What makes a name durable; "posix" when omitted. See the head of this file. */
  readonly names?: "posix" | "ext4";
}

/**
 * `n` cuts spread at random over what the process did to the directory and acknowledged, the end of the trace included.
 * Half of them are just after an acknowledgement, when nothing may be lost any more and the least has been written.
 */
export function cuts(trace: Trace, n: number, seed: number): readonly Cut[] {
  const random = seededRandom(seed);
  const done = trace.events.filter((event) => event.begin >= trace.start);
  const acknowledgements = done.filter((event) => event.kind === "acknowledge");
  return Array.from({ length: n }, (_, i) => {
    const from = i % 2 === 0 && acknowledgements.length > 0 ? acknowledgements : done;
    const event = from[random.below(from.length)];
    if (i === 0 || !event) return { at: trace.end, seed: random.below(2 ** 32) };
    const inside = event.kind === "acknowledge" || random.chance(0.5);
    return { at: Math.min(inside ? event.begin + 1 : event.end + 1, trace.end), seed: random.below(2 ** 32) };
  });
}

/** A disk that is possible after the cut. */
export function imageAt(trace: Trace, cut: Cut, options: DiskOptions = {}): Image {
  const random = seededRandom(cut.seed);
  // One cut in five loses all that it may, one in ten nothing; between them each file fares differently.
  const luck = random.next();
  const share = (): number => (luck < 0.2 ? 0 : luck < 0.3 ? 1 : random.pick([0, 0.1, 0.5, 0.9, 1]));
  return build(trace, cut.at, random, share, options);
}

/** The directory as the running system saw it at a tick, or when the trace ended: what a killed process leaves, no power cut. */
export function cachedImage(trace: Trace, at = Infinity): Image {
  return build(trace, at, seededRandom(0), () => 1, {});
}

/** All bytes that were handed to each socket or pipe before the cut: a peer may have acted on them. */
export function acknowledgedAt(trace: Trace, at: number): ReadonlyMap<string, Uint8Array> {
  const parts = new Map<string, Uint8Array[]>();
  for (const event of trace.events) {
    if (event.kind !== "acknowledge" || event.begin >= at) continue;
    const stream = parts.get(event.stream);
    if (stream) stream.push(event.data);
    else parts.set(event.stream, [event.data]);
  }
  return new Map([...parts].map(([stream, data]) => [stream, new Uint8Array(Buffer.concat(data))]));
}

type Renaming = Extract<Event, { readonly kind: "link" | "unlink" | "rename" }>;

/** By directory: what its names stand for. */
type Directories = Map<number, Map<string, number>>;

function build(trace: Trace, at: number, random: Random, share: () => number, { names = "posix" }: DiskOptions): Image {
  const events = trace.events.filter((event) => event.begin < at);
  const synced = syncedBefore(events, at);
  const contents = new Map<number, FileChange[]>();
  const changes: Renaming[] = [];
  for (const event of events) {
    if (event.kind === "write" || event.kind === "truncate") {
      const file = contents.get(event.file);
      if (file) file.push(event);
      else contents.set(event.file, [event]);
    } else if (event.kind === "link" || event.kind === "unlink" || event.kind === "rename") {
      changes.push(event);
    }
  }
  const kept = names === "posix" ? keptByPosix(synced, random) : keptByExt4(trace, at, random);
  const directories = applyChanges(kept(changes, share()));
  const image = new Map<string, Uint8Array>();
  // Two names of one file are one file, whatever became of it.
  const files = new Map<number, Uint8Array>();
  const visit = (directory: number, prefix: string): void => {
    for (const [name, node] of directories.get(directory) ?? []) {
      const path = prefix + name;
      const type = trace.types[node];
      if (type === "directory") {
        image.set(`${path}/`, new Uint8Array());
        visit(node, `${path}/`);
      } else if (type === "file" && !isSharedMemory(path)) {
        const data = files.get(node) ?? fileContents(contents.get(node) ?? [], synced(node), share(), random);
        files.set(node, data);
        image.set(path, data);
      }
    }
  };
  visit(0, "");
  return image;
}

type Sync = Extract<Event, { readonly kind: "sync" }>;

function effectiveSyncs(events: readonly Event[], at: number): readonly Sync[] {
  return events.filter((event): event is Sync => event.kind === "sync" && !event.injected && event.end < at);
}

/** For every node the entry tick of its last sync that did something and had returned: what had ended by then is durable. */
function syncedBefore(events: readonly Event[], at: number): (node: number) => number {
  const ticks = new Map<number | "all", number>();
  for (const sync of effectiveSyncs(events, at)) ticks.set(sync.node, Math.max(sync.begin, ticks.get(sync.node) ?? 0));
  const all = ticks.get("all") ?? 0;
  return (node) => Math.max(all, ticks.get(node) ?? 0);
}

type Kept = (changes: readonly Renaming[], share: number) => readonly Renaming[];

function keptByPosix(synced: (node: number) => number, random: Random): Kept {
  return (changes, share) =>
    changes.filter((change) => {
      const entries: readonly Entry[] = change.kind === "rename" ? [change.from, change.to] : [change.entry];
      return entries.every(({ directory }) => change.end < synced(directory)) || random.chance(share);
    });
}

function keptByExt4(trace: Trace, at: number, random: Random): Kept {
  return (changes, share) => {
    const created = new Map<number, number>();
    for (const change of changes) {
      if (change.kind === "link" && !created.has(change.node)) created.set(change.node, change.end);
    }
    let committed = 0;
    for (const sync of effectiveSyncs(trace.events, at)) {
      const isDirectory = sync.node === "all" || trace.types[sync.node] === "directory";
      const commits = isDirectory || (created.get(sync.node) ?? 0) >= committed;
      if (commits) committed = Math.max(committed, sync.begin);
    }
    const durable = changes.filter((change) => change.end < committed).length;
    const rest = changes.length - durable;
    return changes.slice(0, durable + (share === 1 ? rest : random.below(Math.floor(share * rest) + 1)));
  };
}

function applyChanges(changes: readonly Renaming[]): Directories {
  const directories: Directories = new Map();
  const entries = ({ directory }: Entry): Map<string, number> => {
    const known = directories.get(directory) ?? new Map<string, number>();
    directories.set(directory, known);
    return known;
  };
  for (const change of changes) {
    if (change.kind === "link") {
      entries(change.entry).set(change.entry.name, change.node);
    } else if (change.kind === "unlink") {
      entries(change.entry).delete(change.entry.name);
    } else {
      // Lost and kept changes may leave another file at the old name: only this one moves.
      const from = entries(change.from);
      if (from.get(change.from.name) === change.node) from.delete(change.from.name);
      entries(change.to).set(change.to.name, change.node);
    }
  }
  return directories;
}
