/** The file in which an auditor keeps what an audit has read: made whole and private, and believed only if nobody else could write it. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type AuditRecord, formatRecord, parseRecord, RecordError } from "../audit/record.ts";
import { CliError } from "./errors.ts";

/** Bytes: a record is some hundred, and more for each target. */
const MAX_RECORD = 1_048_576;

/** `uid`: who asks; the file has to be theirs or root's. */
export function readRecord(path: string, uid: number = process.getuid?.() ?? 0): AuditRecord {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would keep it waiting
  try {
    const stat = fstatSync(fd);
    const { mode } = stat;
    if (!stat.isFile()) throw new CliError("bad_usage", `${path} is no file`, "--since names what an earlier audit wrote with --record");
    if (stat.size > MAX_RECORD) throw new CliError("bad_usage", `${path} is not the record of an audit: it has ${stat.size} bytes`);
    if (stat.uid !== uid && stat.uid !== 0) {
      throw new CliError("bad_usage", `${path} belongs to user ${stat.uid}, who can write to it, so it proves nothing`, "audit without --since, and --record anew");
    }
    if ((mode & 0o022) !== 0) {
      throw new CliError("bad_usage", `others can write to ${path} (mode ${(mode & 0o777).toString(8)}), so it proves nothing`, "audit without --since, and --record anew");
    }
    return parseRecord(readFileSync(fd, "utf8"));
  } catch (error) {
    if (error instanceof RecordError) throw new CliError("bad_usage", `${path} is not the record of an audit: ${error.message.split("\n")[0]!}`, undefined, { cause: error });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Replaces what is there: the old record or the new one is found after a crash, never half of one. */
export function writeRecord(path: string, record: AuditRecord): void {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true }); // of an audit that was cut short
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
