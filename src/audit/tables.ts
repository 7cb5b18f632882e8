/** What is asked of the ledger's file as a whole: identity, schema, the organizations, and that no table or index has more than it should. */
import type { LedgerName } from "../format/names.ts";
import { type IndexKey, type IndexScan, type Inspector, RECEIPT_INDEXES, type ReceiptIndex } from "../ledger/inspect.ts";
import type { ChainEnd } from "../verify/chain.ts";
import type { Joiner } from "./join.ts";
import { unlessCorrupt } from "./places.ts";
import type { Findings } from "./report.ts";

/** Index entries counted in one statement. */
const SCAN = 16_384;
/** Rows counted in one statement. */
const ROWS = 4096;

/** The schema and the row that says which ledger this is. */
export function checkIdentity(inspector: Inspector, ledger: LedgerName, findings: Findings): void {
  const corrupt = corruptIn(findings);
  for (const { name, expected, found } of unlessCorrupt(() => inspector.schemaDifferences(), corrupt("the schema")) ?? []) {
    findings.add({
      severity: "violation", code: "schema_mismatch", at: name,
      message: expected === null ? "the ledger's file has something in it that receiptd does not make" : found === null
        ? "something that receiptd makes is missing in the ledger's file: what refuses changes may have been taken away"
        : "something in the ledger's file is not as receiptd makes it",
      expected: expected ?? "nothing", found: found ?? "nothing",
    });
  }
  const rows = unlessCorrupt(() => inspector.identities(), corrupt("the table ledger")) ?? [];
  const [row] = rows;
  if (rows.length === 1 && row!.one === 1 && row!.format === 1 && row!.origin === ledger.origin && row!.ledgerId === ledger.ledgerId) return;
  findings.add({
    severity: "violation", code: "ledger_mismatch", message: "the file says that it is another ledger", at: "ledger",
    expected: `1 1 ${ledger.origin} ${ledger.ledgerId}`, found: rows.map(({ one, format, origin, ledgerId }) => `${one} ${format} ${origin} ${ledgerId}`).join(", ") || "nothing",
  });
}

/**
 * Entries of receipts below `size` in each index; null where it cannot be read. Entries that lead to no receipt are findings.
 * Counted in pages, each a short statement.
 */
export function countIndexes(inspector: Inspector, size: number, findings: Findings): ReadonlyMap<ReceiptIndex, number | null> {
  return new Map(RECEIPT_INDEXES.map((index) => [index, countIndex(inspector, index, size, findings)]));
}

function countIndex(inspector: Inspector, index: ReceiptIndex, size: number, findings: Findings): number | null {
  if (!inspector.hasIndex(index)) return null; // said of the schema
  let entries = 0;
  for (let key: IndexKey | null = null; ;) {
    const after: IndexKey | null = key;
    const scan: IndexScan | undefined = unlessCorrupt(() => inspector.scanIndex(index, after, size, SCAN), corruptIn(findings)(`the index ${index}`));
    if (scan === undefined) return null;
    entries += scan.entries;
    for (const logIndex of scan.strays) {
      findings.add({ severity: "violation", code: "index_lookup", message: `the index ${index} has an entry for a receipt that is not there`, at: index, logIndex });
    }
    if (scan.next === null) return entries;
    key = scan.next;
  }
}

/** As many of how many receipts may be missing, and how many at least, before what is behind them is no longer looked at. */
const MAX_SPARSE = 64;
const MAX_GAP = 65_536;

/**
 * How many receipts there are to audit. Rows far behind all others are a finding, and not a reason to look at billions of empty
 * places. `entries`: of receipts from `first` on.
 */
export function plausibleSize(inspector: Inspector, size: number, entries: Iterable<number | null>, findings: Findings, first = 0): number {
  const most = Math.max(...[...entries].map((count) => count ?? size));
  const bound = first + MAX_SPARSE * most + MAX_GAP;
  if (size <= bound) return size;
  findings.add({
    severity: "violation", code: "log_index_gap", message: "there are receipts far behind the end of the log: they were not audited", logIndex: size - 1,
    expected: `about ${first + most} receipts`, found: `one at ${size - 1}`,
  });
  return (unlessCorrupt(() => inspector.lastRowBelow(bound), () => undefined) ?? -1) + 1;
}

/** As `plausibleSize`, of a part that begins at `first`: its rows are counted, as far as they are needed. */
export function plausibleSizeFrom(inspector: Inspector, first: number, size: number, findings: Findings): number {
  let rows = 0;
  for (let at = first; MAX_SPARSE * rows + MAX_GAP < size - first; ) {
    const page = unlessCorrupt(() => inspector.rows(at, size, ROWS), corruptIn(findings)("the table receipt")) ?? [];
    rows += page.length;
    const last = page.at(-1)?.logIndex;
    if (last === undefined || !(last >= at)) break;
    at = last + 1;
  }
  return plausibleSize(inspector, size, [rows], findings, first);
}

