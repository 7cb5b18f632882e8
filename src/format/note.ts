/**
 * Signed notes and verifier keys: https://c2sp.org/signed-note, with signature type 0x01 (Ed25519) only.
 *
 * Everything parsed here may be an attacker's, except the verifier keys that the caller pins. A note parses in one spelling only
 * (canonical base64, lower-case hex), so formatNote(parseNote(text)) is the same text again.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, equal, fromBase64, fromHex, fromUtf8, toBase64, toHex, utf8 } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import type { FormatErrorCode } from "./errors.ts";
import { pureHash } from "./hash.ts";

/** UTF-8 bytes of the longest note that is read or written. */
export const MAX_NOTE_BYTES = 64 * 1024;

/** Signatures of a note that is read or written at most; the specification asks for at least as many. */
export const MAX_SIGNATURES = 16;

const ED25519_TYPE = 0x01;
const SIGNATURE_BYTES = 64;

/** A verifier key. `keyId` is the big-endian number of its four bytes, `publicKey` the 32 bytes of RFC 8032. */
export interface Vkey {
  readonly name: string;
  readonly keyId: number;
  readonly publicKey: Uint8Array;
}

/** One signature line, of any type: the bytes after the key ID are opaque until a known key says what they are. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  readonly signature: Uint8Array;
}

/** `text` ends in the newline that is signed with it and excludes the blank line before the signatures. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Ed25519 of RFC 8032: false, not an exception, where the 64 bytes are not a signature by this key. */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

export interface NoteSigner {
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** The 64-byte Ed25519 signature of the bytes; asynchronous where the key is in a KMS. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/**
 * Whether all conforming verifiers take this signature. RFC 8032 section 5.1.7 leaves open if the equation is checked with the
 * cofactor, as @noble/curves does, or without, as OpenSSL (Node) and Go do. The owner of a key can make signatures on which they
 * differ, so this asks for both: then it makes no difference which verifier is injected.
 */
export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) => {
  if (signature.length !== SIGNATURE_BYTES || publicKey.length !== 32) return false;
  if (!ed25519.verify(signature, message, publicKey, { zip215: false })) return false;
  const { Point } = ed25519;
  const r = signature.subarray(0, 32);
  const k = littleEndian(sha512(concat(r, publicKey, message))) % Point.Fn.ORDER;
  const sB = Point.BASE.multiplyUnsafe(littleEndian(signature.subarray(32)));
  return equal(sB.subtract(Point.fromBytes(publicKey).multiplyUnsafe(k)).toBytes(), r);
};

/** SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[:4] as a big-endian number. */
export function keyId(name: string, publicKey: Uint8Array): number {
  return typedKeyId(name, publicKey, ED25519_TYPE);
}

function typedKeyId(name: string, publicKey: Uint8Array, type: number): number {
  const hash = pureHash.sha256(concat(utf8(name), Uint8Array.of(0x0a, type), publicKey));
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0);
}

/** `<name>+<key ID in hex>+<base64 of type and public key>`. Throws `bad_vkey` where `parseVkey` would refuse the result. */
export function formatVkey(name: string, publicKey: Uint8Array): string {
  return formatTypedVkey(name, publicKey, ED25519_TYPE);
}

/** The same of another signature type, one byte: an Ed25519 key has a vkey for each. */
export function formatTypedVkey(name: string, publicKey: Uint8Array, type: number): string {
  if (!isKeyName(name)) throw new FormatError("bad_vkey", "not a key name");
  requireEd25519Key(publicKey);
  return typedVkeyText({ name, keyId: typedKeyId(name, publicKey, type), publicKey }, type);
}

/** A parsed verifier key as it was written. It is not checked again: that is a decompression of a point. */
export function vkeyText(vkey: Vkey): string {
  return typedVkeyText(vkey, ED25519_TYPE);
}

function typedVkeyText({ name, keyId: id, publicKey }: Vkey, type: number): string {
  return `${name}+${toHex(uint32(id))}+${toBase64(concat(Uint8Array.of(type), publicKey))}`;
}

