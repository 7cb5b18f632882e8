/** `receiptd evidence` and `verify-bundle`, on a real ledger. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { here, must, type Served, serveHere } from "./here.ts";
import { Host, json, type Ran } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

const errorOf = (ran: Ran): unknown => (JSON.parse(ran.stderr) as { error: { code: string } }).error.code;

describe("evidence", () => {
  const host = new Host();
  let daemon: Served;
  let vkey: string;
  beforeAll(async () => {
    ({ vkey } = await init(host));
    daemon = await serveHere(host);
    await talk(host, async (client) => {
      for (const n of [1, 2, 3]) await client.must("append", appending(n));
      const { tree_size } = await client.must("anchor");
      await client.must("wait", { log_index: Number(tree_size) - 1, for: "anchored" });
      await client.must("append", appending(4));
    });
  });
  afterAll(async () => {
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    await host.remove();
  });

  test("is written while the daemon runs, and checked with nothing but the key", async () => {
    const number = json(await must(host, ["get", "3", "--json"]))["receipt"] as { readonly receipt_number: string };
    const made = json(await must(host, ["evidence", number.receipt_number, "-o", host.path("e.json"), "--json"]));
    expect(made).toMatchObject({ file: host.path("e.json"), bytes: statSync(host.path("e.json")).size });
    const checked = json(await must(host, ["verify-bundle", host.path("e.json"), "--vkey", vkey, "--json"]));
    expect(checked).toMatchObject({ verdict: "logged", problem: null, signed_by: [vkey], log_index: 3, receipt: number, published: [{ target: "local" }], sentence: String(made["sentence"]).replace("the key of this host", "a key you pinned") });
    const object = host.path(`receiptd-data/anchors/${(checked["published"] as readonly [{ object: string }])[0].object}`);
    expect(existsSync(object)).toBe(true); // the hint leads to the anchor
  });

  test("of every receipt that is anchored, the ledger's own too, to standard output", async () => {
    for (const index of [0, 1, 3, 4]) {
      const { stdout } = await must(host, ["evidence", String(index)]);
      writeFileSync(host.path("one.json"), stdout);
      expect(json(await must(host, ["verify-bundle", host.path("one.json"), "--vkey", vkey, "--json"]))).toMatchObject({ verdict: "logged", log_index: index });
    }
  });

  test("there is none of what is not anchored, or not there", async () => {
    const newest = json(await must(host, ["status", "--json"]))["size"] as number;
    expect(errorOf(await here(host, ["evidence", String(newest - 1), "--json"]))).toBe("not_anchored");
    expect(errorOf(await here(host, ["evidence", "99999", "--json"]))).toBe("not_found");
  });

  test("replaces no file", async () => {
    const before = readFileSync(host.path("e.json"));
    expect((await here(host, ["evidence", "1", "-o", host.path("e.json")])).code).toBe(2);
    expect(readFileSync(host.path("e.json"))).toEqual(before);
  });

  test("a file that was changed shows nothing; without a key nothing is called verified", async () => {
    const text = readFileSync(host.path("e.json"), "utf8");
    writeFileSync(host.path("bad.json"), text.replace("tlog-proof@v1\\nindex 3", "tlog-proof@v1\\nindex 1"));
    const bad = await here(host, ["verify-bundle", host.path("bad.json"), "--vkey", vkey]);
    expect([bad.code, bad.stdout]).toEqual([1, expect.stringMatching(/^This file is no evidence: digest_mismatch/)]);
    const unpinned = await here(host, ["verify-bundle", host.path("e.json")]);
    expect([unpinned.code, unpinned.stderr]).toEqual([2, expect.stringContaining(`names “${vkey}”`)]);
    expect((await here(host, ["verify-bundle", host.path("nothing.json"), "--vkey", vkey])).code).toBe(2);
  });

  test("what a file says does nothing to a terminal, and a file that is too large is one", async () => {
    const members = JSON.parse(readFileSync(host.path("e.json"), "utf8")) as Record<string, Json>;
    delete members["digest"];
    const changed = { ...members, vkeys: ["\u001b[2J\u202eVERIFIED"] };
    writeFileSync(host.path("hint.json"), `${canonicalize({ ...changed, digest: hashText(nodeHash.sha256(utf8(canonicalize(changed)))) })}\n`);
    expect((await here(host, ["verify-bundle", host.path("hint.json")])).stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    writeFileSync(host.path("large.json"), `"${"a".repeat(2 << 20)}"`);
    expect(json(await here(host, ["verify-bundle", host.path("large.json"), "--vkey", vkey, "--json"]))).toMatchObject({ verdict: "invalid", problem: { code: "too_large" } });
  });

  test("the page comes with the program", async () => {
    const { stdout } = await host.run(["verify-bundle", "--page"]);
    expect(stdout).toBe(readFileSync(new URL("../../dist/cli/verify.html", import.meta.url), "utf8"));
    expect(stdout).toMatch(/Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
  });
});
