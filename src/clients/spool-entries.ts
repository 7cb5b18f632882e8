/**
 * The files of a spool (docs/CLIENTS.md, "Spool"): one for each receipt, which is there whole or not at all. Its name says when it was
 * accepted and which receipt it is, its line has a checksum, and the text in it is sent as it stands.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { badSetting, ReceiptError, ReceiptUnavailable } from "./errors.ts";

export interface Entry {
  /** Without the folder. */
  readonly name: string;
  readonly receiptId: string;
}

export interface Sized {
  readonly entry: Entry;
  readonly bytes: number;
}

/** Why a receipt was refused, as it is written beside the receipt. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly pointer: string | null;
}

const NAME = /^(\d{16})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(entry|tmp)$/;
/** Of the checksum in front of the text. */
const CRC_LENGTH = 8;
/** ms after which what was being written is nobody's any more. */
const ABANDONED_AFTER = 60_000;

const PARTS = ["pending", "refused", "damaged"] as const;
/** Of a folder's mode: group and others may write. */
const OTHERS_WRITE = 0o022;

/** Microseconds since 1970, rising. */
let lastStamp = 0;

/** The folders, made if they are not there. Throws ReceiptError `spool_failed`, and `bad_setting` where others could write there. */
export class Entries {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) throw badSetting("spool", `${folder} is not a folder: name another`);
    try {
      const made = mkdirSync(folder, { recursive: true, mode: 0o700 }); // the first on the way there
      if (made !== undefined) for (let at = folder; at.length >= made.length; at = dirname(at)) syncFolder(dirname(at));
      for (const part of PARTS) mkdirSync(join(folder, part), { recursive: true, mode: 0o700 });
      syncFolder(folder);
    } catch (error) {
      throw new ReceiptError("spool_failed", `the spool ${folder} cannot be opened: ${messageOf(error)}`, { cause: error });
    }
    for (const path of [folder, ...PARTS.map((part) => join(folder, part))]) mustBeOurs(path);
  }

  /** What is to be delivered, in order. */
  list(): readonly Entry[] {
    return readdirSync(join(this.folder, "pending")).sort().flatMap((name) => {
      const match = NAME.exec(name);
      return match?.[3] === "entry" ? [{ name, receiptId: match[2]! }] : [];
    });
  }

  /** The same, with the sizes of the files. */
  sizes(): readonly Sized[] {
    return this.list().flatMap((entry) => {
      const bytes = statSync(this.path("pending", entry.name), { throwIfNoEntry: false })?.size;
      return bytes === undefined ? [] : [{ entry, bytes }]; // delivered meanwhile
    });
  }

  count(part: "refused" | "damaged"): number {
    return readdirSync(join(this.folder, part)).filter((name) => name.endsWith(".entry")).length;
  }

  path(part: "pending" | "refused" | "damaged", name: string): string {
    return join(this.folder, part, name);
  }

  /** Resolves when it is on the disk, under its name. Rejects with ReceiptUnavailable `spool_failed`, and then it is not there. */
  async add(receiptId: string, line: Uint8Array): Promise<Entry> {
    lastStamp = Math.max(Date.now() * 1000, lastStamp + 1);
    const stem = `${String(lastStamp).padStart(16, "0")}-${receiptId}`;
    const [temporary, final] = [this.path("pending", `${stem}.tmp`), this.path("pending", `${stem}.entry`)];
    let isRenamed = false;
    try {
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(line);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, final);
      isRenamed = true;
      const folder = await open(dirname(final));
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      await unlink(isRenamed ? final : temporary).catch(() => undefined);
      throw new ReceiptUnavailable("spool_failed", `the spool cannot take the receipt: ${messageOf(error)}`, { receiptId, cause: error, maybeStored: isRenamed }); // delivered meanwhile, perhaps
    }
    return { name: `${stem}.entry`, receiptId };
  }

  /** The text to send; null: it is damaged; undefined: it was delivered by somebody else. Throws where it cannot be read. */
  read({ name, receiptId }: Entry): string | null | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.path("pending", name));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
    return textOf(bytes, receiptId);
  }

  /** It is in the ledger. */
  remove({ name }: Entry): void {
    ignoreGone(() => unlinkSync(this.path("pending", name)));
  }

  /** Puts it where the daemon's refusal is kept, with what the daemon said. */
  refuse({ name }: Entry, refusal: Refusal): void {
    const error = this.path("refused", name.replace(/entry$/, "error"));
    writeFileSync(error, `${JSON.stringify({ ...refusal, refused_at: new Date().toISOString() })}\n`, { mode: 0o600, flush: true });
    this.#move(name, "refused");
  }

  /** Puts it where nothing is sent from. */
  quarantine({ name }: Entry): void {
    this.#move(name, "damaged");
  }

  /** Removes what was being written when a process ended; nobody was told that it was accepted. Returns how many. */
  sweep(): number {
    const old = readdirSync(join(this.folder, "pending")).filter((name) => {
      if (NAME.exec(name)?.[3] !== "tmp") return false;
      const made = statSync(this.path("pending", name), { throwIfNoEntry: false })?.mtimeMs;
      return made !== undefined && Date.now() - made > ABANDONED_AFTER;
    });
    for (const name of old) ignoreGone(() => unlinkSync(this.path("pending", name)));
    return old.length;
  }

  #move(name: string, part: "refused" | "damaged"): void {
    ignoreGone(() => renameSync(this.path("pending", name), this.path(part, name)));
    syncFolder(join(this.folder, part));
    syncFolder(join(this.folder, "pending"));
  }
}

/** The file's one line. */
export function entryLine(text: string): Buffer {
  return Buffer.from(`${checksum(text)} ${text}\n`);
}

function checksum(text: string | Uint8Array): string {
  return crc32(text).toString(16).padStart(CRC_LENGTH, "0");
}

function textOf(bytes: Buffer, receiptId: string): string | null {
  const text = bytes.subarray(CRC_LENGTH + 1, -1);
  if (bytes.at(-1) !== 0x0a || text.includes(0x0a) || bytes.subarray(0, CRC_LENGTH + 1).toString("latin1") !== `${checksum(text)} `) return null;
  try {
    const value = JSON.parse(text.toString()) as { readonly receipt_id?: unknown } | null;
    return typeof value === "object" && value !== null && value.receipt_id === receiptId ? text.toString() : null;
  } catch {
    return null;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function ignoreGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whoever may write there could send receipts in this program's name, or take some away. */
function mustBeOurs(path: string): void {
  const { uid, mode } = statSync(path);
  const user = process.geteuid?.(); // not on Windows
  if (user === undefined) return;
  if (uid !== user) throw badSetting("spool", `${path} belongs to the user ${uid}, and this process runs as ${user}: run it as that one, or name a folder of its own`);
  if ((mode & OTHERS_WRITE) !== 0) throw badSetting("spool", `others may write to ${path}: chmod go-w it`);
}
