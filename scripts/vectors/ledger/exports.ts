/** test/vectors/exports.json: exports, good and bad (docs/FORMAT.md section 16). What must be found is written down by hand. */
import { brokenScenario, handedOver, type Hook, LOG_KEY, ORIGIN, rotatedScenario, scenario, SECOND_LOG_KEY } from "./build.ts";
import { type Asked, digested, fileOf, headAt, headLeaves, headOf, headsAt, hiddenLine, type Parts, PLACE, provenAt } from "./export-file.ts";
import { base64, bytes, checkpointKey, checkpointText, fixed, flipBit, hashText, jcs, type Json, type Members, mth, path } from "./primitives.ts";

const otherKey = checkpointKey(ORIGIN, fixed("another checkpoint key"));
const witness = checkpointKey("witness.example.org", fixed("witness key"));

interface Good {
  readonly verdict: "complete" | "complete_until" | "could_not_check";
  /** Asked for. */
  readonly receipts: number;
}

/** From the second batch's end (0 genesis … 4 anchor; 5 anchor) to the last: a clock_step is in it. */
const RANGE: Asked = { first: 6, from: "2026-12-31T23:59:59.251Z", to: "2027-01-01T00:00:00.250Z" };
/** The last batch: the clock_step is before it. */
const LAST: Asked = { first: 11, from: "2026-12-31T23:59:59.800Z", to: "2027-01-01T00:00:00.100Z" };
/** Of `handedOver`: both checkpoint_rotations are before it. */
const TWO: Asked = { first: 10, end: 12, from: "2027-01-01T00:00:00.251Z" };
const ACME: Asked = { ...RANGE, organization: "acme" };

const all = (change: { readonly [member: string]: Json }) => (members: Members): void => void Object.assign(members, change);
const within = (name: "before" | "heads", change: { readonly [member: string]: Json }) => (members: Members): void => { members[name] = { ...(members[name] as Members), ...change }; };
const head = (name: "before" | "end", change: { readonly [member: string]: Json }) => (members: Members): void => {
  const heads = members["heads"] as Members;
  within("heads", { [name]: { ...(heads[name] as Members), ...change } })(members);
};
const line = (at: number, change: (line: string) => string) => (lines: string[]): readonly string[] => lines.with(at, change(lines[at]!));
const replace = (what: string, by: string) => (text: string): string => {
  if (!text.includes(what)) throw new Error(`no ${what} in ${text}`);
  return text.replace(what, by);
};
const details = (change: Members) => (receipt: Members): void => { receipt["details"] = { ...(receipt["details"] as Members), ...change }; };
const later: Hook = { before: (receipt) => Object.assign(receipt, { schema_version: 2, later: true }) };

