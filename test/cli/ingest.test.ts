/** `receiptd ingest` on a real daemon: what is refused, running it twice, and a daemon that is killed on the way. */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { here } from "./here.ts";
import { Host, type Ran, receipt, type Running, until } from "./host.ts";
import { init, talk } from "./talk.ts";

const host = new Host();
let daemon: Running;

beforeAll(async () => {
  await init(host);
  daemon = await host.serve();
});
afterAll(() => host.remove());

interface Ingested {
  readonly stored: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly refusals: readonly { readonly line: number; readonly code: string; readonly pointer?: string }[];
}

const ingested = (ran: Ran): Ingested => JSON.parse(ran.stdout) as Ingested;

/** `inputs.n` of every receipt of an organization, in the order of the log. */
async function numbersOf(organization: string): Promise<number[]> {
  const list = await here(host, ["list", "--organization", organization, "--limit", "0", "--json"]);
  const ids = list.stdout.trim().split("\n").map((line) => (JSON.parse(line) as { receipt_id: string }).receipt_id);
  expect(new Set(ids).size).toBe(ids.length);
  return ids.map(numberIn);
}

/** The tests' receipts carry their number in the last part of the id, where they choose one. */
function numberIn(id: string): number {
  return Number.parseInt(id.slice(-12), 16);
}

function numbered(n: number, organization: "killed" | "away"): string {
  return receipt(n, { organization, receipt_id: `0198c0de-0000-7000-${organization === "killed" ? 8001 : 8002}-${n.toString(16).padStart(12, "0")}` });
}

test("lines with and without ids, twice the same, empty ones; those refused are named; again nothing is doubled", async () => {
  const lines = [
    receipt(1, { timestamp: "2026-01-01T00:00:00Z" }), receipt(2), "", receipt(2), "  \r", receipt(2),
    '{"system_id":"a"', // 7
    '{"system_id":"a","decision":1,"inputs":{"n":-0}}', // 8
    receipt(3, { summary: 7 }), // 9
    receipt(4, { receipt_id: "0198c0de-0000-7000-8000-00000000000a" }),
    receipt(5, { receipt_id: "0198c0de-0000-7000-8000-00000000000a" }), // 11
    `{"x_long":"${"x".repeat(4 * 1024 * 1024)}"}`, // 12
    receipt(6, { organization: "Not A Name" }), // 13, the last one and without a line feed
  ];
  writeFileSync(host.path("some.ndjson"), lines.join("\n"));
  const first = await here(host, ["ingest", "some.ndjson", "--json"]);
  expect(first.code).toBe(1);
  expect(ingested(first)).toMatchObject({ stored: 5, duplicates: 0, refused: 6 });
  expect(ingested(first).refusals.map(({ line, code, pointer }) => [line, code, pointer])).toEqual([
    [7, "bad_json", undefined],
    [8, "number_negative_zero", "/inputs/n"],
    [9, "bad_field", "/summary"],
    [11, "conflict", undefined],
    [12, "too_large", undefined],
    [13, "bad_field", "/organization"],
  ]);
  const again = await here(host, ["ingest", "some.ndjson"]);
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(/^6 lines refused; 0 receipts stored, 5 were there already\.\n {2}line 7: bad_json: /);
  expect(again.stdout).toContain("\n  line 9: bad_field: /summary: ");
});

test("a line of 1 MiB, from standard input", async () => {
  const line = receipt(1, { x_long: "x".repeat(1024 * 1024 - 400) });
  expect(ingested(await host.must(["ingest", "-", "--json"], { input: `${line}\n` }))).toMatchObject({ stored: 1, refused: 0 });
});

test("only the first 20 refusals are listed, by line", async () => {
  const lines = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? "{" : receipt(i, { summary: 1 })));
  writeFileSync(host.path("refused.ndjson"), lines.join("\n"));
  const ran = await here(host, ["ingest", "refused.ndjson", "--json"]);
  expect(ingested(ran).refused).toBe(60);
  expect(ingested(ran).refusals.map(({ line }) => line)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

test("a daemon that is killed and comes back: every line is there once", async () => {
  const all = Array.from({ length: 4000 }, (_, n) => numbered(n, "killed"));
  const ingest = host.start(["ingest", "-", "--json", "--patience", "20"]);
  const { stdin } = ingest.child;
  stdin!.write(`${all.slice(0, 2000).join("\n")}\n`);
  await talk(host, async (client) => {
    while (Number((await client.must("status"))["size"]) < 500);
  });
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  stdin!.end(all.slice(2000).join("\n"));
  await until(() => ingest.stderr().includes("trying again"), ingest);
  daemon = await host.serve();
  const ran = await ingest.ended;
  expect(ran.code).toBe(0);
  expect(ingested(ran)).toMatchObject({ refused: 0 });
  expect(ingested(ran).stored + ingested(ran).duplicates).toBe(4000);
  expect((await numbersOf("killed")).sort((a, b) => a - b)).toEqual(Array.from({ length: 4000 }, (_, n) => n));
});

test("a daemon that stays away: exit code 2, and what to do", async () => {
  const ingest = host.start(["ingest", "-", "--patience", "1"]);
  ingest.child.stdin!.write(`${numbered(1, "away")}\n`);
  const stored = async (): Promise<number | null> => (await here(host, ["list", "--organization", "away", "--json"])).code;
  while ((await stored()) !== 0);
  daemon.child.kill("SIGTERM");
  expect((await daemon.ended).code).toBe(0);
  ingest.child.stdin!.end(numbered(2, "away"));
  const { code, stdout, stderr } = await ingest.ended;
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("1 receipt stored, none refused. Not all lines were settled: run the same command again, nothing is doubled.\n");
  expect(stderr).toMatch(/\nreceiptd: daemon_not_running: .*\n$/);
  expect(stderr.match(/; trying again for 1 s\n/g)).toHaveLength(1);
  const append = await host.run(["append", "--patience", "1"], { input: receipt(7) });
  expect(append.stderr).toMatch(/^receiptd: daemon_not_running: .*; trying again for 1 s\nreceiptd: daemon_not_running: .*\n$/);
  const none = await here(host, ["ingest", "some.ndjson"]);
  expect([none.code, none.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: daemon_not_running: /)]);
  daemon = await host.serve();
});
