/** A key that a command leaves in the data folder for the daemon, which takes it up and erases it: next.key, next.checkpoint. */
import type { z } from "zod";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { KeyError } from "./errors.ts";
import { createSecretFile, eraseSecretFile, readSecretFile } from "./secret-file.ts";

/** `what`: as it is called in words. `key_pending` where one is there that was not taken up. */
export function leaveFile(path: string, what: string, contents: object): void {
  try {
    createSecretFile(path, utf8(`${JSON.stringify(contents)}\n`));
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "key_file_exists") throw error;
    throw new KeyError("key_pending", `${path} holds a ${what} that the daemon has not taken up yet: start it (receiptd serve), or remove the file`, { cause: error });
  }
}

/**
 * null where there is none; so it is where one was being erased, which begins when it was taken up and a power cut can leave half done: zeros,
 * of which JSON has none. `key_file_damaged`.
 */
export function readWaiting<T>(path: string, what: string, schema: z.ZodType<T>): T | null {
  try {
    const bytes = readSecretFile(path);
    if (!bytes.includes(0)) return schema.parse(JSON.parse(fromUtf8(bytes)));
    eraseSecretFile(path);
    return null;
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return null;
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a ${what} to rotate to`); // no cause: JSON.parse quotes the text
  }
}
