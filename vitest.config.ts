import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { CountReporter } from "./test/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/bundled.ts", "test/support/s3-global.ts"],
    setupFiles: ["test/support/runner.ts"],
    sequence: { sequencer: LongestFirst },
    environment: "node",
    // Processes, not threads: native modules, signals and the working directory are a process's. A process runs many
    // files, which halves what starting and loading costs: a file that mocks or sets something undoes it in afterAll.
    pool: "forks",
    isolate: false,
    // Node reads TypeScript as it is: through Vite's runner each use of what another module exports is a call, a seventh of all processor
    // time. vi.mock does not work then: what a test replaces of Node's, it replaces there (syncBuiltinESMExports).
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // three more than the processors of the smallest machine that it has to be fast on: many tests wait for a process
    maxWorkers: 5,
    // what Node has compiled is kept between the many processes that tests start
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ["default", new CountReporter()],
  },
});
