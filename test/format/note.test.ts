import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/format/errors.ts";
import {
  MAX_NOTE_BYTES,
  formatNote,
  formatVkey,
  keyId,
  parseNote,
  parseVkey,
  signNote,
  verifyEd25519,
  verifyNote,
} from "../../src/format/note.ts";
import type { NoteSigner, VerifyEd25519 } from "../../src/format/note.ts";

interface NoteVector {
  readonly name: string;
  readonly hex: string;
  readonly vkeys: readonly string[];
  readonly ok: boolean;
  readonly code?: string;
  readonly text?: string;
  readonly verified?: readonly string[];
  readonly unknown?: number;
  readonly every_flip?: string;
}
interface VkeyVector {
  readonly name: string;
  readonly vkey: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly key_name?: string;
  readonly key_id?: number;
  readonly public_key?: string;
  readonly every_flip?: string;
}
interface Vectors {
  readonly signers: readonly { readonly seed: string; readonly vkey: string }[];
  readonly signed: readonly { readonly seeds: readonly string[]; readonly name: string; readonly text: string; readonly note: string }[];
  readonly parsed_only: readonly { readonly name: string; readonly note: string; readonly text: string; readonly key_ids: readonly number[] }[];
  readonly notes: readonly NoteVector[];
  readonly vkeys: readonly VkeyVector[];
}
const vectors = JSON.parse(readFileSync(new URL("../vectors/notes.json", import.meta.url), "utf8")) as Vectors;

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const der = (prefix: string, key: Uint8Array): Buffer => Buffer.concat([Buffer.from(prefix, "hex"), key]);
const privateKey = (seed: Uint8Array) =>
  createPrivateKey({ key: der("302e020100300506032b657004220420", seed), format: "der", type: "pkcs8" });
const publicKeyOf = (seed: Uint8Array): Uint8Array =>
  new Uint8Array(createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" }).subarray(-32));

/** OpenSSL's Ed25519, the kind of faster function that a caller injects. */
const opensslVerify: VerifyEd25519 = (publicKey, message, signature) =>
  verify(null, message, createPublicKey({ key: der("302a300506032b6570032100", publicKey), format: "der", type: "spki" }), signature);

function signer(name: string, seed: Uint8Array): NoteSigner {
  return { name, publicKey: publicKeyOf(seed), sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey(seed))) };
}

/** The code of the FormatError that it throws, or undefined. */
function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

function* everyFlip(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const out = bytes.slice();
    out[bit >> 3]! ^= 1 << (bit % 8);
    yield out;
  }
}

const log = vectors.signers[1]!;
const logSigner = signer("receipts.example.com/loans", fromHex(log.seed));

describe.each([["@noble/curves", verifyEd25519], ["OpenSSL", opensslVerify]] as const)("verifyNote with %s", (_, ed25519) => {
  it.each(vectors.notes)("$name", (vector) => {
    const bytes = fromHex(vector.hex);
    if (!vector.ok) {
      expect(codeOf(() => verifyNote(bytes, vector.vkeys, ed25519))).toBe(vector.code);
      return;
    }
    const note = verifyNote(bytes, vector.vkeys, ed25519);
    expect(note).toMatchObject({ text: vector.text, verified: vector.verified, unknown: vector.unknown });
    expect(note.keys.map((key) => key.name)).toEqual(vector.verified);
    expect(verifyNote(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), vector.vkeys.map((v) => parseVkey(v)), ed25519)).toEqual(note);
  });
});

describe("verifyNote", () => {
  it.each(vectors.notes.filter((vector) => vector.every_flip !== undefined))("refuses every flipped bit of: $name", (vector) => {
    for (const flipped of everyFlip(fromHex(vector.hex))) {
      expect(codeOf(() => verifyNote(flipped, vector.vkeys, opensslVerify))).toBe(vector.every_flip);
    }
  });

  it("says which of two keys with one name has signed", () => {
    const { note } = vectors.signed[1]!;
    const [first, second] = [vectors.signers[1]!.vkey, vectors.signers[2]!.vkey];
    expect(verifyNote(note, [second, first]).keys).toEqual([parseVkey(first), parseVkey(second)]);
    expect(verifyNote(note, [second]).keys).toEqual([parseVkey(second)]);
  });

  it("refuses two pinned keys that share name and key ID", () => {
    const known = parseVkey(log.vkey);
    const collision = { ...known, publicKey: parseVkey(vectors.signers[2]!.vkey).publicKey };
    expect(codeOf(() => verifyNote(vectors.signed[1]!.note, [known, collision]))).toBe("bad_vkey");
    expect(codeOf(() => verifyNote(vectors.signed[1]!.note, ["x"]))).toBe("bad_vkey");
  });

  it("asks about no signature of another length, by any verifier", () => {
    const text = "a\n";
    const { name, keyId: id } = parseVkey(log.vkey);
    const note = formatNote({ text, signatures: [{ name, keyId: id, signature: new Uint8Array(65) }] });
    expect(codeOf(() => verifyNote(note, [log.vkey], () => true))).toBe("bad_note");
  });
});

