/** Two checks that need nobody's word: the hash of what is shown, and its path to the root. Whether that root is the one signed and published they do not say. */
import { fromBase64, fromHex, toHex, utf8 } from "../../format/bytes.ts";
import { canonicalize } from "../../format/canonical.ts";
import { entryOf } from "../../format/entries.ts";
import { FormatError } from "../../format/errors.ts";
import { pureHash } from "../../format/hash.ts";
import { leafHash, verifyInclusion } from "../../format/merkle.ts";
import type { Json } from "../../format/strict-json.ts";
import { count } from "../../format/count.ts";
import type { Inclusion, Listed } from "./api.ts";

export interface Recomputed {
  readonly isGood: boolean;
  readonly sentence: string;
  /** null: there is none to draw. */
  readonly path: { readonly receiptHash: Uint8Array; readonly logIndex: number; readonly treeSize: number; readonly path: readonly Uint8Array[] } | null;
}

export function recomputed({ receipt, receipt_hash: said, log_index: logIndex }: Listed, inclusion: Inclusion | null): Recomputed | null {
  if (receipt === null) return null;
  try {
    const receiptHash = pureHash.sha256(utf8(canonicalize(receipt as Json)));
    if (`sha256:${toHex(receiptHash)}` !== said || receipt["log_index"] !== logIndex) return { isGood: false, sentence: "What is shown does not have the receipt hash that the server names.", path: null };
    if (inclusion === null) return { isGood: true, sentence: "What is shown has the receipt hash that the server names. There is no signed root over it yet.", path: null };
    const path = inclusion.path.map((text) => fromBase64(text) ?? new Uint8Array());
    const root = fromHex(inclusion.root.slice("sha256:".length), 32);
    const leaf = leafHash(entryOf(receiptHash), pureHash.sha256);
    if (root === null || !verifyInclusion({ leafHash: leaf, index: logIndex, size: inclusion.size, path, root }, pureHash.sha256)) {
      return { isGood: false, sentence: "Its path does not lead to the root that the server names.", path: null };
    }
    return {
      isGood: true, path: { receiptHash, logIndex, treeSize: inclusion.size, path },
      sentence: `What is shown has the receipt hash that the server names, and its path leads to the root over ${count(inclusion.size)} receipts. Whether that root is the published one, this does not say.`,
    };
  } catch (error) {
    if (error instanceof FormatError) return { isGood: false, sentence: `What is shown is no receipt: ${error.message}.`, path: null };
    throw error;
  }
}
