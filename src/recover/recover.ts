/**
 * `receiptd recover --rebuild`: a new ledger file from what is left, checked by an audit before it takes the old one's place. The old file
 * is never changed but for its own write-ahead log, and never removed.
 *
 * Order of writes, of which a crash may keep any first part: bytes set aside; `ledger.db.new`, whole and on the disk; what the source's anchors
 * say was signed, in `anchor.db`; the order that the daemon makes a receipt of; a second name for the old ledger; the new one in its place. Up
 * to the last step the old ledger is the ledger, and the next run begins anew.
 */
import { readOutbox } from "../anchor/outbox.ts";
import { AnchorError } from "../anchor/errors.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import { audit, type AuditOptions, type Finding } from "../audit/audit.ts";
import { auditHash } from "../audit/hash.ts";
import { hashText } from "../format/chain.ts";
import type { RecoveryDetails } from "../format/fields.ts";
import { requestKey } from "../format/mac.ts";
import type { LedgerName } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import { emptyWal } from "../ledger/empty-wal.ts";
import { LedgerError } from "../ledger/errors.ts";
import { damagedLog } from "../ledger/left-over.ts";
import { lockLedger } from "../ledger/lock.ts";
import { LedgerRestore } from "../ledger/restore.ts";
import { walDamage } from "../ledger/wal.ts";
import { RestoredOutbox } from "../restore/outbox.ts";
import { damagedName, Quarantine, removeFresh, replaceLedger, takeBackLog } from "./files.ts";
import { kindOf } from "./kinds.ts";
import { OldLedger } from "./old-ledger.ts";
import { fileRecoveryOrder, isCutShort } from "./order.ts";
import { rebuild, type RebuildOptions, type Signed } from "./rebuild.ts";
import { NOWHERE, type Rebuilt, type Sink, type Spots } from "./rebuilt.ts";

/** What is known of the ledger from outside of its file. */
export interface Knowledge {
  readonly ledgerPath: string;
  readonly outboxPath: string;
  readonly ledger: LedgerName;
  /** Where anchors and archived receipts are; null: no target is asked. */
  readonly source: AnchorTarget | null;
  readonly vkeys: readonly string[];
  /** age identities, for an archive that is encrypted. */
  readonly identities: readonly string[];
  readonly keys: NonNullable<AuditOptions["keys"]>;
  /** Go on without receipts at the end of which nothing is left that says what they were. */
  readonly dropsTail: boolean;
}

export interface RecoverOptions extends Knowledge {
  /** A folder. */
  readonly quarantinePath: string;
  readonly orderPath: string;
  /** Why, for the receipt. */
  readonly reason: string;
  /** The ledger's other targets, as they are configured: asked where the outbox is made anew. */
  readonly others?: readonly AnchorTarget[];
  readonly receiptId: string;
  /** ms */
  readonly now: number;
}

export type RecoverStep = "locked" | "rebuilt" | "checked" | "signed" | "ordered" | "linked" | "replaced";

export interface RecoverHooks {
  readonly onProgress?: (receipts: number) => void;
  /** Told when a step is done: for tests that end the process there. */
  readonly onStep?: (step: RecoverStep) => void;
}

export interface Recovered {
  readonly rebuilt: Rebuilt;
  /** What is wrong with the new file; then, and where `rebuilt.stop` says why there is none, nothing was changed. */
  readonly unsound: readonly Finding[];
  /** The old file's name now; null: nothing was changed. */
  readonly kept: string | null;
  /** Signed notes that `anchor.db` had not and that the source has. */
  readonly notes: number;
  /** Names of other targets that did not answer: where the outbox was made anew, everything is published there anew. */
  readonly unanswered: readonly string[];
}

/** What a rebuilding would make of the ledger; nothing is written, and the daemon may be running. Throws LedgerError, TargetError, AnchorError. */
export async function survey(knowledge: Knowledge, onProgress?: (receipts: number) => void): Promise<Rebuilt> {
  const old = OldLedger.open(knowledge.ledgerPath);
  try {
    return await rebuildFrom(old, knowledge, NOWHERE, { onProgress });
  } finally {
    old.close();
  }
}