describe("parseNote and formatNote", () => {
  it.each(vectors.notes.filter((vector) => vector.ok))("give the same bytes again: $name", (vector) => {
    expect(Buffer.from(formatNote(parseNote(fromHex(vector.hex)))).toString("hex")).toBe(vector.hex);
  });

  it.each(vectors.parsed_only)("$name", ({ note, text, key_ids }) => {
    const parsed = parseNote(note);
    expect(parsed.text).toBe(text);
    expect(parsed.signatures.map((signature) => signature.keyId)).toEqual(key_ids);
    expect(formatNote(parsed)).toBe(note);
  });

  it("give the same parts again, whatever the text", () => {
    const lines = fc.array(fc.oneof(fc.constantFrom("", "— a AAAAAAA=", "é", "\u{1f600}"), fc.string()), { minLength: 1 });
    const signature = fc.record({
      name: fc.stringMatching(/^[a-z0-9./\u00e9-]{1,20}$/u),
      keyId: fc.nat(0xffff_ffff),
      signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
    });
    fc.assert(
      fc.property(lines, fc.array(signature, { minLength: 1, maxLength: 16 }), (parts, signatures) => {
        const note = { text: `${parts.join("\n")}\n`, signatures };
        expect(parseNote(formatNote(note))).toEqual(note);
      }),
    );
  });

  it("keep to 64 KiB of UTF-8", () => {
    const signatures = [{ name: "a", keyId: 1, signature: new Uint8Array(64) }];
    const rest = Buffer.byteLength(formatNote({ text: "\n", signatures })) - 1;
    const text = (bytes: number): string => `é${"x".repeat(bytes - 3 - rest)}\n`;
    const longest = formatNote({ text: text(MAX_NOTE_BYTES), signatures });
    expect(Buffer.byteLength(longest)).toBe(65_536);
    expect(parseNote(longest).signatures).toEqual(signatures);
    expect(parseNote(Buffer.from(longest)).signatures).toEqual(signatures);
    expect(codeOf(() => parseNote(`x${longest}`))).toBe("bad_note");
    expect(codeOf(() => parseNote(Buffer.from(`x${longest}`)))).toBe("bad_note");
    expect(codeOf(() => formatNote({ text: text(MAX_NOTE_BYTES + 1), signatures }))).toBe("bad_note");
  });

  it("refuse what is not a note", () => {
    const signature = { name: "a", keyId: 1, signature: new Uint8Array(1) };
    const refused = [
      { text: "no newline", signatures: [signature] },
      { text: "", signatures: [signature] },
      { text: "a\r\n", signatures: [signature] },
      { text: "\ud800\n", signatures: [signature] },
      { text: "a\n", signatures: [] },
      { text: "a\n", signatures: Array.from({ length: 17 }, () => signature) },
      { text: "a\n", signatures: [{ ...signature, name: "" }] },
      { text: "a\n", signatures: [{ ...signature, name: "a b" }] },
      { text: "a\n", signatures: [{ ...signature, name: "a\nb" }] },
      { text: "a\n", signatures: [{ ...signature, name: "a+b" }] },
      { text: "a\n", signatures: [{ ...signature, name: "\udc00" }] },
      { text: "a\n", signatures: [{ ...signature, keyId: -1 }] },
      { text: "a\n", signatures: [{ ...signature, keyId: 2 ** 32 }] },
      { text: "a\n", signatures: [{ ...signature, keyId: 0.5 }] },
      { text: "a\n", signatures: [{ ...signature, signature: new Uint8Array(0) }] },
    ];
    for (const note of refused) expect(codeOf(() => formatNote(note)), JSON.stringify(note)).toBe("bad_note");
    expect(codeOf(() => parseNote("\ud800\n\n— a AAAAAAA=\n"))).toBe("bad_note");
  });
});

