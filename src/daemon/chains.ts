/** Chains as the daemon has them: their file beside the ledger, their receipts in it. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { Chains } from "../chains/chains.ts";
import { ChainError } from "../chains/errors.ts";
import { openChainStore } from "../chains/store.ts";
import type { Config } from "../config.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { FormatError } from "../format/errors.ts";
import type { Json } from "../format/strict-json.ts";
import type { IntakePort } from "../intake/port.ts";
import { RpcError } from "../intake/protocol.ts";
import { newId } from "../keys/new-id.ts";
import { LedgerError } from "../ledger/errors.ts";
import type { Reader } from "../ledger/reader.ts";
import type { Writer } from "../ledger/writer.ts";
import { placesOf } from "./places.ts";

/** Crockford's base32, as in a ULID. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

type RequireApproved = (systemId: string | undefined, approvers: () => number) => void;
type ChainsPort = Pick<IntakePort, "commit" | "refusal" | "fatal">;

/** `port` is asked when a call comes. Throws ChainError, LedgerError. */
export function startChains(config: Config, { writer, reader }: { readonly writer: Writer; readonly reader: Reader }, requireApproved: RequireApproved, port: () => ChainsPort, log: Logger): Chains {
  const { chains: path } = placesOf(config);
  const { store, isNew } = openChainStore(path, { origin: writer.origin, ledgerId: writer.ledgerId });
  if (isNew) log[writer.size > 1 ? "warn" : "info"]({ path }, "there was no file of chains, and a new one is made: should there have been one, its open chains are known to nobody any more");
  return new Chains({
    store, newId, newChainId, requireApproved,
    now: Date.now,
    newSalt: () => randomBytes(16).toString("hex"),
    maxOpen: config.chains.max_open,
    maxEntries: config.chains.max_entries,
    timeout: config.chains.timeout,
    refuse() {
      const refusal = port().refusal();
      if (refusal !== null) throw new RpcError(refusal.code, refusal.message);
    },
    append(request) {
      const { outcomes: [outcome], error } = port().commit([[request]], "disk");
      if (error instanceof LedgerError && error.fatal) port().fatal(error);
      if (outcome === undefined) throw error ?? new LedgerError("ledger_failed", "the receipt of the chain was not stored");
      if (!outcome.ok) throw new ChainError(outcome.code, `the receipt of the chain cannot be stored (${outcome.code})`, { receiptId: outcome.receiptId });
      return outcome.receipts[0]!;
    },
    has: (receiptId) => writer.find(receiptId) !== undefined,
    find: (receiptId) => receiptIn(reader, receiptId),
    hasRoom: (organization) => writer.hasRoomFor(organization),
    onNotice: (text, chainId) => log.warn({ chain_id: chainId }, text),
    onError(error, chainId) {
      if (error instanceof LedgerError && error.fatal) port().fatal(error);
      else if (chainId !== null) log.error({ err: error, chain_id: chainId }, "a chain could not be ended; trying again");
      else if (error instanceof ChainError) log.error({ err: error }, "chains.db cannot be read or written; receipts are taken");
    },
  });
}

/** null: there is none, or nobody can read it. */
function receiptIn(reader: Reader, receiptId: string): Json {
  try {
    const blob = reader.byId(receiptId)?.blob ?? null;
    return blob === null ? null : JSON.parse(fromUtf8(blob)) as Json;
  } catch (error) {
    if (error instanceof LedgerError || error instanceof FormatError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** `chn_` and a UUIDv7 in 26 digits. */
function newChainId(): string {
  let value = BigInt(`0x${newId().replaceAll("-", "")}`);
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = DIGITS[Number(value & 31n)]! + text;
    value >>= 5n;
  }
  return `chn_${text}`;
}
