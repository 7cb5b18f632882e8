/** SHA-256 and HMAC by Node's OpenSSL: the same bytes as format/hash.ts, several times as fast. */
import { createHmac, hash } from "node:crypto";
import type { Hash } from "../format/hash.ts";

export const nodeHash: Hash = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  hmac: (key, bytes) => createHmac("sha256", key).update(bytes).digest(),
};
