/** The locks that the objects of a target should have, and until when all of them hold. */
import type { AuditCode } from "./report.ts";

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

  /**
   * An object that counts. `problem`: what is wrong with the lock of every version of it, null if one has the lock it should have;
   * `until`: when the last lock in mode COMPLIANCE ends, ms, null if there is none.
   */
  add(object: string, problem: string | null, until: number | null): void {
    if (until !== null) this.#until = Math.min(this.#until ?? Number.POSITIVE_INFINITY, until);
    if (problem === null) return;
    if (until === null) this.#report("lock_missing", `the object is not protected as was promised: ${problem}`, object);
    else this.#report("retention_short", `the object is locked for less time than was promised: ${problem}`, object);
  }
}
