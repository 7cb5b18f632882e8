/** Which ledgers have anchors at a target: what is left to go by when the ledger itself is not at hand. */
import { auditHash } from "../audit/hash.ts";
import { signedLedgers } from "../audit/signed-ledgers.ts";
import { LEDGER_ID, type LedgerName } from "../format/names.ts";
import { parseVkey } from "../format/note.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { CliError } from "./errors.ts";
import type { NamedTarget } from "./ledger-files.ts";

/** Ids that are printed. */
const MAX_PRINTED = 10;

/**
 * The one ledger of this origin at the targets with an anchor that one of the keys has signed: names are whatever somebody may have
 * put there. Where none is signed, the only one with any objects, whose audit then says what is wrong with them. Throws `not_found`
 * where there is none, `bad_usage` where there are several, and FormatError `bad_vkey`.
 */
export async function ledgerAt(targets: readonly NamedTarget[], origin: string, ledgerId: string | undefined, vkeys: readonly string[]): Promise<LedgerName> {
  if (ledgerId !== undefined) return { origin, ledgerId: checkedId(ledgerId) };
  const signed = new Set<string>();
  const named = new Set<string>();
  const options = { origin, own: null, vkeys: vkeys.map(parseVkey), hash: auditHash, verify: verifyByNode };
  for (const { target } of targets) {
    const seen = await signedLedgers(target, options);
    for (const one of seen.signed) signed.add(one.ledgerId);
    for (const id of seen.ids) named.add(id);
  }
  const found = signed.size > 0 ? signed : named;
  const [id, ...more] = [...found];
  if (id === undefined) throw new CliError("not_found", `there are no objects of a ledger ${origin} at the targets`);
  if (more.length === 0) return { origin, ledgerId: id };
  const some = [...found].slice(0, MAX_PRINTED).join(", ");
  throw new CliError("bad_usage", `there are ${signed.size > 0 ? "anchors, signed by the given keys," : "objects, none of them an anchor signed by a given key,"} of ${found.size} ledgers of this origin at the targets: ${some}${found.size > MAX_PRINTED ? ", …" : ""}`, "name one with --ledger-id");
}

/** Throws `bad_usage`. */
export function checkedId(ledgerId: string): string {
  if (!LEDGER_ID.test(ledgerId)) throw new CliError("bad_usage", "--ledger-id is 32 hex digits");
  return ledgerId;
}
