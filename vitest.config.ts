import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/reporter.ts";

/** Those that replace modules of Node's: for others the replaced ones may be there already, or still. */
const REPLACING = ["test/anchor/archive.test.ts"];

export default defineConfig({
  test: {
    // Other files share their processes, one after the other: to start one and to load the modules takes longer than most of them do.
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts"], exclude: REPLACING, isolate: false, globalSetup: ["test/support/bundled.ts", "test/support/s3-global.ts"] } },
      { extends: true, test: { name: "replacing", include: REPLACING } },
    ],
    environment: "node",
    // Processes, not threads: native modules, signals and the working directory are a process's.
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
