/** Everything that can be said of one receipt: the steps of docs/FORMAT.md section 13.1, its link, and its anchors. */
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import type { LedgerName } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime, parseTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { checkpointVkeysAt } from "../ledger/keys-said.ts";
import type { Reader } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import { type DisclosedKey, RatchetKeys, type RatchetStart } from "../verify/keys.ts";
import { nameOf, type VerifiedReceipt, verifyMac, verifyReceipt } from "../verify/receipt.ts";
import { anchorDetailsAt } from "./anchored.ts";
import type { NamedTarget, Naming } from "./ledger-files.ts";
import type { Pins } from "./pins.ts";
import { type AtTarget, type ClosedAnchor, findAnchor } from "./verify-anchor.ts";
import { checkEpoch, requirePlace } from "./verify-epoch.ts";
import { ANCHORS, sentenceOf, suspicion } from "./verify-sentence.ts";

export interface Question {
  readonly blob: Uint8Array;
  /** How the receipt was asked for; null: its bytes were given. */
  readonly asked: Naming | null;
  readonly ledger: LedgerName;
  /** null: the ledger is not at hand. */
  readonly reader: Reader | null;
  readonly keys: {
    readonly starts: readonly RatchetStart[];
    /** Keys of which only the open epoch's can be re-checked here. */
    readonly sealed: readonly string[];
    /** Keys whose closed epochs are to stay closed to whoever takes over the host: those, and those whose seed was given. */
    readonly forwardSecure: readonly string[];
    readonly disclosed: readonly DisclosedKey[];
  } | { readonly why: string };
  /** ms, by key id: since when a key is not to be believed any more. */
  readonly revoked: ReadonlyMap<string, number>;
  readonly pins: Pins;
  readonly targets: readonly NamedTarget[];
  /** What anchor.db says that a target has confirmed, as a tree size; null where it is not at hand or says nothing. */
  readonly confirmed: (target: string) => number | null;
  /** ms that an anchor may be late beyond what was promised. */
  readonly grace: number;
  /** ms */
  readonly now: number;
}

export interface AnchorSeen {
  readonly target: string;
  readonly tree_size: number;
  readonly root: string;
  readonly last_modified: string;
  readonly signed_by: readonly string[];
}

export interface Examination {
  /** `suspect`: its key is revoked, and nothing shows that it was there before. `pending`: as it should be, as far as it could be seen, but not anchored. `invalid`: changed, or an anchor over it is gone (`anchor_missing`). */
  readonly verdict: "anchored" | "pending" | "suspect" | "invalid" | "not_checked";
  readonly sentence: string;
  readonly receipt_hash: string;
  /** As the receipt says itself; null where that cannot be read. */
  readonly receipt_id: string | null;
  readonly receipt_number: string | null;
  readonly log_index: number | null;
  readonly anchors: readonly AnchorSeen[];
  readonly checked: readonly string[];
  readonly not_checked: readonly string[];
  /** Why it is invalid. */
  readonly problem: { readonly code: string; readonly message: string; readonly pointer?: string; readonly expected?: string; readonly found?: string } | null;
}

