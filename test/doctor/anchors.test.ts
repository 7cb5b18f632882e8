/** What the doctor makes of anchor.db, and of the anchors that a target had confirmed. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createOutbox } from "../../src/anchor/outbox.ts";
import { type AnchorTarget, TargetError } from "../../src/anchor/target.ts";
import { defaultConfig } from "../../src/config.ts";
import { checkNewestAnchor, checkOutbox } from "../../src/doctor/anchors.ts";
import type { Check } from "../../src/doctor/check.ts";
import { Bench, LEDGER } from "../anchor/support.ts";
import { publish } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";

const benches: Bench[] = [];
afterEach(async () => {
  while (benches.length > 0) await benches.pop()!.dispose();
});

function bench(): Bench {
  const made = new Bench({ batches: [3, 3] });
  benches.push(made);
  return made;
}

const said = (checks: readonly Check[]): readonly string[] => checks.map((one) => `${one.status} ${one.check}: ${one.message}`);

describe("anchor.db", () => {
  test("of this ledger, and what it knows of the targets, while it is open elsewhere", () => {
    const on = bench();
    const open = on.outbox();
    open.reserve([{ treeSize: 5, root: new Uint8Array(32) }]);
    open.confirm("local", { treeSize: 5, versionId: "1", lastModified: 1 });
    const config = defaultConfig(on.ledger.dir);
    const { checks, confirmed } = checkOutbox(config, { ...LEDGER, size: 5 });
    expect(said(checks)).toEqual([expect.stringMatching(/^ok anchor\.db: .* up to 5 receipts are signed$/)]);
    expect(confirmed?.get("local")).toMatchObject({ treeSize: 5 });
    expect(said(checkOutbox(config, { ...LEDGER, size: 4 }).checks)[0]).toMatch(/^ok/); // the ledger has gone on since
    open.reserve([{ treeSize: 900, root: new Uint8Array(32) }]);
    expect(said(checkOutbox(config, { ...LEDGER, size: 9 }).checks)).toEqual([expect.stringMatching(/^problem anchor\.db: .* was the ledger restored/)]);
  });

  test.each<readonly [string, (path: string) => void, RegExp]>([
    ["missing", (path) => rmSync(path), /is missing/],
    ["another ledger's", (path) => { rmSync(path); createOutbox(path, { ...LEDGER, ledgerId: "f".repeat(32) }); }, /is the outbox of/],
    ["none", (path) => writeFileSync(path, "text"), /./],
    ["a folder", (path) => { rmSync(path); mkdirSync(path); }, /./],
  ])("%s: a problem, that says what to do", (_, change, expected) => {
    const on = bench();
    change(on.outboxPath);
    const { checks, confirmed } = checkOutbox(defaultConfig(on.ledger.dir), { ...LEDGER, size: 9 });
    expect([checks[0]?.status, checks[0]?.message, checks[0]?.next, confirmed]).toEqual(["problem", expect.stringMatching(expected), expect.stringContaining("init --outbox"), null]);
  });
});

describe("the newest confirmed anchor", () => {
  async function onS3(): Promise<{ readonly s3: VersionedTarget; readonly name: string; readonly check: (target?: AnchorTarget) => Promise<readonly string[]> }> {
    const on = bench();
    const s3 = new VersionedTarget();
    s3.now = on.ledger.now;
    const seen = (await publish(on.ledger, s3))!;
    const name = s3.names("").findLast((one) => one.endsWith(".tlog-proof"))!;
    const confirmed = { treeSize: seen.tree_size, versionId: seen.version_id, lastModified: s3.now };
    return { s3, name, check: async (target = s3) => said(await checkNewestAnchor(target, confirmed, LEDGER, on.ledger.keyring)) };
  }

  test("is there, whatever lies beside and over it", async () => {
    const { s3, name, check } = await onS3();
    s3.store(name, Buffer.from("junk"));
    s3.mark(name);
    expect(await check()).toEqual([expect.stringMatching(/^ok target s3: newest anchor: .* is there and locked$/)]);
  });

  test.each<readonly [string, (s3: VersionedTarget, name: string) => void, RegExp]>([
    ["destroyed", (s3, name) => s3.destroy(name), /^problem .* is not there any more$/],
    ["replaced by another version", (s3, name) => { const { bytes } = s3.only(name); s3.destroy(name); s3.store(name, bytes!); }, /^problem .* is not there any more$/],
    ["changed", (s3, name) => { s3.only(name).bytes = Buffer.from("junk"); }, /^problem .* does not count any more: .*name_mismatch/],
    ["unlocked", (s3, name) => { s3.only(name).retention = null; }, /^problem .* does not count any more: .*not locked$/],
    ["listed and not returned", (s3) => { s3.beforeGet = () => { throw new TargetError("target_missing", "gone"); }; }, /^problem .*target_missing: gone$/],
    ["not to be reached", (s3) => { s3.beforeGet = () => { throw new TargetError("target_unavailable", "down"); }; }, /^unchecked .* down$/],
    ["not to be read", (s3) => { s3.beforeGet = () => { throw new TargetError("target_denied", "no"); }; }, /^unchecked .* no$/],
  ])("%s", async (_, change, expected) => {
    const { s3, name, check } = await onS3();
    change(s3, name);
    expect(await check()).toEqual([expect.stringMatching(expected)]);
  });

  test("of a folder: junk beside it is passed over, its own bytes are not", async () => {
    const on = bench();
    const folder = on.directory("local");
    const { tree_size: treeSize, version_id: versionId } = (await publish(on.ledger, folder))!;
    const check = async (): Promise<readonly string[]> => said(await checkNewestAnchor(folder, { treeSize, versionId, lastModified: 0 }, LEDGER, on.ledger.keyring));
    const at = (name: string): string => join(on.ledger.targetPath("local"), name);
    const names: string[] = [];
    for await (const { name } of folder.list("")) names.push(name);
    const name = names.findLast((one) => one.endsWith(".tlog-proof"))!;
    writeFileSync(at(name.replace(/[0-9a-f]{64}/, "0".repeat(64))), "junk");
    expect(await check()).toEqual([expect.stringMatching(/^ok .* is there$/)]);
    renameSync(at(name), at("away"));
    expect(await check()).toEqual([expect.stringMatching(/^problem .*name_mismatch/)]);
  });

  test("none is confirmed yet: nothing is said", async () => {
    const on = bench();
    expect(await checkNewestAnchor(new VersionedTarget(), null, LEDGER, on.ledger.keyring)).toEqual([]);
  });
});
