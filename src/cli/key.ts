/** `receiptd key`: the keys that sign receipts – which there are, the next one, and one that is not to be believed any more. */
import type { Command } from "commander";
import { openKeys } from "../daemon/init.ts";
import { MAX_REASON } from "../daemon/revocation.ts";
import { type Places, placesOf } from "../daemon/places.ts";
import { count } from "../format/count.ts";
import { formatTime } from "../format/time.ts";
import { signingKey } from "../keys/keyring.ts";
import { newId } from "../keys/new-id.ts";
import { keyInUse } from "../ledger/keys-said.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { addBreak } from "./key-break.ts";
import { checkpointRows, checkpointTable, rotateCheckpoint } from "./key-checkpoint.ts";
import { type Changed, change, keysOf, revokeOnly, TAKEN_UP, THEN } from "./key-order.ts";
import { type KeyPeriod, keyPeriods } from "./key-periods.ts";
import { withReader } from "./ledger-files.ts";
import type { SuccessorOptions } from "./new-key.ts";
import { printable, table } from "./table.ts";
import { parseUtc, shortTime } from "./times.ts";

interface RotateOptions extends SuccessorOptions {
  readonly checkpoint?: boolean;
  readonly scheduled?: boolean;
}

interface RevokeOptions extends SuccessorOptions {
  readonly since: string;
  readonly reason: string;
}

export function addKey(program: Command, run: Run): void {
  const key = program.command("key")
    .summary("list, rotate and revoke the keys that sign receipts or anchors, or go on without one")
    .description("The keys that sign receipts, and those that sign anchors. Every change is itself a receipt. As the daemon's user, on its host.");
  key.command("list")
    .description("Lists the keys: which one signs, which receipts each has signed, what was revoked.")
    .addHelpText("after", examples(["receiptd key list"]))
    .action(run(list));
  addSuccessorOptions(key.command("rotate"))
    .description("Makes a new key, with which the ledger goes on at once, or when the daemon starts. Old keys still verify what they signed.")
    .option("--checkpoint", "rotate the key that signs anchors, to the one that keys.checkpoint names or to a new one on this host")
    .option("--scheduled", "say in the receipt that the rotation was due, not asked for")
    .addHelpText("after", examples(["receiptd key rotate", "receiptd key rotate --auditor age1…", "receiptd key rotate --checkpoint"]))
    .action(run(rotate));
  addSuccessorOptions(key.command("revoke"))
    .description("Records that a key is not to be believed since a time. The key that signs is rotated first.")
    .argument("<key>", "its id, as receiptd key list shows it")
    .requiredOption("--since <time>", "since when somebody else may have had it: a date or time in UTC")
    .requiredOption("--reason <text>", "what happened, at most 512 characters")
    .addHelpText("after", examples(["receiptd key revoke key_v1 --since 2026-06-30T09:00:00Z --reason 'a backup with the keyring was stolen'"]))
    .action(run(revoke));
  addSuccessorOptions(addBreak(key, run));
}

function addSuccessorOptions(command: Command): Command {
  return command
    .option("--auditor <recipient>", "the new key is forward-secure: encrypt its seed to this age recipient (age1…; may be given again) and keep no copy", collect)
    .option("--print-seed", "the new key is forward-secure: print its seed, as the first line, and keep no copy")
    .option("--retained", "the new key is retained, though the one that signs is forward-secure");
}

async function list(cli: Cli): Promise<ExitCode> {
  const { keyring } = await openKeys(cli.config);
  const { used, periods } = await withReader(cli, {}, (reader) => ({ used: signingKey(keyring, keyInUse(reader)).keyId, periods: keyPeriods(reader, keyring) }));
  const checkpoints = await checkpointRows(cli);
  cli.result({ signs: used, keys: periods, checkpoint_keys: checkpoints.map((one) => ({ ...one })) }, () => {
    const revoked = periods.filter((one) => one.revoked !== null);
    return [
      `${used} signs${periods.length === 1 ? "" : `; ${count(periods.length - 1, "other key")} ${periods.length === 2 ? "is" : "are"} known`}${revoked.length === 0 ? "" : `; revoked: ${revoked.map(({ key_id }) => key_id).join(", ")}`}.`,
      table(["KEY", "MODE", "STATE", "RECEIPTS", "FROM", "TO"], periods.map(row)),
      checkpointTable(checkpoints),
      ...revoked.map(({ key_id, revoked: why }) => `${key_id} is not to be believed since ${why!.compromised_since}: ${printable(why!.reason)}`),
    ].join("\n");
  });
  return 0;
}

