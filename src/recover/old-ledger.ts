/**
 * The ledger's file as it is: whatever can still be read of it, place by place. Nothing that it says is believed here, and a page that
 * SQLite cannot read costs what is on that page: receipts to which no other page leads are looked for in all of them.
 */
import { auditHash } from "../audit/hash.ts";
import { type Place, readPlaces, unlessCorrupt } from "../audit/places.ts";
import { equal } from "../format/bytes.ts";
import { LedgerError } from "../ledger/errors.ts";
import { Inspector } from "../ledger/inspect.ts";
import { promisedSize } from "../ledger/left-over.ts";
import { RawPages } from "./raw-pages.ts";
import { removeView, type View, viewOf, viewWithFirstPage } from "./view.ts";

/** Bytes of blobs that are read at a time. */
const PAGE = 1 << 20;
const IGNORED = (): undefined => undefined;
/** As many as `namesFrom` names of anything. */
const NAMES = 65_536;
const ENTRIES = ["receipt", "receipt_by_id", "receipt_by_time", "blob"] as const;

export class OldLedger {
  readonly #path: string;
  /** What is read: the ledger's file, or a view of it. */
  readonly #readPath: string;
  /** null: SQLite cannot open it. */
  readonly #inspector: Inspector | null;
  #raw: RawPages | null = null;
  /** Behind the last place of which anything is there. */
  readonly end: number;
  /** By the table `organization`, by its numbers. */
  readonly organizations: ReadonlyMap<number, { readonly name: string; readonly prefix: string }>;
  /** What is wrong with the file or its log as a whole. */
  readonly wrong: View["why"];
  readonly #promised: number;

  /** Throws LedgerError only for what is no damage: `ledger_missing`, `newer_ledger`, `disk_full`. */
  static open(path: string): OldLedger {
    const view = viewOf(path);
    const wrong = view?.why ?? [];
    try {
      const read = view?.path ?? path;
      const inspector = inspectorOf(read);
      if (inspector !== null) return new OldLedger(path, read, inspector, wrong);
      const mended = viewWithFirstPage(path);
      return new OldLedger(path, mended, inspectorOf(mended), wrong);
    } catch (error) {
      removeView(path);
      throw error;
    }
  }

  private constructor(path: string, readPath: string, inspector: Inspector | null, wrong: View["why"]) {
    this.#path = path;
    this.#readPath = readPath;
    this.#inspector = inspector;
    this.wrong = wrong;
    this.#promised = wrong.length === 0 ? 0 : promisedSize(path);
    const last = (where: "lastRow" | "lastBlob" | "lastIndexed"): number | null | undefined => (inspector === null ? undefined : unlessCorrupt(() => inspector.last(where), IGNORED));
    const blobs = last("lastBlob");
    this.end = Math.max(last("lastRow") ?? -1, last("lastIndexed") ?? -1, blobs === undefined ? this.#rawPages().end - 1 : blobs ?? -1) + 1;
    const rows = inspector === null ? [] : unlessCorrupt(() => inspector.organizations().rows, IGNORED) ?? [];
    this.organizations = new Map(rows.map(({ org, name, prefix }) => [org, { name, prefix }]));
  }

  /** Every place in [first, end), with or without something in it. */
  *places(first: number, end: number): Generator<Place, void, undefined> {
    const inspector = this.#inspector;
    for (const place of inspector === null ? nothing(first, end) : readPlaces(inspector, first, end)) {
      yield place.logIndex >= this.end || !this.#isSearched(place) ? place : { ...place, blob: this.#salvaged(place) };
    }
  }

  /** The places from `first` on that have bytes, however far apart. */
  *blobsFrom(first: number): Generator<Place, void, undefined> {
    const inspector = this.#inspector;
    if (inspector === null) return;
    for (let at = first; at < this.end;) {
      const page = unlessCorrupt(() => inspector.blobs(at, this.end, PAGE), IGNORED);
      for (const { logIndex, bytes } of page?.blobs ?? []) yield { logIndex, row: null, blob: bytes, unreadable: null };
      at = page?.next ?? this.end;
    }
  }

  /**
   * log_index from `first` on, in order, of which any table or index has anything, or a page that belongs to none, or that was promised: at most 65,536 of each.
   * What a daemon beside this has written meanwhile is behind the end.
   */
  namesFrom(first: number): readonly number[] {
    const inspector = this.#inspector;
    const names = inspector === null ? [] : ENTRIES.flatMap((where) => unlessCorrupt(() => inspector.namesFrom(where, first), IGNORED) ?? []);
    const here = [...names, ...this.#raw?.from(first) ?? []].filter((logIndex) => logIndex < this.end);
    const promised = Array.from({ length: Math.max(0, Math.min(this.#promised - first, NAMES)) }, (_, i) => first + i);
    return [...new Set([...here, ...promised])].sort((a, b) => a - b);
  }

  /** The root that the table `anchor` has for this size; null where it has none. */
  anchorRoot(treeSize: number): Uint8Array | null {
    const inspector = this.#inspector;
    const row = inspector === null ? undefined : unlessCorrupt(() => inspector.anchors(treeSize - 1, 1)[0], IGNORED);
    return row?.treeSize === treeSize && row.root.length === 32 ? row.root : null;
  }

  close(): void {
    this.#inspector?.close();
    this.#raw?.close();
    removeView(this.#path);
  }

  /** Where pages of the log are damaged, another version of the same page may have a receipt that was there before. */
  #isSearched({ row, blob }: Place): boolean {
    return blob === null || (this.wrong.length > 0 && row !== null && !equal(auditHash.sha256(blob), row.receiptHash));
  }

  /** Bytes that SQLite does not find in this place: of several those that the index knows. */
  #salvaged({ logIndex, row, blob }: Place): Uint8Array | null {
    let found = blob;
    for (const bytes of this.#rawPages().candidates(logIndex)) {
      if (row !== null && equal(auditHash.sha256(bytes), row.receiptHash)) return bytes;
      found ??= bytes;
    }
    return found;
  }

  #rawPages(): RawPages {
    return this.#raw ??= new RawPages(this.#readPath);
  }
}

/** null where SQLite cannot open it. */
function inspectorOf(path: string): Inspector | null {
  try {
    return new Inspector(path);
  } catch (error) {
    if (!(error instanceof LedgerError) || (error.code !== "ledger_corrupt" && error.code !== "not_a_ledger")) throw error;
    return null;
  }
}

function* nothing(first: number, end: number): Generator<Place, void, undefined> {
  for (let logIndex = first; logIndex < end; logIndex++) yield { logIndex, row: null, blob: null, unreadable: null };
}
