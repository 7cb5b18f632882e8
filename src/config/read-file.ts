/** A file of settings, read and complained about: what was found wrong, each with the place where it stands. */
import type { z } from "zod";
import { ConfigError, type ConfigErrorCode, type ConfigIssue } from "./errors.ts";
import { readBounded } from "./input-file.ts";
import type { Path, Place } from "./yaml.ts";

/** Bytes. */
const MAX_FILE = 1_048_576;

/** The text of the file. Throws ConfigError `unreadable`. */
export function contentOf(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readBounded(file, MAX_FILE, (why) => new Error(why)));
  } catch (cause) {
    const why = cause instanceof TypeError ? "it is not UTF-8" : cause instanceof Error ? cause.message : String(cause);
    const message = `${file}: ${why}`;
    throw new ConfigError([{ code: "unreadable", path: "", line: undefined, column: undefined, message }], cause);
  }
}

/** `anchor.targets[0].name` */
export function dotted(at: Path): string {
  return at.map((step, i) => (typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`)).join("");
}

export type IssueAt = (code: ConfigErrorCode, at: Path, message: string, place?: Place) => ConfigIssue;

/** What zod says, as issues: each unknown key is one. */
export function issuesOf(issue: z.core.$ZodIssue, issueAt: IssueAt, placeOf: (at: Path, ofKey?: boolean) => Place): readonly ConfigIssue[] {
  const at = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  if (issue.code === "unrecognized_keys") {
    const messages = issue.message.split("\n");
    return issue.keys.map((key, i) => issueAt("unknown_key", [...at, key], messages[i] ?? "", placeOf([...at, key], true)));
  }
  const code = issue.input === undefined ? "missing_key" : "bad_value";
  return [issueAt(code, at, issue.message, placeOf(at, issue.code === "invalid_key"))];
}
