/** UUIDs (RFC 9562) as text and as the 16 bytes that are stored. */
import { nibble, toHex } from "./bytes.ts";

const HYPHEN = 0x2d;

/** UUIDv7 (section 5.7) of a time in ms and 10 random bytes: in order of time to the millisecond. */
export function uuidV7(ms: number, random: Uint8Array): string {
  const time = ms.toString(16).padStart(12, "0");
  const r = toHex(random);
  const variant = (8 | (Number.parseInt(r[3]!, 16) & 3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${r.slice(0, 3)}-${variant}${r.slice(4, 7)}-${r.slice(7, 19)}`;
}

/** The 16 bytes of a UUID in lower-case text; the text has been checked. */
export function uuidBytes(uuid: string): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0, at = 0; i < 16; i++, at += 2) {
    if (uuid.charCodeAt(at) === HYPHEN) at++;
    out[i] = (nibble(uuid.charCodeAt(at)) << 4) | nibble(uuid.charCodeAt(at + 1));
  }
  return out;
}

export function uuidText(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
