/** test/vectors/ledgers.json: one ledger for each way to go wrong, and the good ones. What must be found is written down by hand. */
import {
  brokenScenario, type Builder, decision, handedOver, type Hook, idOf, KEY_ID, LEDGER_ID, LOG_KEY, NEXT_KEY, NEXT_SEED, ORIGIN, rotatedScenario, scenario, SEED, SECOND_LOG_KEY, THIRD_LOG_KEY,
} from "./build.ts";
import { bytes, epochKeys, fixed, hashText, hex, jcs, type Members, organizationKey, signReceipt } from "./primitives.ts";

type Hooks = Readonly<Record<number, Hook>>;

interface Verdict {
  readonly code?: string;
  readonly at?: number;
  readonly keys?: boolean;
  readonly notChecked?: readonly string[];
  /** Of later keys that are known, by id. */
  readonly rotated?: Readonly<Record<string, Uint8Array>>;
  /** All of them, where the first does not say it all. */
  readonly findings?: readonly (readonly [code: string, at: number])[];
}

function vector(name: string, blobs: readonly Buffer[], verdict: Verdict): object {
  const { findings, code = findings?.[0]?.[0], at = findings?.[0]?.[1], keys = true, notChecked = [], rotated } = verdict;
  return {
    name, origin: ORIGIN, ledger_id: LEDGER_ID, seed_hex: keys ? hex(SEED) : null, key_id: KEY_ID, vkey: LOG_KEY.vkey,
    ...(rotated === undefined ? {} : { rotated: Object.fromEntries(Object.entries(rotated).map(([keyId, seed]) => [keyId, hex(seed)])) }),
    blobs: blobs.map(blobOrPlace),
    ...(code === undefined ? { ok: true, not_checked: keys ? notChecked : [...notChecked, "signature"] } : { ok: false, code, at }),
    ...(findings === undefined ? {} : { findings }),
  };
}

/** The blob's text, or its place in the first ledger, which has it too. */
export function blobOrPlace(blob: Buffer): string | number {
  const place = base.blobs.findIndex((known) => known.equals(blob));
  return place === -1 ? blob.toString("utf8") : place;
}

function good(name: string, b: Builder, extra: Omit<Verdict, "code" | "at"> = {}): object {
  return {
    ...vector(name, b.blobs, extra),
    root: hex(b.rootAt(b.blobs.length)),
    anchors: b.anchors.map((size) => ({ tree_size: size, root: hex(b.rootAt(size)) })),
    pending: b.blobs.length - (b.anchors.at(-1) ?? 0),
  };
}

const bad = (name: string, code: string, at: number, hooks: Hooks, extra: Omit<Verdict, "code" | "at"> = {}): object =>
  vector(name, scenario(hooks).blobs, { code, at, ...extra });

/** One receipt changed before it is signed, with all that follows as if it were right. */
const signed = (name: string, code: string, at: number, before: (members: Members) => void): object => bad(name, code, at, { [at]: { before } });

const details = (change: (details: Members) => void) => (members: Members): void => {
  const copy = structuredClone(members["details"]) as Members;
  change(copy);
  members["details"] = copy;
};
const batch = (change: Members) => details((d) => { d["batch"] = { ...(d["batch"] as Members), ...change }; });

/** The blob with members changed and signed again by the right key; no other blob knows of it. */
function resigned(blob: Buffer, change: Members): Buffer {
  const { signature: _, ...members } = JSON.parse(blob.toString("utf8")) as Members;
  const { S } = epochKeys(SEED, LEDGER_ID, KEY_ID, members["key_epoch"] as number);
  return bytes(jcs(signReceipt({ ...members, ...change }, organizationKey(S, members["organization"] as string)).receipt));
}

function replaced(blobs: readonly Buffer[], at: number, blob: Buffer): Buffer[] {
  return blobs.map((old, i) => (i === at ? blob : old));
}

/** The time of receipt 7. */
const LATE = "2026-12-31T23:59:59.750Z";
const other = hashText(fixed("another hash"));
const base = scenario();
const headsWithoutBeta = base.headsRoot("beta");

