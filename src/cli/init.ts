/** `receiptd init`: a new ledger with its keys, and the policies of the bucket that its anchors go to. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { createOutbox } from "../anchor/outbox.ts";
import { DEFAULT_ORIGIN } from "../config.ts";
import { initLedger } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fingerprint } from "../daemon/port.ts";
import { isOrigin, type LedgerName } from "../format/names.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader } from "../ledger/reader.ts";
import { bucketFacts, bucketSetup, bucketText, isPolicyName } from "./bucket-setup.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";

interface InitOptions {
  readonly origin?: string;
  readonly bucket?: string;
  readonly role?: string;
  readonly policy?: string;
  readonly outbox?: boolean;
}

export function addInit(program: Command, run: Run): void {
  program.command("init")
    .summary("create a ledger")
    .description("Creates a ledger, its keys and its targets where the configuration says. Once: a ledger that is there is never replaced.")
    .option("--origin <origin>", "the ledger's name for ever, such as receipts.example.com/loans (default: the configuration's)")
    .option("--bucket <name>", "print the policies of an S3 bucket for the anchors as well; a ledger that is there is left as it is")
    .option("--role <arn>", "with --bucket: the role or user that the daemon runs with")
    .option("--policy <document>", "with --bucket: print this document alone (anchoring-role, bucket, auditor, canary) and create nothing")
    .option("--outbox", "for a ledger that is there and has lost its anchor.db for good: make an empty one, and nothing else")
    .addHelpText("after", examples([
      "receiptd init", "receiptd init --origin receipts.example.com/loans", "receiptd init --bucket acme-receipts",
      "receiptd init --bucket acme-receipts --role arn:aws:iam::123456789012:role/receiptd-anchor --policy bucket > bucket-policy.json",
    ]))
    .action(run(init));
}

function init(cli: Cli, options: InitOptions): ExitCode {
  const { bucket, role, policy } = options;
  if (options.outbox === true) {
    if ((bucket ?? role ?? policy ?? options.origin) !== undefined) throw new CliError("bad_usage", "--outbox makes an empty anchor.db and nothing else", "leave out the other options");
    return createEmptyOutbox(cli);
  }
  if (bucket === undefined) {
    if (role !== undefined || policy !== undefined) throw new CliError("bad_usage", "--role and --policy are about a bucket", "name it: --bucket <name>");
    return create(cli, options);
  }
  const setup = bucketSetup(cli.config, bucket, role);
  if (policy !== undefined) {
    if (!isPolicyName(policy)) throw new CliError("bad_usage", `there is no document ${policy.slice(0, 80)}`, "one of anchoring-role, bucket, auditor, canary");
    cli.line(JSON.stringify(setup.policies[policy], null, 2));
    return 0;
  }
  if (!existsSync(placesOf(cli.config).ledger)) return create(cli, options, { facts: bucketFacts(setup), text: bucketText(setup) });
  if (options.origin !== undefined) throw new CliError("bad_usage", "there is a ledger already, and it keeps its origin", "leave out --origin");
  cli.note("There is a ledger already; it is left as it is.");
  cli.result({ bucket_setup: bucketFacts(setup) }, () => bucketText(setup));
  return 0;
}

/** Only where none is: one that is there may be all that knows what was signed. */
function createEmptyOutbox(cli: Cli): ExitCode {
  const { ledger, outbox } = placesOf(cli.config);
  const reader = new Reader(ledger, nodeHash.sha256);
  let name: LedgerName;
  try {
    name = reader.identity();
  } finally {
    reader.close();
  }
  createOutbox(outbox, name);
  cli.result({ origin: name.origin, ledger_id: name.ledgerId, outbox }, () => [
    `${outbox} is made, empty, for the ledger ${name.origin} (${name.ledgerId}).`,
    "What this host had signed and what targets had confirmed is forgotten: only the targets know it now.",
    "Next: receiptd audit, which tells whether the ledger is what was anchored; then receiptd serve.",
    "It compares the ledger with each target before anything is signed, then publishes every anchor again: what is there already is left as it is, an encrypted archive gets a second copy.",
  ].join("\n"));
  return 0;
}

/** `beside`: what is printed with it. */
function create(cli: Cli, options: InitOptions, beside?: { readonly facts: object; readonly text: string }): ExitCode {
  const config = options.origin === undefined ? cli.config : { ...cli.config, origin: options.origin };
  if (!isOrigin(config.origin)) {
    throw new CliError("bad_usage", `--origin is a host name and a path of yours, not ${config.origin.slice(0, 80)}`, "for example: receipts.example.com/loans");
  }
  const { ledgerId, vkey } = initLedger(config);
  const { ledger, rootKey, keyring } = placesOf(config);
  const facts = { origin: config.origin, ledger_id: ledgerId, vkey, key_fingerprint: fingerprint(vkey), ledger, root_key: rootKey, keyring, ...(beside === undefined ? {} : { bucket_setup: beside.facts }) };
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
    ...(beside === undefined ? [] : ["", beside.text]),
  ].join("\n"));
  if (![config.origin, DEFAULT_ORIGIN].includes(cli.config.origin)) {
    cli.note(`The configuration says origin: ${cli.config.origin}. Change that to ${config.origin}: receiptd serve refuses another ledger's.`);
  }
  return 0;
}
