/** `receiptd wrap`: an MCP server whose every tool call has a receipt before it is made. */
import { type Command, Option } from "commander";
import type { Results } from "../wrap/recorder.ts";
import { wrap as wrapServer } from "../wrap/wrap.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { ackOption, collect, examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { printable } from "./table.ts";

interface WrapCommandOptions {
  readonly system?: string;
  readonly organization?: string;
  readonly ack?: "disk" | "wal";
  readonly patience?: string;
  readonly hashInputs?: boolean;
  readonly redact?: readonly string[];
  readonly results: Results;
  readonly chain?: boolean;
}

export function addWrap(program: Command, run: Run): void {
  program.command("wrap")
    .summary("run an MCP server: no tool call without a receipt")
    .description("Starts an MCP server that talks over stdio, and stands between it and its client. A tool call goes to the server once its receipt is stored; without a receipt it is answered with an error, and the server never sees it. What came of the call is a second receipt.")
    .argument("<command...>", "the server and its arguments, behind --")
    .option("--system <system_id>", "system_id of the receipts (default: mcp: and the name that the server gives itself)")
    .option("--organization <name>", "organization, the chain that the receipts go into")
    .addOption(ackOption())
    .option("--patience <seconds>", "wait so long for a receipt, at most (default: RECEIPTD_CLIENT_TIMEOUT_MS, else 5)")
    .addOption(new Option("--hash-inputs", "of arguments keep only their SHA-256").conflicts("redact"))
    .option("--redact <name>", "do not keep the values of this name, at whatever depth; may be given several times", collect)
    .addOption(new Option("--results <what>", "of results keep their SHA-256, or themselves too, or nothing: then answers wait for no receipt").choices(["hash", "full", "off"]).default("hash"))
    .option("--chain", "make the session a chain, too: one receipt for all of it when it ends")
    .addHelpText("after", examples([
      "receiptd wrap -- npx -y @modelcontextprotocol/server-filesystem /srv/files",
      "receiptd wrap --organization agents --redact password --results full -- ./my-server",
    ]))
    .action(run(wrap));
}

async function wrap(cli: Cli, command: readonly [string, ...string[]], options: WrapCommandOptions): Promise<ExitCode> {
  const { system, organization, ack, patience, hashInputs = false, redact = [], results, chain = false } = options;
  // a client that goes away ends the session, with all that belongs to an end
  process.stdout.removeAllListeners("error");
  process.stderr.on("error", () => {}); // nor does one that reads no log end it
  let code: number;
  try {
    code = await wrapServer({
      command, organization, hashInputs, results, chain,
      systemId: system,
      redact: new Set(redact),
      client: { socket: cli.socketPath, ...(ack === undefined ? {} : { ack }), ...(patience === undefined ? {} : { timeoutMs: wholeNumber("--patience", patience, 1) * 1000 }) },
      input: process.stdin,
      output: process.stdout,
      note: (text) => cli.note(printable(`receiptd wrap: ${text}`)),
    });
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error) || !String(error.syscall).startsWith("spawn")) throw error;
    throw new CliError("server_not_started", `${command[0]} could not be started: ${error.message}`, "give the server and its arguments behind --", { cause: error });
  }
  process.exit(code); // the server's own, whatever it is
}