export function ledgerVectors(): readonly object[] {
  const genesisOnly = base.blobs.slice(0, 1);
  return [
    { ...good("three organizations, five epochs", base), blobs: base.blobs.map((blob) => blob.toString("utf8")) },
    good("without keys", base, { keys: false }),
    vector("genesis alone", genesisOnly, {}),
    vector("cut in the middle of a batch", base.blobs.slice(0, 8), {}),
    good("an unknown schema_version in between", scenario({ 7: { before: (m) => Object.assign(m, { schema_version: 2, new_field: [1], receipt_number: "another form" }) } }), {
      notChecked: ["decision", "inputs", "metadata", "new_field", "receipt_id", "receipt_number", "recorded_at", "system_id", "type"],
    }),
    good("a system type that format 1 reserves", scenario({ 8: { before: (m) => Object.assign(m, { type: "prune", details: { by: "auditor" }, recorded_at: LATE }) }, 9: { before: (m) => { m["recorded_at"] = LATE; } } }), { notChecked: ["details"] }),

    bad("one space in a blob", "not_canonical", 7, { 7: { bytes: (blob) => Buffer.concat([blob.subarray(0, 1), bytes(" "), blob.subarray(1)]) } }),
    bad("a blob that is not JSON", "bad_json", 7, { 7: { bytes: (blob) => blob.subarray(0, -1) } }),
    signed("a caller's receipt in _ledger", "bad_receipt", 8, (m) => { delete m["details"]; Object.assign(m, decision()); }),
    signed("the number of another year", "number_mismatch", 7, (m) => { m["receipt_number"] = "ACME-2027-00003"; }),

    vector("a receipt is missing", base.blobs.toSpliced(7, 1), { code: "log_index_gap", at: 7 }),
    vector("the first receipt is missing", base.blobs.slice(1), { code: "log_index_gap", at: 0 }),
    vector("an anchor receipt is missing", base.blobs.toSpliced(5, 1), { code: "log_index_gap", at: 5 }),
    vector("two receipts change places", base.blobs.with(1, base.blobs[2]!).with(2, base.blobs[1]!), { code: "log_index_gap", at: 1 }),
    vector("a receipt twice", base.blobs.toSpliced(7, 0, base.blobs[6]!), { code: "log_index_gap", at: 7 }),
    signed("another log_index, signed", "log_index_gap", 7, (m) => { m["log_index"] = 8; }),

    signed("genesis of another key", "genesis_mismatch", 0, details((d) => { d["key_id"] = "key_v2"; })),
    signed("genesis of another ledger_id", "genesis_mismatch", 0, details((d) => { d["ledger_id"] = "0".repeat(32); })),
    signed("genesis in epoch 1", "genesis_mismatch", 0, (m) => { m["key_epoch"] = 1; }),
    signed("a second genesis", "genesis_mismatch", 8, (m) => {
      const first = JSON.parse(base.blobs[0]!.toString("utf8")) as Members;
      Object.assign(m, { type: "genesis", details: first["details"] });
    }),
    signed("no genesis", "genesis_mismatch", 0, (m) => Object.assign(m, { type: "prune", details: {} })),

    signed("a receipt of another ledger", "ledger_mismatch", 6, (m) => { m["ledger"] = "receipts.example.com/cards"; }),
    signed("a receipt_id twice", "duplicate_receipt_id", 9, (m) => { m["receipt_id"] = idOf(1); }),
    signed("a receipt_id twice, across organizations and in one batch", "duplicate_receipt_id", 2, (m) => { m["receipt_id"] = idOf(1); }),

    signed("an org_seq left out", "org_seq_gap", 7, (m) => Object.assign(m, { org_seq: 4, receipt_number: "ACME-2026-00004" })),
    signed("an org_seq again", "org_seq_gap", 7, (m) => Object.assign(m, { org_seq: 2, receipt_number: "ACME-2026-00002" })),
    signed("an organization that does not begin with 1", "org_seq_gap", 6, (m) => Object.assign(m, { org_seq: 2, receipt_number: "RCP-2026-00002", previous_receipt_hash: other })),
    signed("an organization that begins again", "org_seq_gap", 7, (m) => Object.assign(m, { org_seq: 1, receipt_number: "ACME-2026-00001", previous_receipt_hash: null })),
    signed("the link of another organization", "link_mismatch", 7, (m) => { m["previous_receipt_hash"] = hashText(base.hashes[2]!); }),
    signed("a link one receipt too far back", "link_mismatch", 7, (m) => { m["previous_receipt_hash"] = hashText(base.hashes[1]!); }),
    vector("a receipt changed and signed again, the chain left as it was", replaced(base.blobs, 1, resigned(base.blobs[1]!, { decision: "deny" })), { code: "link_mismatch", at: 3 }),
    vector("the same without keys", replaced(base.blobs, 1, resigned(base.blobs[1]!, { decision: "deny" })), { code: "link_mismatch", at: 3, keys: false }),

    signed("another prefix", "number_mismatch", 7, (m) => { m["receipt_number"] = "ACMX-2026-00003"; }),
    signed("the prefix of another organization", "number_mismatch", 6, (m) => { m["receipt_number"] = "ACME-2026-00001"; }),
    signed("the ledger's prefix", "number_mismatch", 6, (m) => { m["receipt_number"] = "LEDGER-2026-00001"; }),
    signed("another prefix for _ledger", "number_mismatch", 0, (m) => { m["receipt_number"] = "LEDGE-2026-00001"; }),

    signed("a millisecond backwards", "time_backwards", 7, (m) => { m["recorded_at"] = "2026-12-31T23:59:59.499Z"; }),
    signed("a clock step from another time", "time_backwards", 8, details((d) => { d["from"] = "2026-12-31T23:59:59.751Z"; })),
    signed("a clock step to another time", "time_backwards", 8, details((d) => { d["to"] = "2026-12-31T23:59:59.251Z"; })),
    signed("a clock step to the same time", "time_backwards", 8, (m) => {
      m["recorded_at"] = "2026-12-31T23:59:59.750Z";
      details((d) => { d["to"] = "2026-12-31T23:59:59.750Z"; })(m);
    }),
    signed("a clock step forwards", "time_backwards", 8, (m) => {
      m["recorded_at"] = "2026-12-31T23:59:59.900Z";
      details((d) => { d["to"] = "2026-12-31T23:59:59.900Z"; })(m);
    }),

    signed("the epoch before, signed with its key", "epoch_mismatch", 6, (m) => { m["key_epoch"] = 1; }),
    signed("the next epoch without an anchor", "epoch_mismatch", 7, (m) => { m["key_epoch"] = 3; }),
    signed("an anchor receipt of the next epoch", "epoch_mismatch", 10, (m) => { m["key_epoch"] = 3; }),
    bad("key epochs far ahead and back, in turn", "epoch_mismatch", 7, Object.fromEntries([7, 8, 9, 11, 13].map((at) => [at, { after: (r: Members) => { r["key_epoch"] = at % 2 === 1 ? 999_999 : 0; } }]))),
    bad("the greatest key_epoch", "epoch_mismatch", 13, { 13: { after: (r) => { r["key_epoch"] = Number.MAX_SAFE_INTEGER; } } }),
    bad("an unknown key in a new epoch, though the old one is published for it", "key_mismatch", 13, { 13: { before: (m) => { m["key_id"] = "key_v2"; } } }),
    bad("an unknown key in a new epoch, without keys", "key_mismatch", 13, { 13: { before: (m) => { m["key_id"] = "key_v2"; } } }, { keys: false }),
    bad("an unknown key that was published, and no key_rotation", "key_mismatch", 13, {
      12: { before: details((d) => { d["epoch_commitment"] = other; }) }, 13: { before: (m) => { m["key_id"] = "key_v2"; } },
    }),
    ...rotationVectors(),
    ...handoverVectors(),
    ...breakVectors(),
    bad("another key inside an epoch", "key_mismatch", 7, { 7: { before: (m) => { m["key_id"] = "key_v2"; } } }),

    signed("another commitment in genesis", "commitment_mismatch", 0, details((d) => { d["epoch_commitment"] = other; })),
    bad("another commitment in an anchor receipt", "commitment_mismatch", 5, { 4: { before: details((d) => { d["epoch_commitment"] = other; }) } }),
    good("the same commitment without keys", scenario({ 4: { before: details((d) => { d["epoch_commitment"] = other; }) } }), { keys: false }),

    bad("a receipt changed, not signed again, everything else rebuilt", "mac_mismatch", 7, { 7: { after: (r) => { r["decision"] = "deny"; } } }),
    good("the same rebuilt ledger without keys", scenario({ 7: { after: (r) => { r["decision"] = "deny"; } } }), { keys: false }),
    bad("signed with another organization's key", "mac_mismatch", 7, { 7: { macKey: organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, 2).S, "beta") } }),
    bad("signed with another epoch's key", "mac_mismatch", 7, { 7: { macKey: organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, 1).S, "acme") } }),
    bad("signed with another seed", "mac_mismatch", 7, { 7: { macKey: organizationKey(epochKeys(fixed("another seed"), LEDGER_ID, KEY_ID, 2).S, "acme") } }),
    bad("a nested signature changed", "mac_mismatch", 7, { 7: { after: (r) => { r["inputs"] = { a: { signature: `hmac-sha256:${"1".repeat(64)}`, z: 1 } }; } } }),
    bad("the newest receipt changed", "mac_mismatch", 13, { 13: { after: (r) => { r["decision"] = "deny"; } } }),
    good("the newest receipt changed, without keys: pending receipts are not authenticated", scenario({ 13: { after: (r) => { r["decision"] = "deny"; } } }), { keys: false }),

    signed("a batch that begins one too early", "batch_gap", 10, batch({ first_index: 5, count: 5 })),
    signed("a batch with one receipt too few", "batch_gap", 10, batch({ count: 3 })),
    signed("a batch with one receipt too many", "batch_gap", 10, batch({ count: 5 })),
    signed("another batch root", "batch_root_mismatch", 10, batch({ root: other })),
    signed("a root for the empty batch", "batch_root_mismatch", 5, batch({ root: hashText(Buffer.alloc(32)) })),
    vector("a receipt without successor in its batch changed and signed again", replaced(base.blobs, 2, resigned(base.blobs[2]!, { decision: "approve" })), { code: "batch_root_mismatch", at: 4 }),

    signed("an anchor receipt without its predecessor", "anchor_link_mismatch", 10, details((d) => { d["previous_anchor"] = null; })),
    signed("an anchor receipt with another predecessor", "anchor_link_mismatch", 10, details((d) => { d["previous_anchor"] = { tree_size: 5, root: hashText(base.rootAt(5)) }; })),
    signed("an anchor receipt with another root before", "anchor_link_mismatch", 10, details((d) => { d["previous_anchor"] = { tree_size: 6, root: other }; })),
    signed("a first anchor receipt with a predecessor", "anchor_link_mismatch", 4, details((d) => { d["previous_anchor"] = { tree_size: 1, root: hashText(base.rootAt(1)) }; })),

    signed("another org_heads_root", "org_heads_mismatch", 10, details((d) => { d["org_heads_root"] = other; })),
    signed("an organization left out of org_heads_root", "org_heads_mismatch", 12, details((d) => { d["org_heads_root"] = headsWithoutBeta; })),
  ];
}

