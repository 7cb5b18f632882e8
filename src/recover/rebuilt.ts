/** What a rebuilding found and made, and where it sends what it makes. */
import type { AnchorRow } from "../ledger/reader.ts";
import type { StoredReceipt } from "../ledger/stage.ts";
import type { VerifyErrorCode } from "../verify/errors.ts";
import type { OldLedger } from "./old-ledger.ts";

/** Why a ledger cannot be rebuilt; nothing is changed then. */
export interface Stop {
  /**
   * `forked`: two pasts are signed, or a receipt that is validly signed is not the one that was anchored. `not_archived`, `archive_encrypted`:
   * receipts that are anchored are neither here nor, readable, in the archive. `receipt_lost`: of a receipt not even the row is left.
   * `undecided`: nothing says which of several it was. `tail_lost`: the same of the newest ones, which nothing follows. `number_twice`: two receipts have one number. `ledger_behind`: this host has signed more than there is anywhere.
   * `vkey_unknown`: the ledger goes on under a checkpoint key that is not known here. `key_unknown`, `ratchet_lost`: a receipt that no anchor
   * covers has a MAC that cannot be checked here, since the keyring, or the ratchet, has not its key.
   */
  readonly code: VerifyErrorCode | "forked" | "not_archived" | "archive_encrypted" | "receipt_lost" | "tail_lost" | "number_twice" | "undecided" | "unknown_version" | "vkey_unknown" | "key_unknown" | "ratchet_lost";
  /** One sentence, without its full stop. */
  readonly message: string;
  /** The first receipt that it is about. */
  readonly logIndex?: number;
}

/** A place whose bytes are not those that were recorded. */
export interface Spot {
  readonly logIndex: number;
  /** SHA-256 of what stood there; null: nothing. */
  readonly found: Uint8Array | null;
  /** Where it is known. */
  readonly receiptNumber: string | null;
}

/** As many as a `recovery` receipt names (docs/FORMAT.md section 7). */
const NAMED = 64;

/** In order of log_index: keeps the first, and counts all. */
export class Spots {
  readonly #named: Spot[] = [];
  #count = 0;
  #last: number | null = null;

  get count(): number {
    return this.#count;
  }

  get named(): readonly Spot[] {
    return this.#named;
  }

  /** log_index of the first and the last one; null where there is none. */
  get range(): readonly [number, number] | null {
    return this.#last === null ? null : [this.#named[0]!.logIndex, this.#last];
  }

  add(spot: Spot): void {
    this.#count++;
    this.#last = spot.logIndex;
    if (this.#named.length < NAMED) this.#named.push(spot);
  }
}

export interface Rebuilt {
  /** Receipts. */
  readonly size: number;
  /** RFC 6962 root over them, 32 bytes. */
  readonly root: Uint8Array;
  readonly anchors: number;
  /** Of these the newest that a target has, as far as one was asked; 0 if none. */
  readonly publishedSize: number;
  /** Receipts whose bytes are those of the old file. */
  readonly kept: number;
  /** Put back from what was published. */
  readonly replaced: Spots;
  /** Their bytes are nowhere. */
  readonly lost: Spots;
  /**
   * Places behind the newest receipt that the old file has anything of, and that are left out: receipts under no anchor, of which nothing is
   * left that says what they were, or what somebody has put there.
   */
  readonly dropped: Spots;
  /** Of those that were put back, the ones that are behind the old file's end. */
  readonly added: Spots;
  /** What is wrong with the old file or its log as a whole. */
  readonly wrong: OldLedger["wrong"];
  readonly stop: Stop | null;
}

/** Takes what is rebuilt, in order of log_index. */
export interface Sink {
  /** `blob` null: its bytes are lost. */
  append(receipt: StoredReceipt, blob: Uint8Array | null): void;
  /** All receipts so far are under this anchor. */
  commit(anchor: AnchorRow): void;
  /** Bytes that stood in this place and are not the receipt's. */
  setAside(logIndex: number, bytes: Uint8Array): void;
}

/** For whoever only wants to know. */
export const NOWHERE: Sink = { append: () => undefined, commit: () => undefined, setAside: () => undefined };
