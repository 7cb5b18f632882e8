/**
 * Auditors' words in the ledger (docs/FORMAT.md section 18). A daemon takes only what is about its own log as it is: one that names another root
 * was put there by somebody else, or the log was written anew around it. Who signed them is for whoever pins an auditor.
 */
import { readStatement, type Statement, type Tree } from "../format/attestation.ts";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { parseNote } from "../format/note.ts";
import type { VerifiedReceipt } from "../verify/receipt.ts";
import type { AuditOptions } from "./audit.ts";
import type { LedgerView } from "./ledger-view.ts";
import type { Findings } from "./report.ts";
import type { NotChecked } from "./verdict.ts";

/** Crosses threads. `statement` null: it is none that this program can read. */
export interface AttestationSeen {
  readonly logIndex: number;
  readonly receiptId: string;
  readonly receiptNumber: string;
  readonly statement: Pick<Statement, "origin" | "ledgerId" | "log" | "anchor"> | null;
}

/** What is known of the log. null: it is not known what its root was at this size. */
type HasTree = (tree: Tree) => boolean | null;

/** The archived attestations of one target, where the ledger is gone. */
export interface Attested {
  readonly seen: AttestationsSeen;
  /** Of the anchors that were read, by their sizes; `from`: of those behind this one. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
  readonly from: number;
}

/** That are compared: whoever writes the file can put there any number. */
const MAX_COMPARED = 16_384;

export class AttestationsSeen {
  readonly #seen: AttestationSeen[] = [];

  add({ known, receipt }: VerifiedReceipt): void {
    if (!known || receipt.type !== "attestation") return;
    const { log_index: logIndex, receipt_id: receiptId, receipt_number: receiptNumber } = receipt;
    this.join([{ logIndex, receiptId, receiptNumber, statement: statementOf(receipt["details"]) }]);
  }

  /** Behind what is here already. One more than are compared tells that there are more. */
  join(seen: readonly AttestationSeen[]): void {
    this.#seen.push(...seen.slice(0, MAX_COMPARED + 1 - this.#seen.length));
  }

  /** In order. */
  get all(): readonly AttestationSeen[] {
    return this.#seen;
  }
}

/** With the ledger at hand. */
export function judgeAttestations(options: Judged, seen: AttestationsSeen, view: LedgerView, findings: Findings, notChecked: NotChecked): void {
  judge(options, seen, (tree) => view.compare({ treeSize: tree.size, root: tree.root }) === null, findings, notChecked);
}

/** With the ledger gone: each once, whichever targets have archived it. Only anchors say what the log was, and an auditor names a tree between them, too. */
export function judgeArchived(options: Judged, targets: readonly Attested[], findings: Findings, notChecked: NotChecked): void {
  const judged = new Set<string>();
  for (const { seen, roots, from } of targets) {
    const fresh = new AttestationsSeen();
    fresh.join(seen.all.filter(({ logIndex, receiptId }) => !judged.has(`${logIndex} ${receiptId}`)));
    for (const { logIndex, receiptId } of fresh.all) judged.add(`${logIndex} ${receiptId}`);
    const hasTree: HasTree = ({ size, root }) => {
      const known = roots.get(size);
      return known === undefined ? null : equal(known, root);
    };
    judge(options, fresh, hasTree, findings, notChecked);
    const trees = fresh.all.flatMap(({ logIndex, statement }) => (statement === null ? [] : [[statement.log, logIndex, false], [statement.anchor, logIndex, true]] as const));
    const unknown = trees.filter(([tree, logIndex]) => tree.size <= logIndex && hasTree(tree) === null);
    const unanchored = unknown.find(([{ size }, , isAnchor]) => isAnchor && size > from);
    if (unanchored !== undefined) notChecked.fail(`the anchor of ${count(unanchored[0].size, "receipt")} that attestation ${unanchored[1]} is of: no such anchor is there that counts`);
    if (unknown.length > 0) notChecked.add(`${count(unknown.length, "tree")} that archived attestations are of: with the ledger gone the log's root is known at the sizes of anchors that were read alone`);
  }
}

type Judged = Pick<AuditOptions, "ledger">;

function judge({ ledger }: Judged, { all }: AttestationsSeen, hasTree: HasTree, findings: Findings, notChecked: NotChecked): void {
  const unread = all.filter(({ statement }) => statement === null).length;
  for (const { logIndex, receiptId, receiptNumber, statement } of all.slice(0, MAX_COMPARED)) {
    if (statement === null) continue;
    const wrong = contradiction(statement, ledger, logIndex, hasTree);
    if (wrong !== null) {
      findings.add({
        severity: "violation", code: "attestation_mismatch", logIndex, receiptId, receiptNumber, organization: LEDGER_ORGANIZATION, ...wrong,
        message: `receipt ${logIndex} is an attestation of ${wrong.message}: either no auditor made it, or one saw another past than this ledger has; ask whose it is`,
      });
    }
  }
  if (all.length > unread) notChecked.add(`who made the ledger's ${count(all.length - unread, "attestation")}: no auditor's key was given, and what was compared with the log is the roots in them`);
  if (unread > 0) notChecked.add(`${count(unread, "attestation")} in the ledger: this program cannot read what they say`);
  if (all.length > MAX_COMPARED) notChecked.fail(`the ledger's attestations behind the first ${count(MAX_COMPARED)} against its log: there are too many`);
}

function contradiction({ origin, ledgerId, log, anchor }: NonNullable<AttestationSeen["statement"]>, ledger: AuditOptions["ledger"], logIndex: number, hasTree: HasTree): { readonly message: string; readonly expected: string; readonly found: string } | null {
  if (origin !== ledger.origin || ledgerId !== ledger.ledgerId) return { message: "another ledger", expected: `${ledger.origin} ${ledger.ledgerId}`, found: `${origin} ${ledgerId}` };
  const other = [log, anchor].find((tree) => tree.size > logIndex || hasTree(tree) === false); // what it is about stands before it
  if (other === undefined) return null;
  return { message: `a log of ${count(other.size, "receipt")} that this one is not, and never was`, expected: other.size > logIndex ? `a log of at most ${count(logIndex, "receipt")}` : "the root of this log", found: `${other.size} ${hashText(other.root)}` };
}

function statementOf(details: unknown): AttestationSeen["statement"] {
  try {
    const { origin, ledgerId, log, anchor } = readStatement(parseNote((details as { readonly statement: string }).statement).text);
    return { origin, ledgerId, log, anchor };
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
