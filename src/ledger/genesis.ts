/** What the genesis receipt of a stored ledger says. */
import { FormatError } from "../format/errors.ts";
import type { GenesisDetails } from "../format/fields.ts";
import { readReceipt } from "../format/receipt.ts";
import type { Reader } from "./reader.ts";

/** null where it cannot be read. */
export function genesisOf(reader: Reader): GenesisDetails | null {
  try {
    const { known, receipt } = readReceipt(reader.byIndex(0)?.blob ?? new Uint8Array());
    return known && receipt.type === "genesis" ? (receipt["details"] as GenesisDetails) : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
