/**
 * The checkpoint key of this host (Ed25519, RFC 8032; docs/FORMAT.md section 9) in the shape that note.ts takes. Deterministic:
 * signing again after a crash gives the same bytes.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type NoteSigner, parseVkey } from "../format/note.ts";
import { AnchorError } from "./errors.ts";

export function localSigner(vkey: string, privateKey: KeyObject): NoteSigner {
  const { name, publicKey } = parseVkey(vkey);
  const check = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") } });
  return {
    name,
    publicKey,
    sign(bytes) {
      const signature = sign(null, bytes, privateKey);
      // a wrong key, or a bit that flipped while signing, would be published for ever
      if (!verify(null, bytes, check, signature)) throw new AnchorError("publisher_failed", `the private key does not make signatures of ${vkey}`);
      return signature;
    },
  };
}
