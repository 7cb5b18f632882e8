/** The HTTP API beside a daemon: what anybody is told, what a token gets, and what the ledger says of it afterwards. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromBase64, utf8 } from "../../src/format/bytes.ts";
import { parseHash } from "../../src/format/chain.ts";
import { entryOf } from "../../src/format/entries.ts";
import type { Access } from "../../src/format/fields.ts";
import { leafHash, verifyConsistency, verifyInclusion } from "../../src/format/merkle.ts";
import { parseVkey } from "../../src/format/note.ts";
import { answers } from "../../src/http/schemas.ts";
import { revokeToken } from "../../src/http/tokens.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { verifyCheckpoint } from "../../src/verify/checkpoint.ts";
import { verifyReceipt } from "../../src/verify/receipt.ts";
import { tamper } from "../audit/support.ts";
import { here, must } from "../cli/here.ts";
import { HttpHost, type Members } from "./support.ts";

const year = new Date().getUTCFullYear();
const number = (n: number, prefix = "LN"): string => `${prefix}-${year}-${String(n).padStart(5, "0")}`;
const list = (value: unknown): readonly Members[] => value as readonly Members[];
const codes = (value: unknown): readonly unknown[] => list(value).map(({ code }) => code);

let h: HttpHost;
let ids: readonly string[];
let size: number;
beforeAll(async () => {
  h = await new HttpHost().start();
  const acks: Members[] = [];
  for (let n = 1; n <= 6; n++) {
    acks.push(await h.append({ system_id: n % 2 === 0 ? "even" : "odd", decision: { action: n % 3 === 0 ? "DENY" : "APPROVE" }, inputs: { n }, chain_id: "chain-7", gates: [{ name: "g", status: n === 5 ? "FAIL" : "PASS" }] }));
  }
  await h.append({ organization: "cards", decision: "HOLD" });
  size = await h.anchor();
  acks.push(await h.append({ inputs: { n: 7 } }));
  ids = acks.map(({ receipt_id }) => String(receipt_id));
});
afterAll(() => h.remove());

function reading<T>(work: (reader: Reader) => T): T {
  const reader = new Reader(h.places.ledger, nodeHash.sha256);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** What the ledger says of who read, newest last. */
function accesses(): readonly Access[] {
  return reading((reader) => reader.organizationPage("_ledger", 1, 1000).flatMap(({ blob }) => {
    const { known, receipt } = verifyReceipt(blob!, nodeHash);
    return known && receipt.type === "access" ? (receipt["details"] as { readonly accesses: readonly Access[] }).accesses : [];
  }));
}

