/** Builds dist/, which the package consists of: the bundle, and declarations for those who import what package.json exports. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { bundleIfOld } from "./bundle.ts";

const root = dirname(import.meta.dirname);

/** Every file that package.json promises under `bin` and `exports`. */
function promisedFiles(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(promisedFiles) : [];
}

await bundleIfOld();
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const declared = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (declared.status !== 0) process.exit(1);

const { bin, exports }: { readonly bin: unknown; readonly exports: unknown } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);
const missing = [...promisedFiles(bin), ...promisedFiles(exports)].filter((file) => !existsSync(join(root, file)));
if (missing.length > 0) {
  console.error(`package.json names what the build did not make: ${missing.join(", ")}`);
  process.exit(1);
}
for (const file of promisedFiles(bin)) chmodSync(join(root, file), 0o755);