/** After the segments: nothing before the first receipt, no bytes after the last one, and every index has as many entries as rows. */
export function checkExtent(inspector: Inspector, rows: number, entries: ReadonlyMap<ReceiptIndex, number | null>, findings: Findings): void {
  const extent = unlessCorrupt(() => inspector.extent(), corruptIn(findings)("a table"));
  const [firstRow, lastRow] = extent?.receipt ?? [0, -1];
  const [firstBlob, lastBlob] = extent?.blob ?? [0, -1];
  const add = (message: string, at: string, logIndex?: number): void => findings.add({ severity: "violation", code: "row_missing", message, at, logIndex });
  if (firstRow < 0) add("the table receipt has rows before the first receipt", "receipt");
  if (firstBlob < 0) add("the table blob has rows before the first receipt", "blob");
  if (lastBlob > lastRow) add("there are bytes behind the newest receipt, with no row in the index", "blob", lastRow + 1);
  checkBeyond(inspector, findings);
  for (const [index, found] of entries) {
    if (found === null || found === rows) continue;
    findings.add({
      severity: "violation", code: "index_lookup", message: `the index ${index} has another number of entries than there are receipts`, at: index,
      expected: String(rows), found: String(found),
    });
  }
}

/** Anchors are looked up by whoever asks for the newest, or for one that covers a receipt: none may be of receipts that are not there. */
function checkBeyond(inspector: Inspector, findings: Findings): void {
  const before = newestOf(inspector) + 1;
  const rows = unlessCorrupt(() => inspector.anchors(before, ROWS), corruptIn(findings)("the table anchor")) ?? [];
  const size = newestOf(inspector) + 1; // the ledger may be growing
  for (const { treeSize } of rows) {
    if (treeSize <= size) continue;
    findings.add({
      severity: "violation", code: "anchor_row_mismatch", message: "the index has an anchor of receipts that are not there", at: "anchor.tree_size",
      expected: `at most ${size}`, found: String(treeSize),
    });
  }
}

/** The log_index of the newest receipt by now; where it cannot be read, none is too far ahead. */
function newestOf(inspector: Inspector): number {
  const extent = unlessCorrupt(() => inspector.extent(), () => undefined);
  return extent === undefined ? Number.MAX_SAFE_INTEGER : (extent.receipt?.[1] ?? -1);
}

/** The table `organization` and its indexes, against the first receipts and the numbers in the rows. */
export function checkOrganizations(inspector: Inspector, joined: Joiner, ends: ReadonlyMap<string, ChainEnd>, findings: Findings): void {
  const table = unlessCorrupt(() => inspector.organizations(), corruptIn(findings)("the table organization"));
  if (table === undefined) return;
  const wrong = (message: string, at: string, expected: string | number, found: string | number, organization?: string, logIndex?: number): void =>
    findings.add({ severity: "violation", code: "organization_mismatch", message, at, expected: String(expected), found: String(found), organization, logIndex });
  const rows = new Map(table.rows.map((row) => [row.org, row]));
  for (const { name, org, firstIndex } of joined.heads) {
    const row = rows.get(org);
    rows.delete(org);
    if (row === undefined) {
      wrong("the index has no row for the organization", "organization.org", org, "none", name, firstIndex);
      continue;
    }
    const prefix = ends.get(name)?.prefix ?? row.prefix;
    for (const [column, expected, found] of [["name", name, row.name], ["prefix", prefix, row.prefix], ["first_index", firstIndex, row.firstIndex]] as const) {
      if (expected !== found) wrong(`the index's ${column} is not that of the organization`, `organization.${column}`, expected, found, name, firstIndex);
    }
    for (const [column, found] of [["name", table.byName.get(row.name)], ["prefix", table.byPrefix.get(row.prefix)], ["first_index", table.byFirstIndex.get(row.firstIndex)]] as const) {
      if (found !== org) wrong(`the index over ${column} does not lead to the organization`, `organization.${column}`, org, found ?? "nothing", name, firstIndex);
    }
    checkNumbers(joined, name, org, findings);
  }
  const newest = newestOf(inspector);
  for (const row of rows.values()) {
    // what came after the audit began is not its business
    if (!(row.firstIndex >= joined.size && row.firstIndex <= newest)) wrong("the index has an organization without receipts", "organization.org", "none", row.org, row.name);
  }
  for (const index of [table.byName, table.byPrefix, table.byFirstIndex]) {
    if (index.size !== table.rows.length) wrong("an index over the organizations has another number of entries", "organization", table.rows.length, index.size);
  }
}

/** Of a part of a ledger: the rows' numbers against the table, which is not checked itself. */
export function checkNumbersByTable(inspector: Inspector, joined: Joiner, findings: Findings): void {
  const table = unlessCorrupt(() => inspector.organizations().rows, corruptIn(findings)("the table organization"));
  if (table === undefined) return;
  const orgs = new Map(table.map(({ name, org }) => [name, org]));
  for (const name of joined.numbers.keys()) checkNumbers(joined, name, orgs.get(name) ?? null, findings);
}

/** `org`: the number that the organization should have in every row; null for none. */
function checkNumbers(joined: Joiner, name: string, org: number | null, findings: Findings): void {
  for (const seen of joined.numbers.get(name) ?? []) {
    if (seen.org === org) continue;
    findings.add({
      severity: "violation", code: "index_mismatch", message: "the index's org is not that of the receipt", at: "receipt.org", logIndex: seen.logIndex,
      organization: name, expected: org === null ? "a number of the organization" : String(org), found: String(seen.org),
    });
  }
}

function corruptIn(findings: Findings): (what: string) => (message: string) => void {
  return (what) => (message) => findings.add({ severity: "violation", code: "ledger_corrupt", message: `${what} cannot be read: ${message}` });
}