describe("signNote", () => {
  it.each(vectors.signed)("gives the published bytes for $name", async ({ seeds, name, text, note }) => {
    expect(await signNote(text, ...seeds.map((seed) => signer(name, fromHex(seed))))).toBe(note);
  });
  it("waits for an asynchronous signer and keeps its `this`", async () => {
    class Kms implements NoteSigner {
      readonly name = logSigner.name;
      readonly publicKey = logSigner.publicKey;
      async sign(bytes: Uint8Array): Promise<Uint8Array> {
        expect(this.name).toBe(logSigner.name);
        return logSigner.sign(bytes);
      }
    }
    expect(await signNote("a\n", new Kms())).toBe(await signNote("a\n", logSigner));
  });
  it("refuses bad texts, no signer and what is not a signature", async () => {
    let asked = 0;
    const counting: NoteSigner = { ...logSigner, sign: (bytes) => (asked++, logSigner.sign(bytes)) };
    await expect(signNote("no newline", counting)).rejects.toMatchObject({ code: "bad_note" });
    expect(asked).toBe(0); // a key signs nothing that cannot be a note
    await expect(signNote("a\n")).rejects.toMatchObject({ code: "bad_note" });
    await expect(signNote("a\n", { ...logSigner, name: "a b" })).rejects.toMatchObject({ code: "bad_note" });
    await expect(signNote("a\n", { ...logSigner, sign: () => new Uint8Array(63) })).rejects.toMatchObject({ code: "bad_note" });
  });
});

describe("verifier keys", () => {
  it.each(vectors.vkeys)("$name", (vector) => {
    if (!vector.ok) {
      expect(codeOf(() => parseVkey(vector.vkey))).toBe(vector.code);
      return;
    }
    const parsed = parseVkey(vector.vkey);
    expect(parsed).toEqual({ name: vector.key_name, keyId: vector.key_id, publicKey: fromHex(vector.public_key!) });
    expect(formatVkey(parsed.name, parsed.publicKey)).toBe(vector.vkey);
    expect(keyId(parsed.name, parsed.publicKey)).toBe(vector.key_id);
  });

  it.each(vectors.vkeys.filter((vector) => vector.every_flip !== undefined))("no flipped bit passes: $name", (vector) => {
    for (const flipped of everyFlip(Buffer.from(vector.vkey))) {
      expect(codeOf(() => parseVkey(Buffer.from(flipped).toString("utf8")))).toBe(vector.every_flip);
    }
  });

  it("are not made from what is not a name or a key", () => {
    const { publicKey } = parseVkey(log.vkey);
    for (const name of ["", "a b", "a+b", "a\nb", "a\u0085b", "\ud800"]) {
      expect(codeOf(() => formatVkey(name, publicKey)), JSON.stringify(name)).toBe("bad_vkey");
    }
    for (const key of [publicKey.slice(1), new Uint8Array(33), new Uint8Array(32)]) {
      expect(codeOf(() => formatVkey("a", key))).toBe("bad_vkey");
    }
  });
});

describe("verifyEd25519", () => {
  it("decides as OpenSSL does, for good and flipped signatures", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(32), fc.uint8Array(), fc.nat(64 * 8 - 1), (seed, message, bit) => {
        const publicKey = publicKeyOf(seed);
        const signature = new Uint8Array(sign(null, message, privateKey(seed)));
        expect(verifyEd25519(publicKey, message, signature)).toBe(true);
        signature[bit >> 3]! ^= 1 << (bit % 8);
        expect(verifyEd25519(publicKey, message, signature)).toBe(false);
        expect(opensslVerify(publicKey, message, signature)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });
  it("is false, not an exception, for other lengths and points", () => {
    const { publicKey } = parseVkey(log.vkey);
    const message = Buffer.from("a\n");
    for (const length of [0, 63, 65, 128]) expect(verifyEd25519(publicKey, message, new Uint8Array(length))).toBe(false);
    for (const length of [0, 31, 33]) expect(verifyEd25519(new Uint8Array(length), message, new Uint8Array(64))).toBe(false);
    expect(verifyEd25519(new Uint8Array(32).fill(0xff), message, new Uint8Array(64))).toBe(false);
    expect(verifyEd25519(publicKey, message, new Uint8Array(64))).toBe(false);
  });
});
