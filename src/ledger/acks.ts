/**
 * The mark: how much of a ledger was promised. A small file beside it, written after each commit and before the acknowledgements leave, so that
 * a start can tell a ledger that ends where it was left from one that has lost its end. Never needed to read the ledger, and it keeps nobody
 * from writing: a mark that is missing or damaged says nothing.
 *
 * Two slots, each in a block of its own and with a checksum, are written in turn: a write that is torn costs the newer one. A process that is
 * killed leaves what it wrote last, for whoever comes before the machine starts anew. Behind a power cut it is a lower bound: the file is
 * synced about once a second, off the writer's way, and at the start.
 */
import { closeSync, constants, fdatasync, fdatasyncSync, fstatSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { syncPath } from "./sync-path.ts";

/** What a mark says of the ledger with this id. */
export interface Mark {
  /** 32 hex digits. */
  readonly ledgerId: string;
  /** Of the machine's start at which it was written, as hex; null: the system tells none. */
  readonly boot: string | null;
  /** Receipts, from the first on, that were acknowledged as `wal` at least: the end of a process cannot take them. */
  readonly acknowledged: number;
  /** Those that were on the disk: the end of the power cannot take them, either. */
  readonly synced: number;
  /** May commits be in the log that were not synced before the next one began? */
  readonly isMixed: boolean;
}

const MAGIC = Buffer.from("rcptack1");
const SEQUENCE = 8;
const ACKNOWLEDGED = 16;
const SYNCED = 24;
const MIXED = 32;
const BOOT = 36;
const LEDGER = 52;
const CHECKSUM = 68;
const SLOT = 72;
/** Bytes from one slot to the other. */
const BLOCK = 4096;
/** ms */
const SYNC_INTERVAL = 1000;

export function markPath(ledgerPath: string): string {
  return `${ledgerPath}-acks`;
}

/** null where there is none, or both slots are damaged. */
export function readMark(ledgerPath: string): Mark | null {
  return readSlots(markPath(ledgerPath))?.mark ?? null;
}

/** Before a ledger that was promised less takes this one's place. */
export function forgetMark(ledgerPath: string): void {
  rmSync(markPath(ledgerPath), { force: true });
  syncPath(dirname(ledgerPath));
}

/** Of this start of the machine, as hex: the page cache has everything that was written since. null where the system tells none. */
export function bootId(): string | null {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim().replaceAll("-", "");
    return /^[0-9a-f]{32}$/.test(id) ? id : null;
  } catch {
    return null;
  }
}

/** The mark of a ledger that has a writer. What cannot be written is not promised less; the mark only knows less of it. */
export class MarkFile {
  readonly #path: string;
  readonly #slot = Buffer.alloc(SLOT);
  readonly #summed = this.#slot.subarray(0, CHECKSUM);
  #fd: number | null = null;
  #sequence: number;
  #timer: NodeJS.Timeout | null = null;
  #isNew = false;
  #isLost = false;
  readonly #onLost: (error: unknown) => void;

