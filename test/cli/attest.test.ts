/** `receiptd attest` beside a daemon: an auditor's key, their word on an audit, what the ledger takes of it, and what evidence shows of it. */
import { copyFileSync, readFileSync, statSync, writeFileSync, appendFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatAttestation, readAttestationFile, readStatement } from "../../src/format/attestation.ts";
import { parseCheckpoint } from "../../src/format/checkpoint.ts";
import { parseCosigner } from "../../src/format/cosignature.ts";
import { formatNote, parseNote } from "../../src/format/note.ts";
import { verifyByNode } from "../../src/keys/node-ed25519.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { newestAttestations } from "../../src/ledger/attestations.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { verifyAttestation } from "../../src/verify/attestation.ts";
import { here, must, type Served, serveHere } from "./here.ts";
import { Host, json } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

type Members = { readonly [name: string]: unknown };

const host = new Host();
let daemon: Served;
let vkey: string;
let auditor: string;

const newKey = async (file: string, name = "auditor.example.com"): Promise<string> => String(json(await must(host, ["attest", "--new-key", file, "--name", name, "--json"]))["vkey"]);
const attested = (): Promise<Members> => talk(host, async (client) => (await client.must("status"))["attested"] as Members);
const send = (name: string) => here(host, ["attest", "--attestation", name, "--send", "--json"]);

async function anchored(...numbers: readonly number[]): Promise<void> {
  await talk(host, async (client) => {
    for (const n of numbers) await client.must("append", appending(n));
    const { tree_size } = await client.must("anchor");
    await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
  });
}

beforeAll(async () => {
  ({ vkey } = await init(host));
  auditor = await newKey("auditor.key");
  appendFileSync(host.path("receiptd.yaml"), `auditors:\n  - ${auditor}\n`);
  daemon = await serveHere(host);
  await anchored(1, 2, 3);
  await talk(host, (client) => client.must("append", appending(4)));
});
afterAll(async () => {
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await host.remove();
});

describe("an auditor's key", () => {
  test("is made once, in a file of its own", async () => {
    expect(auditor).toMatch(/^auditor\.example\.com\+[0-9a-f]{8}\+B[A-P]/);
    expect(statSync(host.path("auditor.key")).mode & 0o777).toBe(0o600);
    const again = await here(host, ["attest", "--new-key", "auditor.key", "--name", "auditor.example.com"]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("key_file_exists")]);
    const nameless = await here(host, ["attest", "--new-key", "other.key", "--name", "an auditor"]);
    expect([nameless.code, nameless.stderr]).toEqual([2, expect.stringContaining("bad_vkey")]);
  });

  test("that is damaged, or that others can read, is refused", async () => {
    await must(host, ["audit", "--record", "audit.json"]);
    const text = readFileSync(host.path("auditor.key"), "utf8");
    writeFileSync(host.path("open.key"), text, { mode: 0o644 });
    writeFileSync(host.path("cut.key"), text.slice(0, -9), { mode: 0o600 });
    writeFileSync(host.path("renamed.key"), text.replace("auditor.example.com", "another.example.com"), { mode: 0o600 });
    for (const [name, code] of [["open.key", "key_file_mode"], ["cut.key", "key_file_damaged"], ["renamed.key", "key_file_damaged"], ["none.key", "key_file_missing"], ["receiptd.yaml", "key_file_mode"]] as const) {
      const ran = await here(host, ["attest", "--key", name, "--record", "audit.json"]);
      expect([name, ran.code, ran.stderr]).toEqual([name, 2, expect.stringContaining(code)]);
    }
  });
});

