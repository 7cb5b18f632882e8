/**
 * HMAC-SHA-256 (RFC 2104 section 2) with one key, as the two hashes that it consists of: for texts of a receipt's size a third of what
 * an Hmac object costs. Long texts take the library's way, which then costs no more.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from "node:crypto";
import { SIGNATURE_PREFIX } from "../format/mac.ts";
import type { Unsigned } from "../format/seal.ts";

/** Bytes of SHA-256's block. */
const BLOCK = 64;
const HASH_BYTES = 32;
const IPAD = 0x36;
const OPAD = 0x5c;
/** UTF-16 code units; the rest of a text's bytes are at most three times as many. */
const LONGEST = 8192;

/** A key's inner pad, then what is hashed with it: used from beginning to end by each call, shared by all keys. */
const scratch = Buffer.alloc(BLOCK + 3 * LONGEST);
const BEFORE = `"signature":"${SIGNATURE_PREFIX}`;
const AFTER = '",';
/** Bytes of `"signature":"hmac-sha256:<hex>",`. */
const MEMBER = BEFORE.length + 2 * HASH_BYTES + AFTER.length;

export class MacKey {
  readonly #key: KeyObject;
  readonly #inner: Buffer;
  /** The outer pad, and room for the inner hash. */
  readonly #outer: Buffer;

  /** `key` of 32 bytes is copied. */
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
    this.#inner = Buffer.alloc(BLOCK, IPAD);
    this.#outer = Buffer.alloc(BLOCK + HASH_BYTES, OPAD);
    for (const [i, byte] of key.entries()) {
      this.#inner[i] = byte ^ IPAD;
      this.#outer[i] = byte ^ OPAD;
    }
  }

  /** The 32 bytes over the text's UTF-8. */
  mac(text: string): Uint8Array {
    const out = new Uint8Array(HASH_BYTES);
    if (text.length > LONGEST) {
      out.set(createHmac("sha256", this.#key).update(text, "utf8").digest());
      return out;
    }
    const digest = hash("sha256", this.#throughInner(scratch.write(text, BLOCK, "utf8")), "binary");
    for (let i = 0; i < HASH_BYTES; i++) out[i] = digest.charCodeAt(i);
    return out;
  }

  /** The stored bytes of a receipt, in what `take` gives: what is signed, with the signature in its place. */
  sealed({ head, tail }: Unsigned, take: (length: number) => Buffer): Buffer {
    if (head.length + tail.length > LONGEST) {
      const hex = createHmac("sha256", this.#key).update(head, "utf8").update(tail, "utf8").digest("hex");
      return Buffer.from(head + BEFORE + hex + AFTER + tail, "utf8");
    }
    const headEnd = BLOCK + scratch.write(head, BLOCK, "utf8");
    const end = headEnd + scratch.write(tail, headEnd, "utf8");
    const hex = hash("sha256", this.#throughInner(end - BLOCK), "hex");
    const out = take(end - BLOCK + MEMBER);
    const at = scratch.copy(out, 0, BLOCK, headEnd);
    out.write(BEFORE + hex + AFTER, at, "latin1");
    scratch.copy(out, at + MEMBER, headEnd, end);
    return out;
  }

  /** Overwrites what this process can overwrite. */
  erase(): void {
    this.#inner.fill(0);
    this.#outer.fill(0);
    scratch.fill(0, 0, BLOCK);
  }

  /** What the outer hash is taken of, for the bytes in the scratch behind the pad. */
  #throughInner(length: number): Buffer {
    this.#inner.copy(scratch);
    this.#outer.write(hash("sha256", scratch.subarray(0, BLOCK + length), "binary"), BLOCK, "binary");
    return this.#outer;
  }
}
