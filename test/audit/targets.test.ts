/** What can be done to the objects of a target, and what the audit says of it: with the ledger at hand, and from the target alone. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AnchorTarget, StoredObject, TargetVersion, VersionName } from "../../src/anchor/target.ts";
import type { AuditReport, Finding } from "../../src/audit/audit.ts";
import { toHex } from "../../src/format/bytes.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { LEDGER_ID, ORIGIN, START, TestLedger } from "../support/ledger.ts";
import { publish, publishToDirectory } from "../support/publish.ts";
import { auditOf } from "./support.ts";

const PREFIX = `v1/${ORIGIN}/${LEDGER_ID}`;
let ledger: TestLedger;

beforeAll(async () => {
  ledger = new TestLedger({ batches: [10, 20, 0, 30], tail: 3 });
  await publishToDirectory(ledger, "true");
  ledger.close();
});
afterAll(() => ledger.remove());

/** A copy of the published objects, changed. */
let copies = 0;
function changed(change: (files: Files) => void): DirectoryTarget {
  const path = ledger.targetPath(`copy-${copies++}`);
  cpSync(ledger.targetPath("true"), path, { recursive: true, preserveTimestamps: true });
  change(new Files(join(path, PREFIX)));
  return new DirectoryTarget({ name: "outside", path });
}

class Files {
  readonly root: string;
  readonly anchors: readonly string[];
  readonly batches: readonly string[];

  constructor(root: string) {
    this.root = root;
    const list = (folder: string): string[] => readdirSync(join(root, folder)).sort().map((name) => `${folder}/${name}`);
    this.anchors = list("anchors");
    this.batches = list("batches");
  }

