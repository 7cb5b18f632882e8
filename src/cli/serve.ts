/** `receiptd serve`: the daemon, as systemd runs it; its log is JSON on standard error. */
import type { Command } from "commander";
import { destination, pino } from "pino";
import type { Cli } from "./cli.ts";
import { examples, type Run } from "./command.ts";
import type { ExitCode } from "./errors.ts";
import { runDaemon } from "./foreground.ts";
import { tuneHeap } from "./heap.ts";

export function addServe(program: Command, run: Run): void {
  program.command("serve")
    .summary("run the daemon")
    .description("Runs the daemon until SIGTERM or SIGINT; then it answers what it has taken, anchors a last batch and ends. Logs JSON to standard error.")
    .addHelpText("after", examples(["receiptd serve", "receiptd serve --config /etc/receiptd/receiptd.yaml"]))
    .action(run(serve));
}

async function serve(cli: Cli): Promise<ExitCode> {
  const { config } = cli;
  // synchronous: the last words before the end of the process are the ones that matter
  const log = pino({ level: config.log.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination({ fd: 2, sync: true }));
  tuneHeap();
  await runDaemon(config, log, () => {});
  return 0;
}
