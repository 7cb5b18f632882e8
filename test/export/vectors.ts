/** test/vectors/exports.json: each with the verdict that it has to have; flipped bits are vectors of their own. */
import { readFileSync } from "node:fs";

interface Stored {
  readonly name: string;
  readonly lines: readonly (string | number)[];
  readonly cut?: number;
  /** How many letters stand for FILL. */
  readonly fill?: number;
  readonly vkey: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly verdict?: "complete" | "complete_until" | "could_not_check";
  readonly receipts?: number;
  readonly until?: string;
  readonly flips?: readonly { readonly bit: number; readonly code: string }[];
}

/** What a verifier says of a file: a code, or all of the others. */
export interface ExportVerdictOf {
  readonly code: string | null;
  readonly verdict: string | null;
  readonly receipts: number | null;
  readonly until: string | null;
}

export interface ExportVector {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly vkey: string;
  readonly expected: ExportVerdictOf;
}

export const refused = (code: string): ExportVerdictOf => ({ code, verdict: null, receipts: null, until: null });

const stored = JSON.parse(readFileSync(new URL("../vectors/exports.json", import.meta.url), "utf8")) as readonly Stored[];

function bytesOf({ lines, cut = 0, fill = 0 }: Stored): Uint8Array {
  const text = lines.map((line) => `${typeof line === "number" ? (stored[0]!.lines[line] as string) : line}\n`).join("");
  const bytes = Buffer.from(text.replace("FILL", "a".repeat(fill)));
  return new Uint8Array(bytes.subarray(0, bytes.length - cut));
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = new Uint8Array(bytes);
  out[bit >> 3]! ^= 1 << (bit % 8);
  return out;
}

export const exportVectors: readonly ExportVector[] = stored.flatMap((one) => {
  const { name, vkey, ok, code, verdict, receipts, until, flips = [] } = one;
  const bytes = bytesOf(one);
  const expected = ok ? { code: null, verdict: verdict!, receipts: receipts!, until: until! } : refused(code!);
  return [{ name, bytes, vkey, expected }, ...flips.map((flip) => ({ name: `${name}, bit ${flip.bit} flipped`, bytes: flipped(bytes, flip.bit), vkey, expected: refused(flip.code) }))];
});
