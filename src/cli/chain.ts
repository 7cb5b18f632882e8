/** `receiptd chain`: workflows that have one receipt, as the daemon knows them. */
import { Argument, type Command } from "commander";
import { canonicalize } from "../format/canonical.ts";
import { count } from "../format/count.ts";
import type { Json } from "../format/strict-json.ts";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { printable } from "./table.ts";

interface DiscloseOptions {
  readonly seq?: readonly string[];
}

export function addChain(program: Command, run: Run): void {
  const chain = program.command("chain")
    .summary("show a chain, and disclose its events")
    .description("A chain is a workflow that gets one receipt when it ends. The receipt covers each event and approval by its hash; their records are kept beside the ledger, and what is disclosed of them can be checked by whoever has the receipt's evidence.");
  chain.command("show")
    .description("Shows how a chain stands, and what its events add up to so far.")
    .addArgument(new Argument("<chain>", "the chain_id"))
    .addHelpText("after", examples(["receiptd chain show chn_01JZ8C3M5Y2V4T6R8P0N1K3H5F"]))
    .action(run(show));
  chain.command("disclose")
    .description("Prints the records of events and approvals, one a line: the very bytes under the hashes in the receipt. Check them with: receiptd verify-bundle EVIDENCE --records FILE")
    .addArgument(new Argument("<chain>", "the chain_id"))
    .option("--seq <number...>", "only those with these places in the chain (seq)")
    .addHelpText("after", examples(["receiptd chain disclose chn_01JZ8C3M5Y2V4T6R8P0N1K3H5F > records.ndjson", "receiptd chain disclose chn_01JZ8C3M5Y2V4T6R8P0N1K3H5F --seq 4 > record.ndjson"]))
    .action(run(disclose));
}

async function show(cli: Cli, chainId: string): Promise<ExitCode> {
  const chain = await asked(cli, (call) => call("chain.get", { chain_id: chainId }));
  const text = (name: string): string => printable(String(chain[name]));
  cli.result(chain, () => [
    chain["status"] === "open" ? `The chain is open until ${text("expires_at")}.` : chain["status"] === "ending" ? "The chain has ended; its receipt waits to be stored." : `The chain has ended (${text("status")}); its receipt is ${text("receipt_id")}.`,
    `  chain         ${text("chain_id")}`,
    `  organization  ${text("organization")}`,
    `  started       ${text("started_at")}`,
    `  actions       ${text("total_actions")} by ${(chain["agents_involved"] as readonly string[]).map(printable).join(", ") || "nobody"}`,
    `  approvals     ${text("approvals")}`,
    ...Object.entries(chain["cumulative_metrics"] as { readonly [name: string]: Json }).map(([name, value]) => `  ${printable(name)}  ${printable(canonicalize(value))}`),
  ].join("\n"));
  return 0;
}

async function disclose(cli: Cli, chainId: string, { seq }: DiscloseOptions): Promise<ExitCode> {
  const numbers = seq?.map((text) => {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new CliError("bad_usage", `--seq ${text.slice(0, 40)}: a whole number from 1 on`);
    return Number(text);
  });
  const lines = await asked(cli, async (call) => {
    const { total_actions: actions, approvals } = await call("chain.get", { chain_id: chainId });
    const all = Number(actions) + Number(approvals);
    const found: string[] = [];
    for (const place of numbers ?? Array.from({ length: all }, (_, i) => i + 1)) found.push(canonicalize((await call("chain.disclose", { chain_id: chainId, seq: place }))["record"] as Json));
    return found;
  });
  for (const line of lines) process.stdout.write(`${line}\n`);
  process.stderr.write(`${count(lines.length, "record")} of chain ${printable(chainId)}. They can be read by whoever has them: disclose no more than is asked for.\n`);
  return 0;
}

type Call = (method: string, params: object) => Promise<{ readonly [name: string]: unknown }>;

async function asked<T>(cli: Cli, ask: (call: Call) => Promise<T>): Promise<T> {
  const client = await cli.connect();
  try {
    return await ask((method, params) => client.call(method, params));
  } finally {
    client.close();
  }
}
