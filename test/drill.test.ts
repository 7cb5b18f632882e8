/** `npm run drill` in its short form: each attack is caught as this file says, by hand, and not otherwise; docs/THREATS.md has a row for each; and without a defence it fails. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Choices } from "../scripts/drill/choices.ts";
import { hasS3 } from "./support/s3-server.ts";

const ROOT = join(import.meta.dirname, "..");

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "receiptd-test-")); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Printed {
  readonly is_as_it_should: boolean;
  readonly seed_number: number;
  readonly figures: { readonly tried: number; readonly caught: number; readonly limits: number; readonly unnoticed: number; readonly not_shown: number; readonly audit_processes: number };
  readonly attacks: readonly { readonly id: string; readonly code: string | null; readonly says: string; readonly not_noticed_without: readonly string[]; readonly is_caught: boolean }[];
  readonly limits: readonly { readonly id: string; readonly is_unnoticed: boolean; readonly problem: string | null }[];
  readonly not_shown: readonly { readonly ids: readonly string[]; readonly why: string }[];
}

async function drill(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, [join(ROOT, "scripts/drill.ts"), ...args], { env: { ...process.env, TMPDIR: folder, RECEIPTD_ACK: "nonsense" } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => { output += text; });
  const [code] = (await once(child, "close")) as [number];
  return { code, output };
}

async function table(...args: readonly string[]): Promise<Printed & { readonly code: number }> {
  const { code, output } = await drill("--json", ...args);
  return { ...(JSON.parse(output) as Printed), code };
}

const UNCHECKED = "(the audit says that it could not check)";

/** By the attack: the code by which it is caught, and without what it is not. */
const CAUGHT: readonly (readonly [id: string, code: string, without?: string])[] = [
  ["smuggled", "reserved_type"],
  ["same-id", "conflict"],
  ["malformed", "duplicate_name"],
  ["edited", "mac_mismatch"],
  ["edited-newest", "mac_mismatch", "keys"],
  ["deleted", "receipt_missing"],
  ["swapped", "log_index_gap"],
  ["relinked", "mac_mismatch", `keys and anchors ${UNCHECKED}`],
  ["rewritten", "log_root_mismatch", "anchors"],
  ["inserted", "log_root_mismatch", "anchors"],
  ["batch-removed", "log_root_mismatch", "anchors"],
  ["cut", "ledger_behind", "anchors"],
  ["cut-with-anchors", "ledger_behind", "record"],
  ["replaced", "ledger_replaced", `anchors ${UNCHECKED}`],
  ["replaced-alone", "ledger_mismatch", "ledger id"],
  ["moved", "mac_mismatch"],
  ["moved-with-keys", "log_root_mismatch", "anchors"],
  ["hidden-organization", "log_root_mismatch", "anchors"],
  ["hidden-head", "org_heads_mismatch"],
  ["tail-without-keys", "mac_mismatch", "keys"],
  ["tail-rewritten", "receipt_hash", "acknowledgements"],
  ["tail-cut", "receipt_id", "acknowledgements"],
  ["closed-epochs", "mac_mismatch", "seed, forward-secure keys"],
  ["epochs-skipped", "epoch_mismatch"],
  ["older-ledger", "ratchet_ahead"],
  ["ratchet-broken", "ratchet_break", "distrust of breaks"],
  ["old-key", "key_mismatch"],
  ["unannounced-key", "key_mismatch"],
  ["rotation-undone", "log_root_mismatch", "anchors"],
  ["retired-checkpoint-key", "retired_key", "newest pin"],
  ["revoked-key", "key_revoked", "revocation"],
  ["anchor-removed", "anchor_missing", "anchors"],
  ["second-signer", "bad_note", "pinned keys"],
  ["fork", "fork", "the anchor that was kept"],
  ["remade-since", "log_root_mismatch", "record"],
  ["second-daemon", "forked", "one target for both"],
  ["other-ids", "no finding"],
  ["anchoring-stopped", "anchor_late", "time, anchors"],
  ["clock-back", "recorded_before_observed"],
  ["clock-back-hidden", "time_backwards"],
  ["changed-after-audit", "mac_mismatch", "all receipts"],
  ["target-read", "no finding"],
  ["record-writable", "bad_usage"],
];

