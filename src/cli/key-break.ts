/** `receiptd key break`: the way on where the ratchet is lost, or cannot be used, and nobody has the seed. Every audit tells of it. */
import { rmSync } from "node:fs";
import type { Command } from "commander";
import { placesOf } from "../daemon/places.ts";
import { RatchetBreak, type Went } from "../daemon/ratchet-break.ts";
import { createSecretFile } from "../keys/secret-file.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { makeSuccessor, type SuccessorOptions } from "./new-key.ts";

interface BreakOptions extends SuccessorOptions {
  readonly reason: string;
}

/** UTF-16 code units: docs/FORMAT.md section 7. */
const MAX_REASON = 1024;

/** The options of the new key are left to the caller, who has them for other commands too. */
export function addBreak(key: Command, run: Run): Command {
  return key.command("break")
    .summary("go on with a new key where the ratchet cannot be used")
    .description("Goes on with a new key where the ratchet is lost, ahead of the ledger or wrong, and nobody has the auditor's seed. Only while no daemon runs. A ratchet_break receipt says so: every audit ends with 1 from then on, until the auditor accepts it.")
    .requiredOption("--reason <text>", `what happened, at most ${MAX_REASON} characters`)
    .addHelpText("after", examples(["receiptd key break --reason 'the disk with the ratchet failed on 2026-11-20' --auditor age1…"]))
    .action(run(breakKey));
}

async function breakKey(cli: Cli, options: BreakOptions): Promise<ExitCode> {
  const { reason } = options;
  if (reason.trim() === "" || reason.length > MAX_REASON) throw new CliError("bad_usage", `--reason says what happened, in 1 to ${MAX_REASON} characters`);
  const broken = await RatchetBreak.open(cli.config);
  try {
    const { keyring, current, epoch } = broken;
    const { next, sealed } = await makeSuccessor({ keyring, current, options, reason: "request", firstEpoch: epoch });
    const seedFile = sealed === null ? null : placesOf(cli.config).seed(next.keyId);
    try {
      if (seedFile !== null) {
        rmSync(seedFile, { force: true }); // of a break that was cut short before its key was filed
        createSecretFile(seedFile, sealed!);
      }
      const went = await broken.goOn(next, reason);
      cli.result({ ...went, ...(seedFile === null ? {} : { seed_file: seedFile }) }, () => text(went, seedFile));
      return 0;
    } catch (error) {
      if (options.printSeed === true) cli.note(`The seed above is void, unless receiptd key list says that ${next.keyId} signs.`);
      throw error;
    } finally {
      next.secret.fill(0);
    }
  } finally {
    broken.close();
  }
}

function text({ previous_key_id: previous, key_id: keyId, receipt_number: number, receipt_hash: hash }: Went, seedFile: string | null): string {
  return [
    `The ledger goes on with ${keyId}, and no longer with ${previous}: ratchet_break, receipt ${number}. Start the daemon with: receiptd serve`,
    ...(seedFile === null ? [] : [`The seed of ${keyId} is not on this host but in ${seedFile}, for the auditor alone: give it to the auditor now, and remove it.`]),
    `Every audit reports this as a violation. Tell your auditors, by another way than this host, what happened, and the hash of this receipt, with which they accept it, and no other: receiptd audit --accept-break ${hash}`,
    "Back up the keyring now: without the new key in it nobody can go on with this ledger.",
  ].join("\n");
}