function row({ key_id, mode, state, receipts, first_recorded_at, last_recorded_at }: KeyPeriod): readonly string[] {
  return [key_id, mode, state, String(receipts), first_recorded_at === null ? "" : shortTime(first_recorded_at), last_recorded_at === null ? "" : shortTime(last_recorded_at)];
}

async function rotate(cli: Cli, options: RotateOptions): Promise<ExitCode> {
  if (options.checkpoint === true) {
    if ((options.auditor ?? options.printSeed ?? options.retained) !== undefined) throw new CliError("bad_usage", "--checkpoint rotates the key that signs anchors, which has no seed for an auditor", "leave out --auditor, --print-seed and --retained");
    return await rotateCheckpoint(cli, options.scheduled === true ? "schedule" : "request");
  }
  const keys = await keysOf(cli);
  const changed = await change(cli, keys, options, options.scheduled === true ? "schedule" : "request", null);
  cli.result(changed, () => rotationText(changed, placesOf(cli.config)));
  return exitCodeOf(changed);
}

async function revoke(cli: Cli, keyId: string, options: RevokeOptions): Promise<ExitCode> {
  const since = parseUtc("--since", options.since);
  if (since > Date.now()) throw new CliError("bad_usage", `--since is in the future: ${options.since}`, "since when may somebody else have had the key?");
  if (options.reason.trim() === "") throw new CliError("bad_usage", "--reason is empty", "say what happened: auditors read it");
  if (options.reason.length > MAX_REASON) throw new CliError("bad_usage", `--reason is longer than ${MAX_REASON} characters`);
  const keys = await keysOf(cli);
  const { keyring, current } = keys;
  const known = keyring.hmacKeys.find((key) => key.keyId === keyId);
  if (known === undefined) throw new CliError("not_found", `the keyring has no key ${keyId.slice(0, 64)}`, "see: receiptd key list");
  if (keyId !== current.keyId && (options.auditor ?? options.printSeed ?? options.retained) !== undefined) {
    throw new CliError("bad_usage", `${keyId} is not the key that signs: none is made in its place`, "leave out --auditor, --print-seed and --retained");
  }
  const revocation = { key_id: keyId, compromised_since: formatTime(since), reason: options.reason, receipt_id: newId() };
  const changed = keyId === current.keyId ? await change(cli, keys, options, "request", revocation) : await revokeOnly(cli, revocation);
  const earlier = known.revoked !== undefined && known.revoked.compromised_since < revocation.compromised_since ? known.revoked.compromised_since : null;
  cli.result(changed, () => [
    ...(keyId === current.keyId && changed.taken_up !== true ? [rotationText(changed, placesOf(cli.config))] : []),
    ...(changed.taken_up === true ? [TAKEN_UP] : changed.left === null ? [changed.pending ? `${keyId} is revoked when the daemon starts.` : `${keyId} is revoked, receipt ${changed.revoked?.receipt_number}.`] : []),
    ...(earlier === null ? [] : [`It was revoked before, since ${earlier}: of several times the earliest counts.`]),
    `Tell your auditors, by another way than this host, that ${keyId} is not to be believed since ${earlier ?? formatTime(since)} (receiptd audit --revoked ${keyId}=${earlier ?? formatTime(since)}): a receipt of the ledger only announces it.`,
  ].join("\n"));
  return exitCodeOf(changed);
}

/** What is rotated and not revoked is half of what was asked for. */
function exitCodeOf({ left }: Changed): ExitCode {
  return left === null ? 0 : 1;
}

function rotationText({ rotated, pending, left, taken_up: wasTaken, seed_file: seedFile }: Changed, { nextKey }: Places): string {
  return [
    ...(left === null ? [] : [`The key is rotated, but NOT REVOKED: ${left.code}: ${left.message}. The revocation is left for the daemon: put that right, and start it again.`]),
    pending ? `The new key is made; the daemon, which is not running, goes on with it when it starts (${nextKey}).`
    : wasTaken === true || rotated === null ? TAKEN_UP
    : `${rotated.key_id} signs from epoch ${rotated.first_epoch} on; ${rotated.previous_key_id} still verifies what it signed.`,
    ...(seedFile === undefined ? [] : [`Its seed is not on this host but in ${seedFile}, for the auditor alone: give it to the auditor now, and remove it.`]),
    `Back up the keyring ${pending ? THEN : "now"}: without the new key in it nobody can go on with this ledger.`,
  ].join("\n");
}
