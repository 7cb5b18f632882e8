/**
 * Who sends from a spool. A courtesy among processes: two who send at once send the same bytes under the same receipt_id, which are stored
 * once. So a lock that is taken from somebody who was only slow does no harm.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** ms without a sign of life. */
const STALE_AFTER = 30_000;
const UNREADABLE_AFTER = 1000;

/** Tokens that this process holds. */
const held = new Set<string>();

export class SpoolLock {
  readonly #path: string;
  readonly #token = randomBytes(8).toString("hex");

  constructor(folder: string) {
    this.#path = join(folder, "sender.lock");
  }

  /** Takes it, or keeps it; false: somebody else has it. */
  take(): boolean {
    if (held.has(this.#token)) return this.#keep();
    if (this.#isFree()) this.#remove();
    try {
      writeFileSync(this.#path, `${JSON.stringify({ pid: process.pid, token: this.#token, at: new Date().toISOString() })}\n`, { flag: "wx", mode: 0o600 });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== "EEXIST"; // a disk that is full is no reason not to send from it
    }
    held.add(this.#token);
    return true;
  }

  release(): void {
    if (held.delete(this.#token) && this.#holder()?.token === this.#token) this.#remove();
  }

  #keep(): boolean {
    if (this.#holder()?.token === this.#token) {
      const now = new Date();
      utimesSync(this.#path, now, now);
      return true;
    }
    held.delete(this.#token);
    return false;
  }

  #isFree(): boolean {
    const made = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs;
    if (made === undefined) return false; // not there, so there is nothing to take away
    const age = Date.now() - made;
    const holder = this.#holder();
    if (holder === null) return age > UNREADABLE_AFTER;
    return age > STALE_AFTER || (holder.pid === process.pid ? !held.has(holder.token) : !isAlive(holder.pid));
  }

  #holder(): { readonly pid: number; readonly token: string } | null {
    try {
      const { pid, token } = JSON.parse(readFileSync(this.#path, "utf8")) as { readonly pid: unknown; readonly token: unknown };
      return Number.isSafeInteger(pid) && typeof token === "string" ? { pid: pid as number, token } : null;
    } catch {
      return null;
    }
  }

  #remove(): void {
    try {
      unlinkSync(this.#path);
    } catch {
      // somebody else did
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
