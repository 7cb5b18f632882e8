/** The host: the ledger's folder and who may look into it, the disk under it. */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, lstatSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { syncPath } from "../ledger/sync-path.ts";
import { type Check, messageOf, ok, problem, unchecked, warning } from "./check.ts";
import { count } from "../format/count.ts";

const MIB = 2 ** 20;
/** Bytes free below which nobody should go on; below which it is time to look. */
const TOO_LITTLE = 256 * MIB;
const LITTLE = 4096 * MIB;
/** statfs(2), f_type. */
const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;
const NETWORK: ReadonlyMap<number, string> = new Map([[0x6969, "NFS"], [0xff534d42, "CIFS"], [0xfe534d42, "SMB"], [0x01021997, "9p"], [0x65735546, "FUSE"]]);

/** Of the folder and all that is directly in it. `uid`: who asks. */
export function checkDataDir(path: string, uid: number): readonly Check[] {
  const name = "data_dir";
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [problem(name, `there is no folder ${path}`, "create the ledger with: receiptd init; or set data_dir")];
  if (!stat.isDirectory()) return [problem(name, `${path} is no folder`, "set data_dir to the folder itself, not a link to it")];
  if (uid !== 0 && uid !== stat.uid) {
    return [unchecked(name, `${path} belongs to user ${stat.uid}, and this is user ${uid}`, `run this as the daemon's user: sudo -u '#${stat.uid}' receiptd doctor`)];
  }
  const mode = stat.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    return [problem(name, `${path} has mode ${octal(mode)}: others than the daemon's user can get at the ledger`, `chmod 700 ${path}; socket and anchors that others need go elsewhere`)];
  }
  const strange = readdirSync(path).flatMap((file) => {
    const at = lstatSync(join(path, file), { throwIfNoEntry: false });
    if (at === undefined || at.isSocket() || at.isDirectory()) return []; // gone again, or there for others
    if (at.isSymbolicLink()) return [`${file} is a symbolic link`];
    if (at.uid !== stat.uid) return [`${file} belongs to user ${at.uid}`];
    return (at.mode & 0o022) === 0 ? [] : [`${file} has mode ${octal(at.mode & 0o777)}`];
  });
  if (strange.length > 0) return [problem(name, `in ${path}: ${strange.slice(0, 8).join(", ")}`, `chown and chmod 600 them, for user ${stat.uid} alone`)];
  return [ok(name, `${path} and its files are the daemon's user's alone (${octal(mode)}, user ${stat.uid})`)];
}

/** What recoveries and power cuts have left beside the ledger: whole copies of receipts, which nobody else speaks of. */
export function checkKept(ledgerPath: string, quarantinePath: string): readonly Check[] {
  const [folder, ledger, quarantine] = [dirname(ledgerPath), basename(ledgerPath), basename(quarantinePath)];
  const all = existsSync(folder) ? readdirSync(folder) : [];
  const kept = all.filter((file) => [`${ledger}.damaged-`, `${ledger}-wal.damaged-`].some((start) => file.startsWith(start)) || file === quarantine).sort();
  if (kept.length === 0) return [];
  const bytes = kept.reduce((sum, file) => sum + (lstatSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0), 0);
  const names = `${kept.slice(0, 8).join(", ")}${kept.length > 8 ? ", …" : ""}`;
  return [warning("kept copies", `in ${folder}, ${count(Math.ceil(bytes / MIB))} MiB of what was set aside by recoveries or after power cuts, receipts and all: ${names}`, "remove them when an audit with every target has found nothing; until then they may be all that is left of a receipt")];
}

export function checkDisk(path: string): readonly Check[] {
  let disk;
  try {
    disk = statfsSync(path);
  } catch (error) {
    return [unchecked("disk", messageOf(error), "see that data_dir is mounted and may be read")];
  }
  const free = disk.bavail * disk.bsize;
  const text = `${count(Math.floor(free / MIB))} MiB free under ${path}`;
  const network = NETWORK.get(disk.type);
  return [
    free < TOO_LITTLE ? problem("disk", text, "make room: receipts are refused when it is full")
      : free < LITTLE ? warning("disk", text, "make room soon") : ok("disk", text),
    ...(disk.files > 0 && disk.ffree < 1000 ? [problem("inodes", `${disk.ffree} left under ${path}`, "remove files that are not needed")] : []),
    ...(disk.type === TMPFS || disk.type === RAMFS ? [warning("file system", `${path} is in memory: the ledger is gone when the host restarts`, "set data_dir to a folder on a disk")] : []),
    ...(network === undefined ? [] : [warning("file system", `${path} is on ${network}: SQLite's locks and syncs are not to be relied on there`, "set data_dir to a folder on a local disk")]),
    checkSync(path),
  ];
}

/** What every acknowledgement relies on. Leaves nothing behind; a crash leaves an empty file that nobody reads. */
function checkSync(folder: string): Check {
  const path = join(folder, `.doctor-${randomBytes(6).toString("hex")}`);
  try {
    try {
      const fd = openSync(path, "wx", 0o600);
      try {
        writeSync(fd, basename(path));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      syncPath(folder);
    } finally {
      rmSync(path, { force: true });
    }
    return ok("fsync", "a file can be written and synced beside the ledger");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM" || code === "ENOENT") return unchecked("fsync", messageOf(error), "run this as the daemon's user");
    return problem("fsync", messageOf(error), "see the disk's health and its file system's log (dmesg)");
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
