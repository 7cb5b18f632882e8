/**
 * The chains of the organizations (docs/FORMAT.md sections 4.3 and 5; 13.2 steps 5 and 6), walked in order of log_index.
 *
 * A walk can begin anywhere (segment mode): what it cannot judge, the first receipt of each organization, it keeps in `starts`,
 * and `joinStart` judges it when the walk over the receipts before is done. So a ledger can be walked in parallel.
 */
import { hashText, parseNumber } from "../format/chain.ts";
import { LEDGER_ORGANIZATION, LEDGER_PREFIX } from "../format/names.ts";
import { VerifyError } from "./errors.ts";
import type { VerifiedReceipt } from "./receipt.ts";

/** An organization's newest receipt. */
export interface ChainEnd {
  readonly orgSeq: number;
  /** Receipt hash, 32 bytes. */
  readonly hash: Uint8Array;
  /** Of its numbers; null while only receipts of an unknown schema_version were seen. */
  readonly prefix: string | null;
}

/** The first receipt of an organization that a segment holds. */
export interface ChainStart {
  readonly orgSeq: number;
  /** `sha256:<hex>`, or null for the organization's first. */
  readonly previousHash: string | null;
  readonly prefix: string | null;
  readonly logIndex: number;
  /** null where the schema_version is not known. */
  readonly receiptId: string | null;
  /** Receipt hash, 32 bytes: for the heads where this is the organization's first. */
  readonly hash: Uint8Array;
}

/** Prefix to organization. */
export type PrefixOwners = ReadonlyMap<string, string>;

export class ChainWalk {
  readonly #ends: Map<string, ChainEnd>;
  readonly #starts = new Map<string, ChainStart>();
  readonly #owners = new Map<string, string>([[LEDGER_PREFIX, LEDGER_ORGANIZATION]]);
  readonly #isSegment: boolean;

  /** `known`: the ends of the receipts before, an empty map at the ledger's beginning; undefined: segment mode. */
  constructor(known?: ReadonlyMap<string, ChainEnd>) {
    this.#isSegment = known === undefined;
    this.#ends = new Map(known);
    for (const [organization, { prefix }] of this.#ends) if (prefix !== null) this.#owners.set(prefix, organization);
  }

  /** By organization, in order of first appearance. */
  get ends(): ReadonlyMap<string, ChainEnd> {
    return this.#ends;
  }

  /** Empty but in segment mode. */
  get starts(): ReadonlyMap<string, ChainStart> {
    return this.#starts;
  }

  /** Judges the next receipt in order of log_index and goes on from what it says, so that one cause gives few findings. */
  step(r: VerifiedReceipt): VerifyError[] {
    const { organization, org_seq } = r.receipt;
    const prefix = r.known ? parseNumber(r.receipt.receipt_number)!.prefix : null;
    const end = this.#ends.get(organization);
    const findings: VerifyError[] = [];
    if (end === undefined && this.#isSegment) {
      this.#starts.set(organization, startOf(r, prefix));
      judgePrefix(organization, prefix, null, this.#owners, findings);
    } else {
      judge(organization, org_seq, r.receipt.previous_receipt_hash, prefix, end, this.#owners, findings);
    }
    if (prefix !== null && !this.#owners.has(prefix)) this.#owners.set(prefix, organization);
    this.#ends.set(organization, { orgSeq: org_seq, hash: r.hash, prefix: prefix ?? end?.prefix ?? null });
    return findings;
  }
}

/**
 * Judges the first receipt that a segment holds of an organization against the organization's end before the segment, undefined
 * where it has none. `owners` are the prefixes used before the segment.
 */
export function joinStart(start: ChainStart, organization: string, end: ChainEnd | undefined, owners: PrefixOwners = new Map()): VerifyError[] {
  const findings: VerifyError[] = [];
  judge(organization, start.orgSeq, start.previousHash, start.prefix, end, owners, findings);
  return findings;
}

function startOf(r: VerifiedReceipt, prefix: string | null): ChainStart {
  return {
    orgSeq: r.receipt.org_seq,
    previousHash: r.receipt.previous_receipt_hash,
    prefix,
    logIndex: r.receipt.log_index,
    receiptId: r.known ? r.receipt.receipt_id : null,
    hash: r.hash,
  };
}

function judge(
  organization: string, orgSeq: number, previousHash: string | null, prefix: string | null, end: ChainEnd | undefined,
  owners: PrefixOwners, findings: VerifyError[],
): void {
  const expected = (end?.orgSeq ?? 0) + 1;
  if (orgSeq !== expected) {
    // the link of another than the next receipt leads to another than the last: nothing new
    findings.push(new VerifyError("org_seq_gap", `the receipts of ${organization} do not follow one another`, {
      pointer: "/org_seq", expected, found: orgSeq,
    }));
  } else if (end !== undefined && previousHash !== hashText(end.hash)) {
    findings.push(new VerifyError("link_mismatch", `the link does not lead to the receipt of ${organization} before`, {
      pointer: "/previous_receipt_hash", expected: hashText(end.hash), found: previousHash,
    }));
  }
  judgePrefix(organization, prefix, end?.prefix ?? null, owners, findings);
}

function judgePrefix(organization: string, prefix: string | null, known: string | null, owners: PrefixOwners, findings: VerifyError[]): void {
  if (prefix === null || prefix === known) return; // a known one was judged when it came
  const expected = organization === LEDGER_ORGANIZATION ? LEDGER_PREFIX : known;
  if (expected !== null && prefix !== expected) {
    findings.push(new VerifyError("number_mismatch", `the numbers of ${organization} have another prefix`, {
      pointer: "/receipt_number", expected, found: prefix,
    }));
    return;
  }
  const owner = owners.get(prefix) ?? organization;
  if (owner !== organization) {
    findings.push(new VerifyError("number_mismatch", `the prefix ${prefix} belongs to the organization ${owner}`, {
      pointer: "/receipt_number", found: prefix,
    }));
  }
}
