import { createHash } from "node:crypto";

/** 320 bytes that only this row has: a page that is there but old does not pass for it. */
export function payload(id: number): Uint8Array {
  const parts = Array.from({ length: 10 }, (_, i) => createHash("sha256").update(`${id}/${i}`).digest());
  return new Uint8Array(Buffer.concat(parts));
}
