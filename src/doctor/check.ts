/** What `receiptd doctor` says of one thing it has looked at. */

/** `unchecked`: it could not be looked at, which is neither good nor bad news. `warning`: it works, and there is something to know. */
export type Status = "ok" | "warning" | "problem" | "unchecked";

export interface Check {
  /** What was looked at: `data_dir`, `target s3: object lock`. */
  readonly check: string;
  readonly status: Status;
  /** What was found, without a full stop. */
  readonly message: string;
  /** What to do about it. */
  readonly next?: string;
}

export function ok(check: string, message: string): Check {
  return { check, status: "ok", message };
}

export function warning(check: string, message: string, next: string): Check {
  return { check, status: "warning", message, next };
}

export function problem(check: string, message: string, next: string): Check {
  return { check, status: "problem", message, next };
}

export function unchecked(check: string, message: string, next: string): Check {
  return { check, status: "unchecked", message, next };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
