/** test/vectors/receipts.json: single receipts, good and bad, for each rule of docs/FORMAT.md section 13.1. */
import { decision, idOf } from "./build.ts";
import { bytes, flipBit, hex, jcs, type Json, type Members, sha256, signReceipt } from "./primitives.ts";
import { bad, changed, form, good, macKeyOf, members, previous } from "./receipt.ts";
import { systemReceipts, unknownVersions } from "./system-receipts.ts";

const FILL = "FILL";
const MAX_BLOB = 1_048_576 + 4096;

const base = jcs(signReceipt(members("acme", decision({ x_note: "A", x_number: 1 })), macKeyOf("acme")).receipt);
const edited = (name: string, code: string, from: string, to: string): object => {
  if (!base.includes(from)) throw new Error(`${name}: ${from} is not in the receipt`);
  return { name, blob: base.replace(from, to), ok: false, code };
};
const raw = (name: string, code: string, blob: Uint8Array): object => ({ name, blob_hex: hex(blob), ok: false, code });

function texts(): readonly object[] {
  const deep = (levels: number): Json => (levels === 0 ? 0 : [deep(levels - 1)]);
  return [
    edited("a space", "not_canonical", "{", "{ "),
    edited("a newline at the end", "not_canonical", base, `${base}\n`),
    edited("two members in another order", "not_canonical", '"x_note":"A","x_number":1', '"x_number":1,"x_note":"A"'),
    edited("an escape that is not needed", "not_canonical", '"x_note":"A"', '"x_note":"\\u0041"'),
    edited("an escaped slash", "not_canonical", '"x_note":"A"', '"x_note":"\\/"'),
    edited("a number as 1.0", "not_canonical", '"x_number":1', '"x_number":1.0'),
    edited("a number as 1e2", "not_canonical", '"x_number":1', '"x_number":1e2'),
    edited("a member twice", "duplicate_name", '"x_note":"A"', '"x_note":"A","x_note":"A"'),
    edited("the name __proto__", "forbidden_name", '"inputs":{', '"inputs":{"__proto__":1,'),
    edited("a lone surrogate", "lone_surrogate", '"x_note":"A"', '"x_note":"\\ud800"'),
    edited("U+0000", "nul_character", '"x_note":"A"', '"x_note":"\\u0000"'),
    edited("negative zero", "number_negative_zero", '"x_number":1', '"x_number":-0'),
    edited("2^53", "number_out_of_range", '"x_number":1', '"x_number":9007199254740992'),
    edited("a number with too many digits", "number_not_exact", '"x_number":1', '"x_number":0.1000000000000000055'),
    edited("cut short", "bad_json", base, base.slice(0, -1)),
    edited("two texts", "bad_json", base, `${base}{}`),
    { name: "empty", blob: "", ok: false, code: "bad_json" },
    { name: "an array", blob: "[]", ok: false, code: "bad_receipt" },
    { name: "a string", blob: '"receipt"', ok: false, code: "bad_receipt" },
    { name: "an object without members", blob: "{}", ok: false, code: "bad_receipt" },
    raw("a byte order mark", "bad_json", Buffer.concat([Buffer.from("efbbbf", "hex"), bytes(base)])),
    raw("not UTF-8", "not_utf8", Buffer.from(hex(bytes(base)).replace(hex(bytes('"x_note":"A"')), `${hex(bytes('"x_note":"'))}ff22`), "hex")),
    good("32 deep", members("acme", decision({ x_deep: deep(31) }))),
    bad("33 deep", "too_deep", members("acme", decision({ x_deep: deep(32) }))),
    ...sized(),
  ];
}

