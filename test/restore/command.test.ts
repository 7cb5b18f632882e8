/** `receiptd restore` on a new host, as a person runs it: with the keys it goes on writing, without them it reads and audits. */
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { here, serveHere } from "../cli/here.ts";
import { Host, json, type Running } from "../cli/host.ts";
import { appending, init, talk } from "../cli/talk.ts";
import { bucket, hasS3 } from "../support/s3-server.ts";

const hosts: Host[] = [];
afterAll(async () => {
  while (hosts.length > 0) await hosts.pop()!.remove();
});

interface Place {
  /** YAML of `anchor.targets`. */
  readonly targets: string;
  readonly recipients?: readonly string[];
  /** Where the anchors of a directory target are, from outside. */
  readonly folder: string | null;
}

function host({ targets, recipients = [] }: Place): Host {
  const made = new Host(`origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
  archive: {enabled: true, recipients: ${JSON.stringify(recipients)}}
  targets: ${targets}
`);
  hosts.push(made);
  return made;
}

async function stop({ child, ended }: Pick<Running, "child" | "ended">): Promise<void> {
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
}

const ID = "0198c0de-0000-7000-8000-0000000000";

/** A ledger with receipts in two batches, and the host gone. Returns the vkey. */
async function lostHost(place: Place): Promise<{ readonly lost: Host; readonly vkey: string }> {
  const lost = host(place);
  const { vkey } = await init(lost);
  const daemon = await serveHere(lost);
  await talk(lost, async (client) => {
    await client.must("append", appending(1, { receipt_id: `${ID}01` }));
    await client.must("anchor");
    await client.must("append", appending(2, { receipt_id: `${ID}02`, organization: "cards" }));
  });
  await stop(daemon);
  return { lost, vkey };
}

function takeKeys(from: Host, to: Host): void {
  mkdirSync(to.path("receiptd-data"), { mode: 0o700 });
  for (const name of ["root.key", "keyring.json"]) cpSync(from.path(`receiptd-data/${name}`), to.path(`receiptd-data/${name}`));
}

const places: readonly (readonly [string, (identity: string) => Promise<Place>])[] = [
  ["a folder", async (identity) => {
    const shared = new Host(null);
    hosts.push(shared);
    mkdirSync(shared.path("anchors"));
    return { targets: `[{name: disk, type: directory, path: ${shared.path("anchors")}}]`, folder: shared.path("anchors"), recipients: [await identityToRecipient(identity)] };
  }],
  ["a bucket with Object Lock", async (identity) => {
    const { retention, ...config } = await bucket({ name: "disk", prefix: "receiptd/" });
    return { targets: JSON.stringify([{ ...config, retention: `${retention / 86_400_000}d` }]), folder: null, recipients: [await identityToRecipient(identity)] };
  }],
];

describe.each(places)("from %s", (name, placeOf) => {
  const isSkipped = name.includes("bucket") && !hasS3();
  let identity: string;
  let place: Place;
  let lost: Host;
  let vkey: string;

  beforeAll(async () => {
    if (isSkipped) return;
    identity = await generateX25519Identity();
    place = await placeOf(identity);
    ({ lost, vkey } = await lostHost(place));
  });

  test.skipIf(isSkipped)("without keys and configuration it can be read and audited", async () => {
    const elsewhere = new Host("data_dir: ./copy\n");
    hosts.push(elsewhere);
    writeFileSync(elsewhere.path("archive.key"), identity);
    const config = place.folder === null ? JSON.parse(place.targets)[0] as { bucket: string; endpoint: string } : null;
    const from = config === null ? [place.folder!] : [`s3://${config.bucket}/receiptd`, "--endpoint", config.endpoint, "--path-style", "--region", "us-east-1"];
    const restored = await here(elsewhere, ["restore", "--from", ...from, "--vkey", vkey, "--identity", "archive.key"]);
    expect([restored.code, restored.stderr, restored.stdout.split("\n")[0]]).toEqual([0, "", expect.stringContaining("still has is back: 6 receipts under 3 anchors")]);
    expect(restored.stdout).toContain("restore root key and keyring from their backup");
    if (config !== null) return; // what is here now does not depend on where it came from
    const [got, served, twice] = await Promise.all([
      here(elsewhere, ["get", `${ID}02`, "--json"]), elsewhere.run(["serve"]),
      here(elsewhere, ["restore", "--from", ...from, "--vkey", vkey, "--identity", "archive.key"]),
    ]);
    expect(json(got)).toBeTruthy();
    expect(served.code).toBe(2);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("ledger_exists")]);
  }, 120_000);

  test.skipIf(isSkipped)("with root key and keyring the daemon goes on where the lost one ended", async () => {
    const fresh = host(place);
    takeKeys(lost, fresh);
    writeFileSync(fresh.path("archive.key"), `# the archive's\n${identity}\n`);
    const before = await here(fresh, ["restore", "--from", "disk"]);
    expect([before.code, before.stdout]).toEqual([1, expect.stringMatching(/^Not everything could be restored: .* archived encrypted, and no identity was given/)]);
    expect(readdirSync(fresh.path("receiptd-data")).sort()).toEqual(["keyring.json", "ledger.db.lock", "root.key"]);

    const restored = await here(fresh, ["restore", "--from", "disk", "--identity", "archive.key", "--json"]);
    expect([restored.code, restored.stderr]).toEqual([0, ""]);
    expect(json(restored)).toMatchObject({ restored: { receipts: 6, anchors: 3, stop: null, is_kept: true }, audit: { exit_code: 0 } });
    const names = (await here(fresh, ["anchors", "--json"])).stdout;

    const daemon = await serveHere(fresh);
    await talk(fresh, async (client) => {
      expect(await client.must("append", appending(2, { receipt_id: `${ID}02`, organization: "cards" }))).toMatchObject({ duplicate: true });
      expect(await client.call("append", appending(9, { receipt_id: `${ID}01` }))).toMatchObject({ error: { code: "conflict" } });
      await client.must("append", appending(3));
      expect((await client.must("status"))["targets"]).toMatchObject([{ interference: 0 }]);
      await client.must("anchor");
    });
    await stop(daemon);
    const audited = await here(fresh, ["audit", "--json", "--identity", "archive.key"]);
    expect([audited.code, audited.stderr]).toEqual([0, ""]);
    const report = json(audited) as { findings: { code: string }[]; counts: { targets: { archive: object }[] } };
    // nothing was archived a second time
    expect(report.counts.targets[0]!.archive).toMatchObject({ receipts: 4, missing: 0, encrypted: 0 });
    expect(report.findings.map(({ code }) => code)).not.toContain("duplicate_object");
    expect(names).toContain('"there"');
    expect(readdirSync(fresh.path("receiptd-data/archive"))).toEqual([]);
  }, 120_000);
});

test("what cannot be meant is refused", async () => {
  const alone = new Host("data_dir: ./copy\n");
  hosts.push(alone);
  for (const [args, code] of [
    [["--from", "nowhere"], "bad_usage"],
    [["--from", "nowhere", "--vkey", "junk"], "bad_vkey"],
  ] as const) {
    const ran = await here(alone, ["restore", ...args]);
    expect([ran.code, ran.stderr], args.join(" ")).toEqual([2, expect.stringContaining(code)]);
  }
  expect(existsSync(alone.path("copy"))).toBe(false);
});
