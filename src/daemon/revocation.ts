/** A key that is not to be believed any more, as `receiptd key revoke` leaves it in the data folder for the daemon. */
import { z } from "zod";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { KEY_ID, UUID } from "../format/names.ts";
import { parseTime } from "../format/time.ts";
import { KeyError } from "../keys/errors.ts";
import { createSecretFile, readSecretFile } from "../keys/secret-file.ts";

/** Characters. */
export const MAX_REASON = 512;

const schema = z.strictObject({
  format: z.literal("receiptd-revocation/1"),
  key_id: z.string().regex(KEY_ID),
  compromised_since: z.custom<string>((value) => parseTime(value) !== null),
  reason: z.string().min(1).max(MAX_REASON),
  receipt_id: z.string().regex(UUID),
});
export type Revocation = Readonly<Omit<z.infer<typeof schema>, "format">>;

/** Leaves a revocation for the daemon; `key_pending` where one is there already. */
export function fileRevocation(path: string, revocation: Revocation): void {
  try {
    createSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-revocation/1", ...revocation })}\n`));
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "key_file_exists") throw error;
    throw new KeyError("key_pending", `${path} holds a revocation that the daemon has not taken up yet: start it (receiptd serve), or remove the file`, { cause: error });
  }
}

/** null where there is none; `key_file_damaged`. */
export function readRevocation(path: string): Revocation | null {
  try {
    const { format: _, ...revocation } = schema.parse(JSON.parse(fromUtf8(readSecretFile(path))));
    return revocation;
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return null;
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not a revocation; remove it`, { cause: error });
  }
}
