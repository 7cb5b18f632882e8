/** `npm run bench`: that it runs, and prints what docs/PERFORMANCE.md says. What it measures is no test's business. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Row } from "./bench/report.ts";

const SCRIPT = join(import.meta.dirname, "../scripts/bench.ts");

function bench(...args: readonly string[]) {
  return spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
}

test("a section, as JSON", () => {
  const { status, stdout, stderr } = bench("--only", "parts", "--quick", "--json");
  expect(status, stderr).toBe(0);
  const report = JSON.parse(stdout) as { readonly rows: readonly Row[] };
  expect(report).toMatchObject({ met: 0, of: 0, quick: true, runs: 1, machine: { node: process.version } });
  expect(report.rows.map(({ name }) => name)).toEqual(["parts/fdatasync", "parts/hash", "parts/echo"]);
  for (const { measured } of report.rows) expect(measured!.median).toBeGreaterThan(0);
});

test.each([["--only", "nothing"], ["--runs", "0"], ["--receipts", "12345"], ["--fast"]])("%s %s is refused", (...args) => {
  const { status, stderr } = bench(...args);
  expect(status).toBe(2);
  expect(stderr).toContain("usage: npm run bench");
});
