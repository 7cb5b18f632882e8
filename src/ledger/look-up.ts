/** The receipt that somebody means, found by any of its names. */
import type { ReceiptNumber } from "../format/chain.ts";
import { formatTime } from "../format/time.ts";
import type { Reader, StoredBlob } from "./reader.ts";

/** One way to name a receipt. */
export type Which =
  | { readonly by: "id"; readonly receiptId: string }
  | { readonly by: "number"; readonly number: ReceiptNumber }
  | { readonly by: "index"; readonly logIndex: number }
  | { readonly by: "org_seq"; readonly organization: string; readonly orgSeq: number };

/** Null where there is none; also where a number has another year than the receipt (docs/FORMAT.md section 4.3). */
export function lookUp(reader: Reader, which: Which): StoredBlob | null {
  switch (which.by) {
    case "id": return reader.byId(which.receiptId);
    case "index": return reader.byIndex(which.logIndex);
    case "org_seq": return reader.byOrgSeq(which.organization, which.orgSeq);
    case "number": {
      const found = reader.byNumber(which.number.prefix, which.number.orgSeq);
      return found !== null && formatTime(found.recordedAt).startsWith(`${which.number.year}-`) ? found : null;
    }
  }
}