describe("for anybody", () => {
  test("a receipt under an anchor is valid, by its id and by its number", async () => {
    const { status, json } = await h.get(`/v1/receipts/${ids[1]}/verify`);
    expect([status, answers.verify.safeParse(json).error]).toEqual([200, undefined]);
    expect(json).toMatchObject({ valid: true, receipt_number: number(2), chain_id: "chain-7", status: "anchored", problem: null, evidence: `/v1/receipts/${ids[1]}/evidence` });
    expect(codes(json["checks"])).toEqual(["canonical", "hash", "place", "link", "checkpoint", "inclusion", "confirmed"]);
    const byNumber = await h.get(`/v1/receipts/${number(2)}/verify`);
    expect(byNumber.json).toEqual({ ...json, chain_id: null, evidence: `/v1/receipts/${number(2)}/evidence` });
    expect(byNumber.text).not.toContain(ids[1]); // whoever guesses a number learns no id
    expect(byNumber.text + JSON.stringify(json)).not.toMatch(/odd|even|APPROVE|loans/);
  });

  test("one of the open batch is valid by its MAC, which the daemon has checked", async () => {
    const { json } = await h.get(`/v1/receipts/${ids[6]}/verify`);
    expect(json).toMatchObject({ valid: true, status: "pending", evidence: null });
    expect([codes(json["checks"]).at(-1), codes(json["not_checked"])[0]]).toEqual(["mac", "anchor"]);
  });

  test.each([["not_found", number(99)], ["not_found", number(1).replace(String(year), "2020")], ["not_found", "00000000-0000-4000-8000-000000000000"], ["bad_request", "1"], ["bad_request", "LN-1"], ["bad_request", "%00"]])("%s: %s", async (code, name) => {
    expect(await h.code(`/v1/receipts/${name}/verify`)).toBe(code);
  });

  test("the chain can be walked by hashes, by whoever has an id", async () => {
    const [first, second] = await Promise.all([ids[0], ids[1]].map((id) => h.get(`/v1/receipts/${id}/link`)));
    expect(answers.link.safeParse(first!.json).error).toBeUndefined();
    expect([first!.json["previous_receipt_hash"], second!.json["previous_receipt_hash"]]).toEqual([null, first!.json["receipt_hash"]]);
    expect(await h.code(`/v1/receipts/${number(1)}/link`)).toBe("bad_request");
  });

  test("checkpoint, anchors and keys are those of the ledger", async () => {
    const checkpoint = await h.get("/v1/checkpoint");
    expect([checkpoint.headers.get("content-type"), verifyCheckpoint(checkpoint.text, "test.example/receipts", [parseVkey(h.vkey)]).size]).toEqual(["text/plain; charset=utf-8", size]);
    const { json } = await h.get("/v1/anchors?limit=1");
    expect(answers.anchors.safeParse(json).error).toBeUndefined();
    const rest = await h.get(`/v1/anchors?after=${String(json["next"])}`);
    const newest = list(rest.json["anchors"]).at(-1)!;
    expect([newest["tree_size"], newest["signed"], codesOf(newest["published"])]).toEqual([size, true, ["local"]]);
    const { object } = reading((reader) => ({ object: reader.identity() }));
    const path = join(h.host.dir, "receiptd-data/anchors/v1", object.origin, object.ledgerId, "anchors");
    const { text } = await h.get(String(newest["object"]));
    expect(readFileSync(join(path, `${String(size).padStart(20, "0")}-${Buffer.from(nodeHash.sha256(utf8(text))).toString("hex")}.tlog-proof`), "utf8")).toBe(text);
    expect([await h.code("/v1/anchors/3"), await h.code("/v1/anchors/0"), await h.code("/v1/anchors?limit=0"), await h.code("/v1/anchors?limit=101")]).toEqual(["not_found", "not_found", "bad_request", "bad_request"]);
    const keys = await h.get("/v1/keys");
    expect(answers.keys.safeParse(keys.json).error).toBeUndefined();
    expect(keys.json).toMatchObject({ vkeys: [h.vkey], keys: [{ key_id: "key_v1", first_epoch: 0, last_epoch: null, begun_by: "genesis" }], revoked: [], complete: true });
  });

  function codesOf(published: unknown): readonly unknown[] {
    return list(published).map(({ target }) => target);
  }

  test("proofs hold, of every leaf and of every two sizes", async () => {
    const bytes = (path: unknown): Uint8Array[] => (path as string[]).map((one) => fromBase64(one)!);
    const hashes = reading((reader) => Array.from({ length: size }, (_, i) => reader.byIndex(i)!.receiptHash));
    for (let index = 0; index < size; index++) {
      const { json } = await h.get(`/v1/proofs/inclusion?log_index=${index}`);
      expect(verifyInclusion({ leafHash: leafHash(entryOf(hashes[index]!)), index, size, path: bytes(json["path"]), root: parseHash(String(json["root"])) })).toBe(true);
      expect(verifyCheckpoint(String(json["checkpoint"]), "test.example/receipts", [parseVkey(h.vkey)]).root).toEqual(parseHash(String(json["root"])));
    }
    for (let first = 1; first <= size; first++) {
      const { json } = await h.get(`/v1/proofs/consistency?first=${first}&second=${size}`);
      expect(verifyConsistency({ size1: first, size2: size, path: bytes(json["path"]), root1: parseHash(String(json["first_root"])), root2: parseHash(String(json["second_root"])) })).toBe(true);
      expect(verifyCheckpoint(String(json["second_checkpoint"]), "test.example/receipts", [parseVkey(h.vkey)]).root).toEqual(parseHash(String(json["second_root"])));
      expect([first, json["first_checkpoint"] === null]).toEqual([first, !reading((reader) => reader.anchors(first - 1, 1)[0]!.treeSize === first)]);
    }
    for (const [code, path] of [["not_found", "inclusion?log_index=99"], ["not_found", `inclusion?log_index=0&size=${size + 1}`], ["not_found", "consistency?first=0"], ["bad_request", "consistency?first=3&second=2"], ["bad_request", "inclusion"]] as const) {
      expect([path, await h.code(`/v1/proofs/${path}`)]).toEqual([path, code]);
    }
  });

  test("it lives, and is ready", async () => {
    expect([(await h.get("/v1/health")).json, (await h.get("/v1/ready")).json]).toEqual([{ status: "ok" }, { ready: true, daemon: "ok" }]);
  });
});

