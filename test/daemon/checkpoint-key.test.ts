/** Which checkpoint keys a ledger went on with: its receipts say so, whatever was filed. */
import { afterEach, expect, test } from "vitest";
import { checkpointPeriods, knownVkeys } from "../../src/daemon/checkpoint-key.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { checkpointVkeysAt } from "../../src/ledger/keys-said.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { tamper } from "../audit/support.ts";
import { TestLedger, testKeyring } from "../support/ledger.ts";

let ledger: TestLedger;
afterEach(() => ledger.remove());

function read<T>(look: (reader: Reader) => T): T {
  const reader = new Reader(ledger.path, nodeHash.sha256);
  try {
    return look(reader);
  } finally {
    reader.close();
  }
}

const spans = (keys: Keyring["checkpointKeys"]): readonly unknown[] => read((reader) => checkpointPeriods(reader, keys).map(({ key, first, last }) => [keys.indexOf(key), first, last]));

test("each from the anchor behind its receipt to that of the next; a key that was filed and never used is none", () => {
  ledger = new TestLedger({ batches: [2] });
  const first = ledger.rotateCheckpoint("second");
  ledger.append(3);
  const between = ledger.anchor();
  const second = ledger.rotateCheckpoint("third");
  const { checkpointKeys: keys } = ledger.keyring;
  const spare = { ...testKeyring("spare").checkpointKeys[0]!, after: second };
  ledger.append(1);
  ledger.anchor();
  ledger.close();
  const expected = [[0, 0, first], [1, first, second], [2, second, null]];
  expect([spans(keys), spans([...keys, spare]), spans(keys.slice(0, 1)), spans([keys[0]!, { ...spare, after: 4 }])]).toEqual([expected, expected, [[0, 0, null]], [[0, 0, null]]]);
  expect(read((reader) => knownVkeys(checkpointPeriods(reader, keys))).map(({ last }) => last)).toEqual([first, second, undefined]);
  const named = keys.map(({ vkey }) => vkey);
  expect(read((reader) => [1, first, between, second, second + 2].map((size) => checkpointVkeysAt(reader, size)))).toEqual([named.slice(0, 1), named.slice(0, 2), named.slice(1, 2), named.slice(1), named.slice(2)]);
});

test("where the receipt is damaged the keyring is believed", () => {
  ledger = new TestLedger({ batches: [2] });
  const first = ledger.rotateCheckpoint("second");
  ledger.close();
  tamper(ledger.path, (db) => db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from("{}"), first - 2));
  expect(spans(ledger.keyring.checkpointKeys)).toEqual([[0, 0, first], [1, first, null]]);
});
