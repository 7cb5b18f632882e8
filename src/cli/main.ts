#!/usr/bin/env node
/** The command `receiptd`. */

// before anything else is loaded: on an older Node the SQLite library ends the process without a word
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(`receiptd: old_node: this is Node ${process.versions.node}, and receiptd needs 22.12 or newer; npm run brings its own\n`);
  process.exitCode = 2;
} else {
  // `receiptd list | head`: whoever read has read enough
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 2));
  const { run } = await import("./program.ts");
  process.exitCode = await run(process.argv.slice(2), process.env);
}
