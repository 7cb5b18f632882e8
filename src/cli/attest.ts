/** `receiptd attest`: an auditor's word on an audit that found everything in order, and their countersignature of the checkpoint that it saw. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import type { AuditRecord } from "../audit/record.ts";
import { readBounded } from "../config/input-file.ts";
import { type Attestation, checkpointOf, formatAttestation, formatStatement, readAttestationFile, readStatement, type Statement } from "../format/attestation.ts";
import { parseHash } from "../format/chain.ts";
import { cosignature, cosignedBytes, noteKeyOf } from "../format/cosignature.ts";
import { count, receiptRange } from "../format/count.ts";
import { formatNote, parseNote, signNote } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { type AuditorKey, createAuditorKey, readAuditorKey } from "../keys/auditor-key.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { verifyAttestation } from "../verify/attestation.ts";
import { readRecord } from "./audit-record.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";

interface AttestOptions {
  readonly newKey?: string;
  readonly name?: string;
  readonly key?: string;
  readonly record?: string;
  readonly attestation?: string;
  readonly output?: string;
  readonly send?: boolean;
}

/** Bytes. */
const MAX_FILE = 131_072;
/** What was not checked, of an audit: lines, and characters of each. */
/** Before each of these lines of a statement. */
const ACCEPTED = "accepted by the auditor: ";
const MAX_LINES = 40;
const MAX_LINE = 160;

export function addAttest(program: Command, run: Run): void {
  program.command("attest")
    .summary("an auditor's word on an audit, for the ledger")
    .description("For auditors: makes a statement of an audit that found everything in order, signed with your key, and countersigns the newest checkpoint that it saw. The ledger takes it (--send) if its configuration names your key (auditors), and evidence then shows it to whoever pins that key. What you sign is what the record says that you have audited.")
    .option("--new-key <file>", "make a key in this new file, and print what others pin")
    .option("--name <name>", "with --new-key: what you are called, such as auditor.example.com")
    .option("--key <file>", "your key, as --new-key has made it")
    .option("--record <file>", "the record of the audit: receiptd audit --record")
    .option("--attestation <file>", "one that was made before, to be sent")
    .option("-o, --output <file>", "write the attestation to this new file (default: standard output, unless it is sent)")
    .option("--send", "hand it to the daemon of the ledger, through its socket")
    .addHelpText("after", examples([
      "receiptd attest --new-key auditor.key --name auditor.example.com", "receiptd audit --ledger copy --anchors s3://acme-receipts --vkey … --record audit.json && receiptd attest --key auditor.key --record audit.json -o attestation.json",
      "receiptd attest --attestation attestation.json --send",
    ]))
    .action(run(attest));
}

async function attest(cli: Cli, options: AttestOptions): Promise<ExitCode> {
  const { newKey, name, key, record, attestation: file, output, send = false } = options;
  if (newKey !== undefined) {
    if ((key ?? record ?? file ?? output) !== undefined || send) throw new CliError("bad_usage", "--new-key makes a key, and nothing else");
    if (name === undefined) throw new CliError("bad_usage", "a key has a name, under which it is pinned", "for example: --name auditor.example.com");
    const { vkey } = createAuditorKey(newKey, name);
    cli.result({ file: newKey, vkey }, () => `${vkey}\nYour key is in ${newKey}: keep it where nobody else can read it. The line above is what others pin, and what the ledger's configuration names under auditors.`);
    return 0;
  }
  if (name !== undefined) throw new CliError("bad_usage", "--name is for --new-key");
  const isMade = key !== undefined && record !== undefined && file === undefined;
  if (!isMade && (file === undefined || key !== undefined || record !== undefined)) {
    throw new CliError("bad_usage", "an attestation is made of the record of an audit with your key, or was made before", "--key auditor.key --record audit.json, or --attestation attestation.json --send");
  }
  if (file !== undefined && (!send || output !== undefined)) throw new CliError("bad_usage", "--attestation names one to be sent", "add --send");
  const made = isMade ? await attestationOf(readAuditorKey(key), readRecord(record)) : readFile(file!);
  const text = formatAttestation(made);
  if (output !== undefined) writeFileSync(output, text, { flag: "wx" });
  if (send) {
    const stored = await sent(cli, made);
    cli.result({ ...stored, ...(output === undefined ? {} : { file: output }) }, () => `The ledger has it${stored["duplicate"] === true ? " already" : ""}, at log index ${String(stored["log_index"])}: ${sentenceOf(made)}`);
  } else if (output === undefined) process.stdout.write(text);
  else cli.result({ file: output, sentence: sentenceOf(made) }, () => `${sentenceOf(made)}\nThe attestation is in ${output}. For the ledger: receiptd attest --attestation ${output} --send, on its host.`);
  return 0;
}

