/** `receiptd verify`: one receipt, from its bytes to the anchor at a target; what was checked, and what not. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { AnchorError } from "../anchor/errors.ts";
import { readOutbox } from "../anchor/outbox.ts";
import { readBounded } from "../config/input-file.ts";
import { placesOf } from "../daemon/places.ts";
import { MAX_BLOB } from "../format/limits.ts";
import type { LedgerName } from "../format/names.ts";
import type { Disclosure } from "../keys/disclosed.ts";
import { type Seed, sealedKeys, startsOf } from "../keys/seed.ts";
import type { Reader } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { findReceipt, hostKeys, isCopy, keysProblem, type LedgerOptions, ledgerPath, type Naming, namingOf, targets, withReader } from "./ledger-files.ts";
import { identitiesIn } from "./identities.ts";
import { disclosedIn, disclosedKeys } from "./disclosed-keys.ts";
import { addPinOptions, type PinOptions, type Pins, pinsOf } from "./pins.ts";
import { requireSeedsOf, seedsIn } from "./seeds.ts";
import { printable } from "./table.ts";
import { ledgerAt } from "./target-ledgers.ts";
import { type Examination, examine, type Question } from "./verify-receipt.ts";

interface VerifyOptions extends LedgerOptions, PinOptions {
  readonly seed?: readonly string[];
  readonly identity?: string;
  readonly keysFile?: readonly string[];
  readonly ledgerId?: string;
}

/** What the auditor gives of keys. */
export interface GivenKeys {
  readonly seeds: readonly Seed[];
  readonly disclosed: readonly Disclosure[];
}

/** ms that an anchor may be late, where no configuration says. */
const GRACE = 60_000;

const EXIT: Readonly<Record<Examination["verdict"], ExitCode>> = { anchored: 0, pending: 0, suspect: 1, invalid: 1, not_checked: 2 };

export function addVerify(program: Command, run: Run): void {
  addPinOptions(program.command("verify")
    .summary("verify one receipt")
    .description("Verifies one receipt: its bytes, its MAC where the keys can be read, its link, and that it is under an anchor at a target, signed by a key that you trust. A file with the receipt's exact bytes can be verified against anchors alone."))
    .argument("<receipt>", "receipt_id, receipt number, log index, or a file with the receipt's bytes")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .option("--ledger-id <id>", "which ledger, where the folder has anchors of several with one origin")
    .option("--seed <file>", "the seed of a forward-secure key (as init wrote it; may be given again), for the MAC", collect)
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for a seed that is encrypted")
    .option("--keys-file <file>", "keys that receiptd disclose has printed, for the MAC (may be given again)", collect)
    .addHelpText("after", examples(["receiptd verify PR-2026-00042 --trust vkeys.txt", "receiptd verify receipt.json --anchors copy/anchors --vkey 'receipts.example.com/loans+1a2b3c4d+AQ…'"]))
    .action(run(verify));
}

async function verify(cli: Cli, receipt: string, options: VerifyOptions): Promise<ExitCode> {
  const file = existsSync(receipt) ? withoutLineFeed(readBounded(receipt, MAX_BLOB + 1, (why) => new CliError("bad_usage", `${receipt} is no receipt: ${why}`))) : null;
  const given = { seeds: await seedsIn(options.seed ?? [], await identitiesIn(options.identity)), disclosed: disclosedIn(options.keysFile ?? []) };
  const alone = file !== null && options.ledger === undefined && (options.anchors !== undefined || !existsSync(ledgerPath(cli, options)));
  const examination = await (alone
    ? verifyAlone(cli, file, options, given)
    : withReader(cli, options, (reader) => verifyIn(cli, reader, file === null ? named(reader, namingOf(receipt)) : { blob: file, asked: null }, options, given)));
  cli.result(examination, () => report(examination));
  return EXIT[examination.verdict];
}

export async function verifyIn(cli: Cli, reader: Reader, receipt: Pick<Question, "blob" | "asked">, options: VerifyOptions, given: GivenKeys): Promise<Examination> {
  const ledger = reader.identity();
  const own = await ownKeys(cli, options, ledger);
  const keys = keysOf(own, ledger, given, reader);
  const pins = pinsOf(options, "keyring" in own ? own.keyring : null);
  const copy = isCopy(cli, options);
  const confirmed = copy || options.anchors !== undefined ? () => null : confirmedBy(cli, ledger, options);
  return examine({ ...receipt, ledger, reader, keys, pins, revoked: revokedBy(pins, own), targets: targets(cli, options), confirmed, grace: copy ? GRACE : cli.config.anchor.grace, now: Date.now() });
}

/** What the auditor says counts, whatever the host's keyring notes. */
function revokedBy({ revoked }: Pins, own: Awaited<ReturnType<typeof hostKeys>>): ReadonlyMap<string, number> {
  const noted = "keyring" in own ? own.keyring.hmacKeys.flatMap(({ keyId, revoked: why }) => (why === undefined ? [] : [[keyId, Date.parse(why.compromised_since)] as const])) : [];
  return new Map([...noted, ...revoked]);
}

