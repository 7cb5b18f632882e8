/** The receipt that a path names: by its id or by its number, each in its one spelling. */
import { equal } from "../format/bytes.ts";
import { formatNumber, parseNumber } from "../format/chain.ts";
import { UUID } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { lookUp, type Which } from "../ledger/look-up.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { ApiError } from "./errors.ts";

/** ms; what a Date can hold. */
const LAST_TIME = 8.64e15;

export type Named = Extract<Which, { by: "id" | "number" }>;

/** Throws ApiError `bad_request`. */
export function namedBy(text: string): Named {
  if (UUID.test(text)) return { by: "id", receiptId: text };
  const number = parseNumber(text);
  if (number !== null) return { by: "number", number };
  throw new ApiError("bad_request", "a receipt is named by its receipt_id in lower case, or by its number, such as PR-2026-00042");
}

/** Throws ApiError `not_found`. */
export function found(reader: Reader, named: Named): StoredBlob {
  const stored = lookUp(reader, named);
  if (stored === null) throw noSuchReceipt();
  return stored;
}

export function noSuchReceipt(): ApiError {
  return new ApiError("not_found", "there is no such receipt");
}

/** Are its bytes those in the index? */
export function isWhole({ blob, receiptHash }: StoredBlob): boolean {
  return blob !== null && equal(nodeHash.sha256(blob), receiptHash);
}

/** By the index; its row may be what is damaged. */
export function numberOf({ prefix, recordedAt, orgSeq, receiptId }: StoredBlob): string {
  return Math.abs(recordedAt) <= LAST_TIME ? formatNumber(prefix, formatTime(recordedAt), orgSeq) : receiptId;
}