/** A VerifyError, or what findAnchor says is gone. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly pointer?: string | undefined;
  readonly expected?: string | undefined;
  readonly found?: string | undefined;
}

export async function examine(question: Question): Promise<Examination> {
  const course = new Course();
  let name = Object.entries(question.asked ?? {}).map(([member, value]) => (member === "log_index" ? `receipt ${value}` : String(value)))[0] ?? "The receipt";
  let read: VerifiedReceipt | null = null;
  let at: readonly AtTarget[] = [];
  let problem: Problem | null = null;
  let known = true;
  try {
    const verified = verifyReceipt(question.blob, nodeHash);
    read = verified;
    requireAsked(verified, question, course);
    name = nameOf(verified);
    known = verified.known;
    course.checked.push("canonical bytes", verified.known ? "fields and number" : "what links and signs it");
    if (verified.notChecked.length > 0) course.notChecked.push(`fields of a newer format: ${verified.notChecked.join(", ")}`);
    checkLedgerName(verified, question, course);
    checkMac(verified, question, course);
    checkPlace(verified, question, course);
    checkLink(verified, question, course);
    at = await checkAnchors(verified, question, course);
    await checkMacAlone(verified, question, course, course.verdict(at));
  } catch (error) {
    if (!(error instanceof VerifyError || error instanceof MisledError)) throw error;
    problem = error;
  }
  const contradiction = at.find((one) => one.state === "contradicted");
  if (contradiction?.state === "contradicted") problem ??= contradiction.error;
  const gone = at.find((one) => one.state === "missing");
  if (gone?.state === "missing") problem ??= gone.problem;
  const doubt = read === null ? null : suspicion(read.receipt.key_id, question, at);
  const verdict = problem !== null ? "invalid" : !known ? "not_checked" : doubt !== null ? "suspect" : course.verdict(at);
  return {
    verdict,
    sentence: sentenceOf({ name, verdict, problem, doubt, at, notChecked: course.notChecked, unsure: course.doubt }),
    receipt_hash: hashText(nodeHash.sha256(question.blob)),
    receipt_id: read?.known === true ? read.receipt.receipt_id : null,
    receipt_number: read?.known === true ? read.receipt.receipt_number : null,
    log_index: read?.receipt.log_index ?? null,
    anchors: at.flatMap((one) => one.state === "anchored" ? [seen(one)] : []),
    checked: course.checked,
    not_checked: [...course.notChecked, "the other receipts of the ledger (receiptd audit checks them all)"],
    problem: problem === null ? null : {
      code: problem.code, message: problem.message,
      ...(problem.pointer === undefined ? {} : { pointer: problem.pointer }),
      ...(problem.expected === undefined ? {} : { expected: problem.expected }),
      ...(problem.found === undefined ? {} : { found: problem.found }),
    },
  };
}

/** What was done and what not. */
class Course {
  readonly checked: string[] = [];
  readonly notChecked: string[] = [];
  macChecked = false;
  /** What the MAC alone cannot vouch for; null: nothing. */
  doubt: string | null = null;

  verdict(at: readonly AtTarget[]): Examination["verdict"] {
    if (at.some(({ state }) => state === "anchored")) return "anchored";
    const asked = at.length > 0 && at.every(({ state }) => state === "waiting");
    return asked && this.macChecked && this.doubt === null ? "pending" : "not_checked"; // without its MAC nothing at all vouches for a pending receipt
  }
}

/** An index can lead to another receipt than the one that was asked for. */
class MisledError extends Error implements Problem {
  override readonly name = "MisledError";
  readonly code = "index_lookup";
  readonly pointer: string;
  readonly expected: string;
  readonly found: string;

  constructor(pointer: string, expected: string, found: string) {
    super("the ledger's index leads to another receipt");
    [this.pointer, this.expected, this.found] = [pointer, expected, found];
  }
}

/** Throws MisledError. */
function requireAsked({ known, receipt }: VerifiedReceipt, { asked }: Question, course: Course): void {
  for (const [member, expected] of Object.entries(asked ?? {})) {
    if (!known && member !== "log_index") course.notChecked.push(`that its ${member} is ${expected}: this program does not know its schema_version`);
    else if (receipt[member as keyof typeof receipt] !== expected) {
      throw new MisledError(`/${member}`, String(expected), String(receipt[member as keyof typeof receipt]));
    }
  }
}

function checkLedgerName({ receipt }: VerifiedReceipt, { ledger }: Question, course: Course): void {
  if (receipt.ledger !== ledger.origin) {
    throw new VerifyError("ledger_mismatch", "the receipt is one of another ledger", { pointer: "/ledger", expected: ledger.origin, found: receipt.ledger });
  }
  course.checked.push(`ledger ${ledger.origin}`);
}

