/** A ledger's mark as it is for a machine that was started anew: of another start, and as it was synced last. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { markPath } from "../../src/ledger/acks.ts";

const SLOT = 72;
const BLOCK = 4096;
const BOOT = 36;

/** `work` changes the bytes of a slot that is whole, and the checksum is made right again. */
export function changeMark(ledgerPath: string, work: (slot: Buffer) => void): void {
  const path = markPath(ledgerPath);
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  for (const at of [0, BLOCK]) {
    const slot = bytes.subarray(at, at + SLOT);
    if (slot.length < SLOT || slot.readUInt32BE(SLOT - 4) !== crc32(slot.subarray(0, SLOT - 4))) continue;
    work(slot);
    slot.writeUInt32BE(crc32(slot.subarray(0, SLOT - 4)), SLOT - 4);
  }
  writeFileSync(path, bytes);
}

export function reboot(ledgerPath: string): void {
  changeMark(ledgerPath, (slot) => { slot[BOOT]! ^= 1; });
}

/** The power failed before any later mark came to the disk. */
export function forgetSince(ledgerPath: string, synced: number): void {
  changeMark(ledgerPath, (slot) => {
    for (const at of [16, 24]) {
      slot.fill(0, at, at + 4);
      slot.writeUInt32BE(synced, at + 4);
    }
  });
}