export function exportVectors(): object[] {
  const b = scenario();
  const base = fileOf(b);
  const short = (lines: readonly string[]): readonly (string | number)[] => lines.map((text) => (base.includes(text) ? base.indexOf(text) : text));
  const good = (name: string, { verdict, receipts }: Good, asked: Asked = {}, parts: Parts = {}, from = b, vkey = LOG_KEY.vkey): object => {
    const lines = fileOf(from, asked, parts);
    const { recorded_at: until } = JSON.parse(lines.at(-2)!) as { readonly recorded_at: string };
    return { name, lines: short(lines), vkey, ok: true, verdict, receipts, until };
  };
  const bad = (name: string, code: string, asked: Asked = {}, parts: Parts = {}, from = b): object => ({ name, lines: short(fileOf(from, asked, parts)), vkey: LOG_KEY.vkey, ok: false, code });
  const header = (name: string, code: string, asked: Asked, change: (members: Members) => void): object => bad(name, code, asked, { header: change });
  const members = (name: string, change: { readonly [member: string]: Json }, asked: Asked = {}): object => header(name, "bad_export", asked, all(change));
  const log = (name: string, code: string, asked: Asked, change: (lines: string[]) => readonly string[]): object => bad(name, code, asked, { log: change });
  const own = (name: string, code: string, change: (lines: string[]) => readonly string[]): object => bad(name, code, LAST, { own: change });
  /** The ledger's key has signed the root over what stands there. */
  const logged = (name: string, code: string, asked: Asked, hooks: Readonly<Record<number, Hook>>): object => bad(name, code, asked, {}, scenario(hooks));
  /** The first line, its digest made anew. */
  const first = (name: string, code: string, change: (text: string) => string): object => bad(name, code, {}, { lines: (lines) => digested([change(lines[0]!), ...lines.slice(1, -1)]) });
  /** One bit of the file, found by a text in it. */
  const flip = (asked: Asked, text: string, skip: number, bit: number, code: string): object => {
    const whole = bytes(fileOf(b, asked).map((one) => `${one}\n`).join(""));
    const at = whole.indexOf(text);
    if (at < 0) throw new Error(`no ${text}`);
    const place = 8 * (at + skip) + bit;
    if (flipBit(whole, place).equals(whole)) throw new Error("nothing is changed");
    return { bit: place, code };
  };
  const blobs = b.blobs.map((blob) => blob.toString());
  const anchorBefore = blobs[5]!;
  const heads = headsAt(b, 5);
  const forged = new Map([...heads, ["beta", { ...heads.get("beta")!, hash: fixed("another receipt") }]]);
  const another = hashText(fixed("another hash"));
  const otherHash = base64(fixed("a hash"));
  const siblings = (index: number): string[] => path(index, b.leaves.slice(0, 13)).map(base64);
  return [
    {
      ...good("the whole ledger", { verdict: "complete_until", receipts: 13 }), lines: base,
      flips: [
        flip({}, '"ledger":"receipts', 10, 0, "bad_note"), flip({}, '"checkpoint":"receipts', 14, 0, "bad_note"), flip({}, '"first":0', 8, 0, "bad_export"), flip({}, "credit-scoring", 0, 7, "not_utf8"),
        flip({}, '"code":17', 8, 0, "digest_mismatch"), flip({}, '"code":17', 6, 0, "bad_json"),
      ],
    },
    good("one organization", { verdict: "complete_until", receipts: 4 }, { organization: "acme" }),
    good("another organization, which began later", { verdict: "complete_until", receipts: 1 }, { organization: "default" }),
    good("the ledger's own", { verdict: "complete_until", receipts: 6 }, { organization: "_ledger" }),
    good("up to an earlier anchor", { verdict: "complete_until", receipts: 5 }, { end: 5 }),
    good("to a time", { verdict: "complete", receipts: 3 }, { end: 5, to: "2026-12-31T23:59:58.750Z" }),
    good("to the time of the anchor at the end, which is not of the time", { verdict: "complete", receipts: 4 }, { end: 5, to: "2026-12-31T23:59:59.000Z" }),
    good("to a time that is not over at the anchor at the end", { verdict: "complete_until", receipts: 5 }, { end: 5, to: "2026-12-31T23:59:59.001Z" }),
    {
      ...good("a time range, with a clock_step in it", { verdict: "complete", receipts: 5 }, RANGE),
      flips: [flip(RANGE, '"before":{"path":["', 19, 0, "inclusion_mismatch"), flip(RANGE, '"from":"2026', 8, 0, "bad_export"), flip(RANGE, '"left":["', 9, 0, "digest_mismatch")],
    },
    {
      ...good("one organization in a time range", { verdict: "complete", receipts: 2 }, ACME),
      flips: [
        flip(ACME, '"heads":{"before":{"hash":"sha256:', 34, 0, "org_heads_mismatch"), flip(ACME, '"end":{"hash":"sha256:', 22, 0, "digest_mismatch"), flip(ACME, '\n"sha256:', 1, 0, "bad_export"), flip(ACME, '\n"sha256:', 9, 0, "digest_mismatch"), flip(ACME, '\n"sha256:', 9, 7, "bad_export"),
        flip(ACME, '"score":0.87', 8, 7, "not_utf8"), flip(ACME, '"organization":"acme","prev', 16, 1, "bad_export"), flip(ACME, '{"digest"', 20, 0, "digest_mismatch"), flip(ACME, '\n{"digest"', 0, 0, "bad_json"),
      ],
    },
    good("from the time of a receipt, which is of the time", { verdict: "complete", receipts: 5 }, { ...RANGE, from: "2026-12-31T23:59:59.500Z" }),
    good("an organization that begins in the range", { verdict: "complete", receipts: 1 }, { ...RANGE, organization: "default" }),
    good("an organization with no receipt in the range", { verdict: "complete", receipts: 0 }, { ...LAST, organization: "beta" }),
    good("the ledger's own in a time range", { verdict: "complete", receipts: 1 }, { ...RANGE, organization: "_ledger" }),
    good("the clock was turned back before the range", { verdict: "complete", receipts: 1 }, LAST),
    good("one organization, and the clock was turned back before the range", { verdict: "complete", receipts: 1 }, { ...LAST, organization: "acme" }),
    good("a time that has not ended at the last anchor", { verdict: "complete_until", receipts: 2 }, { ...LAST, to: "2027-02-01T00:00:00.000Z" }),
    good("with a witness's signature beside", { verdict: "complete_until", receipts: 13 }, {}, { keys: [witness, LOG_KEY] }),
    good("without hints", { verdict: "complete_until", receipts: 13 }, {}, { header: all({ published: [], vkeys: [] }) }),
    good("as many hints as there may be", { verdict: "complete_until", receipts: 13 }, {}, { header: all({ published: Array.from({ length: 16 }, () => PLACE), vkeys: Array.from({ length: 16 }, () => "😀".repeat(512)) }) }),
    good("a key was rotated and revoked", { verdict: "complete_until", receipts: 10 }, { end: 10 }, {}, rotatedScenario()),
    good("behind a key's rotation", { verdict: "complete", receipts: 1 }, { first: 8, end: 10, from: "2026-12-31T23:59:59.800Z", to: "2027-01-01T00:00:00.250Z" }, {}, rotatedScenario()),
    good("a key that lost its ratchet", { verdict: "complete_until", receipts: 10 }, { end: 10 }, {}, brokenScenario()),
    good("behind a lost ratchet", { verdict: "complete_until", receipts: 2 }, { first: 8, end: 10, from: "2026-12-31T23:59:59.800Z" }, {}, brokenScenario()),
    good("the checkpoint key was rotated", { verdict: "complete_until", receipts: 10 }, { end: 10 }, { keys: [SECOND_LOG_KEY] }, handedOver(), SECOND_LOG_KEY.vkey),
    good("two of the ledger's own before the range", { verdict: "complete_until", receipts: 2 }, TWO, {}, handedOver()),
    good("a later schema_version", { verdict: "could_not_check", receipts: 12 }, {}, {}, scenario({ 7: later })),
    good("a later schema_version of the ledger's own before the range", { verdict: "could_not_check", receipts: 1 }, LAST, {}, scenario({ 8: later })),

    bad("nothing", "bad_export", {}, { lines: () => [] }),
    ...[["no digest", 1], ["no last receipt", 2], ["half of it", 7]].map(([what, less]) => bad(what as string, "bad_export", {}, { lines: (lines) => lines.slice(0, -(less as number)) })),
    { ...bad("the last line feed is missing", "bad_export"), cut: 1 },
    { ...bad("the last receipt is cut", "bad_export"), cut: 200 },
    bad("a line more", "bad_export", {}, { lines: (lines) => [...lines, ""] }),
    bad("another digest, and a line more", "digest_mismatch", {}, { lines: (lines) => [...lines.slice(0, -1), jcs({ digest: another }), ""] }),
    bad("another digest", "digest_mismatch", {}, { lines: (lines) => [...lines.slice(0, -1), jcs({ digest: another })] }),
    bad("a hint changed without the digest", "digest_mismatch", {}, { lines: line(0, replace("worm", "warm")) }),
    bad("a receipt changed without the digest", "digest_mismatch", {}, { lines: line(3, replace('"code":17', '"code":18')) }),

    first("a byte order mark", "bad_json", (text) => `\ufeff${text}`),
    first("a space in the header", "not_canonical", replace('"format"', ' "format"')),
    first("an escape that need not be", "not_canonical", replace("worm", "\\u0077orm")),
    first("a name twice in the header", "duplicate_name", replace('"vkeys":', '"ledger":"x","vkeys":')),
    first("__proto__ in the header", "forbidden_name", replace('"vkeys":', '"__proto__":1,"vkeys":')),
    first("a number that is not exact in the header", "number_not_exact", replace('"end":13', '"end":13.0000000000000001')),
    first("a negative zero in the header", "number_negative_zero", replace('"first":0', '"first":-0')),
    first("a number out of range in the header", "number_out_of_range", replace('"end":13', '"end":9007199254740992')),
    first("a lone surrogate in the header", "lone_surrogate", replace("worm", "\\ud800")),
    first("U+0000 in the header", "nul_character", replace("worm", "\\u0000")),
    first("too deep a header", "too_deep", replace('"to":null', `"to":${"[".repeat(33)}${"]".repeat(33)}`)),
    { ...first("a header that is too long", "too_large", () => "FILL"), fill: 2 * 1024 * 1024 + 1 },
    members("a member more", { more: 1 }),
    header("a member less", "bad_export", {}, (all) => void delete all["vkeys"]),
    members("another format", { format: "receiptd-export/2" }),
    members("a ledger that is no name of one", { ledger: "receipts.example.com/../loans" }),
    members("first below 0", { first: -1 }),
    members("first 0.5", { first: 0.5 }),
    members("first is end", { first: 13 }),
    bad("first is end, and all else is right", "bad_export", { first: 13, end: 13, from: "2027-01-02T00:00:00.000Z" }),
    members("end a string", { end: "13" }),
    members("left a string", { left: "" }),
    members("left that need not be there", { left: [otherHash] }),
    members("left is not all there", { left: [otherHash] }, RANGE),
    members("left with a hash that is none", { left: [otherHash, "AAAA"] }, RANGE),
    members("left in base64 of another spelling", { left: [otherHash, otherHash.slice(0, -1)] }, RANGE),
    members("64 hashes in left", { left: Array.from({ length: 64 }, () => otherHash) }, RANGE),
    members("no checkpoint", { checkpoint: null }),
    members("from a date", { from: "2026-12-31" }),
    members("from without milliseconds", { from: "2026-12-31T23:59:59Z" }),
    members("to that there is not", { to: "2027-02-29T00:00:00.000Z" }),
    members("from behind to", { from: RANGE.to!, to: RANGE.from! }, RANGE),
    members("from is to", { to: RANGE.from! }, RANGE),
    members("an organization that is none", { organization: "A B" }),
    members("a before that need not be there", { before: provenAt(b, 5, 13) }),
    members("no before", { before: null }, RANGE),
    header("before with a member more", "bad_export", RANGE, within("before", { more: 1 })),
    header("before with a receipt that is no base64", "bad_export", RANGE, within("before", { receipt: "ä" })),
    header("before with a path of 64 hashes", "bad_export", RANGE, within("before", { path: Array.from({ length: 64 }, () => otherHash) })),
    members("own_before below 0", { own_before: -1 }),
    members("heads that need not be there", { heads: { first_receipt: base64(b.blobs[1]!), before: null, end: headAt(b, 13, "acme") } }),
    members("no heads", { heads: null }, ACME),
    header("heads with a member less", "bad_export", ACME, (all) => { const { end: _, ...rest } = all["heads"] as Members; all["heads"] = rest; }),
    header("no head at the end", "bad_export", ACME, within("heads", { end: null })),
    header("a head with an index below 0", "bad_export", ACME, head("end", { index: -1 })),
    header("a head with a hash that is none", "bad_export", ACME, head("before", { hash: "sha256:00" })),
    members("17 places", { published: Array.from({ length: 17 }, () => PLACE) }),
    members("a place with a number", { published: [{ ...PLACE, version_id: 1 }] }),
    members("17 keys", { vkeys: Array.from({ length: 17 }, () => "") }),
    members("a hint that is too long", { vkeys: [`${"😀".repeat(512)}x`] }),

    { ...bad("another key of this name", "bad_note"), vkey: otherKey.vkey },
    { ...bad("no key of this name", "bad_note"), vkey: witness.vkey },
    bad("signed by a witness only", "bad_note", {}, { keys: [witness] }),
    bad("one good and one wrong signature of the key", "bad_note", {}, { checkpoint: (text) => `${text}${LOG_KEY.line("something else\n")}` }),
    bad("the root changed after it was signed", "bad_note", {}, { checkpoint: replace(base64(b.rootAt(13)), otherHash) }),
    bad("no empty line in the note", "bad_note", {}, { checkpoint: (text) => text.replace("\n\n", "\n") }),
    bad("carriage returns", "bad_note", {}, { checkpoint: (text) => text.replaceAll("\n", "\r\n") }),
    bad("a note that is too long", "bad_note", {}, { text: checkpointText(ORIGIN, 13, b.rootAt(13), "x".repeat(65_536)) }),
    bad("17 signatures", "bad_note", {}, { keys: Array.from({ length: 17 }, () => LOG_KEY) }),
    bad("a note that is no checkpoint", "bad_checkpoint", {}, { text: "receipts.example.com/loans\nthirteen\n" }),
    bad("a size with a zero", "bad_checkpoint", {}, { text: `${ORIGIN}\n013\n${base64(b.rootAt(13))}\n` }),
    bad("extension lines", "bad_checkpoint", {}, { text: checkpointText(ORIGIN, 13, b.rootAt(13), "extension") }),
    bad("a checkpoint of another log", "bad_checkpoint", {}, { text: checkpointText("other.example/loans", 13, b.rootAt(13)) }),
    bad("a checkpoint of another size", "bad_checkpoint", {}, { text: checkpointText(ORIGIN, 11, b.rootAt(11)) }),
    header("another ledger in the file", "bad_note", {}, all({ ledger: "other.example/loans" })),

    header("before is not canonical", "not_canonical", RANGE, within("before", { receipt: base64(bytes(` ${anchorBefore}`)) })),
    header("before is no receipt", "bad_receipt", RANGE, within("before", { receipt: base64(bytes("{}")) })),
    header("before is no anchor receipt", "bad_export", RANGE, within("before", { receipt: base64(b.blobs[3]!), path: siblings(3) })),
    header("before is of another ledger", "ledger_mismatch", RANGE, within("before", { receipt: base64(bytes(replace(`"ledger":"${ORIGIN}"`, '"ledger":"other.example/loans"')(anchorBefore))) })),
    header("before is the anchor receipt of another place", "inclusion_mismatch", RANGE, within("before", { receipt: base64(b.blobs[4]!), path: siblings(4) })),
    header("before was changed", "inclusion_mismatch", RANGE, within("before", { receipt: base64(bytes(replace('"heartbeat"', '"schedule"')(anchorBefore))) })),
    header("before with another path", "inclusion_mismatch", RANGE, within("before", { path: siblings(5).toReversed() })),
    header("before with a path of 63 hashes", "inclusion_mismatch", RANGE, within("before", { path: Array.from({ length: 63 }, () => otherHash) })),
    header("before was recorded at from", "bad_export", RANGE, all({ from: "2026-12-31T23:59:59.250Z" })),
    header("from null, and the log's beginning is not there", "bad_export", RANGE, all({ from: null })),
    header("own_before more than it has to be", "bad_export", RANGE, all({ own_before: 1 })),
    header("own_before less than it has to be", "bad_export", LAST, all({ own_before: 0 })),
    header("own_before where the file begins with the log", "bad_export", {}, all({ own_before: 1 })),

    header("heads with another organization's first receipt", "org_heads_mismatch", ACME, within("heads", { first_receipt: base64(b.blobs[2]!) })),
    bad("another organization's heads, and all receipts are hidden", "org_heads_mismatch", ACME, {
      header: all({ heads: { first_receipt: base64(b.blobs[2]!), before: headAt(b, 6, "beta"), end: headAt(b, 13, "beta") } }), log: (lines) => lines.map((text, i) => (text.includes('"organization":"acme"') ? hiddenLine(b.hashes[6 + i]!) : text)),
    }),
    header("heads with a later receipt for the first", "org_heads_mismatch", ACME, within("heads", { first_receipt: base64(b.blobs[3]!) })),
    header("heads with a first receipt of another ledger", "org_heads_mismatch", ACME, within("heads", { first_receipt: base64(bytes(replace(`"ledger":"${ORIGIN}"`, '"ledger":"other.example/loans"')(blobs[1]!))) })),
    header("heads with a first receipt of another number", "number_mismatch", ACME, within("heads", { first_receipt: base64(bytes(replace("ACME-2026-00001", "ACME-2025-00001")(blobs[1]!))) })),
    header("the first receipt was changed", "org_heads_mismatch", ACME, within("heads", { first_receipt: base64(bytes(replace('"limit"', '"limits"')(blobs[1]!))) })),
    header("another head before", "org_heads_mismatch", ACME, head("before", { org_seq: 3 })),
    header("the head at the end for that before", "org_heads_mismatch", ACME, (all) => within("heads", { before: (all["heads"] as Members)["end"]! })(all)),
    header("no head before", "org_seq_gap", ACME, within("heads", { before: null })),
    header("a head before where the file begins with the log", "org_heads_mismatch", { organization: "acme" }, within("heads", { before: headAt(b, 6, "acme") })),
    header("the head before for that at the end", "org_heads_mismatch", ACME, (all) => within("heads", { end: (all["heads"] as Members)["before"]! })(all)),
    header("a head at the end with another index", "org_heads_mismatch", ACME, head("end", { index: 2 })),

    own("a space before a line of the ledger's own", "not_canonical", () => [` ${jcs(provenAt(b, 8, 13))}`]),
    own("a line of the ledger's own that is no JSON", "bad_json", () => ["{"]),
    own("a line of the ledger's own with a member more", "bad_export", () => [jcs({ ...provenAt(b, 8, 13), more: 1 })]),
    own("a receipt where the ledger's own has to be", "bad_export", () => [blobs[8]!]),
    own("a receipt of the ledger's own that is none", "bad_receipt", () => [jcs({ ...provenAt(b, 8, 13), receipt: base64(bytes("{}")) })]),
    own("another organization's for one of the ledger's own", "bad_export", () => [jcs(provenAt(b, 9, 13))]),
    own("an anchor receipt for one that is none", "bad_export", () => [jcs(provenAt(b, 5, 13))]),
    own("genesis for one that is none", "bad_export", () => [jcs(provenAt(b, 0, 13))]),
    own("one that is not before the range", "bad_export", () => [jcs(provenAt(b, 12, 13))]),
    own("another path of the ledger's own", "inclusion_mismatch", () => [jcs({ ...provenAt(b, 8, 13), path: siblings(9) })]),
    own("a receipt of the ledger's own that was changed", "inclusion_mismatch", () => [jcs({ ...provenAt(b, 8, 13), receipt: base64(bytes(replace('"from":"2026-12-31T23:59:59.750Z"', '"from":"2026-12-31T23:59:59.300Z"')(blobs[8]!))) })]),
    own("another ledger's", "ledger_mismatch", () => [jcs({ ...provenAt(b, 8, 13), receipt: base64(bytes(replace(`"ledger":"${ORIGIN}"`, '"ledger":"other.example/loans"')(blobs[8]!))) })]),
    bad("the ledger's own exchanged", "bad_export", TWO, { own: (lines) => lines.toReversed() }, handedOver()),
    bad("one of the ledger's own twice", "bad_export", TWO, { own: (lines) => [lines[0]!, lines[0]!] }, handedOver()),
    logged("the clock was turned back from a time asked for", "bad_export", LAST, { 8: { before: details({ from: "2026-12-31T23:59:59.800Z" }) } }),

    log("a receipt is left out", "org_seq_gap", ACME, (lines) => lines.with(1, hiddenLine(b.hashes[7]!))),
    log("the newest receipt is left out", "org_seq_gap", ACME, (lines) => lines.with(5, hiddenLine(b.hashes[11]!))),
    log("all receipts are left out", "org_seq_gap", ACME, (lines) => lines.with(1, hiddenLine(b.hashes[7]!)).with(5, hiddenLine(b.hashes[11]!))),
    log("the clock_step is left out", "org_seq_gap", ACME, (lines) => lines.with(2, hiddenLine(b.hashes[8]!))),
    log("the last anchor receipt is left out", "bad_export", ACME, (lines) => lines.with(6, hiddenLine(b.hashes[12]!))),
    log("a hash where all organizations are asked for", "bad_export", RANGE, (lines) => lines.with(3, hiddenLine(b.hashes[9]!))),
    log("another organization's receipt in full", "bad_export", ACME, (lines) => lines.with(3, blobs[9]!)),
    log("another hash", "log_root_mismatch", ACME, (lines) => lines.with(3, hiddenLine(fixed("another hash")))),
    log("hashes exchanged", "log_root_mismatch", ACME, (lines) => lines.with(0, lines[3]!).with(3, lines[0]!)),
    log("a hash in capitals", "bad_export", ACME, line(3, (text) => text.toUpperCase().replace("SHA", "sha"))),
    log("a hash with a digit less", "bad_export", ACME, line(3, (text) => `${text.slice(0, -2)}"`)),
    log("a hash with another spelling", "bad_export", ACME, line(3, replace("s", "\\u0073"))),
    log("null", "bad_export", {}, (lines) => lines.with(3, "null")),
    log("an empty line", "bad_export", {}, (lines) => lines.with(3, "")),
    log("an array", "bad_export", {}, (lines) => lines.with(3, `[${blobs[3]!}]`)),
    log("a space before a receipt", "bad_export", {}, line(3, (text) => ` ${text}`)),
    log("a space in a receipt", "not_canonical", {}, line(3, replace("{", "{ "))),
    log("a text that is no hash", "bad_export", ACME, (lines) => lines.with(3, '"x"')),
    log("a receipt in base64", "bad_export", ACME, (lines) => lines.with(3, jcs(base64(b.blobs[9]!)))),
    log("carriage returns behind the receipts", "not_canonical", {}, line(3, (text) => `${text}\r`)),
    log("a receipt that is cut", "bad_json", {}, line(3, (text) => text.slice(0, -1))),
    log("a name twice in a receipt", "duplicate_name", {}, line(3, replace('"x_by":', '"type":"x","x_by":'))),
    { ...log("a receipt that is too long", "too_large", {}, (lines) => lines.with(3, '{"FILL":1}')), fill: 1024 * 1024 + 4096 },
    { ...log("a line that is too long", "too_large", {}, (lines) => lines.with(3, '{"FILL":1}')), fill: 2 * 1024 * 1024 },
    log("a receipt without its system", "bad_receipt", {}, line(1, replace('"system_id":"credit-scoring",', ""))),
    log("a receipt with a reserved name further in", "bad_receipt", {}, line(7, replace('"z":1', '"z":{"_sd":1}'))),
    log("a receipt with another number", "number_mismatch", {}, line(3, replace("ACME-2026-00002", "ACME-2026-00003"))),
    log("another ledger's receipt", "ledger_mismatch", {}, line(3, replace(`"ledger":"${ORIGIN}"`, '"ledger":"other.example/loans"'))),
    log("receipts exchanged", "log_index_gap", {}, (lines) => lines.with(2, lines[3]!).with(3, lines[2]!)),
    log("a receipt less", "log_index_gap", {}, (lines) => lines.toSpliced(3, 1)),
    log("a receipt twice", "log_index_gap", {}, (lines) => lines.toSpliced(3, 0, lines[3]!)),
    log("a receipt changed", "log_root_mismatch", {}, line(2, replace('"code":17', '"code":18'))),
    log("a receipt changed of which the next one has the hash", "link_mismatch", { organization: "acme" }, line(1, replace('"kyc"', '"kyb"'))),
    log("the newest receipt changed", "log_root_mismatch", ACME, line(5, replace("0.87", "0.88"))),
    log("a receipt recorded earlier", "time_backwards", {}, line(6, replace('"recorded_at":"2026-12-31T23:59:59.500Z"', '"recorded_at":"2026-12-31T23:59:59.100Z"'))),
    log("the first receipt recorded before the anchor receipt before", "time_backwards", RANGE, line(0, replace('"recorded_at":"2026-12-31T23:59:59.500Z"', '"recorded_at":"2026-12-31T23:59:59.100Z"'))),
    log("a clock_step from an earlier time", "time_backwards", {}, line(8, replace('"from":"2026-12-31T23:59:59.750Z"', '"from":"2026-12-31T23:59:59.700Z"'))),
    log("a clock_step to another time than its own", "time_backwards", {}, line(8, replace('"to":"2026-12-31T23:59:59.250Z"', '"to":"2026-12-31T23:59:59.150Z"'))),
    header("other subtrees on the left", "log_root_mismatch", RANGE, (all) => { all["left"] = (all["left"] as string[]).toReversed(); }),
    bad("the root of another log", "log_root_mismatch", {}, { text: checkpointText(ORIGIN, 13, fixed("a root")) }),
    bad("the file ends with no anchor receipt", "bad_export", { end: 12 }),
    logged("the last anchor receipt is of a later schema_version", "bad_export", {}, { 12: later }),
    header("the file ends before the time asked for", "bad_export", LAST, all({ from: "2027-01-01T00:00:00.250Z", to: null })),
    bad("a chain that ends before the last anchor receipt says so", "org_seq_gap", { organization: "acme" }, { header: (all) => within("heads", { end: headAt(b, 13, "acme") })(all), log: (lines) => lines.with(11, hiddenLine(b.hashes[11]!)) }),
    bad("the last anchor receipt names another newest receipt than the log has", "link_mismatch", { organization: "beta", end: 5 }, { header: head("end", headOf(forged, "beta")!) }, scenario({ 4: { before: details({ org_heads_root: hashText(mth(headLeaves(forged))) }) } })),
  ];
}