/** The longest receipt and one byte more; `fill` says how many letters `a` stand for the text FILL. */
function sized(): readonly object[] {
  const macKey = macKeyOf("acme");
  const make = (fill: number): { readonly blob: string; readonly filled: string } => {
    const unsigned = members("acme", decision({ x_note: FILL }));
    const { signature } = signReceipt({ ...unsigned, x_note: "a".repeat(fill) }, macKey).receipt;
    const blob = jcs({ ...unsigned, signature: signature! });
    return { blob, filled: blob.replace(FILL, "a".repeat(fill)) };
  };
  const fill = MAX_BLOB - make(0).filled.length;
  const [longest, longer] = [make(fill), make(fill + 1)];
  return [
    { name: "1 MiB + 4096 bytes", blob: longest.blob, fill, ok: true, not_checked: [], mac_key_hex: hex(macKey), receipt_hash: hex(sha256(bytes(longest.filled))) },
    { name: "one byte more", blob: longer.blob, fill: fill + 1, ok: false, code: "too_large" },
  ];
}

const daemonFields = [
  "schema_version", "ledger", "receipt_number", "org_seq", "log_index", "recorded_at", "key_id", "key_epoch", "previous_receipt_hash",
  "type", "organization", "receipt_id",
];

function forms(): readonly object[] {
  const { signature: _, ...unsigned } = JSON.parse(base) as Members;
  return [
    ...daemonFields.map((name) => form(`without ${name}`, { [name]: undefined })),
    { name: "without signature", blob: jcs(unsigned), ok: false, code: "bad_receipt" },
    form("schema_version as text", { schema_version: "1" }),
    form("schema_version 0", { schema_version: 0 }),
    form("schema_version 1.5", { schema_version: 1.5 }),
    form("an origin in capitals", { ledger: "Receipts.example.com" }),
    form("an origin with a part ..", { ledger: "receipts.example.com/../x" }),
    form("an origin that ends in a slash", { ledger: "receipts.example.com/" }),
    bad("an origin of 201 characters", "bad_receipt", changed({ ledger: "a".repeat(201) })),
    good("an origin of 200 characters", changed({ ledger: "a".repeat(200) })),
    form("a number with a prefix in small letters", { receipt_number: "acme-2026-00042" }),
    form("a number with a prefix of 17", { receipt_number: `${"A".repeat(17)}-2026-00042` }),
    form("a number with four digits", { receipt_number: "ACME-2026-0042" }),
    form("a number with a zero too many", { receipt_number: "ACME-2026-000042" }),
    form("org_seq 0", { org_seq: 0 }),
    form("org_seq as text", { org_seq: "42" }),
    form("log_index -1", { log_index: -1 }),
    form("log_index 0.5", { log_index: 0.5 }),
    form("recorded_at without milliseconds", { recorded_at: "2026-06-01T10:00:05Z" }),
    form("recorded_at with an offset", { recorded_at: "2026-06-01T10:00:05.234+00:00" }),
    form("recorded_at on 30 February", { recorded_at: "2026-02-30T10:00:05.234Z" }),
    form("recorded_at in a leap second", { recorded_at: "2026-06-30T23:59:60.000Z" }),
    form("recorded_at at 24:00", { recorded_at: "2026-06-01T24:00:00.000Z" }),
    form("recorded_at as a number", { recorded_at: 1780308005 }),
    good("recorded_at on 29 February", changed({ recorded_at: "2028-02-29T23:59:59.999Z", receipt_number: "ACME-2028-00042" })),
    form("a key id in capitals", { key_id: "KEY" }),
    form("an empty key id", { key_id: "" }),
    form("key_epoch -1", { key_epoch: -1 }),
    form("a link in capitals", { previous_receipt_hash: previous.toUpperCase() }),
    form("a link of 63 digits", { previous_receipt_hash: previous.slice(0, -1) }),
    form("no link after the first receipt", { previous_receipt_hash: null }),
    form("a link in the first receipt", { org_seq: 1, receipt_number: "ACME-2026-00001" }),
    good("the first receipt", changed({ org_seq: 1, receipt_number: "ACME-2026-00001", previous_receipt_hash: null })),
    good("a number with more digits", changed({ org_seq: 1234567, receipt_number: "ACME-2026-1234567" })),
    { name: "a signature in capitals", blob: jcs({ ...unsigned, signature: `hmac-sha256:${"A".repeat(64)}` }), ok: false, code: "bad_receipt" },
    { name: "a signature of 65 digits", blob: jcs({ ...unsigned, signature: `hmac-sha256:${"a".repeat(65)}` }), ok: false, code: "bad_receipt" },
    { name: "a signature of another kind", blob: jcs({ ...unsigned, signature: `sha256:${"a".repeat(64)}` }), ok: false, code: "bad_receipt" },
    form("an organization in capitals", { organization: "Acme" }),
    form("an organization that begins with _", { organization: "_other" }),
    form("an organization of 65 characters", { organization: "a".repeat(65) }),
    form("a receipt_id in capitals", { receipt_id: idOf(700).toUpperCase() }),
    form("a receipt_id without hyphens", { receipt_id: idOf(700).replaceAll("-", "") }),
    form("a type that nobody knows", { type: "verdict" }),
    form("a type in capitals", { type: "Decision" }),
    form("the type x_", { type: "x_" }),
    form("a type of 63 characters", { type: `x_${"a".repeat(61)}` }),
    form("a decision in _ledger", { organization: "_ledger", receipt_number: "LEDGER-2026-00042" }),
    form("an attestation outside _ledger", { type: "attestation", details: {} }),
    bad("the number of another year", "number_mismatch", changed({ receipt_number: "ACME-2025-00042" })),
    bad("the number of another org_seq", "number_mismatch", changed({ receipt_number: "ACME-2026-00043" })),
    bad("the form comes before the number", "bad_receipt", changed({ receipt_number: "ACME-2026-00043", x_: 1 })),
  ];
}