/** Keys that change (sections 6 and 7). */
function rotationVectors(): readonly object[] {
  const all = { rotated: { [NEXT_KEY]: NEXT_SEED } };
  const wrong = (name: string, code: string, at: number, hooks: Hooks, extra: Omit<Verdict, "code" | "at"> = all): object =>
    vector(name, rotatedScenario(hooks).blobs, { code, at, ...extra });
  const keyId = (id: string): Hook => ({ before: (m) => { m["key_id"] = id; } });
  return [
    good("a key that is rotated, and then revoked", rotatedScenario(), all),
    good("the same without the new key", rotatedScenario(), { notChecked: ["signature"] }),
    good("the same without the old key", rotatedScenario(), { ...all, keys: false }),
    good("the same without keys", rotatedScenario(), { keys: false }),
    wrong("a key_rotation of another key", "key_mismatch", 4, { 4: { before: details((d) => { d["previous_key_id"] = "key_v0"; }) } }),
    wrong("a key_rotation to the same key", "key_mismatch", 4, { 4: { before: details((d) => { d["key_id"] = KEY_ID; }) } }),
    vector("a receipt after the key_rotation, in its epoch", rotatedScenario({}, 1).blobs, { code: "key_mismatch", at: 5, ...all }),
    wrong("the old key after a rotation", "key_mismatch", 6, { 6: keyId(KEY_ID) }),
    wrong("another key than the one that was named", "key_mismatch", 6, { 6: keyId("key_v3") }),
    wrong("another key than the one that was named, without keys", "key_mismatch", 6, { 6: keyId("key_v3") }, { keys: false }),
    wrong("the new key in the anchor receipt that closes the old one's epoch", "key_mismatch", 5, { 5: keyId(NEXT_KEY) }),
    wrong("the old key's commitment for the new one's first epoch", "commitment_mismatch", 6, {
      5: { before: details((d) => { d["epoch_commitment"] = hashText(epochKeys(SEED, LEDGER_ID, KEY_ID, 2).C); }) },
    }),
    wrong("signed with the key that was rotated away", "mac_mismatch", 6, { 6: { macKey: organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, 2).S, "acme") } }),
    wrong("the key_rotation changed, everything else rebuilt", "mac_mismatch", 4, { 4: { after: (r) => { (r["details"] as Members)["mode"] = "forward-secure"; } } }),
    wrong("the key_revocation changed, everything else rebuilt", "mac_mismatch", 8, { 8: { after: (r) => { (r["details"] as Members)["compromised_since"] = "2026-12-31T23:59:59.600Z"; } } }),
  ];
}

