/**
 * A recovery in a process of its own: `node child.ts <folder of a test ledger> [step]`. Ends itself by SIGKILL when the step is done; else
 * prints what came of it, or the error's code.
 */
import { recover, type RecoverStep } from "../../src/recover/recover.ts";
import { optionsIn } from "./support.ts";

const [dir = "", step] = process.argv.slice(2) as [string?, RecoverStep?];
try {
  const { rebuilt, unsound, kept } = await recover(optionsIn(dir), { onStep: (done) => { if (done === step) process.kill(process.pid, "SIGKILL"); } });
  process.stdout.write(`${JSON.stringify({ stop: rebuilt.stop, unsound, isKept: kept !== null })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: (error as { readonly code?: string }).code ?? String(error) })}\n`);
}
