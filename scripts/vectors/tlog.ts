/**
 * Writes test/vectors/merkle.json, notes.json and tlog-proofs.json: `node scripts/vectors/tlog.ts`. Deterministic.
 *
 * Nothing here comes from src/: trees and verdicts follow the recursive definitions of RFC 6962 word by word, signatures are
 * Node's, and what must be refused is written down by hand. So the vectors do not repeat an error of the code that they test.
 * Published values are literals; the script stops if its own results differ from them.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { ed25519 } from "@noble/curves/ed25519.js";

// --- bytes -----------------------------------------------------------------------------------------------------------------

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const uint = (value: number, bytes: number): Buffer => Buffer.from(value.toString(16).padStart(2 * bytes, "0"), "hex");
const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`not as published: ${what}`);
};

/** Bit b is the bit of value 1 << (b % 8) in byte b / 8; in a number it is the bit of value 2^b. */
function flipBit(bytes: Uint8Array, bit: number): Buffer {
  const out = Buffer.from(bytes);
  out[bit >> 3]! ^= 1 << (bit % 8);
  return out;
}

function write(name: string, sections: Readonly<Record<string, unknown>>): void {
  const body = Object.entries(sections).map(([key, value]) =>
    Array.isArray(value)
      ? `  ${JSON.stringify(key)}: [\n${value.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`
      : `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  writeFileSync(new URL(`../../test/vectors/${name}`, import.meta.url), `{\n${body.join(",\n")}\n}\n`);
}

// --- trees (RFC 6962 section 2.1) ------------------------------------------------------------------------------------------

const leafHash = (entry: Uint8Array): Buffer => sha256(uint(0, 1), entry);
const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(uint(1, 1), left, right);

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** PATH(m, D[n]) */
function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k ? [...path(m, left), mth(right)] : [...path(m - k, right), mth(left)];
}

/** SUBPROOF(m, D[n], b); PROOF(m, D[n]) = SUBPROOF(m, D[n], true) */
function subproof(m: number, leaves: readonly Buffer[], b = true): Buffer[] {
  if (m === leaves.length) return b ? [] : [mth(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k ? [...subproof(m, left, b), mth(right)] : [...subproof(m - k, right, false), mth(left)];
}

/** The root that an inclusion path leads to by the recursion of PATH, or null where the path has another shape. */
function rootByPath(leaf: Buffer, index: number, size: number, proof: readonly Buffer[]): Buffer | null {
  if (index >= size) return null;
  if (size === 1) return proof.length === 0 ? leaf : null;
  const [top, rest, k] = [proof.at(-1), proof.slice(0, -1), split(size)];
  const below = index < k ? rootByPath(leaf, index, k, rest) : rootByPath(leaf, index - k, size - k, rest);
  if (top === undefined || below === null) return null;
  return index < k ? nodeHash(below, top) : nodeHash(top, below);
}

/** The two roots that a consistency path leads to by the recursion of SUBPROOF, or null. */
function rootsBySubproof(m: number, n: number, proof: readonly Buffer[], old: Buffer | null): readonly [Buffer, Buffer] | null {
  if (m < 1 || m > n) return null;
  if (m === n) {
    const [only, ...rest] = old === null ? proof : [old, ...proof];
    return only === undefined || rest.length > 0 ? null : [only, only];
  }
  const [top, rest, k] = [proof.at(-1), proof.slice(0, -1), split(n)];
  const below = m <= k ? rootsBySubproof(m, k, rest, old) : rootsBySubproof(m - k, n - k, rest, null);
  if (top === undefined || below === null) return null;
  return m <= k ? [below[0], nodeHash(below[1], top)] : [nodeHash(top, below[0]), nodeHash(top, below[1])];
}

// The test vectors of Certificate Transparency: google/certificate-transparency, now transparency-dev/merkle,
// testonly/constants.go (leaves, nodes, roots) and proof/verify_test.go (proofs).
const published = {
  leaves: ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"],
  roots: [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ],
  nodes: {
    leaf0: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    leaf1: "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    leaf4: "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    leaf6: "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    pair0: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    pair1: "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    pair2: "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    pair3: "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    four0: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    four1: "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
  },
} as const;
const p = published.nodes;
const publishedInclusion = [
  { index: 0, size: 1, path: [] },
  { index: 0, size: 8, path: [p.leaf1, p.pair1, p.four1] },
  { index: 5, size: 8, path: [p.leaf4, p.pair3, p.four0] },
  { index: 2, size: 3, path: [p.pair0] },
  { index: 1, size: 5, path: [p.leaf0, p.pair1, p.leaf4] },
];
const publishedConsistency = [
  { size1: 1, size2: 1, path: [] },
  { size1: 1, size2: 8, path: [p.leaf1, p.pair1, p.four1] },
  { size1: 6, size2: 8, path: [p.pair2, p.pair3, p.four0] },
  { size1: 2, size2: 5, path: [p.pair1, p.leaf4] },
  { size1: 6, size2: 7, path: [p.pair2, p.leaf6, p.four0] },
];

const ctLeaves = published.leaves.map((entry) => leafHash(Buffer.from(entry, "hex")));
published.roots.forEach((root, n) => must(hex(mth(ctLeaves.slice(0, n))) === root, `root of ${n} leaves`));
for (const { index, size, path: proof } of publishedInclusion) {
  must(path(index, ctLeaves.slice(0, size)).map(hex).join() === proof.join(), `inclusion of ${index} in ${size}`);
}
for (const { size1, size2, path: proof } of publishedConsistency) {
  must(subproof(size1, ctLeaves.slice(0, size2)).map(hex).join() === proof.join(), `consistency of ${size1} and ${size2}`);
}

const receiptHashes = Array.from({ length: 257 }, (_, i) => sha256(Buffer.from(`receipt ${i}`)));
const leaves = receiptHashes.map((hash) => leafHash(Buffer.concat([uint(1, 1), hash])));
const treeSizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257];
const rootAt = new Map(treeSizes.map((size) => [size, mth(leaves.slice(0, size))]));

/** Bits to flip in a number: all that it has, and the next two. */
const bitsOf = (value: number): number[] => Array.from({ length: value.toString(2).length + 2 }, (_, bit) => bit);

function inclusionVector(index: number, size: number): object {
  const [leaf, proof, root] = [leaves[index]!, path(index, leaves.slice(0, size)), rootAt.get(size)!];
  const check = (l: Buffer, i: number, n: number, q: readonly Buffer[], r: Buffer): boolean =>
    rootByPath(l, i, n, q)?.equals(r) === true;
  must(check(leaf, index, size, proof, root), "own proof");
  const bit = (37 * index + size) % 256;
  const flips = [
    { in: "leaf", bit, ok: check(flipBit(leaf, bit), index, size, proof, root) },
    { in: "root", bit, ok: check(leaf, index, size, proof, flipBit(root, bit)) },
    ...proof.map((_, item) => {
      const bad = proof.map((hash, i) => (i === item ? flipBit(hash, bit) : hash));
      return { in: "path", item, bit, ok: check(leaf, index, size, bad, root) };
    }),
    ...bitsOf(index).map((b) => ({ in: "index", bit: b, ok: check(leaf, index ^ (1 << b), size, proof, root) })),
    ...bitsOf(size).map((b) => ({ in: "size", bit: b, ok: check(leaf, index, size ^ (1 << b), proof, root) })),
  ];
  return { index, size, leaf: hex(leaf), root: hex(root), path: proof.map(hex), flips };
}

function consistencyVector(size1: number, size2: number): object {
  const proof = size1 === 0 ? [] : subproof(size1, leaves.slice(0, size2));
  const [root1, root2] = [rootAt.get(size1)!, rootAt.get(size2)!];
  const check = (m: number, r1: Buffer, n: number, r2: Buffer, q: readonly Buffer[]): boolean => {
    if (m === 0) return q.length === 0 && r1.equals(sha256()) && (n > 0 || r2.equals(r1));
    const roots = rootsBySubproof(m, n, q, r1);
    return roots !== null && roots[0].equals(r1) && roots[1].equals(r2);
  };
  must(check(size1, root1, size2, root2, proof), "own proof");
  const bit = (41 * size1 + size2) % 256;
  const flips = [
    { in: "root1", bit, ok: check(size1, flipBit(root1, bit), size2, root2, proof) },
    { in: "root2", bit, ok: check(size1, root1, size2, flipBit(root2, bit), proof) },
    ...proof.map((_, item) => {
      const bad = proof.map((hash, i) => (i === item ? flipBit(hash, bit) : hash));
      return { in: "path", item, bit, ok: check(size1, root1, size2, root2, bad) };
    }),
    ...bitsOf(size1).map((b) => ({ in: "size1", bit: b, ok: check(size1 ^ (1 << b), root1, size2, root2, proof) })),
    ...bitsOf(size2).map((b) => ({ in: "size2", bit: b, ok: check(size1, root1, size2 ^ (1 << b), root2, proof) })),
  ];
  return { size1, root1: hex(root1), size2, root2: hex(root2), path: proof.map(hex), flips };
}

const smallSizes = treeSizes.filter((size) => size <= 9);
const largeSizes = treeSizes.filter((size) => size > 9);
const bundle = Buffer.concat(receiptHashes.slice(0, 3).flatMap((hash) => [uint(33, 2), uint(1, 1), hash]));
const badBundle = (change: (bytes: Buffer) => void): string => {
  const bytes = Buffer.from(bundle);
  change(bytes);
  return hex(bytes);
};

write("merkle.json", {
  about: "RFC 6962 trees with SHA-256. 'flips' says whether the proof still verifies with one bit flipped: bit b of bytes is the bit of value 1 << (b % 8) in byte b / 8, of a number the bit of value 2^b. A size flip that verifies is no error: a path binds the size only by its shape.",
  published: { source: "transparency-dev/merkle testonly/constants.go, proof/verify_test.go", ...published, inclusion: publishedInclusion, consistency: publishedConsistency },
  receipts: "receipt hash i = SHA-256('receipt i'), entry i = 01 || receipt hash i, leaf hash i = SHA-256(00 || entry i)",
  trees: treeSizes.map((size) => ({ size, root: hex(rootAt.get(size)!) })),
  inclusion: [
    ...smallSizes.flatMap((size) => Array.from({ length: size }, (_, index) => inclusionVector(index, size))),
    ...largeSizes.flatMap((size) => [0, 1, 127, 128, 253, size - 2, size - 1].map((index) => inclusionVector(index, size))),
  ],
  consistency: [
    ...smallSizes.flatMap((size2) => smallSizes.filter((size1) => size1 <= size2).map((size1) => consistencyVector(size1, size2))),
    ...largeSizes.flatMap((size2) => [0, 1, 2, 7, 8, 9, 255, 256].filter((m) => m <= size2).map((m) => consistencyVector(m, size2))),
  ],
  entries: [
    { name: "no entries", hex: "", receipt_hashes: [] },
    { name: "three entries", hex: hex(bundle), receipt_hashes: receiptHashes.slice(0, 3).map(hex) },
    { name: "cut inside the last hash", hex: hex(bundle.subarray(0, -1)), code: "bad_entries" },
    { name: "cut after a length", hex: hex(bundle.subarray(0, 37)), code: "bad_entries" },
    { name: "one trailing byte", hex: `${hex(bundle)}00`, code: "bad_entries" },
    { name: "length 32", hex: badBundle((b) => b.writeUInt16BE(32, 35)), code: "bad_entries" },
    { name: "length 33 + 256", hex: badBundle((b) => b.writeUInt16BE(289, 35)), code: "bad_entries" },
    { name: "little-endian length", hex: badBundle((b) => b.writeUInt16LE(33, 0)), code: "bad_entries" },
    { name: "type 0x00", hex: badBundle((b) => void (b[72] = 0)), code: "bad_entries" },
    { name: "type 0x02", hex: badBundle((b) => void (b[2] = 2)), code: "bad_entries" },
  ],
});

// --- signed notes (c2sp.org/signed-note) -----------------------------------------------------------------------------------

interface Key {
  readonly name: string;
  readonly seed: Buffer;
  readonly publicKey: Buffer;
  readonly vkey: string;
}

const keyHash = (name: string, typedKey: Uint8Array): Buffer => sha256(Buffer.from(`${name}\n`), typedKey).subarray(0, 4);
const vkeyOf = (name: string, typedKey: Uint8Array): string => `${name}+${hex(keyHash(name, typedKey))}+${base64(typedKey)}`;
const typed = (publicKey: Uint8Array): Buffer => Buffer.concat([uint(1, 1), publicKey]);
const privateKey = (seed: Buffer) =>
  createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });

function keyFrom(name: string, seed: Buffer): Key {
  const publicKey = createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" }).subarray(-32);
  return { name, seed, publicKey, vkey: vkeyOf(name, typed(publicKey)) };
}

const signText = (key: Key, text: string): Buffer => sign(null, Buffer.from(text), privateKey(key.seed));
const line = (name: string, id: Uint8Array, signature: Uint8Array): string => `— ${name} ${base64(Buffer.concat([id, signature]))}\n`;
const signatureLine = (key: Key, text: string): string => line(key.name, keyHash(key.name, typed(key.publicKey)), signText(key, text));
const note = (text: string, ...keys: readonly Key[]): string => `${text}\n${keys.map((key) => signatureLine(key, text)).join("")}`;
const keyNamed = (name: string, label = name): Key => keyFrom(name, sha256(Buffer.from(`receiptd vector key ${label}`)));

const origin = "receipts.example.com/loans";
const log = keyNamed(origin);
const nextLog = keyNamed(origin, "the next key of the same log");
const other = keyNamed("other.example.com/log");

// golang.org/x/mod/sumdb/note: note.go (documentation) and note_test.go
const peter = keyFrom("PeterNeumann", Buffer.from("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", "base64").subarray(1));
const enochVkey = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const goText = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const peterLine = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const enochLine = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
must(peter.vkey === "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "vkey of PeterNeumann");
must(note(goText, peter) === `${goText}\n${peterLine}`, "signature of PeterNeumann");

// C2SP signed-note.md and tlog-checkpoint.md, tlog-cosignature.md (CC BY 4.0)
const c2spVkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const c2spText = "This is an example message.\n";
const c2spNote = `${c2spText}\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n`;
const c2spCheckpoint = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const c2spCosigned = `${c2spCheckpoint}
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;

const checkpointText = (name: string, size: number): string => `${name}\n${size}\n${base64(rootAt.get(size)!)}\n`;
const text = checkpointText(origin, 257);
const signed = note(text, log);
const logId = keyHash(origin, typed(log.publicKey));
const logSignature = signText(log, text);
const logLine = signatureLine(log, text);
const witnessLine = line("witness.example.com/w1", Buffer.from("8d66cf3f", "hex"), Buffer.alloc(72, 7)); // of a type we do not know

/** S + L: the same signature in a spelling that RFC 8032 section 5.1.7 refuses. */
function malleated(signature: Buffer): Buffer {
  const s = BigInt(`0x${hex(Buffer.from(signature.subarray(32)).reverse())}`) + ed25519.Point.Fn.ORDER;
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()]);
}

