/** What every kind of root key has to do: one suite, which each kind passes (root-keys.test.ts). */
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { utf8 } from "../../src/format/bytes.ts";
import { KeyError } from "../../src/keys/errors.ts";
import type { RootKey } from "../../src/keys/root-key.ts";
import type { RootKeySource } from "../../src/keys/root-keys.ts";
import { codeLater, codeOf, flipped, shreds } from "./support.ts";

export interface RootKeyBench {
  /** The same key at each call, as another process would come by it; the key itself is there, or made by `openOrCreate`. */
  readonly source: () => RootKeySource;
  /** Of the same kind, with another key. */
  readonly other: () => RootKeySource;
  /** What is read to open the key; written by `openOrCreate` or there before. */
  readonly files: readonly string[];
  /** Files of which every bit counts and that are cheap to try; the others are tried at some places. */
  readonly isCheap: boolean;
  /** Codes for a file that is gone. */
  readonly missing: string;
  /** Known only once the key was opened: the key where it is known, what it is made of. */
  readonly secrets: () => readonly Uint8Array[];
}

const CONTEXT = utf8("a context");
const SECRET = utf8("a secret of some kind, of more than one block");

export function rootKeyContract(kind: string, make: () => Promise<RootKeyBench>): void {
  describe(`a root key of the kind ${kind}`, { timeout: 120_000 }, () => {
    test("wraps what the same key unwraps, opened again, and nothing ever looks the same", async () => {
      const { source } = await make();
      const wrapped = (await source().openOrCreate()).wrap(SECRET, CONTEXT);
      const again = await source().open();
      expect(again.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      expect(again.wrap(SECRET, CONTEXT)).not.toEqual(wrapped);
      expect(again.unwrap(again.wrap(new Uint8Array(), CONTEXT), CONTEXT)).toEqual(new Uint8Array());
    });

    test("refuses another context, another key, a flipped bit, a byte more or less, and nothing at all", async () => {
      const { source, other } = await make();
      const key = await source().openOrCreate();
      const stranger = await other().openOrCreate();
      const wrapped = key.wrap(SECRET, CONTEXT);
      const tries: readonly (() => unknown)[] = [
        ...Array.from({ length: wrapped.length * 8 }, (_, bit) => () => key.unwrap(flipped(wrapped, bit), CONTEXT)),
        ...Array.from({ length: wrapped.length }, (_, length) => () => key.unwrap(wrapped.subarray(0, length), CONTEXT)),
        () => key.unwrap(Uint8Array.of(...wrapped, 0), CONTEXT),
        () => key.unwrap(new Uint8Array(1 << 20), CONTEXT),
        () => key.unwrap(wrapped, utf8("another context")),
        () => key.unwrap(wrapped, new Uint8Array()),
        () => stranger.unwrap(wrapped, CONTEXT),
      ];
      expect([...new Set(tries.map(codeOf))]).toEqual(["wrong_root_key"]);
    });

    test("of a changed, cut, emptied or enlarged file there is no key, or none that opens anything", async () => {
      const { source, files, isCheap } = await make();
      const wrapped = (await source().openOrCreate()).wrap(SECRET, CONTEXT);
      const codes = new Set<string | null>();
      for (const file of files) {
        const whole = readFileSync(file);
        const step = isCheap ? 1 : Math.ceil((whole.length * 8) / 2) | 1;
        const bits = Array.from({ length: Math.floor((whole.length * 8) / step) }, (_, i) => i * step);
        for (const bytes of [...bits.map((bit) => flipped(whole, bit)), Buffer.alloc(0), whole.subarray(0, -2), Buffer.concat([whole, whole]), Buffer.alloc(2 ** 20 + 1)]) {
          rewrite(file, bytes);
          codes.add(await codeLater(async () => (await source().open()).unwrap(wrapped, CONTEXT)));
        }
        rewrite(file, whole);
      }
      expect([...codes].filter((code) => !["key_file_damaged", "wrong_root_key", "bad_passphrase"].includes(code!))).toEqual([]);
      expect((await source().open()).unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    });

    test("files that others can read are refused, and those that are gone; a key that is there is never replaced", async () => {
      const { source, files, missing } = await make();
      await source().openOrCreate();
      for (const file of files) {
        const before = readFileSync(file);
        for (const mode of [0o644, 0o604, 0o660, 0o602, 0o610]) {
          chmodSync(file, mode);
          expect(await codeLater(() => source().openOrCreate()), mode.toString(8)).toBe("key_file_mode");
        }
        chmodSync(file, 0o600);
        rmSync(file);
        expect([missing, "key_file_missing"]).toContain(await codeLater(() => source().open()));
        rewrite(file, before);
        await source().openOrCreate();
        expect(readFileSync(file)).toEqual(before);
      }
    });

    test("nothing of the key is in an error, an object, the output, the arguments or the environment", async () => {
      const shown: string[] = [];
      for (const stream of [process.stdout, process.stderr]) {
        const write = vi.spyOn(stream, "write").mockImplementation((chunk) => shown.push(String(chunk)) > 0);
        onTestFinished(() => write.mockRestore());
      }
      const show = (value: unknown): void => {
        shown.push(inspect(value, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null, breakLength: Infinity }));
        if (value instanceof Error) shown.push(value.message, String(value.stack), JSON.stringify(value));
      };
      const { source, other, files, secrets } = await make();
      const key = await source().openOrCreate();
      const wrapped = key.wrap(SECRET, CONTEXT);
      const failures = await failuresOf(source, other, files, key, wrapped);
      for (const value of [...failures, key, source(), process.argv, process.execArgv, process.env, process.report.getReport()]) show(value);
      expect(failures.length).toBeGreaterThan(3);
      expect(secrets().length).toBeGreaterThan(0);
      const everything = shown.join("\n");
      expect(shreds(secrets()).filter((shred) => everything.includes(shred))).toEqual([]);
      expect(everything).toContain(source().place); // the search does find what is there
    });
  });
}

function rewrite(file: string, bytes: Uint8Array): void {
  rmSync(file, { force: true });
  writeFileSync(file, bytes, { mode: 0o600 });
}

/** The errors of every kind of failure. */
async function failuresOf(source: () => RootKeySource, other: () => RootKeySource, files: readonly string[], key: RootKey, wrapped: Uint8Array): Promise<readonly Error[]> {
  const failures: Error[] = [];
  const fails = async (act: () => unknown): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      failures.push(error);
    }
  };
  await fails(() => key.unwrap(flipped(wrapped, 7), CONTEXT));
  const stranger = await other().openOrCreate();
  await fails(() => stranger.unwrap(wrapped, CONTEXT));
  for (const file of files) {
    const whole = readFileSync(file);
    for (const bytes of [flipped(whole, (whole.length - 4) * 8), Buffer.alloc(0), whole.subarray(0, -3), Buffer.concat([whole, whole])]) {
      rewrite(file, bytes);
      await fails(() => source().open());
    }
    rewrite(file, whole);
    chmodSync(file, 0o644);
    await fails(() => source().open());
    rmSync(file);
    await fails(() => source().open());
    rewrite(file, whole);
  }
  return failures;
}
