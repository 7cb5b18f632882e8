/** test/vectors/requests.json: what a caller sends, accepted and refused (docs/FORMAT.md sections 4.1 and 12). */
import { decision, idOf, LEDGER_ID } from "./build.ts";
import { REQUEST_SECRET } from "./keys.ts";
import { bytes, hex, hmac, jcs, type Json, type Members, requestKey } from "./primitives.ts";

/** The id that stands for the daemon's own UUIDv7 where the caller sends none. */
const NEW_ID = idOf(0xfff);
const R = requestKey(REQUEST_SECRET, LEDGER_ID);

function accepted(name: string, sent: Members, text = JSON.stringify(sent)): object {
  const full = jcs({ type: "decision", organization: "default", receipt_id: NEW_ID, ...sent });
  return { name, text, new_id: NEW_ID, ok: true, jcs: full, request_mac: hex(hmac(R, bytes(full))) };
}

const refused = (name: string, code: string, pointer: string, sent: Json): object => ({ name, text: JSON.stringify(sent), ok: false, code, pointer });

/** A decision with these members instead. */
const refusedField = (code: string, field: string, value: Json, pointer = `/${field}`): object =>
  refused(`${field}: ${JSON.stringify(value).slice(0, 60)}`, code, pointer, { ...decision(), [field]: value });

function without(name: string): Members {
  const { [name]: _, ...rest } = decision();
  return rest;
}

const many = (count: number): Members => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x_${i}`, i]));

export function requestVectors(): readonly object[] {
  return [
    accepted("the least", decision()),
    accepted("an organization and an id", decision({ organization: "acme", receipt_id: idOf(1) })),
    accepted("members in another order, with white space", { type: "decision", system_id: "s", inputs: { b: 1, a: 2 }, decision: [] }, '\n{ "system_id": "s", "inputs" : {"b":1.0, "a":2e0},\t"decision": [], "type":"decision"}\n'),
    accepted("names that sort by UTF-16 code units", decision({ inputs: { "😀": 1, "\ufb33": 2, "€": 3, "\r": 4, "1": 5, "10": 6, "9": 7 } })),
    accepted("a type of one's own", { type: "x_ping", system_id: "s" }),
    accepted("every field", decision({
      model_version: "1", user_id: "u", region: "r", policy_version: "p", chain_id: "c", summary: "s", model_epoch: 0, timestamp: "2026-06-01T10:00:05.123456789Z",
      gates: [{ name: "g", status: "ERROR", why: { a: [] } }], reasons: [], metadata: {}, "x_a.B-c_9": null,
    })),
    accepted("256 members", { ...decision(), ...many(252) }),
    accepted("strings of the greatest length", decision({ system_id: "😀".repeat(128), summary: "é".repeat(4096) })),
    accepted("reserved names as text", decision({ inputs: { a: "_sd", b: ["..."], "_sd ": 1 } })),

    refused("an array", "bad_field", "", []),
    refused("a string", "bad_field", "", "receipt"),
    refused("null", "bad_field", "", null),
    refused("257 members", "bad_field", "", { ...decision(), ...many(253) }),
    refused("no system_id", "missing_field", "/system_id", without("system_id")),
    refused("no decision", "missing_field", "/decision", without("decision")),
    refused("no inputs", "missing_field", "/inputs", without("inputs")),
    refused("a type of one's own without system_id", "missing_field", "/system_id", { type: "x_ping" }),
    refusedField("bad_field", "type", 7),
    refusedField("bad_field", "type", "Decision"),
    refusedField("bad_field", "type", ""),
    refusedField("unknown_type", "type", "verdict"),
    refusedField("unknown_type", "type", "x_"),
    ...["genesis", "anchor", "clock_step", "key_rotation", "key_revocation", "ratchet_break", "checkpoint_rotation", "prune", "erasure", "recovery", "access", "attestation", "chain"]
      .map((type) => refusedField("reserved_type", "type", type)),
    refusedField("bad_field", "organization", "_ledger"),
    refusedField("bad_field", "organization", "Acme"),
    refusedField("bad_field", "organization", ""),
    refusedField("bad_field", "organization", "a".repeat(65)),
    refusedField("bad_field", "organization", null),
    refusedField("bad_field", "receipt_id", idOf(0xabc).toUpperCase()),
    refusedField("bad_field", "receipt_id", idOf(1).replaceAll("-", "")),
    refusedField("bad_field", "receipt_id", 1),
    ...["schema_version", "ledger", "receipt_number", "org_seq", "log_index", "recorded_at", "key_id", "key_epoch", "previous_receipt_hash", "signature", "details", "_sd", "_sd_alg"]
      .map((name) => refusedField("reserved_field", name, 1)),
    refusedField("reserved_field", "inputs", { a: [{ _sd: [] }] }, "/inputs/a/0/_sd"),
    refusedField("reserved_field", "metadata", { "a/b": { "~": { _sd_alg: 1 } } }, "/metadata/a~1b/~0/_sd_alg"),
    refusedField("reserved_field", "x_list", [[{ "...": 1 }]], "/x_list/0/0/..."),
    refusedField("unknown_field", "colour", "red"),
    refusedField("unknown_field", "x_", 1),
    refusedField("unknown_field", "x_é", 1),
    refusedField("unknown_field", `x_${"a".repeat(63)}`, 1),
    refusedField("unknown_field", "a/b~c", 1, "/a~1b~0c"),
    refusedField("unknown_field", "constructor", 1),
    refusedField("unknown_field", "", 1, "/"),
    refusedField("unknown_field", "...", 1),
    ...["system_id", "model_version", "user_id", "region", "policy_version", "chain_id"].flatMap((name) => [
      refusedField("bad_field", name, ""), refusedField("bad_field", name, "a".repeat(257)), refusedField("bad_field", name, 1),
    ]),
    refusedField("bad_field", "summary", "a".repeat(4097)),
    refusedField("bad_field", "summary", ""),
    refusedField("bad_field", "model_epoch", -1),
    refusedField("bad_field", "model_epoch", 0.5),
    refusedField("bad_field", "model_epoch", "1"),
    refusedField("bad_field", "decision", null),
    refusedField("bad_field", "inputs", []),
    refusedField("bad_field", "inputs", null),
    refusedField("bad_field", "metadata", "m"),
    refusedField("bad_field", "reasons", {}),
    refusedField("bad_field", "reasons", Array.from({ length: 1001 }, () => 0)),
    refusedField("bad_field", "gates", {}),
    refusedField("bad_field", "gates", [{ name: "a", status: "PASS" }, { name: "b" }], "/gates/1/status"),
    refusedField("bad_field", "gates", [{ name: "a", status: "pass" }], "/gates/0/status"),
    refusedField("bad_field", "gates", [{ name: "", status: "PASS" }], "/gates/0/name"),
    refusedField("bad_field", "gates", [1], "/gates/0"),
    ...["2026-06-01T10:00:05", "2026-06-01 10:00:05Z", "2026-06-01T10:00:05+02:00", "2026-06-31T10:00:05Z", "2026-06-01T10:00:60Z", "2026-06-01T10:00:05.Z",
      "2026-06-01T10:00:05.1234567890Z", "2026-06-01t10:00:05z", "2026-13-01T10:00:05Z", ""].map((timestamp) => refusedField("bad_field", "timestamp", timestamp)),
    refusedField("bad_field", "timestamp", 1780308005),
  ];
}