/** A signature by the key's owner whose R has a component of order 8: valid with the cofactor (ZIP 215), invalid without (Go). */
function cofactored(key: Key, message: Uint8Array): Buffer {
  const { Point } = ed25519;
  const { scalar } = ed25519.utils.getExtendedPublicKey(key.seed);
  const torsion = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
  const r = 123456789n;
  const R = Buffer.from(Point.BASE.multiply(r).add(torsion).toBytes());
  const digest = createHash("sha512").update(Buffer.concat([R, key.publicKey, message])).digest();
  const k = BigInt(`0x${hex(digest.reverse())}`) % Point.Fn.ORDER;
  const s = (r + k * scalar) % Point.Fn.ORDER;
  const signature = Buffer.concat([R, Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()]);
  must(ed25519.verify(signature, message, key.publicKey), "the cofactored signature verifies with the cofactor");
  return signature;
}

const good = (name: string, content: string, vkeys: readonly string[], verified: readonly string[], unknown = 0): object => {
  const end = content.lastIndexOf("\n\n") + 1;
  return { name, hex: hex(Buffer.from(content)), vkeys, ok: true, text: content.slice(0, end), verified, unknown };
};
const bad = (name: string, content: string | Buffer, vkeys: readonly string[] = [log.vkey]): object => {
  return { name, hex: hex(Buffer.from(content as string)), vkeys, ok: false, code: "bad_note" };
};
const withLine = (signature: string): string => `${text}\n${signature}`;
const oddText = "\nfirst line empty\n\n— not.a/signature AAAAAAA=\n\n";
const named = (name: string): string => `${goText}\n${line(name, logId, logSignature)}${peterLine}`;

