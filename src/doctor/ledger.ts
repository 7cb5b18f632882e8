/** The ledger: its keys, its file, whether its daemon runs and anchors come when they should. */
import { nextTick } from "../anchor/schedule.ts";
import { type Config, DEFAULT_ORIGIN } from "../config.ts";
import { checkpointPeriods } from "../daemon/checkpoint-key.ts";
import { openKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { openState } from "../daemon/ratchet.ts";
import type { RatchetState } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { type HmacKey, type Keyring, signingKey } from "../keys/keyring.ts";
import { readNextCheckpoint } from "../keys/next-checkpoint.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { RatchetFile } from "../keys/ratchet-file.ts";
import { keyringProblem } from "../keys/seed.ts";
import { markPath, readMark } from "../ledger/acks.ts";
import { announcedIn, keyInUse } from "../ledger/keys-said.ts";
import { LedgerError } from "../ledger/errors.ts";
import { damagedLog } from "../ledger/left-over.ts";
import { Reader } from "../ledger/reader.ts";
import { type Check, messageOf, ok, problem, unchecked, warning } from "./check.ts";
import { count } from "../format/count.ts";
import { checkCheckpointKey, checkRootKey } from "./keys.ts";

/** What the daemon says of itself, as far as it matters here (docs/PROTOCOL.md, `status`). */
export interface DaemonState {
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly ledger_id: string;
  readonly targets: readonly { readonly name: string; readonly state: string; readonly pending: number; readonly last_error: { readonly message: string } | null }[];
}

/** What a ledger's file says, once it can be opened. */
export interface LedgerFacts {
  readonly origin: string;
  readonly ledgerId: string;
  readonly size: number;
  /** ms; null before the first anchor. */
  readonly lastAnchorAt: number | null;
}

/** ms that an anchor may be late, beyond its grace, before that is a finding. */
const LATE = 60_000;

export async function checkKeys(config: Config): Promise<{ readonly checks: readonly Check[]; readonly keyring: Keyring | null }> {
  const { ratchet, ledger, nextCheckpoint } = placesOf(config);
  try {
    const { root, keyring } = await openKeys(config);
    const key = signingKey(keyring, inLedger(ledger, keyInUse));
    const kept = new RatchetFile(ratchet, root, keyring.ledgerId).load(key.keyId);
    if (key.seed === null && kept?.keyId !== key.keyId) return { keyring, checks: [problem("keys", `the ratchet holds no key of ${key.keyId}, which is forward-secure: the daemon cannot sign`, "make it again with the auditor's seed: receiptd init --ratchet --seed FILE; where nobody has it: receiptd key break")] };
    const wrong = inLedger(ledger, (reader) => ratchetProblem(reader, keyring, key, kept)); // after the ratchet was read: a daemon may be stepping it
    kept?.key.fill(0);
    if (wrong !== null) return { keyring, checks: [problem("keys", wrong, "docs/OPERATIONS.md, “When something is wrong”: ratchet_ahead, ratchet_wrong")] };
    return { keyring, checks: [ok("keys", `root key, keyring and ratchet can be read by this user alone and belong together (${key.keyId}, ${key.mode})`), checkRootKey(config), ...(await checkCheckpointKey(config, inLedger(ledger, (reader) => checkpointPeriods(reader, keyring.checkpointKeys)) ?? [{ key: keyring.checkpointKeys.at(-1)!, first: 0, last: null }], readNextCheckpoint(nextCheckpoint, keyring, root)))] };
  } catch (error) {
    return { keyring: null, checks: [problem("keys", messageOf(error), adviceOf(error))] };
  }
}

function adviceOf(error: unknown): string {
  const { code = null, next } = error instanceof KeyError ? error : {};
  if (next !== undefined) return next;
  return code === "kms_unavailable" ? "see that KMS can be reached, and try again" : "put that right; docs/OPERATIONS.md, “When something is wrong”";
}

export function checkLedger(config: Config, keyring: Keyring | null): { readonly checks: readonly Check[]; readonly facts: LedgerFacts | null } {
  const path = placesOf(config).ledger;
  let read: ReturnType<typeof factsOf>;
  try {
    read = factsOf(path, keyring);
  } catch (error) {
    return { facts: null, checks: [problem("ledger", messageOf(error), "create it with: receiptd init; or restore it (docs/OPERATIONS.md)")] };
  }
  const { facts, changed } = read;
  const { origin, ledgerId, size } = facts;
  const damaged = damagedLog(path);
  if (damaged !== null) return { facts, checks: [problem("ledger", damaged, "see what can be done with: receiptd recover")] };
  if (changed !== null) return { facts, checks: [problem("keys", changed, "restore the keyring from its backup")] };
  if (keyring !== null && keyring.ledgerId !== ledgerId) {
    return { facts, checks: [problem("ledger", `${path} is the ledger ${ledgerId}, the keyring is that of ${keyring.ledgerId}`, "restore both from one backup")] };
  }
  if (config.origin !== origin && config.origin !== DEFAULT_ORIGIN) {
    return { facts, checks: [problem("ledger", `the ledger's origin is ${origin}, the configuration says ${config.origin}`, `set origin: ${origin}, or data_dir to the other ledger's folder`)] };
  }
  const marked = size > 1 && readMark(path) === null ? [warning("ledger: mark", `there is no mark of what was acknowledged that can be read (${markPath(path)}): should the log be damaged, nobody could tell what is missing`, "start the daemon, which makes it; if that says that it cannot, give the file to the daemon's user, or remove it")] : [];
  return { facts, checks: [...marked, ok("ledger", `${origin} (${ledgerId}) opens, its schema is this version's, ${count(size, "receipt")}; what is in them is for: receiptd audit`)] };
}

/** Why the daemon could not sign with the ratchet, or should not; null where it can. */
function ratchetProblem(reader: Reader, keyring: Keyring, key: HmacKey, kept: RatchetState | null): string | null {
  // another ledger has a check of its own; another key: it was rotated while we looked
  if (reader.identity().ledgerId !== keyring.ledgerId || ![null, key.keyId].includes(keyInUse(reader))) return null;
  try {
    openState(reader, keyring.ledgerId, key, kept).key.fill(0);
    return null;
  } catch (error) {
    if (error instanceof KeyError) return error.message;
    throw error;
  }
}

/** null where the ledger cannot be read, which has a check of its own. */
function inLedger<T>(path: string, look: (reader: Reader) => T): T | null {
  let reader: Reader | undefined;
  try {
    reader = new Reader(path, nodeHash.sha256);
    return look(reader);
  } catch (error) {
    if (error instanceof LedgerError) return null;
    throw error;
  } finally {
    reader?.close();
  }
}

/** `changed`: why the keyring cannot be the ledger's. */
function factsOf(path: string, keyring: Keyring | null): { readonly facts: LedgerFacts; readonly changed: string | null } {
  const reader = new Reader(path, nodeHash.sha256);
  try {
    const changed = keyring === null ? null : keyringProblem(keyring, (epoch) => announcedIn(reader, epoch));
    const anchor = reader.newestAnchor();
    const receipt = anchor === null ? null : reader.byIndex(anchor.treeSize - 1);
    return { facts: { ...reader.identity(), size: reader.size(), lastAnchorAt: receipt?.recordedAt ?? null }, changed };
  } finally {
    reader.close();
  }
}

/** `asked`: the daemon's answer, null where none listens, or why it could not be asked. */
export function checkDaemon(asked: DaemonState | null | Error, facts: LedgerFacts | null): readonly Check[] {
  if (asked instanceof Error) return [unchecked("daemon", asked.message, "run this as a member of the socket's group")];
  if (asked === null) return [warning("daemon", "no daemon is listening on the socket", "start it with: receiptd serve, or systemctl start receiptd")];
  if (facts !== null && asked.ledger_id !== facts.ledgerId) {
    return [problem("daemon", `the daemon on the socket has another ledger, ${asked.ledger_id}`, "set data_dir and socket.path to those of one daemon")];
  }
  if (asked.state === "damaged") return [problem("daemon", "it takes receipts, and its self-check found damage in the ledger: see receiptd status", "run: receiptd audit; docs/OPERATIONS.md, “When something is wrong”")];
  if (asked.state !== "ok") return [problem("daemon", `it refuses receipts: ${asked.reason?.message ?? asked.state}`, "docs/OPERATIONS.md, “When something is wrong”")];
  const stuck = asked.targets.filter((target) => target.state === "refused" || target.state === "unavailable");
  return [
    ok("daemon", "it runs and takes receipts"),
    ...stuck.map((target) => problem(`daemon's target ${target.name}`, `${target.state}, ${target.pending} anchors to publish${target.last_error === null ? "" : `: ${target.last_error.message}`}`, "see the checks of this target; what waits is published by itself once it can be")),
  ];
}

/** Is the next tick known, and did the last anchor come? Only a running daemon can be late. */
export function checkSchedule({ anchor }: Config, facts: LedgerFacts | null, isRunning: boolean, now: number): Check {
  const next = nextTick(anchor.schedule);
  const text = next === null ? `${anchor.schedule} never comes` : `next tick ${time(next)}`;
  const last = facts?.lastAnchorAt ?? null;
  const due = anchor.heartbeat + anchor.grace + LATE;
  if (isRunning && last !== null && now - last > due) {
    return problem("schedule", `${text}; the last anchor, of ${time(last)}, is ${Math.round((now - last) / 1000)} s old, and one was due after ${Math.round(anchor.heartbeat / 1000)} s`, "see the daemon's log: it closes no batches");
  }
  if (last !== null && last > now + LATE) return problem("schedule", `${text}; the last anchor is of ${time(last)}, which is in the future`, "set the clock, and run NTP");
  return ok("schedule", `${text}; ${last === null ? "no anchor yet" : `last anchor ${time(last)}`}; at the latest one every ${Math.round(anchor.heartbeat / 1000)} s`);
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
