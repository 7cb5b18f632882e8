/** `receiptd serve`, the real command in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

/** In the line of its log that says that it takes receipts. */
export const TAKING = '"msg":"taking receipts"';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The command `receiptd` and its arguments, to be run by something else. */
export function receiptd(...args: readonly string[]): readonly string[] {
  return [process.execPath, MAIN, ...args];
}

/** This process's environment without what would configure the daemon. */
export function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECEIPTD_")));
}

export class DaemonProcess {
  readonly child: ChildProcess;
  /** Resolves once receipts are taken; rejects with all that was said if the process ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<Ended>;
  readonly #said: string[] = [];
  #over = false;

  /** `through`: a command that runs the daemon, such as strace or nsenter; it must become the daemon. */
  constructor(configFile: string, through: readonly string[] = []) {
    const [command = "", ...args] = [...through, ...receiptd("serve", "--config", configFile)];
    this.child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env: environment() });
    const taking = Promise.withResolvers<void>();
    this.ready = taking.promise;
    this.ready.catch(() => undefined); // some tests only look at how it ended
    const lines = createInterface({ input: this.child.stderr! });
    lines.on("line", (text) => {
      this.#said.push(text);
      if (text.includes(TAKING)) taking.resolve();
    });
    this.ended = Promise.all([once(this.child, "exit"), once(lines, "close")]).then(([[code, signal]]) => {
      this.#over = true;
      taking.reject(new Error(`the daemon ended (${code ?? signal}):\n${this.said}`)); // of no effect once it has been ready
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  static async start(configFile: string, through: readonly string[] = []): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(configFile, through);
    await daemon.ready;
    return daemon;
  }

  /** Everything on its standard error. */
  get said(): string {
    return this.#said.join("\n");
  }

  get over(): boolean {
    return this.#over;
  }

  async signal(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }
}