function callerFields(): readonly object[] {
  const chain = { type: "chain", system_id: undefined, decision: undefined, inputs: undefined };
  const fixed = Object.keys(members("acme", { type: "chain" })).length + 1;
  const more = Object.fromEntries(Array.from({ length: 270 - fixed }, (_, i) => [`m${i}`, i]));
  return [
    form("no system_id", { system_id: undefined }),
    form("an empty system_id", { system_id: "" }),
    form("a system_id of 257 characters", { system_id: "s".repeat(257) }),
    good("a system_id of 256 UTF-16 code units", changed({ system_id: "😀".repeat(128) })),
    form("a system_id of 258 UTF-16 code units", { system_id: "😀".repeat(129) }),
    form("a system_id as a number", { system_id: 7 }),
    form("no decision", { decision: undefined }),
    form("the decision null", { decision: null }),
    good("the decision false", changed({ decision: false })),
    form("no inputs", { inputs: undefined }),
    form("inputs as an array", { inputs: [] }),
    good("a type of one's own needs neither", changed({ type: "x_ping", decision: undefined, inputs: undefined })),
    form("a type of one's own needs a system_id", { type: "x_ping", system_id: undefined }),
    ...["model_version", "user_id", "region", "policy_version", "chain_id", "summary"].map((name) => form(`${name} empty`, { [name]: "" })),
    form("a summary of 4097 characters", { summary: "s".repeat(4097) }),
    form("model_epoch -1", { model_epoch: -1 }),
    form("model_epoch 0.5", { model_epoch: 0.5 }),
    form("gates as an object", { gates: {} }),
    form("a gate without name", { gates: [{ status: "PASS" }] }),
    form("a gate of another status", { gates: [{ name: "kyc", status: "pass" }] }),
    form("a gate that is null", { gates: [null] }),
    form("1001 reasons", { reasons: Array.from({ length: 1001 }, () => 1) }),
    good("1000 reasons", changed({ reasons: Array.from({ length: 1000 }, () => 1) })),
    form("reasons as an object", { reasons: {} }),
    form("metadata as text", { metadata: "m" }),
    ...["2026-06-01T10:00:05", "2026-06-01 10:00:05Z", "2026-06-01T10:00:05+02:00", "2026-06-31T10:00:05Z", "2026-06-01T10:00:60Z", "2026-06-01T10:00:05.Z",
      "2026-06-01T10:00:05.1234567890Z", "2026-06-01t10:00:05z"].map((timestamp) => form(`timestamp ${timestamp}`, { timestamp })),
    good("a timestamp in nanoseconds", changed({ timestamp: "2026-06-01T10:00:05.123456789Z" })),
    form("a field that nobody knows", { colour: "red" }),
    form("the field x_", { x_: 1 }),
    form("a field of 65 characters", { [`x_${"a".repeat(63)}`]: 1 }),
    good("a field of 64 characters", changed({ [`x_${"a".repeat(62)}`]: 1 })),
    form("details in a decision", { details: {} }),
    form("_sd at the top", { _sd: [] }),
    form("_sd further in", { inputs: { a: [{ _sd: [] }] } }),
    form("_sd_alg further in", { metadata: { _sd_alg: "sha-256" } }),
    form("... further in", { x_list: [{ "...": "x" }] }),
    good("_sd as text", changed({ inputs: { a: "_sd", "a_sd": '"_sd":' } })),
    good("269 members", changed(many(269))),
    form("270 members", many(270)),
    good("a chain receipt", changed({ type: "chain", details: { steps: 2 }, system_id: undefined, decision: undefined, inputs: undefined }), ["details"]),
    good("a chain receipt with reserved names", changed({ ...chain, _sd: [1], x: { "...": { _sd_alg: "" } } }), ["_sd", "x"]),
    good("a chain receipt of 270 members", changed({ ...chain, ...more }), Object.keys(more).toSorted()),
  ];
}