const CAUGHT_IN_BUCKET: typeof CAUGHT = [
  ["lock-broken", "403", "a lock"],
  ["delete-marker", "delete_marker"],
  ["extra-version", "name_mismatch"],
  ["squatted-name", "name_mismatch"],
  ["in-parts", "multipart_version"],
  ["unlocked", "lock_missing"],
  ["ledger-remade", "log_root_mismatch", "anchors"],
  ["another-past", "fork", "anchors"],
  ["provider", "anchor_missing", "anchors"],
  ["clock-forward", "recorded_after_anchor", "anchors, a bucket"],
  ["clock-back-in-bucket", "recorded_before_observed", "anchors"],
  ["backdated", "key_revoked", "revocation"],
];

const LIMITS = [
  "tail-of-retained-key", "tail-gone", "forged-before-anchoring", "open-epoch", "lie-at-the-input", "revocation-untold", "folder-remade", "cut-everywhere", "clock-within-bracket",
];
const LIMITS_IN_BUCKET = ["provider-with-host"];

/** Only on a server that was started here. */
const OF_PROVIDER = new Set(["provider", "provider-with-host"]);
const isOurs = process.env["S3_TEST_ENDPOINT"] === undefined;
const isShown = (id: string): boolean => isOurs || !OF_PROVIDER.has(id);

test("every attack is caught where it should be, and every other one is not noticed", { timeout: 240_000 }, async () => {
  const printed = await table();
  const expected = [...CAUGHT, ...(hasS3() ? CAUGHT_IN_BUCKET : [])].filter(([id]) => isShown(id)).map(([id, code, without = ""]) => [id, code, without]);
  expect(printed.attacks.map(({ id, code, says, not_noticed_without: without, is_caught: isCaught }) => (isCaught ? [id, code, without.join(", ")] : [id, says]))).toEqual(expected);
  const limits = [...LIMITS, ...(hasS3() ? LIMITS_IN_BUCKET : [])].filter(isShown);
  expect(printed.limits.map(({ id, is_unnoticed: isUnnoticed, problem }) => [id, isUnnoticed, problem])).toEqual(limits.map((id) => [id, true, null]));
  expect(printed.not_shown.flatMap(({ ids }) => ids).toSorted()).toEqual(hasS3() ? (isOurs ? [] : [...OF_PROVIDER].toSorted()) : [...CAUGHT_IN_BUCKET.map(([id]) => id), ...LIMITS_IN_BUCKET].toSorted());
  expect(printed).toMatchObject({ code: 0, is_as_it_should: true, figures: { tried: expected.length, caught: expected.length, limits: limits.length, unnoticed: limits.length } });
  expect(printed.figures.audit_processes).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
});

