/**
 * What the daemon does for its own processes that hold no key (src/intake/control.ts): writes down who was handed receipts, and says of a
 * receipt of the open epoch whether its MAC is right, which nobody else can.
 */
import type { Logger } from "pino";
import type { BatchCloser } from "../anchor/closer.ts";
import type { Config } from "../config.ts";
import { equal } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { FormatError } from "../format/errors.ts";
import { systemDetails } from "../format/fields.ts";
import { readReceipt, unsignedBytes } from "../format/receipt.ts";
import type { Json } from "../format/strict-json.ts";
import { Control, type ControlPort } from "../intake/control.ts";
import { RpcError } from "../intake/protocol.ts";
import { type IntakeServer, listen } from "../intake/server.ts";
import type { EpochKeys } from "../keys/epoch-keys.ts";
import { newId } from "../keys/new-id.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader } from "../ledger/reader.ts";
import { placesOf } from "./places.ts";

interface ControlParts {
  readonly closer: BatchCloser;
  readonly keys: EpochKeys;
  readonly reader: Reader;
  /** Why nothing may be written at all. */
  readonly refusal: () => { readonly code: string; readonly message: string } | null;
  /** Why it does, or does not, take receipts. */
  readonly state: () => { readonly state: string; readonly reason: string | null };
  readonly status: () => Json;
  readonly fatal: (error: Error) => void;
}

/** sun_path of sockaddr_un (unix(7)), without its NUL. */
const LONGEST_PATH = 107;
/** More connections, bytes and calls than a process of ours has. */
const LIMITS = { maxMessage: 1_048_576, maxInFlight: 256, lineTimeout: 30_000, writeTimeout: 60_000 } as const;
const MAX_CONNECTIONS = 8;

/** Resolves without a server, and says so in the log, where the socket cannot be made: receipts do not depend on it. */
export async function startControl(config: Config, parts: ControlParts, log: Logger): Promise<IntakeServer | null> {
  const { control: path } = placesOf(config);
  try {
    if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`${path} is too long for a Unix socket`);
    const control = new Control(new Port(parts), (error) => log.error({ err: error }, "a call of the control socket failed inside receiptd"));
    return await listen({ path, mode: 0o600, group: null, maxConnections: MAX_CONNECTIONS, maxBuffered: 4 * LIMITS.maxMessage, limits: LIMITS }, control);
  } catch (error) {
    log.error({ err: error }, "no control socket: receiptd http can hand out nothing that has to be recorded");
    return null;
  }
}

class Port implements ControlPort {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  recordAccess(accesses: Json): Json {
    const { closer, refusal } = this.#parts;
    const details = { accesses };
    const checked = systemDetails["access"]!.safeParse(details);
    if (!checked.success) throw new FormatError("bad_field", "not a list of accesses (docs/FORMAT.md section 7)", "/params/accesses");
    const why = refusal(); // an overdue anchor is no reason against writing down what was read
    if (why !== null) throw new RpcError(why.code, why.message);
    return { log_index: closer.announce("access", newId(), details).logIndex };
  }

  checkMac(logIndex: number): Json {
    const { keys, reader } = this.#parts;
    const stored = reader.byIndex(logIndex);
    if (stored === null) throw new RpcError("not_found", "no such receipt in this ledger");
    if (stored.keyEpoch !== keys.epoch) return { mac: "not_open", receipt_hash: null };
    const { blob } = stored;
    if (blob === null) return { mac: "wrong", receipt_hash: null };
    const hash = nodeHash.sha256(blob);
    return { mac: equal(hash, stored.receiptHash) && this.#isSigned(blob) ? "right" : "wrong", receipt_hash: hashText(hash) };
  }

  #isSigned(blob: Uint8Array): boolean {
    const { keys } = this.#parts;
    try {
      const { organization, key_id, key_epoch, signature } = readReceipt(blob).receipt;
      return key_id === keys.keyId && key_epoch === keys.epoch && keys.isSigned(organization, unsignedBytes(blob, signature), signature);
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  }

  state(): Json {
    return { ...this.#parts.state() };
  }

  status(): Json {
    return this.#parts.status();
  }

  fatal(error: Error): void {
    this.#parts.fatal(error);
  }
}
