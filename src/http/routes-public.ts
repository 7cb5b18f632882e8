/** What anybody may ask: is this receipt valid, what was signed, under which keys. No contents. */
import { setTimeout as sleep } from "node:timers/promises";
import { hashText } from "../format/chain.ts";
import { formatTime } from "../format/time.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { StoredBlob } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import { verifyReceipt } from "../verify/receipt.ts";
import type { Context } from "./context.ts";
import { ApiError, asApiError } from "./errors.ts";
import { json, type Route, route } from "./route.ts";
import { answers, params, query } from "./schemas.ts";
import { examineStored, type Examined } from "./verify.ts";
import { found, isWhole, type Named, namedBy, numberOf } from "./which.ts";

/** Between the closing of a batch and its signature no key is left: that long an answer waits for it, ms. */
const SIGNING = { tries: 5, wait: 200 } as const;
/** ms; what a Date can hold. */
const LAST_TIME = 8.64e15;

export function publicRoutes({ source, control, http }: Context): readonly Route[] {
  const examine = async (named: Named): Promise<{ readonly examined: Examined; readonly number: string; readonly recordedAt: number }> => {
    for (let left: number = SIGNING.tries; ; left--) {
      const view = source.view();
      const stored = found(view.reader, named);
      const examined = await examineStored(view, stored, named, (logIndex, hash) => control.checkMac(logIndex, hash));
      if (!examined.isBetween || left === 0) return { examined, number: numberOf(stored), recordedAt: stored.recordedAt };
      await sleep(SIGNING.wait);
    }
  };
  return [
    route({
      path: "/v1/health", operation: "health", summary: "Is this process alive?", scope: null, isLimited: false, params: params.none, query: query.none,
      answer: { type: "application/json", schema: answers.health }, errors: [],
      handle: () => json({ status: "ok" }),
    }),
    route({
      path: "/v1/ready", operation: "ready", summary: "Can the ledger be read, and does its daemon take receipts? 503: no.", scope: null, isLimited: false, params: params.none, query: query.none,
      answer: { type: "application/json", schema: answers.ready }, also: [503], errors: [],
      async handle() {
        const daemon = await control.state();
        const isReady = daemon === "ok" && isReadable(source);
        return json({ ready: isReady, daemon: answers.ready.shape.daemon.safeParse(daemon).data ?? "away" }, isReady ? 200 : 503);
      },
    }),
    route({
      path: "/v1/receipts/{receipt}/verify", operation: "verifyReceipt", summary: "One receipt, checked anew from its bytes. None of its contents.", scope: null, params: params.receipt, query: query.none,
      answer: { type: "application/json", schema: answers.verify }, errors: ["not_found"],
      async handle({ params: { receipt: name } }) {
        const named = namedBy(name);
        if (named.by === "number" && !http.public_numbers) throw new ApiError("bad_request", "here receipts are verified by their receipt_id only");
        const { examined: { valid, status, receipt, checks, notChecked, problem }, number, recordedAt } = await examine(named);
        const chainId = named.by === "id" && receipt?.known === true ? receipt.receipt["chain_id"] : null;
        return json({
          valid, receipt_number: number, chain_id: typeof chainId === "string" ? chainId : null,
          generated_at: Math.abs(recordedAt) <= LAST_TIME ? formatTime(recordedAt) : null,
          status, checks, not_checked: notChecked, problem,
          evidence: status === "anchored" ? `/v1/receipts/${name}/evidence` : null,
        });
      },
    }),
    route({
      path: "/v1/receipts/{receipt}/link", operation: "receiptLink", summary: "The hash of a receipt and of the one before in its organization, for whoever has its id.", scope: null, params: params.receiptId, query: query.none,
      answer: { type: "application/json", schema: answers.link }, errors: ["not_found", "receipt_damaged"],
      handle({ params: { receipt: name } }) {
        const named = namedBy(name);
        if (named.by !== "id") throw new ApiError("bad_request", "a link is asked for by receipt_id: numbers can be guessed");
        const stored = found(source.view().reader, named);
        const previous = previousHash(stored);
        return json({ receipt_id: stored.receiptId, receipt_hash: hashText(stored.receiptHash), previous_receipt_hash: previous, org_seq: stored.orgSeq });
      },
    }),
    route({
      path: "/v1/keys", operation: "keys", summary: "The keys that sign anchors and receipts, by what the ledger's own receipts say.", scope: null, params: params.none, query: query.none,
      answer: { type: "application/json", schema: answers.keys }, errors: [],
      handle() {
        const { ledger, vkeyTexts, history } = source.view();
        return json({ ledger: ledger.origin, ledger_id: ledger.ledgerId, vkeys: vkeyTexts, keys: history.keys, revoked: history.revocations, complete: history.isComplete });
      },
    }),
  ];
}

/** As the receipt names it. Throws ApiError `receipt_damaged`. */
function previousHash(stored: StoredBlob): string | null {
  try {
    if (isWhole(stored)) return verifyReceipt(stored.blob!, nodeHash).receipt.previous_receipt_hash;
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
  }
  throw new ApiError("receipt_damaged", "the receipt is damaged on its host, which has to be told");
}

function isReadable(source: Context["source"]): boolean {
  try {
    source.view().reader.size();
    return true;
  } catch (error) {
    if (asApiError(error) === null) throw error;
    return false;
  }
}