/** What the outbox beside the ledger says; one that is lost, damaged or not for this user to read says nothing. */
function confirmedBy(cli: Cli, ledger: LedgerName, options: VerifyOptions): (target: string) => number | null {
  try {
    const outbox = readOutbox(join(dirname(ledgerPath(cli, options)), basename(placesOf(cli.config).outbox)), ledger);
    try {
      const sizes = new Map(cli.config.anchor.targets.map(({ name }) => [name, outbox.confirmed(name)?.treeSize ?? null]));
      return (target) => sizes.get(target) ?? null;
    } finally {
      outbox.close();
    }
  } catch (error) {
    if (error instanceof AnchorError) return () => null;
    throw error;
  }
}

export async function ownKeys(cli: Cli, options: VerifyOptions, ledger: LedgerName): ReturnType<typeof hostKeys> {
  if (isCopy(cli, options)) return { why: "no keys were given" };
  const found = await hostKeys(cli);
  if ("keyring" in found && found.keyring.ledgerId !== ledger.ledgerId) return { why: `the keyring at hand is that of ledger ${found.keyring.ledgerId}` };
  return found;
}

export function keysOf(own: Awaited<ReturnType<typeof hostKeys>>, ledger: LedgerName, { seeds, disclosed: files }: GivenKeys, reader: Reader | null): Question["keys"] {
  const hasKeyring = "keyring" in own;
  requireSeedsOf(seeds, ledger, hasKeyring ? own.keyring : null);
  const starts = hasKeyring ? startsOf(own.keyring, own.open, seeds) : startsOf(null, null, seeds);
  const disclosed = disclosedKeys(files, ledger, starts);
  if (!hasKeyring) return seeds.length === 0 && disclosed.length === 0 ? own : { starts, sealed: [], forwardSecure: [...seeds, ...disclosed].map(({ keyId }) => keyId), disclosed };
  const why = keysProblem(own, reader, seeds);
  if (why !== null) return { why };
  const { keyring } = own;
  return { starts, sealed: sealedKeys(keyring, seeds), forwardSecure: keyring.hmacKeys.filter(({ mode }) => mode === "forward-secure").map(({ keyId }) => keyId), disclosed };
}

/** Against anchors, without a ledger: the receipt says which ledger it is of, and the pinned key has to be that ledger's. */
async function verifyAlone(cli: Cli, blob: Uint8Array, options: VerifyOptions, given: GivenKeys): Promise<Examination> {
  const origin = originOf(blob);
  const at = targets(cli, options);
  const ledger = origin === null ? { origin: "", ledgerId: "" } : await ledgerAt(at, origin, options.ledgerId, pinsOf(options, null).vkeys);
  return examine({ blob, asked: null, ledger, reader: null, keys: origin === null ? { why: "it is no receipt" } : keysOf({ why: "there is no ledger at hand" }, ledger, given, null), pins: pinsOf(options, null), revoked: pinsOf(options, null).revoked, targets: at, confirmed: () => null, grace: GRACE, now: Date.now() });
}

/** Null where the bytes are no receipt, which is then what `examine` finds. */
function originOf(blob: Uint8Array): string | null {
  try {
    return verifyReceipt(blob).receipt.ledger;
  } catch (error) {
    if (error instanceof VerifyError) return null;
    throw error;
  }
}

function named(reader: Reader, asked: Naming): Pick<Question, "blob" | "asked"> {
  const found = findReceipt(reader, asked);
  if (found.blob === null) throw new CliError("not_found", "the receipt is in the index of the ledger, but its bytes are missing", "see what is damaged with: receiptd audit");
  return { blob: found.blob, asked };
}

/** An editor, or `get` without --raw, may have ended the file with a line feed; a receipt never ends with one. */
function withoutLineFeed(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function report({ sentence, receipt_hash, receipt_id, log_index, anchors, checked, not_checked, problem }: Examination): string {
  const expected = problem?.expected === undefined ? [] : [`  expected     ${problem.expected}`];
  const found = problem?.found === undefined ? [] : [`  found        ${problem.found}`];
  return [
    sentence,
    ...expected, ...found,
    ...(receipt_id === null ? [] : [`  receipt_id   ${receipt_id}`]),
    ...(log_index === null ? [] : [`  log_index    ${log_index}`]),
    `  hash         ${receipt_hash}`,
    ...anchors.flatMap((one) => [`  anchor       ${one.target}`, `               signed by ${one.signed_by.join(", ")}`]),
    ...checked.map((what) => `  checked      ${what}`),
    ...not_checked.map((what) => `  not checked  ${what}`),
  ].map(printable).join("\n");
}
