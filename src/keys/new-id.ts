/** Ids for receipts of callers who choose none, and for the ledger's own. */
import { randomFillSync } from "node:crypto";
import { uuidV7 } from "../format/uuid.ts";

const RANDOM_BYTES = 10;
/** For ids to come: to ask for ten at a time costs more than all the rest of an id. No secret. */
const random = Buffer.alloc(RANDOM_BYTES * 409);
let used = random.length;

/** UUIDv7 of now. */
export function newId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += RANDOM_BYTES;
  return uuidV7(Date.now(), random.subarray(used - RANDOM_BYTES, used));
}