  path(name: string): string {
    return join(this.root, name);
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  write(name: string, bytes: Uint8Array): void {
    rmSync(this.path(name), { force: true });
    writeFileSync(this.path(name), bytes);
  }

  flip(name: string, at: number): void {
    const bytes = this.read(name);
    bytes[at]! ^= 0x01;
    this.write(name, bytes);
  }

  /** Under the name that its bytes would have in the place of another. */
  put(name: string, bytes: Uint8Array): string {
    const made = name.replace(/[0-9a-f]{64}/, toHex(nodeHash.sha256(bytes)));
    this.write(made, bytes);
    return made;
  }
}

const wrong = ({ findings }: AuditReport): readonly Finding[] => findings.filter(({ severity }) => severity !== "note");
const found = (report: AuditReport): readonly (readonly [string, string, string])[] =>
  wrong(report).map(({ severity, code, object }) => [severity, code, object?.name.slice(PREFIX.length + 1) ?? ""]);
const anyHash = (name: string): unknown => expect.stringMatching(new RegExp(`^${name.replace(/-[0-9a-f]{64}\..*$/, "-")}`));

const both = [["with the ledger", {}], ["with the ledger gone", { ledgerPath: null }]] as const;

describe.each(both)("%s", (where, options) => {
  const hasLedger = where === "with the ledger";
  const missing = hasLedger ? "anchor_missing" : "anchor_link_mismatch";

  it("a target as it was published", async () => {
    const report = await auditOf(ledger, [changed(() => undefined)], options);
    expect(report).toMatchObject({ exitCode: 0, findings: [], counts: { targets: [{ objects: 7, anchors: 4, batches: 3, newestSize: 65 }] } });
    expect(report.notChecked.join()).toContain("the times of outside");
  });

  it.each([0, 200, 700, -1])("a byte of an anchor, %i", async (at) => {
    let name = "";
    const target = changed((files) => {
      name = files.anchors[1]!;
      files.flip(name, at < 0 ? files.read(name).length + at : at);
    });
    const report = await auditOf(ledger, [target], options);
    expect(found(report)[0]).toEqual(["interference", "name_mismatch", name]);
    expect(report.exitCode).toBe(1);
    expect(found(report).map(([, code]) => code)).toContain(missing);
  });

  it("a batch under the name of another range", async () => {
    let name = "";
    const target = changed((files) => {
      name = files.batches[1]!;
      renameSync(files.path(name), files.path(name.replace(/-\d{20}-/, "-00000000020000000000-")));
    });
    const report = await auditOf(ledger, [target], options);
    expect(found(report).map(([severity, code]) => [severity, code])).toEqual(expect.arrayContaining([["interference", "unanchored_batch"], ["violation", "batch_missing"]]));
  });

  it.each([0, 40, -1])("a byte of a batch, %i", async (at) => {
    let name = "";
    const target = changed((files) => {
      name = files.batches[1]!;
      files.flip(name, at < 0 ? files.read(name).length + at : at);
    });
    const report = await auditOf(ledger, [target], options);
    expect(found(report)).toEqual([["interference", "name_mismatch", name], ["violation", "batch_missing", hasLedger ? name : anyHash("anchors/00000000000000000033-")]]);
  });

  it("a batch replaced by another, under a name that fits", async () => {
    let name = "";
    const target = changed((files) => {
      const bytes = files.read(files.batches[1]!);
      bytes[20]! ^= 0x01;
      rmSync(files.path(files.batches[1]!));
      name = files.put(files.batches[1]!, bytes);
    });
    const report = await auditOf(ledger, [target], options);
    expect(found(report)).toEqual(hasLedger
      ? [["interference", "unanchored_batch", name], ["violation", "batch_missing", anyHash("batches/00000000000000000012-00000000000000000031-")]]
      : [["violation", "batch_root_mismatch", name]]);
  });

  it("an extra batch beside the true one", async () => {
    let name = "";
    const target = changed((files) => {
      const bytes = files.read(files.batches[1]!);
      bytes[20]! ^= 0x01;
      name = files.put(files.batches[1]!, bytes);
    });
    expect(found(await auditOf(ledger, [target], options))).toEqual([["interference", "unanchored_batch", name]]);
  });

  it("an anchor taken away from the middle", async () => {
    const report = await auditOf(ledger, [changed((files) => rmSync(files.path(files.anchors[1]!)))], options);
    expect(found(report).map(([severity, code]) => [severity, code])).toContainEqual(["violation", missing]);
    if (hasLedger) expect(wrong(report)[0]).toMatchObject({ logIndex: 32 });
  });

  it("a batch taken away", async () => {
    const report = await auditOf(ledger, [changed((files) => rmSync(files.path(files.batches[2]!)))], options);
    expect(found(report)).toMatchObject([["violation", "batch_missing", expect.anything()]]);
  });

  it("junk", async () => {
    const target = changed((files) => {
      files.write("anchors/readme.txt", Buffer.from("hello"));
      files.write("anchors/00000000000000000033-xyz.tlog-proof", Buffer.from("hello"));
      mkdirSync(files.path("zzz"));
      files.write("zzz/other", Buffer.from("hello"));
      files.write("aaa", Buffer.from("hello"));
      files.write("b", Buffer.from("hello"));
    });
    expect(found(await auditOf(ledger, [target], options)).map(([severity, code, name]) => [severity, code, name]).sort()).toEqual([
      ["interference", "bad_object_name", "aaa"],
      ["interference", "bad_object_name", "anchors/00000000000000000033-xyz.tlog-proof"],
      ["interference", "bad_object_name", "anchors/readme.txt"],
      ["interference", "bad_object_name", "b"],
      ["interference", "bad_object_name", "zzz/other"],
    ]);
  });

  it("an anchor replayed under another name", async () => {
    let name = "";
    const target = changed((files) => {
      name = files.put(files.anchors[2]!, files.read(files.anchors[1]!));
    });
    expect(found(await auditOf(ledger, [target], options))).toEqual([["interference", "bad_checkpoint", name]]);
  });

  it("an anchor with its own bytes appended to, under a name that fits", async () => {
    let name = "";
    const target = changed((files) => {
      name = files.put(files.anchors[1]!, Buffer.concat([files.read(files.anchors[1]!), Buffer.from("\n")]));
    });
    expect(found(await auditOf(ledger, [target], options))).toMatchObject([["interference", expect.anything(), name]]);
  });

  it("a symbolic link instead of an anchor", async () => {
    let name = "";
    const target = changed((files) => {
      name = files.anchors[1]!;
      copyFileSync(files.path(name), files.path("../elsewhere"));
      rmSync(files.path(name));
      symlinkSync(files.path("../elsewhere"), files.path(name));
    });
    const report = await auditOf(ledger, [target], options);
    expect(found(report)[0]).toEqual(["interference", "name_mismatch", name]);
    expect(report.exitCode).toBe(1);
  });

  it("a huge object", async () => {
    const target = changed((files) => files.write("anchors/00000000000000000033-" + "0".repeat(64) + ".tlog-proof", Buffer.alloc(70_000)));
    expect(found(await auditOf(ledger, [target], options))).toMatchObject([["interference", "name_mismatch", expect.anything()]]);
  });

  it("keys that signed nothing here", async () => {
    const other = new TestLedger({ seed: "another" });
    other.close();
    const report = await auditOf(ledger, [changed(() => undefined)], { ...options, vkeys: [other.vkey] });
    expect(report.exitCode).toBe(1);
    expect(found(report).filter(([, code]) => code === "bad_note")).toHaveLength(4);
    other.remove();
  });

  it("a target that is not there", async () => {
    const report = await auditOf(ledger, [new DirectoryTarget({ name: "lost", path: ledger.targetPath("nowhere") })], options);
    expect(report).toMatchObject({ exitCode: 2, verdict: "not_checked", failedToCheck: [expect.stringContaining("the target lost")] });
  });

  it("no keys to verify with", async () => {
    expect(await auditOf(ledger, [changed(() => undefined)], { ...options, vkeys: [] })).toMatchObject({ exitCode: 2 });
  });

  it("an anchor that is late", async () => {
    const target = changed(() => undefined);
    const promised = ledger.now + 900_000;
    const late = await auditOf(ledger, [target], { ...options, now: promised + 61_000 });
    expect(wrong(late)).toMatchObject([{ severity: "violation", code: "anchor_late" }]);
    expect((await auditOf(ledger, [target], { ...options, now: promised - 10_000 })).exitCode).toBe(0);
    expect((await auditOf(ledger, [target], { ...options, now: promised + 61_000, grace: 600_000 })).exitCode).toBe(0);
  });
});

describe("against the ledger", () => {
  it("the newest anchors are not published yet: no finding", async () => {
    const target = changed((files) => {
      rmSync(files.path(files.anchors[3]!));
      rmSync(files.path(files.batches[2]!));
    });
    expect(await auditOf(ledger, [target])).toMatchObject({ exitCode: 0, findings: [{ severity: "note", code: "not_published_yet" }] });
  });

  it("a batch object without its anchor yet: no finding", async () => {
    const target = changed((files) => rmSync(files.path(files.anchors[3]!)));
    expect(await auditOf(ledger, [target])).toMatchObject({ exitCode: 0, findings: [{ code: "not_published_yet" }] });
    expect(await auditOf(ledger, [target], { ledgerPath: null })).toMatchObject({ exitCode: 0, findings: [{ code: "unanchored_batch", severity: "note" }] });
  });

  it("a target without any anchor", async () => {
    const target = changed((files) => rmSync(files.root, { recursive: true }));
    expect(found(await auditOf(ledger, [target]))).toEqual([["violation", "anchor_missing", ""]]);
  });

  it("an orderly stop is a note, however long ago", async () => {
    const stopped = new TestLedger();
    stopped.append(3);
    stopped.anchor("shutdown", null);
    const target = await publishToDirectory(stopped, "outside");
    stopped.close();
    expect(await auditOf(stopped, [target], { now: stopped.now + 1e10 })).toMatchObject({ exitCode: 0, findings: [{ severity: "note", code: "stopped" }] });
    stopped.remove();
  });
});

describe("several versions of one name", () => {
  /** As a store with versions shows what was written twice. */
  class Versions implements AnchorTarget {
    readonly name = "outside";
    readonly trustedTime = true;
    readonly retain = null;
    readonly #inner = changed(() => undefined);
    readonly #flipped: string;

    constructor(flipped: string) {
      this.#flipped = flipped;
    }

    put(): Promise<VersionName> {
      throw new Error("an audit stores nothing");
    }

    async get({ name, versionId }: VersionName, maxBytes: number): Promise<StoredObject> {
      const stored = await this.#inner.get({ name, versionId: "1" }, maxBytes);
      if (versionId === this.#flipped) stored.bytes[9]! ^= 1;
      return stored;
    }

    async *list(prefix: string, after?: string): AsyncGenerator<TargetVersion> {
      for await (const version of this.#inner.list(prefix, after)) yield* [{ ...version, versionId: "1" }, { ...version, versionId: "2" }];
    }
  }

  it("with the same bytes: notes", async () => {
    const report = await auditOf(ledger, [new Versions("none")]);
    expect(report).toMatchObject({ exitCode: 0, findingCounts: { duplicate_object: 7 }, counts: { targets: [{ objects: 14, anchors: 4, batches: 3 }] } });
    expect(report.notChecked.join()).not.toContain("the times of");
  });

  it.each(["1", "2"])("version %s with other bytes: interference, and the other one counts", async (versionId) => {
    const report = await auditOf(ledger, [new Versions(versionId)]);
    expect(report.findingCounts).toEqual({ name_mismatch: 7 });
    expect(wrong(report).every(({ severity }) => severity === "interference")).toBe(true);
  });
});

describe("times", () => {
  it("an anchor that was there before its receipts", async () => {
    const target = changed((files) => {
      for (const name of files.anchors.slice(0, 2)) utimesSync(files.path(name), START / 1000 - 100, START / 1000 - 100);
    });
    const report = await auditOf(ledger, [target]);
    expect(wrong(report)).toMatchObject([{ code: "recorded_after_anchor", logIndex: 11 }, { code: "recorded_after_anchor", logIndex: 32 }]);
  });

  it.each([[3000, ["recorded_before_observed"]], [1000, []]])("receipts recorded %i ms before what was observed", async (ahead, codes) => {
    const odd = new TestLedger();
    odd.append(3);
    const size = odd.anchor();
    odd.observed = (now) => [{ target: "outside", tree_size: size, version_id: "1", last_modified: formatTime(now + ahead) }];
    odd.append(3);
    odd.anchor();
    odd.observed = () => [];
    const target = await publishToDirectory(odd, "outside");
    odd.close();
    const report = await auditOf(odd, [target]);
    expect(wrong(report).map(({ code, logIndex }) => [code, logIndex])).toEqual(codes.map((code) => [code, 8]));
    odd.remove();
  });

  it("with a recorded clock step it is a note for a target that has no clock of its own", async () => {
    const odd = new TestLedger();
    odd.append(3);
    const size = odd.anchor();
    odd.observed = (now) => [{ target: "outside", tree_size: size, version_id: "1", last_modified: formatTime(now) }];
    odd.append(3);
    odd.anchor();
    odd.now -= 60_000;
    odd.append(3);
    odd.anchor();
    const target = await publishToDirectory(odd, "outside");
    odd.close();
    expect(await auditOf(odd, [target])).toMatchObject({ exitCode: 0, findings: [{ severity: "note", code: "recorded_before_observed" }] });
    odd.remove();
  });
});

describe("what the ledger has seen at a target", () => {
  it("a target that lost its newest anchor", async () => {
    const seen = new TestLedger();
    seen.append(3);
    seen.anchor();
    const target = await publishToDirectory(seen, "outside");
    const newest = await publish(seen, target, { folder: seen.targetPath("outside") });
    seen.observed = () => [newest!];
    seen.append(3);
    const treeSize = seen.anchor();
    seen.close();
    expect(await auditOf(seen, [target])).toMatchObject({ exitCode: 0, findings: [{ code: "not_published_yet" }] });
    rmSync(join(seen.targetPath("outside"), PREFIX), { recursive: true });
    const report = await auditOf(seen, [target]);
    expect(wrong(report).map(({ code, logIndex }) => [code, logIndex])).toContainEqual(["anchor_missing", newest!.tree_size - 1]);
    expect(report.findings.some(({ logIndex }) => logIndex === treeSize - 1)).toBe(false);
    seen.remove();
  });
});
