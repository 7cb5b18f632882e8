/** Exports in the verifier of src/ and in docs/verify_export.py: the same verdict and code on every vector, and no good word for a file with a byte changed. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { VerifyError } from "../../src/verify/errors.ts";
import { exportVerdict } from "../../src/verify/export-words.ts";
import { changedAt } from "../evidence/vectors.ts";
import { here } from "../cli/here.ts";
import { elsewhere, read } from "./support.ts";
import { exportVectors, type ExportVerdictOf, refused } from "./vectors.ts";

type File = Pick<(typeof exportVectors)[number], "bytes" | "vkey">;

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const programText = readFileSync(`${docs}verify_export.py`, "utf8");

function inSource({ bytes, vkey }: File, piece?: number): ExportVerdictOf {
  try {
    const facts = read(bytes, vkey, piece);
    return { code: null, verdict: exportVerdict(facts), receipts: facts.receipts, until: facts.endAt };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return refused(error.code);
  }
}

/** All in one process, which imports the program as it is. Each line: what to do with the bytes, the bytes, the key. */
function inPython(lines: readonly (readonly ["export" | "receipt", Uint8Array, string])[]): readonly ExportVerdictOf[] {
  const script = `
import base64, functools, io, json, sys
sys.path.insert(0, ${JSON.stringify(docs)})
import verify_export as v
key = functools.lru_cache(None)(v.parse_vkey)
v.ed25519 = functools.lru_cache(None)(v.ed25519)
for line in sys.stdin:
    what, data, vkey = json.loads(line); data = base64.b64decode(data); code, verdict, receipts, until = [None] * 4
    try:
        if what == "export": _, verdict, receipts, until = v.check(io.BytesIO(data), key(vkey))
        else: v.check_receipt(data)
    except v.Refused as refusal: code = refusal.args[0]
    print(json.dumps({"code": code, "verdict": verdict, "receipts": receipts, "until": until}))
`;
  const input = lines.map(([what, bytes, vkey]) => JSON.stringify([what, Buffer.from(bytes).toString("base64"), vkey])).join("\n");
  const { stdout, stderr, status } = spawnSync("python3", ["-c", script], { input, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split("\n").map((line) => JSON.parse(line) as ExportVerdictOf);
}

const exportsInPython = (files: readonly File[]): readonly ExportVerdictOf[] => inPython(files.map(({ bytes, vkey }) => ["export", bytes, vkey]));

/** With `before`, heads, hashes and a clock_step; and one with a line of the ledger's own before it. */
const good = ["one organization in a time range", "one organization, and the clock was turned back before the range"].map((name) => exportVectors.find((vector) => vector.name === name)!);

describe("vectors", () => {
  test("there are good and bad ones, of each code of section 16.1", () => {
    const codes = new Set(exportVectors.map(({ expected: { code, verdict } }) => code ?? verdict));
    expect([...codes].toSorted()).toEqual([
      "bad_checkpoint", "bad_export", "bad_json", "bad_note", "bad_receipt", "complete", "complete_until", "could_not_check", "digest_mismatch", "duplicate_name", "forbidden_name", "inclusion_mismatch", "ledger_mismatch", "link_mismatch",
      "log_index_gap", "log_root_mismatch", "lone_surrogate", "not_canonical", "not_utf8", "nul_character", "number_mismatch", "number_negative_zero", "number_not_exact", "number_out_of_range", "org_heads_mismatch", "org_seq_gap", "time_backwards",
      "too_deep", "too_large",
    ]);
  });

  test.each(exportVectors)("$name", (vector) => {
    expect(inSource(vector)).toEqual(vector.expected);
    expect(inSource(vector, 4093)).toEqual(vector.expected);
  });

  test("receiptd verify-bundle agrees with all of them, and ends with the code of the verdict", async () => {
    const file = join(elsewhere.dir, "vector.ndjson");
    for (const { name, bytes, vkey, expected } of exportVectors) {
      if (bytes.length === 0) continue; // not even the beginning of an export
      writeFileSync(file, bytes);
      const { code, stdout } = await here(elsewhere, ["verify-bundle", file, "--vkey", vkey, "--json"]);
      const { verdict, receipts = null, until = null, to = null, problem } = JSON.parse(stdout) as { readonly verdict: string; readonly receipts?: number; readonly until?: string; readonly to?: string | null; readonly problem: { readonly code: string } | null };
      const exit = expected.code !== null ? 1 : expected.verdict === "complete" || (expected.verdict === "complete_until" && to === null) ? 0 : 2;
      expect([name, code, { code: problem?.code ?? null, verdict: problem === null ? verdict : null, receipts, until }]).toEqual([name, exit, expected]);
    }
  });

  test("docs/verify_export.py agrees with all of them", () => {
    const found = exportsInPython(exportVectors);
    expect(found.map((verdict, i) => [exportVectors[i]!.name, verdict])).toEqual(exportVectors.map(({ name, expected }) => [name, expected]));
  });

  test("and with those of single receipts", () => {
    const vectors = (JSON.parse(readFileSync(new URL("../vectors/receipts.json", import.meta.url), "utf8")) as readonly { readonly name: string; readonly blob?: string; readonly blob_hex?: string; readonly fill?: number; readonly code?: string }[])
      .filter(({ code }) => code !== "mac_mismatch");
    const found = inPython(vectors.map(({ blob = "", blob_hex: hex, fill = 0 }) => ["receipt", hex === undefined ? Buffer.from(blob.replace("FILL", "a".repeat(fill))) : Buffer.from(hex, "hex"), ""]));
    expect(found.map(({ code }, i) => [vectors[i]!.name, code])).toEqual(vectors.map(({ name, code = null }) => [name, code]));
  });
});

/** Of the bytes, each so many; RECEIPTD_LONG=1: each. */
const STEP = process.env["RECEIPTD_LONG"] === "1" ? 1 : 7;

describe("a file with one byte changed", () => {
  const changed = good.flatMap(({ bytes, vkey }) => Array.from({ length: Math.ceil(bytes.length / STEP) }, (_, i) => ({ bytes: changedAt(bytes, i * STEP), vkey })));
  const verdicts = changed.map((file) => inSource(file));

  test("is never called complete", () => {
    expect(good.map((file) => inSource(file).code)).toEqual([null, null]);
    expect(changed.length).toBeGreaterThan(10_000 / STEP);
    expect(verdicts.filter(({ code }) => code === null)).toEqual([]);
  });

  test("nor by docs/verify_export.py, which gives the same code", () => {
    const some = changed.flatMap((file, i) => (i % 11 === 0 ? [{ file, verdict: verdicts[i] }] : [])); // of all bytes in turn, as 11 and what is done to them have no factor
    expect(exportsInPython(some.map(({ file }) => file))).toEqual(some.map(({ verdict }) => verdict));
  });
});

test("docs/verify_export.py as a command: one line, and an exit code", () => {
  const file = join(elsewhere.dir, "command.ndjson");
  const run = (...args: readonly string[]): readonly [number | null, string] => {
    const { status, stdout } = spawnSync("python3", [`${docs}verify_export.py`, ...args], { encoding: "utf8" });
    return [status, stdout];
  };
  const of = (name: string): readonly [number | null, string] => {
    const { bytes, vkey } = exportVectors.find((vector) => vector.name === name)!;
    writeFileSync(file, bytes);
    return run(file, vkey);
  };
  expect(of("one organization in a time range")).toEqual([
    0, "verified: 2 receipts of acme in the ledger receipts.example.com/loans from 2026-12-31T23:59:59.251Z to 2027-01-01T00:00:00.250Z are in the file, and there was no other as of the anchor of 13 receipts, of 2027-01-01T00:00:00.250Z, which this key has signed\n",
  ]);
  expect(of("a time that has not ended at the last anchor")).toEqual([2, expect.stringMatching(/^verified: 2 receipts of all organizations .* up to 2027-01-01T00:00:00\.250Z .*; what was recorded after it, to 2027-02-01T00:00:00\.000Z, is not shown\n$/)]);
  expect(of("a later schema_version")).toEqual([2, expect.stringMatching(/^could not check: /)]);
  expect(of("a receipt is left out")).toEqual([1, "not verified: org_seq_gap\n"]);
  expect(run("/nothing/there", exportVectors[0]!.vkey)).toEqual([2, expect.stringMatching(/^could not check: .*No such file/)]);
});

test("docs/AUDITING.md prints the program", () => {
  expect(readFileSync(new URL("../../docs/AUDITING.md", import.meta.url), "utf8")).toContain(`\`\`\`python\n${programText}\`\`\``);
  expect(programText.split("\n").length).toBeLessThan(140);
});
