/**
 * Auditors' words in the ledger (docs/FORMAT.md section 18). A daemon takes only what is about its own log as it is: one that names another root
 * was put there by somebody else, or the log was written anew around it. Who signed them is for whoever pins an auditor.
 */
import { readStatement, type Statement, type Tree } from "../format/attestation.ts";
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

export function judgeAttestations({ ledger }: Pick<AuditOptions, "ledger">, { all }: AttestationsSeen, view: LedgerView, findings: Findings, notChecked: NotChecked): void {
  const unread = all.filter(({ statement }) => statement === null).length;
  for (const { logIndex, receiptId, receiptNumber, statement } of all.slice(0, MAX_COMPARED)) {
    if (statement === null) continue;
    const wrong = contradiction(statement, ledger, logIndex, view);
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

function contradiction({ origin, ledgerId, log, anchor }: NonNullable<AttestationSeen["statement"]>, ledger: AuditOptions["ledger"], logIndex: number, view: LedgerView): { readonly message: string; readonly expected: string; readonly found: string } | null {
  if (origin !== ledger.origin || ledgerId !== ledger.ledgerId) return { message: "another ledger", expected: `${ledger.origin} ${ledger.ledgerId}`, found: `${origin} ${ledgerId}` };
  const other = [log, anchor].find((tree) => !hasTree(tree, logIndex, view));
  if (other === undefined) return null;
  return { message: `a log of ${count(other.size, "receipt")} that this one is not, and never was`, expected: other.size > logIndex ? `a log of at most ${count(logIndex, "receipt")}` : "the root of this log", found: `${other.size} ${hashText(other.root)}` };
}

/** What it is about stands before it. */
function hasTree({ size, root }: Tree, logIndex: number, view: LedgerView): boolean {
  return size <= logIndex && view.compare({ treeSize: size, root }) === null;
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
