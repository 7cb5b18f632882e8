/** The clock: receipts bear its time, locks and signatures of requests depend on it. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { type Check, ok, problem, unchecked } from "./check.ts";

/** A file that systemd-timesyncd keeps once it has set the clock: systemd-timesyncd.service(8). */
const SYNCHRONIZED = "/run/systemd/timesync/synchronized";
/** ms: S3 gives the time in whole seconds; it refuses requests from 15 minutes on. */
const MOST = 5000;

/** A server's clock against this host's. */
export interface ClockReading {
  readonly server: string;
  /** Server's minus this host's, ms. */
  readonly offset: number;
}

export function checkClock(readings: readonly ClockReading[], ntp: boolean | null): readonly Check[] {
  const off = readings.find(({ offset }) => Math.abs(offset) > MOST);
  const next = "run NTP (systemd-timesyncd or chrony), and see what it says: timedatectl";
  if (off !== undefined) {
    return [problem("clock", `it is ${Math.round(Math.abs(off.offset) / 1000)} s ${off.offset > 0 ? "behind" : "ahead of"} that of ${off.server}`, next)];
  }
  if (ntp === false) return [problem("clock", "it is not synchronised by NTP", next)];
  const said = [...readings.map(({ server }) => `it agrees with that of ${server}`), ...(ntp === true ? ["it is synchronised by NTP"] : [])];
  return [said.length === 0 ? unchecked("clock", "there is nothing to compare it with: no S3 target, no timedatectl", "see that NTP runs on this host or the host under it") : ok("clock", said.join("; "))];
}

/** Is the clock kept by NTP? null where nobody here knows. */
export async function isSynchronized(): Promise<boolean | null> {
  if (existsSync(SYNCHRONIZED)) return true;
  try {
    const { stdout } = await promisify(execFile)("timedatectl", ["show", "--property=NTPSynchronized", "--value"], { timeout: 3000 });
    return stdout.trim() === "yes" ? true : stdout.trim() === "no" ? false : null;
  } catch {
    return null; // not installed, or no systemd runs
  }
}
