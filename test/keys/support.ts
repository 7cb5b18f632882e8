/** A folder for key files, keys that are known, and the code of what is thrown. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { KeyError } from "../../src/keys/errors.ts";

export const LEDGER = { origin: "example.com/test", ledgerId: "0123456789abcdef0123456789abcdef" };
export const NOW = "2026-06-01T10:00:00.000Z";

/** Gives each test a folder of its own; returns how to name a file in it. */
export function ownFolder(): (name: string) => string {
  let dir = "";
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "receiptd-keys-")); });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  return (name) => join(dir, name);
}

export function secretFile(path: string, bytes: Uint8Array | string): string {
  writeFileSync(path, bytes, { mode: 0o600 });
  return path;
}

/** Puts other bytes of the same length into a file, in place. */
export function overwrite(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
}

/** The code of the KeyError that `act` throws; any other error is thrown on, and null is: none. */
export function codeOf(act: () => unknown): string | null {
  try {
    act();
    return null;
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
}

/** Any 8 bytes of the secrets, as they are and as they are usually written. */
export function shreds(secrets: readonly Uint8Array[]): readonly string[] {
  return secrets.flatMap((secret) => Array.from({ length: secret.length - 7 }, (_, i) => Buffer.from(secret.subarray(i, i + 8)))).flatMap((part) => [
    part.toString("latin1"), part.toString("hex"), part.toString("hex").match(/../g)!.join(" "), [...part].join(","), [...part].join(", "),
    part.toString("base64").slice(0, 8),
  ]);
}

/** The code of the KeyError that `act` rejects with; any other error is thrown on, and null is: none. */
export async function codeLater(act: () => Promise<unknown>): Promise<string | null> {
  try {
    await act();
    return null;
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
}
