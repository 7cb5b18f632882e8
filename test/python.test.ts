/**
 * The second implementation: test/python/verify.py was written from docs/FORMAT.md alone, by someone who had not seen src/. It must
 * agree on every golden vector, and on what the daemon writes.
 */
import { execFile, spawn } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../src/format/bytes.ts";
import { openKeyring } from "../src/keys/keyring.ts";
import { openRootKeyFile } from "../src/keys/root-key.ts";
import { receiptd } from "./faults/daemon-process.ts";

const run = promisify(execFile);
const VERIFY = join(import.meta.dirname, "python/verify.py");

test("is under 200 lines and imports nothing but the standard library", () => {
  const source = readFileSync(VERIFY, "utf8");
  expect(source.trimEnd().split("\n").length).toBeLessThan(200);
  const modules = [...source.matchAll(/^(?:import|from) (.+?)(?: import .*)?$/gm)].flatMap(([, names]) => names!.split(",").map((name) => name.trim()));
  expect(modules.filter((name) => !["argparse", "base64", "binascii", "calendar", "datetime", "decimal", "functools", "hashlib", "hmac", "itertools", "json", "math", "os", "pathlib", "re", "sqlite3", "struct", "sys", "urllib.parse"].includes(name))).toEqual([]);
});

test("agrees on all golden vectors but those of evidence and exports, which have verifiers of their own, and of reports and attestations, which the Go libraries look at", async () => {
  const { stdout } = await run("python3", [join(import.meta.dirname, "python/run_vectors.py"), join(import.meta.dirname, "vectors")]);
  const lines = stdout.trim().split("\n").map((line) => /^(\S+): (\d+)\/(\d+) agreed$/.exec(line));
  expect(lines.map((match) => match?.[1]).sort()).toEqual(readdirSync(join(import.meta.dirname, "vectors")).filter((name) => name.endsWith(".json") && !["evidence.json", "exports.json", "reports.json", "attestations.json"].includes(name)).sort());
  for (const match of lines) expect(match![2]).toBe(match![3]);
}, 120_000);

describe("on a ledger and anchors that the daemon wrote", () => {
  let dir: string;
  const command = async (...args: string[]): Promise<string> => {
    const [node, ...rest] = receiptd(...args);
    return (await run(node!, rest, { cwd: dir })).stdout;
  };
  let args: string[];
  const verify = async (): Promise<number> => {
    try {
      await run("python3", [VERIFY, ...args]);
      return 0;
    } catch (error) {
      return (error as { code: number }).code;
    }
  };
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "receiptd-python-"));
    const [node, ...rest] = receiptd("dev");
    const daemon = spawn(node!, rest, { cwd: dir, stdio: "ignore" });
    const data = join(dir, "receiptd-data");
    for (let i = 0; i < 400 && !existsSync(join(data, "receiptd.sock")); i++) await new Promise((done) => setTimeout(done, 50));
    const lines = Array.from({ length: 300 }, (_, i) => `${JSON.stringify({ system_id: "s", decision: { n: i, score: i / 7 }, inputs: { name: `Grüße ${i} \u{1f600}` }, organization: `o${i % 3}` })}\n`);
    appendFileSync(join(dir, "receipts.ndjson"), lines.join(""));
    await command("ingest", "receipts.ndjson");
    await command("anchor");
    await command("append", "--system", "s", "--decision", "1", "--inputs", "{}");
    const ended = new Promise((done) => daemon.once("exit", done));
    daemon.kill("SIGTERM");
    await ended;
    const keyring = openKeyring(join(data, "keyring.json"), openRootKeyFile(join(data, "root.key")));
    args = ["--origin", keyring.origin, "--ledger-id", keyring.ledgerId, "--vkey", keyring.checkpointKeys[0]!.vkey,
      "--seed", toHex(keyring.hmacKeys[0]!.seed!), "--key-id", keyring.hmacKeys[0]!.keyId, join(data, "anchors"), join(data, "ledger.db")];
  }, 60_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("finds nothing", async () => expect(await verify()).toBe(0));

  test("and finds a byte that was added to a batch object", async () => {
    const anchors = args.at(-2)!;
    const name = readdirSync(anchors, { recursive: true, encoding: "utf8" }).find((path) => path.endsWith(".entries"))!;
    chmodSync(join(anchors, name), 0o644);
    appendFileSync(join(anchors, name), "x");
    expect(await verify()).toBe(1);
  });
});
