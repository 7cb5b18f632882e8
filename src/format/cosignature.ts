/**
 * Countersignatures of checkpoints: https://c2sp.org/tlog-cosignature, cosignature/v1. Whoever makes one says that at this time they saw the log
 * with this root. One key, of one name, makes these and signs notes; the two can never be taken for each other, for they begin differently.
 */
import { concat, equal, utf8 } from "./bytes.ts";
import { FormatError } from "./errors.ts";
import { formatTypedVkey, keyId, type Note, type NoteSignature, parseTypedVkey, type VerifyEd25519, type Vkey } from "./note.ts";

const COSIGNATURE_TYPE = 0x04;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** Somebody who countersigns, an auditor or a witness. */
export interface Cosigner {
  /** As it was pinned. */
  readonly vkey: string;
  readonly key: Vkey;
}

export interface Cosigned {
  readonly cosigner: Cosigner;
  /** Seconds since 1970, as whoever signed says. */
  readonly time: number;
}

/** `<name>+<key ID>+<base64 of 0x04 and public key>`. Throws `bad_vkey`. */
export function formatCosigner(name: string, publicKey: Uint8Array): string {
  return formatTypedVkey(name, publicKey, COSIGNATURE_TYPE);
}

/** Throws `bad_vkey` unless this is a verifier key of type 0x04. */
export function parseCosigner(vkey: string): Cosigner {
  return { vkey, key: parseTypedVkey(vkey, COSIGNATURE_TYPE) };
}

/** The same name and key as one that signs notes (type 0x01). */
export function noteKeyOf({ key: { name, publicKey } }: Cosigner): Vkey {
  return { name, publicKey, keyId: keyId(name, publicKey) };
}

/** What is signed of a checkpoint's text, with its last line feed. */
export function cosignedBytes(text: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

/** The line of a note. `time` in seconds since 1970. */
export function cosignature({ key: { name, keyId: id } }: Cosigner, time: number, signature: Uint8Array): NoteSignature {
  const bytes = new Uint8Array(TIME_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time));
  return { name, keyId: id, signature: concat(bytes, signature) };
}

/**
 * Who of these has countersigned the note, in the order of its lines. Throws `bad_note` where a signature of one of them is wrong, `bad_vkey` where two
 * keys have one name and key ID.
 */
export function verifyCosignatures({ text, signatures }: Note, cosigners: readonly Cosigner[], verify: VerifyEd25519): readonly Cosigned[] {
  for (const [i, { key }] of cosigners.entries()) {
    if (cosigners.slice(0, i).some((one) => isSame(one.key, key) && !equal(one.key.publicKey, key.publicKey))) throw new FormatError("bad_vkey", "two verifier keys with one name and key ID");
  }
  const found: Cosigned[] = [];
  for (const line of signatures) {
    const cosigner = cosigners.find(({ key }) => isSame(key, line));
    if (cosigner === undefined) continue;
    const time = timeOf(line.signature);
    if (time === null || !verify(cosigner.key.publicKey, cosignedBytes(text, time), line.signature.slice(TIME_BYTES))) {
      throw new FormatError("bad_note", `a countersignature by the known key ${cosigner.vkey.slice(0, 200)} is wrong`);
    }
    found.push({ cosigner, time });
  }
  return found;
}

/** null where it is none, or of a time that no number holds. */
function timeOf(signature: Uint8Array): number | null {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return null;
  const time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  return time > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(time);
}

function isSame(a: Pick<Vkey, "name" | "keyId">, b: Pick<Vkey, "name" | "keyId">): boolean {
  return a.name === b.name && a.keyId === b.keyId;
}
