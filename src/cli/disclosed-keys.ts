/** Files of disclosed keys on the command line (`receiptd disclose` prints them). */
import { statSync, readFileSync } from "node:fs";
import type { LedgerName } from "../format/names.ts";
import { KeyError } from "../keys/errors.ts";
import { type Disclosure, MAX_DISCLOSED, parseDisclosure } from "../keys/disclosed.ts";
import { CliError } from "./errors.ts";

/** Bytes: as many keys as there can be, with the longest names. */
const MAX_FILE = MAX_DISCLOSED * 320;

/** `bad_keys`. */
export function disclosedIn(files: readonly string[]): readonly Disclosure[] {
  return files.map((file) => {
    const { size } = statSync(file);
    if (size > MAX_FILE) throw new KeyError("bad_keys", `${file} holds no disclosed keys: it has more than ${MAX_FILE} bytes`);
    return parseDisclosure(readFileSync(file), file);
  });
}

/** `wrong_ledger` unless all are of this one. */
export function requireKeysOf(disclosures: readonly Disclosure[], { origin, ledgerId }: LedgerName): void {
  for (const one of disclosures) {
    if (one.origin !== origin || one.ledgerId !== ledgerId) throw new CliError("wrong_ledger", `the disclosed keys are those of the ledger ${one.origin} (${one.ledgerId}), not of ${origin} (${ledgerId})`);
  }
}