describe("with a token", () => {
  test("contents are handed out as they are stored, and that is in the ledger before", async () => {
    const { token, id } = await h.token({ scopes: ["read"], organizations: ["loans"], ledger: false });
    const { json, text } = await h.get(`/v1/receipts/${number(2)}`, token);
    expect(answers.receipt.safeParse(json).error).toBeUndefined();
    expect(text).toContain(reading((reader) => Buffer.from(reader.byId(ids[1]!)!.blob!).toString()));
    expect(json).toMatchObject({ receipt_number: number(2), status: "anchored", problem: null });
    expect(accesses().at(-1)).toEqual({ token: id, scope: "read", organizations: ["loans"], what: `receipt ${number(2)}`, count: 1 });
    expect(text).not.toContain(token);
  });

  test("what it is not for is not there", async () => {
    const { token } = await h.token({ scopes: ["read"], organizations: ["loans"], ledger: false });
    const before = accesses().length;
    const asked = await Promise.all([
      h.code(`/v1/receipts/${number(1, "CARDS")}`, token), h.code(`/v1/receipts/LEDGER-${year}-00001`, token), h.code("/v1/receipts?organization=cards", token), h.code("/v1/receipts?organization=_ledger", token),
      h.code(`/v1/receipts?first_number=${number(1, "CARDS")}`, token), h.code(`/v1/receipts/${ids[0]}/evidence`, token), h.code("/v1/export?organization=loans", token),
    ]);
    expect(asked).toEqual(["not_found", "not_found", "organization_not_allowed", "organization_not_allowed", "not_found", "scope_missing", "scope_missing"]);
    const unknown = await h.get(`/v1/receipts?first_number=${number(1, "NOBODY")}`, token);
    for (const query of [`first_number=${number(1, "CARDS")}`, `last_number=${number(1, "CARDS")}`, `organization=loans&first_number=${number(1, "CARDS")}`, `first_number=LEDGER-${year}-00001`, `organization=loans&first_number=${number(1, "NOBODY")}`]) {
      const { status, text } = await h.get(`/v1/receipts?${query}`, token);
      expect([query, status, text]).toEqual([query, 404, unknown.text]); // whether somebody else has the prefix, it does not tell
    }
    const { json } = await h.get("/v1/receipts", token);
    expect(new Set(list(json["receipts"]).map(({ receipt }) => (receipt as Members)["organization"]))).toEqual(new Set(["loans"]));
    expect(accesses().length).toBe(before + 1); // what was refused was not read
    const all = await h.token({ ledger: false });
    expect([await h.code(`/v1/receipts/LEDGER-${year}-00001`, all.token), await h.code("/v1/export", all.token), await h.code("/v1/receipts?organization=_ledger", all.token)]).toEqual(["not_found", "organization_not_allowed", "organization_not_allowed"]);
    const { token: one } = await h.token({ organizations: ["loans"] });
    expect([await h.code("/v1/export", one), await h.code("/v1/export?organization=cards", one)]).toEqual(["organization_not_allowed", "organization_not_allowed"]);
  });

  test("no token, a wrong one, one that has expired or was revoked", async () => {
    const path = `/v1/receipts/${number(1)}`;
    const { token: expired } = await h.token({ expiresAt: Date.now() - 1 });
    const { token, id } = await h.token();
    expect([await h.code(path), await h.code(path, "rcpt_"), await h.code(path, `${token.slice(0, -1)}~`), await h.code(path, `rcpt_${"A".repeat(43)}`), await h.code(path, expired), await h.code(path, token)])
      .toEqual(["token_missing", "token_unknown", "token_unknown", "token_unknown", "token_expired", "no error"]);
    await revokeToken(h.places.tokens, id, Date.now());
    const { status, headers } = await h.get(path, token);
    expect([status, headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect((await h.get(`/v1/receipts/${number(1)}/verify`, token)).status).toBe(200); // what anybody may ask
  });

  test("lists: by organization, number, system, decision, gate and time, in pages", async () => {
    const { token } = await h.token({ organizations: ["loans", "cards"], ledger: false });
    const found = async (query: string): Promise<readonly unknown[]> => {
      const { json, text } = await h.get(`/v1/receipts?${query}`, token);
      expect(answers.receipts.safeParse(json).error, text).toBeUndefined();
      return list(json["receipts"]).map((one) => one["receipt_number"]);
    };
    expect(await found("organization=loans")).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => number(n)));
    expect(await found(`first_number=${number(2)}&last_number=${number(4)}`)).toEqual([2, 3, 4].map((n) => number(n)));
    expect(await found("system_id=even")).toEqual([2, 4, 6].map((n) => number(n)));
    expect(await found("decision=DENY&system_id=odd")).toEqual([number(3)]);
    expect(await found("decision=HOLD")).toEqual([number(1, "CARDS")]);
    expect(await found("gate_status=FAIL")).toEqual([number(5)]);
    expect(await found("from=2000-01-01&to=2000-12-31")).toEqual([]);
    expect(await found("organization=loans&from=2000-01-01&to=2000-12-31")).toEqual([]);
    expect(await found(`organization=loans&to=${year + 1}-01-01&from=${year - 1}-01-01&limit=2`)).toEqual([1, 2].map((n) => number(n)));
    expect(accesses().at(-1)).toMatchObject({ organizations: ["loans"], what: `receipts ${number(1)} to ${number(2)} by from, to`, count: 2 });
    for (const query of ["limit=3", "organization=loans&limit=3"]) {
      const all: unknown[] = [];
      for (let cursor: unknown = null; all.length < 20;) {
        const { json } = await h.get(`/v1/receipts?${query}${cursor === null ? "" : `&cursor=${String(cursor)}`}`, token);
        all.push(...list(json["receipts"]).map((one) => one["receipt_number"]));
        cursor = json["next"];
        if (cursor === null) break;
      }
      expect(all).toEqual([1, 2, 3, 4, 5, 6].map((n) => number(n)).concat(query === "limit=3" ? [number(1, "CARDS"), number(7)] : [number(7)]));
    }
    for (const query of ["cursor=s-1", "organization=loans&cursor=t-1-1", "limit=0", "limit=101", "from=2026-02-30", "from=2026-01-02&to=2026-01-01", `first_number=${number(1)}&last_number=${number(1, "CARDS")}`, "colour=red", "organization=loans&organization=cards"]) {
      expect([query, await h.code(`/v1/receipts?${query}`, token)]).toEqual([query, "bad_request"]);
    }
  });

  test("evidence and exports are, byte for byte, those of the commands", async () => {
    const { token, id } = await h.token();
    const evidence = await h.get(`/v1/receipts/${number(3)}/evidence`, token);
    await must(h.host, ["evidence", number(3), "-o", "e.json"]);
    expect([evidence.text, evidence.headers.get("content-disposition")]).toEqual([readFileSync(h.host.path("e.json"), "utf8"), `attachment; filename="${number(3)}.evidence.json"`]);
    expect(await h.code(`/v1/receipts/${number(7)}/evidence`, token)).toBe("not_anchored");
    const day = new Date().toISOString().slice(0, 10);
    for (const [name, query, options] of [["all", "", []], ["loans", `?organization=loans&from=${day}&to=${day}`, ["--organization", "loans", "--from", day, "--to", day]]] as const) {
      const { text } = await h.get(`/v1/export${query}`, token);
      const code = name === "all" ? 0 : 2; // the day is not over
      expect(await here(h.host, ["export", "-o", name, ...options])).toMatchObject({ code });
      expect(text).toBe(readFileSync(h.host.path(name), "utf8"));
      const verified = await here(h.host, ["verify-bundle", name, "--vkey", h.vkey, "--json"]);
      expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([code, { problem: null }]);
    }
    expect(accesses().filter((one) => one.token === id && one.scope === "export")).toEqual([
      { token: id, scope: "export", organizations: null, what: "export from the beginning to the newest anchor", count: null },
      { token: id, scope: "export", organizations: ["loans", "_ledger"], what: `export from ${day} to ${day}`, count: null },
    ]);
    expect([await h.code("/v1/export?organization=nobody", token), await h.code("/v1/export?from=2999-01-01", token)]).toEqual(["not_found", "not_anchored"]);
  });

  test("an export that a client leaves frees its place; of one token there is one at a time", async () => {
    const { token } = await h.token();
    const headers = { authorization: `Bearer ${token}` };
    for (let i = 0; i < 5; i++) {
      const left = new AbortController();
      const answer = await fetch(`${h.http!.url}/v1/export`, { headers, signal: left.signal });
      expect(answer.status).toBe(200);
      left.abort();
      await answer.text().catch(() => undefined);
      await expect.poll(() => h.get("/v1/export", token).then(({ status }) => status, String), { timeout: 20_000 }).toBe(200); // or a connection that the server was closing
    }
    const statuses = (await Promise.all(Array.from({ length: 4 }, () => h.get("/v1/export", token)))).map(({ status }) => status);
    expect([statuses.includes(200), statuses.every((status) => status === 200 || status === 503)]).toEqual([true, true]);
  });

  test("requests that wait at the same time are recorded in one receipt", async () => {
    const { token, id } = await h.token();
    const receipts = (): number => reading((reader) => reader.size());
    const before = receipts();
    await Promise.all(Array.from({ length: 12 }, () => h.get(`/v1/receipts/${number(1)}`, token)));
    expect(accesses().filter((one) => one.token === id)).toHaveLength(12);
    expect(receipts() - before).toBeLessThan(12);
  });

  test("the audit and the ledger's own check take the receipts for what they are", async () => {
    await h.anchor();
    const ran = JSON.parse((await must(h.host, ["audit", "--json"])).stdout) as Members;
    expect([ran["verdict"], JSON.stringify(ran)]).toEqual(["ok", expect.not.stringContaining('"details"')]);
  });
});

