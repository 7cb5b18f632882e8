/**
 * What a recovery leaves in the data folder for the daemon, which makes a `recovery` receipt of it (docs/FORMAT.md section 7). The file is
 * there before the new ledger takes the old one's place: so a crash leaves no recovery without its record. Whether the change was made
 * after all is told by the file that is the ledger now.
 */
import { existsSync, statSync } from "node:fs";
import { z } from "zod";
import { fromUtf8, utf8 } from "../format/bytes.ts";
import { type RecoveryDetails, systemDetails } from "../format/fields.ts";
import { UUID } from "../format/names.ts";
import { KeyError } from "../keys/errors.ts";
import { lockLedger } from "../ledger/lock.ts";
import { takeBackLog } from "./files.ts";
import { readSecretFile, replaceSecretFile } from "../keys/secret-file.ts";

const fileSchema = z.strictObject({
  format: z.literal("receiptd-recovery/1"),
  orders: z.array(z.strictObject({
    receipt_id: z.string().regex(UUID),
    /** Inode of the file whose place was to be taken. */
    replaces: z.string().regex(/^\d{1,20}$/),
    details: z.custom<RecoveryDetails>((value) => systemDetails["recovery"]!.safeParse(value).success),
  })).min(1),
});

export type RecoveryOrder = Readonly<z.infer<typeof fileSchema>["orders"][number]>;

/** What identifies a file, whatever its name. */
function inodeOf(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

/** Recoveries that were made and are not recorded yet, in order; none where there is no file. Throws KeyError. */
export function recoveryOrders(path: string, ledgerPath: string): readonly RecoveryOrder[] {
  const ledger = inodeOf(ledgerPath);
  return read(path).filter(({ replaces }) => replaces !== ledger);
}

/** Was there a recovery that did not come to put its file in the place of this one? A file that cannot be read does not say so. */
export function isCutShort(path: string, ledgerPath: string): boolean {
  try {
    return existsSync(ledgerPath) && read(path).some(({ replaces }) => replaces === inodeOf(ledgerPath));
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    return false;
  }
}

/** After a recovery that was cut short, the ledger gets its log back. `ledger_locked` where one is at work. */
export function takeBack(orderPath: string, ledgerPath: string): void {
  if (!isCutShort(orderPath, ledgerPath)) return;
  const lock = lockLedger(ledgerPath);
  try {
    if (isCutShort(orderPath, ledgerPath)) takeBackLog(ledgerPath);
  } finally {
    lock.release();
  }
}

/** Adds one, durably, for the ledger that is about to take the place of that at `ledgerPath`. */
export function fileRecoveryOrder(path: string, ledgerPath: string, order: Omit<RecoveryOrder, "replaces">): void {
  const orders = [...recoveryOrders(path, ledgerPath), { ...order, replaces: inodeOf(ledgerPath) }];
  replaceSecretFile(path, utf8(`${JSON.stringify({ format: "receiptd-recovery/1", orders })}\n`));
}

function read(path: string): readonly RecoveryOrder[] {
  try {
    return fileSchema.parse(JSON.parse(fromUtf8(readSecretFile(path)))).orders;
  } catch (error) {
    if (error instanceof KeyError && error.code === "key_file_missing") return [];
    if (error instanceof KeyError) throw error;
    throw new KeyError("key_file_damaged", `${path} is not the record of a recovery; remove it`, { cause: error });
  }
}
