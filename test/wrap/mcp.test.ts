/** `receiptd wrap` as it is installed, between MCP's own client and a server made with MCP's own library, which pays into a file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { McpError } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { here, serveHere } from "../cli/here.ts";
import { Host, MAIN } from "../cli/host.ts";
import { init } from "../cli/talk.ts";
import { receiptsOf } from "./ledger.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/mcp");

let host: Host;
beforeEach(() => { host = new Host(); });
afterEach(async () => { await host.remove(); });

const socket = (): string => host.path("receiptd-data/receiptd.sock");
const payments = (): string[] => (existsSync(host.path("payments")) ? readFileSync(host.path("payments"), "utf8").trimEnd().split("\n") : []);

describe("the server's end is the end", () => {
  const shell = (script: string) => host.start(["wrap", "--", "sh", "-c", script]);

  test("its exit code and its standard error are passed on, and what it said until then", async () => {
    const { code, stdout, stderr } = await shell(`echo '{"jsonrpc":"2.0","method":"notifications/message"}'; echo noise; echo from the server >&2; exit 7`).ended;
    expect({ code, stdout }).toEqual({ code: 7, stdout: '{"jsonrpc":"2.0","method":"notifications/message"}\n' });
    expect(stderr).toContain("from the server\n");
    expect(stderr).toContain("receiptd wrap: a line of the server is not passed on");
  });

  test("a signal is passed on, and one that ended it is told as shells tell it", async () => {
    const { child, ended } = shell(`trap 'trap - TERM; kill -TERM $$' TERM; echo '{"jsonrpc":"2.0","method":"ready"}'; while :; do sleep 0.1; done`);
    await once(child.stdout!, "data");
    child.kill("SIGTERM");
    expect((await ended).code).toBe(143);
  });

  test("another process that has its output is not waited for", async () => {
    const { child, ended } = shell("sleep 20 2>/dev/null & exit 3");
    expect((await ended).code).toBe(3);
    expect(child.signalCode).toBeNull();
  });

  test("one that cannot be started is said", async () => {
    const { code, stdout, stderr } = await host.run(["wrap", "--", "./not-there", "--json"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/"?server_not_started/);
  });
});

test("the manual has every option, outcome and code", async () => {
  const manual = readFileSync(join(import.meta.dirname, "../../docs/integrations/mcp.md"), "utf8");
  const { stdout } = await here(host, ["wrap", "--help"]);
  const options = [...stdout.split("Global Options:")[0]!.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option]) => option!);
  expect(options).toContain("--hash-inputs");
  const source = readFileSync(join(import.meta.dirname, "../../src/wrap/recorder.ts"), "utf8");
  const outcomes = [.../readonly outcome: (.*);/.exec(source)![1]!.matchAll(/"([a-z_]+)"/g)].map(([, outcome]) => `\`${outcome}\``);
  expect(outcomes.length).toBeGreaterThan(4);
  for (const word of [...options, ...outcomes, "-32050", "-32051", "-32600", "-32602"]) expect(manual).toContain(word);
});

test("the example pays with a daemon, and not without", async () => {
  await init(host);
  const daemon = await serveHere(host);
  const example = async (): Promise<{ readonly code: number; readonly stdout: string }> => {
    const child = spawn(process.execPath, [join(EXAMPLE, "main.ts"), "--socket", socket(), "--payments", host.path("payments")], { cwd: host.dir, stdio: ["ignore", "pipe", "ignore"] });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => { stdout += text; });
    const [code] = (await once(child, "close")) as [number];
    return { code, stdout };
  };
  expect(await example()).toEqual({ code: 0, stdout: "paid 120 to Ada\npaid 75.5 to Grace\n" });
  const receipts = await receiptsOf(host);
  expect(receipts.map(({ type, inputs }) => [type, inputs])).toEqual([
    ["decision", { to: "Ada", amount: 120 }], ["x_tool_result", undefined], ["decision", { to: "Grace", amount: 75.5, card: "[redacted]" }], ["x_tool_result", undefined],
  ]);
  expect(receipts[0]).toMatchObject({ system_id: "mcp:payments", metadata: { client: { name: "example-agent" }, server: { name: "payments" } } });
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  const { code, stdout } = await example();
  expect(code).toBe(1);
  expect(stdout).toMatch(/^Ada is not paid: .*no receipt.*\nGrace is not paid: .*\n$/);
  expect(payments()).toEqual(["Ada 120", "Grace 75.5"]);
});

test("the daemon is killed in the middle of a session: nothing is executed without a receipt, and the session goes on when it is back", async () => {
  await init(host);
  const daemon = await host.serve();
  const agent = new Client({ name: "agent", version: "1" });
  await agent.connect(new StdioClientTransport({
    command: process.execPath, stderr: "ignore",
    args: [MAIN, "--socket", socket(), "wrap", "--patience", "2", "--", process.execPath, join(EXAMPLE, "server.ts"), host.path("payments")],
  }));
  const paid: number[] = [];
  const failed: { readonly n: number; readonly code: number; readonly executed: unknown }[] = [];
  const pay = async (n: number): Promise<void> => {
    try {
      await agent.callTool({ name: "pay", arguments: { to: "x", amount: n } });
      paid.push(n);
    } catch (error) {
      if (!(error instanceof McpError)) throw error;
      failed.push({ n, code: error.code, executed: (error.data as { readonly executed: unknown }).executed });
    }
  };
  let next = 1;
  while (paid.length < 40) await Promise.all(Array.from({ length: 20 }, () => pay(next++)));
  const killed = once(daemon.child, "exit");
  const around = Promise.all(Array.from({ length: 60 }, () => pay(next++)));
  daemon.child.kill("SIGKILL");
  await killed;
  await Promise.all(Array.from({ length: 20 }, () => pay(next++)));
  await around;
  expect((await agent.listTools()).tools).toHaveLength(1); // what is no tool call goes on
  const before = payments().length;
  expect(failed.length).toBeGreaterThanOrEqual(20);
  const again = await serveHere(host);
  for (const paidBefore = paid.length; paid.length === paidBefore;) {
    await pay(next++);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await agent.close();

  const receipts = await receiptsOf(host);
  const asked = new Map(receipts.filter(({ type }) => type === "decision").map((one) => [(one.inputs as { readonly amount: number }).amount, one.receipt_id]));
  const recorded = new Set(receipts.filter((one) => one["x_outcome"] === "result").map((one) => one["x_receipt_id"]));
  const executed = payments().map((line) => Number(line.split(" ")[1]));
  expect(new Set(executed).size).toBe(executed.length);
  expect(executed.filter((n) => !asked.has(n))).toEqual([]);
  expect(paid.filter((n) => !recorded.has(asked.get(n)))).toEqual([]);
  expect(paid.filter((n) => !executed.includes(n))).toEqual([]);
  expect(failed.filter(({ n, code, executed: said }) => said !== (code === -32051) || executed.includes(n) !== said)).toEqual([]);
  expect(executed.length).toBeGreaterThan(before);
  again.child.kill("SIGTERM");
  await again.ended;
});
