/** Writes single pieces of strace's notation (-y -xx), for the tests of its reader. */

/** A string argument. */
export function quoted(text: string | Uint8Array): string {
  return `"${hex(text)}"`;
}

/** A descriptor with its path. */
export function descriptor(fd: number | "AT_FDCWD", path: string): string {
  return `${fd}<${hex(path)}>`;
}

export function output(...lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
}

function hex(text: string | Uint8Array): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
