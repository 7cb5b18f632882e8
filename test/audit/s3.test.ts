/**
 * A real S3 server with Object Lock, and what can be done to a ledger's anchors there: by anybody who may write, by whoever holds
 * the ledger's key, and by the provider. Each ends in a verdict of the audit, with the ledger and without it.
 */
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import {
  CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand, PutObjectCommand, UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterEach, describe, expect, it } from "vitest";
import { S3Target } from "../../src/anchor/s3/target.ts";
import type { TargetVersion } from "../../src/anchor/target.ts";
import type { S3Config } from "../../src/anchor/targets.ts";
import type { AuditOptions, AuditReport } from "../../src/audit/audit.ts";
import type { AuditRecord } from "../../src/audit/record.ts";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import type { Observed } from "../../src/format/fields.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { here, must } from "../cli/here.ts";
import { Host, json } from "../cli/host.ts";
import { LEDGER_ID, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { bucket, destroyVersion, hasS3, ownerClient } from "../support/s3-server.ts";
import { found, notes, PREFIX, wrong } from "./bucket.ts";
import { auditOf } from "./support.ts";

const DAY = 86_400_000;
const open: { remove(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.remove();
});

/** A ledger whose clock is the real one, and a bucket that it is published to. A twin writes the same until they part. */
class Live {
  readonly ledger = new TestLedger();
  readonly config: S3Config;
  readonly target: S3Target;
  readonly #twin: TestLedger | null;
  #size = 0;
  #newest: Observed | null = null;

  constructor(config: S3Config, twin: TestLedger | null = null) {
    this.config = config;
    this.target = new S3Target(config);
    this.#twin = twin;
    open.push(this.ledger);
    for (const ledger of this.#ledgers) ledger.observed = () => (this.#newest === null ? [] : [this.#newest]);
  }

  get #ledgers(): readonly TestLedger[] {
    return this.#twin === null ? [this.ledger] : [this.ledger, this.#twin];
  }

  async batches(...counts: readonly number[]): Promise<this> {
    for (const count of counts) {
      const recorded = Date.now() - 1000;
      for (const ledger of this.#ledgers) {
        for (const step of [() => ledger.append(count), () => ledger.anchor("schedule", recorded + 900_000)]) {
          ledger.now = recorded;
          step();
        }
      }
      await this.publish();
    }
    return this;
  }

  async publish(): Promise<void> {
    this.#newest = await publish(this.ledger, this.target, { after: this.#size });
    this.#size = this.#newest!.tree_size;
  }

  /** The versions of this kind, by name. */
  async versions(folder: "anchors" | "batches"): Promise<readonly TargetVersion[]> {
    const versions: TargetVersion[] = [];
    for await (const version of this.target.list(`${PREFIX}${folder}/`)) versions.push(version);
    return versions;
  }

  async bytes(version: TargetVersion): Promise<Uint8Array> {
    return (await this.target.get(version, 1 << 20)).bytes;
  }

  /** Anybody's put; not locked unless said. */
  async put(name: string, bytes: Uint8Array, lock: { readonly mode: "COMPLIANCE" | "GOVERNANCE"; readonly for: number } | null = null): Promise<void> {
    await (await ownerClient()).send(new PutObjectCommand({
      Bucket: this.config.bucket, Key: name, Body: Buffer.from(bytes),
      ...(lock === null ? {} : { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: new Date(Date.now() + lock.for) }),
    }));
  }

  async mark(name: string): Promise<void> {
    await (await ownerClient()).send(new DeleteObjectCommand({ Bucket: this.config.bucket, Key: name }));
  }

  async putInParts(name: string, bytes: Uint8Array): Promise<void> {
    const client = await ownerClient();
    const where = { Bucket: this.config.bucket, Key: name };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(where));
    const { ETag } = await client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: Buffer.from(bytes) }));
    await client.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }));
  }

  async destroy(version: TargetVersion): Promise<void> {
    await destroyVersion(this.config.bucket, version.name, version.versionId);
  }

  audit(options: Partial<AuditOptions> = {}): Promise<AuditReport> {
    return auditOf(this.ledger, [new S3Target(this.config)], { now: Date.now(), ...options });
  }

  /** What is wrong, with the ledger and without it. */
  async both(): Promise<readonly [readonly string[], readonly string[]]> {
    const said = (report: AuditReport): readonly string[] => found(report).map((one) => one.join(" "));
    return [said(await this.audit()), said(await this.audit({ ledgerPath: null }))];
  }

  /** For `receiptd audit` on a host that has nothing but a pinned key. */
  get args(): readonly string[] {
    const { bucket: name, endpoint, region } = this.config;
    return ["audit", "--ledger-gone", "--anchors", `s3://${name}`, "--endpoint", endpoint!, "--region", region!, "--path-style", "--target", "s3", "--vkey", this.ledger.vkey];
  }
}

async function live(...counts: readonly number[]): Promise<Live> {
  return await new Live(await bucket()).batches(...(counts.length === 0 ? [10, 20, 5] : counts));
}

