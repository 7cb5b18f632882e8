/**
 * The last line of a test run, `N passed, N failed`, alone on its line, for those who read no more than that.
 *
 * A file that did not load and an error outside of any test count as failed: nobody knows what would have passed.
 * Where CI is set a skipped test fails the run: everything that a test needs is installed there.
 */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const suites = modules.flatMap((module) => [...module.children.allSuites()]);
    const broken = [...modules, ...suites].filter((suite) => suite.errors().length > 0).length;
    const count = (state: "passed" | "failed") => tests.filter((test) => test.result().state === state).length;

    const skipped = tests.filter((test) => !["passed", "failed"].includes(test.result().state));
    if (skipped.length > 0 && (process.env["CI"] ?? "") !== "") {
      process.exitCode = 1;
      const names = skipped.map((test) => `  ${test.module.relativeModuleId} > ${test.fullName}\n`);
      process.stdout.write(`${skipped.length} skipped, which CI does not allow:\n${names.join("")}`);
    }
    process.stdout.write(`${count("passed")} passed, ${count("failed") + broken + unhandled.length} failed\n`);
  }
}
