/** test/vectors/evidence.json, and files that differ from a good one in one byte. */
import { readFileSync } from "node:fs";

export interface EvidenceVector {
  readonly name: string;
  readonly file?: string;
  readonly file_hex?: string;
  /** How many letters stand for FILL. */
  readonly fill?: number;
  readonly vkey: string;
  /** Pinned, who countersigns. */
  readonly auditors?: readonly string[];
  /** One of them has. */
  readonly anchored?: boolean;
  readonly ok: boolean;
  readonly code?: string;
  readonly log_index?: number;
  readonly tree_size?: number;
}

export const evidenceVectors = JSON.parse(readFileSync(new URL("../vectors/evidence.json", import.meta.url), "utf8")) as readonly EvidenceVector[];

export function bytesOf({ file, file_hex: hex, fill = 0 }: EvidenceVector): Uint8Array {
  return new Uint8Array(hex === undefined ? Buffer.from(file!.replace("FILL", "a".repeat(fill))) : Buffer.from(hex, "hex"));
}

/** The file with byte `at` changed: its lowest bit, its case, its highest bit, or all of it, in turn. */
export function changedAt(file: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(file); // slice of a Buffer is no copy
  out[at]! ^= [0x01, 0x20, 0x80, 0x55][at % 4]!;
  return out;
}
