/**
 * A report on a period, offline (docs/FORMAT.md section 17): that the ledger's key has signed these very words. Whether they are true is for
 * whoever audits the ledger.
 */
import { pureHash } from "../format/hash.ts";
import { verifyNote, type Vkey, vkeyText } from "../format/note.ts";
import { type ReadReport, readReport } from "../format/report.ts";
import type { VerifyOptions } from "./checkpoint.ts";
import { reading, VerifyError } from "./errors.ts";

export interface ReportFacts {
  readonly report: ReadReport;
  /** The pinned keys that signed, as vkeys; none: nobody has signed it. */
  readonly signedBy: readonly string[];
}

/** `vkeys`: pinned. Throws VerifyError with the codes of section 17.1, in its order. */
export function verifyReport(bytes: Uint8Array, vkeys: readonly Vkey[], options: VerifyOptions = {}): ReportFacts {
  const report = reading(() => readReport(bytes, options.hash ?? pureHash));
  const { note, ledger, text: expected } = report;
  if (note === null) return { report, signedBy: [] };
  const { text, keys } = reading(() => verifyNote(note, vkeys.filter(({ name }) => name === ledger), options.verify));
  if (text !== expected) {
    throw new VerifyError("digest_mismatch", "what is signed is not this report", { pointer: "/note", expected: expected.split("\n")[1], found: text.split("\n")[1] });
  }
  return { report, signedBy: keys.map(vkeyText) };
}
