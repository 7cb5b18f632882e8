/**
 * An agent's side: it starts its MCP server through `receiptd wrap` instead of by itself, and calls a tool. That is all there is to change.
 *
 *     npx node examples/mcp/main.ts [--socket PATH] [--payments FILE]
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const { values: { socket, payments } } = parseArgs({
  options: { socket: { type: "string", default: "receiptd-data/receiptd.sock" }, payments: { type: "string", default: "payments.txt" } },
});
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const RECEIPTD = here("../../dist/cli/main.js");
const ORDERS = [{ to: "Ada", amount: 120 }, { to: "Grace", amount: 75.5, card: "4111 1111 1111 1111" }];

const agent = new Client({ name: "example-agent", version: "1.0.0" });
await agent.connect(new StdioClientTransport({
  command: process.execPath,
  args: [RECEIPTD, "--socket", socket, "wrap", "--redact", "card", "--patience", "1", "--", process.execPath, here("server.ts"), payments],
}));

let failures = 0;
for (const order of ORDERS) {
  try {
    const { content } = await agent.callTool({ name: "pay", arguments: order });
    console.log((content as readonly { readonly text: string }[])[0]!.text);
  } catch (error) {
    failures++;
    console.log(`${order.to} is not paid: ${error instanceof Error ? error.message : String(error)}`);
  }
}
await agent.close();
process.exitCode = failures === 0 ? 0 : 1;
