/** Evidence in the verifier of src/ and in docs/verify.py: the same verdict and code on every vector, and no good word for a file with a byte changed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { toHex, utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import { entryOf } from "../../src/format/entries.ts";
import { leafHash } from "../../src/format/merkle.ts";
import { parseCosigner } from "../../src/format/cosignature.ts";
import { parseVkey, type VerifyEd25519 } from "../../src/format/note.ts";
import { verifyByNode } from "../../src/keys/node-ed25519.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { VerifyError } from "../../src/verify/errors.ts";
import { verifyEvidence } from "../../src/verify/evidence.ts";
import { evidenceVerdict } from "../../src/verify/evidence-words.ts";
import { bytesOf, changedAt, type EvidenceVector, evidenceVectors } from "./vectors.ts";

interface Verdict {
  readonly code: string | null;
  readonly log_index: number | null;
  readonly tree_size: number | null;
  readonly anchored: boolean;
}

const program = fileURLToPath(new URL("../../docs/verify.py", import.meta.url));

/** To check and to take apart a public key costs more than all else in a small file. */
const keys = new Map<string, ReturnType<typeof parseVkey>>();
const keyOf = (vkey: string): ReturnType<typeof parseVkey> => {
  const key = keys.get(vkey) ?? parseVkey(vkey);
  keys.set(vkey, key);
  return key;
};

function inSource(bytes: Uint8Array, vkey: string, auditors: readonly string[] = [], verify?: VerifyEd25519): Verdict {
  try {
    const facts = verifyEvidence(bytes, [keyOf(vkey)], { auditors: auditors.map(parseCosigner), verify });
    return { code: null, log_index: facts.logIndex, tree_size: facts.treeSize, anchored: evidenceVerdict(facts) === "anchored" };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return { code: error.code, log_index: null, tree_size: null, anchored: false };
  }
}

