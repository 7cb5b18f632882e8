/**
 * The server that the page came from, and nobody else (docs/API.md). What it answers is its own word. The token is kept here and goes into one
 * header; it is in no URL.
 */

export type Time = string;

export interface Sample {
  readonly at: Time;
  readonly receipts_per_s: number | null;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
  readonly pending: number | null;
}

export interface Target {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly state: "comparing" | "publishing" | "current" | "unavailable" | "refused" | "unknown";
  readonly pending: number | null;
  readonly error: { readonly code: string; readonly at: Time } | null;
  readonly interference: number;
  readonly confirmed: { readonly tree_size: number; readonly last_modified: Time } | null;
}

export interface Overview {
  readonly now: Time;
  readonly ledger: string;
  readonly ledger_id: string;
  readonly receipts: number;
  readonly signed: number;
  readonly anchored: number;
  readonly pending: number;
  readonly newest_anchor: { readonly tree_size: number; readonly recorded_at: Time; readonly next_anchor_by: Time | null; readonly state: "in_time" | "late" | "missing" | "stopped" } | null;
  readonly anchors: { readonly count: number; readonly complete: boolean };
  readonly daemon: {
    readonly state: "ok" | "refusing" | "damaged" | "away";
    readonly reason: string | null;
    readonly asked_at: Time | null;
    readonly started_at: Time | null;
    readonly pending_since: Time | null;
    readonly signer: "ok" | "unavailable" | null;
    readonly key_change_waiting: boolean;
  };
  readonly targets: readonly Target[];
  readonly self_check: {
    readonly enabled: boolean;
    readonly failed: boolean;
    readonly finding_count: number;
    readonly findings: readonly { readonly code: string; readonly log_index: number | null }[];
    readonly last_round: { readonly ended_at: Time; readonly receipts: number } | null;
    readonly present_round: { readonly receipts: number; readonly done: number } | null;
  } | null;
  readonly revoked_keys: number;
  readonly keys_complete: boolean;
  readonly organizations: { readonly count: number; readonly shares: readonly { readonly receipts: number; readonly anchored: number }[] };
  readonly sample: Sample | null;
}

export interface HistoryAnswer {
  readonly now: Time;
  readonly since: Time;
  readonly step_ms: number;
  readonly samples: readonly Sample[];
}

export interface Gap {
  readonly kind: "late" | "missing" | "stopped";
  readonly from: Time;
  readonly due: Time | null;
  readonly to: Time | null;
  readonly tree_size: number;
}

export type Range = "hour" | "day" | "week" | "all";

export interface Timeline {
  readonly now: Time;
  readonly from: Time;
  readonly complete: boolean;
  readonly anchors: number;
  readonly slots: readonly { readonly at: Time; readonly anchors: number; readonly tree_size: number }[];
  readonly gap_count: number;
  readonly gaps: readonly Gap[];
}

export interface Anchor {
  readonly tree_size: number;
  readonly receipts: number;
  readonly root: string;
  readonly recorded_at: Time;
  readonly next_anchor_by: Time | null;
  readonly late_ms: number | null;
  readonly signed: boolean;
  readonly object: string;
  readonly targets: readonly { readonly name: string; readonly last_modified: Time | null }[];
}

export interface Organization {
  readonly organization: string;
  readonly prefix: string;
  readonly own: boolean;
  readonly receipts: number;
  readonly anchored: number;
  readonly newest_at: Time | null;
}

export interface Said {
  readonly code: string;
  readonly sentence: string;
}

export interface Verified {
  readonly valid: boolean | null;
  readonly receipt_number: string;
  readonly status: "anchored" | "logged" | "pending" | "suspect" | "invalid" | "not_checked";
  readonly checks: readonly Said[];
  readonly not_checked: readonly Said[];
  readonly problem: { readonly code: string; readonly message: string } | null;
  readonly generated_at: Time | null;
}

export type Members = { readonly [name: string]: unknown };

export interface Listed {
  readonly receipt: Members | null;
  readonly receipt_hash: string;
  readonly receipt_number: string;
  readonly log_index: number;
  readonly status: "anchored" | "logged" | "pending";
}

export interface Found {
  readonly receipts: readonly Listed[];
  readonly next: string | null;
  readonly ended: "end" | "page_full" | "scan_limit";
  readonly scanned: number;
}

export interface Keys {
  readonly ledger: string;
  readonly vkeys: readonly string[];
  readonly keys: readonly { readonly key_id: string; readonly mode: string; readonly first_epoch: number; readonly last_epoch: number | null; readonly begun_by: string; readonly since: Time }[];
  readonly revoked: readonly { readonly key_id: string; readonly compromised_since: Time; readonly log_index: number }[];
  readonly complete: boolean;
}

export interface Inclusion {
  readonly size: number;
  readonly root: string;
  readonly path: readonly string[];
}

/** The server's own error, by its code; `no_answer` where there was none. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** ms */
const PATIENCE = 8000;

export class Server {
  #token: string | null = null;

  get hasToken(): boolean {
    return this.#token !== null;
  }

  use(token: string | null): void {
    this.#token = token;
  }

  /** Throws ServerError. `query`: those that are not empty. */
  async json<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
    return (await (await this.#ask(path, query, false)).json()) as T;
  }

  /** With the token. */
  async contents<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
    return (await (await this.#ask(path, query, true)).json()) as T;
  }

  async file(path: string): Promise<Blob> {
    return await (await this.#ask(path, {}, true)).blob();
  }

  async #ask(path: string, query: Readonly<Record<string, string>>, withToken: boolean): Promise<Response> {
    const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
    const headers: Readonly<Record<string, string>> = withToken && this.#token !== null ? { authorization: `Bearer ${this.#token}` } : {};
    let response: Response;
    try {
      response = await fetch(asked === "" ? path : `${path}?${asked}`, { headers, credentials: "omit", redirect: "error", signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      throw new ServerError("no_answer", "the server does not answer");
    }
    if (response.ok) return response;
    throw await errorOf(response);
  }
}

async function errorOf(response: Response): Promise<ServerError> {
  try {
    const { error } = (await response.json()) as { readonly error: { readonly code: string; readonly message: string } };
    return new ServerError(String(error.code), String(error.message));
  } catch {
    return new ServerError("no_answer", `something between here and the ledger's host answers ${response.status}`);
  }
}

/** A receipt's place in the API: its number or id. */
export function receiptPath(name: string, more = ""): string {
  return `/v1/receipts/${encodeURIComponent(name)}${more}`;
}
