/** test/vectors/reports.json and attestations.json: signed reports and auditors' words, good and bad (docs/FORMAT.md sections 17 and 18). */
import { LEDGER_ID, LOG_KEY, ORIGIN } from "./build.ts";
import { bytes, type CheckpointKey, checkpointKey, checkpointText, cosigner, fixed, hashText, jcs, type Json, type Members, note, sha256 } from "./primitives.ts";

type Change = { readonly [member: string]: Json | undefined };

const TIME = "2026-12-31T23:59:59.250Z";
const otherKey = checkpointKey(ORIGIN, fixed("another checkpoint key"));
/** What an auditor pins to others; and the same key as one that signs notes. */
const auditor = cosigner("auditor.example.org", fixed("auditor key"), 1_798_761_600n);
const auditorNotes = checkpointKey("auditor.example.org", fixed("auditor key"));
const second = cosigner("second.example.org", fixed("second auditor key"), 1_798_761_601n);
const secondNotes = checkpointKey("second.example.org", fixed("second auditor key"));
const impostor = cosigner("auditor.example.org", fixed("another auditor key"), 1_798_761_600n);

/** The members with those changed; undefined takes one out. */
function changed(members: Members, change: Change): Members {
  return Object.fromEntries(Object.entries({ ...members, ...change }).filter(([, value]) => value !== undefined)) as Members;
}

export function reportVectors(): object[] {
  const report: Members = {
    format: "receiptd-report/1", ledger: ORIGIN, ledger_id: LEDGER_ID, period: { from: "2026-10-01T00:00:00.000Z", to: "2027-01-01T00:00:00.000Z" }, made_at: TIME,
    verdict: "ok", sentence: "All 7 receipts are as they were recorded.", content: { receipts: { count: 7 }, "é": "\u0001" },
  };
  const textOf = (members: Members): string => `receiptd report/1\n${hashText(sha256(bytes(jcs(members))))}\n${ORIGIN}\n${LEDGER_ID}\n`;
  const file = (members: Members, signed: Json): string => `${jcs({ ...members, note: signed })}\n`;
  const whole = (change: Change, ...keys: readonly CheckpointKey[]): string => {
    const members = changed(report, change);
    return file(members, note(textOf(members), ...(keys.length === 0 ? [LOG_KEY] : keys)));
  };
  const good = (name: string, text: string): object => ({ name, file: text, vkey: LOG_KEY.vkey, ok: true, signed: true });
  const bad = (name: string, code: string, text: string, vkey = LOG_KEY.vkey): object => ({ name, file: text, vkey, ok: false, code });
  const form = (name: string, change: Change): object => bad(name, "bad_report", whole(change));
  const noted = (name: string, code: string, text: string): object => bad(name, code, file(report, note(text, LOG_KEY)));
  const lines = textOf(report).split("\n");
  return [
    good("a report", whole({})),
    good("with findings", whole({ verdict: "findings" })),
    good("signed by somebody else, too", whole({}, auditorNotes, LOG_KEY)),
    { ...good("signed by nobody", file(report, null)), signed: false },
    bad("signed by another key of this name", "bad_note", whole({}, otherKey)),
    bad("another key is pinned", "bad_note", whole({}), otherKey.vkey),
    bad("changed after it was signed", "digest_mismatch", file({ ...report, sentence: "All 8 receipts are as they were recorded." }, note(textOf(report), LOG_KEY))),
    noted("the hash of another report", "digest_mismatch", lines.with(1, hashText(fixed("a report"))).join("\n")),
    noted("another ledger_id in the note", "digest_mismatch", lines.with(3, "0".repeat(32)).join("\n")),
    noted("another first line", "digest_mismatch", lines.with(0, "receiptd report/2").join("\n")),
    noted("a line more", "digest_mismatch", `${textOf(report)}more\n`),
    noted("a checkpoint", "digest_mismatch", checkpointText(ORIGIN, 7, fixed("a root"))),
    bad("a note that is none", "bad_note", file(report, "signed")),
    bad("a note that is a number", "bad_report", file(report, 7)),
    bad("not canonical", "not_canonical", ` ${whole({})}`),
    bad("no line feed", "not_canonical", whole({}).slice(0, -1)),
    bad("a name twice", "duplicate_name", whole({}).replace('{"content"', '{"content":{},"content"')),
    form("another format", { format: "receiptd-report/2" }),
    form("a member more", { more: 1 }),
    form("a member less", { made_at: undefined }),
    form("a period that ends before it begins", { period: { from: TIME, to: "2026-01-01T00:00:00.000Z" } }),
    form("a period of days", { period: { from: "2026-10-01", to: "2027-01-01" } }),
    form("another verdict", { verdict: "good" }),
    form("content that is an array", { content: [] }),
    form("a ledger_id that is none", { ledger_id: "0" }),
    form("a sentence that is no string", { sentence: null }),
  ];
}