test("everything is described, and nothing of a browser's is let in", async () => {
  const { json, headers } = await h.get("/v1/openapi.json", undefined, { origin: "https://example.com" });
  expect(json).toMatchObject({ openapi: "3.1.0", info: { version: "1.2.3" } });
  expect(Object.keys(json["paths"] as object).toSorted()).toMatchInlineSnapshot(`
    [
      "/v1/anchors",
      "/v1/anchors/{size}",
      "/v1/checkpoint",
      "/v1/export",
      "/v1/health",
      "/v1/history",
      "/v1/keys",
      "/v1/organizations",
      "/v1/overview",
      "/v1/proofs/consistency",
      "/v1/proofs/inclusion",
      "/v1/ready",
      "/v1/receipts",
      "/v1/receipts/{receipt}",
      "/v1/receipts/{receipt}/evidence",
      "/v1/receipts/{receipt}/link",
      "/v1/receipts/{receipt}/verify",
      "/v1/timeline",
      "/v1/timeline/anchors",
    ]
  `);
  expect([headers.get("access-control-allow-origin"), headers.get("x-content-type-options"), headers.get("content-security-policy"), headers.get("cache-control")])
    .toEqual([null, "nosniff", "default-src 'none'; frame-ancestors 'none'", "no-store"]);
});

