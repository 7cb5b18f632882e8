/**
 * One object of the archive (docs/FORMAT.md section 11): receipts as they are stored, one a line, gzip (RFC 1952), and where there are
 * recipients encrypted with age (C2SP age, age-encryption.org/v1).
 *
 * What is read here may be anybody's: nothing that is unpacked is larger than a part can be. That the receipts are the anchored
 * ones is the reader's to check, hash by hash.
 */
import { promisify } from "node:util";
import { gunzip as gunzipWith, gzip as gzipWith } from "node:zlib";
import { redacted } from "../config/redacted.ts";

/** Bytes of a part's lines, each with its LF; no receipt is larger. */
export const MAX_PART_BYTES = 8 * 1024 * 1024;
/** Bytes of an object: what gzip and age add to bytes that cannot be compressed is less than 64 KiB. */
export const MAX_ARCHIVE_BYTES = MAX_PART_BYTES + 65_536;

/** Of an age header, whose every stanza costs a key agreement: bytes, which hold 16 recipients of the longest kind, and stanzas. */
const MAX_HEADER_BYTES = 32_768;
const MAX_STANZAS = 64;

export type ArchiveErrorCode = "archive_encrypted" | "archive_damaged" | "bad_recipient" | "bad_identity";

/** `archive_encrypted`: to none of the identities given. `archive_damaged`: not what such an object is. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  readonly code: ArchiveErrorCode;

  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const LF = 0x0a;
const gzip = promisify(gzipWith);
const gunzip = promisify(gunzipWith) as (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Uint8Array>;

/** Throws `bad_recipient` for what is no age recipient. */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  if (recipients.length > 0) await encrypterFor(recipients);
}

/** Throws `bad_identity` for what is no age identity. */
export async function checkIdentities(identities: readonly string[]): Promise<void> {
  await decrypterFor(identities);
}

/** The object of these receipts, in order; encrypted where there are recipients. */
export async function packReceipts(blobs: readonly Uint8Array[], recipients: readonly string[]): Promise<Uint8Array> {
  const lines = new Uint8Array(blobs.reduce((bytes, blob) => bytes + blob.length + 1, 0));
  let at = 0;
  for (const blob of blobs) {
    lines.set(blob, at);
    at += blob.length + 1;
    lines[at - 1] = LF;
  }
  const packed = await gzip(lines);
  if (recipients.length === 0) return packed;
  return await encryptTo(recipients, packed);
}

/** An age file. Throws `bad_recipient`. */
export async function encryptTo(recipients: readonly string[], bytes: Uint8Array): Promise<Uint8Array> {
  return await (await encrypterFor(recipients)).encrypt(bytes);
}

/** The lines of an object. `identities`: age identities (`AGE-SECRET-KEY-1…`), of which one has to fit. Throws ArchiveError. */
export async function unpackReceipts(bytes: Uint8Array, isEncrypted: boolean, identities: readonly string[]): Promise<Uint8Array[]> {
  const packed = isEncrypted ? await decryptWith(bytes, identities) : bytes;
  let lines: Uint8Array;
  try {
    lines = await gunzip(packed, { maxOutputLength: MAX_PART_BYTES });
  } catch (error) {
    throw new ArchiveError("archive_damaged", `the object cannot be unpacked: ${messageOf(error)}`, { cause: error });
  }
  return split(lines);
}

function split(lines: Uint8Array): Uint8Array[] {
  if (lines.at(-1) !== LF) throw new ArchiveError("archive_damaged", "the last line has no end");
  const blobs: Uint8Array[] = [];
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(LF, at);
    blobs.push(lines.subarray(at, end));
    at = end + 1;
  }
  return blobs;
}

/** Throws `archive_damaged` unless the object begins with an age header within the limits. */
function requireHeader(bytes: Uint8Array): void {
  const lines = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_HEADER_BYTES)).split("\n");
  lines.pop(); // has no end
  const end = lines.findIndex((line) => line.startsWith("---"));
  if (lines[0] !== "age-encryption.org/v1" || end === -1) {
    throw new ArchiveError("archive_damaged", `the object does not begin with an age header of at most ${MAX_HEADER_BYTES} bytes`);
  }
  const stanzas = lines.slice(0, end).filter((line) => line.startsWith("-> ")).length;
  if (stanzas > MAX_STANZAS) throw new ArchiveError("archive_damaged", `the object is encrypted to ${stanzas} recipients; ${MAX_STANZAS} are enough`);
}

/** What is in an age file. Throws ArchiveError. */
export async function decryptWith(bytes: Uint8Array, identities: readonly string[]): Promise<Uint8Array> {
  requireHeader(bytes);
  if (identities.length === 0) throw new ArchiveError("archive_encrypted", "the object is encrypted, and no identity was given");
  const decrypter = await decrypterFor(identities);
  try {
    return await decrypter.decrypt(bytes);
  } catch (error) {
    const message = messageOf(error);
    if (message.startsWith("no identity matched")) throw new ArchiveError("archive_encrypted", "the object is encrypted to others than the identity given", { cause: error });
    throw new ArchiveError("archive_damaged", `the object cannot be decrypted: ${message}`, { cause: error });
  }
}

/** Loaded where something is encrypted only. */
async function encrypterFor(recipients: readonly string[]) {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    // no quote, no cause: it is the auditor's private key
    if (redacted(recipient) !== recipient) throw new ArchiveError("bad_recipient", "a secret key (AGE-SECRET-KEY-…) is not an age recipient: that is the public key which belongs to it, age1…");
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw new ArchiveError("bad_recipient", `${recipient.slice(0, 80)} is not an age recipient: ${messageOf(error)}`, { cause: error });
    }
  }
  return encrypter;
}

async function decrypterFor(identities: readonly string[]) {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  for (const identity of identities) {
    try {
      decrypter.addIdentity(identity);
    } catch {
      throw new ArchiveError("bad_identity", "not an age identity (AGE-SECRET-KEY-1…)"); // no cause, no quote: it may be most of a secret
    }
  }
  return decrypter;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