const notes = [
  good("C2SP example", c2spNote, [c2spVkey], ["example.com/foo"]),
  good("Go: one of two keys known", `${goText}\n${peterLine}${enochLine}`, [peter.vkey], ["PeterNeumann"], 1),
  good("Go: both keys known", `${goText}\n${peterLine}${enochLine}`, [enochVkey, peter.vkey], ["PeterNeumann", "EnochRoot"]),
  { ...good("checkpoint", signed, [log.vkey], [origin]), every_flip: "bad_note" },
  good("rotation: two keys with one name", note(text, log, nextLog), [nextLog.vkey, log.vkey], [origin, origin]),
  good("rotation: only the next key pinned", note(text, log, nextLog), [nextLog.vkey], [origin], 1),
  good("unknown witness before the log", withLine(witnessLine + logLine), [log.vkey], [origin], 1),
  good("the same signature twice", withLine(logLine + logLine), [log.vkey], [origin]),
  good("16 signatures", withLine(witnessLine.repeat(15) + logLine), [log.vkey], [origin], 15),
  good("known name with an unknown key ID", withLine(line(origin, Buffer.alloc(4), logSignature) + logLine), [log.vkey], [origin], 1),
  good("known key ID under an unknown name", withLine(line("other", logId, logSignature) + logLine), [log.vkey], [origin], 1),
  good("the same key pinned twice", signed, [log.vkey, log.vkey], [origin]),
  good("empty lines and a signature line inside the text", note(oddText, log), [log.vkey], [origin]),
  good("the text is one newline", note("\n", log), [log.vkey], [origin]),
  good("U+007F, U+0085 and U+FEFF in the text", note("\ufeffa\u007f\u0085b\n", log), [log.vkey], [origin]),
  good("U+FEFF in a name is no space", named("a\ufeffb"), [peter.vkey], ["PeterNeumann"], 1),
  bad("no key pinned", signed, []),
  bad("only another key pinned", signed, [other.vkey]),
  bad("another key pinned under the same name", signed, [nextLog.vkey]),
  bad("wrong key name", withLine(line("other.example.com", logId, logSignature))),
  bad("wrong key ID", withLine(line(origin, flipBit(logId, 0), logSignature))),
  bad("wrong signature", withLine(line(origin, logId, flipBit(logSignature, 300)))),
  bad("wrong signature by one of two known keys", withLine(logLine + line(origin, keyHash(origin, typed(nextLog.publicKey)), logSignature)), [log.vkey, nextLog.vkey]),
  bad("a good and a wrong signature by one known key", withLine(logLine + line(origin, logId, flipBit(logSignature, 300)))),
  bad("signature of another text", `${checkpointText(origin, 256)}\n${logLine}`),
  bad("signed without the final newline", withLine(line(origin, logId, signText(log, text.slice(0, -1))))),
  bad("signature in a type that the key is not", withLine(line(origin, logId, Buffer.concat([uint(0, 4), uint(1, 4), logSignature])))),
  bad("63 bytes of signature", withLine(line(origin, logId, logSignature.subarray(0, 63)))),
  bad("65 bytes of signature", withLine(line(origin, logId, Buffer.concat([logSignature, uint(0, 1)])))),
  bad("S + L", withLine(line(origin, logId, malleated(logSignature)))),
  bad("valid with the cofactor only", withLine(line(origin, logId, cofactored(log, Buffer.from(text))))),
  bad("17 signatures", withLine(witnessLine.repeat(16) + logLine)),
  bad("no signatures", `${text}\n`),
  bad("text only", text),
  bad("no blank line", text + logLine),
  bad("no blank line, and an empty text signed", `x${line(origin, logId, signText(log, ""))}`),
  bad("empty", ""),
  bad("only a signature", `\n${logLine}`),
  bad("final newline missing", signed.slice(0, -1)),
  bad("second final newline", `${signed}\n`),
  bad("trailing line", `${signed}trailing\n`),
  bad("trailing bytes", `${signed}x`),
  bad("CRLF", signed.replaceAll("\n", "\r\n")),
  bad("CR in the text, signed", note("a\rb\n", log)),
  bad("tab in the text, signed", note("a\tb\n", log)),
  bad("NUL in the text, signed", note("a\0b\n", log)),
  bad("not UTF-8", Buffer.concat([Buffer.from([0xff]), Buffer.from(signed)])),
  bad("UTF-8 of a lone surrogate", Buffer.concat([Buffer.from([0xed, 0xa0, 0x80]), Buffer.from(signed)])),
  bad("overlong UTF-8", Buffer.concat([Buffer.from([0xc0, 0xaf]), Buffer.from(signed)])),
  bad("byte order mark before a signed text", `\ufeff${signed}`),
  bad("hyphen for the dash", signed.replace("—", "-")),
  bad("en dash for the dash", signed.replace("—", "–")),
  bad("two spaces", signed.replace("— ", "—  ")),
  bad("space at the end", `${signed.slice(0, -1)} \n`),
  bad("signature missing", withLine(`— ${origin}\n`)),
  bad("signature empty", withLine(`— ${origin} \n${logLine}`)),
  bad("key ID without signature", withLine(line("other", logId, Buffer.alloc(0)) + logLine)),
  bad("base64 without padding", withLine(line("other", logId, Buffer.alloc(1)).replaceAll("=", "") + logLine)),
  bad("base64 with stray bits", withLine("— other AAAAAAB=\n" + logLine)),
  bad("base64 of the URL alphabet", withLine("— other AAAA-_8=\n" + logLine)),
  bad("empty name", withLine(line("", logId, logSignature) + logLine)),
  ...["a+b", "a\u0085b", "a\u00a0b", "a\u2003b", "a\u3000b", "a\u2028b", "a\u0001b", "a\tb"].map((name) =>
    bad(`name ${JSON.stringify(name).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}`, named(name), [peter.vkey]),
  ),
];

