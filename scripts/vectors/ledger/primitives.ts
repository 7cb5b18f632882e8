/**
 * What the vectors are made of. Nothing here comes from src/: hashes, MACs and signatures are Node's, JCS is the library's, trees
 * follow the recursive definition of RFC 6962. So the vectors do not repeat an error of the code that they test.
 */
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import canonicalize from "canonicalize";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type Members = { [name: string]: Json };

export const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
export const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
export const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => createHmac("sha256", key).update(Buffer.concat(parts)).digest();
export const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");
export const base64 = (value: Uint8Array): string => Buffer.from(value).toString("base64");
export const hashText = (hash: Uint8Array): string => `sha256:${hex(hash)}`;
export const uint64 = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, "0"), "hex");
export const jcs = (value: Json): string => canonicalize(value)!;

const NUL = Buffer.alloc(1);

/** 32 bytes that depend on nothing but a label. */
export const fixed = (label: string): Buffer => sha256(bytes(`receiptd test vectors: ${label}`));

/** Bit b is the bit of value 1 << (b % 8) in byte b / 8. */
export function flipBit(value: Uint8Array, bit: number): Buffer {
  const out = Buffer.from(value);
  out[bit >> 3]! ^= 1 << (bit % 8);
  return out;
}

// --- keys (docs/FORMAT.md section 6) ---------------------------------------------------------------------------------------

export interface EpochKeys {
  readonly K: Buffer;
  readonly S: Buffer;
  readonly C: Buffer;
}

export function epochKeys(seed: Uint8Array, ledgerId: string, keyId: string, epoch: number): EpochKeys {
  let K = hmac(seed, bytes("receiptd/1 k0"), NUL, bytes(ledgerId), NUL, bytes(keyId));
  for (let e = 0; e < epoch; e++) K = hmac(K, bytes("receiptd/1 ratchet"));
  const S = hmac(K, bytes("receiptd/1 epoch"));
  return { K, S, C: sha256(bytes("receiptd/1 commit"), NUL, S) };
}

export const organizationKey = (S: Uint8Array, organization: string): Buffer => hmac(S, bytes("receiptd/1 mac"), NUL, bytes(organization));
export const requestKey = (secret: Uint8Array, ledgerId: string): Buffer => hmac(secret, bytes("receiptd/1 request"), NUL, bytes(ledgerId));

/** The receipt with its signature, and the bytes that it covers. */
export function signReceipt(unsigned: Members, macKey: Uint8Array): { readonly receipt: Members; readonly unsigned: Buffer } {
  const covered = bytes(jcs(unsigned));
  return { receipt: { ...unsigned, signature: `hmac-sha256:${hex(hmac(macKey, covered))}` }, unsigned: covered };
}

// --- trees (RFC 6962 section 2.1; docs/FORMAT.md section 8) ----------------------------------------------------------------

export const entryOf = (receiptHash: Uint8Array): Buffer => Buffer.concat([Buffer.from([1]), receiptHash]);
export const leafOf = (entry: Uint8Array): Buffer => sha256(NUL, entry);
const nodeOf = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.from([1]), left, right);

function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

export function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return nodeOf(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

export function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k ? [...path(m, left), mth(right)] : [...path(m - k, right), mth(left)];
}

// --- notes (docs/FORMAT.md sections 9 and 10) ------------------------------------------------------------------------------

export interface CheckpointKey {
  readonly name: string;
  readonly vkey: string;
  /** A signature line over the text. */
  line(text: string): string;
}

/** DER before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410 section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

export function checkpointKey(name: string, seed: Uint8Array): CheckpointKey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const key = Buffer.concat([Buffer.from([1]), createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = sha256(bytes(`${name}\n`), key).subarray(0, 4);
  return {
    name,
    vkey: `${name}+${hex(id)}+${base64(key)}`,
    line: (text) => `— ${name} ${base64(Buffer.concat([id, sign(null, bytes(text), privateKey)]))}\n`,
  };
}

/** C2SP tlog-cosignature, cosignature/v1. `time` in seconds since 1970. */
export function cosigner(name: string, seed: Uint8Array, time: bigint): CheckpointKey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const key = Buffer.concat([Buffer.from([4]), createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = sha256(bytes(`${name}\n`), key).subarray(0, 4);
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(time);
  return {
    name,
    vkey: `${name}+${hex(id)}+${base64(key)}`,
    line: (text) => `— ${name} ${base64(Buffer.concat([id, at, sign(null, bytes(`cosignature/v1\ntime ${time}\n${text}`), privateKey)]))}\n`,
  };
}

export const checkpointText = (origin: string, size: number, root: Uint8Array, ...extensions: readonly string[]): string =>
  `${[origin, size, base64(root), ...extensions].join("\n")}\n`;

export const note = (text: string, ...keys: readonly CheckpointKey[]): string => `${text}\n${keys.map((key) => key.line(text)).join("")}`;

export function tlogProof(parts: { readonly extra?: Uint8Array; readonly index: number; readonly path: readonly Uint8Array[]; readonly checkpoint: string }): Buffer {
  const extra = parts.extra === undefined ? "" : `extra ${base64(parts.extra)}\n`;
  return bytes(`c2sp.org/tlog-proof@v1\n${extra}index ${parts.index}\n${parts.path.map((hash) => `${base64(hash)}\n`).join("")}\n${parts.checkpoint}`);
}
