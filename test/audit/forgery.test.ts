/**
 * Whoever has the host has the live keys: a past that is written anew from some receipt on, with every signature, link, root and
 * index in order. Only what is outside shows it.
 */
import { copyFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditReport, Finding } from "../../src/audit/audit.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { TestLedger } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy, receiptAt } from "./support.ts";

/** The same ledger each time, but for the fields of single receipts. */
function build(fields: (n: number) => { readonly [name: string]: Json } = () => ({}), batches: readonly number[] = [30, 30, 30]): TestLedger {
  const ledger = new TestLedger();
  for (const count of batches) {
    ledger.append(count, fields);
    ledger.anchor();
  }
  ledger.append(5, fields);
  return ledger;
}

let ledger: TestLedger;
let target: DirectoryTarget;

beforeAll(async () => {
  ledger = build();
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
});
afterAll(() => ledger.remove());

const violations = ({ findings }: AuditReport): readonly Finding[] => findings.filter(({ severity }) => severity === "violation");

async function forged(fake: TestLedger, check: (report: AuditReport) => void, options: Parameters<typeof auditOf>[2] = {}): Promise<void> {
  fake.close();
  try {
    check(await auditOf(fake, [target], { now: ledger.now, ...options }));
  } finally {
    fake.remove();
  }
}

describe("a past written anew with the live keys", () => {
  it("is perfect by itself", async () => {
    const fake = build((n) => (n === 40 ? { decision: "APPROVE", user_id: "friend" } : {}));
    fake.close();
    expect(await auditOf(fake, [], { now: ledger.now })).toMatchObject({ exitCode: 0, findings: [] });
    fake.remove();
  });

  it("is not what was anchored: the first receipt that differs is named", async () => {
    // genesis, 30 receipts, anchor: receipt n of the second batch has log_index n + 2
    await forged(build((n) => (n === 40 ? { user_id: "friend" } : {})), (report) => {
      const anchored = receiptAt(ledger, 42);
      expect(violations(report)).toMatchObject([{
        code: "log_root_mismatch", logIndex: 42, receiptNumber: anchored.receiptNumber, object: { target: "outside" },
        changedAfter: { treeSize: 63, target: "outside" },
      }]);
      expect(violations(report)[0]!.message).toContain("receipts 32 to 61");
      expect(report).toMatchObject({ exitCode: 1, consequences: { log_root_mismatch: 1 } });
    });
  });

  it("with a receipt put in between", async () => {
    const fake = new TestLedger();
    fake.append(30);
    fake.anchor();
    fake.append(10);
    fake.append(1, () => ({ organization: "org-7" }));
    fake.append(19);
    fake.anchor();
    await forged(fake, (report) => expect(violations(report)).toMatchObject([{ code: "log_root_mismatch", logIndex: 42, organization: "org-7" }, { code: "ledger_behind" }]));
  });

  it("with only an anchor receipt changed", async () => {
    const fake = new TestLedger();
    fake.append(30);
    fake.anchor("request");
    fake.append(30);
    fake.anchor();
    await forged(fake, (report) => expect(violations(report)).toMatchObject([{ code: "log_root_mismatch", logIndex: 31 }, { code: "ledger_behind" }]));
  });

  it("without the batch objects, the batch is named", async () => {
    const only = await publishToDirectory(ledger, "anchors-only");
    const { rmSync } = await import("node:fs");
    rmSync(`${ledger.targetPath("anchors-only")}/v1/${ledger.keyring.origin}/${ledger.keyring.ledgerId}/batches`, { recursive: true });
    const fake = build((n) => (n === 40 ? { user_id: "friend" } : {}));
    fake.close();
    const report = await auditOf(fake, [only], { now: ledger.now });
    expect(violations(report).find(({ code }) => code === "log_root_mismatch")).toMatchObject({ logIndex: 32, lastIndex: 62 });
    expect(violations(report).filter(({ code }) => code === "batch_missing")).toHaveLength(3);
    fake.remove();
  });

  it("a ledger restored from a backup is behind", async () => {
    const copy = new Copy(ledger);
    const old = build(undefined, [30]);
    old.close();
    copyFileSync(old.path, copy.path);
    const report = await auditOf(copy, [target], { now: ledger.now });
    expect(violations(report)).toMatchObject([{ code: "ledger_behind", expected: "63" }, { code: "ledger_behind", expected: "94" }]);
    old.remove();
    copy.remove();
  });

  it("signed and published beside the true one, it is a fork", async () => {
    const forkedTarget = await publishToDirectory(ledger, "forked");
    const fake = build((n) => (n === 70 ? { user_id: "friend" } : {}));
    await publish(fake, forkedTarget, { after: 63, folder: ledger.targetPath("forked") });
    fake.close();
    for (const [audited, options] of [[ledger, {}], [ledger, { ledgerPath: null }]] as const) {
      const report = await auditOf(audited, [forkedTarget], options);
      expect(violations(report)).toMatchObject([{ code: "fork", logIndex: 93, object: { target: "forked" } }]);
    }
    // the forger's own ledger does not hide it either
    expect(violations(await auditOf(fake, [forkedTarget], { now: ledger.now })).map(({ code }) => code)).toEqual(["fork"]);
    fake.remove();
  });
});

