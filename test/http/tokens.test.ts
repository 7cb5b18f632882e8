/** tokens.json: what is in it, who may change it, and that a change counts at once. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createToken, readTokens, revokeToken, TokenError, Tokens, type NewToken } from "../../src/http/tokens.ts";

const dir = mkdtempSync(join(tmpdir(), "receiptd-tokens-"));
afterAll(() => rmSync(dir, { recursive: true }));

const NOW = Date.parse("2026-06-01T10:00:00.000Z");
const wanted: NewToken = { scopes: ["read"], organizations: ["loans"], ledger: false, label: "audit", expiresAt: NOW + 1000 };
let n = 0;
let path: string;
beforeEach(() => { path = join(dir, `tokens-${n++}.json`); });

function codeOf(work: () => unknown): string {
  try {
    work();
    return "no error";
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}

test("the file has no token in it, and is for its owner alone", async () => {
  const { token, record } = await createToken(path, wanted, NOW);
  expect(token).toMatch(/^rcpt_[A-Za-z0-9_-]{43}$/);
  const text = readFileSync(path, "utf8");
  expect([statSync(path).mode & 0o777, text.includes(token), text.includes(token.slice(5, 20)), readTokens(path)]).toEqual([0o600, false, false, [record]]);
  const tokens = new Tokens(path);
  expect([tokens.check(token, NOW), tokens.check(token, NOW + 1000), tokens.check(`${token}x`, NOW)]).toEqual([{ record }, { refused: "token_expired" }, { refused: "token_unknown" }]);
});

test("no file is no token", () => {
  expect(new Tokens(path).check("rcpt_", NOW)).toEqual({ refused: "token_unknown" });
});

test("a token that is revoked, added or replaced counts from the next look on, whatever the file's time says", async () => {
  const tokens = new Tokens(path);
  const first = await createToken(path, wanted, NOW);
  const second = await createToken(path, wanted, NOW);
  expect(["record" in tokens.check(first.token, NOW), "record" in tokens.check(second.token, NOW)]).toEqual([true, true]);
  const { atime, mtime } = statSync(path);
  await revokeToken(path, first.record.id, NOW);
  utimesSync(path, atime, mtime);
  expect([tokens.check(first.token, NOW), "record" in tokens.check(second.token, NOW)]).toEqual([{ refused: "token_unknown" }, true]);
  await expect(revokeToken(path, "tok-nobody", NOW)).rejects.toMatchObject({ code: "token_unknown" });
  rmSync(path);
  expect(tokens.check(second.token, NOW)).toEqual({ refused: "token_unknown" });
});

test("a file that others may read or write, a link, or one that is none is refused, and lets nobody in", async () => {
  const { token } = await createToken(path, wanted, NOW);
  const tokens = new Tokens(path);
  expect("record" in tokens.check(token, NOW)).toBe(true);
  chmodSync(path, 0o640);
  expect([codeOf(() => tokens.check(token, NOW)), codeOf(() => tokens.check(token, NOW))]).toEqual(["tokens_unusable", "tokens_unusable"]);
  chmodSync(path, 0o600);
  expect("record" in tokens.check(token, NOW)).toBe(true);
  const link = `${path}.link`;
  symlinkSync(path, link);
  expect(codeOf(() => new Tokens(link).check(token, NOW))).toBe("tokens_unusable");
  for (const text of ["", "{}", readFileSync(path, "utf8").replace('"read"', '"read everything"'), readFileSync(path, "utf8").replace("receiptd-tokens/1", "receiptd-tokens/2")]) {
    writeFileSync(path, text);
    expect(codeOf(() => tokens.check(token, NOW))).toBe("tokens_unusable");
  }
  await expect(createToken(path, wanted, NOW)).rejects.toMatchObject({ code: "tokens_unusable" }); // and is not replaced
});

test("commands at the same time lose no token; one that was killed holds up nobody for long", async () => {
  const made = await Promise.all(Array.from({ length: 8 }, () => createToken(path, wanted, NOW)));
  expect(readTokens(path).map(({ id }) => id).toSorted()).toEqual(made.map(({ record }) => record.id).toSorted());
  writeFileSync(`${path}.lock`, "");
  utimesSync(`${path}.lock`, 1, 1);
  await createToken(path, wanted, NOW);
  expect(readTokens(path)).toHaveLength(9);
});