export function attestationVectors(): object[] {
  const root = (text: string): string => hashText(fixed(text));
  const statement: Members = {
    origin: ORIGIN, ledger_id: LEDGER_ID, audited_at: TIME, audited_by: "receiptd 0.1.0", attested_at: "2027-01-01T00:00:00.000Z", verdict: "ok", log: { size: 12, root: root("the log") },
    anchor: { size: 11, root: root("the anchor") }, read_from: 0, read_at: TIME, macs_checked: 12, macs_not_checked: 0, not_checked: ["the times of local: they are the clock of whoever can write there"],
  };
  const textOf = (members: Members): string => `receiptd attestation/1\n${jcs(members)}\n`;
  const checkpoint = checkpointText(ORIGIN, 11, fixed("the anchor"));
  const details = (change: Change, parts: { readonly text?: string; readonly keys?: readonly CheckpointKey[]; readonly checkpoint?: string; readonly cosigners?: readonly CheckpointKey[] } = {}): Members => ({
    statement: note(parts.text ?? textOf(changed(statement, change)), ...(parts.keys ?? [auditorNotes])), cosigned: note(parts.checkpoint ?? checkpoint, ...(parts.cosigners ?? [auditor])),
  });
  const pins = [auditor.vkey];
  const good = (name: string, all: Members, auditors: readonly string[] = pins): object => ({ name, details: all, auditors, ok: true });
  const bad = (name: string, code: string, all: Members, auditors: readonly string[] = pins): object => ({ name, details: all, auditors, ok: false, code });
  const form = (name: string, change: Change): object => bad(name, "bad_attestation", details(change));
  return [
    good("an attestation", details({})),
    good("of two auditors' pinned keys", details({}), [second.vkey, auditor.vkey]),
    good("the log ends with the anchor", details({ log: { size: 11, root: root("the anchor") } })),
    good("signed by the ledger, too", details({}, { cosigners: [LOG_KEY, auditor] })),
    bad("nobody is pinned", "bad_note", details({}), []),
    bad("another auditor is pinned", "bad_note", details({}), [second.vkey]),
    bad("another key of this name is pinned", "bad_note", details({}), [impostor.vkey]),
    bad("signed by one, countersigned by another", "bad_note", details({}, { cosigners: [second] }), [auditor.vkey, second.vkey]),
    bad("not countersigned", "bad_note", details({}, { cosigners: [LOG_KEY] })),
    bad("a wrong signature of the one, a right one of the other", "bad_note", { ...details({}), statement: `${note(textOf(statement), auditorNotes)}${secondNotes.line("something else\n")}` }, [auditor.vkey, second.vkey]),
    bad("a wrong countersignature", "bad_note", { ...details({}), cosigned: `${checkpoint}\n${auditor.line(checkpointText(ORIGIN, 11, fixed("a root")))}` }),
    bad("a statement that is countersigned, and not signed", "bad_note", details({}, { keys: [auditor] })),
    bad("a checkpoint that is signed as a note, and not countersigned", "bad_note", details({}, { cosigners: [auditorNotes] })),
    bad("another checkpoint", "bad_attestation", details({}, { checkpoint: checkpointText(ORIGIN, 11, fixed("a root")) })),
    bad("the checkpoint of another ledger", "bad_attestation", details({}, { checkpoint: checkpointText("other.example/loans", 11, fixed("the anchor")) })),
    bad("a checkpoint with an extension line", "bad_attestation", details({}, { checkpoint: checkpointText(ORIGIN, 11, fixed("the anchor"), "more") })),
    bad("a report in its place", "bad_attestation", details({}, { text: textOf(statement).replace("attestation/1", "report/1") })),
    bad("a line more", "bad_attestation", details({}, { text: `${textOf(statement)}more\n` })),
    bad("not canonical", "bad_attestation", details({}, { text: textOf(statement).replace('"origin":', '"origin": ') })),
    bad("a name twice", "bad_attestation", details({}, { text: textOf(statement).replace('"origin":', '"origin":"x","origin":') })),
    form("another verdict", { verdict: "findings" }),
    form("a member more", { more: 1 }),
    form("a member less", { read_at: undefined }),
    form("an anchor beyond the log", { anchor: { size: 13, root: root("the anchor") } }),
    form("an anchor of the log's size with another root", { log: { size: 11, root: root("the log") } }),
    form("an empty log", { log: { size: 0, root: root("the log") } }),
    form("a root that is none", { log: { size: 12, root: "sha256:" } }),
    form("read from beyond the log", { read_from: 13 }),
    form("a time of another form", { audited_at: "2026-12-31" }),
    form("a count below 0", { macs_checked: -1 }),
    form("65 lines of what was not checked", { not_checked: Array.from({ length: 65 }, () => "") }),
    form("a ledger_id that is none", { ledger_id: "0" }),
    bad("a member more beside", "bad_attestation", { ...details({}), more: 1 }),
    bad("no checkpoint", "bad_attestation", { statement: details({})["statement"]! }),
    bad("longer than it may be", "bad_attestation", { ...details({}), cosigned: "x".repeat(16_385) }),
  ];
}