describe("an attestation", () => {
  test("says what the record says, and countersigns the newest anchor", async () => {
    await must(host, ["attest", "--key", "auditor.key", "--record", "audit.json", "-o", "attestation.json"]);
    const attestation = readAttestationFile(readFileSync(host.path("attestation.json")));
    const { statement, auditor: by } = verifyAttestation(attestation, [parseCosigner(auditor)]);
    const record = JSON.parse(readFileSync(host.path("audit.json"), "utf8")) as Members & { readonly made_at: string; readonly ledger: { readonly size: number } };
    expect(by.vkey).toBe(auditor);
    expect(statement).toMatchObject({ origin: "test.example/receipts", auditedAt: record.made_at, log: { size: record.ledger.size }, anchor: { size: record.ledger.size - 1 }, readFrom: 0, macsChecked: record.ledger.size, macsNotChecked: 0 });
    expect(statement.notChecked.some((one) => one.includes("verifier keys"))).toBe(true);
    expect(() => parseCheckpoint(parseNote(attestation.statement).text)).toThrow(expect.objectContaining({ code: "bad_checkpoint" }) as Error);
    expect(parseCheckpoint(parseNote(attestation.cosigned).text)).toMatchObject({ origin: "test.example/receipts", size: statement.anchor.size });
  });

  test("of another auditor, of other words or of another checkpoint is nobody's", async () => {
    const attestation = readAttestationFile(readFileSync(host.path("attestation.json")));
    const other = parseCosigner(await newKey("same-name.key"));
    const pinned = [parseCosigner(auditor)];
    const code = (change: Partial<typeof attestation>, auditors = pinned): string => {
      try {
        verifyAttestation({ ...attestation, ...change }, auditors);
        return "none";
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
    };
    expect(code({})).toBe("none");
    expect(code({}, [other])).toBe("bad_note");
    expect(code({}, [])).toBe("bad_note");
    expect(code({ statement: attestation.statement.replace('"macs_not_checked":0', '"macs_not_checked":1') })).toBe("bad_note");
    expect(code({ cosigned: attestation.cosigned.replace(/\n\d+\n/, "\n1\n") })).toBe("bad_attestation");
    const { text, signatures: [line] } = parseNote(attestation.cosigned);
    expect(code({ cosigned: formatNote({ text, signatures: [{ ...line!, signature: line!.signature.map((byte, i) => (i === 20 ? byte ^ 1 : byte)) }] }) })).toBe("bad_note");
    expect(code({ cosigned: attestation.statement })).toBe("bad_attestation");
  });

  test("says first what the auditor had accepted, and that there is more where lines are left out", async () => {
    const record = JSON.parse(readFileSync(host.path("audit.json"), "utf8")) as { readonly audit: { readonly not_checked: readonly string[] } };
    const hash = `sha256:${"a".repeat(64)}`;
    const accepted = {
      revoked: [{ key_id: "key_v1", since: "2026-01-01T00:00:00.000Z", by: "auditor", announced: null, suspect: { first_index: 1, last_index: 2 }, unread: false }],
      breaks: [{ key_id: "key_v1", log_index: 1, receipt_id: "x", receipt_number: "LEDGER-2026-00002", receipt_hash: hash, says: "the ratchet was lost, it says" }],
      audit: { ...record.audit, not_checked: Array.from({ length: 60 }, (_, i) => `thing ${i}`) },
    };
    writeFileSync(host.path("accepted.record"), JSON.stringify({ ...record, ...accepted }), { mode: 0o600 });
    const { sentence } = json(await must(host, ["attest", "--key", "auditor.key", "--record", "accepted.record", "-o", "accepted.json", "--json"]));
    expect(sentence).toMatch(/in order at the audit of .* \(but for what the auditor accepted: LEDGER-2026-00002 \(sha256:a+\), a ratchet_break: .*; receipts 1 to 2, signed with key_v1, which is revoked since .*: they are suspect\)/);
    const { notChecked } = readStatement(parseNote(readAttestationFile(readFileSync(host.path("accepted.json"))).statement).text);
    expect([notChecked.length, notChecked[0], notChecked.at(-2), notChecked.at(-1)]).toEqual([40, expect.stringContaining(hash), "thing 36", "and 23 more that the audit names"]);
  });

  test("only of an audit that found everything in order, of the ledger", async () => {
    const record = JSON.parse(readFileSync(host.path("audit.json"), "utf8")) as { readonly audit: object };
    const refused = async (change: object, says: string): Promise<void> => {
      writeFileSync(host.path("changed.json"), JSON.stringify({ ...record, ...change }), { mode: 0o600 });
      const ran = await here(host, ["attest", "--key", "auditor.key", "--record", "changed.json"]);
      expect([says, ran.code, ran.stderr]).toEqual([says, 2, expect.stringContaining(says)]);
    };
    await refused({ audit: { ...record.audit, verdict: "findings" } }, "not the record of an audit");
    await refused({ ledger: null, receipts: null }, "without the ledger");
    await refused({ targets: [] }, "not_anchored");
    expect((await here(host, ["attest", "--key", "auditor.key"])).stderr).toContain("bad_usage");
    expect((await here(host, ["attest", "--attestation", "attestation.json"])).stderr).toContain("bad_usage");
    expect((await here(host, ["attest", "--new-key", "x.key", "--name", "x", "--send"])).stderr).toContain("bad_usage");
  });
});

describe("the ledger", () => {
  test("takes it once, and says how far it has been attested", async () => {
    expect(await attested()).toMatchObject({ size: 0, auditors: [{ name: "auditor.example.com", size: 0, audited_at: null }] });
    const stored = json(await send("attestation.json"));
    expect(stored).toMatchObject({ auditor: "auditor.example.com", duplicate: false });
    expect(json(await send("attestation.json"))).toEqual({ ...stored, duplicate: true });
    const receipt = json(await must(host, ["get", String(stored["log_index"]), "--json"]))["receipt"] as Members;
    const { statement, cosigned } = readAttestationFile(readFileSync(host.path("attestation.json")));
    expect(receipt).toMatchObject({ type: "attestation", organization: "_ledger", details: { statement, cosigned } });
    const { log } = readStatement(parseNote(statement).text);
    expect(await attested()).toMatchObject({ size: log.size, since: receipt["recorded_at"], auditors: [{ size: log.size }] });
    const text = (await must(host, ["status"])).stdout;
    expect(text).toMatch(new RegExp(`attested +${log.size} receipts by auditor\\.example\\.com, audited at`));
    expect(text).toContain("not attested");
  });

  test("refuses what is not an auditor's word about this ledger as it is", async () => {
    const made = readAttestationFile(readFileSync(host.path("attestation.json")));
    await newKey("stranger.key", "stranger.example.com");
    await newKey("impostor.key");
    const record = JSON.parse(readFileSync(host.path("audit.json"), "utf8")) as { readonly ledger: { readonly size: number } };
    const attestWith = async (key: string, change: object, name: string): Promise<string> => {
      writeFileSync(host.path("changed.json"), JSON.stringify({ ...record, ...change }), { mode: 0o600 });
      await must(host, ["attest", "--key", key, "--record", "changed.json", "-o", name]);
      return name;
    };
    writeFileSync(host.path("words"), formatAttestation({ ...made, statement: made.statement.replace('"ok"', '"no"') }));
    const cases: readonly (readonly [string, string])[] = [
      [await attestWith("stranger.key", {}, "stranger"), "bad_note"],
      [await attestWith("impostor.key", {}, "impostor"), "bad_note"],
      [await attestWith("auditor.key", { ledger: { ...record.ledger, root: `sha256:${"0".repeat(64)}` } }, "past"), "another root"],
      [await attestWith("auditor.key", { ledger: { ...record.ledger, size: 1_000_000 } }, "ahead"), "another root"],
      ["words", "bad_note"],
    ];
    for (const [name, says] of cases) {
      const ran = await send(name);
      expect([name, ran.code, ran.stderr]).toEqual([name, 2, expect.stringMatching(new RegExp(`attestation_refused.*${says}`))]);
    }
    await talk(host, async (client) => {
      for (const attestation of [null, [], {}, { statement: "", cosigned: "x" }, { statement: "x".repeat(16_385), cosigned: "x" }, { ...made, more: 1 }]) {
        expect(await client.call("attest", { attestation })).toMatchObject({ error: { code: "attestation_refused" } });
      }
      expect(await client.call("attest", {})).toMatchObject({ error: { code: "missing_field" } });
      expect(await client.call("append", { receipt: { type: "attestation", system_id: "s", details: {} } })).toMatchObject({ error: { code: "reserved_type" } });
    });
  });

  test("an older one does not take the place of a newer one, which may come from an audit that went on from the first", async () => {
    await must(host, ["attest", "--key", "auditor.key", "--record", "audit.json", "-o", "late.json"]);
    copyFileSync(host.path("audit.json"), host.path("first.json"));
    await anchored(5, 6);
    await must(host, ["audit", "--since", "audit.json", "--record", "audit.json"]);
    const sent = json(await must(host, ["attest", "--key", "auditor.key", "--record", "audit.json", "--send", "--json"]));
    expect(sent).toMatchObject({ duplicate: false });
    const late = await send("late.json");
    expect([late.code, late.stderr]).toEqual([2, expect.stringContaining("there is a newer one")]);
    await must(host, ["attest", "--key", "auditor.key", "--record", "first.json", "-o", "again.json"]);
    expect((await send("again.json")).stderr).toContain("there is a newer one");
    await anchored(7);
  });

  test("an audit finds attestations in order, and a report says how far they go", async () => {
    expect((await must(host, ["audit"])).stdout).not.toContain("details of");
    const report = json(await must(host, ["report", "--period", String(new Date().getUTCFullYear()), "-o", host.path("report.html"), "--json", "--no-sign"]));
    const { attested: seen } = report["content"] as { readonly attested: Members };
    expect(seen).toEqual(await attested());
    expect([seen["auditors"], readFileSync(host.path("report.html"), "utf8")]).toEqual([[expect.objectContaining({ vkey: auditor })], expect.stringContaining(`by ${auditor}, audited at`)]); // a name is anybody's
  });
});

describe("evidence", () => {
  test("has the countersignature, which shows to whoever pins the auditor that the root was seen outside", async () => {
    await must(host, ["evidence", "LN-" + String(new Date().getUTCFullYear()) + "-00002", "-o", "evidence.json"]);
    const checked = json(await must(host, ["verify-bundle", "evidence.json", "--vkey", vkey, "--auditor", auditor, "--json"]));
    expect(checked).toMatchObject({ verdict: "anchored", countersigned_by: [{ vkey: auditor }], sentence: expect.stringContaining("countersigned by auditor.example.com at ") as string });
    expect(json(await must(host, ["verify-bundle", "evidence.json", "--vkey", vkey, "--json"]))).toMatchObject({ verdict: "logged", countersigned_by: [] });
    const stranger = json(await must(host, ["verify-bundle", "evidence.json", "--vkey", vkey, "--auditor", await newKey("third.key", "third.example.com"), "--json"]));
    expect(stranger).toMatchObject({ verdict: "logged", not_checked: expect.arrayContaining([expect.stringContaining("no auditor that you pinned")]) as string[] });
    expect((await here(host, ["verify-bundle", "evidence.json", "--vkey", vkey, "--auditor", vkey])).stderr).toContain("bad_vkey");
  });

  test("of a receipt that nobody has attested is what the ledger has signed", async () => {
    const number = `LN-${String(new Date().getUTCFullYear())}-00007`;
    await must(host, ["evidence", number, "-o", "newest.json"]);
    expect(json(await must(host, ["verify-bundle", "newest.json", "--vkey", vkey, "--auditor", auditor, "--json"]))).toMatchObject({ verdict: "logged" });
  });
});

test("a key in the configuration that is none is named, before anything is done", async () => {
  const other = new Host(`origin: test.example/receipts\nauditors: ["${auditor.replace(/\+[0-9a-f]{8}\+/, "+00000000+")}"]\n`);
  await init(other);
  for (const ran of await Promise.all([here(other, ["check-config"]), other.run(["serve"])])) expect(ran.stderr).toContain("bad_vkey"); // serve takes the process's signals for itself
  await other.remove();
});

test("whoever saw another past has not attested this one", () => {
  const reader = new Reader(host.path("receiptd-data/ledger.db"), nodeHash.sha256);
  const seenIn = (more: object): number => newestAttestations({
    identity: () => reader.identity(), organizationPageBack: (...asked: Parameters<Reader["organizationPageBack"]>) => reader.organizationPageBack(...asked), size: () => reader.size(), rootAt: (size: number) => reader.rootAt(size), ...more,
  } as unknown as Reader, [parseCosigner(auditor)], verifyByNode).size;
  expect([seenIn({}), seenIn({ rootAt: () => new Uint8Array(32) }), seenIn({ size: () => 2 })]).toEqual([1, 0, 0]);
  reader.close();
});

test("a daemon that starts again knows what was attested", async () => {
  const before = await attested();
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  daemon = await serveHere(host);
  expect(await attested()).toMatchObject({ size: before["size"], auditors: before["auditors"] });
});