/** Of a record there is no other audit than one that found everything in order: nothing else is written, or read. */
async function attestationOf(key: AuditorKey, record: AuditRecord): Promise<Attestation> {
  const now = Date.now();
  const statement = statementOf(record, now);
  const noteKey = noteKeyOf(key.cosigner);
  const signed = await signNote(formatStatement(statement), { name: noteKey.name, publicKey: noteKey.publicKey, sign: (bytes) => key.sign(bytes) });
  const [text, time] = [checkpointOf(statement), Math.floor(now / 1000)];
  const attestation = { statement: signed, cosigned: formatNote({ text, signatures: [cosignature(key.cosigner, time, key.sign(cosignedBytes(text, time)))] }) };
  verifyAttestation(attestation, [key.cosigner], verifyByNode); // what is handed out has been checked
  return attestation;
}

function statementOf(record: AuditRecord, now: number): Statement {
  const { ledger, receipts, audit, targets, made_at, made_by, origin, ledger_id } = record;
  if (ledger === null || receipts === null) throw new CliError("bad_usage", "the record is of an audit without the ledger: nobody has read its receipts", "audit the ledger: receiptd audit --record");
  const [newest] = targets.filter(({ with_ledger: isHeld, newest: { tree_size: size } }) => isHeld && size <= ledger.size).map((one) => one.newest).toSorted((a, b) => b.tree_size - a.tree_size);
  if (newest === undefined) throw new CliError("not_anchored", "the audit saw no anchor of this ledger at any target: there is no checkpoint to countersign");
  if (Date.parse(made_at) > now) throw new CliError("bad_usage", `the record is of ${made_at}, which is still to come`);
  const all = [...acceptedIn(record), ...audit.not_checked].map((what) => cut(what));
  const lines = all.length <= MAX_LINES ? all : [...all.slice(0, MAX_LINES - 1), `and ${all.length - MAX_LINES + 1} more that the audit names`];
  return {
    origin, ledgerId: ledger_id, auditedAt: formatTime(Date.parse(made_at)), auditedBy: cut(made_by), attestedAt: formatTime(now),
    log: { size: ledger.size, root: parseHash(ledger.root) }, anchor: { size: newest.tree_size, root: parseHash(newest.root) },
    readFrom: audit.read_from, readAt: formatTime(Date.parse(receipts.read_at)), macsChecked: audit.macs_checked, macsNotChecked: audit.macs_not_checked, notChecked: lines,
  };
}

/** What the audit found, and passed for because its auditor accepted it: whoever reads the attestation has to know. */
function acceptedIn({ revoked, breaks }: AuditRecord): readonly string[] {
  return [
    ...breaks.map(({ receipt_number: number, receipt_hash: hash, says }) => `${ACCEPTED}${number} (${hash ?? "one of many"}), a ratchet_break: ${says}`),
    ...revoked.flatMap(({ key_id: key, since, suspect, unread }) => [
      ...(suspect === null ? [] : [`${ACCEPTED}${receiptRange(suspect.first_index, suspect.last_index)}, signed with ${key}, which is revoked since ${since}: they are suspect`]),
      ...(unread ? [`${ACCEPTED}receipts signed with ${key}, which is revoked since ${since}, and were not read: they may be suspect`] : []),
    ]),
  ];
}

function cut(text: string): string {
  const clean = text.toWellFormed().replaceAll(/\p{Cc}/gu, "�");
  return clean.length <= MAX_LINE ? clean : `${clean.slice(0, MAX_LINE - 1).toWellFormed()}…`;
}

function readFile(path: string): Attestation {
  return readAttestationFile(readBounded(path, MAX_FILE, (why) => new CliError("bad_usage", `${path} is no attestation: ${why}`)));
}

async function sent(cli: Cli, attestation: Attestation): Promise<{ readonly [name: string]: unknown }> {
  const client = await cli.connect();
  try {
    return await client.call("attest", { attestation: { ...attestation } });
  } finally {
    client.close();
  }
}

function sentenceOf({ statement }: Attestation): string {
  const { text, signatures: [by] } = parseNote(statement);
  const { origin, log, anchor, auditedAt, notChecked } = readStatement(text);
  const accepted = notChecked.filter((line) => line.startsWith(ACCEPTED));
  const but = accepted.length === 0 ? "" : ` (but for what the auditor accepted: ${accepted.map((line) => line.slice(ACCEPTED.length)).join("; ")})`;
  return `${by!.name} attests that the ${count(log.size, "receipt")} of ${origin} were in order at the audit of ${auditedAt}${but}, and countersigns the checkpoint of ${count(anchor.size)}.`;
}