/** Throws `bad_vkey` unless this is a verifier key of type 0x01 with its own key ID. */
export function parseVkey(vkey: string): Vkey {
  return parseTypedVkey(vkey, ED25519_TYPE);
}

/** The same of another signature type. */
export function parseTypedVkey(vkey: string, type: number): Vkey {
  const [, name, id, key] = /^([^+]*)\+([^+]*)\+(.*)$/su.exec(vkey) ?? [];
  if (name === undefined || !isKeyName(name)) throw new FormatError("bad_vkey", "not of the form <key name>+<key ID>+<key>");
  const idBytes = fromHex(id ?? "", 4);
  if (idBytes === null) throw new FormatError("bad_vkey", "the key ID is not eight lower-case hex digits");
  const bytes = fromBase64(key ?? "");
  if (bytes === null) throw new FormatError("bad_vkey", "the key is not canonical base64");
  if (bytes[0] !== type) throw new FormatError("bad_vkey", `the key's signature type is not ${type}`);
  const publicKey = bytes.slice(1);
  requireEd25519Key(publicKey);
  const expected = typedKeyId(name, publicKey, type);
  if (!equal(idBytes, uint32(expected))) throw new FormatError("bad_vkey", "the key ID is not that of this name and key");
  return { name, keyId: expected, publicKey };
}

/** Takes a note apart without checking any signature. Throws `bad_note` unless it is well-formed and within the limits. */
export function parseNote(note: string | Uint8Array): Note {
  const whole = decodeText(note, MAX_NOTE_BYTES, "bad_note");
  if (!isNoteText(whole)) throw new FormatError("bad_note", "a note is lines of text without control characters");
  const blank = whole.lastIndexOf("\n\n");
  const lines = whole.slice(blank + 2).split("\n").slice(0, -1);
  if (blank === -1) throw new FormatError("bad_note", "no blank line before the signatures");
  requireSignatureCount(lines.length);
  return { text: whole.slice(0, blank + 1), signatures: lines.map(parseSignature) };
}

/** The text of a note. Throws `bad_note` where `parseNote` would not give the same parts back. */
export function formatNote(note: Note): string {
  const { text, signatures } = note;
  if (!isNoteText(text)) throw new FormatError("bad_note", "the text is not lines without control characters");
  requireSignatureCount(signatures.length);
  let out = `${text}\n`;
  for (const { name, keyId, signature } of signatures) {
    if (!isKeyName(name)) throw new FormatError("bad_note", "not a key name");
    if (!Number.isInteger(keyId) || keyId < 0 || keyId > 0xffff_ffff) throw new FormatError("bad_note", "not a key ID");
    if (signature.length === 0) throw new FormatError("bad_note", "an empty signature");
    out += `— ${name} ${toBase64(concat(uint32(keyId), signature))}\n`;
  }
  return decodeText(out, MAX_NOTE_BYTES, "bad_note");
}

/** What a note proved: `text` is signed by `keys`, whose names are `verified`; `unknown` signatures were by other keys. */
export interface VerifiedNote {
  readonly text: string;
  readonly verified: readonly string[];
  readonly keys: readonly Vkey[];
  readonly unknown: number;
}

/**
 * Checks a note against pinned keys (as text or parsed). Throws `bad_note` when it is malformed, when any signature by a known
 * key is wrong, or when no known key signed it; `bad_vkey` when a pinned key is malformed or two different ones share name and
 * key ID. A name alone does not identify a key: the old and the new key of one log have the same name.
 */
