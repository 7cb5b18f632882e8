/**
 * Puts the receipts of a rebuilt ledger one after the other: each from the old file if its bytes are the right ones, else from what was
 * published; where they are nowhere, by the row of the old index alone. A receipt that is validly signed and not the one that was anchored
 * is no damage but another past: that is for a person.
 */
import { auditHash } from "../audit/hash.ts";
import type { Place } from "../audit/places.ts";
import { UNKNOWN_HASH } from "../audit/suspects.ts";
import { equal } from "../format/bytes.ts";
import { formatNumber } from "../format/chain.ts";
import { receiptLeaf } from "../format/entries.ts";
import { CompactRange } from "../format/merkle.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { formatTime } from "../format/time.ts";
import { uuidText } from "../format/uuid.ts";
import type { StoredReceipt } from "../ledger/stage.ts";
import { storedReceipt } from "../restore/stored.ts";
import { checkpointRotationOf } from "../verify/log.ts";
import { type Examined, type Examiner, isUndisputed } from "./examine.ts";
import type { OldLedger } from "./old-ledger.ts";
import { type Sink, Spots, type Stop } from "./rebuilt.ts";

/** 9999-12-31 */
const LAST_TIME = 253_402_300_799_999;

export interface Numbered {
  readonly orgSeq: number;
  readonly prefix: string;
}

export class Appender {
  readonly log = new CompactRange({ sha256: auditHash.sha256 });
  readonly replaced = new Spots();
  readonly added = new Spots();
  readonly lost = new Spots();
  kept = 0;
  /** The newest key that a `checkpoint_rotation` names; null: there is none. */
  rotatedTo: string | null = null;
  /** By organization. */
  readonly heads = new Map<string, Numbered>();
  /** Whose a prefix is. */
  readonly #prefixes = new Map<string, string>();
  readonly #organizations: OldLedger["organizations"];
  readonly #end: number;
  /** What the rows' numbers of organizations mean, as the receipts in their places say. */
  readonly #names = new Map<number, string>();
  readonly #examiner: Examiner;
  readonly #sink: Sink;
  readonly #requestKey: Uint8Array | null;

  constructor({ organizations, end }: Pick<OldLedger, "organizations" | "end">, examiner: Examiner, sink: Sink, requestKey: Uint8Array | null) {
    this.#organizations = organizations;
    this.#end = end;
    this.#examiner = examiner;
    this.#sink = sink;
    this.#requestKey = requestKey;
  }

