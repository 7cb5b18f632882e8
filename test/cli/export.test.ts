/** `receiptd export` beside a daemon, and `verify-bundle` of what it wrote. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { here, must, type Served, serveHere } from "./here.ts";
import { Host, json } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

describe("export", () => {
  const host = new Host();
  let daemon: Served;
  let vkey: string;
  beforeAll(async () => {
    ({ vkey } = await init(host));
    daemon = await serveHere(host);
    await talk(host, async (client) => {
      for (const n of [1, 2, 3, 4]) await client.must("append", appending(n, n % 2 === 0 ? {} : { organization: "cards" }));
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
      await client.must("append", appending(5));
    });
  });
  afterAll(async () => {
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    await host.remove();
  });

  test("is written while the daemon runs, and checked with nothing but the key", async () => {
    const made = json(await must(host, ["export", "--organization", "loans", "-o", "loans.ndjson", "--json"]));
    expect(made).toMatchObject({ file: "loans.ndjson", verdict: "complete_until", receipts: 2, first: 0 });
    const checked = json(await must(host, ["verify-bundle", "loans.ndjson", "--vkey", vkey, "--json"]));
    expect(checked).toMatchObject({ verdict: "complete_until", problem: null, organization: "loans", from: null, to: null, receipts: 2, first: 0, end: made["end"], signed_by: [vkey], sentence: made["sentence"] });
    expect(existsSync(host.path(`receiptd-data/anchors/${(checked["published"] as readonly [{ object: string }])[0].object}`))).toBe(true);
    const lines = readFileSync(host.path("loans.ndjson"), "utf8").split("\n");
    expect(lines.slice(1, -2).filter((line) => line.startsWith("{")).every((line) => /"organization":"(loans|_ledger)"/.test(line))).toBe(true);
    expect((await must(host, ["verify-bundle", "loans.ndjson", "--vkey", vkey])).stdout).toMatch(/^All 2 receipts of loans in the ledger test\.example\/receipts from its beginning/);
  });

  test("comes through a pipe as well", async () => {
    const { stdout, status } = spawnSync("sh", ["-c", 'cat loans.ndjson | "$0" "$1" verify-bundle /dev/stdin --vkey "$2"', process.execPath, MAIN, vkey], { cwd: host.dir, encoding: "utf8" });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^All 2 receipts of loans/)]);
  });

  test("a file that was changed shows nothing; without a key nothing is called verified", async () => {
    const text = readFileSync(host.path("loans.ndjson"), "utf8");
    for (const [name, changed] of [["cut", text.slice(0, -30)], ["changed", text.replace("APPROVE", "DENY")], ["other", text.replace('"format":"receiptd-export/1"', '"format":"receiptd-export/2"')]] as const) {
      writeFileSync(host.path(name), changed);
      const ran = await here(host, ["verify-bundle", name, "--vkey", vkey]);
      expect([name, ran.code, ran.stdout]).toEqual([name, 1, expect.stringMatching(/^This export shows nothing: /)]);
    }
    const unpinned = await here(host, ["verify-bundle", "loans.ndjson"]);
    expect([unpinned.code, unpinned.stderr]).toEqual([2, expect.stringContaining(`names “${vkey}”`)]);
  });

  test("a time, which must be one", async () => {
    const made = json(await must(host, ["export", "--from", "2000-01-01", "--to", "2000-01-31", "-o", "none.ndjson", "--json"]));
    expect(made).toMatchObject({ verdict: "complete", receipts: 0, sentence: expect.stringMatching(/^There was no receipt in the ledger/) as string });
    expect(statSync(host.path("none.ndjson")).mode & 0o777).toBe(0o600); // receipts are not for everybody
    expect((await here(host, ["export", "--from", "2001-01-01", "--to", "2000-01-31", "-o", "bad.ndjson"])).code).toBe(2);
    expect(existsSync(host.path("bad.ndjson"))).toBe(false);
  });

  test("stays as it is where a file is there already", async () => {
    const { mtimeMs } = statSync(host.path("loans.ndjson"));
    expect(await here(host, ["export", "-o", "loans.ndjson"])).toMatchObject({ code: 2, stderr: expect.stringContaining("file_exists: ") as string });
    expect(statSync(host.path("loans.ndjson")).mtimeMs).toBe(mtimeMs);
    expect(readdirSync(host.dir).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});
