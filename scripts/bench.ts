/**
 * `npm run bench`: bundles, so that what is measured is what is installed, and starts test/bench/main.ts, which says what its options
 * and exit codes are. It cleans up behind itself, also when this is interrupted.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { bundleIfOld } from "./bundle.ts";

await bundleIfOld();
const main = join(dirname(import.meta.dirname), "test/bench/main.ts");
const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: "inherit", detached: true }); // Ctrl-C reaches it once
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
const [code] = (await once(child, "close")) as [number | null];
process.exitCode = code ?? 2;
