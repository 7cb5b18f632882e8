/** The examples against a stand-in for the daemon, which does what a real one does only now and then: refuse, hang up, forget to answer. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRequest } from "../src/format/request.ts";
import { type Json, parseStrict } from "../src/format/strict-json.ts";

const SCORER = fileURLToPath(new URL("../examples/loan-scorer/main.ts", import.meta.url));
const REPLAY = fileURLToPath(new URL("../examples/loan-scorer/replay.ts", import.meta.url));
const PYTHON = fileURLToPath(new URL("../examples/python/loan_scorer.py", import.meta.url));
const CSV = fileURLToPath(new URL("../examples/python/applicants.csv", import.meta.url));
const APPLICANTS = 40;

interface Receipt {
  readonly receipt_id: string;
  readonly decision: { readonly action: string; readonly score: number };
  readonly inputs: { readonly applicant_id: string };
  readonly [name: string]: Json;
}

let dir: string;
let socket: string;
let server: Server;
/** Texts of receipts in the order in which they came. */
let received: string[];
/** What to answer to the nth receipt. */
let behave: (n: number, acknowledge: () => void, socket: Socket, refuse: (retry: boolean) => void) => void;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "receiptd-test-"));
  socket = join(dir, "s");
  received = [];
  behave = (_, acknowledge) => acknowledge();
  server = createServer((connection) => {
    connection.on("error", () => undefined);
    createInterface(connection).on("line", (line) => {
      const { id, params } = parseStrict(line) as { readonly id: number; readonly params: { readonly receipt: Receipt } };
      const n = received.push(JSON.stringify(params.receipt)) - 1;
      const { receipt_id } = params.receipt;
      const answer = (body: object): void => void connection.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...body })}\n`);
      behave(n, () => answer({ result: { receipt_id, receipt_number: `LOANS-2026-${String(n + 1).padStart(5, "0")}`, log_index: n, receipt_hash: "sha256:" } }),
        connection, (retry) => answer({ error: { code: -32003, message: "no room", data: { code: "disk_full", retry } } }));
    });
  });
  server.listen(socket);
  await once(server, "listening");
});

afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function run(command: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => { stdout += text; });
  child.stderr.on("data", (text) => { stderr += text; });
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

async function score(...args: readonly string[]) {
  const { code, stdout } = await run(process.execPath, SCORER, "--socket", socket, "--json", ...args);
  return { code, ...(JSON.parse(stdout) as { readonly acted: number; readonly not_recorded: { readonly [why: string]: number } }) };
}

const receipts = (): Receipt[] => received.map((text) => JSON.parse(text) as Receipt);

test("acts on every acknowledged decision and keeps the acknowledgements", async () => {
  const acks = join(dir, "acks");
  expect(await score("--count", "100", "--acks", acks)).toMatchObject({ code: 0, acted: 100, not_recorded: {} });
  const kept = readFileSync(acks, "utf8").trimEnd().split("\n").map((line) => (JSON.parse(line) as Receipt).receipt_id);
  expect(kept.toSorted()).toEqual(receipts().map((one) => one.receipt_id).toSorted());
});

test("does not act on what is refused", async () => {
  behave = (n, acknowledge, _, refuse) => n % 4 === 0 ? refuse(false) : acknowledge();
  expect(await score("--count", "100")).toMatchObject({ code: 1, acted: 75, not_recorded: { "disk_full: no room": 25 } });
});

test("sends the same receipt again when it may try again, or the connection is lost", async () => {
  behave = (n, acknowledge, connection, refuse) => n === 10 ? refuse(true) : n === 70 ? connection.destroy() : acknowledge();
  expect(await score("--count", "100")).toMatchObject({ code: 0, acted: 100 });
  const texts = new Set(received);
  expect(received.length).toBeGreaterThan(100);
  expect(texts.size).toBe(100); // sent again unchanged, under the same receipt_id
});

test("does not act without a daemon", async () => {
  server.close();
  const { code, acted, not_recorded } = await score("--count", "5");
  expect({ code, acted, times: Object.values(not_recorded) }).toEqual({ code: 1, acted: 0, times: [5] });
});

test("receipts are accepted, and hold neither name nor id", async () => {
  await score("--count", String(APPLICANTS));
  const rows = readFileSync(CSV, "utf8").trimEnd().split("\n").slice(1).map((line) => line.split(","));
  expect(rows).toHaveLength(APPLICANTS);
  for (const text of received) {
    expect(readRequest(parseStrict(text), "", () => "").organization).toBe("loans");
    for (const [id, name] of rows) {
      expect(text).not.toContain(id);
      expect(text).not.toContain(name);
    }
  }
});

test("decisions are made again from their inputs alone, and of another model not at all", async () => {
  await score("--count", String(APPLICANTS));
  const [first, ...asked] = receipts().map(({ receipt_id, system_id, model_version, inputs }) => ({ receipt_id, system_id: system_id as string, model_version: model_version as string, inputs: inputs as object }));
  const odd = [{ ...first!, model_version: "v0" }, { ...first!, inputs: { applicant_id: "" } }];
  const { status, stdout } = spawnSync(process.execPath, [REPLAY], { input: [...asked, ...odd].map((one) => `${JSON.stringify(one)}\n`).join(""), encoding: "utf8" });
  const answers = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as object);
  expect(status).toBe(0);
  expect(answers.slice(0, -2)).toEqual(receipts().slice(1).map(({ receipt_id, decision }) => ({ receipt_id, decision })));
  expect(answers.slice(-2)).toEqual([expect.objectContaining({ error: "this is loan_scorer_v1 v1.4.0" }), expect.objectContaining({ error: expect.stringContaining("lack credit_score") as string })]);
});

test("the CSV is what the loan scorer prints", async () => {
  const { stdout } = await run(process.execPath, SCORER, "--csv", "--count", String(APPLICANTS));
  expect(stdout).toBe(readFileSync(CSV, "utf8"));
});

test("the Python example makes the same receipts of the same applicants", async () => {
  const key = join(dir, "key");
  writeFileSync(key, "0123456789abcdef0123456789abcdef");
  await score("--count", String(APPLICANTS), "--key", key);
  const byApplicant = () => new Map(receipts().map((one) => [one.inputs.applicant_id, { ...one, receipt_id: "", timestamp: "", system_id: "" }]));
  const expected = byApplicant();
  received = [];
  const { code, stdout } = await run("python3", PYTHON, "--socket", socket, "--key", key, CSV);
  expect(code).toBe(0);
  expect(byApplicant()).toEqual(expected);
  expect(expected.size).toBe(APPLICANTS);
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^40 decisions recorded and acted on: /);
});

test("the Python example stops at what cannot be recorded", async () => {
  behave = (n, acknowledge, _, refuse) => n === 7 ? refuse(false) : acknowledge();
  const { code, stdout, stderr } = await run("python3", PYTHON, "--socket", socket, CSV);
  expect({ code, lines: stdout.trimEnd().split("\n").length }).toEqual({ code: 1, lines: 7 });
  expect(stderr).toContain("not recorded, so not acted on: no room; 7 of 40 decisions were");
});

test("the Python example sends the same receipt again after a lost connection", async () => {
  behave = (n, acknowledge, connection) => n === 3 ? connection.destroy() : acknowledge();
  const { code } = await run("python3", PYTHON, "--socket", socket, CSV);
  expect(code).toBe(0);
  expect(received[4]).toBe(received[3]);
  expect(received).toHaveLength(APPLICANTS + 1);
});