  /** `size`: receipts, all of them on the disk. On the disk when this returns, if there is room. `onLost`: it cannot be written, from now on. */
  constructor(ledgerPath: string, ledgerId: string, size: number, onLost: (error: unknown) => void = () => undefined) {
    this.#path = markPath(ledgerPath);
    this.#onLost = onLost;
    this.#sequence = readSlots(this.#path)?.sequence ?? 0;
    this.#slot.set(MAGIC);
    this.#slot.set(Buffer.from(bootId() ?? "", "hex"), BOOT);
    this.#slot.set(Buffer.from(ledgerId, "hex"), LEDGER);
    try {
      this.#write(size, size);
      this.#write(size, size); // of a mark that was there, nothing is left
      fsyncSync(this.#fd!);
      syncPath(dirname(this.#path));
    } catch (error) {
      this.#lost(error);
    }
  }

  /** After each commit and sync, before anybody is told: so many receipts are promised, of which so many are on the disk. No sync. */
  note(acknowledged: number, synced: number): void {
    try {
      this.#write(acknowledged, synced);
    } catch (error) {
      return this.#lost(error); // the receipts are stored all the same
    }
    this.#isLost = false;
    this.#isNew = true;
    this.#timer ??= this.#syncSoon();
  }

  /** Before the first commit that is not synced before the next one: what a torn log proves is less from here on. On the disk when this returns. */
  allowUnsynced(acknowledged: number, synced: number): void {
    if (this.#slot[MIXED] === 1) return;
    this.#slot[MIXED] = 1;
    try {
      this.#write(acknowledged, synced);
      fdatasyncSync(this.#fd!);
    } catch (error) {
      this.#slot[MIXED] = 0;
      throw error;
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#fd === null) return;
    try {
      fdatasyncSync(this.#fd);
    } catch {
      // it knows less, then
    }
    closeSync(this.#fd);
    this.#fd = null;
  }

  #lost(error: unknown): void {
    if (!this.#isLost) this.#onLost(error);
    this.#isLost = true;
  }

  /** Somebody has removed the file that is open. */
  #makeAnew(): void {
    closeSync(this.#fd!);
    this.#fd = null;
    try {
      this.#write(readCount(this.#slot, ACKNOWLEDGED), readCount(this.#slot, SYNCED));
    } catch (error) {
      this.#lost(error);
    }
  }

  #write(acknowledged: number, synced: number): void {
    const slot = this.#slot;
    this.#sequence++;
    writeCount(slot, this.#sequence, SEQUENCE);
    writeCount(slot, acknowledged, ACKNOWLEDGED);
    writeCount(slot, synced, SYNCED);
    slot.writeUInt32BE(crc32(this.#summed), CHECKSUM);
    this.#fd ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    writeSync(this.#fd, slot, 0, SLOT, (this.#sequence % 2) * BLOCK);
  }

  #syncSoon(): NodeJS.Timeout {
    return setTimeout(() => {
      if (this.#fd !== null && fstatSync(this.#fd).nlink === 0) this.#makeAnew();
      if (this.#fd === null) return void (this.#timer = null);
      this.#isNew = false;
      fdatasync(this.#fd, () => { // where it fails, the mark on the disk stays the lower bound that it was
        this.#timer = this.#isNew && this.#fd !== null ? this.#syncSoon() : null;
      });
    }, SYNC_INTERVAL).unref();
  }
}

function readSlots(path: string): { readonly sequence: number; readonly mark: Mark } | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return null;
  }
  const [first, second] = [readSlot(bytes.subarray(0, SLOT)), readSlot(bytes.subarray(BLOCK, BLOCK + SLOT))];
  return first === null || (second !== null && second.sequence > first.sequence) ? second : first;
}

function readSlot(slot: Buffer): { readonly sequence: number; readonly mark: Mark } | null {
  if (slot.length < SLOT || !slot.subarray(0, MAGIC.length).equals(MAGIC) || crc32(slot.subarray(0, CHECKSUM)) !== slot.readUInt32BE(CHECKSUM)) return null;
  const boot = slot.toString("hex", BOOT, LEDGER);
  return {
    sequence: readCount(slot, SEQUENCE),
    mark: {
      ledgerId: slot.toString("hex", LEDGER, CHECKSUM), boot: /^0+$/.test(boot) ? null : boot,
      acknowledged: readCount(slot, ACKNOWLEDGED), synced: readCount(slot, SYNCED), isMixed: slot[MIXED] === 1,
    },
  };
}

/** 8 bytes, without a BigInt: this is done for every group of receipts. */
function writeCount(slot: Buffer, value: number, at: number): void {
  slot.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  slot.writeUInt32BE(value >>> 0, at + 4);
}

function readCount(slot: Buffer, at: number): number {
  return slot.readUInt32BE(at) * 2 ** 32 + slot.readUInt32BE(at + 4);
}
