/** `receiptd token`: made, listed, taken back. What a token is good for is test/http's business. */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { here, must } from "./here.ts";
import { Host, json } from "./host.ts";
import { init } from "./talk.ts";

const host = new Host();
beforeAll(() => init(host));
afterAll(() => rmSync(host.dir, { recursive: true }));

const make = (...more: readonly string[]): readonly string[] => ["token", "create", "--expires", "90d", ...more];

test("is printed once, and kept as a hash", async () => {
  const { stdout } = await must(host, make("--scope", "read", "evidence", "--organization", "loans", "cards", "--label", "audit 2026"));
  const [token, sentence] = stdout.split("\n");
  expect([token, sentence]).toEqual([expect.stringMatching(/^rcpt_[A-Za-z0-9_-]{43}$/), expect.stringMatching(/^This is the token tok-[0-9a-f]{10}, for read, evidence of loans, cards, until /)]);
  expect(readFileSync(host.path("receiptd-data/tokens.json"), "utf8")).not.toContain(token);
  const listed = await must(host, ["token", "list", "--json"]);
  expect(json(listed)).toEqual({ tokens: [expect.objectContaining({ label: "audit 2026", scopes: ["read", "evidence"], organizations: ["loans", "cards"], state: "valid", revoked_at: null })] });
  expect(listed.stdout).not.toContain(token);
});

test("of all organizations, and the ledger's own", async () => {
  const made = json(await must(host, [...make("--scope", "export", "--all-organizations", "--organization", "_ledger"), "--json"]));
  expect(made).toMatchObject({ scopes: ["export"], organizations: ["(all)", "_ledger"] });
  const { stdout } = await must(host, ["token", "list"]);
  expect(stdout).toContain(`${String(made["id"])}  valid`);
  await must(host, ["token", "revoke", String(made["id"])]);
  expect((await must(host, ["token", "list"])).stdout).toContain(`${String(made["id"])}  revoked`);
});

describe("refused", () => {
  test.each([
    ["no organization", make("--scope", "read")],
    ["both", make("--scope", "read", "--organization", "loans", "--all-organizations")],
    ["a name that is none", make("--scope", "read", "--organization", "Loans")],
    ["an unknown scope", make("--scope", "write", "--organization", "loans")],
    ["an export without the ledger's own receipts", make("--scope", "export", "--organization", "loans")],
    ["no end", ["token", "create", "--scope", "read", "--organization", "loans"]],
    ["an end of another form", ["token", "create", "--scope", "read", "--organization", "loans", "--expires", "soon"]],
  ])("%s", async (_, args) => {
    const ran = await here(host, [...args, "--json"]);
    expect([ran.code, (JSON.parse(ran.stderr) as { readonly error: object }).error]).toEqual([2, expect.objectContaining({ code: "bad_usage" })]);
  });

  test("a token that is not there", async () => {
    const ran = await here(host, ["token", "revoke", "tok-nobody", "--json"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('"token_unknown"')]);
  });
});
