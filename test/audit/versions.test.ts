/** A store with versions and locks, and what everybody who may write there can do to it: what counts, what is reported, and as what. */
import { afterEach, describe, expect, it } from "vitest";
import { TargetError } from "../../src/anchor/target.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { LEDGER_ID, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { DAY, VersionedTarget } from "../support/versioned-target.ts";
import { found, notes, PREFIX, Published, wrong } from "./bucket.ts";
import { auditOf } from "./support.ts";

const open: Published[] = [];
afterEach(() => {
  for (const { ledger } of open.splice(0)) ledger.remove();
});

async function published(...counts: readonly number[]): Promise<Published> {
  const made = new Published();
  open.push(made);
  await made.batches(...(counts.length === 0 ? [10, 20, 0, 30] : counts));
  return made;
}

const audited = ({ ledger, target }: Published, options: Partial<AuditOptions> = {}): Promise<AuditReport> => auditOf(ledger, [target], options);
const named = (name: string, bytes: Uint8Array): string => name.replace(/[0-9a-f]{64}/, toHex(nodeHash.sha256(bytes)));
const both = [["with the ledger", {}], ["with the ledger gone", { ledgerPath: null }]] as const;

describe.each(both)("%s", (where, options) => {
  const hasLedger = where === "with the ledger";
  const missing = hasLedger ? "anchor_missing" : "anchor_link_mismatch";

  it("a target as it was published", async () => {
    const made = await published();
    const report = await audited(made, options);
    const until = made.target.only(made.batch(0)).retention!.until;
    expect(report).toMatchObject({
      exitCode: 0, findings: [],
      counts: { targets: [{ state: "current", objects: 7, read: 7, anchors: 4, batches: 3, remembered: null, lockedUntil: formatTime(until) }] },
    });
    expect(report.sentence).toContain(`as anchored at s3 (locked until at least ${formatTime(until).slice(0, 10)})`);
  });

  it("the same bytes again: a note, and the first time counts, however they are listed", async () => {
    const made = await published();
    const { target } = made;
    const { bytes, lastModified } = target.only(made.anchor(3));
    target.store(made.anchor(3), bytes!, { lastModified: lastModified + DAY });
    target.store(made.anchor(3), bytes!, { lastModified: lastModified - 500 });
    for (const order of ["as stored", "the other way"]) {
      const report = await audited(made, options);
      expect([order, report.exitCode, notes(report)]).toEqual([order, 0, ["duplicate_object", "duplicate_object"]]);
      expect(report.counts.targets[0]!.newestTime).toBe(formatTime(lastModified - 500));
      target.versions.get(made.anchor(3))!.reverse();
    }
  });

  it.each(["before", "after"])("other bytes under a name, listed %s the true ones: interference, and the true ones count", async (place) => {
    const made = await published();
    const versions = [made.anchor(1), made.batch(1)].map((name) => {
      made.target.store(name, utf8("junk"), { lastModified: 1000 });
      return made.target.versions.get(name)!;
    });
    if (place === "after") for (const list of versions) list.reverse();
    const report = await audited(made, options);
    expect(found(report)).toEqual([["interference", "name_mismatch"], ["interference", "name_mismatch"]]);
    expect(report.counts.targets[0]).toMatchObject({ anchors: 4, batches: 3, objects: 9 });
  });

  it("delete markers over everything: interference, and all counts still", async () => {
    const made = await published();
    const names = made.target.names("");
    for (const name of names) made.target.mark(name);
    const report = await audited(made, options);
    expect(found(report)).toEqual(names.map(() => ["interference", "delete_marker"]));
    expect(report.counts.targets[0]).toMatchObject({ state: "current", anchors: 4, batches: 3 });
  });

  it("a delete marker, and the same again on top: interference and a note, and the first time counts", async () => {
    const made = await published();
    const { bytes, lastModified } = made.target.only(made.anchor(3));
    made.target.mark(made.anchor(3));
    made.target.store(made.anchor(3), bytes!, { lastModified: lastModified + DAY });
    const report = await audited(made, options);
    expect([found(report), notes(report)]).toEqual([[["interference", "delete_marker"]], ["duplicate_object"]]);
    expect(report.counts.targets[0]!.newestTime).toBe(formatTime(lastModified));
  });

  it("an upload in parts beside the true version gives it no earlier time", async () => {
    const made = await published();
    const { bytes, lastModified } = made.target.only(made.anchor(3));
    made.target.store(made.anchor(3), bytes!, { lastModified: 1000, isMultipart: true });
    const report = await audited(made, options);
    expect(found(report)).toEqual([["interference", "multipart_version"]]);
    expect(report.counts.targets[0]!.newestTime).toBe(formatTime(lastModified));
  });

  it("an upload in parts instead of an anchor does not count", async () => {
    const made = await published();
    made.target.only(made.anchor(1)).isMultipart = true;
    const report = await audited(made, options);
    expect(found(report)[0]).toEqual(["interference", "multipart_version"]);
    expect(found(report)).toContainEqual(["violation", missing]);
  });

  it("squatted names of the future, and names that are none", async () => {
    const made = await published();
    const future = made.anchor(0).replace(/\d{20}/, "00000000000000009999");
    made.target.store(future, utf8("junk"));
    made.target.store(named(future, utf8("junk")), utf8("junk"));
    made.target.store(`${PREFIX}anchors/\u{10ffff}`, utf8("junk"));
    made.target.store(`${PREFIX}\uffffjunk`, utf8("junk"));
    made.target.mark(`${PREFIX}zzz`);
    const report = await audited(made, options);
    expect(found(report).map(([severity, code]) => `${severity} ${code}`).sort()).toEqual([
      "interference bad_object_name", "interference bad_object_name",
      "interference bad_tlog_proof", "interference delete_marker", "interference name_mismatch",
    ]);
    expect(report.counts.targets[0]).toMatchObject({ state: "current", anchors: 4 });
  });

  it("an old anchor again under another name", async () => {
    const made = await published();
    made.target.store(named(made.anchor(3), made.target.only(made.anchor(1)).bytes!).replace(/\d{20}/, "00000000000000009999"), made.target.only(made.anchor(1)).bytes!);
    expect(found(await audited(made, options))).toEqual([["interference", "bad_checkpoint"]]);
  });

  it("anchors of another ledger, under their own names and under this ledger's", async () => {
    const made = await published();
    const other = new TestLedger({ seed: "another", batches: [4] });
    const strange = new VersionedTarget("other");
    await publish(other, strange);
    other.remove();
    for (const name of strange.names("")) {
      const { bytes } = strange.only(name);
      made.target.store(name.replace(LEDGER_ID, "f".repeat(32)), bytes!);
      if (name.includes("/anchors/")) made.target.store(name, bytes!);
    }
    const report = await audited(made, options);
    expect(found(report)).toEqual([["interference", "bad_note"]]);
    expect(report.counts.targets[0]!.objects).toBe(8);
  });

  it.each([
    ["no lock", null, "lock_missing"],
    ["a lock that can be lifted", { mode: "GOVERNANCE", until: 1e14 }, "lock_missing"],
    ["a lock for a day", { mode: "COMPLIANCE", until: Date.UTC(2026, 5, 2) }, "retention_short"],
  ] as const)("%s on an anchor and on a batch, unless another version has a good one", async (_, retention, code) => {
    const made = await published();
    for (const name of [made.anchor(1), made.batch(1)]) made.target.only(name).retention = retention;
    const report = await audited(made, options);
    expect(found(report)).toEqual([["violation", code], ["violation", code]]);
    expect(report.counts.targets[0]).toMatchObject({ anchors: 4, batches: 3 });
    for (const name of [made.anchor(1), made.batch(1)]) made.target.store(name, made.target.only(name).bytes!);
    expect((await audited(made, options)).exitCode).toBe(0);
  });

  it("an anchor that the provider destroyed", async () => {
    const made = await published();
    made.target.destroy(made.anchor(1));
    const report = await audited(made, options);
    expect(found(report)).toContainEqual(["violation", missing]);
    if (hasLedger) expect(wrong(report)).toMatchObject([{ code: missing, logIndex: 32 }]);
  });

  it("a locked version that was destroyed, and the same bytes stored again", async () => {
    const made = await published();
    const { bytes, versionId } = made.target.only(made.anchor(1));
    made.target.store(made.anchor(1), bytes!);
    expect(await audited(made, options)).toMatchObject({ exitCode: 0 });
    made.target.destroy(made.anchor(1), versionId);
    const report = await audited(made, options);
    expect(found(report)).toContainEqual(["violation", "version_missing"]);
    expect(wrong(report)[0]!.expected).toContain(versionId);
  });

  it("a time at the target that is not the one an anchor receipt saw", async () => {
    const made = await published();
    made.target.only(made.anchor(2)).lastModified += 60_000;
    made.target.only(made.anchor(2)).retention = { mode: "COMPLIANCE", until: 1e14 };
    expect(found(await audited(made, options))).toEqual([["violation", "observed_mismatch"]]);
  });

  it("one object that may not be read is interference; if none may be, nothing was checked", async () => {
    const made = await published();
    const hidden = made.target.store(`${made.anchor(3)}`, utf8("junk"));
    made.target.beforeGet = ({ versionId }) => {
      if (versionId === hidden.versionId) throw new TargetError("target_denied", "access denied");
    };
    expect(found(await audited(made, options))).toEqual([["interference", "unreadable_object"]]);
    made.target.beforeGet = () => { throw new TargetError("target_denied", "access denied"); };
    expect(await audited(made, options)).toMatchObject({ failedToCheck: [expect.stringContaining("the target s3: access denied")], counts: { targets: [] } });
  });

  it("archived receipts that are none are interference", async () => {
    const made = await published();
    made.target.store(made.batch(0).replace("/batches/", "/receipts/").replace(".entries", ".ndjson.gz"), utf8("archive"));
    const report = await audited(made, options);
    expect(report).toMatchObject({ exitCode: 1, counts: { targets: [{ archive: { objects: 0, receipts: 0, missing: 0 } }] } });
    expect(found(report)).toEqual([["interference", "name_mismatch"]]);
  });

  it("two pasts: each continues the last anchor that both have", async () => {
    const made = await published(10, 20);
    const clone = await published(10, 20);
    await made.batches(5, 5);
    await clone.batches(7);
    for (const name of clone.target.names("")) {
      if (!made.target.versions.has(name)) made.target.store(name, clone.target.only(name).bytes!);
    }
    const report = await audited(made, options);
    expect(report).toMatchObject({ exitCode: 1, counts: { targets: [{ state: "forked" }] } });
    expect(found(report)).toEqual([
      ["interference", "unanchored_batch"], ["violation", "fork"], ...(hasLedger ? [["violation", "log_root_mismatch"]] : []), ["violation", "fork"],
    ]);
    expect(report.sentence).toContain("two pasts are signed");
  });

  it("two pasts: two roots for one size", async () => {
    const made = await published(10, 20);
    const clone = await published(10, 20);
    await made.batches(5);
    clone.ledger.now += 60_000;
    await clone.batches(5);
    for (const name of clone.target.names("")) {
      if (!made.target.versions.has(name)) made.target.store(name, clone.target.only(name).bytes!);
    }
    const report = await audited(made, options);
    expect(found(report)).toContainEqual(["violation", "fork"]);
    expect(report.sentence).toContain("two roots are signed");
    expect(report.counts.targets[0]!.state).toBe("forked");
  });
});

