/** The one error class of the configuration. Tests and callers compare `code`, never the message. */
import { redacted } from "./redacted.ts";

export type ConfigErrorCode =
  | "unreadable"
  | "bad_yaml"
  | "duplicate_key"
  | "unknown_key"
  | "unknown_variable"
  | "missing_key"
  | "bad_value";

export interface ConfigIssue {
  readonly code: ConfigErrorCode;
  /** The setting, as in `anchor.targets[0].name`; "" where the whole file or a variable is meant. */
  readonly path: string;
  /** Counted from 1; undefined where no line of the file is to blame. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `<file>:<line>:<column>: <setting>: <what is wrong>`, or `environment: <variable>: …`. */
  readonly message: string;
}

const REPORTED = 5;

/** Up to five issues, one a line of the message; `code`, `path`, `line` and `column` are those of the first. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly issues: readonly ConfigIssue[];
  readonly code: ConfigErrorCode;
  readonly path: string;
  readonly line: number | undefined;
  readonly column: number | undefined;

  /** `found` is not empty. */
  constructor(found: readonly ConfigIssue[], cause?: unknown) {
    const issues = found.slice(0, REPORTED).map((issue) => ({ ...issue, path: redacted(issue.path), message: redacted(issue.message) }));
    const more = found.length - issues.length;
    const lines = issues.map((issue) => issue.message);
    super([...lines, ...(more > 0 ? [`… and ${more} more`] : [])].join("\n"), { cause });
    const first = issues[0]!;
    this.issues = issues;
    this.code = first.code;
    this.path = first.path;
    this.line = first.line;
    this.column = first.column;
  }
}

/** Throws what was found, if anything was. */
export function refuse(found: readonly ConfigIssue[]): void {
  if (found.length > 0) throw new ConfigError(found);
}
