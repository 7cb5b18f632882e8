/** What is published: dist/ is built from src/, declarations included, and its command runs. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

test("dist/ is built, and its command runs by itself", () => {
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { cwd: root, stdio: "pipe" });
  expect(execFileSync(join(root, "dist/cli/main.js"), ["version"], { encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/);
}, 60_000);
