/** `receiptd append`: one receipt into the ledger. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { readBounded } from "../config/input-file.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { uuidV7 } from "../format/uuid.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { ackOption, collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { type ReceiptArguments, receiptFromArguments, type ReceiptText, readReceiptText, withId } from "./receipt-text.ts";
import { type Answer, type Result, RpcFailure } from "../door/client.ts";
import { deliver } from "../door/sender.ts";

/** Bytes: a receipt with white space in it. */
const MAX_FILE = 4 * 1024 * 1024;

interface AppendOptions extends ReceiptArguments {
  readonly file?: string;
  readonly ack?: "disk" | "wal";
  readonly wait?: "anchored";
  readonly timeout: string;
  readonly patience: string;
}

export function addAppend(program: Command, run: Run): void {
  program.command("append")
    .summary("store one receipt")
    .description("Stores one receipt, from --file, from arguments, or from standard input, and prints its acknowledgement. The receipt's text is sent as it is spelled.")
    .option("--file <file>", "JSON file with the receipt; - is standard input")
    .option("--system <system_id>", "the deciding system; with it the receipt is made from arguments")
    .option("--decision <json>", "the decision")
    .option("--inputs <json>", "what it was made from, an object")
    .option("--organization <name>", "organization, the chain that the receipt goes into")
    .option("--type <type>", "decision, or your own, x_…")
    .option("--id <uuid>", "receipt_id (default: a new one)")
    .option("--field <name=json>", "a further field; may be given several times", collect)
    .addOption(ackOption())
    .addOption(new Option("--wait <level>", "return only when the receipt is anchored").choices(["anchored"]))
    .option("--timeout <seconds>", "wait so long for the anchor", "300")
    .option("--patience <seconds>", "go on trying for so long when the daemon does not answer", "10")
    .addHelpText("after", examples([
      "receiptd append --file receipt.json",
      `receiptd append --system loan_scorer --decision '{"action":"APPROVE"}' --inputs '{"credit_score":742}'`,
      `receiptd append --system kyc --type x_review --field 'summary="second look"' --wait anchored`,
    ]))
    .action(run(append));
}

async function append(cli: Cli, options: AppendOptions): Promise<ExitCode> {
  // an id from the start, so that a lost connection leaves no doubt: the same receipt is sent again
  const receipt = withId(readInput(options), () => uuidV7(Date.now(), randomBytes(10)));
  const answer = await delivered(cli, receipt, options);
  if ("failure" in answer) throw answer.failure;
  const { result } = answer;
  const anchored = options.wait === "anchored" ? await waitAnchored(cli, result, wholeNumber("--timeout", options.timeout) * 1000) : null;
  cli.result(anchored === null ? result : { ...result, status: "anchored" }, () => sentence(result, anchored !== null));
  return 0;
}

function readInput(options: AppendOptions): ReceiptText {
  const { system, decision, inputs, organization, type, id, field } = options;
  const fromArguments = [system, decision, inputs, organization, type, id, field].some((value) => value !== undefined);
  if (options.file !== undefined && fromArguments) throw new CliError("bad_usage", "the receipt is in --file or in the arguments, not in both");
  if (fromArguments) return receiptFromArguments(options);
  const fromStdin = options.file === undefined || options.file === "-";
  if (fromStdin && process.stdin.isTTY) throw new CliError("no_receipt", "no receipt was given", "pipe it in, name a --file, or give --system, --decision and --inputs");
  const refuse = (why: string): CliError => new CliError("bad_usage", `${options.file} is no receipt: ${why}`);
  return readReceiptText(fromUtf8(fromStdin ? readFileSync(0) : readBounded(options.file!, MAX_FILE, refuse)));
}

async function delivered(cli: Cli, receipt: ReceiptText, { ack, patience }: AppendOptions): Promise<Answer> {
  let answer: Answer | undefined;
  let mayBeStored = false;
  async function* one() {
    yield [{ text: receipt.text, done: (given: Answer) => { answer = given; } }];
  }
  try {
    await deliver(one(), {
      connect: () => cli.connect(),
      ack,
      patience: wholeNumber("--patience", patience) * 1000,
      onTrouble: ({ code, message }, again) => {
        mayBeStored ||= code !== "daemon_not_running";
        if (!again) cli.note(`receiptd: ${code}: ${message}; trying again for ${patience} s`);
      },
    });
  } catch (error) {
    if (error instanceof RpcFailure && mayBeStored) cli.note(`The receipt may be stored or not: send it again with receipt_id ${receipt.receiptId}.`);
    throw error;
  }
  return answer!;
}

async function waitAnchored(cli: Cli, { receipt_id }: Result, timeout: number): Promise<Result> {
  const client = await cli.connect();
  try {
    return await client.call("wait", { receipt_id, for: "anchored", timeout_ms: timeout }, timeout + 5000);
  } catch (error) {
    if (error instanceof RpcFailure) cli.note(`The receipt ${String(receipt_id)} is stored.`);
    throw error;
  } finally {
    client.close();
  }
}

function sentence(ack: Result, anchored: boolean): string {
  const what = ack["duplicate"] === true ? "was there already" : "is stored";
  const how = anchored ? "anchored" : ack["ack"] === "disk" ? "on the disk" : "committed, not yet on the disk";
  return `${String(ack["receipt_number"])} ${what}, ${how}: receipt_id ${String(ack["receipt_id"])}, log index ${String(ack["log_index"])}, ${String(ack["receipt_hash"])}`;
}
