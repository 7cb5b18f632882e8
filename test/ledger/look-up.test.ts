import { afterEach, beforeEach, expect, test } from "vitest";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { lookUp, type Which } from "../../src/ledger/look-up.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { type Fixture, fixture } from "../support/fixture.ts";

const ID = "0190a000-0000-7000-8000-000000000001";

let f: Fixture;
let reader: Reader;
beforeEach(() => {
  f = fixture();
  const writer = f.open();
  writer.commit([[f.request()], [f.request({ receipt_id: ID, organization: "acme" })]], f.keys, "disk");
  f.clock.now = Date.parse("2027-01-01T00:00:00.000Z");
  writer.commit([[f.request({ organization: "acme" })]], f.keys, "disk");
  writer.close();
  reader = new Reader(f.path, nodeHash.sha256);
});
afterEach(() => {
  reader.close();
  f.remove();
});

const number = (prefix: string, year: string, orgSeq: number): Which => ({ by: "number", number: { prefix, year, orgSeq } });

test.each<readonly [Which, number | null]>([
  [{ by: "id", receiptId: ID }, 2],
  [{ by: "id", receiptId: ID.replace("1", "2") }, null],
  [{ by: "index", logIndex: 2 }, 2],
  [{ by: "index", logIndex: 4 }, null],
  [{ by: "org_seq", organization: "acme", orgSeq: 2 }, 3],
  [{ by: "org_seq", organization: "acme", orgSeq: 3 }, null],
  [number("ACME", "2026", 1), 2],
  [number("ACME", "2027", 2), 3],
  [number("RCP", "2026", 1), 1],
  [number("ACME", "2027", 1), null], // the year is part of the number
  [number("ACME", "2026", 2), null],
  [number("ACMEX", "2026", 1), null],
])("%j", (which, logIndex) => {
  expect(lookUp(reader, which)?.logIndex ?? null).toBe(logIndex);
});
