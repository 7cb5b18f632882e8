/** `receiptd init`: a new ledger with its keys. */
import type { Command } from "commander";
import { initLedger } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fingerprint } from "../daemon/port.ts";
import { isOrigin } from "../format/names.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";

interface InitOptions {
  readonly origin?: string;
}

export function addInit(program: Command, run: Run): void {
  program.command("init")
    .summary("create a ledger")
    .description("Creates a ledger, its keys and its targets where the configuration says. Once: a ledger that is there is never replaced.")
    .option("--origin <origin>", "the ledger's name for ever, such as receipts.example.com/loans (default: the configuration's)")
    .addHelpText("after", examples(["receiptd init", "receiptd init --origin receipts.example.com/loans"]))
    .action(run(init));
}

function init(cli: Cli, options: InitOptions): ExitCode {
  const config = options.origin === undefined ? cli.config : { ...cli.config, origin: options.origin };
  if (!isOrigin(config.origin)) {
    throw new CliError("bad_usage", `--origin is a host name and a path of yours, not ${config.origin.slice(0, 80)}`, "for example: receipts.example.com/loans");
  }
  const { ledgerId, vkey } = initLedger(config);
  const { ledger, rootKey, keyring } = placesOf(config);
  const facts = { origin: config.origin, ledger_id: ledgerId, vkey, key_fingerprint: fingerprint(vkey), ledger, root_key: rootKey, keyring };
  cli.result(facts, () => [
    `The ledger ${config.origin} is created; start it with: receiptd serve`,
    `  ledger           ${ledger}`,
    `  ledger id        ${ledgerId}`,
    `  vkey             ${vkey}`,
    `  key fingerprint  ${fingerprint(vkey)}`,
    `  root key         ${rootKey}`,
    `  keyring          ${keyring}`,
    "Give the vkey to your auditors, by another way than this host: they pin it, and believe no anchor without it.",
    "Back up root key and keyring now, apart from each other: together they sign receipts, and without both of them none can be signed or re-checked.",
  ].join("\n"));
  return 0;
}
