/** Files of disclosed keys on the command line (`receiptd disclose` prints them). */
import { readBounded } from "../config/input-file.ts";
import type { LedgerName } from "../format/names.ts";
import { type Disclosure, MAX_DISCLOSED, parseDisclosure } from "../keys/disclosed.ts";
import { KeyError } from "../keys/errors.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { contradictionIn, type DisclosedKey, type RatchetStart } from "../verify/keys.ts";
import { CliError } from "./errors.ts";

/** Bytes: as many keys as there can be, with the longest names. */
const MAX_FILE = MAX_DISCLOSED * 320;

/** `bad_keys`. */
export function disclosedIn(files: readonly string[]): readonly Disclosure[] {
  return files.map((file) => parseDisclosure(readBounded(file, MAX_FILE, (why) => new KeyError("bad_keys", `${file} holds no disclosed keys: ${why}`)), file));
}

/**
 * All of their keys. `wrong_ledger` unless all are of this one; `bad_keys` where one contradicts another, or the keys that are at hand:
 * that says nothing of the ledger.
 */
export function disclosedKeys(disclosures: readonly Disclosure[], { origin, ledgerId }: LedgerName, starts: readonly RatchetStart[]): readonly DisclosedKey[] {
  for (const one of disclosures) {
    if (one.origin !== origin || one.ledgerId !== ledgerId) throw new CliError("wrong_ledger", `the disclosed keys are those of the ledger ${one.origin} (${one.ledgerId}), not of ${origin} (${ledgerId})`);
  }
  const keys = disclosures.flatMap((one) => one.keys);
  const wrong = contradictionIn(keys, starts, { hash: nodeHash, maxSteps: MAX_DISCLOSED });
  if (wrong === null) return keys;
  const of = wrong.organization === null ? "" : ` for ${wrong.organization}`;
  throw new KeyError("bad_keys", `what was disclosed of epoch ${wrong.epoch} of ${wrong.keyId}${of} is not what another file, or the key itself, says: one of them is not the ledger's`, {
    next: "ask for the keys again, by a way that nobody else can write to (receiptd disclose)",
  });
}
