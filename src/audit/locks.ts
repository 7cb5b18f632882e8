/** The locks that the objects of a target should have, and until when all of them hold. */
import type { AuditCode } from "./report.ts";

/** Of an object: the best of its versions. */
export interface Lock {
  /** What is wrong with it; null where nothing is, or where the target has no locks. */
  readonly problem: string | null;
  /** When it ends, in mode COMPLIANCE, ms; null: it is not such a lock. */
  readonly until: number | null;
}

/** Does the one protect more than the other? A lock that is as promised is enough. */
export function isBetter(one: Lock, other: Lock): boolean {
  if (one.problem === null || other.problem === null) return other.problem !== null;
  return (one.until ?? 0) > (other.until ?? 0);
}

/** What is promised of a target that locks: nothing that counts can be removed before its time. */
export class Locks {
  readonly #report: (code: AuditCode, message: string, object: string) => void;
  #until: number | null;

  /** `until`: of objects that are not looked at again, ms; null where there are none. */
  constructor(report: (code: AuditCode, message: string, object: string) => void, until: number | null = null) {
    this.#report = report;
    this.#until = until;
  }

  /** When the first lock ends, ms; null where nothing is locked. */
  get until(): number | null {
    return this.#until;
  }

  /** An object that counts. */
  add(object: string, { problem, until }: Lock): void {
    if (until !== null) this.#until = Math.min(this.#until ?? Number.POSITIVE_INFINITY, until);
    if (problem === null) return;
    if (until === null) this.#report("lock_missing", `the object is not protected as was promised: ${problem}`, object);
    else this.#report("retention_short", `the object is locked for less time than was promised: ${problem}`, object);
  }
}
