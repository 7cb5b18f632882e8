import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCheckpoint } from "../../src/format/checkpoint.ts";
import { FormatError } from "../../src/format/errors.ts";
import { verifyInclusion } from "../../src/format/merkle.ts";
import { verifyNote } from "../../src/format/note.ts";
import type { VerifyEd25519 } from "../../src/format/note.ts";
import { MAX_TLOG_PROOF_BYTES, formatTlogProof, parseTlogProof } from "../../src/format/tlog-proof.ts";
import type { TlogProof } from "../../src/format/tlog-proof.ts";

interface ProofVector {
  readonly name: string;
  readonly hex: string;
  readonly vkeys: readonly string[];
  readonly leaf: string;
  readonly result: string;
  readonly extra?: string;
  readonly index?: number;
  readonly path?: readonly string[];
  readonly checkpoint?: string;
  readonly size?: number;
  readonly every_flip?: string;
}
const { proofs } = JSON.parse(readFileSync(new URL("../vectors/tlog-proofs.json", import.meta.url), "utf8")) as {
  readonly proofs: readonly ProofVector[];
};

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const opensslVerify: VerifyEd25519 = (publicKey, message, signature) => {
  const key = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]);
  return verify(null, message, createPublicKey({ key, format: "der", type: "spki" }), signature);
};

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

/** The verification of the specification, as far as this log's proofs go. */
function resultOf(bytes: Uint8Array, vkeys: readonly string[], leafHash: Uint8Array): string {
  let included = false;
  const code = codeOf(() => {
    const { index, path, checkpoint } = parseTlogProof(bytes);
    const { size, root } = parseCheckpoint(verifyNote(checkpoint, vkeys, opensslVerify).text);
    included = verifyInclusion({ leafHash, index, size, path, root });
  });
  return code ?? (included ? "ok" : "not_included");
}

describe("vectors", () => {
  it.each(proofs)("$name", (vector) => {
    expect(resultOf(fromHex(vector.hex), vector.vkeys, fromHex(vector.leaf))).toBe(vector.result);
  });

  it.each(proofs.filter((vector) => vector.result === "ok"))("parts of: $name", (vector) => {
    const proof = parseTlogProof(fromHex(vector.hex));
    expect(proof).toEqual({
      ...(vector.extra === undefined ? {} : { extra: fromHex(vector.extra) }),
      index: vector.index,
      path: vector.path!.map(fromHex),
      checkpoint: vector.checkpoint,
    });
    expect("extra" in proof).toBe(vector.extra !== undefined);
    expect(Buffer.from(formatTlogProof(proof)).toString("hex")).toBe(vector.hex);
  });

  it.each(proofs.filter((vector) => vector.result !== "bad_tlog_proof"))("text as bytes: $name", (vector) => {
    const text = Buffer.from(vector.hex, "hex").toString("utf8");
    expect(parseTlogProof(text)).toEqual(parseTlogProof(fromHex(vector.hex)));
    expect(formatTlogProof(parseTlogProof(text))).toBe(text);
  });

  it.each(proofs.filter((vector) => vector.every_flip !== undefined))("every flipped bit of: $name", (vector) => {
    const bytes = fromHex(vector.hex);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit % 8);
      expect(resultOf(flipped, vector.vkeys, fromHex(vector.leaf)), `bit ${bit}`).not.toBe("ok");
    }
  });
});

describe("extra data", () => {
  it("is not authenticated: another value verifies as well", () => {
    const vector = proofs.find(({ name }) => name === "the last leaf, with extra data")!;
    const changed = formatTlogProof({ ...parseTlogProof(fromHex(vector.hex)), extra: Uint8Array.of(1) });
    expect(resultOf(Buffer.from(changed), vector.vkeys, fromHex(vector.leaf))).toBe("ok");
  });
});

describe("formatTlogProof", () => {
  const { checkpoint } = parseTlogProof(fromHex(proofs[0]!.hex));
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

  it("is undone by parseTlogProof", () => {
    const proof = fc.record(
      {
        extra: fc.uint8Array({ minLength: 1 }),
        index: fc.maxSafeNat(),
        path: fc.array(hash, { maxLength: 63 }),
        checkpoint: fc.constant(checkpoint),
      },
      { requiredKeys: ["index", "path", "checkpoint"] },
    );
    fc.assert(
      fc.property(proof, (parts) => {
        expect(parseTlogProof(formatTlogProof(parts))).toEqual(parts);
      }),
    );
  });

  it("keeps to 64 KiB", () => {
    const rest = formatTlogProof({ extra: new Uint8Array(3), index: 0, path: [], checkpoint });
    const room = MAX_TLOG_PROOF_BYTES - Buffer.byteLength(rest);
    const extra = new Uint8Array(3 + 3 * Math.floor(room / 4));
    const slack = room % 4; // digits that the index may have more
    const longest = formatTlogProof({ extra, index: 10 ** slack, path: [], checkpoint });
    expect(Buffer.byteLength(longest)).toBe(65_536);
    expect(parseTlogProof(longest).extra).toEqual(extra);
    expect(codeOf(() => formatTlogProof({ extra, index: 10 ** (slack + 1), path: [], checkpoint }))).toBe("bad_tlog_proof");
    expect(codeOf(() => parseTlogProof(Buffer.from(`${longest}\n`)))).toBe("bad_tlog_proof");
  });

  const good: TlogProof = { index: 0, path: [], checkpoint };
  it.each<[string, TlogProof]>([
    ["empty extra data", { ...good, extra: new Uint8Array(0) }],
    ["negative index", { ...good, index: -1 }],
    ["fractional index", { ...good, index: 0.5 }],
    ["index 2^53", { ...good, index: 2 ** 53 }],
    ["path hash of 31 bytes", { ...good, path: [new Uint8Array(31)] }],
    [
      "path hashes that would read as the lines of a checkpoint",
      {
        index: 0,
        path: [new Uint8Array(0), new Uint8Array(32), new Uint8Array(Buffer.from("1234", "base64")), new Uint8Array(32)],
        checkpoint: "— a AAAAAAA=\n",
      },
    ],
    ["path of 64 hashes", { ...good, path: Array.from({ length: 64 }, () => new Uint8Array(32)) }],
    ["no checkpoint", { ...good, checkpoint: "" }],
    ["text after the checkpoint", { ...good, checkpoint: `${checkpoint}x\n` }],
    ["checkpoint cut short", { ...good, checkpoint: checkpoint.slice(0, -1) }],
    ["empty line before the checkpoint", { ...good, checkpoint: `\n${checkpoint}` }],
  ])("refuses: %s", (_, proof) => {
    expect(codeOf(() => formatTlogProof(proof))).toBe("bad_tlog_proof");
  });
});
