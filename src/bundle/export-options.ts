/** How exports are checked on a host: with Node's hashes, and pieces that are Buffers. */
import { createHash } from "node:crypto";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { ExportOptions } from "../verify/export.ts";

export const exportOptions: ExportOptions = {
  hash: nodeHash,
  verify: verifyByNode,
  runningHash: () => createHash("sha256"),
  ascii: (bytes, from, end) => (bytes as Buffer).toString("latin1", from, end),
};
