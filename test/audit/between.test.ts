/** A ledger in which something is committed before each single statement of whoever checks it: what two statements say may be of two moments. */
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AuditReport } from "../../src/audit/audit.ts";
import { Pace } from "../../src/audit/pace.ts";
import { checkRound } from "../../src/audit/round.ts";
import { requestKey } from "../../src/format/mac.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { type IndexKey, Inspector, RECEIPT_INDEXES } from "../../src/ledger/inspect.ts";
import { LEDGER_ID, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { exported, judged } from "../export/support.ts";
import { auditOf } from "./support.ts";

type Method = (this: Database.Statement, ...values: unknown[]) => unknown;

const statement = Object.getPrototypeOf(new Database(":memory:").prepare("SELECT 1")) as Record<"get" | "all" | "iterate", Method>;
const { get, all, iterate } = statement;
let ledger: TestLedger;
let commits = 0;

beforeEach(() => {
  ledger = new TestLedger({ organizations: 4, batches: [40, 40], tail: 30 });
});
afterEach(() => {
  Object.assign(statement, { get, all, iterate });
  ledger.remove();
});

/** From now on: receipts of organizations that are there and of a new one, and a batch that is closed. */
function commitBeforeEach(): void {
  commits = 0;
  const before = (method: Method): Method => function (...values) {
    if (this.database.readonly) {
      ledger.append(5);
      ledger.append(1, () => ({ organization: `new-${++commits}` }));
      if (commits % 4 === 0) ledger.anchor();
    }
    return method.apply(this, values);
  };
  Object.assign(statement, { get: before(get), all: before(all), iterate: before(iterate) });
}

/** That the newest anchors are not at the target yet is so, and said. */
const wrong = ({ findings }: AuditReport) => findings.filter(({ severity }) => severity !== "note");

it("an audit finds nothing", async () => {
  const target = await publishToDirectory(ledger, "outside");
  commitBeforeEach();
  const report = await auditOf(ledger, [target]);
  expect(report.exitCode).toBe(0);
  expect(wrong(report)).toEqual([]);
  expect(commits).toBeGreaterThan(20);
});

it("an audit of an organization, and of a time, finds nothing", async () => {
  const target = await publishToDirectory(ledger, "outside");
  const { now } = ledger;
  commitBeforeEach();
  for (const range of [{ organization: "org-1" }, { from: now - 3000 }, { from: now - 3000, organization: "org-2" }]) {
    const report = await auditOf(ledger, [target], { range });
    expect(report.exitCode).toBe(0);
    expect(wrong(report)).toEqual([]);
  }
});

it("a round of the self-check finds nothing", async () => {
  const { size, logRoot: root } = ledger;
  commitBeforeEach();
  const found: unknown[] = [];
  const { requestSecret } = ledger.keyring;
  await checkRound({
    ledgerPath: ledger.path, ledger: { origin: ORIGIN, ledgerId: LEDGER_ID }, requestKey: requestKey(requestSecret, LEDGER_ID, nodeHash), size, root, starts: startsOf(ledger.keyring, null),
  }, new Pace(new Int32Array(new SharedArrayBuffer(8)), 1, () => undefined), { onFound: (finding) => found.push(finding), onProgress: () => undefined });
  expect(found).toEqual([]);
});

it.each<{ readonly organization?: string }>([{}, { organization: "org-1" }])("an export is whole: %o", async (asked) => {
  await publishToDirectory(ledger, "outside");
  commitBeforeEach();
  expect(judged(await exported(ledger, ledger.targetPath("outside"), asked), ledger.vkey)).toMatchObject({ receipts: asked.organization === undefined ? 83 : 20 });
  expect(commits).toBeGreaterThan(10);
});

it.each(RECEIPT_INDEXES)("pages of the index %s have all that was there", (index) => {
  const { size } = ledger;
  const inspector = new Inspector(ledger.path);
  commitBeforeEach();
  let entries = 0;
  for (let key: IndexKey | null = null, pages = 0; ; pages++) {
    const scan = inspector.scanIndex(index, key, size, 16 + 4 * pages); // pages that grow faster than what comes in between
    entries += scan.entries;
    expect(scan.strays).toEqual([]);
    if (scan.next === null) break;
    key = scan.next;
  }
  inspector.close();
  expect(entries).toBe(size);
});
