/** A ledger with an outbox, and publishers on it one after the other, as after restarts. */
import { join } from "node:path";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import { anchorObject, batchObject, checkpointText } from "../../src/anchor/objects.ts";
import { createOutbox, openOutbox, type Outbox } from "../../src/anchor/outbox.ts";
import { type Progress, Publisher, type PublisherOptions, type PublisherTiming } from "../../src/anchor/publisher.ts";
import { Signers, type SigningPeriod } from "../../src/anchor/signers.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import type { NoteSigner } from "../../src/format/note.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { LEDGER_ID, type LedgerOptions, ORIGIN, TestLedger } from "../support/ledger.ts";
import { MemoryTarget } from "../support/memory-target.ts";
import { inTurn, signCheckpoint } from "../support/publish.ts";

export const LEDGER = { origin: ORIGIN, ledgerId: LEDGER_ID };
export const QUICK: PublisherTiming = { backoff: { minMs: 1, maxMs: 10 }, compareMs: 5000 };

/** Of a test ledger's keyring. */
export function periodsOf({ checkpointKeys }: Keyring): readonly SigningPeriod[] {
  return checkpointKeys.map(({ vkey, privateKey, after }) => ({ vkey, first: after === undefined ? 0 : after + 2, key: privateKey === undefined ? null : { vkey, privateKey } }));
}

/** Of a ledger with one checkpoint key. */
export function signersOf(vkey: string, signer: NoteSigner): Signers {
  const signers = new Signers([]);
  signers.add({ vkey, first: 0, signer });
  return signers;
}

export interface Running {
  readonly publisher: Publisher;
  /** What was told, in order. */
  readonly told: Progress[];
  /** Resolves with the first status for which this holds; rejects with what is fatal. */
  until(holds: (progress: Progress) => boolean): Promise<Progress>;
  stop(): Promise<void>;
}

export class Bench {
  readonly ledger: TestLedger;
  readonly outboxPath: string;
  readonly #open: (() => unknown)[] = [];

  constructor(options: LedgerOptions = {}) {
    this.ledger = new TestLedger(options);
    this.outboxPath = join(this.ledger.dir, "anchor.db");
    createOutbox(this.outboxPath, LEDGER);
  }

  /** A reader of its own, closed by `dispose`. */
  reader(path: string = this.ledger.path): Reader {
    const reader = new Reader(path, nodeHash.sha256);
    this.#open.push(() => reader.close());
    return reader;
  }

  outbox(): Outbox {
    const outbox = openOutbox(this.outboxPath, LEDGER);
    this.#open.push(() => outbox.close());
    return outbox;
  }

  memory(name = "memory"): MemoryTarget {
    return new MemoryTarget({ name, ledger: LEDGER });
  }

  directory(name: string): DirectoryTarget {
    const path = this.ledger.targetPath(name);
    createDirectoryTarget(path);
    return new DirectoryTarget({ name, path });
  }

  /** The size of the ledger's newest anchor. */
  anchored(): number {
    return this.reader().newestAnchor()?.treeSize ?? 0;
  }

  publisher(targets: readonly (AnchorTarget | { readonly target: AnchorTarget; readonly required: boolean })[], overrides: Partial<PublisherOptions> = {}): Running {
    const told: Progress[] = [];
    const fatal = Promise.withResolvers<never>();
    fatal.promise.catch(() => undefined);
    const waiting = new Set<() => void>();
    const publisher = new Publisher({
      reader: this.reader(),
      outbox: this.outbox(),
      ledger: LEDGER,
      targets: targets.map((one) => "put" in one ? { target: one, required: true } : one),
      signers: new Signers(periodsOf(this.ledger.keyring)),
      signableSize: this.anchored(),
      onProgress: (progress) => {
        told.push(progress);
        for (const look of waiting) look();
      },
      onFatal: (error) => fatal.reject(error),
      timing: QUICK,
      ...overrides,
    });
    const running: Running = {
      publisher,
      told,
      until(holds) {
        const reached = new Promise<Progress>((resolve) => {
          const look = (): void => {
            const now = [...told, publisher.status()].find(holds);
            if (now === undefined) return;
            waiting.delete(look);
            resolve(now);
          };
          waiting.add(look);
          look();
        });
        return Promise.race([reached, fatal.promise]);
      },
      stop: () => publisher.stop(1000),
    };
    this.#open.push(running.stop);
    return running;
  }

  /** Names of what a target of this ledger holds when every anchor is published, in order; bytes by name. */
  async expected(): Promise<Map<string, Uint8Array>> {
    const reader = this.reader();
    const objects: { readonly name: string; readonly bytes: Uint8Array }[] = [];
    for (const row of reader.anchors(0, 10_000)) {
      const batch = batchObject(reader, row);
      if (batch !== null) objects.push(batch);
      objects.push(anchorObject(reader, row.treeSize, await signCheckpoint(checkpointText(reader, row.treeSize), this.ledger.keyring, inTurn(this.ledger.keyring, row.treeSize))));
    }
    return new Map(objects.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, bytes }) => [name, bytes]));
  }

  async dispose(): Promise<void> {
    for (const close of this.#open.reverse()) await close();
    this.ledger.remove();
  }
}

/** Everything that a target holds, by name. */
export async function contents(target: AnchorTarget): Promise<Map<string, Uint8Array>> {
  const objects = new Map<string, Uint8Array>();
  for await (const version of target.list("")) objects.set(version.name, Uint8Array.from((await target.get(version, 1 << 22)).bytes));
  return objects;
}
