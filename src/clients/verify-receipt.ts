/**
 * Is a receipt valid? By `receiptd http`, which recomputes it against the signed anchors; or from the socket, of which a client without
 * keys can check the bytes, the number and the link, and never that they are genuine. What was not checked is not called valid.
 */
import type { Result } from "../door/client.ts";
import { canonicalize } from "../format/canonical.ts";
import { hashText } from "../format/chain.ts";
import { utf8 } from "../format/bytes.ts";
import type { Json } from "../format/strict-json.ts";
import { VerifyError } from "../verify/errors.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { CallOptions, Client } from "./client.ts";
import { ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable } from "./errors.ts";
import { camelCase, type StoredReceipt } from "./receipts.ts";

interface Said {
  readonly code: string;
  readonly sentence: string;
}

export interface Verification {
  /** null: nothing is wrong with what was checked, and that is not all. */
  readonly valid: boolean | null;
  readonly receiptNumber: string;
  readonly chainId: string | null;
  readonly generatedAt: string | null;
  /** `anchored`, `logged`, `pending`, `suspect`, `invalid` or `not_checked` (docs/API.md). */
  readonly status: string;
  readonly checks: readonly Said[];
  readonly notChecked: readonly Said[];
  readonly problem: { readonly code: string; readonly message: string } | null;
}

const CHECKED = {
  canonical: "Its bytes are canonical JSON (RFC 8785), and its fields and number are of the right form.",
  hash: "The SHA-256 of its bytes is the receipt hash that the daemon names.",
  place: "Its id, number, time and place are those that the daemon names, and those that were asked for.",
  link: "It names the hash of its organization's receipt before, recomputed from that one's bytes, or is the first.",
} as const;

const NOT_CHECKED = {
  link: "The link: the organization's receipt before could not be had.",
  mac: "Its MAC: a client has no keys.",
  anchor: "Any anchor: ask receiptd http (RECEIPTD_CLIENT_HTTP), or check evidence offline with a pinned vkey.",
} as const;

const HTTP_TROUBLE = new Set([408, 429, 500, 502, 503, 504]);

/** Over the HTTP API at `base`. */
export async function verifyOverHttp(base: string, which: string, timeoutMs: number): Promise<Verification> {
  let response: Response;
  let body: Result;
  try {
    response = await fetch(`${base}/v1/receipts/${encodeURIComponent(which)}/verify`, { signal: AbortSignal.timeout(Math.ceil(timeoutMs)), redirect: "error" });
    body = JSON.parse(await response.text()) as Result;
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const code = isLate ? "timeout" : error instanceof SyntaxError ? "bad_answer" : "unreachable";
    throw new ReceiptUnavailable(code, `${base} did not say: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (response.ok && (body["valid"] === null || typeof body["valid"] === "boolean") && typeof body["status"] === "string") {
    const { valid, receiptNumber, chainId, generatedAt, status, checks, notChecked, problem } = camelCase<Verification>(body);
    return { valid, receiptNumber, chainId, generatedAt, status, checks, notChecked, problem };
  }
  const { code = "bad_answer", message = "not an answer of receiptd http" } = (body["error"] ?? {}) as { readonly code?: string; readonly message?: string };
  if (response.status === 404 && code === "not_found") throw new ReceiptNotFound(code, message);
  if (response.ok || HTTP_TROUBLE.has(response.status)) throw new ReceiptUnavailable(code, message);
  throw new ReceiptRefused(code, message);
}

/** From what the daemon hands out. `valid` is false or null. */
export async function verifyStored(client: Client, which: string, timeoutMs: number): Promise<Verification> {
  const options: CallOptions = { timeoutMs };
  const stored = await client.get(which, options);
  const checks: Said[] = [];
  const notChecked: Said[] = [];
  const problem = await problemOf(which, stored, checks, () => before(client, stored, options));
  if (!checks.some(({ code }) => code === "link") && problem === null) notChecked.push({ code: "link", sentence: NOT_CHECKED.link });
  for (const code of ["mac", "anchor"] as const) notChecked.push({ code, sentence: NOT_CHECKED[code] });
  const { chain_id: chainId } = stored.receipt;
  return {
    valid: problem === null ? null : false,
    receiptNumber: stored.receiptNumber,
    chainId: typeof chainId === "string" ? chainId : null,
    generatedAt: stored.recordedAt,
    status: problem === null ? "not_checked" : "invalid",
    checks, notChecked, problem,
  };
}

async function problemOf(which: string, stored: StoredReceipt, checks: Said[], before: () => Promise<StoredReceipt | null>): Promise<Verification["problem"]> {
  const did = (code: keyof typeof CHECKED): void => void checks.push({ code, sentence: CHECKED[code] });
  try {
    const { hash, receipt } = verifyReceipt(bytesOf(stored));
    did("canonical");
    if (hashText(hash) !== stored.receiptHash) return { code: "hash_mismatch", message: "the receipt is not the one with the receipt hash that the daemon names" };
    did("hash");
    if (!isInPlace(receipt, stored) || (which !== stored.receiptId && which !== stored.receiptNumber)) {
      return { code: "index_mismatch", message: "its id, number, time or place are not those that the daemon names, or not those that were asked for" };
    }
    did("place");
    if (receipt.org_seq > 1) {
      const previous = await before();
      if (previous === null) return null;
      if (hashText(verifyReceipt(bytesOf(previous)).hash) !== receipt.previous_receipt_hash) return { code: "link_mismatch", message: "the link does not lead to the receipt before" };
    }
    did("link");
    return null;
  } catch (error) {
    if (error instanceof VerifyError) return { code: error.code, message: error.message };
    throw error;
  }
}

function isInPlace(receipt: Result, stored: StoredReceipt): boolean {
  const { receipt_id, receipt_number, organization, org_seq, log_index, recorded_at } = receipt;
  return receipt_id === stored.receiptId && receipt_number === stored.receiptNumber && organization === stored.organization && org_seq === stored.orgSeq
    && log_index === stored.logIndex && recorded_at === stored.recordedAt;
}

/** Its JCS is the stored bytes. */
function bytesOf({ receipt }: StoredReceipt): Uint8Array {
  return utf8(canonicalize(receipt as Json));
}

async function before(client: Client, { organization, orgSeq }: StoredReceipt, options: CallOptions): Promise<StoredReceipt | null> {
  try {
    return await client.get({ organization, orgSeq: orgSeq - 1 }, options);
  } catch (error) {
    if (error instanceof ReceiptError && !(error instanceof ReceiptUnavailable)) return null;
    throw error;
  }
}
