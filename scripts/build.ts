/**
 * Builds dist/, which the package consists of: JavaScript and declarations of src/, the migrations, the command.
 *
 * Node runs src/ as it is; dist/ is for installed packages, in which Node refuses to strip types.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");

/** The compiler rewrites the `.ts` of imports, not that of `new URL("./worker.ts", import.meta.url)`. */
function rewriteModuleUrls(file: string): void {
  const text = readFileSync(file, "utf8");
  const rewritten = text.replace(/(new URL\(\s*(["'])\.[^"']*)\.ts(\2,\s*import\.meta\.url)/g, "$1.js$3");
  if (rewritten !== text) writeFileSync(file, rewritten);
}

/** Every file that package.json promises under `bin` and `exports`. */
function promisedFiles(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(promisedFiles) : [];
}

rmSync(dist, { recursive: true, force: true });
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const compiled = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (compiled.status !== 0) process.exit(1);

for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  if (name.endsWith(".js")) rewriteModuleUrls(join(dist, name));
}
for (const layer of ["ledger", "anchor"]) {
  cpSync(join(root, `src/${layer}/migrations`), join(dist, `${layer}/migrations`), { recursive: true });
}

const { bin, exports }: { readonly bin: unknown; readonly exports: unknown } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const missing = [...promisedFiles(bin), ...promisedFiles(exports)].filter((file) => !existsSync(join(root, file)));
if (missing.length > 0) {
  console.error(`package.json names what the build did not make: ${missing.join(", ")}`);
  process.exit(1);
}
for (const file of promisedFiles(bin)) chmodSync(join(root, file), 0o755);
