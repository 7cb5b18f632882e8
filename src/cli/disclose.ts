/** `receiptd disclose`: keys of epochs that are anchored, for somebody who is to re-check MACs and is to have no seed. */
import type { Command } from "commander";
import { readReceipt } from "../format/receipt.ts";
import { disclose as discloseKeys, formatDisclosure, MAX_DISCLOSED } from "../keys/disclosed.ts";
import { announcedIn, firstOfEpoch, openEpoch } from "../ledger/keys-said.ts";
import type { Reader } from "../ledger/reader.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { type LedgerOptions, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions } from "./pins.ts";
import { identitiesIn } from "./identities.ts";
import { seedsIn } from "./seeds.ts";
import { type GivenKeys, keysOf, ownKeys, verifyIn } from "./verify.ts";

interface DiscloseOptions extends LedgerOptions, PinOptions {
  readonly epoch: string;
  readonly organization?: string;
  readonly seed?: readonly string[];
  readonly identity?: string;
}

interface Epoch {
  readonly keyId: string;
  readonly epoch: number;
}

export function addDisclose(program: Command, run: Run): void {
  addPinOptions(program.command("disclose")
    .summary("hand out the keys of epochs that are anchored")
    .description("Prints the keys of epochs that are anchored, or of one organization in them, as JSON: whoever has the file can re-check these MACs (receiptd audit --keys-file FILE), and nothing else. An epoch's keys can sign receipts of that epoch: only what is under an anchor is disclosed, where that is of no use any more."))
    .requiredOption("--epoch <n>", "the epoch (key_epoch of its receipts), or the first and the last: 3-17")
    .option("--organization <name>", "the keys of this organization's receipts only")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .option("--seed <file>", "the seed of a forward-secure key (as init wrote it; may be given again)", collect)
    .option("--identity <file>", "age identities (AGE-SECRET-KEY-1…), one a line, for a seed that is encrypted")
    .addHelpText("after", examples(["receiptd disclose --epoch 3-17 --organization loans > loans.keys", "receiptd disclose --epoch 3 --seed seed.key_v1.age --identity auditor.key --ledger copy/ledger.db --anchors copy/anchors --trust pinned.txt"]))
    .action(run(disclose));
}

async function disclose(cli: Cli, options: DiscloseOptions): Promise<ExitCode> {
  const { first, last } = epochsOf(options.epoch);
  const given = { seeds: await seedsIn(options.seed ?? [], await identitiesIn(options.identity)), disclosed: [] };
  const text = await withReader(cli, options, async (reader) => {
    const ledger = reader.identity();
    const { organization = null } = options;
    if (organization !== null && reader.byOrgSeq(organization, 1) === null) throw new CliError("not_found", `the ledger has no organization ${organization.slice(0, 64)}`, "see: receiptd list");
    if (last >= openEpoch(reader)) throw new CliError("bad_usage", `epoch ${last} is not closed yet: the newest that is closed is ${openEpoch(reader) - 1}`, "close it with: receiptd anchor");
    await requireAnchored(cli, reader, last, options, given);
    const keys = keysOf(await ownKeys(cli, options, ledger), ledger, given, reader);
    if ("why" in keys) throw new CliError("not_found", `the keys are not at hand: ${keys.why}`, "run this on the host, or give the auditor's seed with --seed");
    const wanted = Array.from({ length: last - first + 1 }, (_, i) => epochsAt(reader, first + i)).flat();
    const disclosed = discloseKeys(keys.starts, ledger.ledgerId, wanted, organization);
    const missing = disclosed.indexOf(null);
    if (missing !== -1) throw new CliError("not_found", `the key of epoch ${wanted[missing]!.epoch} is not at hand: ${wanted[missing]!.keyId} is forward-secure`, "give the auditor's seed with --seed");
    return formatDisclosure({ ...ledger, keys: disclosed.flatMap((key) => (key === null ? [] : [key])) });
  });
  cli.line(text);
  cli.note(`The keys of ${first === last ? `epoch ${first}` : `epochs ${first} to ${last}`}${options.organization === undefined ? "" : ` for ${options.organization}`}, all of it anchored. They check these receipts' MACs, and nothing else.`);
  return 0;
}

function epochsOf(text: string): { readonly first: number; readonly last: number } {
  const [, from, to] = /^(0|[1-9]\d{0,14})(?:-([1-9]\d{0,14}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to ?? from)];
  if (from === undefined || last < first || last - first >= MAX_DISCLOSED) {
    throw new CliError("bad_usage", `--epoch is an epoch, or the first and the last of at most ${MAX_DISCLOSED}: 3-17, not ${text.slice(0, 40)}`);
  }
  return { first, last };
}

/** The epoch's own anchor receipt is under an anchor at a target: so is everything before it. */
async function requireAnchored(cli: Cli, reader: Reader, epoch: number, options: DiscloseOptions, given: GivenKeys): Promise<void> {
  const blob = reader.byIndex(firstOfEpoch(reader, epoch + 1) - 1)?.blob ?? null;
  if (blob === null) throw new CliError("not_found", `the anchor receipt that closes epoch ${epoch} is damaged`, "see what is damaged with: receiptd audit");
  const { verdict, sentence } = await verifyIn(cli, reader, { blob, asked: null }, options, given);
  if (verdict !== "anchored") throw new CliError("not_anchored", `epoch ${epoch} is not anchored, and its keys could still sign receipts of it: ${sentence.replace(/\.$/, "")}`, "wait for its anchor (receiptd anchors), or name the targets");
}

/** Of the key that an epoch begins with, and of the one that it ends with after a `ratchet_break`. */
function epochsAt(reader: Reader, epoch: number): readonly Epoch[] {
  const start = firstOfEpoch(reader, epoch);
  const first = reader.byIndex(start);
  if (first === null || first.blob === null || first.keyEpoch !== epoch) throw new CliError("not_found", `the ledger has no receipt of epoch ${epoch}`, "see what is damaged with: receiptd audit");
  const broken = announcedIn(reader, epoch).filter(({ first: begins }) => begins > start);
  return [{ keyId: readReceipt(first.blob).receipt.key_id, epoch }, ...broken.map(({ key_id: keyId }) => ({ keyId, epoch }))];
}
