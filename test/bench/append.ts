/**
 * receiptd as a library: receipts, as values, into a ledger in this process, one a commit, acknowledged `wal`. Reads `{folder, count}`
 * as JSON from the argument, the folder being one that `receiptd init` has made, and prints the measured times as JSON.
 */
import { join } from "node:path";
import { loadConfig } from "../../src/config.ts";
import { openKeys, writerOptions } from "../../src/daemon/init.ts";
import { newId } from "../../src/keys/new-id.ts";
import { placesOf } from "../../src/daemon/places.ts";
import { readRequest } from "../../src/format/request.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { EpochKeys, ratchetAt } from "../../src/keys/epoch-keys.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";
import { Writer } from "../../src/ledger/writer.ts";
import { receiptTexts } from "./receipts.ts";
import { summary } from "./summary.ts";

export interface AppendTask {
  readonly folder: string;
  readonly count: number;
}

/** Receipts before the measured ones. */
const WARM_UP = 2000;

const { folder, count } = JSON.parse(process.argv[2]!) as AppendTask;
process.chdir(folder);
const config = loadConfig({ path: join(folder, "receiptd.yaml"), env: {} });
const places = placesOf(config);
const { root, keyring } = await openKeys(config);
const writer = Writer.open(places.ledger, writerOptions(config));
const ratchet = new RatchetFile(places.ratchet, root, keyring.ledgerId);
const keys = new EpochKeys(keyring, ratchetAt(keyring.ledgerId, keyring.hmacKeys.at(-1)!, writer.epoch, ratchet.load()));
const receipts = receiptTexts(512).map((text) => JSON.parse(text) as Json);

const times: number[] = [];
for (let i = 0; i < WARM_UP + count; i++) {
  const began = performance.now();
  const [outcome] = writer.commit([[readRequest(receipts[i % receipts.length]!, "", newId)]], keys, "wal");
  const time = performance.now() - began;
  if (outcome?.ok !== true) throw new Error("a receipt was not stored");
  if (i >= WARM_UP) times.push(time);
}
writer.close();
await ratchet.close();
process.stdout.write(`${JSON.stringify(summary(times))}\n`);
