/** Hashes as the integrations' receipts have them. */
import { createHash } from "node:crypto";

export const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;
