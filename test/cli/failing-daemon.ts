/** A daemon in which something goes wrong as soon as it takes receipts. */
import { pino } from "pino";
import { runDaemon } from "../../src/cli/foreground.ts";
import { loadConfig } from "../../src/config.ts";

const fail = (): never => {
  throw new Error("boom");
};

await runDaemon(loadConfig({ path: "receiptd.yaml", env: {} }), pino({ level: "fatal" }, pino.destination({ fd: 2, sync: true })), () => {
  if (process.argv[2] === "throws") setImmediate(fail);
  else void Promise.resolve().then(fail);
});
