/** What the doctor makes of files, disks, clocks, daemons and settings, one fact at a time. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { BucketSettings, Setting } from "../../src/anchor/s3/settings.ts";
import type { S3Config } from "../../src/anchor/targets.ts";
import { defaultConfig } from "../../src/config.ts";
import { initLedger, newForwardSecure, openKeys } from "../../src/daemon/init.ts";
import { placesOf } from "../../src/daemon/places.ts";
import { settingChecks } from "../../src/doctor/bucket.ts";
import type { Check } from "../../src/doctor/check.ts";
import { checkClock } from "../../src/doctor/clock.ts";
import { checkDirectory } from "../../src/doctor/directory.ts";
import { checkDataDir, checkDisk, checkKept } from "../../src/doctor/host.ts";
import { checkDaemon, checkKeys, checkLedger, checkSchedule, type DaemonState } from "../../src/doctor/ledger.ts";
import { RatchetFile } from "../../src/keys/ratchet-file.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-doctor-"));
afterAll(() => rmSync(dir, { recursive: true }));
const uid = process.getuid!();

let folders = 0;
function folder(): string {
  const path = join(dir, String(++folders));
  mkdirSync(path, { mode: 0o700 });
  return path;
}

const said = (checks: readonly Check[]): readonly string[] => checks.map((one) => `${one.status} ${one.check}: ${one.message}`);
/** Whatever is not in order says what to do. */
const complete = (checks: readonly Check[]): boolean => checks.every((one) => one.status === "ok" || (one.next ?? "") !== "");

describe("data_dir", () => {
  test.each<readonly [what: string, make: (path: string) => void, expected: RegExp]>([
    ["as init makes it", (path) => writeFileSync(join(path, "ledger.db"), "", { mode: 0o644 }), /^ok data_dir: .*\(0700, user \d+\)$/],
    ["open to the group", (path) => chmodSync(path, 0o750), /^problem data_dir: .* has mode 0750/],
    ["open to read for all", (path) => chmodSync(path, 0o704), /^problem data_dir: .* has mode 0704/],
    ["a file that others may write", (path) => { writeFileSync(join(path, "ledger.db"), ""); chmodSync(join(path, "ledger.db"), 0o664); }, /^problem data_dir: .*ledger\.db has mode 0664/],
    ["a link in place of a file", (path) => symlinkSync("/dev/null", join(path, "ledger.db")), /^problem data_dir: .*ledger\.db is a symbolic link/],
    ["a file", (path) => { rmSync(path, { recursive: true }); writeFileSync(path, ""); }, /^problem data_dir: .* is no folder/],
    ["nothing", (path) => rmSync(path, { recursive: true }), /^problem data_dir: there is no folder/],
  ])("%s", (_, make, expected) => {
    const path = folder();
    make(path);
    const checks = checkDataDir(path, uid);
    expect(said(checks)).toEqual([expect.stringMatching(expected)]);
    expect(complete(checks)).toBe(true);
  });

  test("another user's is not looked at", () => {
    expect(said(checkDataDir(folder(), uid + 1))).toEqual([expect.stringMatching(/^unchecked data_dir: .* belongs to user/)]);
  });
});

test("disk: room and syncing are looked at, and nothing is left behind", () => {
  const path = folder();
  const checks = checkDisk(path);
  expect(said(checks)).toEqual(expect.arrayContaining([expect.stringMatching(/^\w+ disk: [\d,]+ MiB free/), "ok fsync: a file can be written and synced beside the ledger"]));
  expect(readdirSync(path)).toEqual([]);
  expect(said(checkDisk(join(path, "gone")))).toEqual([expect.stringMatching(/^unchecked disk: ENOENT/)]);
  expect(said(checkDisk("/proc")).at(-1)).toMatch(/^(problem|unchecked) fsync: /); // nothing can be written there
  expect(said(checkDisk("/dev/shm"))).toContainEqual(expect.stringMatching(/^warning file system: .* in memory/));
});

test("what recoveries and power cuts have left is named, and nothing else", () => {
  const path = folder();
  const kept = (): readonly Check[] => checkKept(join(path, "ledger.db"), join(path, "quarantine"));
  for (const name of ["ledger.db", "ledger.db-wal", "ledger.db-acks", "anchor.db.damaged-x"]) writeFileSync(join(path, name), "x");
  expect([kept(), checkKept(join(path, "gone", "ledger.db"), join(path, "gone", "quarantine"))]).toEqual([[], []]);
  for (const name of ["ledger.db.damaged-20260601T000000000Z", "ledger.db.damaged-20260601T000000000Z-acks", "ledger.db-wal.damaged-20260601T000000000Z"]) writeFileSync(join(path, name), Buffer.alloc(2 ** 20));
  mkdirSync(join(path, "quarantine"));
  expect(said(kept())).toEqual([expect.stringMatching(/^warning kept copies: .*, 4 MiB .*: ledger\.db-wal\.damaged-\w+, ledger\.db\.damaged-\w+, ledger\.db\.damaged-\w+-acks, quarantine$/)]);
  expect(complete(kept())).toBe(true);
});

