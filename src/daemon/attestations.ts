/**
 * Auditors' words on audits, taken into the ledger. Whoever reaches the socket may bring one, for it vouches for itself: it is signed by an auditor whom
 * the configuration names, and about this ledger as it is. How far the newest ones go tells how long the ledger has not been audited.
 */
import type { Logger } from "pino";
import type { BatchCloser } from "../anchor/closer.ts";
import { readAttestation, type Tree } from "../format/attestation.ts";
import { equal } from "../format/bytes.ts";
import type { Cosigner } from "../format/cosignature.ts";
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import type { Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { RpcError } from "../intake/protocol.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { attestedBy, newestAttestations, type StoredAttestation } from "../ledger/attestations.ts";
import type { Reader } from "../ledger/reader.ts";
import type { Writer } from "../ledger/writer.ts";
import { type AttestationFacts, verifyAttestation } from "../verify/attestation.ts";
import { VerifyError } from "../verify/errors.ts";

interface Parts {
  /** Whom the configuration names. */
  readonly auditors: readonly Cosigner[];
  readonly writer: Writer;
  readonly reader: Reader;
  readonly closer: BatchCloser;
  readonly newId: () => string;
  readonly log: Logger;
}

/** ms that an auditor's clock may be ahead: what is later would keep others out until then. */
const AHEAD = 600_000;

export class Attestations {
  readonly #parts: Parts;
  readonly #auditors: readonly Cosigner[];
  /** By the auditor's vkey. */
  readonly #newest: Map<string, StoredAttestation>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#auditors = parts.auditors;
    this.#newest = new Map(newestAttestations(parts.reader, this.#auditors, verifyByNode));
  }

  /** Stores it, on the disk; one that is there already is stored once. RpcError `attestation_refused`; LedgerError. */
  take(value: Json): Json {
    const { closer, newId, log } = this.#parts;
    const attestation = verified(() => readAttestation(value));
    if (this.#auditors.length === 0) throw refused("no auditor is configured (auditors): ask whoever runs this ledger to name your key");
    const facts = verified(() => verifyAttestation(attestation, this.#auditors, verifyByNode));
    const { auditor, statement: { log: tree, attestedAt } } = facts;
    const known = this.#newest.get(auditor.vkey);
    if (known?.signed === attestation.statement && known.cosigned === attestation.cosigned) return answer(known, true);
    this.#requireThis(facts);
    if (Date.parse(attestedAt) > Date.now() + AHEAD) throw refused(`it is of ${attestedAt}, and the clock here shows ${formatTime(Date.now())}`);
    if (known !== undefined && (Date.parse(known.statement.attestedAt) >= Date.parse(attestedAt) || known.statement.log.size > tree.size)) {
      throw refused(`there is a newer one of ${auditor.key.name}, of ${known.statement.attestedAt} about ${count(known.statement.log.size, "receipt")}`);
    }
    const { logIndex, receiptId, recordedAt } = closer.announce("attestation", newId(), { ...attestation });
    const stored = { ...facts, logIndex, receiptId, recordedAt, signed: attestation.statement, cosigned: attestation.cosigned };
    this.#newest.set(auditor.vkey, stored);
    log.info({ log_index: logIndex, auditor: auditor.key.name, attested: tree.size }, "an attestation is recorded");
    return answer(stored, false);
  }

  /** null where no auditor is configured. */
  status(): Json {
    if (this.#auditors.length === 0) return null;
    const { auditors, ...rest } = attestedBy(this.#parts.reader, this.#auditors, this.#newest);
    return { ...rest, auditors: auditors.map((one) => ({ ...one })) };
  }

  /** It is about another ledger, or about one of this name that had another past. */
  #requireThis({ auditor, statement: { origin, ledgerId, log: tree, anchor } }: AttestationFacts): void {
    const { writer, log } = this.#parts;
    if (origin !== writer.origin || ledgerId !== writer.ledgerId) throw refused(`it is about the ledger ${origin} ${ledgerId}, and this one is ${writer.origin} ${writer.ledgerId}`);
    if (this.#has(tree) && this.#has(anchor)) return;
    log.error({ auditor: auditor.key.name, attested: tree.size, size: writer.size }, "an attestation is about another past than this ledger has; run: receiptd audit");
    throw refused(`the ledger that was audited had ${count(tree.size, "receipt")} with another root than this one has: find out which one was audited`);
  }

  #has({ size, root }: Tree): boolean {
    return size <= this.#parts.writer.size && equal(this.#parts.reader.rootAt(size), root);
  }
}

function verified<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError) throw refused(`${error.code}: ${error.message}`);
    throw error;
  }
}

function refused(message: string): RpcError {
  return new RpcError("attestation_refused", message);
}

function answer({ logIndex, receiptId, auditor, statement: { log, attestedAt } }: StoredAttestation, isDuplicate: boolean): Json {
  return { receipt_id: receiptId, log_index: logIndex, auditor: auditor.key.name, size: log.size, attested_at: attestedAt, duplicate: isDuplicate };
}