const fromKey = (key: Buffer): string => vkeyOf("example.com", typed(key));
const badVkey = (name: string, vkey: string): object => ({ name, vkey, ok: false, code: "bad_vkey" });
const okVkey = (name: string, vkey: string, publicKey: Uint8Array): object => ({
  name, vkey, ok: true, key_name: vkey.split("+")[0], key_id: Number.parseInt(vkey.split("+")[1]!, 16), public_key: hex(publicKey),
});
const afterId = (vkey: string): Buffer => Buffer.from(vkey.split("+").slice(2).join("+"), "base64").subarray(1);
const vkeys = [
  okVkey("C2SP example", c2spVkey, afterId(c2spVkey)),
  okVkey("Go: PeterNeumann", peter.vkey, peter.publicKey),
  okVkey("Go: EnochRoot", enochVkey, afterId(enochVkey)),
  { ...okVkey("log", log.vkey, log.publicKey), every_flip: "bad_vkey" },
  badVkey("Go: wrong length key", "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="),
  badVkey("Go: unknown algorithm", "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
  badVkey("type 0x04 (cosignature)", vkeyOf(origin, Buffer.concat([uint(4, 1), log.publicKey]))),
  badVkey("type 0x04 with the key ID of type 0x01", `${origin}+${hex(logId)}+${base64(Buffer.concat([uint(4, 1), log.publicKey]))}`),
  badVkey("31 bytes", fromKey(log.publicKey.subarray(1))),
  badVkey("no key", vkeyOf(origin, typed(Buffer.alloc(0)))),
  badVkey("no type", vkeyOf(origin, Buffer.alloc(0))),
  badVkey("key ID of another key", log.vkey.replace(hex(logId), hex(keyHash(origin, typed(nextLog.publicKey))))),
  badVkey("key ID in upper case", peter.vkey.replace("c74f20a3", "C74F20A3")),
  badVkey("key ID of seven digits", peter.vkey.replace("c74f20a3", "c74f20a")),
  badVkey("another name", peter.vkey.replace("PeterNeumann", "PeterNeuman")),
  badVkey("empty name", vkeyOf("", typed(log.publicKey))),
  badVkey("space in the name", vkeyOf("a b", typed(log.publicKey))),
  badVkey("U+0085 in the name", vkeyOf("a\u0085b", typed(log.publicKey))),
  badVkey("control character in the name", vkeyOf("a\u0001b", typed(log.publicKey))),
  badVkey("newline at the end", `${log.vkey}\n`),
  badVkey("newline at the start", `\n${log.vkey}`),
  badVkey("only name and key ID", log.vkey.split("+").slice(0, 2).join("+")),
  badVkey("base64 of the URL alphabet", vkeyOf("x", typed(peter.publicKey)).replace("/", "_")),
  badVkey("empty", ""),
  badVkey("identity point", fromKey(Buffer.from("01".padEnd(64, "0"), "hex"))),
  badVkey("point of order 8", fromKey(Buffer.from("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "hex"))),
  badVkey("y = p + 1, not canonical", fromKey(Buffer.from(`ee${"ff".repeat(30)}7f`, "hex"))),
  badVkey("not on the curve", fromKey(Buffer.from("02".padEnd(64, "0"), "hex"))),
];

// --- checkpoints (c2sp.org/tlog-checkpoint) --------------------------------------------------------------------------------

const root257 = base64(rootAt.get(257)!);
const okCheckpoint = (name: string, content: string): object => {
  const [first, size, root, ...extensions] = content.slice(0, -1).split("\n");
  return { name, text: content, ok: true, origin: first, size: Number(size), root: hex(Buffer.from(root!, "base64")), extensions };
};
const badCheckpoint = (name: string, content: string): object => ({ name, text: content, ok: false, code: "bad_checkpoint" });
const sized = (size: string): string => `${origin}\n${size}\n${root257}\n`;
const rooted = (root: string): string => `${origin}\n257\n${root}\n`;
const checkpoints = [
  okCheckpoint("C2SP example", c2spCheckpoint),
  okCheckpoint("ours", text),
  okCheckpoint("size 0", checkpointText(origin, 0)),
  okCheckpoint("size 2^53 - 1", sized("9007199254740991")),
  okCheckpoint("origin that is no URL", `The log — № 1 + 2\n257\n${root257}\n`),
  okCheckpoint("extension lines", `${text}first extension\n second\n`),
  badCheckpoint("size 2^53", sized("9007199254740992")),
  ...["0257", "00", "+257", "-1", "-0", " 257", "257 ", "257.0", "2e2", "0x101", "٢", ""].map((size) => badCheckpoint(`size "${size}"`, sized(size))),
  badCheckpoint("size of 30 digits", sized("1".padEnd(30, "0"))),
  badCheckpoint("root of 31 bytes", rooted(base64(Buffer.alloc(31)))),
  badCheckpoint("root of 33 bytes", rooted(base64(Buffer.alloc(33)))),
  badCheckpoint("root without padding", rooted(root257.slice(0, -1))),
  badCheckpoint("root with stray bits", rooted(`${"A".repeat(42)}B=`)),
  badCheckpoint("root of the URL alphabet", rooted(`${"_".repeat(42)}8=`)),
  badCheckpoint("root in hex", rooted(hex(rootAt.get(257)!))),
  badCheckpoint("root with a space", rooted(`${root257} `)),
  badCheckpoint("no root", `${origin}\n257\n`),
  badCheckpoint("only an origin", `${origin}\n`),
  badCheckpoint("empty", ""),
  badCheckpoint("empty origin", `\n257\n${root257}\n`),
  badCheckpoint("empty extension line", `${text}\n`),
  badCheckpoint("empty line between extensions", `${text}a\n\nb\n`),
  badCheckpoint("empty line before the size", `${origin}\n\n257\n${root257}\n`),
  badCheckpoint("final newline missing", text.slice(0, -1)),
  badCheckpoint("CRLF", text.replaceAll("\n", "\r\n")),
  badCheckpoint("tab in the origin", text.replace("/", "\t")),
  badCheckpoint("still signed", signed),
];

write("notes.json", {
  about: "C2SP signed notes, verifier keys (type 0x01) and checkpoints. 'verified' names the pinned keys that signed, in the order of the lines; 'every_flip' is what any single flipped bit of the whole gives.",
  source: "C2SP signed-note.md, tlog-checkpoint.md, tlog-cosignature.md (CC BY 4.0); golang.org/x/mod/sumdb/note note_test.go; else written for receiptd",
  signers: [peter, log, nextLog].map(({ seed, vkey }) => ({ seed: hex(seed), vkey })),
  signed: [
    { seeds: [hex(peter.seed)], name: "PeterNeumann", text: goText, note: note(goText, peter) },
    { seeds: [hex(log.seed), hex(nextLog.seed)], name: origin, text, note: note(text, log, nextLog) },
  ],
  parsed_only: [{ name: "C2SP checkpoint with a cosignature", note: c2spCosigned, text: c2spCheckpoint, key_ids: [0x033de0ae, 0x8d66cf3f] }],
  notes,
  vkeys,
  checkpoints,
});

// --- proofs (c2sp.org/tlog-proof) ------------------------------------------------------------------------------------------

const header = "c2sp.org/tlog-proof@v1\n";
const extra = Buffer.from('{"type":"anchor"}');
const proofText = (parts: { extra?: string; index: string; path: readonly string[]; checkpoint: string }): string =>
  `${header}${parts.extra === undefined ? "" : `extra ${parts.extra}\n`}index ${parts.index}\n${parts.path.map((hash) => `${hash}\n`).join("")}\n${parts.checkpoint}`;

function okProof(name: string, index: number, size: number, options: { extra?: Buffer; keys?: readonly Key[]; lines?: string } = {}): object {
  const { keys = [log], lines = "" } = options;
  const proof = path(index, leaves.slice(0, size));
  const checkpoint = note(checkpointText(origin, size), ...keys) + lines;
  const given = options.extra === undefined ? {} : { extra: base64(options.extra) };
  const content = proofText({ ...given, index: String(index), path: proof.map(base64), checkpoint });
  return {
    name, hex: hex(Buffer.from(content)), vkeys: [log.vkey], leaf: hex(leaves[index]!), result: "ok",
    ...(options.extra === undefined ? {} : { extra: hex(options.extra) }), index, path: proof.map(hex), checkpoint, size,
  };
}

const base = { index: "5", path: path(5, leaves.slice(0, 8)).map(base64), checkpoint: note(checkpointText(origin, 8), log) };
const baseText = proofText(base);
const badProof = (name: string, content: string | Buffer, result = "bad_tlog_proof", leaf = leaves[5]!, pinned = log.vkey): object => {
  return { name, hex: hex(Buffer.from(content as string)), vkeys: [pinned], leaf: hex(leaf), result };
};
const replaced = (change: Partial<typeof base> & { extra?: string }): string => proofText({ ...base, ...change });
const swapped = [base.path[1]!, base.path[0]!, base.path[2]!];

write("tlog-proofs.json", {
  about: "C2SP tlog-proofs over the trees of merkle.json. 'result' is what comes of: parse, verify the note with 'vkeys', parse the checkpoint, verify the inclusion of 'leaf' (not_included). 'every_flip': any single flipped bit of the whole gives something other than ok.",
  proofs: [
    okProof("one leaf: an empty path", 0, 1),
    { ...okProof("leaf 5 of 8", 5, 8), every_flip: "refused" },
    okProof("the last leaf, with extra data", 256, 257, { extra }),
    okProof("leaf 255 of 257", 255, 257),
    okProof("two keys and an unknown witness", 3, 7, { keys: [log, nextLog], lines: witnessLine }),
    okProof("one byte of extra data", 2, 3, { extra: Buffer.alloc(1) }),
    okProof("extra data that looks like another line", 2, 3, { extra: Buffer.from("index 0\n\n") }),
    badProof("wrong leaf", baseText, "not_included", leaves[4]!),
    badProof("a node as the leaf", baseText, "not_included", nodeHash(leaves[4]!, leaves[5]!)),
    badProof("wrong index", replaced({ index: "4" }), "not_included"),
    badProof("index outside the tree", replaced({ index: "8" }), "not_included"),
    badProof("index 2^53 - 1", replaced({ index: "9007199254740991" }), "not_included"),
    badProof("path in another order", replaced({ path: swapped }), "not_included"),
    badProof("path too short", replaced({ path: base.path.slice(1) }), "not_included"),
    badProof("path too long", replaced({ path: [...base.path, base.path[0]!] }), "not_included"),
    badProof("path of 63 hashes", replaced({ path: Array.from({ length: 63 }, () => base.path[0]!) }), "not_included"),
    badProof("checkpoint of another size", replaced({ checkpoint: note(checkpointText(origin, 9), log) }), "not_included"),
    badProof("size changed under the signature", baseText.replace("\n8\n", "\n7\n"), "bad_note"),
    badProof("signed by another key", replaced({ checkpoint: note(checkpointText(origin, 8), nextLog) }), "bad_note"),
    badProof("another key pinned", baseText, "bad_note", leaves[5]!, other.vkey),
    badProof("wrong key name", baseText.replace(`— ${origin}`, "— receipts.example.com/cards"), "bad_note"),
    badProof("wrong key ID", replaced({ checkpoint: `${checkpointText(origin, 8)}\n${line(origin, flipBit(logId, 9), signText(log, checkpointText(origin, 8)))}` }), "bad_note"),
    badProof("path of 64 hashes", replaced({ path: Array.from({ length: 64 }, () => base.path[0]!) })),
    badProof("index with a leading zero", replaced({ index: "05" })),
    badProof("index 00", replaced({ index: "00" })),
    badProof("index 2^53", replaced({ index: "9007199254740992" })),
    badProof("negative index", replaced({ index: "-5" })),
    badProof("index with a sign", replaced({ index: "+5" })),
    badProof("empty index", replaced({ index: "" })),
    badProof("space after the index", replaced({ index: "5 " })),
    badProof("no index line", baseText.replace("index 5\n", "")),
    badProof("two index lines", baseText.replace("index 5\n", "index 5\nindex 5\n")),
    badProof("index before extra", baseText.replace("index 5\n", "index 5\nextra AAAA\n")),
    badProof("two extra lines", baseText.replace("index", "extra AAAA\nextra AAAA\nindex")),
    badProof("empty extra", replaced({ extra: "" })),
    badProof("extra without its space", baseText.replace("index", "extra\nindex")),
    badProof("extra without padding", replaced({ extra: "AA" })),
    badProof("extra with stray bits", replaced({ extra: "AB==" })),
    badProof("extra of the URL alphabet", replaced({ extra: "-_-_" })),
    badProof("path hash with stray bits", replaced({ path: [`${"A".repeat(42)}B=`, ...base.path.slice(1)] })),
    badProof("path hash without padding", replaced({ path: [base.path[0]!.slice(0, -1), ...base.path.slice(1)] })),
    badProof("path hash of 31 bytes", replaced({ path: [base64(Buffer.alloc(31)), ...base.path.slice(1)] })),
    badProof("path hash of 33 bytes", replaced({ path: [base64(Buffer.alloc(33)), ...base.path.slice(1)] })),
    badProof("path hash in hex", replaced({ path: [hex(leaves[4]!), ...base.path.slice(1)] })),
    badProof("other version", baseText.replace("@v1", "@v2")),
    badProof("space after the header", baseText.replace("@v1", "@v1 ")),
    badProof("no header", baseText.slice(header.length)),
    badProof("byte order mark", `\ufeff${baseText}`),
    badProof("empty line at the start", `\n${baseText}`),
    badProof("no empty line after the path", baseText.replace("\n\n", "\n")),
    badProof("two empty lines after the path", baseText.replace("\n\n", "\n\n\n")),
    badProof("no checkpoint", baseText.slice(0, baseText.indexOf("\n\n") + 2)),
    badProof("unsigned checkpoint", replaced({ checkpoint: checkpointText(origin, 8) })),
    badProof("a note that is no checkpoint", replaced({ checkpoint: note("not a checkpoint\n", log) })),
    badProof("size with a leading zero, signed", replaced({ checkpoint: note(checkpointText(origin, 8).replace("\n8\n", "\n08\n"), log) })),
    badProof("final newline missing", baseText.slice(0, -1)),
    badProof("trailing newline", `${baseText}\n`),
    badProof("trailing data", `${baseText}more\n`),
    badProof("CRLF", baseText.replaceAll("\n", "\r\n")),
    badProof("CRLF in the header", baseText.replace("\n", "\r\n")),
    badProof("not UTF-8", Buffer.concat([Buffer.from(baseText), Buffer.from([0xff])])),
    badProof("empty", ""),
  ],
});
