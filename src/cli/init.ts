/** `receiptd init`: a new ledger with its keys, and the policies of the bucket that its anchors go to. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { createOutbox } from "../anchor/outbox.ts";
import { DEFAULT_ORIGIN } from "../config.ts";
import { type ForwardSecure, initLedger, newForwardSecure, requireNoKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fingerprint } from "../daemon/port.ts";
import { rebuildRatchet } from "../daemon/ratchet.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { isOrigin, type LedgerName } from "../format/names.ts";
import { FIRST_KEY } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { formatSeed } from "../keys/seed.ts";
import { Reader } from "../ledger/reader.ts";
import { bucketFacts, bucketSetup, bucketText, isPolicyName } from "./bucket-setup.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { identitiesIn } from "./identities.ts";
import { hand, sealSeed, seedsIn } from "./seeds.ts";

interface InitOptions {
  readonly origin?: string;
  readonly bucket?: string;
  readonly role?: string;
  readonly policy?: string;
  readonly outbox?: boolean;
  readonly auditor?: readonly string[];
  readonly printSeed?: boolean;
  readonly ratchet?: boolean;
  readonly seed?: string;
  readonly identity?: string;
}

/** A new ledger's key that leaves the host, or not. */
interface NewKey {
  readonly forward: ForwardSecure | null;
  /** The seed itself, if it is to be printed. */
  readonly seed: string | null;
}

export function addInit(program: Command, run: Run): void {
  program.command("init")
    .summary("create a ledger")
    .description("Creates a ledger, its keys and its targets where the configuration says. Once: a ledger that is there is never replaced.")
    .option("--origin <origin>", "the ledger's name for ever, such as receipts.example.com/loans (default: the configuration's)")
    .option("--bucket <name>", "print the policies of an S3 bucket for the anchors as well; a ledger that is there is left as it is")
    .option("--role <arn>", "with --bucket: the role or user that the daemon runs with")
    .option("--policy <document>", "with --bucket: print this document alone (anchoring-role, bucket, auditor, canary) and create nothing")
    .option("--auditor <recipient>", "forward-secure: encrypt the seed of the receipts' keys to this age recipient (age1…; may be given again) and keep no copy", collect)
    .option("--print-seed", "forward-secure: print the seed of the receipts' keys, once, as the first line, and keep no copy")
    .option("--outbox", "for a ledger that is there and has lost its anchor.db for good: make an empty one, and nothing else")
    .option("--ratchet", "for a forward-secure ledger that has lost its ratchet for good: make it from --seed, and nothing else")
    .option("--seed <file>", "with --ratchet: the auditor's seed")
    .option("--identity <file>", "with --seed: age identities (AGE-SECRET-KEY-1…), one a line, if it is encrypted")
    .addHelpText("after", examples([
      "receiptd init", "receiptd init --origin receipts.example.com/loans", "receiptd init --auditor age1…", "receiptd init --bucket acme-receipts",
      "receiptd init --bucket acme-receipts --role arn:aws:iam::123456789012:role/receiptd-anchor --policy bucket > bucket-policy.json",
    ]))
    .action(run(init));
}