/** Checkpoint keys that change (section 7); how they sign is in anchors.json. */
function handoverVectors(): readonly object[] {
  const wrong = (name: string, at: number, change: (details: Members) => void): object =>
    vector(name, handedOver({ [at]: { before: details(change) } }).blobs, { code: "vkey_mismatch", at });
  return [
    good("a checkpoint key that is rotated, and its successor, too", handedOver()),
    good("the same without keys", handedOver(), { keys: false }),
    wrong("a checkpoint_rotation of a key that is not that of genesis", 4, (d) => { d["previous_vkey"] = THIRD_LOG_KEY.vkey; }),
    wrong("a checkpoint_rotation to the same key", 4, (d) => { d["vkey"] = LOG_KEY.vkey; }),
    wrong("a second checkpoint_rotation of the first key", 8, (d) => { d["previous_vkey"] = LOG_KEY.vkey; }),
    wrong("a checkpoint_rotation back to the first key", 8, (d) => { d["vkey"] = LOG_KEY.vkey; }),
    wrong("a checkpoint_rotation to the key that signs", 8, (d) => { d["vkey"] = SECOND_LOG_KEY.vkey; }),
    vector("a receipt after the checkpoint_rotation, in its batch", handedOver({}, 1).blobs, { code: "vkey_mismatch", at: 5 }),
    vector("the checkpoint_rotation changed, everything else rebuilt", handedOver({ 4: { after: (r) => { (r["details"] as Members)["reason"] = "schedule"; } } }).blobs, { code: "mac_mismatch", at: 4 }),
  ];
}

