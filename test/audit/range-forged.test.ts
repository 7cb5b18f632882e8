/** What whoever owns the host can do so that an audit of a part begins where it suits them: names exchanged, closed epochs written anew. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AuditReport } from "../../src/audit/audit.ts";
import { readRequest } from "../../src/format/request.ts";
import { formatTime } from "../../src/format/time.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import { Writer } from "../../src/ledger/writer.ts";
import { LEDGER_ID, START, TestLedger, testKeyring } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { auditOf, Copy } from "./support.ts";

const open: { remove(): void }[] = [];
afterAll(() => {
  for (const one of open) one.remove();
});

const codes = ({ findings }: AuditReport): readonly string[] => findings.filter(({ severity }) => severity === "violation").map(({ code }) => code);

describe("an organization's name, exchanged with one that has nothing in the range", () => {
  let ledger: TestLedger;
  let target: DirectoryTarget;

  /** `old` has receipts in the first batch only, `loans` in both; the second is receipts 6 to 9, and two more are pending. */
  beforeAll(async () => {
    ledger = new TestLedger();
    open.push(ledger);
    ledger.append(4, (n) => ({ organization: n < 2 ? "old" : "loans" }));
    ledger.anchor();
    ledger.append(3, () => ({ organization: "loans" }));
    ledger.anchor();
    target = await publishToDirectory(ledger, "outside");
    ledger.append(2, () => ({ organization: "loans" }));
    ledger.close();
  });

  const EXCHANGED = ["old TO tmp", "loans TO old", "tmp TO loans"].map((names) => names.split(" TO ")).map(([from, to]) => `UPDATE organization SET name = '${to}' WHERE name = '${from}';`).join(" ");

  it.each([
    ["edited", { from: START + 2500 }, "UPDATE blob SET bytes = CAST(replace(CAST(bytes AS TEXT), 'DENY', 'APPROVE') AS BLOB) WHERE log_index >= 6"],
    ["deleted", { from: START + 2500, to: START + 3500 }, "DELETE FROM blob WHERE log_index BETWEEN 6 AND 8"],
  ])("its receipts are %s", async (_, range, sql) => {
    const copy = new Copy(ledger).tamper((db) => db.exec(`${EXCHANGED} ${sql}`));
    open.push(copy);
    expect(await auditOf(ledger, [target], { range: { ...range, organization: "loans" } })).toMatchObject({ exitCode: 0, scope: { firstIndex: 6 } });
    const report = await auditOf(copy, [target], { range: { ...range, organization: "loans" } });
    expect([report.exitCode, codes(report)]).toEqual([1, ["ledger_corrupt"]]);
    expect(report.sentence).toContain("the first receipt of the organization loans is another");
  });

  it("its prefix", async () => {
    const copy = new Copy(ledger).tamper((db) => db.exec("UPDATE organization SET prefix = 'OTHER' WHERE name = 'loans'"));
    open.push(copy);
    expect(await auditOf(copy, [target], { range: { from: START + 2500, organization: "loans" } })).toMatchObject({ exitCode: 1 });
  });
});

/** Epochs 0 to 2 are anchored, of 3 receipts each; the host was taken over in this one. */
const TAKEN = 6;