export function verifyNote(
  note: string | Uint8Array,
  vkeys: readonly (string | Vkey)[],
  verify: VerifyEd25519 = verifyEd25519,
): VerifiedNote {
  const known = new Map<string, Vkey>();
  for (const given of vkeys) {
    const vkey = typeof given === "string" ? parseVkey(given) : given;
    const id = identity(vkey);
    if (!equal(known.get(id)?.publicKey ?? vkey.publicKey, vkey.publicKey)) {
      throw new FormatError("bad_vkey", "two verifier keys with one name and key ID");
    }
    known.set(id, vkey);
  }
  const { text, signatures } = parseNote(note);
  const message = utf8(text);
  const keys = new Set<Vkey>();
  let unknown = 0;
  for (const line of signatures) {
    const vkey = known.get(identity(line));
    if (vkey === undefined) {
      unknown++;
      continue;
    }
    if (line.signature.length !== SIGNATURE_BYTES || !verify(vkey.publicKey, message, line.signature)) {
      throw new FormatError("bad_note", `a signature by the known key ${identity(vkey)} is wrong`);
    }
    keys.add(vkey);
  }
  if (keys.size === 0) throw new FormatError("bad_note", "no known key has signed the note");
  return { text, verified: [...keys].map((key) => key.name), keys: [...keys], unknown };
}

/** Signs a text (ending in a newline) with each signer in turn. Throws `bad_note` where text or a signature cannot make a note. */
export async function signNote(text: string, ...signers: readonly NoteSigner[]): Promise<string> {
  if (!isNoteText(text)) throw new FormatError("bad_note", "the text is not lines without control characters");
  const message = utf8(text);
  const signatures: NoteSignature[] = [];
  for (const signer of signers) {
    const { name, publicKey } = signer;
    const signature = await signer.sign(message);
    if (signature.length !== SIGNATURE_BYTES) throw new FormatError("bad_note", "the signer gave no Ed25519 signature");
    signatures.push({ name, keyId: keyId(name, publicKey), signature });
  }
  return formatNote({ text, signatures });
}

/** Well-formed Unicode lines, the last one ended, without characters below U+0020 other than the newlines. */
export function isNoteText(text: string): boolean {
  if (!text.endsWith("\n") || !text.isWellFormed()) return false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return false;
  }
  return true;
}

/** The text of at most `maxBytes` of UTF-8; anything else is an error with this code. A string may still hold lone surrogates. */
export function decodeText(input: string | Uint8Array, maxBytes: number, code: FormatErrorCode): string {
  const length = typeof input === "string" ? Math.max(input.length, utf8(input.slice(0, maxBytes + 1)).length) : input.length;
  if (length > maxBytes) throw new FormatError(code, `more than ${maxBytes} bytes`);
  if (typeof input === "string") return input;
  try {
    return fromUtf8(input);
  } catch {
    throw new FormatError(code, "the bytes are not UTF-8");
  }
}

function parseSignature(line: string): NoteSignature {
  const [dash, name, base64, ...rest] = line.split(" ");
  if (dash !== "—" || name === undefined || !isKeyName(name) || base64 === undefined || rest.length > 0) {
    throw new FormatError("bad_note", "not a signature line: — <key name> <base64>");
  }
  const bytes = fromBase64(base64);
  if (bytes === null || bytes.length < 5) throw new FormatError("bad_note", "not a signature in canonical base64");
  return { name, keyId: new DataView(bytes.buffer).getUint32(0), signature: bytes.slice(4) };
}

/** Unicode spaces are those of the White_Space property, as in Go; the `\s` of ECMAScript lacks U+0085 and has U+FEFF. */
function isKeyName(name: string): boolean {
  return /^[^\p{White_Space}+]+$/u.test(name) && isNoteText(`${name}\n`);
}

/** Name and key ID as a vkey writes them: a name has no "+", so no two pairs are spelled the same. */
function identity(key: { readonly name: string; readonly keyId: number }): string {
  return `${key.name}+${toHex(uint32(key.keyId))}`;
}

/** A point of small order would verify many texts, and one in a second encoding not everywhere: neither comes from a real key. */
function requireEd25519Key(publicKey: Uint8Array): void {
  try {
    if (!ed25519.Point.fromBytes(publicKey).isSmallOrder()) return;
  } catch {
    // falls through: not 32 bytes, not canonical, or not on the curve
  }
  throw new FormatError("bad_vkey", "not an Ed25519 public key");
}

function requireSignatureCount(count: number): void {
  if (count < 1 || count > MAX_SIGNATURES) {
    throw new FormatError("bad_note", `a note has 1 to ${MAX_SIGNATURES} signatures, not ${count}`);
  }
}

function uint32(value: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.toReversed())}`);
}
