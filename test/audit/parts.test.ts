/** Parts of the audit that a whole one reaches seldom. */
import { describe, expect, it } from "vitest";
import { OpenBatch } from "../../src/audit/batch.ts";
import { auditHash } from "../../src/audit/hash.ts";
import { ProgressMeter } from "../../src/audit/progress.ts";
import { Findings } from "../../src/audit/report.ts";
import { requestMac } from "../../src/audit/request-mac.ts";
import { decide, Suspect } from "../../src/audit/suspects.ts";
import { fromUtf8, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { entryOf } from "../../src/format/entries.ts";
import { leafHash, rootOf } from "../../src/format/merkle.ts";
import type { Receipt } from "../../src/format/receipt.ts";
import { readRequest } from "../../src/format/request.ts";
import { sealTexts, unsignedLength, writeUnsigned } from "../../src/format/seal.ts";
import type { Json } from "../../src/format/strict-json.ts";

const { sha256, hmac } = auditHash;
const KEY = new Uint8Array(32).fill(7);

describe("request_mac", () => {
  const request = (fields: { readonly [name: string]: Json }): string =>
    fromUtf8(readRequest({ system_id: "s", decision: 1, inputs: {}, ...fields }, "", () => "00000000-0000-7000-8000-000000000000").json);

  it.each([
    ["a plain receipt", {}],
    ["umlauts before and after", { inputs: { "ä": "öü€😀" }, user_id: "Ünal" }],
    ["the daemon's names in what the caller sent", { inputs: { key_epoch: 3, log_index: 7, signature: "x" }, chain_id: "\"key_epoch\":0," }],
    ["the very member of the daemon's", { inputs: { key_epoch: 2, ledger: "test.example/receipts" }, metadata: { schema_version: 1 } }],
    ["names that sort last", { x_zzz: 1, metadata: { zzz: 1 } }],
  ] as const)("%s", (_, fields) => {
    const text = request(fields);
    const accepted = readRequest(JSON.parse(text) as Json, "", () => "");
    const texts = sealTexts({
      ledger: "test.example/receipts", prefix: "RCP", orgSeq: 5, logIndex: 9, recordedAt: "2026-06-01T10:00:00.000Z", keyId: "key_v1", keyEpoch: 2, previousReceiptHash: `sha256:${"0".repeat(64)}`,
    });
    const unsigned = new Uint8Array(unsignedLength(accepted, texts));
    const { signatureAt } = writeUnsigned(accepted, texts, unsigned, 0);
    const blob = `${fromUtf8(unsigned.subarray(0, signatureAt))}"signature":"hmac-sha256:${"1".repeat(64)}",${fromUtf8(unsigned.subarray(signatureAt))}`;
    const expected = hmac(KEY, utf8(text));
    for (const stored of [expected, new Uint8Array(32), null]) {
      expect(requestMac(utf8(blob), JSON.parse(blob) as Receipt, KEY, stored, auditHash)).toEqual(expected);
    }
    expect(canonicalize(JSON.parse(blob) as Json)).toBe(blob);
  });
});

describe("deciding what was in a place", () => {
  const hash = (n: number): Uint8Array => sha256(Uint8Array.of(n));
  const leaf = (n: number): Uint8Array => leafHash(entryOf(hash(n)), sha256);
  const suspect = (logIndex: number, ...candidates: readonly number[]): Suspect => {
    const made = new Suspect({ logIndex, identity: {}, blobHash: hash(candidates[0]!), row: null, hash: hash(candidates[0]!), problems: [] });
    for (const one of candidates) made.addCandidate(hash(one));
    return made;
  };

  it("finds the one combination that has the root", () => {
    const truth = [0, 1, 2, 3, 4, 5, 6];
    const suspects = [suspect(11, 91, 92, 1), suspect(12, 2, 93), suspect(15, 94, 5)];
    const leaves = [0, 91, 2, 3, 4, 94, 6].map(leaf);
    expect(decide(suspects, 10, leaves, rootOf(truth.map(leaf)), sha256)).toEqual([hash(1), hash(2), hash(5)]);
  });

  it("gives up where there is none", () => {
    expect(decide([suspect(10, 90, 91)], 10, [90, 1].map(leaf), rootOf([0, 1].map(leaf)), sha256)).toBeNull();
    expect(decide([], 10, [90, 1].map(leaf), rootOf([0, 1].map(leaf)), sha256)).toBeNull();
  });

  it("gives up where there are too many", () => {
    const suspects = Array.from({ length: 40 }, (_, i) => suspect(i, 100 + i, 200 + (i % 50)));
    expect(decide(suspects, 0, suspects.map((_, i) => leaf(100 + i)), hash(0), sha256)).toBeNull();
  });
});

it("a batch that is given up goes on with its organizations' heads, and proves nothing", () => {
  const hash = (n: number): Uint8Array => sha256(Uint8Array.of(n));
  const batch = new OpenBatch(10, sha256);
  batch.add(10, hash(1), null, false);
  batch.move("a", 1, hash(1), 10);
  batch.add(11, hash(2), null, false);
  batch.move("b", 1, hash(2), 11);
  const rest = batch.rest(12);
  rest.add(12, hash(3), null, false);
  rest.move("b", 2, hash(3), 12);
  expect(rest.heads()).toEqual([{ organization: "a", orgSeq: 1, hash: hash(1) }, { organization: "b", orgSeq: 2, hash: hash(3) }]);
  expect([rest.newest("a"), rest.newest("b")]).toEqual([null, 12]);
  expect(rest.settle(null, new Findings()).isTainted).toBe(true);
  expect(batch.settle(null, new Findings()).isTainted).toBe(false);
  expect(batch.isOverfull).toBe(false);
  for (let n = 0; n < 65_536; n++) rest.add(13 + n, hash(3), null, false);
  expect(rest.isOverfull).toBe(true);
});

describe("findings", () => {
  const finding = (code: "fork" | "batch_missing" | "stopped", severity: "violation" | "note" = "violation") => ({ severity, code, message: "m" }) as const;

  it("are kept up to a limit and all counted, also across threads", () => {
    const worker = new Findings();
    for (let i = 0; i < 5000; i++) worker.add(finding("fork"));
    for (let i = 0; i < 3; i++) worker.add(finding("batch_missing"));
    worker.add(finding("stopped", "note"));
    worker.addConsequence("link_mismatch", 4);
    const main = new Findings();
    main.add(finding("fork"));
    main.addAll(structuredClone(worker.data));
    expect(main.counts).toEqual({ fork: 5001, batch_missing: 3, stopped: 1 });
    expect(main.kept).toHaveLength(200 + 3 + 1);
    expect(main.wrong).toBe(5004);
    expect(main.consequences).toEqual({ link_mismatch: 4 });
  });
});

it("progress: rate and time left, a few times a second", () => {
  let now = 0;
  const seen: unknown[] = [];
  const meter = new ProgressMeter((progress) => void seen.push(progress), () => now);
  meter.begin("receipts", 1000);
  for (let i = 0; i < 10; i++) {
    now += 50;
    meter.add(25);
  }
  now += 50;
  meter.add(750);
  expect(seen).toMatchObject([
    { done: 0, secondsLeft: null }, { done: 100, perSecond: 500, secondsLeft: 1.8 }, { done: 200, secondsLeft: 1.6 }, { done: 1000, secondsLeft: 0 },
  ]);
});
