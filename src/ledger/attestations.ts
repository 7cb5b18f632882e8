/** Auditors' words in a ledger (docs/FORMAT.md section 18): the newest of each auditor that is pinned. Nothing here is believed but what they have signed. */
import { readAttestation } from "../format/attestation.ts";
import { equal } from "../format/bytes.ts";
import type { Cosigner } from "../format/cosignature.ts";
import { FormatError } from "../format/errors.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { VerifyEd25519 } from "../format/note.ts";
import { readReceipt } from "../format/receipt.ts";
import { formatTime } from "../format/time.ts";
import { type AttestationFacts, verifyAttestation } from "../verify/attestation.ts";
import { VerifyError } from "../verify/errors.ts";
import type { Reader, StoredBlob } from "./reader.ts";

export interface StoredAttestation extends AttestationFacts {
  readonly logIndex: number;
  readonly receiptId: string;
  /** ms */
  readonly recordedAt: number;
  /** The countersigned checkpoint, a note. */
  readonly cosigned: string;
  readonly signed: string;
}

/** The ledger's own receipts, but for anchors, that are looked at from the newest back. */
const MAX_LOOKED = 65_536;
const PAGE = 256;
const TYPE = Buffer.from('"type":"attestation"');

/** By the auditor's vkey, of those behind this log index. Of one that has attested longer ago than is looked back there is none. */
export function newestAttestations(reader: Reader, auditors: readonly Cosigner[], verify: VerifyEd25519, after = 0): ReadonlyMap<string, StoredAttestation> {
  const found = new Map<string, StoredAttestation>();
  if (auditors.length === 0) return found;
  const { ledgerId, origin } = reader.identity();
  let before = Number.MAX_SAFE_INTEGER;
  for (let looked = 0; looked < MAX_LOOKED && found.size < auditors.length;) {
    const page = reader.organizationPageBack(LEDGER_ORGANIZATION, before, PAGE);
    for (const stored of page) {
      const one = attestationIn(stored, auditors, verify);
      if (one !== null && one.statement.ledgerId === ledgerId && one.statement.origin === origin && !found.has(one.auditor.vkey) && isOfThisPast(reader, one)) found.set(one.auditor.vkey, one);
    }
    if (page.length < PAGE || page.at(-1)!.logIndex < after) break;
    looked += PAGE;
    before = page.at(-1)!.orgSeq;
  }
  return found;
}

/** An auditor who saw another past has not seen this one, whoever put the attestation here. */
function isOfThisPast(reader: Reader, { statement: { log, anchor } }: AttestationFacts): boolean {
  return [log, anchor].every(({ size, root }) => size <= reader.size() && equal(reader.rootAt(size), root));
}

/** How far auditors have attested. */
export interface Attested {
  /** Receipts that the furthest attestation is about, 0 where there is none. */
  readonly size: number;
  /** `recorded_at` of the first one behind them; null: there is none. */
  readonly since: string | null;
  /** `vkey`: whoever has the host can pin a key of his own under any name. */
  readonly auditors: readonly { readonly name: string; readonly vkey: string; readonly size: number; readonly audited_at: string | null; readonly attested_at: string | null }[];
}

/** `newest` as `newestAttestations` has it. */
export function attestedBy(reader: Reader, auditors: readonly Cosigner[], newest: ReadonlyMap<string, StoredAttestation>): Attested {
  const size = Math.max(0, ...[...newest.values()].map(({ statement }) => statement.log.size));
  const first = reader.byIndex(size);
  return {
    size,
    since: first === null ? null : formatTime(first.recordedAt),
    auditors: auditors.map(({ vkey, key: { name } }) => {
      const statement = newest.get(vkey)?.statement;
      return { name, vkey, size: statement?.log.size ?? 0, audited_at: statement?.auditedAt ?? null, attested_at: statement?.attestedAt ?? null };
    }),
  };
}

/** null where it is none, or none of these auditors'. */
function attestationIn({ blob, logIndex, receiptId, recordedAt }: StoredBlob, auditors: readonly Cosigner[], verify: VerifyEd25519): StoredAttestation | null {
  if (blob === null || !Buffer.from(blob.buffer, blob.byteOffset, blob.length).includes(TYPE)) return null;
  try {
    const read = readReceipt(blob);
    if (!read.known || read.receipt.type !== "attestation") return null;
    const attestation = readAttestation(read.receipt["details"]);
    return { ...verifyAttestation(attestation, auditors, verify), logIndex, receiptId, recordedAt, signed: attestation.statement, cosigned: attestation.cosigned };
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError) return null;
    throw error;
  }
}
