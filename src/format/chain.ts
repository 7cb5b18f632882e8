/** Links of an organization's chain and the numbers people read (docs/FORMAT.md sections 4.3 and 5). */
import { fromHex, toHex } from "./bytes.ts";
import { FormatError } from "./errors.ts";

export const HASH_PREFIX = "sha256:";

/** `sha256:<64 hex>` of a 32-byte hash. */
export function hashText(hash: Uint8Array): string {
  return HASH_PREFIX + toHex(hash);
}

/** The 32 bytes behind `sha256:<64 hex>`; `bad_hash` otherwise. */
export function parseHash(text: string): Uint8Array<ArrayBuffer> {
  const hash = text.startsWith(HASH_PREFIX) ? fromHex(text.slice(HASH_PREFIX.length), 32) : null;
  if (hash === null) throw new FormatError("bad_hash", `not a hash of the form sha256:<64 hex digits>: ${text.slice(0, 80)}`);
  return hash;
}

const NUMBER = /^([A-Z][A-Z0-9]{0,15})-(\d{4})-(\d{5,16})$/;

export interface ReceiptNumber {
  readonly prefix: string;
  /** UTC year of `recorded_at`, four digits. */
  readonly year: string;
  readonly orgSeq: number;
}

export function formatNumber(prefix: string, recordedAt: string, orgSeq: number): string {
  return `${prefix}-${recordedAt.slice(0, 4)}-${String(orgSeq).padStart(5, "0")}`;
}

/** Parses a receipt number in its one spelling, or returns null. */
export function parseNumber(text: string): ReceiptNumber | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, prefix, year, digits] = match as unknown as [string, string, string, string];
  const orgSeq = Number(digits);
  if (!Number.isSafeInteger(orgSeq) || orgSeq < 1 || String(orgSeq).padStart(5, "0") !== digits) return null;
  return { prefix, year, orgSeq };
}