const named = (name: string, bytes: Uint8Array): string => name.replace(/[0-9a-f]{64}/, toHex(nodeHash.sha256(bytes)));
const twice = (...what: readonly string[]): readonly [readonly string[], readonly string[]] => [what, what];

describe.skipIf(!hasS3())("on a real server", () => {
  it("as it was published", async () => {
    const made = await live();
    const report = await made.audit();
    expect(report).toMatchObject({ exitCode: 0, findings: [], counts: { targets: [{ state: "current", anchors: 3, batches: 3, objects: 6, read: 6 }] } });
    expect(report.sentence).toMatch(/as anchored at s3 \(locked until at least \d{4}-\d\d-\d\d\)/);
    expect(await made.both()).toEqual(twice());
  });

  it("an extra version: the same bytes by a retry, and other bytes", async () => {
    const made = await live();
    const [first] = await made.versions("anchors");
    await made.put(first!.name, await made.bytes(first!));
    expect([await made.both(), notes(await made.audit())]).toEqual([twice(), ["duplicate_object"]]);
    await made.put(first!.name, utf8("junk"));
    expect(await made.both()).toEqual(twice("interference name_mismatch"));
  });

  it("a delete marker, and then the same bytes again", async () => {
    const made = await live();
    const version = (await made.versions("anchors")).at(-1)!;
    const { newestTime } = (await made.audit()).counts.targets[0]!;
    await made.mark(version.name);
    expect(await made.both()).toEqual(twice("interference delete_marker"));
    await made.put(version.name, await made.bytes(version), { mode: "COMPLIANCE", for: 2 * DAY });
    const report = await made.audit();
    expect([found(report), notes(report), report.counts.targets[0]!.newestTime]).toEqual([[["interference", "delete_marker"]], ["duplicate_object"], newestTime]);
  });

  it("a squatted name of the future", async () => {
    const made = await live();
    const [first] = await made.versions("anchors");
    await made.put(first!.name.replace(/\d{20}/, "00000000000000009999"), utf8("junk"), { mode: "COMPLIANCE", for: DAY });
    await made.put(named(first!.name, utf8("junk")).replace(/\d{20}/, "00000000000000009999"), utf8("junk"));
    const [withLedger, alone] = await made.both();
    expect([withLedger.toSorted(), alone.toSorted()]).toEqual(twice("interference bad_tlog_proof", "interference name_mismatch"));
  });

  it("an old anchor replayed: under its own name it is a duplicate, under the newest one's it is interference", async () => {
    const made = await live();
    const versions = await made.versions("anchors");
    const old = await made.bytes(versions[0]!);
    await made.put(versions[0]!.name, old);
    await made.put(versions.at(-1)!.name, old);
    await made.put(named(versions.at(-1)!.name, old), old);
    const report = await made.audit();
    expect(found(report).toSorted()).toEqual([["interference", "bad_checkpoint"], ["interference", "name_mismatch"]]);
    expect(report.counts.targets[0]).toMatchObject({ state: "current", newestSize: made.ledger.size });
  });

  it("anchors of another ledger", async () => {
    const made = await live();
    const other = new TestLedger({ seed: "another", batches: [4] });
    open.push(other);
    const elsewhere = new S3Target(await bucket());
    await publish(other, elsewhere);
    for await (const version of elsewhere.list(`${PREFIX}anchors/`)) {
      const { bytes } = await elsewhere.get(version, 65_536);
      await made.put(version.name, bytes, { mode: "COMPLIANCE", for: 2 * DAY });
      await made.put(version.name.replace(LEDGER_ID, "f".repeat(32)), bytes);
    }
    expect(await made.both()).toEqual(twice("interference bad_note"));
  });

  it("two forks in one bucket", async () => {
    const config = await bucket();
    const clone = new TestLedger();
    open.push(clone);
    const made = await new Live(config, clone).batches(10, 20);
    const common = made.ledger.size;
    for (const [ledger, count] of [[made.ledger, 5], [clone, 7]] as const) {
      ledger.now = Date.now() - 2000;
      ledger.append(count);
      ledger.anchor("schedule", Date.now() + 900_000);
      await publish(ledger, made.target, { after: common });
    }
    for (const options of [{}, { ledgerPath: null }]) {
      const report = await made.audit(options);
      expect([report.exitCode, report.counts.targets[0]!.state]).toEqual([1, "forked"]);
      expect(found(report)).toContainEqual(["violation", "fork"]);
      expect(report.sentence).toContain("two pasts are signed");
    }
  });

  it("an upload in parts: beside an anchor, and in the place of one", async () => {
    const made = await live();
    const version = (await made.versions("anchors"))[1]!;
    const bytes = await made.bytes(version);
    await made.putInParts(version.name, bytes);
    expect(await made.both()).toEqual(twice("interference multipart_version"));
    await made.destroy(version);
    const [withLedger, alone] = await made.both();
    expect(withLedger).toEqual(expect.arrayContaining(["interference multipart_version", "violation anchor_missing"]));
    expect(alone).toEqual(expect.arrayContaining(["interference multipart_version", "violation anchor_link_mismatch"]));
  });

  it("an anchor that the provider destroyed, in the middle and at the end", async () => {
    const made = await live();
    const [, second, newest] = await made.versions("anchors");
    await made.destroy(second!);
    const report = await made.audit();
    expect(wrong(report)).toMatchObject([{ severity: "violation", code: "anchor_missing", logIndex: 32 }]);
    expect((await made.both())[1]).toContain("violation anchor_link_mismatch");
    // Another anchor has seen the newest one, and tells once it is the ledger's.
    await made.destroy(newest!);
    made.ledger.now = Date.now();
    made.ledger.anchor();
    expect(wrong(await made.audit()).map(({ code, logIndex }) => [code, logIndex])).toEqual([["anchor_missing", 32], ["anchor_missing", 38]]);
  });

  it("a destroyed version that was stored again with the same bytes, and a lock that can be lifted", async () => {
    const made = await live();
    const version = (await made.versions("anchors"))[1]!;
    const bytes = await made.bytes(version);
    await made.destroy(version);
    await made.put(version.name, bytes, { mode: "GOVERNANCE", for: 2 * DAY });
    expect(await made.both()).toEqual([["violation version_missing", "violation lock_missing"], ["violation version_missing", "violation lock_missing"]].map((codes) => expect.arrayContaining(codes)));
  });

  it("names with every kind of character", async () => {
    const made = await live();
    const names = ["anchors/a+b c%20&<>", "anchors/\u00e9\u{1f600}\u{10ffff}", "batches/\t", "zzz\uffee", "anchors.", "receipts/none"];
    for (const name of names) await made.put(`${PREFIX}${name}`, utf8("junk"));
    const report = await made.audit();
    expect(wrong(report).map(({ code, object }) => [code, object!.name.slice(PREFIX.length)]).toSorted()).toEqual(names.toSorted().map((name) => ["bad_object_name", name]));
    expect(report.counts.targets[0]).toMatchObject({ state: "current", anchors: 3 });
  });

  it("a past that was written anew with the key into a new bucket: the times tell, and the auditor's own record", async () => {
    const made = await live(10, 20);
    const records: AuditRecord[] = [];
    await auditOf(made.ledger, [made.target], { ledgerPath: null, now: Date.now() }, { onRecord: (record) => void records.push(record) });
    expect(records).toHaveLength(1);
    const forged = new TestLedger({ batches: [9, 21, 5] }); // in June, it says
    open.push(forged);
    const config = await bucket();
    await publish(forged, new S3Target(config));
    const report = await auditOf(forged, [new S3Target(config)], { ledgerPath: null });
    expect([report.exitCode, notes(report)]).toEqual([0, ["published_late"]]);
    expect(await auditOf(forged, [new S3Target(config)], { ledgerPath: null, now: Date.now(), since: records[0] })).toMatchObject({ exitCode: 1, findingCounts: { version_missing: 1, fork: 1 } });
  });

  it("the ledger is lost: a pinned key and the bucket are enough, and the next audit reads only what is new", async () => {
    const made = await live();
    made.ledger.remove();
    const host = new Host(null);
    open.push(host);
    const first = await must(host, [...made.args, "--retention", "1d", "--record", "audit.json"]);
    expect(first.stdout).toMatch(/^The 3 anchors and their batches are whole and continue one another, as anchored at s3 \(locked until at least /);
    expect(statSync(host.path("audit.json")).mode & 0o777).toBe(0o600);
    const next = await must(host, [...made.args, "--since", "audit.json", "--record", "audit.json", "--sample", "1", "--json"]);
    expect(json(next)).toMatchObject({ verdict: "ok", counts: { targets: [{ objects: 6, read: 2, remembered: { versions: 6, read_again: 2 } }] } });
    await made.mark((await made.versions("anchors"))[0]!.name);
    const before = readFileSync(host.path("audit.json"), "utf8");
    const marked = await here(host, [...made.args, "--since", "audit.json", "--record", "audit.json"]);
    expect([marked.code, marked.stdout]).toEqual([1, expect.stringContaining("s3 is read in full: its listing up to the anchor of 39 receipts is not what it was")]);
    expect(readFileSync(host.path("audit.json"), "utf8")).toBe(before);
    const short = await here(host, [...made.args, "--retention", "7y"]);
    expect([short.code, short.stdout]).toEqual([1, expect.stringContaining("violation retention_short")]);
  });
});

describe("what an auditor can get wrong", () => {
  it.each([
    ["a record that others can write", ["--since", "open.json"], "others can write"],
    ["a record that is none", ["--since", "bad.json"], "is not the record of an audit"],
    ["a record of a part", ["--record", "x.json", "--from", "2026-01-01"], "for an audit of everything"],
    ["a retention that is none", ["--ledger-gone", "--anchors", "s3://some-bucket", "--retention", "long"], "--retention is a time"],
  ])("%s", async (_, args, message) => {
    const host = new Host(null);
    try {
      for (const [name, mode] of [["open.json", 0o666], ["bad.json", 0o600]] as const) {
        writeFileSync(host.path(name), "{}");
        chmodSync(host.path(name), mode);
      }
      const ran = await here(host, ["audit", ...args]);
      expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(message)]);
    } finally {
      await host.remove();
    }
  });
});