function checkMac({ receipt }: VerifiedReceipt, { blob, keys, reader }: Question, course: Course): void {
  if ("why" in keys) {
    course.notChecked.push(`the MAC: ${keys.why}`);
    return;
  }
  // each epoch before it has an anchor receipt before it: one that claims more is not worth a key
  const known = receipt.key_epoch <= receipt.log_index ? new RatchetKeys(keys.starts, { hash: nodeHash, disclosed: keys.disclosed }) : null;
  const macKey = known === null ? null : known.macKey(receipt.key_id, receipt.key_epoch, receipt.organization);
  const doubt = reader === null ? null : checkEpoch(receipt, reader, known?.commitment(receipt.key_id, receipt.key_epoch) ?? null);
  if (doubt !== null) course.notChecked.push(doubt);
  if (macKey === null) {
    const why = keys.sealed.includes(receipt.key_id) ? `${receipt.key_id} is forward-secure, and its epoch ${receipt.key_epoch} is closed: only its seed can re-check it (--seed)` : `no key ${receipt.key_id} of epoch ${receipt.key_epoch} is at hand`;
    course.notChecked.push(`the MAC: ${why}`);
    return;
  }
  const isDisclosed = known!.isDisclosed(receipt.key_id, receipt.key_epoch);
  const isAlone = known!.commitment(receipt.key_id, receipt.key_epoch) === null; // nobody can say whose it is
  if (isDisclosed) course.doubt = "that it is older than the disclosure of its key, with which others can sign as well: no anchor shows that";
  if (isAlone) course.notChecked.push(`that the key disclosed for ${receipt.organization} is the epoch's own: nothing that is published speaks of it`);
  verifyMac(blob, receipt, macKey, nodeHash);
  course.macChecked = true;
  course.checked.push(`MAC (${receipt.key_id}, epoch ${receipt.key_epoch}${isAlone ? `, by the key disclosed for ${receipt.organization} alone` : ""})`);
}

/** Where nothing but the MAC vouches for it, the key must be one that nobody could have had later. */
async function checkMacAlone(read: VerifiedReceipt, { reader, keys, ledger, targets, pins, confirmed }: Question, course: Course, verdict: Examination["verdict"]): Promise<void> {
  const { receipt } = read;
  if (course.doubt !== null && verdict !== "anchored") course.notChecked.unshift(course.doubt);
  if ("why" in keys || !course.macChecked || !keys.forwardSecure.includes(receipt.key_id)) return;
  if (verdict !== "pending") {
    course.notChecked.push(`that its epoch ${receipt.key_epoch} is that of its place${reader === null ? "" : ", but for the anchor receipt before it"}: the MAC alone does not show when it was made`);
    return;
  }
  course.doubt = reader === null
    ? `that its epoch ${receipt.key_epoch} is that of its place: there is no ledger at hand, and whoever has the key of one epoch can sign anything with it`
    : await requirePlace(read, { reader, keys: new RatchetKeys(keys.starts, { hash: nodeHash }), ledger, targets, vkeys: pins.vkeys.map(parseVkey), confirmed, breaks: pins.breaks });
  if (course.doubt === null) course.checked.push(`that its epoch ${receipt.key_epoch} is that of its place`);
  else course.notChecked.unshift(course.doubt);
}

/** The ledger has these very bytes in this place. */
function checkPlace({ receipt, hash }: VerifiedReceipt, { blob, reader }: Question, course: Course): void {
  if (reader === null) {
    course.notChecked.push("that the ledger still has the receipt: there is no ledger at hand");
    return;
  }
  const stored = reader.byIndex(receipt.log_index);
  if (stored === null) {
    throw new VerifyError("log_index_gap", "the ledger has no receipt in this place", { pointer: "/log_index", expected: `below ${reader.size()}`, found: receipt.log_index });
  }
  if (stored.blob === null || !equal(stored.blob, blob) || !equal(stored.receiptHash, hash)) {
    throw new VerifyError("link_mismatch", `the ledger has another receipt at log index ${receipt.log_index}`, { expected: hashText(stored.receiptHash), found: hashText(hash) });
  }
  course.checked.push(`place in the ledger (log index ${receipt.log_index})`);
}

