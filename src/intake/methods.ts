/** The calls that only look, or wait (docs/PROTOCOL.md). Each returns JSON text, now or later. */
import { equal } from "../format/bytes.ts";
import { formatNumber } from "../format/chain.ts";
import type { ChainWrite } from "../format/chain-calls.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { LedgerError } from "../ledger/errors.ts";
import { ackText, foundText } from "./answers.ts";
import { needed, only, readIndex, readOrganization, readWhich } from "./params.ts";
import type { IntakePort } from "./port.ts";
import { type Call, RpcError } from "./protocol.ts";

/** ms; what a Date can hold. */
const LAST_TIME = 8.64e15;

interface Surroundings {
  readonly port: IntakePort;
  /** The port's, shared. */
  readonly sync: () => Promise<number>;
  /** ms */
  readonly maxWait: number;
  /** Aborted, with an RpcError, when the answer is not to be waited for any more. */
  readonly gone: AbortSignal;
}

export function answerCall(call: Call, around: Surroundings): string | Promise<string> {
  const { method, params } = call;
  const { port } = around;
  switch (method) {
    case "get": {
      only(params, "receipt_id", "receipt_number", "log_index", "organization", "org_seq");
      return foundText(whole(find(call, port)), port.syncedSize(), port.anchoredSize());
    }
    case "head": {
      only(params, "organization");
      const organization = params["organization"];
      return JSON.stringify(port.head(organization === undefined ? null : readOrganization(organization, "/params/organization")));
    }
    case "status":
      only(params);
      return JSON.stringify(port.status());
    case "anchor":
      only(params);
      return port.anchorNow().then(({ treeSize, root }) => JSON.stringify({ tree_size: treeSize, root }));
    case "key_change":
      only(params);
      return port.changeKeys().then((done) => JSON.stringify(done));
    case "attest":
      only(params, "attestation");
      return JSON.stringify(port.attest(needed(params, "attestation")));
    case "chain.open":
    case "chain.event":
    case "chain.approve":
    case "chain.complete":
      return chain(method, call, around);
    case "chain.get":
    case "chain.disclose":
      return JSON.stringify(port.chainAt(method, params));
    case "wait":
      return wait(call, around);
    default:
      throw new RpcError("unknown_method", `no method ${method.slice(0, 64)}; there are append, append_many, get, head, status, wait, anchor, attest, key_change and chain.…`);
  }
}

const CHAIN_WRITES: ReadonlySet<string> = new Set<ChainWrite>(["chain.open", "chain.event", "chain.approve", "chain.complete"]);

export function isChainWrite(method: string): boolean {
  return CHAIN_WRITES.has(method);
}

async function chain(method: ChainWrite, { params }: Call, { port, sync }: Surroundings): Promise<string> {
  const answer = await port.chain(method, params);
  if (answer.kind === "said") return JSON.stringify(answer.answer);
  const { chainId, receipt } = answer;
  if (receipt.stored.logIndex >= port.syncedSize()) await sync(); // a duplicate of one that was stored a moment ago
  return `{"chain_id":${JSON.stringify(chainId)},${ackText(receipt, port.syncedSize()).slice(1)}`;
}

type Found = NonNullable<ReturnType<IntakePort["find"]>>;

function find(call: Call, port: IntakePort): Found {
  const which = readWhich(call.params);
  let found: Found | null;
  try {
    found = port.find(which);
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code !== "ledger_corrupt") throw error;
    throw new RpcError("receipt_damaged", `the receipt cannot be read, the ledger's file is damaged there (${error.message}); run: receiptd recover`);
  }
  if (found === null) throw new RpcError("not_found", "no such receipt in this ledger");
  return found;
}

/** The receipt as it was recorded: bytes that are not are nobody's answer. */
function whole(found: Found): Found & { readonly blob: Uint8Array } {
  const { blob, receiptHash, receiptId, prefix, recordedAt, orgSeq, logIndex } = found;
  if (blob !== null && equal(nodeHash.sha256(blob), receiptHash)) return { ...found, blob };
  const name = Math.abs(recordedAt) <= LAST_TIME ? formatNumber(prefix, formatTime(recordedAt), orgSeq) : receiptId; // the row may be what is damaged
  throw new RpcError("receipt_damaged", `the receipt ${name} (log index ${logIndex}) is damaged: ${blob === null ? "its bytes are missing" : "its bytes are not those in the index"}; run: receiptd recover`, { receipt_id: receiptId });
}

function wait(call: Call, { port, sync, maxWait, gone }: Surroundings): string | Promise<string> {
  const { params } = call;
  only(params, "receipt_id", "receipt_number", "log_index", "organization", "org_seq", "for", "timeout_ms");
  const level = needed(params, "for");
  if (level !== "disk" && level !== "anchored") throw new RpcError("bad_field", "for is disk or anchored", { pointer: "/params/for" });
  const timeout = params["timeout_ms"] === undefined ? maxWait : readIndex(params["timeout_ms"], "/params/timeout_ms", 0);
  const { logIndex, receiptId } = find(call, port);
  const done = (): string => JSON.stringify({ receipt_id: receiptId, log_index: logIndex, for: level });
  if (level === "disk") return sync().then(done);
  if (port.anchoredSize() > logIndex) return done(); // below, `stop` must be there before the port calls back
  gone.throwIfAborted();
  const ms = Math.min(timeout, maxWait);
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      stop();
      gone.removeEventListener("abort", onGone);
      settle();
    };
    const onGone = (): void => end(() => reject(gone.reason as RpcError));
    const timer = setTimeout(
      () => end(() => reject(new RpcError("timeout", `the receipt is not anchored after ${ms} ms; it is stored and will be: wait again`))), ms);
    const stop = port.onAnchored(logIndex + 1, () => end(() => resolve(done())));
    gone.addEventListener("abort", onGone);
  });
}
