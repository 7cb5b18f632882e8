/** The file in which an auditor keeps what an audit has read: made whole and private, and believed only if nobody else could write it. */
import { randomUUID } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, realpathSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type AuditRecord, formatRecord, parseRecord, RecordError } from "../audit/record.ts";
import { CliError } from "./errors.ts";

/** Bytes: a record is some hundred, and more for each target. */
const MAX_RECORD = 1_048_576;
/** Of a folder: nobody but its owner and a file's may replace the file. */
const STICKY = 0o1000;

/** `uid`: who asks; the file has to be theirs or root's, and so has its folder: whoever may write there can put another in its place. */
export function readRecord(path: string, uid: number = process.getuid?.() ?? 0): AuditRecord {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would keep it waiting
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new CliError("bad_usage", `${path} is no file`, "--since names what an earlier audit wrote with --record");
    requirePrivate(path, stat, uid);
    for (const folder of new Set([dirname(path), dirname(realpathSync(path))])) {
      const around = statSync(folder);
      requirePrivate(folder, (around.mode & STICKY) === 0 ? around : { uid: around.uid, mode: 0 }, uid);
    }
    return recordIn(path, fd, stat.size);
  } finally {
    closeSync(fd);
  }
}

/** What --record is to replace; null where nothing is there. Anything but a record is refused: it could be a key. */
export function replacedRecord(path: string): AuditRecord | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new CliError("bad_usage", `${path} is no file`, "--record names a file that is not there yet, or the record of an earlier audit");
    return recordIn(path, fd, stat.size);
  } finally {
    closeSync(fd);
  }
}

function recordIn(path: string, fd: number, size: number): AuditRecord {
  if (size > MAX_RECORD) throw new CliError("bad_usage", `${path} is not the record of an audit: it has ${size} bytes`);
  try {
    return parseRecord(readFileSync(fd, "utf8"));
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    throw new CliError("bad_usage", `${path} is not the record of an audit: ${error.message.split("\n")[0]!}`, undefined, { cause: error });
  }
}

function requirePrivate(path: string, { uid: owner, mode }: Pick<Stats, "uid" | "mode">, uid: number): void {
  const hint = "audit without --since, and --record anew where nobody else can write";
  if (owner !== uid && owner !== 0) throw new CliError("bad_usage", `${path} belongs to user ${owner}, who can write to it, so the record proves nothing`, hint);
  if ((mode & 0o022) !== 0) throw new CliError("bad_usage", `others can write to ${path} (mode ${(mode & 0o777).toString(8)}), so the record proves nothing`, hint);
}

/** Replaces what is there: the old record or the new one is found after a crash, never half of one. */
export function writeRecord(path: string, record: AuditRecord): void {
  const fresh = `${path}.${randomUUID()}.new`; // a name that nobody has given to anything
  try {
    sync(fresh, "wx", (fd) => writeFileSync(fd, formatRecord(record)));
    renameSync(fresh, path);
    sync(dirname(path), "r", () => undefined);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

function sync(path: string, flags: "wx" | "r", write: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600);
  try {
    write(fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