describe("a past changed without the keys", () => {
  it("two receipts swapped, rows and all", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(`
      UPDATE blob SET log_index = -1 WHERE log_index = 40; UPDATE blob SET log_index = 40 WHERE log_index = 43; UPDATE blob SET log_index = 43 WHERE log_index = -1;
      UPDATE receipt SET log_index = -1 WHERE log_index = 40; UPDATE receipt SET log_index = 40 WHERE log_index = 43; UPDATE receipt SET log_index = 43 WHERE log_index = -1;`));
    const report = await auditOf(copy, [target]);
    for (const at of [40, 43]) expect(violations(report).find(({ logIndex }) => logIndex === at)).toMatchObject({ code: "log_index_gap", changedAfter: { treeSize: 63 } });
    copy.remove();
  });

  it("two blobs swapped", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      "UPDATE blob SET log_index = -1 WHERE log_index = 40; UPDATE blob SET log_index = 40 WHERE log_index = 43; UPDATE blob SET log_index = 43 WHERE log_index = -1;"));
    const report = await auditOf(copy, [target]);
    expect(violations(report)).toMatchObject([40, 43].map((at) => ({ ...receiptAt(ledger, at), code: "log_index_gap", also: ["receipt_changed"] })));
    copy.remove();
  });

  it.each([["with keys", {}, "mac_mismatch"], ["without keys", { keys: null }, "receipt_changed"]] as const)(
    "a receipt and its hash in the index, %s", async (_, options, code) => {
      const copy = new Copy(ledger).tamper((db) => {
        db.function("sha256", (bytes) => hashOf(bytes as Buffer));
        db.exec(`UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index = 40;
          UPDATE receipt SET receipt_hash = sha256((SELECT bytes FROM blob WHERE log_index = 40)) WHERE log_index = 40;`);
      });
      const report = await auditOf(copy, [target], options);
      expect(violations(report).find(({ logIndex }) => logIndex === 40)).toMatchObject({ ...receiptAt(ledger, 40), code, changedAfter: { treeSize: 63 } });
      copy.remove();
    });

  it("one receipt does not hide another", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index IN (3, 40, 41, 42, 80, 96)"));
    expect(violations(await auditOf(copy, [target])).map(({ logIndex }) => logIndex)).toEqual([3, 40, 41, 42, 80, 96]);
    expect(violations(await auditOf(copy, [target], { keys: null })).map(({ logIndex }) => logIndex)).toEqual([3, 40, 41, 42, 80, 96]);
    copy.remove();
  });

  it("an anchor receipt taken out, index and all", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec("DELETE FROM blob WHERE log_index = 62; DELETE FROM receipt WHERE log_index = 62; DELETE FROM anchor WHERE tree_size = 63"));
    const report = await auditOf(copy, [target]);
    expect(violations(report)[0]).toMatchObject({ code: "receipt_missing", logIndex: 62, changedAfter: { treeSize: 94 } });
    expect(violations(report).map(({ code }) => code)).not.toContain("mac_mismatch");
    copy.remove();
  });

  it("the newest receipts cut off, anchors and all", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      "DELETE FROM blob WHERE log_index >= 63; DELETE FROM receipt WHERE log_index >= 63; DELETE FROM anchor WHERE tree_size > 63"));
    expect(await auditOf(copy)).toMatchObject({ exitCode: 0 }); // by itself nothing shows it
    expect(violations(await auditOf(copy, [target]))).toMatchObject([{ code: "ledger_behind", logIndex: 63 }]);
    copy.remove();
  });
});

function hashOf(bytes: Buffer): Buffer {
  return Buffer.from(nodeHash.sha256(bytes));
}
