/** `npm run demo` with fewer decisions, and the forger that it attacks with: were that a bad one, what is caught would prove little. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { anchorNames } from "../scripts/demo/attacks.ts";
import { keysOf, rewriteAnchors, rewriteLedger } from "../scripts/demo/forge.ts";
import { type Host, makeHost } from "../scripts/demo/hosts.ts";
import { Daemon, json, scorer } from "../scripts/demo/processes.ts";
import { hasS3 } from "./support/s3-server.ts";

const DEMO = fileURLToPath(new URL("../scripts/demo.ts", import.meta.url));

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "receiptd-test-")); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function demo(temporary: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, [DEMO, "--decisions", "100", ...args], { env: { ...process.env, TMPDIR: temporary, RECEIPTD_ACK: "nonsense" } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => { output += text; });
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

/** What each step says, in order, its outcome on the same line. */
const VERDICTS: readonly RegExp[] = [
  /^✓ The ledger demo\.example\/loans is created; the auditor pins its public key/,
  /^✓ The daemon takes receipts on a Unix socket$/,
  /^✓ The loan scorer made 100 decisions and acted on each when its receipt was acknowledged, not before → \d+ approved/,
  /^✓ \d anchors are published; the newest covers all 1\d\d receipts/,
  /^✓ The ledger is audited while the daemon runs → All 1\d\d receipts are as they were recorded/,
  /^✓ The auditor draws 50 decisions at random and has the model make them again → all as recorded$/,
  /^✓ 20 more decisions are acknowledged and not anchored yet: the tail$/,
  /^✓ The daemon is killed \(SIGKILL\): all 120 acknowledged receipts are in the ledger$/,
  /^✓ Without the daemon the loan scorer makes 5 more decisions and acts on none of them$/,
  /^✓ Untouched copy → All 1\d\d receipts are as they were recorded, .*; 20 of them are not anchored yet/,
  /^✓ Edited decision: (LOANS-\d{4}-\d{5}), DENY to APPROVE.* → caught: \w+ at \1: .*; changed after /,
  /^✓ Deleted receipt: LOANS-\d{4}-\d{5} \(log index (\d+)\) → caught: receipt_missing at log index \1: /,
  /^✓ Swapped order: log index \d+ and \d+ → caught: \w+ at LOANS-/,
  /^✓ Forged insertion: an approval before (LOANS-\d{4}-\d{5});.* → caught, by the anchors alone: log_root_mismatch at \1: /,
  /^✓ Replaced anchor: that of (\d+) receipts, by one with another root → caught: bad_note at anchors\/…\1-/,
  /^✓ Cut tail: back to \d+ receipts, .* → caught: ledger_behind at anchors\/….*; and a daemon started on it refuses receipts$/,
  /^! Un-anchored tail cut: 20 receipts are gone → NOT caught: .*they name 20 receipts that are not there$/,
  /^! Un-anchored tail rewritten with the live keys: LOANS-.* → NOT caught: .*[1-9]\d* of 20 receipt hashes are others now$/,
  /^✓ The daemon, started again, anchors the tail at once, and then stops in order$/,
  /^✓ The very same cut, after that → caught: ledger_behind at anchors\//,
  /^! Ledger and anchors both made anew and signed with the live keys: LOANS-.* → NOT caught: .*not WORM storage$/,
  /^✓ One earlier anchor, which the auditor had copied elsewhere, is put beside them → caught: fork at anchors\//,
  /^✓ The real ledger, at the end of the day → All 1\d\d receipts are as they were recorded/,
];

/** The lines with a mark, without their times, each with its outcome. */
function stepsIn(output: string): readonly string[] {
  const joined = output.replaceAll(/\n +→ /g, " → ");
  return [...joined.matchAll(/^ {2}([✓✗!]) +\d+\.\d s {2}(.*)$/gm)].map(([, mark, text]) => `${mark} ${text}`);
}

