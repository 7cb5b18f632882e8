/**
 * What a process that runs tests does first. A daemon or an audit inside a test starts its threads as they are installed: dist/ is what src/
 * says, and loads in half the time. What Node has made of TypeScript is kept, as for the processes that tests start.
 */
import { enableCompileCache, syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import threads, { type WorkerOptions } from "node:worker_threads";

const ROOT = pathToFileURL(join(import.meta.dirname, "../../")).href;

/** Where src/ names a thread's file, that of dist/. */
function installed(file: string | URL): string | URL {
  const [, name] = file instanceof URL && file.href.startsWith(ROOT) ? /^src\/(.*)\.ts$/.exec(file.href.slice(ROOT.length)) ?? [] : [];
  return name === undefined ? file : new URL(`dist/${name}.js`, ROOT);
}

class InstalledWorker extends threads.Worker {
  static readonly isInstalled = true;

  constructor(file: string | URL, options?: WorkerOptions) {
    super(installed(file), options);
  }
}

// once for a process, which runs many files
if (!("isInstalled" in threads.Worker)) {
  threads.Worker = InstalledWorker;
  syncBuiltinESMExports();
  enableCompileCache(process.env["NODE_COMPILE_CACHE"]);
}
