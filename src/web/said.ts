/** What verify.html says of a file: the verdict in a sentence first, then the rest. */
import { FormatError } from "../format/errors.ts";
import type { PublishedAt } from "../format/members.ts";
import { VerifyError } from "../verify/errors.ts";
import { element, part } from "./dom.ts";

/** `partly`: not all of the time that an export was asked for. */
type Verdict = "anchored" | "logged" | "complete" | "complete_until" | "partly" | "invalid" | "not_checked";

const WORDS: Readonly<Record<Verdict, string>> = {
  anchored: "Verified", logged: "Verified", complete: "Verified", complete_until: "Verified", partly: "Verified, not for all of the time", invalid: "Not verified", not_checked: "Not checked",
};

export interface Said {
  readonly verdict: Verdict;
  readonly sentence: string;
  readonly more?: readonly string[];
  readonly detail?: readonly Node[];
}

export function show({ verdict, sentence, more = [], detail = [] }: Said): void {
  const at = part("verdict");
  at.className = verdict;
  at.replaceChildren(element("p", {}, element("strong", {}, WORDS[verdict]), ` ${sentence}`), ...more.map((text) => element("p", {}, text)));
  part("detail").replaceChildren(...detail);
}

/** `what`: evidence, or an export. */
export function refusal(error: unknown, what: string): Said {
  if (error instanceof FormatError && error.code === "bad_vkey") return { verdict: "not_checked", sentence: "A key is none.", more: [error.message] };
  if (error instanceof VerifyError || error instanceof FormatError) return { verdict: "invalid", sentence: `This file is no ${what} for that key: ${error.message}.`, more: [`Code: ${error.code}`, ...difference(error)] };
  return { verdict: "not_checked", sentence: "The file could not be checked.", more: [String(error)] };
}

function difference(error: Error): readonly string[] {
  return error instanceof VerifyError && error.expected !== undefined ? [`Expected ${error.expected}, found ${error.found ?? "nothing"}.`] : [];
}

/** What to look for elsewhere: whoever made the file could have written any key into it. */
export function noKey({ ledger, vkeys }: { readonly ledger: string; readonly vkeys: readonly string[] }): Said {
  const hint = `The file says that it is of the ledger ${ledger}, with the key ${vkeys.map((vkey) => `“${vkey.slice(0, 300)}”`).join(", ") || "of nobody"}. Ask the ledger's operator, or look where they publish it, whether that is theirs, and put it in above.`;
  return { verdict: "not_checked", sentence: "No key was given.", more: [hint] };
}

export type Row = readonly [name: string, value: string, isExact: boolean];

export function list(rows: readonly Row[]): HTMLElement {
  return element("dl", {}, ...rows.flatMap(([name, value, isExact]) => [element("dt", {}, name), element("dd", isExact ? { class: "exact" } : {}, value)]));
}

/** What was checked, and what not, with what the file says of where its root was published. */
export function checks(checked: readonly string[], notChecked: readonly string[], published: readonly PublishedAt[]): readonly Node[] {
  return [
    element("h2", {}, "Checked"), bullets(checked),
    element("h2", {}, "Not checked"), bullets([...notChecked, ...published.map((one) => `the file says, unchecked, that the root was published at “${one.object}” (“${one.target}”), version “${one.version_id}”, at “${one.last_modified}”`)]),
  ];
}

function bullets(texts: readonly string[]): HTMLElement {
  return element("ul", {}, ...texts.map((text) => element("li", {}, text)));
}
