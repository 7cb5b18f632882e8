import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { CountReporter } from "./test/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/bundled.ts", "test/support/s3-global.ts"],
    sequence: { sequencer: LongestFirst },
    environment: "node",
    // A process for each file: native modules, signals and the working directory are a process's.
    pool: "forks",
    // two more than the processors of the smallest machine that it has to be fast on: many tests wait for a process
    maxWorkers: 4,
    // what Node has compiled is kept between the many processes that tests start
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ["default", new CountReporter()],
  },
});