describe("what it says and takes", () => {
  test("the table, for one attack and one limit, with the same choices again", { timeout: 60_000 }, async () => {
    const one = await drill("--no-s3", "--only", "rewritten", "--only", "tail-gone", "--only", "clock-forward", "--seed-number", "7");
    expect(one.code).toBe(0);
    expect(one.output).toMatch(/^receiptd drill: .*\(seed number 7\)$/m);
    expect(one.output).toMatch(/^✓ rewritten +With all keys of the host.*\n +→ receiptd audit → log_root_mismatch at \w+-\d{4}-\d{5}, in the anchors' roots: .*\n +without anchors: not noticed$/m);
    expect(one.output).toMatch(/^! tail-gone +.*\n +→ NOT caught: the audit passes\. /m);
    expect(one.output).toMatch(/^NOT SHOWN, 1 of them \(--no-s3\): clock-forward$/m);
    expect(one.output).toMatch(/^✓ 1 attack tried, 1 caught where they should be; 1 that cannot be caught, 1 of them not noticed; 1 not shown\./m);
  });

  test("a seed number makes the same choices again, of each attack its own", () => {
    const made = (seedNumber: number, what: string): readonly number[] => {
      const pick = new Choices(seedNumber, what);
      return Array.from({ length: 20 }, () => pick.whole(5, 1000));
    };
    expect(made(7, "cut 0")).toEqual(made(7, "cut 0"));
    expect(new Set([made(7, "cut 0"), made(8, "cut 0"), made(7, "cut 1"), made(7, "fork 0")].map(String)).size).toBe(4);
    expect(made(7, "cut 0").every((n) => Number.isInteger(n) && n >= 5 && n < 1000)).toBe(true);
    expect(() => new Choices(7, "").of([])).toThrow("nothing to choose from");
  });

  test.each([
    [["anchors", "seed", "acknowledgements", "record", "distrust of breaks"], ["rewritten", "tail-cut", "closed-epochs", "ratchet-broken", "anchor-removed", "remade-since"], ["edited"]],
    [["keys", "pinned keys"], ["edited-newest", "tail-without-keys", "second-signer"], ["rewritten"]],
  ])("without %j it fails, at what needs them", { timeout: 120_000 }, async (defences, missed, caught) => {
    const { code, is_as_it_should: isAsItShould, attacks } = await table("--no-s3", ...defences.flatMap((one) => ["--without", one]), ...[...missed, ...caught].flatMap((id) => ["--only", id]));
    expect([code, isAsItShould]).toEqual([1, false]);
    expect(attacks.filter(({ is_caught: isCaught }) => !isCaught).map(({ id }) => id)).toEqual(missed);
    for (const { is_caught: isCaught, says } of attacks) if (!isCaught) expect(says).toMatch(/^NOT caught/);
  });

  test.each([[["--only", "nothing"]], [["--without", "luck"]], [["--seed-number", "x"]], [["--fast"]]])("%j is refused", { timeout: 60_000 }, async (args) => {
    expect((await drill(...args)).code).toBe(2);
  });
});

describe("docs/THREATS.md", () => {
  const [head, , ...rows] = readFileSync(join(ROOT, "docs/THREATS.md"), "utf8").split("\n").filter((line) => line.startsWith("|")).map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()));
  const ids = new Set([...[...CAUGHT, ...CAUGHT_IN_BUCKET].map(([id]) => id), ...LIMITS, ...LIMITS_IN_BUCKET]);
  const namesIn = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

  test("has the column", () => {
    expect(head).toEqual(["attacker", "what gives it away", "what cannot be prevented", "shown by"]);
    expect(rows.length).toBeGreaterThan(25);
  });

  test.each(rows.map((row) => [row[0]!, row] as const))("%s: names what shows it, which is there", (_, row) => {
    expect(row).toHaveLength(4);
    const names = namesIn(row[3]!);
    expect(names).not.toEqual([]);
    for (const name of names) expect(name.startsWith("test/") ? existsSync(join(ROOT, name)) : ids.has(name), name).toBe(true);
  });

  test("what it calls not caught is what the drill shows not to be caught", () => {
    const limits = new Set([...LIMITS, ...LIMITS_IN_BUCKET]);
    for (const row of rows) {
      const [caught, not = ""] = row[3]!.split("; not caught: ");
      expect([namesIn(caught!).filter((name) => limits.has(name)), namesIn(not).filter((name) => !limits.has(name))], row[0]).toEqual([[], []]);
    }
  });

  test("has every attack and every limit of the drill in a row", () => {
    const named = new Set(rows.flatMap((row) => namesIn(row[3]!)));
    expect([...ids].filter((id) => !named.has(id))).toEqual([]);
  });
});
