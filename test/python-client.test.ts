/** The Python client: its own tests, what its README shows, and its wheel in an environment with nothing else. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "../src/clients/index.ts";
import { environment, receiptd } from "./faults/daemon-process.ts";

const run = promisify(execFile);
const PYTHON = resolve(import.meta.dirname, "../python");
const LONG = process.env["RECEIPTD_LONG"] === "1";
const text = (name: string): string => readFileSync(join(PYTHON, name), "utf8");

describe.concurrent("its tests hold, and none is left out", () => {
  test.each([["test_[!f]*.py", 120], ["test_f*.py", 1]] as const)("%s", async (pattern, least) => {
    const { stderr } = await run("python3", ["-B", "-m", "unittest", "discover", "-s", "tests", "-p", pattern], {
      cwd: PYTHON, env: { ...process.env, PYTHONPATH: join(PYTHON, "src"), RECEIPTD_TEST_NODE: process.execPath }, maxBuffer: 16 * 1024 * 1024,
    });
    const [, count, verdict] = /\nRan (\d+) tests? in [\d.]+s\n\n(.*)\n$/.exec(stderr)!;
    expect(verdict).toBe("OK");
    expect(Number(count)).toBeGreaterThanOrEqual(least);
  }, LONG ? 900_000 : 180_000);
});

test("imports nothing but the standard library, but for what an integration is used with, and has the package's version", async () => {
  const { stdout } = await run("python3", ["-B", "-c", [
    "import ast, pathlib, sys",
    "for file in pathlib.Path('src').rglob('*.py'):",
    "    for node in ast.walk(ast.parse(file.read_text())):",
    "        names = [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []",
    "        print(*(name for name in names if name.split('.')[0] not in sys.stdlib_module_names and not (file.parent.name == 'integrations' and name.startswith('langchain_core.'))), sep='', end='')",
    "sys.path[:0] = ['src']",
    "import receiptd.integrations.langchain",
    "print(*(name for name in sys.modules if name.startswith('langchain')), sep='', end='')",
  ].join("\n")], { cwd: PYTHON });
  expect(stdout).toBe("");
  const { version } = JSON.parse(readFileSync(join(PYTHON, "../package.json"), "utf8")) as { version: string };
  expect(text("pyproject.toml")).toContain(`\nversion = "${version}"\n`);
});

describe("beside a daemon", () => {
  let dir: string;
  let daemon: ChildProcess;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "receiptd-python-client-"));
    const [node, ...args] = receiptd("dev");
    daemon = spawn(node!, args, { cwd: dir, stdio: "ignore", env: { ...environment(), RECEIPTD_HTTP__LISTEN: "127.0.0.1:0" } });
    for (let i = 0; i < 400 && !existsSync(join(dir, "receiptd-data/receiptd.sock")); i++) await new Promise((done) => setTimeout(done, 50));
  });
  afterAll(async () => {
    const ended = new Promise((done) => daemon.once("exit", done));
    daemon.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });

  test("what its README shows runs as it stands there", async () => {
    const [decisions, calls, chain, spool, ...others] = [...text("README.md").matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
    expect(others).toEqual([]);
    const env = { ...environment(), PYTHONPATH: join(PYTHON, "src") };
    const says = async (code: string): Promise<string> => (await run("python3", ["-B", "-c", code], { cwd: dir, env })).stdout;
    expect(await says(decisions!)).toMatch(/^RCP-\d{4}-00001 sha256:[0-9a-f]{64}\n\{'action': 'APPROVE'\}\nblocked: \['policy_bounds'\] recorded as RCP-\d{4}-00002\n$/);
    expect(await says(calls!)).toMatch(/^RCP-\d{4}-00003 False pending\nNone closed\n100 stored\n$/);
    expect(await says(chain!)).toBe("{'estimated_cost_usd': 0.02, 'paid_eur': 500}\n");
    expect(await says(spool!)).toBe("True True\n");
  });

  test("a spool that one language has left is delivered by the other", async () => {
    const socket = join(dir, "receiptd-data/receiptd.sock");
    const open = (spool: string, path: string): Client => new Client({ socket: path, spool: join(dir, spool), spoolMode: "always", systemId: "s" });
    const put = async (spool: string): Promise<string> => {
      await using client = open(spool, join(dir, "none"));
      return (await client.append({ decision: { text: "ä\u2028\n", n: 0.1 }, inputs: {} })).receiptId;
    };
    const left = await put("from-typescript");
    const { stdout } = await run("python3", ["-B", "-c", `
import receiptd
with receiptd.Client("none", spool="from-python", spool_mode="always", system_id="s") as client:
    left = client.append({"decision": {"text": "\u00e4\u2028\\n", "n": 0.1}, "inputs": {}}).receipt_id
with receiptd.Client("${socket}", spool="from-typescript") as client:
    print(left, client.spool.flush(20), client.get("${left}").receipt["decision"] == {"text": "\u00e4\u2028\\n", "n": 0.1})
`], { cwd: dir, env: { ...environment(), PYTHONPATH: join(PYTHON, "src") } });
    const [other, ...did] = stdout.trim().split(" ");
    expect(did).toEqual(["True", "True"]);
    await using client = open("from-python", socket);
    expect(await client.spool!.flush(20_000)).toBe(true);
    expect((await client.get(other!)).receipt["decision"]).toEqual({ text: "ä\u2028\n", n: 0.1 });
    expect([client.spool!.refused, client.spool!.damaged]).toEqual([0, 0]);
  }, 60_000);

  test("its wheel, alone in an environment, stores a receipt that receiptd verifies", async () => {
    const [node, ...verify] = receiptd("verify");
    await run("python3", ["-m", "venv", "--without-pip", "venv"], { cwd: dir });
    const python = join(dir, "venv/bin/python");
    const { stdout: site } = await run(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"]);
    await run("python3", ["-B", "-c", BUILD, PYTHON, dir, site]);
    const { stdout } = await run(python, ["-c", "import receiptd; print(receiptd.Client(system_id='wheel').append({'decision': 1, 'inputs': {}}).receipt_number, receiptd.__file__)"], { cwd: dir, env: environment() });
    const [number, file] = stdout.trim().split(" ");
    expect(file!.startsWith(site)).toBe(true);
    expect((await run(node!, [...verify, number!], { cwd: dir, env: environment() })).stdout).toContain(number);
  }, 60_000);
});

/** As a build does it, from the sources' own backend, and as an installer unpacks it. */
const BUILD = `
import pathlib, sys, zipfile
sources, folder, site = sys.argv[1:]
sys.path.insert(0, sources)
import backend
with zipfile.ZipFile(pathlib.Path(folder, backend.build_wheel(folder))) as wheel:
    assert {"receiptd/py.typed", "receiptd/integrations/langchain.py"} <= set(wheel.namelist())
    wheel.extractall(site)
`;
