/**
 * The ledger and the outbox beside their daemon, to read only. A recovery puts another file in the ledger's place: the files are looked at
 * now and then, and opened anew where they are others.
 */
import { statSync } from "node:fs";
import { type OutboxView, readOutbox } from "../anchor/outbox.ts";
import type { TargetConfig } from "../anchor/targets.ts";
import { FormatError } from "../format/errors.ts";
import type { LedgerName } from "../format/names.ts";
import { parseVkey, type Vkey } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader } from "../ledger/reader.ts";
import { type SignedCheckpoint, verifyCheckpoint } from "../verify/checkpoint.ts";
import { KeyHistory } from "./key-history.ts";

export interface LedgerPlaces {
  readonly ledger: string;
  readonly outbox: string;
  readonly targets: readonly TargetConfig[];
}

/** Of the tree, in memory: 4 MiB, for 65,536 receipts. */
const KEPT_BLOCKS = 256;
const KEPT_CHECKPOINTS = 256;
/** ms between two looks at the files. */
const LOOK = 250;

export class LedgerView {
  readonly reader: Reader;
  readonly outbox: OutboxView;
  readonly ledger: LedgerName;
  #vkeys: readonly Vkey[] = [];
  #vkeyTexts: readonly string[] = [];
  readonly #checkpoints = new Map<string, SignedCheckpoint>();
  readonly history: KeyHistory;
  readonly targets: readonly TargetConfig[];

  /** Throws LedgerError and AnchorError. */
  constructor({ ledger, outbox, targets }: LedgerPlaces) {
    this.reader = new Reader(ledger, nodeHash.sha256, KEPT_BLOCKS);
    try {
      this.ledger = this.reader.identity();
      this.outbox = readOutbox(outbox, this.ledger);
    } catch (error) {
      this.reader.close();
      throw error;
    }
    this.targets = targets;
    this.history = new KeyHistory(this.reader);
  }

  /** As the ledger's own receipts name them, as far as they were read. */
  get vkeyTexts(): readonly string[] {
    this.#readVkeys();
    return this.#vkeyTexts;
  }

  get vkeys(): readonly Vkey[] {
    this.#readVkeys();
    return this.#vkeys;
  }

  #readVkeys(): void {
    const { vkeys } = this.history;
    if (vkeys.length === this.#vkeyTexts.length) return;
    this.#vkeyTexts = vkeys.filter(isVkey);
    this.#vkeys = this.#vkeyTexts.map(parseVkey);
  }

  /** A checkpoint of the ledger, signed by a key of its own; those asked for last are kept. Throws VerifyError. */
  checkpoint(note: string): SignedCheckpoint {
    const kept = this.#checkpoints.get(note);
    if (kept !== undefined) return kept;
    const signed = verifyCheckpoint(note, this.ledger.origin, this.vkeys, { hash: nodeHash, verify: verifyByNode });
    if (this.#checkpoints.size >= KEPT_CHECKPOINTS) this.#checkpoints.clear();
    this.#checkpoints.set(note, signed);
    return signed;
  }

  /** Receipts under an anchor that every required target has confirmed. */
  anchoredSize(): number {
    return Math.min(...this.targets.filter(({ required }) => required).map(({ name }) => this.outbox.confirmed(name)?.treeSize ?? 0));
  }

  close(): void {
    this.reader.close();
    this.outbox.close();
  }
}

function isVkey(text: string): boolean {
  try {
    parseVkey(text);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

export class LedgerSource {
  readonly #places: LedgerPlaces;
  #view: LedgerView | null = null;
  #stamp = "";
  #lookAt = 0;
  #stepping: NodeJS.Immediate | null = null;

  constructor(places: LedgerPlaces) {
    this.#places = places;
  }

  /** For this turn only: after a wait, ask again. Throws LedgerError and AnchorError. */
  view(): LedgerView {
    const now = performance.now();
    if (this.#view === null || now >= this.#lookAt) {
      this.#lookAt = now + LOOK;
      const stamp = [this.#places.ledger, this.#places.outbox].map((path) => statSync(path, { throwIfNoEntry: false })?.ino ?? 0).join();
      if (stamp !== this.#stamp) this.close();
      this.#stamp = stamp;
      this.#view ??= new LedgerView(this.#places);
      this.#read(this.#view.history);
    }
    return this.#view;
  }

  /** Goes on with what the ledger says of its keys, between two requests; from damage that cannot be read, at the next look. */
  #read(history: KeyHistory): void {
    if (this.#stepping !== null) return;
    if (!history.step()) return;
    this.#stepping = setImmediate(() => {
      this.#stepping = null;
      if (this.#view?.history === history) this.#read(history);
    });
  }

  close(): void {
    if (this.#stepping !== null) clearImmediate(this.#stepping);
    this.#stepping = null;
    this.#view?.close();
    this.#view = null;
  }
}