/** All in one process, which imports the program as it is. */
function inPython(files: readonly { readonly bytes: Uint8Array; readonly vkey: string; readonly auditors?: readonly string[] | undefined }[]): readonly Verdict[] {
  const script = `
import json, sys, importlib.util
spec = importlib.util.spec_from_file_location("verify", ${JSON.stringify(program)}); v = importlib.util.module_from_spec(spec); spec.loader.exec_module(v)
keys = {}
for line in sys.stdin:
    data, vkey, auditors = json.loads(line); keys[vkey] = keys.get(vkey) or v.parse_vkey(vkey)
    try: _, index, size, seen = v.check(bytes.fromhex(data), keys[vkey], [v.parse_vkey(one, "B[A-P]") for one in auditors]); print(json.dumps({"code": None, "log_index": index, "tree_size": size, "anchored": len(seen) > 0}))
    except v.Refused as refusal: print(json.dumps({"code": refusal.args[0], "log_index": None, "tree_size": None, "anchored": False}))
`;
  const input = files.map(({ bytes, vkey, auditors = [] }) => JSON.stringify([Buffer.from(bytes).toString("hex"), vkey, auditors])).join("\n");
  const { stdout, stderr, status } = spawnSync("python3", ["-c", script], { input, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split("\n").map((line) => JSON.parse(line) as Verdict);
}

function redigested(file: Readonly<Record<string, string>>): Uint8Array {
  const members = Object.fromEntries(Object.entries(file).filter(([name]) => name !== "digest"));
  const digest = hashText(nodeHash.sha256(utf8(canonicalize(members))));
  return utf8(`${canonicalize({ ...members, digest })}\n`);
}

const expected = ({ ok, code, log_index, tree_size, anchored = false }: EvidenceVector): Verdict => ({ code: ok ? null : code!, log_index: log_index ?? null, tree_size: tree_size ?? null, anchored });
const good = evidenceVectors.filter(({ ok, name }) => ok && ["receipt 7 of 13", "with a witness's signature beside", "an anchor receipt, under its own anchor"].includes(name));
const countersigned = evidenceVectors.find(({ name }) => name === "countersigned by an auditor")!;

describe("vectors", () => {
  test("there are good and bad ones", () => {
    expect([good.length, evidenceVectors.filter(({ ok }) => ok).length > 15, evidenceVectors.filter(({ ok }) => !ok).length > 70]).toEqual([3, true, true]);
  });

  test.each(evidenceVectors)("$name", (vector) => {
    expect(inSource(bytesOf(vector), vector.vkey, vector.auditors)).toEqual(expected(vector));
  });

  test("docs/verify.py agrees with all of them", () => {
    const found = inPython(evidenceVectors.map((vector) => ({ ...vector, bytes: bytesOf(vector) })));
    expect(found.map((verdict, i) => [evidenceVectors[i]!.name, verdict])).toEqual(evidenceVectors.map((vector) => [vector.name, expected(vector)]));
  });
});

test("docs/verify.py ends on what makes a search for numbers go back and forth", () => {
  const long = "1".repeat(1_000_000);
  expect(inPython([`${long}e`, `-${long}`, `[${long}.`, `${"1.".repeat(500_000)}e`].map((text) => ({ bytes: Buffer.from(text), vkey: evidenceVectors[0]!.vkey }))).map(({ code }) => code !== null)).toEqual([true, true, true, true]);
});

describe("a file with one byte changed", () => {
  const changed = good.flatMap((vector) => Array.from(bytesOf(vector), (_, at) => ({ bytes: changedAt(bytesOf(vector), at), vkey: vector.vkey })));
  const codes = changed.map(({ bytes, vkey }) => inSource(bytes, vkey).code);

  test("never shows anything", () => {
    expect(codes.length).toBeGreaterThan(4000);
    expect(codes.filter((code) => code === null)).toEqual([]);
  });

  test("nor to docs/verify.py, which gives the same code", () => {
    expect(inPython(changed).map(({ code }) => code)).toEqual(codes);
  });

  test("nor where the digest is made anew: only hints can be changed then, and signatures of those who are not pinned", () => {
    for (const vector of good) {
      const whole = JSON.parse(Buffer.from(bytesOf(vector)).toString()) as Record<string, string>;
      for (const name of ["receipt", "proof", "ledger"] as const) {
        const text = Buffer.from(whole[name]!);
        const witness = name === "proof" ? text.indexOf("— witness.") : -1;
        for (let at = 0; at < text.length; at++) {
          if (witness !== -1 && at >= witness && at < text.indexOf("\n", witness)) continue;
          const value = Buffer.from(changedAt(text, at)).toString();
          expect(inSource(redigested({ ...whole, [name]: value }), vector.vkey, [], verifyByNode).code, `${name} at ${at}`).not.toBeNull();
        }
      }
    }
  });
});

describe("a countersignature with one byte changed", () => {
  const whole = JSON.parse(Buffer.from(bytesOf(countersigned)).toString()) as Record<string, string>;
  const proof = Buffer.from(whole["proof"]!);
  const line = proof.lastIndexOf("—");
  const changed = Array.from({ length: proof.length - line }, (_, i) => ({ bytes: redigested({ ...whole, proof: Buffer.from(changedAt(proof, line + i)).toString() }), vkey: countersigned.vkey, auditors: countersigned.auditors }));
  const verdicts = changed.map(({ bytes, vkey, auditors }) => inSource(bytes, vkey, auditors));

  test("is nobody's or refuses the file, and never shows that the root was seen", () => {
    expect(verdicts.length).toBeGreaterThan(100);
    expect(verdicts.filter(({ anchored }) => anchored)).toEqual([]);
    expect(verdicts.filter(({ code }) => code === "bad_note").length).toBeGreaterThan(30);
  });

  test("nor in docs/verify.py", () => {
    expect(inPython(changed)).toEqual(verdicts);
  });
});

test("AUDITING: the steps with openssl find a right signature right, and a wrong one wrong", () => {
  const commands = /^```bash\n([\s\S]*?)^```$/m.exec(readFileSync(new URL("../../docs/AUDITING.md", import.meta.url), "utf8"))![1]!;
  const folder = mkdtempSync(join(tmpdir(), "receiptd-openssl-"));
  try {
    const run = (vector: EvidenceVector): { readonly status: number | null; readonly lines: readonly string[] } => {
      writeFileSync(join(folder, "evidence.json"), bytesOf(vector));
      const { status, stdout } = spawnSync("bash", ["-euo", "pipefail", "-c", commands], { cwd: folder, env: { ...process.env, VKEY: vector.vkey }, encoding: "utf8" });
      return { status, lines: stdout.trim().split("\n") };
    };
    const vector = good.find(({ name }) => name === "receipt 7 of 13")!;
    const { receiptHash, root } = verifyEvidence(bytesOf(vector), [parseVkey(vector.vkey)]);
    const leaf = toHex(leafHash(entryOf(receiptHash)));
    expect(run(vector)).toEqual({ status: 0, lines: ["Signature Verified Successfully", leaf, toHex(root)] });
    expect(run(evidenceVectors.find(({ name }) => name === "the root changed after it was signed")!)).toEqual({ status: 1, lines: ["Signature Verification Failure"] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("docs/AUDITING.md prints the program, which is short", () => {
  const text = readFileSync(program, "utf8");
  expect(readFileSync(new URL("../../docs/AUDITING.md", import.meta.url), "utf8")).toContain(`\`\`\`python\n${text}\`\`\``);
  expect(text.split("\n").length).toBeLessThan(118);
});