describe("keys and ledger", async () => {
  const config = { ...defaultConfig(join(dir, "ledger")) };
  const { ledgerId } = await initLedger(config);

  test("of a new ledger", async () => {
    const { checks, keyring } = await checkKeys(config);
    expect(said(checks)).toEqual([expect.stringMatching(/^ok keys: /), expect.stringMatching(/^warning root key: .* on the same disk/)]);
    const { checks: ledger, facts } = checkLedger(config, keyring);
    expect(said(ledger)).toEqual([expect.stringContaining(`ok ledger: localhost/receipts (${ledgerId}) opens`)]);
    expect(facts).toEqual({ origin: "localhost/receipts", ledgerId, size: 1, lastAnchorAt: null });
  });

  test.each<readonly [what: string, mode: "retained" | "forward-secure", change: object | null, expected: RegExp]>([
    ["as init has made it", "forward-secure", null, /^ok keys: .*\(key_v1, forward-secure\)$/],
    ["ahead", "forward-secure", { epoch: 2 }, /^problem keys: the ratchet is at epoch 2 of key_v1, the ledger at 0/],
    ["of another key", "forward-secure", { key: new Uint8Array(32) }, /^problem keys: the key of epoch 0 of key_v1 is not the one that the ledger has published.*auditor's seed/],
    ["of no epoch", "forward-secure", { epoch: -1 }, /^problem keys: the ratchet holds no key of key_v1/],
    ["ahead, where the seed is here", "retained", { epoch: 2 }, /^ok keys: /],
    ["of another key, where the seed is here", "retained", { key: new Uint8Array(32) }, /^problem keys: the key of epoch 0 of key_v1 .*from the keyring$/],
  ])("a ratchet %s (%s, %j)", async (_, mode, change, expected) => {
    const own = defaultConfig(folder());
    await initLedger(own, mode === "retained" ? null : { ...newForwardSecure(), sealed: null });
    const { root, keyring } = await openKeys(own);
    const path = placesOf(own).ratchet;
    const file = new RatchetFile(path, root, keyring.ledgerId);
    const state = file.load()!;
    rmSync(path);
    file.create({ ...state, ...change });
    const { checks } = await checkKeys(own);
    expect(said(checks)[0]).toMatch(expected);
    expect(complete(checks)).toBe(true);
  });

  test("another one's keys, another origin, none", async () => {
    const other = { ...defaultConfig(join(dir, "other")) };
    await initLedger(other);
    const { keyring } = await checkKeys(other);
    expect(said(checkLedger(config, keyring).checks)).toEqual([expect.stringMatching(/^problem ledger: .*the keyring is that of/)]);
    expect(said(checkLedger({ ...config, origin: "x.example/y" }, null).checks)).toEqual([expect.stringMatching(/^problem ledger: .*configuration says x\.example\/y/)]);
    const none = defaultConfig(join(dir, "none"));
    expect(said([...(await checkKeys(none)).checks, ...checkLedger(none, null).checks])).toEqual([expect.stringMatching(/^problem keys: /), expect.stringMatching(/^problem ledger: /)]);
    chmodSync(join(dir, "other", "keyring.json"), 0o640);
    expect(said((await checkKeys(other)).checks)).toEqual([expect.stringMatching(/^problem keys: .* mode 640/)]);
  });

  test("the daemon", () => {
    const facts = { origin: "localhost/receipts", ledgerId, size: 1, lastAnchorAt: null };
    const target = { name: "s3", state: "ok", pending: 0, last_error: null };
    const state: DaemonState = { state: "ok", reason: null, ledger_id: ledgerId, targets: [target] };
    const away = { ...target, state: "unavailable", pending: 3, last_error: { message: "no route" } };
    expect([
      checkDaemon(state, facts), checkDaemon(null, facts), checkDaemon(new Error("no rights"), facts), checkDaemon({ ...state, ledger_id: "00" }, facts),
      checkDaemon({ ...state, state: "refusing", reason: { code: "forked", message: "two of them" } }, facts), checkDaemon({ ...state, targets: [away] }, facts),
      checkDaemon({ ...state, state: "damaged" }, facts),
    ].flatMap(said)).toEqual([
      "ok daemon: it runs and takes receipts", "warning daemon: no daemon is listening on the socket", "unchecked daemon: no rights",
      "problem daemon: the daemon on the socket has another ledger, 00", "problem daemon: it refuses receipts: two of them",
      "ok daemon: it runs and takes receipts", "problem daemon's target s3: unavailable, 3 anchors to publish: no route",
      "problem daemon: it takes receipts, and its self-check found damage in the ledger: see receiptd status",
    ]);
  });

  test("the schedule: next tick, an anchor that did not come, one from the future", () => {
    const now = Date.UTC(2026, 0, 1);
    const at = (lastAnchorAt: number | null) => ({ origin: "x", ledgerId, size: 1, lastAnchorAt });
    const heartbeat = config.anchor.heartbeat + config.anchor.grace;
    expect(said([
      checkSchedule(config, at(now - heartbeat), true, now), checkSchedule(config, at(now - heartbeat - 61_000), true, now),
      checkSchedule(config, at(now - heartbeat - 61_000), false, now), checkSchedule(config, at(now + 61_000), true, now), checkSchedule(config, null, false, now),
    ])).toEqual([
      expect.stringMatching(/^ok schedule: next tick 20\d\d-\d\d-\d\dT[\d:.]+Z; last anchor /), expect.stringMatching(/^problem schedule: .* one was due after 900 s/),
      expect.stringMatching(/^ok /), expect.stringMatching(/^problem schedule: .* in the future/), expect.stringMatching(/^ok .*no anchor yet/),
    ]);
  });
});

test("clock: against servers and by NTP; whoever knows counts", () => {
  const s3 = (offset: number) => [{ server: "S3", offset }];
  expect([
    checkClock(s3(400), null), checkClock(s3(-60_000), true), checkClock(s3(60_000), null), checkClock([], true), checkClock(s3(0), false), checkClock([], null),
  ].flatMap(said)).toEqual([
    "ok clock: it agrees with that of S3", "problem clock: it is 60 s ahead of that of S3", "problem clock: it is 60 s behind that of S3",
    "ok clock: it is synchronised by NTP", "problem clock: it is not synchronised by NTP", expect.stringMatching(/^unchecked clock: there is nothing to compare it with/),
  ]);
});

test("a folder as a target: there, writable, and no WORM", () => {
  const path = folder();
  const target = { type: "directory", name: "local", path, required: true } as const;
  const checks = checkDirectory(target, dir);
  expect(said(checks)).toEqual([expect.stringMatching(/^ok target local: /), expect.stringMatching(/^warning target local: WORM: .* not WORM.* own disk$/)]);
  expect(readdirSync(path)).toEqual([]);
  expect(said(checkDirectory({ ...target, path: join(path, "gone") }, dir))).toEqual([expect.stringMatching(/^problem target local: there is no folder/)]);
  expect(said(checkDirectory({ ...target, path: "/proc/self" }, dir))).toEqual([expect.stringMatching(/^problem target local: .* cannot be read and written/)]);
});

describe("settings of a bucket", () => {
  const target: S3Config = { type: "s3", name: "s3", bucket: "b", prefix: "p/", path_style: true, retention: 90 * 86_400_000, required: true };
  const value = <T>(value: T): Setting<T> => ({ seen: "value", value });
  const good: BucketSettings = {
    versioning: value("Enabled"), lock: value({ standard: { mode: "COMPLIANCE", days: 90 } }), policy: value({ isPublic: false }),
    publicAccessBlocked: value(true), expiry: value([]), encryption: value(["AES256"]),
  };

  test("as config/aws makes them", () => {
    expect(settingChecks(target, good).map((one) => one.status)).toEqual(["ok", "ok", "ok", "ok", "ok", "ok"]);
  });

  test.each<readonly [change: Partial<BucketSettings>, expected: RegExp]>([
    [{ versioning: value("Suspended") }, /^problem target s3: versioning: it is Suspended/],
    [{ versioning: value(null) }, /^problem target s3: versioning: it is off/],
    [{ lock: value(null) }, /^problem target s3: Object Lock: it is off/],
    [{ lock: value({ standard: null }) }, /^ok target s3: Object Lock: .*for 90 days itself/],
    [{ lock: value({ standard: { mode: "GOVERNANCE", days: 90 } }) }, /^warning target s3: Object Lock: /],
    [{ lock: value({ standard: { mode: "COMPLIANCE", days: 365 } }) }, /^warning target s3: Object Lock: .* which is shorter/],
    [{ policy: value(null) }, /^warning target s3: bucket policy: there is none/],
    [{ policy: value({ isPublic: true }) }, /^problem target s3: bucket policy: it lets anybody in/],
    [{ publicAccessBlocked: value(false) }, /^warning target s3: public access/],
    [{ expiry: value([{ id: "old", prefix: "" }]) }, /^problem target s3: lifecycle: the rule old puts delete markers/],
    [{ expiry: value([{ id: null, prefix: "p/v1/x" }]) }, /^problem target s3: lifecycle/],
    [{ expiry: value([{ id: "logs", prefix: "logs/" }]) }, /^ok target s3: lifecycle/],
    [{ encryption: value(["aws:kms"]) }, /^warning target s3: encryption: SSE-KMS/],
    [{ policy: { seen: "denied", action: "s3:GetBucketPolicyStatus" } }, /^unchecked target s3: bucket policy: .*s3:GetBucketPolicyStatus/],
    [{ expiry: { seen: "failed", why: "InternalError" } }, /^unchecked target s3: lifecycle: .*InternalError/],
    [{ encryption: { seen: "unknown" } }, /^ok target s3: encryption: the server has no such setting/],
  ])("%j", (change, expected) => {
    const checks = settingChecks(target, { ...good, ...change });
    expect(said(checks).filter((text) => expected.test(text))).toHaveLength(1);
    expect(complete(checks)).toBe(true);
  });
});