describe("how a target ends", () => {
  it.each(both)("%s: idle, stopped, late", async (_, options) => {
    const made = await published(10, 0);
    const idle = await audited(made, options);
    expect([idle.exitCode, notes(idle), idle.counts.targets[0]!.state]).toEqual([0, ["idle"], "idle"]);
    const late = await audited(made, { ...options, now: made.ledger.now + 2_000_000 });
    expect([found(late), late.counts.targets[0]!.state]).toEqual([[["violation", "anchor_late"]], "late"]);
    expect(late.sentence).toContain("not published there or is hidden");
    made.ledger.anchor("shutdown", null);
    await made.publish();
    const stopped = await audited(made, { ...options, now: made.ledger.now + 1e9 });
    expect([stopped.exitCode, notes(stopped), stopped.counts.targets[0]!.state]).toEqual([0, ["stopped"], "stopped"]);
    if ("ledgerPath" in options) {
      expect(idle.sentence).toContain("nothing was recorded lately");
      expect(stopped.sentence).toContain("stopped in order");
    }
  });

  it("anchors that are hidden behind an orderly stop: the ledger tells", async () => {
    const made = await published(10);
    made.ledger.anchor("shutdown", null);
    await made.publish();
    made.ledger.append(5);
    made.ledger.anchor("start");
    expect(await audited(made)).toMatchObject({ exitCode: 0, counts: { targets: [{ state: "stopped" }] } });
    const report = await audited(made, { now: made.ledger.now + 100_000 });
    expect([found(report), report.counts.targets[0]!.state]).toEqual([[["violation", "anchor_late"]], "late"]);
  });
});

it("anchors that came later than promised: a note, since an outage and a past written afterwards look alike", async () => {
  const made = await published(10, 20);
  const late = made.ledger.now + 10 * DAY;
  made.ledger.append(5);
  made.ledger.anchor();
  await publish(made.ledger, made.target, { after: 33, at: () => { made.target.now = late; } });
  const report = await audited(made);
  expect([report.exitCode, notes(report)]).toEqual([0, ["published_late"]]);
  expect(report.findings[0]!.message).toContain(`stored at ${formatTime(late)}`);
});

it("a target that anchor receipts know by another name: what they saw there is not compared, which is said", async () => {
  const made = await published(10, 20);
  Object.assign(made.target, { name: "elsewhere" });
  const report = await audited(made);
  expect(report.exitCode).toBe(0);
  expect(report.notChecked.join()).toContain("they name s3, and nothing at elsewhere");
});
