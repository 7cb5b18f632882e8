/** The part of receipts.json that callers do not write: system receipts, and receipts of another schema_version. */
import { LOG_KEY, scenario } from "./build.ts";
import type { Json, Members } from "./primitives.ts";
import { bad, type Change, changed, good, members, previous } from "./receipt.ts";

export function systemReceipts(): readonly object[] {
  const blobs = scenario().blobs.map((blob) => JSON.parse(blob.toString("utf8")) as Members);
  const detailsOf = (index: number): Members => blobs[index]!["details"] as Members;
  const system = (type: string, details: Json): Members => members("_ledger", { type, details });
  const anchor = (change: Change): Members => system("anchor", changed(change, detailsOf(10)));
  const batch = (change: Members): Members => anchor({ batch: { ...(detailsOf(10)["batch"] as Members), ...change } });
  const observed = { target: "disk", tree_size: 6, version_id: "1", last_modified: "2026-06-01T10:00:00.000Z" };
  const rotation = { previous_key_id: "key_v1", key_id: "key_v2", mode: "forward-secure", reason: "request" };
  const handover = { previous_vkey: LOG_KEY.vkey, vkey: `${LOG_KEY.vkey}x`, reason: "request" };
  const broken = { previous_key_id: "key_v1", key_id: "key_v2", mode: "retained", epoch_commitment: previous, ratchet: "lost", reason: "the disk failed" };
  const revocation = { key_id: "key_v1", compromised_since: "2026-06-01T10:00:00.000Z", reason: "the backup of key_v1 was stolen" };
  const place = { log_index: 7, found: null };
  const recovery = {
    action: "rebuild", log_size: 12, root: previous, from: "both", replaced: [place, { log_index: 9, found: previous }], replaced_count: 2, lost: [], lost_count: 0,
    reason: "the index was damaged",
  };
  const access = { token: "tok-0123456789", scope: "read", organizations: ["acme", "_ledger"], what: "receipts ACME-2026-00001 to ACME-2026-00100 by system_id", count: 100 };
  const accesses = (...list: readonly Members[]): Members => system("access", { accesses: [...list] });
  const no = (name: string, unsigned: Members): object => bad(name, "bad_receipt", unsigned);
  return [
    good("genesis", system("genesis", detailsOf(0))),
    no("genesis of format 2", system("genesis", { ...detailsOf(0), format: 2 })),
    no("genesis of another mode", system("genesis", { ...detailsOf(0), mode: "open" })),
    no("genesis without vkeys", system("genesis", { ...detailsOf(0), vkeys: [] })),
    no("genesis with 17 vkeys", system("genesis", { ...detailsOf(0), vkeys: Array.from({ length: 17 }, () => LOG_KEY.vkey) })),
    no("genesis with a short ledger_id", system("genesis", { ...detailsOf(0), ledger_id: "00" })),
    no("genesis with one more member", system("genesis", { ...detailsOf(0), note: "" })),
    no("genesis in another organization", changed({ type: "genesis", details: detailsOf(0) }, members("acme", {}))),
    good("clock_step", system("clock_step", detailsOf(8))),
    no("clock_step without to", system("clock_step", { from: "2026-06-01T10:00:00.000Z" })),
    no("clock_step with a time of another form", system("clock_step", { from: "2026-06-01T10:00:00Z", to: "2026-06-01T10:00:00.000Z" })),
    good("anchor", anchor({})),
    good("the first anchor", anchor({ previous_anchor: null })),
    good("a batch of 65,536", batch({ count: 65_536 })),
    no("a batch of 65,537", batch({ count: 65_537 })),
    no("a batch that begins at -1", batch({ first_index: -1 })),
    no("a batch root without sha256:", batch({ root: "0".repeat(64) })),
    no("a batch with one more member", batch({ size: 1 })),
    no("a previous anchor of size 0", anchor({ previous_anchor: { tree_size: 0, root: previous } })),
    no("no previous_anchor", anchor({ previous_anchor: undefined })),
    no("no org_heads_root", anchor({ org_heads_root: undefined })),
    no("no epoch_commitment", anchor({ epoch_commitment: undefined })),
    no("a commitment that is null", anchor({ epoch_commitment: null })),
    good("nothing observed", anchor({ observed: [] })),
    good("16 targets observed", anchor({ observed: Array.from({ length: 16 }, () => observed) })),
    no("17 targets observed", anchor({ observed: Array.from({ length: 17 }, () => observed) })),
    no("an observation without a version", anchor({ observed: [changed({ version_id: undefined }, observed)] })),
    no("an observation with a time of another form", anchor({ observed: [{ ...observed, last_modified: "yesterday" }] })),
    good("an orderly stop", anchor({ next_anchor_by: null, reason: "shutdown" })),
    no("a promise of another form", anchor({ next_anchor_by: "2026-06-01" })),
    no("a reason that nobody knows", anchor({ reason: "because" })),
    no("an anchor with one more member", anchor({ x_note: 1 })),
    no("a system receipt without details", members("_ledger", { type: "anchor" })),
    no("a system receipt with a field of a caller's", changed({ system_id: "s" }, anchor({}))),
    no("a system receipt with a field of one's own", changed({ x_note: 1 }, anchor({}))),
    good("key_rotation", system("key_rotation", rotation)),
    good("key_rotation on a schedule", system("key_rotation", { ...rotation, reason: "schedule" })),
    no("key_rotation for another reason", system("key_rotation", { ...rotation, reason: "because" })),
    no("key_rotation to another mode", system("key_rotation", { ...rotation, mode: "open" })),
    no("key_rotation without the key before", system("key_rotation", changed({ previous_key_id: undefined }, rotation))),
    no("key_rotation to no key id", system("key_rotation", { ...rotation, key_id: "Key 2" })),
    no("key_rotation with one more member", system("key_rotation", { ...rotation, x_note: 1 })),
    good("checkpoint_rotation", system("checkpoint_rotation", handover)),
    good("checkpoint_rotation on a schedule, to a key of 400", system("checkpoint_rotation", { ...handover, vkey: "😀".repeat(200), reason: "schedule" })),
    no("checkpoint_rotation to a key of 402", system("checkpoint_rotation", { ...handover, vkey: "😀".repeat(201) })),
    no("checkpoint_rotation to no key", system("checkpoint_rotation", { ...handover, vkey: "" })),
    no("checkpoint_rotation for another reason", system("checkpoint_rotation", { ...handover, reason: "because" })),
    no("checkpoint_rotation without the key before", system("checkpoint_rotation", changed({ previous_vkey: undefined }, handover))),
    no("checkpoint_rotation with one more member", system("checkpoint_rotation", { ...handover, by: "me" })),
    no("checkpoint_rotation in another organization", changed({ type: "checkpoint_rotation", details: handover }, members("acme", {}))),
    good("ratchet_break", system("ratchet_break", broken)),
    good("ratchet_break of a ratchet that is ahead, with a reason of 1024", system("ratchet_break", { ...broken, ratchet: "ahead", reason: "😀".repeat(512) })),
    good("ratchet_break of a ratchet that is wrong", system("ratchet_break", { ...broken, ratchet: "wrong" })),
    no("ratchet_break of another ratchet", system("ratchet_break", { ...broken, ratchet: "usable" })),
    no("ratchet_break with a reason of 1026", system("ratchet_break", { ...broken, reason: "😀".repeat(513) })),
    no("ratchet_break without a reason", system("ratchet_break", { ...broken, reason: "" })),
    no("ratchet_break without a commitment", system("ratchet_break", changed({ epoch_commitment: undefined }, broken))),
    no("ratchet_break to another mode", system("ratchet_break", { ...broken, mode: "open" })),
    no("ratchet_break with one more member", system("ratchet_break", { ...broken, by: "me" })),
    no("ratchet_break in another organization", changed({ type: "ratchet_break", details: broken }, members("acme", {}))),
    good("key_revocation", system("key_revocation", revocation)),
    good("key_revocation with a reason of 1024", system("key_revocation", { ...revocation, reason: "😀".repeat(512) })),
    no("key_revocation with a reason of 1026", system("key_revocation", { ...revocation, reason: "😀".repeat(513) })),
    no("key_revocation without a reason", system("key_revocation", { ...revocation, reason: "" })),
    no("key_revocation with a time of another form", system("key_revocation", { ...revocation, compromised_since: "2026-06-01T10:00:00Z" })),
    no("key_revocation with one more member", system("key_revocation", { ...revocation, by: "me" })),
    good("recovery", system("recovery", recovery)),
    good("recovery that lost 64 and more", system("recovery", { ...recovery, from: "ledger", replaced: [], replaced_count: 0, lost: Array.from({ length: 64 }, () => place), lost_count: 900 })),
    good("recovery from the archive alone", system("recovery", { ...recovery, from: "archive" })),
    no("recovery that names 65", system("recovery", { ...recovery, replaced: Array.from({ length: 65 }, () => place) })),
    no("recovery from elsewhere", system("recovery", { ...recovery, from: "memory" })),
    no("recovery by another action", system("recovery", { ...recovery, action: "edit" })),
    no("recovery of an empty log", system("recovery", { ...recovery, log_size: 0 })),
    no("recovery with a root without sha256:", system("recovery", { ...recovery, root: "0".repeat(64) })),
    no("recovery with a place that has one more member", system("recovery", { ...recovery, lost: [{ ...place, bytes: "" }] })),
    no("recovery with a place without found", system("recovery", { ...recovery, lost: [{ log_index: 7 }] })),
    no("recovery with a negative count", system("recovery", { ...recovery, lost_count: -1 })),
    no("recovery without replaced_count", system("recovery", changed({ replaced_count: undefined }, recovery))),
    no("recovery without a reason", system("recovery", { ...recovery, reason: "" })),
    no("recovery with a reason of 1026", system("recovery", { ...recovery, reason: "😀".repeat(513) })),
    no("recovery with one more member", system("recovery", { ...recovery, by: "me" })),
    good("access", accesses(access)),
    good("access to what is not limited to organizations, or counted", accesses({ ...access, organizations: null, count: null })),
    good("128 accesses", accesses(...Array.from({ length: 128 }, () => access))),
    no("129 accesses", accesses(...Array.from({ length: 129 }, () => access))),
    no("no access", accesses()),
    no("access without a token", accesses(changed({ token: undefined }, access))),
    no("access by a token with spaces", accesses({ ...access, token: "a b" })),
    no("access with a scope in capitals", accesses({ ...access, scope: "READ" })),
    no("access to no organization", accesses({ ...access, organizations: [] })),
    good("access to 64 organizations", accesses({ ...access, organizations: Array.from({ length: 64 }, (_, i) => `o${i}`) })),
    no("access to 65 organizations", accesses({ ...access, organizations: Array.from({ length: 65 }, (_, i) => `o${i}`) })),
    no("access to an organization of another form", accesses({ ...access, organizations: ["Acme"] })),
    good("access to something of 256", accesses({ ...access, what: "😀".repeat(128) })),
    no("access to something of 258", accesses({ ...access, what: "😀".repeat(129) })),
    no("access to nothing", accesses({ ...access, what: "" })),
    no("access with a negative count", accesses({ ...access, count: -1 })),
    no("access with one more member", accesses({ ...access, address: "192.0.2.1" })),
    no("accesses beside something else", system("access", { accesses: [access], by: "me" })),
    good("attestation", system("attestation", { statement: "s", cosigned: "c" })),
    good("an attestation as long as it may be", system("attestation", { statement: "😀".repeat(8192), cosigned: "\n".repeat(16_384) })),
    no("an attestation that is too long", system("attestation", { statement: `${"😀".repeat(8192)}x`, cosigned: "c" })),
    no("an attestation without a checkpoint", system("attestation", { statement: "s" })),
    no("an attestation of nothing", system("attestation", { statement: "", cosigned: "c" })),
    no("an attestation with one more member", system("attestation", { statement: "s", cosigned: "c", x: 1 })),
    good("a system type that format 1 reserves", system("prune", { anything: [1] }), ["details"]),
    good("its details may be anything", system("prune", "text"), ["details"]),
    no("an unknown type in _ledger", system("x_note", {})),
  ];
}

