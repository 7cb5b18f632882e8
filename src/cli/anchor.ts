/** `receiptd anchor`: closes the open batch now and waits until it is published. */
import type { Command } from "commander";
import { count } from "../format/count.ts";
import { type Cli, wholeNumber } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import { type ExitCode } from "./errors.ts";
import { RpcFailure } from "../door/client.ts";
import type { DaemonStatus } from "./status.ts";

interface AnchorOptions {
  readonly timeout: string;
}

export function addAnchor(program: Command, run: Run): void {
  program.command("anchor")
    .summary("anchor what was received, now")
    .description("Closes the open batch and waits until every required target has confirmed its anchor.")
    .option("--timeout <seconds>", "wait so long for the targets", "60")
    .addHelpText("after", examples(["receiptd anchor"]))
    .action(run(anchor));
}

async function anchor(cli: Cli, options: AnchorOptions): Promise<ExitCode> {
  const timeout = wholeNumber("--timeout", options.timeout) * 1000;
  const client = await cli.connect();
  try {
    const { tree_size, root } = (await client.call("anchor")) as unknown as { readonly tree_size: number; readonly root: string };
    try {
      await client.call("wait", { log_index: tree_size - 1, for: "anchored", timeout_ms: timeout }, timeout + 5000);
    } catch (error) {
      if (error instanceof RpcFailure && error.code === "timeout") cli.note(`The batch is closed at ${count(tree_size, "receipt")}; it is published as soon as the targets take it. See: receiptd status`);
      throw error;
    }
    const { targets } = (await client.call("status")) as unknown as DaemonStatus;
    const where = targets.filter(({ confirmed }) => confirmed !== null && confirmed.tree_size >= tree_size).map(({ name }) => name);
    cli.result({ tree_size, root, targets: where }, () => [
      `${count(tree_size, "receipt")} ${tree_size === 1 ? "is" : "are"} anchored at ${where.join(", ")}.`,
      `  tree size  ${tree_size}`,
      `  root       ${root}`,
    ].join("\n"));
    return 0;
  } finally {
    client.close();
  }
}
