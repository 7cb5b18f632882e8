/** How a command is put together: its action, its examples, the options that several share. */
import { Argument, type Command, Option } from "commander";
import { Cli, type Env, type Globals } from "./cli.ts";
import type { ExitCode } from "./errors.ts";

/** A command's work: given its arguments, then its options. */
export type Work = (cli: Cli, ...args: never[]) => Promise<ExitCode> | ExitCode;

/** Makes an action for commander of a command's work. */
export type Run = (work: Work) => (this: Command) => Promise<void>;

export function runner(env: Env, finished: (code: ExitCode) => void): Run {
  return (work) => async function action(this: Command): Promise<void> {
    const cli = new Cli(this.optsWithGlobals<Globals>(), env);
    const args = [...this.processedArgs, this.opts()];
    finished(await work(cli, ...(args as never[])));
  };
}

/** Under the help of a command. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

export function ackOption(): Option {
  return new Option("--ack <level>", "what an acknowledgement guarantees: disk survives a power cut, wal the end of the daemon (default: the daemon's)").choices(["disk", "wal"]);
}

export function receiptArgument(): Argument {
  return new Argument("<receipt>", "receipt_id, receipt number (PR-2026-00042) or log index");
}

/** For an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