function checkLink({ receipt }: VerifiedReceipt, { reader }: Question, course: Course): void {
  const { organization, org_seq, previous_receipt_hash } = receipt;
  if (org_seq === 1) {
    course.checked.push(`link (the first receipt of ${organization})`);
    return;
  }
  if (reader === null) {
    course.notChecked.push("the link to the receipt before: there is no ledger at hand");
    return;
  }
  const before = reader.byOrgSeq(organization, org_seq - 1);
  const found = before === null || before.blob === null ? null : hashText(nodeHash.sha256(before.blob));
  if (found !== previous_receipt_hash) {
    throw new VerifyError("link_mismatch", `the link does not lead to the receipt of ${organization} before`, { pointer: "/previous_receipt_hash", expected: found ?? "a receipt that is missing", found: previous_receipt_hash });
  }
  course.checked.push(`link to the receipt of ${organization} before`);
}

async function checkAnchors({ receipt, hash }: VerifiedReceipt, question: Question, course: Course): Promise<readonly AtTarget[]> {
  const { ledger, pins, targets, reader, now } = question;
  if (pins.vkeys.length === 0 || targets.length === 0) {
    course.notChecked.push(`${ANCHORS}${targets.length === 0 ? "no target was named (--anchors)" : "no verifier key was given to check their signatures with (--vkey, --trust)"}`);
    return [];
  }
  const closed = closedOver(receipt.log_index, question);
  const found: AtTarget[] = [];
  for (const { target } of targets) {
    const at = await findAnchor(target, { logIndex: receipt.log_index, hash, ledger, vkeys: pins.vkeys.map(parseVkey), reader, closed, now });
    found.push(at);
    if (at.state === "anchored") course.checked.push(`anchor at ${target.name} (tree size ${at.facts.treeSize}), its signature, and that the receipt is under it (${at.by})`);
    if (at.state === "anchored" && at.unseen !== null) course.notChecked.push(at.unseen);
    if (at.state === "overdue") course.notChecked.push(`${ANCHORS}${at.why}`);
    if (at.state === "waiting" || at.state === "unavailable") course.notChecked.push(at.why);
  }
  if (!pins.pinned) course.notChecked.push("that the signing key is the right one: it is this host's own; pin yours with --vkey");
  if (targets.some(({ target }) => !target.trustedTime)) course.notChecked.push("when it was anchored: a folder's times are those of its host");
  return found;
}

/** The anchor that the ledger has closed over a receipt; null: none yet, or there is no ledger. */
function closedOver(logIndex: number, { reader, confirmed, grace, pins }: Question): ClosedAnchor | null {
  const row = reader?.coveringAnchor(logIndex) ?? null;
  if (reader === null || row === null) return null;
  const promised = parseTime(anchorDetailsAt(reader, row.treeSize)?.next_anchor_by ?? "");
  const observed = anchorDetailsAt(reader, reader.newestAnchor()?.treeSize ?? 0)?.observed ?? [];
  return {
    treeSize: row.treeSize,
    confirmed: (target) => Math.max(confirmed(target) ?? 0, observed.find((one) => one.target === target)?.tree_size ?? 0),
    due: (promised ?? reader.byIndex(row.treeSize - 1)?.recordedAt ?? 0) + grace,
    isKeyOwn: () => checkpointVkeysAt(reader, row.treeSize).some((vkey) => pins.vkeys.includes(vkey)),
  };
}

function seen({ facts, version }: Extract<AtTarget, { state: "anchored" }>): AnchorSeen {
  const target = version.name; // its full name: what a person would look at
  return { target, tree_size: facts.treeSize, root: hashText(facts.root), last_modified: formatTime(version.lastModified), signed_by: facts.signedBy };
}
