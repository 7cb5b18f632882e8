/** What the documentation shows is run as it stands there, and what it lists is compared with the program. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "..");
const MAIN = join(ROOT, "dist/cli/main.js");
const documents = ["README.md", "NEWS.md", ...readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
const text = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** The fenced blocks of one language, in order. */
function blocks(name: string, language: string): string[] {
  return [...text(name).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].filter(([, found]) => found === language).map(([, , code]) => code!);
}

/** A shell block with the program put in for the way the text calls it. */
function script(code: string): string {
  return code.replaceAll("npm run -s receiptd -- ", "receiptd ").replaceAll(/^receiptd /gm, `"${process.execPath}" "${MAIN}" `);
}

let dir: string;
let daemon: ChildProcess;
let api: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-docs-"));
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  await new Promise((done) => free.close(done));
  api = `http://127.0.0.1:${port}`;
  daemon = spawn(process.execPath, [MAIN, "dev"], { cwd: dir, stdio: "ignore", env: { ...process.env, RECEIPTD_HTTP__LISTEN: `127.0.0.1:${port}` } });
  mkdirSync(join(dir, "node_modules"));
  symlinkSync(ROOT, join(dir, "node_modules/receiptd"));
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  for (let i = 0; i < 200 && !existsSync(join(dir, "receiptd-data/receiptd.sock")); i++) await new Promise((done) => setTimeout(done, 50));
});
afterAll(async () => {
  const ended = new Promise((done) => daemon.once("exit", done));
  daemon.kill("SIGTERM");
  await ended;
  rmSync(dir, { recursive: true, force: true });
});

describe("README", () => {
  const [firstSteps, dev, commands] = blocks("README.md", "sh");

  test("names the two commands and how to start", () => {
    expect(firstSteps).toContain("npm ci && npm run demo");
    expect(firstSteps).toContain("npm ci && npm test");
    expect(dev).toBe("npm run -s receiptd -- dev\n");
    const { scripts } = JSON.parse(text("package.json")) as { scripts: Record<string, string> };
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["demo", "test", "receiptd"]));
  });

  test("its commands do what it says", async () => {
    const { stdout } = await run("bash", ["-euc", script(commands!)], { cwd: dir });
    expect(stdout).toContain("RCP-2026-00001 is stored".replace("2026", String(new Date().getUTCFullYear())));
    expect(stdout).toContain("loan_scorer_v1");
  });

  test("its Python program writes a receipt", async () => {
    const { stdout } = await run("python3", ["-c", blocks("README.md", "python")[1]!], { cwd: dir });
    expect(stdout).toMatch(/^RCP-\d{4}-\d{5} sha256:[0-9a-f]{64} disk\n$/);
  });

  test("one line of each client", async () => {
    const [code] = blocks("README.md", "ts");
    writeFileSync(join(dir, "one-line.ts"), code!);
    expect((await run(process.execPath, ["one-line.ts"], { cwd: dir })).stdout).toBe("APPROVE\n");
    const [python] = blocks("README.md", "python");
    expect((await run("python3", ["-B", "-c", python!], { cwd: dir, env: { ...process.env, PYTHONPATH: join(ROOT, "python/src") } })).stdout).toBe("APPROVE\n");
  });

  test("its table has every command", async () => {
    const { stdout } = await run(process.execPath, [MAIN, "--help"]);
    const listed = stdout.split("Commands:\n")[1]!.split("\n\n")[0]!.matchAll(/^ {2}([a-z][a-z-]+)/gm);
    const missing = [...listed].map(([, name]) => name!).filter((name) => name !== "help" && !new RegExp(`\`${name}[ \`]`).test(text("README.md")));
    expect(missing).toEqual([]);
  });
});

test("PROTOCOL: nc and a here-document", async () => {
  const { stdout } = await run("bash", ["-euc", blocks("docs/PROTOCOL.md", "sh")[0]!], { cwd: dir });
  expect(JSON.parse(stdout)).toMatchObject({ id: 1, result: { ack: "disk", duplicate: false } });
});

test("PROTOCOL: every code of the intake is listed", () => {
  const source = text("src/intake/protocol.ts");
  const table = source.slice(source.indexOf("const NUMBERS"), source.indexOf("};", source.indexOf("const NUMBERS")));
  const codes = [...table.matchAll(/([a-z_]+): (-32\d{3})/g)];
  expect(codes.length).toBeGreaterThan(20);
  for (const [, code, number] of codes) {
    const row = text("docs/PROTOCOL.md").split("\n").find((line) => line.startsWith(`| ${number} `));
    expect(row, `${code} at ${number}`).toContain(`\`${code}\``);
  }
});

