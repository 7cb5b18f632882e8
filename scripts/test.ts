/** `npm test`: `npm run check` and all tests, side by side, since the one waits for little and the others wait for much. Exit code 1 if either finds anything. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const check = spawn(process.execPath, [join(import.meta.dirname, "check.ts")], { stdio: ["ignore", "pipe", "inherit"] });
let found = "";
check.stdout.setEncoding("utf8").on("data", (text: string) => { found += text; });
const checked = once(check, "close");
const tests = spawn("vitest", ["run", ...process.argv.slice(2)], { stdio: "inherit" });
const [failed] = (await once(tests, "exit")) as [number | null];
const [code] = (await checked) as [number | null];
if (code !== 0) process.stdout.write(found); // behind the tests' output, where it is seen
process.exitCode = failed === 0 && code === 0 ? 0 : 1;
