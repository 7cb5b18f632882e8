/** Which checkpoint keys a ledger went on with: its receipts say so, whatever was filed. */
import { afterEach, expect, test } from "vitest";
import { defaultConfig } from "../../src/config.ts";
import { checkpointPeriods, knownVkeys, signingKeyOf } from "../../src/daemon/checkpoint-key.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { checkpointVkeysAt, newestCheckpointRotation } from "../../src/ledger/keys-said.ts";
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
  expect([spans(keys), spans([...keys, spare])]).toEqual([expected, expected]);
  expect(read((reader) => knownVkeys(checkpointPeriods(reader, keys))).map(({ last }) => last)).toEqual([first, second, undefined]);
  const named = keys.map(({ vkey }) => vkey);
  expect(read((reader) => [1, first, between, second, second + 2].map((size) => checkpointVkeysAt(reader, size)))).toEqual([named.slice(0, 1), named.slice(0, 2), named.slice(1, 2), named.slice(1), named.slice(2)]);
});

test.each([
  ["without the newest key", [0, 1]],
  ["with the first alone", [0]],
  ["without one between", [0, 2]],
])("a keyring %s is an older one, also where nothing stands behind the rotation", (_, known) => {
  ledger = new TestLedger({ batches: [2] });
  ledger.rotateCheckpoint("second");
  ledger.rotate("key_v2"); // stands where a checkpoint_rotation would
  ledger.append(1);
  const last = ledger.rotateCheckpoint("third");
  const { checkpointKeys: keys } = ledger.keyring;
  const refused = (): unknown => {
    try {
      return spans(known.map((i) => keys[i]!));
    } catch (error) {
      return error;
    }
  };
  const expected = { code: "key_missing", message: expect.stringContaining(keys[2]!.vkey) as unknown, next: expect.stringContaining("newest backup of the keyring") as unknown };
  expect(refused()).toMatchObject(expected);
  for (let i = 0; i < 3; i++) ledger.anchor(); // of nothing
  ledger.append(1, () => ({ decision: { type: "checkpoint_rotation" } }));
  ledger.anchor();
  expect(refused()).toMatchObject(expected);
  ledger.close();
  expect(read((reader) => [0, last - 1, last].map((after) => newestCheckpointRotation(reader, after)?.treeSize ?? null))).toEqual([last, last, null]);
});

test("where the receipt is damaged the keyring is believed", () => {
  ledger = new TestLedger({ batches: [2] });
  const first = ledger.rotateCheckpoint("second");
  ledger.close();
  tamper(ledger.path, (db) => db.prepare("UPDATE blob SET bytes = ? WHERE log_index = ?").run(Buffer.from("{}"), first - 2));
  expect(spans(ledger.keyring.checkpointKeys)).toEqual([[0, 0, first], [1, first, null]]);
});

test("a ledger from before a rotation, beside the newest keyring: it is the ledger that is behind", () => {
  ledger = new TestLedger({ batches: [2] });
  ledger.rotateCheckpoint("second");
  const [first, { vkey, after }] = ledger.keyring.checkpointKeys as readonly [Keyring["checkpointKeys"][number], Keyring["checkpointKeys"][number]];
  const retired = { vkey, after: after! };
  ledger.close();
  const refused = (): unknown => {
    try {
      return signingKeyOf(defaultConfig(ledger.dir), read((reader) => checkpointPeriods(reader, [first, retired, { ...testKeyring("third").checkpointKeys[0]!, after: 99 }])));
    } catch (error) {
      return error;
    }
  };
  expect(refused()).toMatchObject({ code: "ledger_behind", message: expect.stringContaining(vkey) as unknown, next: expect.stringContaining("the newest copy of the ledger") as unknown });
});