/** Throws LedgerError (`ledger_locked`, `ledger_busy`, `disk_full` …), TargetError, AnchorError, KeyError; then nothing was changed. */
export async function recover(options: RecoverOptions, { onProgress, onStep = () => undefined }: RecoverHooks = {}): Promise<Recovered> {
  const { ledgerPath, now } = options;
  const lock = lockLedger(ledgerPath);
  const quarantine = new Quarantine(options.quarantinePath);
  const { outboxPath, ledger, source } = options;
  let outbox: RestoredOutbox | null = null;
  let fresh: string | null = null;
  let isDone = false;
  try {
    if (isCutShort(options.orderPath, ledgerPath)) takeBackLog(ledgerPath);
    settleWal(ledgerPath);
    onStep("locked");
    outbox = source === null ? null : RestoredOutbox.begin(outboxPath, ledger, source.name);
    const made = await make(options, quarantine, { onProgress, onAnchor: (anchor) => outbox?.add(anchor) });
    ({ fresh } = made);
    const { rebuilt } = made;
    if (fresh === null) return { rebuilt, unsound: [], ...UNCHANGED };
    onStep("rebuilt");
    const unsound = await unsoundness(fresh, options, rebuilt.lost);
    if (unsound.length > 0) return { rebuilt, unsound, ...UNCHANGED };
    onStep("checked");
    quarantine.sync();
    const unanswered: string[] = [];
    const notes = outbox?.taken ?? 0;
    if (outbox !== null && notes > 0) {
      for (const other of options.others ?? []) if (!await outbox.ask(other, { ledger, vkeys: options.vkeys.map(parseVkey), size: rebuilt.size })) unanswered.push(other.name);
      outbox.finish();
      outbox = null;
    }
    onStep("signed");
    fileRecoveryOrder(options.orderPath, ledgerPath, { receipt_id: options.receiptId, details: detailsOf(rebuilt, options.reason) });
    onStep("ordered");
    const kept = damagedName(ledgerPath, now);
    removeFresh(`${fresh}-`); // what the audit left beside it
    replaceLedger(ledgerPath, fresh, kept, () => onStep("linked"));
    fresh = null;
    isDone = true;
    onStep("replaced");
    return { rebuilt, unsound: [], kept, notes, unanswered };
  } finally {
    outbox?.discard();
    if (fresh !== null) removeFresh(fresh);
    if (!isDone) quarantine.discard();
    lock.release();
  }
}

const UNCHANGED = { kept: null, notes: 0, unanswered: [] } as const;

type Told = Pick<RebuildOptions, "onProgress" | "onAnchor">;

async function make(options: RecoverOptions, quarantine: Quarantine, told: Told): Promise<{ readonly rebuilt: Rebuilt; readonly fresh: string | null }> {
  const old = OldLedger.open(options.ledgerPath);
  let writing: LedgerRestore | null = null;
  try {
    const ledger = writing = LedgerRestore.beside(options.ledgerPath, options.ledger, auditHash.sha256);
    const sink: Sink = {
      append: (receipt, blob) => ledger.append(receipt, blob),
      commit: (anchor) => ledger.commit(anchor),
      setAside: (logIndex, bytes) => quarantine.put(logIndex, bytes),
    };
    const rebuilt = await rebuildFrom(old, options, sink, told);
    if (rebuilt.stop === null && rebuilt.size > 0) {
      const fresh = ledger.complete();
      writing = null;
      return { rebuilt, fresh };
    }
    return { rebuilt, fresh: null };
  } finally {
    writing?.discard();
    old.close();
  }
}

async function rebuildFrom(old: OldLedger, { ledger, source, vkeys, identities, keys, outboxPath, dropsTail }: Knowledge, sink: Sink, told: Told): Promise<Rebuilt> {
  const signed = signedIn(outboxPath, ledger);
  try {
    return await rebuild({
      old, ledger, source, identities, signed, sink, dropsTail, ...told,
      vkeys: vkeys.map(parseVkey),
      starts: keys.starts,
      sealed: keys.sealed ?? [],
      requestKey: keys.requestSecret === null ? null : requestKey(keys.requestSecret, ledger.ledgerId, auditHash),
    });
  } finally {
    signed?.close();
  }
}

/** null where the outbox is lost: then this host does not know what it has signed. */
function signedIn(path: string, ledger: LedgerName): (Signed & { close(): void }) | null {
  try {
    return readOutbox(path, ledger);
  } catch (error) {
    if (error instanceof AnchorError && error.code === "outbox_missing") return null;
    throw error;
  }
}

/** Where SQLite cannot open the file, or does not read the log to its end, the log stays with it. */
function settleWal(path: string): void {
  if (damagedLog(path) !== null || walDamage(`${path}-wal`) !== null) return;
  try {
    emptyWal(path);
  } catch (error) {
    if (!(error instanceof LedgerError) || (error.code !== "ledger_corrupt" && error.code !== "not_a_ledger")) throw error;
  }
}

/** What an audit finds in the new file that is not explained by receipts that are lost. */
async function unsoundness(path: string, { ledger, keys, vkeys, now }: RecoverOptions, { count: lost }: Spots): Promise<readonly Finding[]> {
  const { findings } = await audit({ ledgerPath: path, ledger, keys, vkeys, areVkeysPinned: false, targets: [], now });
  return findings.filter((finding) => {
    const kind = kindOf(finding);
    return kind === "index" || (kind !== null && lost === 0);
  });
}

function detailsOf({ size, root, kept, replaced, lost, dropped }: Rebuilt, reason: string): RecoveryDetails {
  const named = (...all: readonly Spots[]) => all.flatMap(({ named: spots }) => spots).slice(0, 64).map(({ logIndex, found }) => ({ log_index: logIndex, found: found === null ? null : hashText(found) }));
  return {
    action: "rebuild",
    log_size: size,
    root: hashText(root),
    from: replaced.count === 0 ? "ledger" : kept === 0 ? "archive" : "both",
    replaced: named(replaced), replaced_count: replaced.count,
    lost: named(lost, dropped), lost_count: lost.count + dropped.count,
    reason,
  };
}
