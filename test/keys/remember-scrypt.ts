/** What scrypt makes of the same words and the same salt is remembered while a file's tests run: it takes half a second, and each key is opened many times. */
import crypto, { type ScryptOptions } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { afterAll, beforeAll } from "vitest";

/**
 * `cheap`: each cost is paid in full once, with the parameters as they are given; what else is asked for is made with a 64th of it. Only where
 * no other process opens what was made here.
 */
export function rememberScrypt({ cheap = false } = {}): void {
  const { scrypt } = crypto;
  beforeAll(() => {
    const known = new Map<string, Buffer>();
    const paid = new Set<number>();
    const remembering = (words: Uint8Array, salt: Uint8Array, length: number, options: ScryptOptions, done: (error: Error | null, key: Buffer) => void): void => {
      const asked = JSON.stringify([...[words, salt].map((bytes) => Buffer.from(bytes).toString("hex")), length, options]);
      const key = known.get(asked);
      if (key !== undefined) return void setImmediate(done, null, Buffer.from(key)); // a copy, as the one that is remembered: whoever asks overwrites it
      const cost = options.N!;
      const less = cheap && paid.has(cost) ? { ...options, N: cost / 64 } : options;
      paid.add(cost);
      scrypt(words, salt, length, less, (error, made) => {
        if (error === null) known.set(asked, Buffer.from(made));
        done(error, made);
      });
    };
    Object.assign(crypto, { scrypt: remembering });
    syncBuiltinESMExports();
  });
  afterAll(() => {
    Object.assign(crypto, { scrypt });
    syncBuiltinESMExports();
  });
}
