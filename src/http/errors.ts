/** What goes wrong, as clients see it: one shape, a stable code, and never more than a sentence of it. */
import { AnchorError } from "../anchor/errors.ts";
import { LedgerError } from "../ledger/errors.ts";

/** The status of each code. */
const STATUS = {
  bad_request: 400,
  body_not_allowed: 400,
  token_missing: 401,
  token_unknown: 401,
  token_expired: 401,
  scope_missing: 403,
  organization_not_allowed: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  not_anchored: 409,
  url_too_long: 414,
  host_not_served: 421,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  access_not_recorded: 503,
  ledger_damaged: 503,
  ledger_unavailable: 503,
  no_evidence: 503,
  overloaded: 503,
  receipt_damaged: 503,
  tokens_unusable: 503,
} as const;

export type ApiErrorCode = keyof typeof STATUS;
export const ERROR_CODES = Object.keys(STATUS) as readonly ApiErrorCode[];

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly status: number;

  constructor(code: ApiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.status = STATUS[code];
  }

  /** JSON. */
  get body(): string {
    return JSON.stringify({ error: { code: this.code, message: this.message } });
  }
}

/** An expected error of the layers below, without what it says of the host; null for a mistake of the program. */
export function asApiError(error: unknown): ApiError | null {
  if (error instanceof ApiError) return error;
  if (error instanceof LedgerError && error.code === "ledger_corrupt") return new ApiError("ledger_damaged", "the ledger's file is damaged on its host, which has to be told", { cause: error });
  if (error instanceof LedgerError || error instanceof AnchorError) return new ApiError("ledger_unavailable", "the ledger cannot be read now", { cause: error });
  return null;
}
