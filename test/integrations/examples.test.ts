/** The examples do what they say, each in a process of its own, with a daemon and, the one that says what happens then, without. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must, serveHere } from "../cli/here.ts";
import { Host, type Ran } from "../cli/host.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples/integrations");
let host: Host;
let daemon: Awaited<ReturnType<typeof serveHere>>;
beforeAll(async () => {
  host = new Host();
  await must(host, ["init"]);
  daemon = await serveHere(host);
});
afterAll(async () => {
  daemon.child.kill();
  await daemon.ended;
  await host.remove();
});

const run = (name: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> => host.start([], env, join(EXAMPLES, name)).ended;

test.each([
  ["ai-sdk.ts", /^(RCP-\d{4}-\d{5}): pay\npaid 5\nRCP-\d{4}-\d{5}: answers\nDone\.\n$/],
  ["openai.ts", /^RCP-\d{4}-\d{5}\nApprove it\.\nRCP-\d{4}-\d{5}\nApprove it\.\n$/],
  ["anthropic.ts", /^RCP-\d{4}-\d{5}\npaid \[\{"amount":5\}\]\nblocked: .*amount_limit failed\n$/],
  ["langchain.ts", /^RCP-\d{4}-\d{5}\nRefund 20 EUR\.\nrefunded 20\nrefunded\n$/],
])("%s", async (name, said) => {
  const { code, stdout, stderr } = await run(name);
  expect(stdout + stderr).toMatch(said);
  expect(code).toBe(0);
});

test("without a daemon nothing is paid", async () => {
  const { code, stdout } = await run("ai-sdk.ts", { RECEIPTD_SOCKET: host.path("nobody.sock"), RECEIPTD_CLIENT_TIMEOUT_MS: "100" });
  expect(stdout).toBe("nothing was done: unreachable\n");
  expect(code).toBe(1);
});
