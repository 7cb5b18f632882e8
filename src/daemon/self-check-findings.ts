/**
 * What the self-check has found and is not known to be over: of the last complete round, of the present one, and MACs that were wrong
 * while there was a key to check them with. It is over when a whole round no longer finds it.
 */
import type { OpenFinding } from "../audit/report.ts";
import type { Held } from "./self-check-messages.ts";

/** Findings that are named; all are counted. */
const NAMED = 16;

/** Findings of one round that are told apart; behind these each is counted, however often it is found. */
const APART = 4096;

export class SelfCheckFindings {
  #last: ReadonlyMap<string, OpenFinding> = new Map();
  #lastCount = 0;
  #present = new Map<string, OpenFinding>();
  #presentCount = 0;
  readonly #seen = new Set<string>();
  readonly #held = new Map<number, { readonly hash: string; readonly finding: OpenFinding }>();

  /** True where it is to be named, and was not known before. */
  add(finding: OpenFinding): boolean {
    const key = keyOf(finding);
    if (this.#seen.has(key)) return false;
    if (this.#seen.size < APART) this.#seen.add(key);
    this.#presentCount++;
    if (this.#present.size >= NAMED) return false;
    const isKnown = this.named.some((known) => keyOf(known) === key);
    this.#present.set(key, finding);
    return !isKnown;
  }

  /** A receipt's MAC was wrong, and nobody may be able to check it again. */
  hold(finding: OpenFinding, hash: string): boolean {
    const isNew = this.add(finding);
    if (this.#held.size < NAMED) this.#held.set(finding.logIndex!, { hash, finding });
    return isNew;
  }

  get held(): readonly Held[] {
    return Array.from(this.#held, ([logIndex, { hash }]) => ({ logIndex, hash }));
  }

  /** A whole round has ended, which found so many; `still`: which of those that it was told of as held are as they were. */
  finish(found: number, asked: readonly Held[], still: readonly number[]): void {
    for (const { logIndex, hash } of asked) if (this.#held.get(logIndex)?.hash === hash && !still.includes(logIndex)) this.#held.delete(logIndex);
    this.#turn(this.#present, Math.max(found, this.#presentCount));
  }

  /** The present round came to no end: nothing is over. */
  fail(): void {
    this.#turn(new Map([...this.#last, ...this.#present]), this.count);
  }

  #turn(last: ReadonlyMap<string, OpenFinding>, count: number): void {
    this.#last = last;
    this.#lastCount = count;
    this.#present = new Map();
    this.#presentCount = 0;
    this.#seen.clear();
  }

  get named(): readonly OpenFinding[] {
    const held = Array.from(this.#held.values(), ({ finding }): [string, OpenFinding] => [keyOf(finding), finding]);
    return [...new Map([...this.#last, ...this.#present, ...held]).values()].slice(0, NAMED);
  }

  get count(): number {
    return Math.max(this.#lastCount, this.#presentCount, this.named.length);
  }
}

function keyOf({ code, logIndex, at }: OpenFinding): string {
  return `${code} ${logIndex ?? ""} ${at ?? ""}`;
}
