/** `npm run check`: types, lint and what nobody uses, side by side, each with all that it says. Exit code 1 if one of them finds anything. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: Readonly<Record<string, string>> };
/** GOGC: tsc is a Go program, and ends soon; a third of its time went into collecting what it had let go of. */
const ENV = { GOGC: "400", ...process.env, PATH: [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter) };

const checks = ["typecheck", "lint", "knip"].map(async (name) => {
  const child = spawn(scripts[name]!, { shell: true, cwd: root, env: ENV, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => { output += text; });
  const [code] = (await once(child, "close")) as [number | null];
  process.stdout.write(code === 0 ? output : `${output}${name} found something\n`);
  return code === 0;
});
process.exitCode = (await Promise.all(checks)).every(Boolean) ? 0 : 1;