// the last: the daemon goes away
test("without a daemon nothing is handed out, and nothing is called valid that only it could check", async () => {
  await h.append({ inputs: { n: 8 } });
  const { token } = await h.token();
  expect((await h.get(`/v1/receipts/${number(8)}/verify`)).json).toMatchObject({ valid: true, status: "pending" });
  const sizeBefore = reading((reader) => reader.size());
  const stopping = h.stopDaemon();
  await stopping;
  const anchored = reading((reader) => reader.size());
  expect(anchored).toBe(sizeBefore + 1);
  expect([await h.code(`/v1/receipts/${number(1)}`, token), await h.code("/v1/receipts", token), await h.code(`/v1/receipts/${number(1)}/evidence`, token), await h.code("/v1/export", token)])
    .toEqual(["access_not_recorded", "access_not_recorded", "access_not_recorded", "access_not_recorded"]);
  expect((await h.get(`/v1/receipts/${number(1)}/verify`)).json).toMatchObject({ valid: true, status: "anchored" });
  tamper(h.places.ledger, (db) => void db.exec("DELETE FROM anchor")); // nothing covers a receipt any more
  expect((await h.get(`/v1/receipts/${number(8)}/verify`)).json).toMatchObject({ valid: true, status: "pending" }); // these bytes were asked about
  expect((await h.get(`/v1/receipts/${number(1, "CARDS")}/verify`)).json).toMatchObject({ valid: null, status: "not_checked" });
  await new Promise((done) => setTimeout(done, 600)); // what the daemon said of itself is believed for half a second
  expect(await h.get("/v1/ready")).toMatchObject({ status: 503, json: { ready: false, daemon: "away" } });
  expect((await h.get("/v1/health")).status).toBe(200);
});
