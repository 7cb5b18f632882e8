/** The audit as a whole: parts of a ledger, a ledger that is being written to, several threads, what is not checked. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import { audit, type AuditOptions, type Progress } from "../../src/audit/audit.ts";
import { formatReport } from "../../src/audit/text.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { START, TestLedger } from "../support/ledger.ts";
import { publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy, optionsFor, receiptAt } from "./support.ts";

/** What receipts say is not what is audited here. */
const small = (): { readonly [name: string]: Json } => ({ inputs: {}, gates: [{ name: "kyc", status: "PASS" }], reasons: [] });

let ledger: TestLedger;
let target: DirectoryTarget;

beforeAll(async () => {
  ledger = new TestLedger({ organizations: 4 });
  for (let batch = 0; batch < 4; batch++) {
    ledger.append(300, small);
    ledger.anchor();
  }
  ledger.append(50, small);
  target = await publishToDirectory(ledger, "outside");
  ledger.close();
});
afterAll(() => ledger.remove());

/** Sizes: 302, 603, 904, 1205; a batch takes two seconds of the ledger's clock. */
const BATCH = { from: START + 3000, to: START + 4000 };

describe("a part of a ledger", () => {
  it("whole batches of a time range", async () => {
    const report = await auditOf(ledger, [target], { range: BATCH });
    expect(report).toMatchObject({ exitCode: 0, findings: [], scope: { firstIndex: 302, endIndex: 603 }, counts: { receipts: 301, batches: 1, anchors: 1 } });
    expect(report.notChecked.join("\n")).toContain("receipts outside of 302 to 602");
  });

  it.each([
    [{ from: START + 3000 }, 302, 1255], [{ to: START + 3500 }, 0, 603], [{ from: START + 9000 }, 904, 1255],
    [{ from: START - 1e9, to: START + 1e9 }, 0, 1255],
  ])("%o", async (range, firstIndex, endIndex) => {
    expect(await auditOf(ledger, [target], { range })).toMatchObject({ exitCode: 0, findings: [], scope: { firstIndex, endIndex } });
  });

  it("nothing in the range", async () => {
    const report = await auditOf(ledger, [target], { range: { from: START + 1e9 } });
    expect(report.notChecked.join("\n")).toContain("nothing was recorded in the time range");
    expect(report).toMatchObject({ exitCode: 0, findings: [], scope: { firstIndex: 904, endIndex: 1255 }, counts: { anchors: 1 } });
    expect(report.sentence).toMatch(/^Nothing was recorded in the time range, says the ledger alone/);
  });

  it("finds what is in it, and not what is outside", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index IN (100, 400)"));
    const report = await auditOf(copy, [target], { range: BATCH });
    expect(report.findings).toMatchObject([{ ...receiptAt(ledger, 400), code: "mac_mismatch", changedAfter: { treeSize: 603 } }]);
    copy.remove();
  });

  it("an index before it that was changed shows in the roots", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec("UPDATE receipt SET receipt_hash = zeroblob(32) WHERE log_index = 290"));
    const report = await auditOf(copy, [target], { range: BATCH });
    expect(report.exitCode).toBe(1);
    copy.remove();
  });

  it("one organization", async () => {
    const report = await auditOf(ledger, [target], { range: { organization: "org-1" } });
    // 1250 receipts in turn to 4 organizations, and genesis and 4 anchors
    expect(report).toMatchObject({ exitCode: 0, findings: [], counts: { receipts: 313 + 5 } });
    expect(report.notChecked.join("\n")).toContain("other organizations than org-1");
  });

  it("an organization that is not there", async () => {
    expect(await auditOf(ledger, [target], { range: { organization: "org-9" } })).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringContaining("org-9")] });
  });

  it("one organization: its receipts are looked at, others only as hashes", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index IN (SELECT log_index FROM receipt WHERE org IN (3, 4) AND org_seq = 150)`));
    const report = await auditOf(copy, [target], { range: { organization: "org-1" } });
    expect(report.findings).toMatchObject([{ organization: "org-1", code: "mac_mismatch", changedAfter: { target: "outside" } }]);
    copy.remove();
  });
});

describe("a ledger that is being written to", () => {
  it("is audited as far as it went when the audit began, again and again", async () => {
    const live = new TestLedger({ batches: [50], tail: 10 });
    const folder = await publishToDirectory(live, "outside");
    try {
      for (let round = 0; round < 5; round++) {
        const size = live.size;
        let hasGrown = false;
        const report = await audit(optionsFor(live, [folder]), {
          onProgress: () => {
            if (hasGrown) return;
            hasGrown = true;
            live.append(30);
            live.append(1, () => ({ organization: `new-${round}` }));
            live.anchor();
            live.append(300);
          },
        });
        expect(report).toMatchObject({ exitCode: 0, counts: { receipts: size } });
        await publishToDirectory(live, "outside");
      }
    } finally {
      live.remove();
    }
  });

  it("leaves the write-ahead log free to be reset", async () => {
    const live = new TestLedger();
    live.append(2500, small);
    live.anchor();
    let checkpoints = 0;
    const report = await audit(optionsFor(live), {
      onProgress: ({ phase }) => {
        if (phase !== "receipts") return;
        checkpoints++;
        expect(live.checkpoint()).toEqual({ busy: 0 });
      },
    });
    expect(report.exitCode).toBe(0);
    expect(checkpoints).toBeGreaterThan(1);
    live.remove();
  });
});

describe("threads", () => {
  it("give the same report as none", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec(
      `UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'kyc', 'kyd') AS BLOB) WHERE log_index IN (290, 310, 700, 1230);
       UPDATE anchor SET root = zeroblob(32) WHERE tree_size = 904; DELETE FROM receipt WHERE log_index = 1000`));
    const [alone, together] = [await auditOf(copy, [target], { workers: 0 }), await auditOf(copy, [target], { workers: 2 })];
    const { elapsedMs: _, receiptsPerSecond: __, ...rest } = alone;
    expect(together).toMatchObject(rest);
    expect(alone.findings.map(({ logIndex }) => logIndex)).toEqual(expect.arrayContaining([290, 310, 700, 903, 1000, 1230]));
    copy.remove();
  });

  it("can be stopped", async () => {
    for (const workers of [0, 2]) {
      const stop = new AbortController();
      await expect(audit({ ...optionsFor(ledger), workers }, { signal: stop.signal, onProgress: ({ phase }) => void (phase === "receipts" && stop.abort()) })).rejects.toThrow(/stopped|aborted/);
    }
  });
});

describe("what is not checked", () => {
  it("without keys: MACs, and the receipts that are not anchored", async () => {
    const { notChecked, exitCode, macsChecked } = await auditOf(ledger, [target], { keys: null });
    expect(exitCode).toBe(0);
    expect(macsChecked).toEqual({});
    for (const words of ["no HMAC key was given", "the 50 receipts that are under no anchor at a target: without a key", "request_mac"]) expect(notChecked.join("\n")).toContain(words);
  });

  it("with the keys of the same host, and no target", async () => {
    const { notChecked } = await auditOf(ledger, [], { areVkeysPinned: false });
    for (const words of ["no target was given", "pin them outside of it"]) expect(notChecked.join("\n")).toContain(words);
  });

  it("with a key that is not the one that signed: once for each epoch", async () => {
    const options = optionsFor(ledger, [target]);
    const report = await audit({ ...options, keys: { starts: [{ keyId: "key_v1", epoch: 0, key: new Uint8Array(32) }], requestSecret: null } });
    expect(report).toMatchObject({ exitCode: 1, findingCounts: { commitment_mismatch: 5 }, consequences: { mac_mismatch: 1255 } });
    expect(report.findings.every(({ changedAfter }) => changedAfter === undefined)).toBe(true); // it is as it was anchored
  });

  it("with keys, but not the one: could not check", async () => {
    const options = optionsFor(ledger, [target]);
    const report = await audit({ ...options, keys: { starts: [{ keyId: "other", epoch: 0, key: new Uint8Array(32) }], requestSecret: null } });
    expect(report).toMatchObject({ exitCode: 2, verdict: "not_checked", failedToCheck: [expect.stringContaining("1,255 receipts: the key key_v1")] });
  });

  it("a ledger that is not there: its targets are, and the answer is: could not check", async () => {
    const report = await auditOf(ledger, [target], { ledgerPath: `${ledger.path}.gone` });
    expect(report).toMatchObject({ exitCode: 2, failedToCheck: [expect.stringContaining("the ledger")], counts: { targets: [{ anchors: 4 }] } });
  });

  it("a file that is no ledger", async () => {
    const copy = new Copy(ledger).untouched((db) => db.pragma("application_id = 7"));
    expect(await auditOf(copy, [target])).toMatchObject({ exitCode: 1, findings: [{ code: "not_a_ledger" }] });
    copy.remove();
  });
});

describe("the report", () => {
  it("begins with the verdict and is printable whatever the receipts say", async () => {
    const odd = new TestLedger();
    odd.append(2);
    odd.close();
    const copy = new Copy(odd).tamper((db) => db.exec("UPDATE organization SET name = 'x' || char(27) || '[31m' || char(8238) WHERE org = 3"));
    const text = formatReport(await auditOf(copy));
    expect(text.split("\n")[0]).toMatch(/^Something is wrong: /);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    copy.remove();
    odd.remove();
  });

  it("has no plural of one, and says what is not anchored", async () => {
    const young = new TestLedger();
    const sentences: string[] = [];
    const look = async (options: Partial<AuditOptions> = {}): Promise<void> => {
      young.close();
      const at = await publishToDirectory(young, "outside");
      const report = await auditOf(young, [at], options);
      young.reopen();
      expect(report.exitCode).toBe(0);
      expect(formatReport(report)).not.toMatch(/\b1 (receipts|organizations|anchors|batches)\b|\b(anchors|receipts) is\b/);
      sentences.push(report.sentence);
    };
    await look();
    young.append(1);
    await look();
    young.anchor();
    young.append(1);
    await look();
    young.append(3);
    await look();
    await look({ range: { organization: "org-0" } });
    await look({ ledgerPath: null });
    young.remove();
    expect(sentences).toEqual([
      "The 1 receipt is as it was recorded; it is not anchored yet.",
      "All 2 receipts are as they were recorded; none of the 2 is anchored yet.",
      "All 4 receipts are as they were recorded, as anchored at outside; 1 of them is not anchored yet.",
      "All 7 receipts are as they were recorded, as anchored at outside; 4 of them are not anchored yet.",
      "All 4 receipts are as they were recorded, as anchored at outside; 4 receipts of the ledger are not anchored yet.",
      "The 1 anchor and its batch are whole, as anchored at outside.",
    ]);
  });

  it("says how far it is and how long it takes", async () => {
    const seen: Progress[] = [];
    await audit(optionsFor(ledger, [target]), { onProgress: (progress) => void seen.push(progress) });
    expect(seen.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["indexes", "receipts", "targets"]));
    const receipts = seen.filter(({ phase }) => phase === "receipts");
    expect(receipts.at(-1)).toMatchObject({ done: 1255, total: 1255, secondsLeft: 0 });
    for (let i = 1; i < receipts.length; i++) expect(receipts[i]!.done).toBeGreaterThanOrEqual(receipts[i - 1]!.done);
  });

  it("keeps few of many findings, and counts all", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec("DELETE FROM blob WHERE log_index % 2 = 1"));
    const report = await auditOf(copy, [target]);
    expect(report.findingCounts["blob_missing"]).toBe(627);
    expect(report.findings.filter(({ code }) => code === "blob_missing")).toHaveLength(200);
    expect(formatReport(report).split("\n").length).toBeLessThan(300);
    copy.remove();
  });
});