  /** The receipt of this place has the hash `truth`. `published`: the bytes that were published for it, with that hash, or null. */
  append(place: Examined, truth: Uint8Array, epoch: number, published: Uint8Array | null): Stop | null {
    const { logIndex, blob, blobHash, read, row, isNewer } = place;
    const isRight = blobHash !== null && equal(blobHash, truth);
    if (isNewer && isRight) return { code: "unknown_version", logIndex, message: `receipt ${logIndex} has a schema_version that this receiptd does not know: recover the ledger with a newer one` };
    if (isRight && read !== null) {
      this.kept++;
      this.rotatedTo = checkpointRotationOf(read)?.vkey ?? this.rotatedTo;
      if (row !== null) this.#names.set(row.org, read.receipt.organization);
      return this.#store(storedReceipt(read.receipt, read.hash, blob!, this.#requestKey, row?.requestMac ?? null), blob);
    }
    if (read !== null && this.#isSigned(place, epoch)) {
      return { code: "forked", logIndex, message: `receipt ${logIndex} (${read.receipt.receipt_number}) is validly signed, and another one is anchored in its place: a copy of this ledger was written to, or whoever has the key has rewritten it` };
    }
    if (published === null && !isRight) return this.#lose(place, truth, epoch);
    const bytes = isRight ? blob! : published!;
    const found = this.#examiner.examine({ logIndex, row: null, blob: bytes, unreadable: null });
    if (found.read === null) return { code: "bad_receipt", logIndex, message: `receipt ${logIndex} was anchored as it is, and is no receipt` };
    this.rotatedTo = checkpointRotationOf(found.read)?.vkey ?? this.rotatedTo;
    const spot = { logIndex, found: blobHash, receiptNumber: found.read.receipt.receipt_number };
    this.replaced.add(spot);
    if (logIndex >= this.#end) this.added.add(spot);
    if (blob !== null) this.#sink.setAside(logIndex, blob);
    return this.#store(storedReceipt(found.read.receipt, found.read.hash, bytes, this.#requestKey, row?.requestMac ?? null), bytes);
  }

  /** The row as it can go on without its bytes; null where it contradicts what comes before it. `heads`: of the organizations before it. */
  rowOf({ row, logIndex }: Place, truth: Uint8Array, epoch: number, heads: ReadonlyMap<string, Numbered> = this.heads): StoredReceipt | null {
    if (row === null || equal(truth, UNKNOWN_HASH)) return null;
    const { org, orgSeq, keyEpoch, recordedAt, receiptId, requestMac } = row;
    const said = this.#organizations.get(org);
    const organization = this.#names.get(org) ?? said?.name;
    const head = organization === undefined ? undefined : heads.get(organization);
    const prefix = head?.prefix ?? said?.prefix;
    const isPlausible = orgSeq === (head?.orgSeq ?? 0) + 1 && keyEpoch === epoch && receiptId.length === 16 && (requestMac?.length ?? 32) === 32
      && Number.isSafeInteger(recordedAt) && recordedAt >= 0 && recordedAt <= LAST_TIME;
    if (organization === undefined || prefix === undefined || !isPlausible) return null;
    return {
      logIndex, organization, prefix, orgSeq, receiptId: uuidText(receiptId), receiptHash: Uint8Array.from(truth), recordedAt, keyEpoch,
      requestMac: organization === LEDGER_ORGANIZATION ? null : requestMac,
    };
  }

  /** Where the right key is not at hand, a row that agrees has to do. */
  #isSigned(place: Examined, epoch: number): boolean {
    const mac = this.#examiner.mac(place, epoch);
    return mac === "right" || (mac === "unknown" && isUndisputed(place));
  }

  #lose(place: Examined, truth: Uint8Array, epoch: number): Stop | null {
    const { logIndex, blob, blobHash } = place;
    const row = this.rowOf(place, truth, epoch);
    if (row === null) return { code: "receipt_lost", logIndex, message: `of receipt ${logIndex} neither bytes nor index are left` };
    this.lost.add({ logIndex, found: blobHash, receiptNumber: formatNumber(row.prefix, formatTime(row.recordedAt), row.orgSeq) });
    if (blob !== null) this.#sink.setAside(logIndex, blob);
    return this.#store(row, null);
  }

  /** No index has room for two receipts of one number, or two organizations of one prefix. */
  #store(receipt: StoredReceipt, blob: Uint8Array | null): Stop | null {
    const { organization, prefix, orgSeq, recordedAt, logIndex } = receipt;
    const owner = this.#prefixes.get(prefix) ?? organization;
    if (owner !== organization || orgSeq <= (this.heads.get(organization)?.orgSeq ?? 0)) {
      const before = owner === organization ? `number ${orgSeq} of ${organization} was given before` : `the prefix is that of ${owner}`;
      return { code: "number_twice", logIndex, message: `receipt ${logIndex} is ${formatNumber(prefix, formatTime(recordedAt), orgSeq)} of ${organization}, and ${before}: names in the index were changed behind the daemon's back, and it has begun the organization anew` };
    }
    this.#prefixes.set(prefix, organization);
    this.#sink.append(receipt, blob);
    this.heads.set(receipt.organization, { orgSeq: receipt.orgSeq, prefix: receipt.prefix });
    this.log.append(receiptLeaf(receipt.receiptHash, auditHash.sha256));
    return null;
  }
}