test("the demo does what it says, and leaves nothing behind", { timeout: 120_000 }, async () => {
  const { code, output } = await demo(folder);
  expect(stepsIn(output)).toEqual(VERDICTS.map((verdict) => expect.stringMatching(verdict)));
  expect(output).toMatch(/^✓ All 23 steps did what they should, in .*; 3 of them \(!\) show what an audit cannot notice\.$/m);
  expect(code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

/** What it says of the bucket and of the lost host. */
const BUCKET_VERDICTS: readonly RegExp[] = [
  /^✓ Anchor .*: its version deleted, its retention shortened, both past governance → refused: 403 AccessDenied, 403 AccessDenied$/,
  /^✓ Anchor .* hidden under a delete marker, .* → caught, and it counts all the same: delete_marker at anchors\//,
  /^✓ Anchor .* covered by a newer version with other bytes, .* → caught, and it counts all the same: name_mismatch at anchors\//,
  /^✓ The name of an anchor to come is taken in advance → caught, and it keeps nothing out: name_mismatch at anchors\/…9{15}-/,
  /^✓ The whole ledger made anew and signed with the live keys: (LOANS-\d{4}-\d{5}), DENY to APPROVE → caught: .*: log_root_mismatch at \1: .*; and a daemon started on it refuses receipts$/,
  /^✓ The ledger is deleted, and rebuilt from the bucket's archive with the keyring from its backup → all 120 acknowledged receipts are back\. All 1\d\d receipts are as they were recorded, as anchored at archive \(locked until at least \d{4}-/,
  /^✓ The daemon goes on with the restored ledger → RCP-\d{4}-00001 is acknowledged; All 1\d\d receipts are as they were recorded/,
  /^✓ The provider, whom no lock binds, destroys an anchor → (caught: anchor_missing at anchors\/|.*not shown, since this server is not ours$)/,
];

test.skipIf(!hasS3())("the demo on a real S3 server does what it says, and leaves nothing behind", { timeout: 180_000 }, async () => {
  const { code, output } = await demo(folder, "--s3");
  const steps = stepsIn(output);
  const inFolder = /Edited decision|Deleted receipt|Swapped order|Forged insertion|Replaced anchor|Un-anchored tail|anchors the tail|very same cut|Ledger and anchors both|One earlier anchor|end of the day/;
  const shared = VERDICTS.filter((verdict) => !inFolder.test(verdict.source));
  expect(steps[0]).toMatch(/^✓ The bucket receiptd-demo-[0-9a-f]+ is made, on /);
  expect(steps.slice(1)).toEqual([...shared, ...BUCKET_VERDICTS].map((verdict) => expect.stringMatching(verdict)));
  expect(code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

test("what cannot be done ends in exit code 1", async () => {
  const deep = join(folder, "a".repeat(100)); // no socket can have so long a path
  mkdirSync(deep);
  const { code, output } = await demo(deep);
  expect(output).toMatch(/^ {2}✗ .*socket\.path: .* at most 107/m);
  expect(output).toMatch(/^✗ Not everything did what it should: 1 failed/m);
  expect(code).toBe(1);
  expect(readdirSync(deep)).toEqual([]);
});

function tables(host: Host): object {
  const db = new Database(host.places.ledger, { readonly: true });
  try {
    const names = ["ledger", "organization", "receipt", "blob", "anchor", "tree"];
    return Object.fromEntries(names.map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()]));
  } finally {
    db.close();
  }
}

test("the forger makes the very same ledger and anchors where it changes nothing", async () => {
  const host = makeHost(join(folder, "host"), "demo.example/loans", 100);
  await json(host, "init");
  const daemon = await Daemon.serve(host);
  writeFileSync(join(folder, "pseudonyms.key"), new Uint8Array(32));
  await scorer(host, folder, 0, 350);
  await json(host, "anchor");
  await scorer(host, folder, 350, 10);
  await daemon.kill();
  const before = { tables: tables(host), anchors: anchorNames(host, keysOf(host)) };
  expect(before.anchors.size).toBe(5);

  const sizes = rewriteLedger(host, (_, sent) => [sent]);
  await rewriteAnchors(host, sizes);

  expect({ tables: tables(host), anchors: anchorNames(host, keysOf(host)) }).toEqual(before);
});
