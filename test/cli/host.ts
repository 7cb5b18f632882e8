/** The real command line in child processes, in a folder of its own, with a real daemon where a test wants one. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

/** No anchor but those that a test asks for. */
const CONFIG = `origin: test.example/receipts
organizations:
  loans: {prefix: LN}
anchor:
  schedule: "0 0 1 1 *"
  heartbeat: 1h
`;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ran>;
}

/** A line of JSON from a command's output. */
export function json(ran: Ran): { readonly [name: string]: unknown } {
  return JSON.parse(ran.stdout) as { readonly [name: string]: unknown };
}

export class Host {
  readonly dir = mkdtempSync(join(tmpdir(), "receiptd-cli-"));
  readonly #running = new Set<Running>();

  constructor(config: string | null = CONFIG) {
    if (config !== null) writeFileSync(this.path("receiptd.yaml"), config);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Starts `receiptd`, or another program, with these arguments. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}, program = MAIN): Running {
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECEIPTD_")));
    const child = spawn(process.execPath, [program, ...args], { cwd: this.dir, env: { ...clean, ...env } });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => { stdout += text; });
    child.stderr.setEncoding("utf8").on("data", (text: string) => { stderr += text; });
    const ended = new Promise<Ran>((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
    const running = { child, stdout: () => stdout, stderr: () => stderr, ended };
    this.#running.add(running);
    void ended.then(() => this.#running.delete(running));
    return running;
  }

  /** Runs `receiptd` to its end. */
  async run(args: readonly string[], { input = "", env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {}): Promise<Ran> {
    const running = this.start(args, env);
    running.child.stdin!.on("error", () => {}); // it may end without reading
    running.child.stdin!.end(input);
    return await running.ended;
  }

  /** Runs it and throws unless it succeeds. */
  async must(args: readonly string[], options: { readonly input?: string } = {}): Promise<Ran> {
    const ran = await this.run(args, options);
    if (ran.code !== 0) throw new Error(`receiptd ${args.join(" ")} ended with ${ran.code}: ${ran.stdout}${ran.stderr}`);
    return ran;
  }

  /** A daemon that takes receipts. */
  async serve(): Promise<Running> {
    const daemon = this.start(["serve"]);
    await until(() => daemon.stderr().includes("taking receipts"), daemon);
    return daemon;
  }

  /** Ends everything that was started here and removes the folder. */
  async remove(): Promise<void> {
    for (const { child, ended } of this.#running) {
      child.kill("SIGKILL");
      await ended;
    }
    if (existsSync(this.dir)) rmSync(this.dir, { recursive: true });
  }
}

/** Waits until something holds; throws when the process has ended before. */
export async function until(holds: () => boolean, running: Running): Promise<void> {
  while (!holds()) {
    if (running.child.exitCode !== null || running.child.signalCode !== null) throw new Error(`it ended: ${running.stdout()}${running.stderr()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function receipt(n: number, more: object = {}): string {
  return JSON.stringify({ system_id: "loan_scorer", organization: "loans", decision: { action: "APPROVE" }, inputs: { n }, ...more });
}
