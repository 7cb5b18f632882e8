/** Which ledgers have objects at a target: what is left to go by when the ledger itself is not at hand. */
import type { AnchorTarget } from "../anchor/target.ts";
import { LEDGER_ID, type LedgerName } from "../format/names.ts";
import { CliError } from "./errors.ts";
import type { NamedTarget } from "./ledger-files.ts";

/** The one ledger of this origin at the targets. Throws `not_found` where there is none, `bad_usage` where there are several. */
export async function ledgerAt(targets: readonly NamedTarget[], origin: string, ledgerId: string | undefined): Promise<LedgerName> {
  if (ledgerId !== undefined) {
    if (!LEDGER_ID.test(ledgerId)) throw new CliError("bad_usage", "--ledger-id is 32 hex digits");
    return { origin, ledgerId };
  }
  const found = new Set<string>();
  for (const { target } of targets) for (const id of await ledgerIds(target, origin)) found.add(id);
  const [id, ...more] = [...found];
  if (id === undefined) throw new CliError("not_found", `there are no objects of a ledger ${origin} at the targets`);
  if (more.length > 0) throw new CliError("bad_usage", `there are objects of ${found.size} ledgers of this origin at the targets: ${[...found].join(", ")}`, "name one with --ledger-id");
  return { origin, ledgerId: id };
}

async function ledgerIds(target: AnchorTarget, origin: string): Promise<readonly string[]> {
  const prefix = `v1/${origin}/`;
  const ids: string[] = [];
  for (let after = prefix; ;) {
    const name = await firstName(target, prefix, after);
    if (name === null) return ids;
    const part = name.slice(prefix.length).split("/")[0]!;
    if (LEDGER_ID.test(part)) ids.push(part);
    after = `${prefix}${part}0`; // sorts behind everything in that folder, since "0" follows "/"
  }
}

async function firstName(target: AnchorTarget, prefix: string, after: string): Promise<string | null> {
  for await (const { name } of target.list(prefix, after)) return name;
  return null;
}
