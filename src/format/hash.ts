/**
 * SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) as values that are handed around.
 *
 * `pureHash` runs anywhere, a browser included. Where Node is at hand the caller passes a faster one of the same shape;
 * both give the same bytes, so no result depends on the choice.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** What is given is read at once, and may be overwritten afterwards. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;
export type HmacSha256 = (key: Uint8Array, bytes: Uint8Array) => Uint8Array;

export interface Hash {
  readonly sha256: Sha256;
  readonly hmac: HmacSha256;
}

export const pureHash: Hash = {
  sha256: (bytes) => sha256(bytes),
  hmac: (key, bytes) => hmac(sha256, key, bytes),
};