export function unknownVersions(): readonly object[] {
  const small = (change: Change = {}): Members =>
    changed({ schema_version: 2, receipt_number: undefined, recorded_at: undefined, receipt_id: undefined, type: undefined, ...change }, members("acme", {}));
  return [
    good("schema_version 2", changed({ schema_version: 2, colour: "red", receipt_number: 7, decision: null, "a\"signature": "x" }), [
      'a"signature', "colour", "decision", "inputs", "receipt_id", "receipt_number", "recorded_at", "system_id", "type"]),
    good("a high schema_version", changed({ schema_version: 9007199254740991 }), ["decision", "inputs", "receipt_id", "receipt_number", "recorded_at", "system_id", "type"]),
    good("schema_version 2 in _ledger", changed({ schema_version: 2, organization: "_ledger" }), ["decision", "inputs", "receipt_id", "receipt_number", "recorded_at", "system_id", "type"]),
    good("schema_version 2 with nothing but what links and signs: the signature is the last member", small()),
    good("schema_version 2 with the name constructor", small({ constructor: 1 }), ["constructor"]),
    ...["ledger", "organization", "org_seq", "log_index", "key_id", "key_epoch", "previous_receipt_hash"].map((name) =>
      bad(`schema_version 2 without ${name}`, "bad_receipt", small({ [name]: undefined }))),
    bad("schema_version 2 with an org_seq as text", "bad_receipt", small({ org_seq: "42" })),
    bad("schema_version 2 without a link", "bad_receipt", small({ previous_receipt_hash: null })),
  ];
}
