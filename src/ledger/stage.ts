/**
 * A group of receipts between the door and the disk: sealed on top of the ledger's state, but not yet part of it.
 *
 * Everything here can be thrown away. `Writer` commits the rows in one transaction and only then adopts the new state.
 */
import { hashText } from "../format/chain.ts";
import { receiptLeaf } from "../format/entries.ts";
import type { Sha256 } from "../format/hash.ts";
import type { CompactRange } from "../format/merkle.ts";
import { DEFAULT_ORGANIZATION, DEFAULT_PREFIX, LEDGER_ORGANIZATION, LEDGER_PREFIX } from "../format/names.ts";
import type { Request } from "../format/request.ts";
import type { Seal } from "../format/seal.ts";
import { formatTime } from "../format/time.ts";
import { uuidBytes } from "../format/uuid.ts";
import { type Head, type LedgerState, STORED_LEVEL } from "./state.ts";

/** The keys of the open epoch, handed in: the ledger never sees a key. */
export interface Signer {
  readonly keyId: string;
  readonly epoch: number;
  /** The receipt's bytes, in what `take` gives: with its MAC, under the organization's key of the open epoch, put in. */
  seal(request: Request, seal: Seal, take?: (length: number) => Buffer): Uint8Array;
  /** 32 bytes, docs/FORMAT.md section 12. */
  requestMac(json: Uint8Array): Uint8Array;
}

/** A row of the index, and the bytes. */
export interface StoredReceipt {
  readonly logIndex: number;
  readonly organization: string;
  readonly prefix: string;
  readonly orgSeq: number;
  readonly receiptId: string;
  readonly receiptHash: Uint8Array;
  /** ms */
  readonly recordedAt: number;
  readonly keyEpoch: number;
  readonly requestMac: Uint8Array | null;
}

interface StagedRow {
  readonly org: number;
  readonly idBytes: Uint8Array;
  readonly stored: StoredReceipt;
  readonly blob: Uint8Array;
}

export class Stage {
  readonly rows: StagedRow[] = [];
  readonly newOrganizations: Head[] = [];
  readonly heads = new Map<string, Head>();
  readonly nodes: { readonly level: number; readonly position: number; readonly hash: Uint8Array }[] = [];
  readonly log: CompactRange;
  readonly batch: CompactRange;
  readonly #state: LedgerState;
  readonly #signer: Signer;
  readonly #sha256: Sha256;
  readonly #take: (length: number) => Buffer;
  readonly #prefixes = new Set<string>();
  #time = { at: Number.NaN, text: "" };

  /** Blobs lie in what `take` gives. */
  constructor(state: LedgerState, signer: Signer, sha256: Sha256, take: (length: number) => Buffer) {
    this.#state = state;
    this.#signer = signer;
    this.#sha256 = sha256;
    this.#take = take;
    this.log = state.log.clone((level, position, hash) => {
      if (level >= STORED_LEVEL) this.nodes.push({ level, position, hash });
    });
    this.batch = state.batch.clone();
  }

  organizationCount(): number {
    return this.#state.heads.size + this.newOrganizations.length;
  }

  knows(organization: string): boolean {
    return this.heads.has(organization) || this.#state.heads.has(organization);
  }

  /** Seals the request as the next receipt of its organization. `at` in ms; `prefix` is used if the organization is new. */
  add(request: Request, at: number, prefix: string | undefined, requestMac: Uint8Array | null): StoredReceipt {
    const { organization } = request;
    const head = this.heads.get(organization) ?? this.#state.heads.get(organization);
    const logIndex = this.log.size;
    const orgSeq = (head?.orgSeq ?? 0) + 1;
    const usedPrefix = head?.prefix ?? this.#newPrefix(organization, prefix);
    const blob = this.#signer.seal(request, {
      ledger: this.#state.origin,
      prefix: usedPrefix,
      orgSeq,
      logIndex,
      recordedAt: this.#timeText(at),
      keyId: this.#signer.keyId,
      keyEpoch: this.#signer.epoch,
      previousReceiptHash: head === undefined ? null : hashText(head.hash),
    }, this.#take);
    const receiptHash = this.#sha256(blob);
    const org = head?.org ?? this.organizationCount() + 1;
    const next: Head = { org, name: organization, prefix: usedPrefix, firstHash: head?.firstHash ?? receiptHash, orgSeq, hash: receiptHash };
    if (head === undefined) this.newOrganizations.push(next);
    this.heads.set(organization, next);
    const leaf = receiptLeaf(receiptHash, this.#sha256);
    this.log.append(leaf);
    this.batch.append(leaf);
    const stored: StoredReceipt = {
      logIndex, organization, prefix: usedPrefix, orgSeq, receiptId: request.receiptId, receiptHash,
      recordedAt: at, keyEpoch: this.#signer.epoch, requestMac,
    };
    this.rows.push({ org, idBytes: uuidBytes(request.receiptId), stored, blob });
    return stored;
  }

  /** The receipts of a group have one time. */
  #timeText(at: number): string {
    if (at !== this.#time.at) this.#time = { at, text: formatTime(at) };
    return this.#time.text;
  }

  /**
   * The prefix of an organization's numbers: the configured one, or its name's letters and digits, shortened and, where taken,
   * numbered. It is fixed by the first receipt.
   */
  #newPrefix(organization: string, configured: string | undefined): string {
    if (organization === LEDGER_ORGANIZATION) return LEDGER_PREFIX;
    const name = organization === DEFAULT_ORGANIZATION ? DEFAULT_PREFIX : organization.toUpperCase().replaceAll(/[^A-Z0-9]/g, "");
    const base = configured ?? (/^[A-Z]/.test(name) ? name : `R${name}`).slice(0, 12);
    const taken = (prefix: string): boolean =>
      prefix === LEDGER_PREFIX || this.#prefixes.has(prefix) || this.#state.prefixes.has(prefix);
    let prefix = base;
    for (let n = 2; taken(prefix); n++) prefix = `${base.slice(0, 16 - String(n).length)}${n}`;
    this.#prefixes.add(prefix);
    return prefix;
  }
}

/** About as many pages as a group changes: those of blobs, and the ends of the tables and of their indexes. */
export function pagesOf({ rows }: Stage): number {
  let bytes = 0;
  for (const { blob } of rows) bytes += blob.length;
  return 6 + Math.ceil((bytes + 160 * rows.length) / 7000);
}
