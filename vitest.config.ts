import { basename, dirname, join } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { CountReporter } from "./test/reporter.ts";

/** A daemon or an audit inside a test starts its threads as they are installed: dist/ is what src/ says, and loads in half the time. */
const threadsAsInstalled: Plugin = {
  name: "threads-as-installed",
  enforce: "pre",
  transform(code, id) {
    if (!id.startsWith(join(import.meta.dirname, "src/"))) return null;
    const dist = join("../../dist", basename(dirname(id)));
    return code.replaceAll(/new URL\("\.\/([a-z-]*worker)\.ts", import\.meta\.url\)/g, (_, name: string) => `new URL("${dist}/${name}.js", import.meta.url)`);
  },
};

export default defineConfig({
  plugins: [threadsAsInstalled],
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/bundled.ts", "test/support/s3-global.ts"],
    sequence: { sequencer: LongestFirst },
    environment: "node",
    // Processes, not threads: native modules, signals and the working directory are a process's. A process runs many
    // files, which halves what starting and loading costs: a file that mocks or sets something undoes it in afterAll.
    pool: "forks",
    isolate: false,
    // three more than the processors of the smallest machine that it has to be fast on: many tests wait for a process
    maxWorkers: 5,
    // what Node has compiled is kept between the many processes that tests start
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ["default", new CountReporter()],
  },
});
