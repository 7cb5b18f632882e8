/** An export (docs/FORMAT.md section 16), out of a ledger and what is published of it: checked piece by piece, as a reader will. */
import { type ExportHeader, formatDigestLine, formatExportHeader } from "../format/export.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import type { Reader } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import { type ExportFacts, ExportReader } from "../verify/export.ts";
import { BundleError } from "./errors.ts";
import { exportOptions } from "./export-options.ts";
import { exportLines, headsOf, noReceipts, ownBefore } from "./export-lines.ts";
import { type AskedTime, exportRange } from "./export-range.ts";
import type { PublishedAnchors } from "./published.ts";

export interface AskedExport extends AskedTime {
  /** null: all. */
  readonly organization: string | null;
}

const LINE_FEED = Buffer.from("\n");
/** Bytes that are made, and checked, at once. */
const PIECE = 262_144;

/** What is asked for, as a header; `path`: of the ledger. Throws BundleError. */
export async function exportHeader(reader: Reader, path: string, { organization, ...time }: AskedExport, anchors: PublishedAnchors, vkeys: readonly string[]): Promise<ExportHeader> {
  if (organization !== null && !reader.organizations().some(({ name }) => name === organization)) {
    throw noReceipts(organization, "");
  }
  const { first, end, anchor } = await exportRange(reader, path, time, anchors);
  return {
    from: time.from === null ? null : formatTime(time.from), to: time.to === null ? null : formatTime(time.to), organization, vkeys,
    ledger: reader.identity().origin, first, end, checkpoint: anchor.checkpoint,
    left: reader.frontier(first),
    before: first === 0 ? null : { receipt: bytesAt(reader, first - 1), path: reader.inclusionPath(first - 1, end) },
    ownBefore: ownBefore(reader, first),
    heads: organization === null || organization === LEDGER_ORGANIZATION ? null : headsOf(reader, path, organization, { first, end }),
    published: anchor.published,
  };
}

function bytesAt(reader: Reader, logIndex: number): Uint8Array {
  const blob = reader.byIndex(logIndex)?.blob ?? null;
  if (blob === null) throw new BundleError("not_found", `the bytes of the receipt at log index ${logIndex} are missing`, "see what can be done with: receiptd recover");
  return blob;
}

/** The file in pieces; `progress` hears how far it is. What is handed out has been checked. Throws BundleError, and the file is none then. */
export function* exportPieces(reader: Reader, header: ExportHeader, progress: (done: number, all: number) => void = () => undefined): Generator<Uint8Array, ExportFacts, undefined> {
  const check = new ExportReader(header.vkeys.map(parseVkey), exportOptions);
  const checked = (parts: readonly Uint8Array[]): Uint8Array => {
    const piece = Buffer.concat(parts);
    check.push(piece);
    return piece;
  };
  try {
    let parts: Uint8Array[] = [formatExportHeader(header), LINE_FEED];
    let size = 0;
    for (const line of exportLines(reader, header, ownSeq(reader, header.first))) {
      parts.push(line, LINE_FEED);
      size += line.length;
      if (size < PIECE) continue;
      yield checked(parts);
      [parts, size] = [[], 0];
      const { done, all } = check.progress!;
      progress(done, all);
    }
    yield checked(parts);
    yield checked([formatDigestLine(check.digest()), LINE_FEED]);
    return check.end();
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    throw new BundleError("no_evidence", `what the ledger has is not what is anchored: ${error.code}: ${error.message}`, "see: receiptd audit", { cause: error });
  }
}

/** `org_seq` of the ledger's first own receipt from `first` on: behind an anchor receipt. */
function ownSeq(reader: Reader, first: number): number {
  return first === 0 ? 1 : (reader.byIndex(first - 1)?.orgSeq ?? 0) + 1;
}
