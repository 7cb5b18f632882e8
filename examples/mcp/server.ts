/** An MCP server as anybody has one: it knows nothing of receipts. Its one tool pays, which here is a line in a file. */
import { appendFileSync } from "node:fs";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const [file = "payments.txt"] = process.argv.slice(2);
const server = new McpServer({ name: "payments", version: "1.0.0" });

server.registerTool("pay", { description: "Pays somebody.", inputSchema: { to: z.string(), amount: z.number().positive(), card: z.string().optional() } }, ({ to, amount }) => {
  appendFileSync(file, `${to} ${amount}\n`);
  return { content: [{ type: "text", text: `paid ${amount} to ${to}` }] };
});

await server.connect(new StdioServerTransport());
