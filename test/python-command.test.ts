/** The verdict that test/python/verify.py gives as a command: docs/FORMAT.md sections 13.3 step 7 and 13.5, of which no vector speaks. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Builder, decision, KEY_ID, LEDGER_ID, LOG_KEY, ORIGIN, scenario, SEED } from "../scripts/vectors/ledger/build.ts";
import { hex } from "../scripts/vectors/ledger/primitives.ts";
import { goodTarget } from "./verify/support.ts";

const VERIFY = join(import.meta.dirname, "python/verify.py");
/** Seconds: the clock of whoever runs the tests may show any time. */
const YEARS = 40 * 365 * 86_400;
const KEYS = ["--seed", hex(SEED), "--key-id", KEY_ID];

let dir: string;
let count = 0;
const folder = (): string => join(dir, String(count++));
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-verify-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function ledgerOf(blobs: readonly Uint8Array[]): string {
  const path = `${folder()}.db`;
  const db = new Database(path);
  db.exec("CREATE TABLE blob (log_index INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
  blobs.forEach((blob, i) => db.prepare("INSERT INTO blob VALUES (?, ?)").run(i, blob));
  db.close();
  return path;
}

/** The objects of the good target, but for those that `without` is part of the name of. */
function targetOf(without: readonly string[]): string {
  const path = folder();
  mkdirSync(path);
  for (const { name, bytes } of goodTarget()) {
    if (without.some((part) => name.includes(part))) continue;
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), bytes);
  }
  return path;
}

function verdict(target: string, ledger: string | null, ...options: readonly string[]): { readonly status: number; readonly text: string } {
  const args = ["--origin", ORIGIN, "--ledger-id", LEDGER_ID, "--vkey", LOG_KEY.vkey, ...options, target, ...(ledger === null ? [] : [ledger])];
  try {
    return { status: 0, text: execFileSync("python3", ["-B", VERIFY, ...args], { encoding: "utf8", stdio: "pipe" }) };
  } catch (error) {
    const { status, stdout } = error as { readonly status: number; readonly stdout: string };
    return { status, text: stdout };
  }
}

const NOTHING = ["anchors", "batches"];
const NEWEST = ["anchors/00000000000000000013"];

describe("ok, found or could not check", { timeout: 60_000 }, () => {
  /** A ledger without an anchor receipt: then the target may be empty. */
  const young = (add: (b: Builder) => void): string => {
    const b = new Builder();
    b.genesis();
    b.add("acme", decision());
    add(b);
    return ledgerOf(b.blobs);
  };

  it("ok: ledger and target, with the key and without", () => {
    expect(verdict(targetOf([]), ledgerOf(scenario().blobs), ...KEYS)).toMatchObject({ status: 0, text: expect.stringContaining("not checked: nothing") });
    expect(verdict(targetOf([]), ledgerOf(scenario().blobs))).toMatchObject({ status: 0, text: expect.stringContaining("not checked: signature") });
    expect(verdict(targetOf([]), null).status).toBe(0);
  });

  it("ok: what a receipt says that format 1 does not check is said beside the verdict", () => {
    const ledger = young((b) => {
      b.add("_ledger", { type: "prune", details: { by: "auditor" } });
      b.add("acme", { type: "chain", steps: [1, 2], _sd: "x" });
    });
    expect(verdict(targetOf(NOTHING), ledger, ...KEYS)).toMatchObject({ status: 0, text: expect.stringContaining("not checked: _sd, details, steps") });
  });

  it("could not check: an unknown schema_version, whatever else the receipt has", () => {
    const b = new Builder({ 2: { before: (m) => {
      for (const name of ["type", "receipt_id", "receipt_number", "recorded_at"]) delete m[name];
      m["schema_version"] = 2;
    } } });
    b.genesis();
    b.add("acme", decision());
    b.add("acme", {});
    expect(verdict(targetOf(NOTHING), ledgerOf(b.blobs), ...KEYS)).toMatchObject({ status: 2, text: expect.stringContaining("could not check") });
  });

  it("could not check: another key was given than the receipts'", () => {
    expect(verdict(targetOf([]), ledgerOf(scenario().blobs), "--seed", hex(SEED), "--key-id", "key_v2").status).toBe(2);
  });

  it("could not check: the target does not answer", () => {
    expect(verdict(folder(), ledgerOf(scenario().blobs), ...KEYS).status).toBe(2);
  });

  it("found: a pending receipt that was changed, and only with its key", () => {
    const forged = scenario({ 13: { after: (r) => { r["decision"] = "deny"; } } });
    expect(verdict(targetOf([]), ledgerOf(forged.blobs), ...KEYS)).toMatchObject({ status: 1, text: expect.stringContaining("mac_mismatch at receipt 13") });
    expect(verdict(targetOf([]), ledgerOf(forged.blobs)).status).toBe(0);
  });
});

describe("13.3 step 7", { timeout: 60_000 }, () => {
  it("there is an anchor, unless the ledger is at hand and has no anchor receipt", () => {
    const blobs = scenario().blobs;
    for (const ledger of [null, ledgerOf(blobs)]) {
      expect(verdict(targetOf(NOTHING), ledger)).toMatchObject({ status: 1, text: expect.stringContaining("anchor_missing at target") });
    }
    expect(verdict(targetOf(NOTHING), ledgerOf(blobs.slice(0, 4)))).toMatchObject({ status: 0, text: expect.stringMatching(/^ok: 0 anchors/) });
  });

  it("the next anchor is not late, or there is none to come", () => {
    const target = targetOf(NEWEST);
    expect(JSON.parse(scenario().blobs[10]!.toString("utf8"))).toMatchObject({ details: { next_anchor_by: expect.stringMatching(/^2027-01-01T00:/) } });
    expect(verdict(target, null, `--grace=${YEARS}`)).toMatchObject({ status: 0 });
    expect(verdict(target, null, `--grace=-${YEARS}`)).toMatchObject({ status: 1, text: expect.stringContaining("anchor_late at target") });
    expect(verdict(targetOf([]), null, `--grace=-${YEARS}`)).toMatchObject({ status: 0, text: expect.stringContaining("next promised: None") });
  });
});