test("AUDITING: its commands, on a copy", async () => {
  const status = JSON.parse((await run(process.execPath, [MAIN, "status", "--json"], { cwd: dir })).stdout) as { vkey: string; ledger_id: string };
  await run(process.execPath, [MAIN, "anchor"], { cwd: dir });
  mkdirSync(join(dir, "copy"));
  for (const name of ["ledger.db", "ledger.db-wal", "anchors"]) cpSync(join(dir, "receiptd-data", name), join(dir, "copy", name), { recursive: true });
  const env = { ...process.env, VKEY: status.vkey, LEDGER_ID: status.ledger_id };
  const [whole, gone] = blocks("docs/AUDITING.md", "sh")[0]!.split("\n");
  for (const command of [whole!, gone!]) {
    const { stdout } = await run("bash", ["-euc", script(command)], { cwd: dir, env });
    expect(stdout.split("\n")[0], command).not.toBe("");
  }
});

test("API: its curl lines, and every code", async () => {
  const [open, create, contents] = blocks("docs/API.md", "sh").map((code) => script(code).replaceAll("-2026-", `-${new Date().getUTCFullYear()}-`));
  await run(process.execPath, [MAIN, "append", "--system", "s", "--decision", "1", "--inputs", "{}"], { cwd: dir });
  await run(process.execPath, [MAIN, "anchor"], { cwd: dir });
  const token = (await run("bash", ["-euc", create!], { cwd: dir })).stdout.split("\n")[0]!;
  const env = { ...process.env, API: api, TOKEN: token };
  for (const command of [...open!.split("\n").slice(1), ...contents!.split("\n")].filter((line) => line !== "")) {
    const { stdout } = await run("bash", ["-euc", command.replaceAll("curl ", "curl -f --retry 20 --retry-connrefused --retry-delay 1 ")], { cwd: dir, env: { ...env, API: api } });
    if (!command.includes(" -o ")) expect(stdout.length, command).toBeGreaterThan(50);
  }
  for (const file of ["evidence.json", "export.ndjson"]) expect((await run(process.execPath, [MAIN, "verify-bundle", file, "--vkey", (JSON.parse((await run(process.execPath, [MAIN, "status", "--json"], { cwd: dir })).stdout) as { vkey: string }).vkey], { cwd: dir })).stdout).not.toBe("");
  for (const [, code] of text("src/http/errors.ts").slice(0, text("src/http/errors.ts").indexOf("as const")).matchAll(/^ {2}([a-z_]+): \d{3},$/gm)) expect(text("docs/API.md"), code).toContain(`\`${code}\``);
});

describe("CLIENTS", () => {
  test("its TypeScript does what it says", async () => {
    const outputs = await Promise.all(blocks("docs/CLIENTS.md", "ts").map(async (code, at) => {
      writeFileSync(join(dir, `snippet-${at}.ts`), code);
      return (await run(process.execPath, [`snippet-${at}.ts`], { cwd: dir, env: { ...process.env, RECEIPTD_CLIENT_HTTP: api } })).stdout;
    }));
    expect(outputs).toEqual([
      "{ action: 'APPROVE' }\n",
      expect.stringMatching(/^RCP-\d{4}-\d{5}\ndecision_blocked [0-9a-f-]{36}\n$/),
      expect.stringMatching(/^RCP-\d{4}-\d{5} (?:pending|anchored) true \d+\n$/),
      "queued always 1\ntrue 0\n",
      "2 [ 'writer', 'cashier' ] { estimated_cost_usd: 0.01, refunded_eur: 20 }\n",
    ]);
  });

  test("its variables and options are those of the client", () => {
    const settings = text("src/clients/settings.ts");
    const variables = (from: string): string[] => [...new Set([...from.matchAll(/RECEIPTD_(?:SOCKET|CLIENT_[A-Z_]*[A-Z])/g)].map(([name]) => name))].sort();
    expect(variables(text("docs/CLIENTS.md"))).toEqual(variables(settings));
    for (const [, option] of settings.slice(0, settings.indexOf("interface Settings")).matchAll(/^ {2}readonly (\w+)\?:/gm)) {
      if (option !== "breaker") expect(text("docs/CLIENTS.md"), option).toContain(`\`${option}`);
    }
  });
});

describe("links and names", () => {
  test.each(documents)("%s points at files that are there", (name) => {
    const prose = text(name).replaceAll(/^```[\s\S]*?^```$/gm, "");
    for (const [, target] of prose.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(existsSync(resolve(ROOT, dirname(name), target!)), target).toBe(true);
    }
    for (const [, path] of text(name).matchAll(/`((?:src|test|config|scripts|docs|examples)\/[\w./-]+)`/g)) {
      expect(existsSync(join(ROOT, path!)), path).toBe(true);
    }
  });

  test("FORMAT has every code that the format's own errors have", () => {
    const union = text("src/format/errors.ts").matchAll(/\| "([a-z0-9_]+)"/g);
    for (const [, code] of union) expect(text("docs/FORMAT.md"), code).toContain(`\`${code}\``);
  });
});