async function init(cli: Cli, options: InitOptions): Promise<ExitCode> {
  const { bucket, role, policy } = options;
  const aboutNew = bucket ?? role ?? policy ?? options.origin ?? options.auditor ?? options.printSeed;
  if (options.ratchet === true) {
    if ((aboutNew ?? options.outbox) !== undefined || options.seed === undefined) throw new CliError("bad_usage", "--ratchet makes a ratchet from --seed FILE and nothing else", "leave out the other options");
    return await createRatchet(cli, options.seed, options.identity);
  }
  if ((options.seed ?? options.identity) !== undefined) throw new CliError("bad_usage", "--seed is what --ratchet makes a ratchet from");
  if (options.outbox === true) {
    if (aboutNew !== undefined) throw new CliError("bad_usage", "--outbox makes an empty anchor.db and nothing else", "leave out the other options");
    return createEmptyOutbox(cli);
  }
  if (options.auditor !== undefined && options.printSeed === true) throw new CliError("bad_usage", "the seed is either encrypted to --auditor or printed", "leave out --print-seed");
  if (bucket === undefined) {
    if (role !== undefined || policy !== undefined) throw new CliError("bad_usage", "--role and --policy are about a bucket", "name it: --bucket <name>");
    return await create(cli, options);
  }
  const setup = bucketSetup(cli.config, bucket, role);
  if (policy !== undefined) {
    if ((options.auditor ?? options.printSeed) !== undefined) throw new CliError("bad_usage", "--policy prints a document and creates nothing", "leave out --auditor and --print-seed");
    if (!isPolicyName(policy)) throw new CliError("bad_usage", `there is no document ${policy.slice(0, 80)}`, "one of anchoring-role, bucket, auditor, canary");
    cli.line(JSON.stringify(setup.policies[policy], null, 2));
    return 0;
  }
  if (!existsSync(placesOf(cli.config).ledger)) return await create(cli, options, { facts: bucketFacts(setup), text: bucketText(setup) });
  if (options.origin !== undefined) throw new CliError("bad_usage", "there is a ledger already, and it keeps its origin", "leave out --origin");
  if ((options.auditor ?? options.printSeed) !== undefined) throw new CliError("bad_usage", "there is a ledger already, and it keeps its keys", "leave out --auditor and --print-seed");
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

/** Where the file is lost: with the seed its key can be had again. */
async function createRatchet(cli: Cli, file: string, identity: string | undefined): Promise<ExitCode> {
  const [seed] = await seedsIn([file], await identitiesIn(identity));
  const { ratchet } = placesOf(cli.config);
  const made = await rebuildRatchet(cli.config, seed!);
  seed!.seed.fill(0);
  cli.result({ ratchet, key_id: made.keyId, key_epoch: made.epoch }, () => [
    `${ratchet} is made: it holds the key of epoch ${made.epoch} of ${made.keyId}; start the daemon with: receiptd serve`,
    "The seed was on this host: remove the file, every copy of it, and the identity that opened it. Whoever was here meanwhile can forge receipts that no anchor covers yet.",
  ].join("\n"));
  return 0;
}

async function newKey(options: InitOptions, origin: string): Promise<NewKey> {
  if (options.auditor === undefined && options.printSeed !== true) return { forward: null, seed: null };
  const { ledgerId, seed } = newForwardSecure();
  const facts = { origin, ledgerId, keyId: FIRST_KEY, firstEpoch: 0, seed };
  if (options.auditor === undefined) return { forward: { ledgerId, seed, sealed: null }, seed: fromUtf8(formatSeed(facts)).trimEnd() };
  return { forward: { ledgerId, seed, sealed: await sealSeed(facts, options.auditor) }, seed: null };
}

/** What is said of where the receipts' keys are. */
function aboutKeys({ forward, seed }: NewKey, sealed: string): readonly string[] {
  if (forward === null) return ["Back up root key and keyring now, apart from each other: together they sign receipts, and without both of them none can be signed or re-checked."];
  return [
    seed === null
      ? `The receipts' keys are forward-secure. Their seed is not on this host but in ${sealed}, for the auditor alone: give it to the auditor now, and remove it.`
      : `The receipts' keys are forward-secure. Their seed is not on this host; it is the first line here, printed this once: for the auditor, who keeps it in a file of mode 0600, elsewhere.`,
    "Without the seed nobody re-checks the MACs of closed epochs, or replaces a ratchet that is lost. Back up root key and keyring, apart from each other.",
  ];
}

/** `beside`: what is printed with it. */
async function create(cli: Cli, options: InitOptions, beside?: { readonly facts: object; readonly text: string }): Promise<ExitCode> {
  const config = options.origin === undefined ? cli.config : { ...cli.config, origin: options.origin };
  if (!isOrigin(config.origin)) {
    throw new CliError("bad_usage", `--origin is a host name and a path of yours, not ${config.origin.slice(0, 80)}`, "for example: receipts.example.com/loans");
  }
  const { ledger, rootKey, keyring, seed } = placesOf(config);
  const key = await newKey(options, config.origin);
  if (key.seed !== null) {
    requireNoKeys(config); // else a seed is printed of keys that nothing ever has
    hand(key.seed, "no ledger was made");
  }
  const { ledgerId, vkey } = await initLedger(config, key.forward).catch((error: unknown) => {
    if (key.seed !== null) cli.note("The seed above is void: no ledger was made with it.");
    throw error;
  });
  const keys = { mode: key.forward === null ? "retained" : "forward-secure", ...(key.forward === null || key.seed !== null ? {} : { seed_file: seed(FIRST_KEY) }) };
  const facts = { origin: config.origin, ledger_id: ledgerId, vkey, key_fingerprint: fingerprint(vkey), ledger, root_key: rootKey, keyring, ...keys, ...(beside === undefined ? {} : { bucket_setup: beside.facts }) };
  cli.result(facts, () => [
    `The ledger ${config.origin} is created; start it with: receiptd serve`,
    `  ledger           ${ledger}`,
    `  ledger id        ${ledgerId}`,
    `  vkey             ${vkey}`,
    `  key fingerprint  ${fingerprint(vkey)}`,
    `  root key         ${rootKey}`,
    `  keyring          ${keyring}`,
    "Give the vkey to your auditors, by another way than this host: they pin it, and believe no anchor without it.",
    ...aboutKeys(key, seed(FIRST_KEY)),
    ...(beside === undefined ? [] : ["", beside.text]),
  ].join("\n"));
  if (![config.origin, DEFAULT_ORIGIN].includes(cli.config.origin)) {
    cli.note(`The configuration says origin: ${cli.config.origin}. Change that to ${config.origin}: receiptd serve refuses another ledger's.`);
  }
  return 0;
}
