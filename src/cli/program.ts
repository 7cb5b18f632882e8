/** The command line: what commands there are, how they are parsed, and what an error becomes. */
import { Command, CommanderError } from "commander";
import type { Env } from "./cli.ts";
import { examples, type Run, runner } from "./command.ts";
import { complaintText, type ExitCode } from "./errors.ts";
import { versionText } from "./version.ts";

type Add = (program: Command, run: Run) => void;

/** In the order of the help. Loaded when they are needed: `append` must not wait for what only the audit uses. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  init: async () => (await import("./init.ts")).addInit,
  serve: async () => (await import("./serve.ts")).addServe,
  http: async () => (await import("./http.ts")).addHttp,
  token: async () => (await import("./token.ts")).addToken,
  dev: async () => (await import("./dev.ts")).addDev,
  append: async () => (await import("./append.ts")).addAppend,
  ingest: async () => (await import("./ingest.ts")).addIngest,
  wrap: async () => (await import("./wrap.ts")).addWrap,
  get: async () => (await import("./get.ts")).addGet,
  list: async () => (await import("./list.ts")).addList,
  chain: async () => (await import("./chain.ts")).addChain,
  anchor: async () => (await import("./anchor.ts")).addAnchor,
  anchors: async () => (await import("./anchors.ts")).addAnchors,
  verify: async () => (await import("./verify.ts")).addVerify,
  evidence: async () => (await import("./evidence.ts")).addEvidence,
  export: async () => (await import("./export.ts")).addExport,
  "verify-bundle": async () => (await import("./verify-bundle.ts")).addVerifyBundle,
  audit: async () => (await import("./audit.ts")).addAudit,
  report: async () => (await import("./report.ts")).addReport,
  attest: async () => (await import("./attest.ts")).addAttest,
  recover: async () => (await import("./recover.ts")).addRecover,
  restore: async () => (await import("./restore.ts")).addRestore,
  key: async () => (await import("./key.ts")).addKey,
  disclose: async () => (await import("./disclose.ts")).addDisclose,
  status: async () => (await import("./status.ts")).addStatus,
  doctor: async () => (await import("./doctor.ts")).addDoctor,
  "check-config": async () => (await import("./check-config.ts")).addCheckConfig,
};

/** Those that the arguments may mean; all of them, for the help, where they mean none or ask for help. */
async function commandsFor(args: readonly string[]): Promise<readonly Add[]> {
  const named = Object.keys(COMMANDS).filter((name) => args.includes(name));
  const names = named.length === 0 || ["help", "--help", "-h"].includes(args[0]!) ? Object.keys(COMMANDS) : named;
  return await Promise.all(names.map((name) => COMMANDS[name]!()));
}

/** Runs one command; returns its exit code. */
export async function run(args: readonly string[], env: Env): Promise<ExitCode> {
  let code: ExitCode = 0;
  const program = new Command("receiptd")
    .description("A signed, hash-chained, externally anchored receipt ledger for systems that make decisions.")
    .version(versionText(), "-V, --version", "print the version")
    .option("--config <file>", "configuration file (default: RECEIPTD_CONFIG, ./receiptd.yaml, /etc/receiptd/receiptd.yaml, built-in)")
    .option("--socket <path>", "the daemon's socket (default: RECEIPTD_SOCKET, else as configured)")
    .option("--json", "print JSON")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} }) // told by complaintText
    .exitOverride()
    .addHelpText("after", [
      examples(["receiptd dev                              # try it out", "receiptd init && receiptd serve", "receiptd append --system loan_scorer --decision '{\"action\":\"APPROVE\"}' --inputs '{\"score\":742}'", "receiptd audit"]),
      "\nExit codes: 0 done, nothing found; 1 something was found; 2 it could not be checked or done.",
    ].join("\n"));
  const action = runner(env, (result) => { code = result; });
  for (const add of await commandsFor(args)) add(program, action);
  program.command("version").description("print the version").action(() => void process.stdout.write(`${versionText()}\n`));
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help")) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`${complaintText(error, args.includes("--json"))}\n`);
    return 2;
  }
}
