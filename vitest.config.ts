import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/reporter.ts";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/bundled.ts", "test/support/s3-global.ts"],
    // A process for each file: native modules, signals and the working directory are a process's, not a thread's.
    pool: "forks",
    // one more than the processors of the smallest machine that it has to be fast on: many tests wait for a process
    maxWorkers: 3,
    // what Node has compiled is kept between the many processes that tests start
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ["default", new CountReporter()],
  },
});
