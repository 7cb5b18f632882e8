/** Attestations in the ledger: of its own past, of another one, of another ledger; a daemon takes only the first, and whoever has the host can write any. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Archive } from "../../src/anchor/archive.ts";
import { batchObject } from "../../src/anchor/objects.ts";
import type { AuditReport } from "../../src/audit/audit.ts";
import { formatStatement, type Statement } from "../../src/format/attestation.ts";
import { formatNote } from "../../src/format/note.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { kindOf } from "../../src/recover/kinds.ts";
import { LEDGER_ID, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";
import { auditOf } from "./support.ts";

const store = new VersionedTarget("s3");
let ledger: TestLedger;
/** Log indexes, by what each is. */
const at: Record<string, number> = {};
/** ms: behind all of them. */
let after: number;

const tree = (of: TestLedger, size: number): Statement["log"] => {
  const reader = new Reader(of.path, nodeHash.sha256);
  try {
    return { size, root: reader.rootAt(size) };
  } finally {
    reader.close();
  }
};
const note = (text: string): string => formatNote({ text, signatures: [{ name: "auditor.example.com", keyId: 1, signature: new Uint8Array(64) }] });
function attest(name: string, change: Partial<Statement> = {}): void {
  const time = formatTime(ledger.now);
  const statement = { origin: ORIGIN, ledgerId: LEDGER_ID, auditedAt: time, auditedBy: "receiptd", attestedAt: time, log: tree(ledger, 8), anchor: tree(ledger, 7), readFrom: 0, readAt: time, macsChecked: 8, macsNotChecked: 0, notChecked: [], ...change };
  at[name] = ledger.announce("attestation", { statement: note(formatStatement(statement)), cosigned: note("as it may be\n") });
}

beforeAll(async () => {
  ledger = new TestLedger({ batches: [5], tail: 2 });
  const other = new TestLedger({ batches: [3], tail: 9 }); // another past of the same ledger
  attest("right");
  attest("other log", { log: tree(other, 8) });
  attest("other anchor", { anchor: tree(other, 7) });
  attest("no anchor", { anchor: tree(ledger, 6) });
  attest("later", { log: { size: 5000, root: new Uint8Array(32) } });
  attest("other ledger", { ledgerId: "0".repeat(32) });
  at["unreadable"] = ledger.announce("attestation", { statement: "receiptd attestation/2", cosigned: "x" });
  other.remove();
  ledger.anchor();
  after = ledger.now + 500;
  ledger.append(3);
  ledger.anchor();
  await publish(ledger, store, { at: (published) => { store.now = published; } });
  const reader = new Reader(ledger.path, nodeHash.sha256);
  const archive = new Archive(reader, { folder: join(ledger.dir, "archive"), recipients: [] });
  for (const row of reader.anchors(0, 100)) for await (const { name, bytes } of archive.parts(row.firstIndex, batchObject(reader, row)!.bytes)) await store.put(name, bytes);
  reader.close();
  ledger.close();
});
afterAll(() => ledger.remove());

const audited = (more: Parameters<typeof auditOf>[2] = {}): Promise<AuditReport> => auditOf(ledger, [store], { keys: { starts: startsOf(ledger.keyring, null), requestSecret: ledger.keyring.requestSecret }, ...more });

test("each that is not of this log, before it, is a violation of its own; it is no damage, and whoever signed is not said to be known", async () => {
  const { exitCode, findings, notChecked } = await audited();
  const wrong = findings.filter(({ severity }) => severity === "violation");
  expect([exitCode, wrong.map(({ code, logIndex }) => [code, logIndex])]).toEqual([1, ["other log", "other anchor", "later", "other ledger"].map((name) => ["attestation_mismatch", at[name]])]);
  expect(wrong.map(kindOf)).toEqual([null, null, null, null]);
  expect(wrong[0]).toMatchObject({ organization: "_ledger", message: expect.stringMatching(/either no auditor made it, or one saw another past/) as unknown, expected: "the root of this log", found: expect.stringMatching(/^8 sha256:/) as unknown });
  expect(notChecked).toEqual(expect.arrayContaining([expect.stringContaining("who made the ledger's 6 attestations: no auditor's key was given"), expect.stringContaining("1 attestation in the ledger: this program cannot read")]));
});

test("with the ledger gone those that are archived are held against the anchors, and what these do not tell is said", async () => {
  const second = new VersionedTarget("other"); // with the same: each is told of once
  for (const name of store.names("")) second.store(name, store.only(name).bytes!, { lastModified: store.only(name).lastModified });
  for (const targets of [[store], [store, second]]) {
    const { exitCode, findings, notChecked, failedToCheck } = await auditOf(ledger, targets, { ledgerPath: null, keys: null });
    expect([exitCode, findings.filter(({ code }) => code === "attestation_mismatch").map(({ logIndex }) => logIndex)]).toEqual([1, ["other anchor", "later", "other ledger"].map((name) => at[name])]);
    expect(failedToCheck).toEqual([expect.stringContaining(`the anchor of 6 receipts that attestation ${at["no anchor"]} is of: no such anchor is there`)]);
    expect(notChecked).toEqual(expect.arrayContaining([expect.stringContaining("trees that archived attestations are of: with the ledger gone"), expect.stringContaining("who made the ledger's 6 attestations")]));
  }
});

test("of a part, those in it", async () => {
  expect((await audited({ range: { from: after } })).findings.filter(({ code }) => code === "attestation_mismatch")).toEqual([]);
});
