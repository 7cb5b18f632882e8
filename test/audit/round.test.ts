/** A round of the self-check by itself; the daemon's is in test/daemon/self-check.test.ts. */
import { truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Pace, Stopped } from "../../src/audit/pace.ts";
import type { OpenFinding } from "../../src/audit/report.ts";
import { checkRound, type RoundOptions } from "../../src/audit/round.ts";
import { requestKey } from "../../src/format/mac.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { startsOf } from "../../src/keys/seed.ts";
import type { Writer } from "../../src/ledger/writer.ts";
import { type Fixture, fixture } from "../support/fixture.ts";

let f: Fixture;
let writer: Writer;
beforeEach(() => {
  f = fixture();
  writer = f.open();
  for (let batch = 0; batch < 3; batch++) {
    writer.commit([[f.request(), f.request({ organization: "loans" })]], f.keys, "disk");
    if (batch < 2) f.close(writer);
  }
});
afterEach(() => {
  writer.close();
  f.remove();
});

const flag = (value = 0): Int32Array => new Int32Array(new SharedArrayBuffer(8)).fill(value);

async function round(options: Partial<RoundOptions> = {}, stop = flag(), onFirst = (): void => undefined) {
  const found: OpenFinding[] = [];
  const { origin, ledgerId, requestSecret } = f.keyring;
  const result = await checkRound({
    ledgerPath: f.path, ledger: { origin, ledgerId }, requestKey: requestKey(requestSecret, ledgerId, nodeHash), size: writer.size, root: writer.logRoot(), starts: startsOf(f.keyring, null), ...options,
  }, new Pace(stop, 1, onFirst), { onFound: (finding) => found.push(finding), onProgress: onFirst });
  return { ...result, codes: found.map(({ code }) => code) };
}

describe("a round", () => {
  test("finds nothing in what was written, with all MACs where the keys are kept, and also while more is written", async () => {
    const { size } = writer;
    expect(await round()).toEqual({ receipts: size, macsChecked: size, found: 0, end: size, codes: [] });
    expect(await round({ starts: [], requestKey: null })).toEqual({ receipts: size, macsChecked: 0, found: 0, end: size, codes: [] });
    const root = writer.logRoot();
    writer.commit([[f.request()]], f.keys, "disk");
    f.close(writer);
    expect(await round({ size, root })).toEqual({ receipts: size, macsChecked: size, found: 0, end: size + 2, codes: [] });
  });

  test("compares the file with what its writer has in memory", async () => {
    expect(await round({ root: new Uint8Array(32) })).toMatchObject({ codes: ["log_root_mismatch"] });
    expect((await round({ size: writer.size + 3, root: new Uint8Array(32) })).codes).toContain("receipt_missing");
    expect(await round({ ledger: { origin: f.keyring.origin, ledgerId: "0".repeat(32) } })).toMatchObject({ codes: expect.arrayContaining(["ledger_mismatch"]) as unknown });
  });

  test("a file that cannot be read, or is gone, is damage and no error", async () => {
    expect(await round({ ledgerPath: `${f.path}.gone` })).toEqual({ receipts: 0, macsChecked: 0, found: 1, end: null, codes: ["ledger_corrupt"] });
    writer.close();
    writeFileSync(f.path, "not a database, whatever its name is ".repeat(100));
    expect(await round({ size: 1, root: new Uint8Array(32) })).toMatchObject({ codes: ["ledger_corrupt"] });
    truncateSync(f.path, 0);
    expect(await round({ size: 1, root: new Uint8Array(32) })).toMatchObject({ codes: ["ledger_corrupt"] });
  });

  test("ends when it is told to", async () => {
    await expect(round({}, flag(1))).rejects.toBeInstanceOf(Stopped);
  });
});

describe("the pace", () => {
  test("a rest is as long as the work asks for, and ends when the thread is to end", () => {
    const stop = flag();
    const pace = new Pace(stop, 0.001, () => Atomics.store(stop, 0, 1)); // it would rest for seconds
    for (let i = 0; pace.due() < 5000; i++) nodeHash.sha256(Uint8Array.of(i)); // works, until it is due
    expect(() => pace.rest()).toThrow(Stopped);
    expect(new Pace(flag(), 1, () => undefined).due()).toBe(0);
  });
});
