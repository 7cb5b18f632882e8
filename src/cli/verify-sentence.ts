/** What `receiptd verify` says of a receipt in one sentence; and whether its key is one that is not to be believed any more. */
import { formatTime } from "../format/time.ts";
import type { AtTarget } from "./verify-anchor.ts";
import type { Examination, Problem, Question } from "./verify-receipt.ts";

/** What most people can do something about, so it comes first where nothing vouches for a receipt. */
export const ANCHORS = "the anchors: ";

/** Why a receipt is suspect, in words; null: its key is to be believed, or an anchor shows that it was there before. `at`: by target, in their order. */
export function suspicion(keyId: string, { revoked, targets }: Question, at: readonly AtTarget[]): string | null {
  const since = revoked.get(keyId);
  if (since === undefined) return null;
  const isBefore = at.some((one, i) => one.state === "anchored" && targets[i]!.target.trustedTime && one.version.lastModified < since);
  if (isBefore) return null;
  const clocks = targets.some(({ target }) => target.trustedTime) ? "no anchor over it was stored before that" : "no target here has a clock of its own, so that nothing shows that it was there before";
  return `its key ${keyId} is revoked since ${formatTime(since)}, and ${clocks}`;
}

export function sentenceOf({ name, verdict, problem, doubt, at, notChecked, unsure }: {
  readonly name: string;
  readonly verdict: Examination["verdict"];
  readonly problem: Problem | null;
  /** Why it is suspect. */
  readonly doubt: string | null;
  readonly at: readonly AtTarget[];
  readonly notChecked: readonly string[];
  /** What keeps its MAC from vouching for it. */
  readonly unsure: string | null;
}): string {
  const anchor = at.find((one) => one.state === "anchored");
  if (problem?.code === "anchor_missing") {
    const still = anchor?.state === "anchored" ? `; ${anchor.version.name}, of ${formatTime(anchor.version.lastModified)}, is still over it` : "";
    return `${name} has lost an anchor: ${problem.code}: ${problem.message}${still}.`;
  }
  if (problem !== null) {
    const against = at.find((one) => one.state === "contradicted");
    const since = against?.state === "contradicted" ? ` The anchor of ${against.facts.treeSize} receipts is of ${formatTime(against.version.lastModified)}.` : "";
    return `${name} is INVALID: ${problem.code}: ${problem.message}.${since}`;
  }
  if (verdict === "suspect") return `${name} is SUSPECT: ${doubt!}.`;
  if (verdict === "anchored" && anchor?.state === "anchored") {
    return `${name} is anchored: unchanged since ${formatTime(anchor.version.lastModified)} at the latest, when ${anchor.facts.treeSize} receipts were anchored.`;
  }
  const closed = at.find((one) => one.state === "waiting" && one.isClosed);
  if (verdict === "pending") return `${name} is pending: its MAC is right, but ${closed?.state === "waiting" ? closed.why : "it is not anchored yet"}.`;
  return `${name} could not be checked: ${unsure ?? notChecked.find((why) => why.startsWith(ANCHORS)) ?? notChecked[0] ?? "nothing vouches for it"}.`;
}
