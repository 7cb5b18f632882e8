/** The daemon in this process: signals, fatal errors, its end. What `serve` and `dev` share. */
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { type Daemon, startDaemon } from "../daemon/daemon.ts";

/** EX_SOFTWARE of sysexits.h: systemd starts the daemon again. */
const FATAL_EXIT = 70;

/**
 * Runs until SIGTERM or SIGINT, then stops in order; a second signal ends the process at once. Rejects when it cannot start.
 * After a fatal error what is in memory and what is on the disk may differ, so the process ends where it stands.
 */
export async function runDaemon(config: Config, log: Logger, started: (daemon: Daemon) => void): Promise<void> {
  const die = (error: unknown, message: string): never => {
    log.fatal({ err: error }, message);
    process.exit(FATAL_EXIT);
  };
  process.on("uncaughtException", (error) => die(error, "an error that nobody expected"));
  process.on("unhandledRejection", (error) => die(error, "an error that nobody expected"));
  const stopping = new Promise<void>((resolve) => {
    let asked = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (asked) process.exit(signal === "SIGINT" ? 130 : 143);
        asked = true;
        log.info({ signal }, "stopping");
        resolve();
      });
    }
  });
  const daemon = await startDaemon(config, log, () => process.exit(FATAL_EXIT)); // it has logged why
  started(daemon);
  await stopping;
  await daemon.stop();
}
