/** The file of `--trust`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { pinsOf } from "../../src/cli/pins.ts";
import { testKeyring } from "../support/ledger.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-pins-"));
afterAll(() => rmSync(dir, { recursive: true }));
const { vkey } = testKeyring().checkpointKeys[0]!;

function trusting(text: string): ReturnType<typeof pinsOf> {
  const trust = join(dir, "trust");
  writeFileSync(trust, text);
  return pinsOf({ trust }, null);
}

test("comments begin a line, or stand behind what it says", () => {
  const since = Date.parse("2026-06-30T09:00:00Z");
  const plain = trusting(`${vkey}\nrevoked key_v1 2026-06-30T09:00:00Z\n`);
  expect([plain.vkeys, [...plain.revoked]]).toEqual([[vkey], [["key_v1", since]]]);
  expect(trusting(`# of loans\n  # indented\n\n${vkey} # mine, since 2026\r\nrevoked key_v1 2026-06-30T09:00:00Z\t# a backup # was stolen\n`)).toEqual(plain);
});

test("what is no comment is not passed over", () => {
  for (const [text, code] of [[`${vkey}#mine`, "bad_vkey"], [`${vkey} mine`, "bad_vkey"], [`${vkey}\nrevoked key_v1 # 2026-06-30`, "bad_usage"], [`# ${vkey}`, "bad_vkey"]] as const) {
    expect(() => trusting(text), text).toThrow(expect.objectContaining({ code }));
  }
});