/** A key that begins with a ratchet_break: a finding always, and no other one if all is as it must be. */
function breakVectors(): readonly object[] {
  type Codes = readonly (readonly [code: string, at: number])[];
  const broken: Codes[number] = ["ratchet_break", 6];
  const all = { rotated: { [NEXT_KEY]: NEXT_SEED } };
  const found = (name: string, findings: Codes, hooks: Hooks = {}, extra: Omit<Verdict, "code" | "at"> = all): object =>
    vector(name, brokenScenario(hooks).blobs, { findings, ...extra });
  const said = (change: (details: Members) => void): Hooks => ({ 6: { before: details(change) } });
  const next = (epoch: number): ReturnType<typeof epochKeys> => epochKeys(NEXT_SEED, LEDGER_ID, NEXT_KEY, epoch - 2);
  return [
    found("a ratchet_break", [broken]),
    vector("a ratchet_break as the first receipt of its epoch", brokenScenario({}, 0).blobs, { findings: [["ratchet_break", 5]], ...all }),
    found("the same without the new key", [broken], {}, {}),
    found("the same without the old key", [broken], {}, { ...all, keys: false }),
    found("the same without keys", [broken], {}, { keys: false }),
    vector("a ratchet_break as the first receipt of its epoch, without the new key", brokenScenario({}, 0).blobs, { findings: [["ratchet_break", 5]] }),
    found("a ratchet_break of another key", [["key_mismatch", 6], broken], said((d) => { d["previous_key_id"] = "key_v0"; })),
    found("a ratchet_break of another key, without keys", [["key_mismatch", 6], broken], said((d) => { d["previous_key_id"] = "key_v0"; }), { keys: false }),
    vector("a ratchet_break to the key before", brokenScenario({ 6: { before: (m) => { details((d) => { d["key_id"] = KEY_ID; })(m); m["key_id"] = KEY_ID; } } }).blobs, { code: "key_mismatch", at: 6, keys: false }),
    vector("a ratchet_break that is signed with the old key", brokenScenario({ 6: { before: (m) => { m["key_id"] = KEY_ID; } } }).blobs, { code: "key_mismatch", at: 6, keys: false }),
    vector("a receipt after the ratchet_break, in its epoch", brokenScenario({}, 1, 1).blobs, { findings: [broken, ["key_mismatch", 7]], ...all }),
    found("the old key after a ratchet_break", [broken, ["key_mismatch", 10]], { 10: { before: (m) => { m["key_id"] = KEY_ID; } } }, { keys: false }),
    found("the old key in the anchor receipt behind it", [broken, ["key_mismatch", 7]], { 7: { before: (m) => { m["key_id"] = KEY_ID; } } }, { keys: false }),
    found("another commitment in a ratchet_break", [broken, ["commitment_mismatch", 6]], said((d) => { d["epoch_commitment"] = other; })),
    found("the old key's commitment in a ratchet_break", [broken, ["commitment_mismatch", 6]], said((d) => { d["epoch_commitment"] = hashText(epochKeys(SEED, LEDGER_ID, KEY_ID, 2).C); })),
    found("the old key's commitment in the anchor receipt behind it", [broken, ["commitment_mismatch", 8]], { 7: { before: details((d) => { d["epoch_commitment"] = hashText(epochKeys(SEED, LEDGER_ID, KEY_ID, 3).C); }) } }),
    vector("a ratchet_break in the next epoch", brokenScenario({ 6: { before: (m) => { m["key_epoch"] = 3; } } }).blobs, { code: "epoch_mismatch", at: 6, keys: false }),
    found("a ratchet_break changed, everything else rebuilt", [broken, ["mac_mismatch", 6]], { 6: { after: (r) => { (r["details"] as Members)["reason"] = "the disk with the ratchet failee"; } } }),
    found("signed with the key that is gone", [broken, ["mac_mismatch", 8]], { 8: { macKey: organizationKey(epochKeys(SEED, LEDGER_ID, KEY_ID, 3).S, "acme") } }),
    found("signed with the new key of another epoch", [broken, ["mac_mismatch", 8]], { 8: { macKey: organizationKey(next(2).S, "acme") } }),
    found("a receipt of the old key changed, everything else rebuilt", [["mac_mismatch", 5], broken], { 5: { after: (r) => { r["decision"] = "deny"; } } }),
  ];
}
