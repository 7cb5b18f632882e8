/**
 * HMAC-SHA-256 (RFC 2104 section 2) with one key, as the two hashes that it consists of: for texts of a receipt's size a third of what
 * an Hmac object costs.
 */
import { hash } from "node:crypto";
import { SIGNATURE_PREFIX } from "../format/mac.ts";
import type { Request } from "../format/request.ts";
import { type Seal, sealTexts, unsignedLength, writeUnsigned } from "../format/seal.ts";

/** Bytes of SHA-256's block. */
const BLOCK = 64;
const HASH_BYTES = 32;
const IPAD = 0x36;
const OPAD = 0x5c;

/** A key's inner pad, then what is hashed with it: used from beginning to end by each call, shared by all keys. */
let scratch = Buffer.alloc(32 * 1024);
const BEFORE = `"signature":"${SIGNATURE_PREFIX}`;
const AFTER = '",';
/** Bytes of `"signature":"hmac-sha256:<hex>",`. */
const MEMBER = BEFORE.length + 2 * HASH_BYTES + AFTER.length;

export class MacKey {
  readonly #inner: Buffer;
  /** The outer pad, and room for the inner hash. */
  readonly #outer: Buffer;

  /** `key` of 32 bytes is copied. */
  constructor(key: Uint8Array) {
    this.#inner = Buffer.from(new ArrayBuffer(BLOCK)).fill(IPAD); // that the garbage collector does not move
    this.#outer = Buffer.from(new ArrayBuffer(BLOCK + HASH_BYTES)).fill(OPAD);
    for (const [i, byte] of key.entries()) {
      this.#inner[i] = byte ^ IPAD;
      this.#outer[i] = byte ^ OPAD;
    }
  }

  /** The 32 bytes over the text's UTF-8. */
  mac(text: Uint8Array): Uint8Array {
    makeRoom(text.length);
    scratch.set(text, BLOCK);
    const out = new Uint8Array(HASH_BYTES);
    const digest = hash("sha256", this.#throughInner(text.length), "binary");
    for (let i = 0; i < HASH_BYTES; i++) out[i] = digest.charCodeAt(i);
    return out;
  }

  /** The stored bytes of a receipt, in what `take` gives: what is signed, with the signature in its place. */
  sealed(request: Request, seal: Seal, take: (length: number) => Buffer): Buffer {
    const texts = sealTexts(seal);
    const length = unsignedLength(request, texts);
    makeRoom(length);
    const { signatureAt, end } = writeUnsigned(request, texts, scratch, BLOCK);
    const hex = hash("sha256", this.#throughInner(length), "hex");
    const out = take(length + MEMBER);
    const at = scratch.copy(out, 0, BLOCK, signatureAt);
    out.write(BEFORE + hex + AFTER, at, "latin1");
    scratch.copy(out, at + MEMBER, signatureAt, end);
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

/** For as many bytes behind the pad. What was in there may have been a key's. */
function makeRoom(length: number): void {
  if (scratch.length >= BLOCK + length) return;
  scratch.fill(0, 0, BLOCK);
  scratch = Buffer.alloc(2 * (BLOCK + length));
}