/** Members that make a decision have so many, its signature included. */
function many(count: number): Members {
  const own = Object.keys(members("acme", decision())).length + 1;
  return Object.fromEntries(Array.from({ length: count - own }, (_, i) => [`x_${i}`, i]));
}

function signatures(): readonly object[] {
  const nested = `hmac-sha256:${"0".repeat(64)}`;
  const withMac = (name: string, blob: string, macKey: Uint8Array): object => ({ name, blob, ok: false, code: "mac_mismatch", mac_key_hex: hex(macKey) });
  const key = macKeyOf("acme");
  const unsigned = members("acme", decision());
  const { receipt } = signReceipt(unsigned, key);
  const signature = (receipt["signature"] as string).slice("hmac-sha256:".length);
  const flips = [0, 1, 7, 100, 255].map((bit) =>
    withMac(`bit ${bit} of the signature flipped`, jcs({ ...receipt, signature: `hmac-sha256:${hex(flipBit(Buffer.from(signature, "hex"), bit))}` }), key));
  const self = signReceipt(changed({ metadata: { note: 1 } }), key).receipt;
  return [
    good("a signature further in, before", changed({ inputs: { signature: nested, z: 1 } })),
    good("a signature further in, behind", changed({ x_list: [{ a: 1, signature: nested, z: 1 }] })),
    good("the text of a signature in a string", changed({ inputs: { a: `"signature":"${nested}",`, b: `\\"signature":"${nested}",` } })),
    good("a name that ends in a quotation mark and signature", changed({ inputs: { '"signature': nested, 'a"signature': nested, z: 1 } })),
    good("brackets in strings", changed({ inputs: { "}": "]}", "{[": '[{"' }, metadata: { b: "\\" } })),
    withMac("the receipt's own signature further in, put there afterwards", jcs({ ...self, metadata: { note: 1, signature: self["signature"]! } }), key),
    ...flips,
    withMac("another key", jcs(receipt), macKeyOf("beta")),
    withMac("a decision changed", jcs({ ...receipt, decision: "deny" }), key),
    withMac("a member added", jcs({ ...receipt, x_note: 1 }), key),
  ];
}

export function receiptVectors(): readonly object[] {
  return [
    good("a decision", members("acme", decision())),
    good("a decision with every field", members("acme", decision({
      model_version: "2.3.1", user_id: "Zoë", region: "eu-west-1", policy_version: "p-9", chain_id: "c-1", summary: "“approved”\n", model_epoch: 0,
      timestamp: "2026-06-01T10:00:05Z", gates: [{ name: "kyc", status: "SKIP", extra: null }, { name: "x", status: "ERROR" }], reasons: [null, 1e-7], metadata: {}, x_A: "😀",
    }))),
    ...texts(),
    ...forms(),
    ...callerFields(),
    ...systemReceipts(),
    ...unknownVersions(),
    ...signatures(),
  ];
}