describe("closed epochs written anew with the key of the open one", () => {
  /**
   * Behind the last anchor, batches of nothing whose MACs nobody can make right use up the epochs between; then what was recorded in them is
   * written again, as the open epoch, with the times that it had. All is published. Returns when the first of it was recorded.
   */
  async function forged(keyId: string): Promise<{ readonly ledger: TestLedger; readonly target: DirectoryTarget; readonly from: number }> {
    const ledger = new TestLedger({ batches: [3, 3, 3] });
    open.push(ledger);
    const target = await publishToDirectory(ledger, "outside");
    const { size } = ledger;
    ledger.close();
    const keyring = testKeyring();
    const [key] = keyring.hmacKeys;
    const keysOf = (epoch: number): EpochKeys => {
      const keys = new EpochKeys(keyring, epoch < TAKEN ? { keyId, epoch, key: new Uint8Array(32).fill(7) } : ratchetAt(LEDGER_ID, key!, epoch, null));
      let asked = 0;
      return Object.defineProperty(keys, "keyId", { get: () => (epoch < TAKEN && asked++ > 0 ? keyId : "key_v1") }); // the writer asks first, and refuses another
    };
    let { now } = ledger;
    const writer = Writer.open(ledger.path, {
      sha256: nodeHash.sha256, now: () => now, newId: () => crypto.randomUUID(), maxBatch: 5000, maxOrganizations: 100, prefixOf: () => undefined,
    });
    const close = (): void => {
      const next = new EpochKeys(keyring, writer.epoch + 1 < TAKEN ? { keyId: "key_v1", epoch: 0, key: new Uint8Array(32).fill(7) } : ratchetAt(LEDGER_ID, key!, writer.epoch + 1, null));
      writer.closeBatch(keysOf(writer.epoch), (facts) => ({ ...facts, epoch_commitment: next.commitment(), observed: [], next_anchor_by: formatTime(now + 1e9), reason: "heartbeat" }));
    };
    while (writer.epoch < TAKEN) {
      now += 1;
      close();
    }
    now += 1000;
    const from = now;
    for (let n = 0; n < 4; n++) {
      writer.commit([[readRequest({ system_id: "loan-scoring", organization: "org-1", decision: "FORGED", inputs: { n } }, "", () => crypto.randomUUID())]], keysOf(writer.epoch), "wal");
    }
    close();
    writer.close();
    await publish({ path: ledger.path, keyring }, target, { after: size, folder: ledger.targetPath("outside") });
    ledger.now = now;
    return { ledger, target, from };
  }

  it.each([["with the ledger's key_id", "key_v1"], ["with one that nobody knows", "key_v9"]])("%s: the audit begins where the MACs are not right", async (_, keyId) => {
    const { ledger, target, from } = await forged(keyId);
    const report = await auditOf(ledger, [target], { range: { from } });
    expect([report.exitCode, report.scope.firstIndex]).toEqual([1, 13]);
    expect(codes(report)).toContain(keyId === "key_v1" ? "mac_mismatch" : "key_mismatch");
    expect(codes(await auditOf(ledger, [target], { range: { from }, keys: null }))).toEqual(keyId === "key_v1" ? [] : ["key_mismatch", "key_mismatch"]);
  });
});

it("the ledger's own receipts of a key that was not given: not everything could be checked", async () => {
  const ledger = new TestLedger({ batches: [3] });
  open.push(ledger);
  ledger.append(2);
  ledger.rotate("key_v2");
  ledger.append(2);
  ledger.rotate("key_v3");
  const from = ledger.now + 1;
  ledger.append(2);
  ledger.anchor();
  ledger.close();
  const starts = startsOf(ledger.keyring, null);
  const audited = async (...without: readonly string[]): Promise<AuditReport> =>
    await auditOf(ledger, [], { range: { from }, keys: { starts: starts.filter(({ keyId }) => !without.includes(keyId)), requestSecret: null }, vkeys: [ledger.vkey] });
  expect(await audited()).toMatchObject({ exitCode: 0, macsChecked: { key_v3: 3 } });
  expect(await audited("key_v2")).toMatchObject({ exitCode: 2, failedToCheck: ["the MACs of 2 receipts, the ledger's own, by which the time range was found: the key key_v2 was not given"] });
  const sealed = await auditOf(ledger, [], { range: { from }, keys: { starts: starts.slice(2), sealed: ["key_v1", "key_v2"], requestSecret: null } });
  expect([sealed.exitCode, sealed.notChecked.filter((what) => what.includes("by which the time range was found"))]).toEqual([0, [expect.stringContaining("key_v1 is forward-secure"), expect.stringContaining("key_v2 is forward-secure")]]);
});

it("a seed of a key that is not in use takes nothing from the one that is", async () => {
  const ledger = new TestLedger({ batches: [3, 2100, 3, 2] });
  open.push(ledger);
  const [start] = startsOf(ledger.keyring, null);
  ledger.close();
  for (const epoch of [0, 1, 3]) {
    const keys = { starts: [start!, { keyId: "key_v2", epoch, key: new Uint8Array(32).fill(3) }], requestSecret: null };
    const report = await auditOf(ledger, [], { keys });
    expect([report.exitCode, report.macsChecked]).toEqual([0, { key_v1: 1 + 3 + 2100 + 3 + 2 + 4 }]);
  }
});
