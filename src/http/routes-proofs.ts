/** Anchors and proofs, as auditors and witnesses of a transparency log ask for them. Hashes, signatures and times only. */
import { anchorObject, anchorRowAt } from "../anchor/objects.ts";
import { toBase64 } from "../format/bytes.ts";
import { hashText } from "../format/chain.ts";
import { formatTime } from "../format/time.ts";
import type { Context } from "./context.ts";
import { ApiError } from "./errors.ts";
import type { LedgerView } from "./ledger-view.ts";
import { json, type Route, route } from "./route.ts";
import { answers, params, query } from "./schemas.ts";

const TEXT = "text/plain; charset=utf-8";
const MAX_ANCHORS = 100;

export function proofRoutes({ source }: Context): readonly Route[] {
  return [
    route({
      path: "/v1/checkpoint", operation: "checkpoint", summary: "The newest signed checkpoint (C2SP signed note).", scope: null, params: params.none, query: query.none,
      answer: { type: "text/plain", schema: null }, errors: ["not_found"],
      handle() {
        const { outbox } = source.view();
        return { type: TEXT, body: noteAt(outbox, outbox.signedSize()) };
      },
    }),
    route({
      path: "/v1/anchors", operation: "anchors", summary: "The ledger's anchors, in order of size.", scope: null, params: params.none, query: query.anchors,
      answer: { type: "application/json", schema: answers.anchors }, errors: [],
      handle({ query: { after = "0", limit = String(MAX_ANCHORS) } }) {
        const most = pageSize(limit, MAX_ANCHORS);
        const { reader, outbox, targets } = source.view();
        const signed = outbox.signedSize();
        const rows = reader.anchors(Number(after), most);
        const anchors = rows.map(({ treeSize, firstIndex, root }) => ({
          tree_size: treeSize, first_index: firstIndex, root: hashText(root), signed: treeSize <= signed, object: `/v1/anchors/${treeSize}`,
          published: targets.flatMap(({ name }) => {
            const confirmed = outbox.firstConfirmed(name, treeSize);
            return confirmed?.treeSize === treeSize ? [{ target: name, last_modified: formatTime(confirmed.lastModified) }] : [];
          }),
        }));
        return json({ anchors, next: rows.length < most ? null : String(rows.at(-1)!.treeSize) });
      },
    }),
    route({
      path: "/v1/anchors/{size}", operation: "anchor", summary: "The anchor object of a tree size, byte for byte as it is published (C2SP tlog-proof).", scope: null, params: params.size, query: query.none,
      answer: { type: "text/plain", schema: null }, errors: ["not_found"],
      handle({ params: { size } }) {
        const { reader, outbox } = source.view();
        const treeSize = Number(size);
        if (treeSize < 1 || anchorRowAt(reader, treeSize) === null) throw new ApiError("not_found", "the ledger has no anchor of this size");
        return { type: TEXT, body: anchorObject(reader, treeSize, noteAt(outbox, treeSize)).bytes };
      },
    }),
    route({
      path: "/v1/proofs/inclusion", operation: "inclusionProof", summary: "The path from a leaf to the root of a tree no larger than the newest signed one (RFC 6962).", scope: null, params: params.none, query: query.inclusion,
      answer: { type: "application/json", schema: answers.inclusion }, errors: ["not_found"],
      handle({ query: { log_index, size: asked } }) {
        const { reader, outbox } = source.view();
        const index = Number(log_index);
        const size = coveredSize(outbox, asked);
        if (index >= size) throw new ApiError("not_found", `the tree of ${size} receipts has no leaf ${index}`);
        return json({ log_index: index, size, root: hashText(reader.rootAt(size)), path: reader.inclusionPath(index, size).map(toBase64), checkpoint: outbox.note(size) });
      },
    }),
    route({
      path: "/v1/proofs/consistency", operation: "consistencyProof", summary: "What shows that a tree, no larger than the newest signed one, goes on from a smaller one (RFC 6962).", scope: null, params: params.none, query: query.consistency,
      answer: { type: "application/json", schema: answers.consistency }, errors: ["not_found"],
      handle({ query: { first: smaller, second: larger } }) {
        const { reader, outbox } = source.view();
        const second = coveredSize(outbox, larger);
        const first = coveredSize(outbox, smaller);
        if (first > second) throw new ApiError("bad_request", "first is larger than second");
        return json({ first, second, first_root: hashText(reader.rootAt(first)), second_root: hashText(reader.rootAt(second)), path: first === second ? [] : reader.consistencyPath(first, second).map(toBase64), first_checkpoint: outbox.note(first), second_checkpoint: outbox.note(second) });
      },
    }),
  ];
}

/** Throws ApiError `bad_request`. */
export function pageSize(limit: string, most: number): number {
  const size = Number(limit);
  if (size < 1 || size > most) throw new ApiError("bad_request", `limit is from 1 to ${most}`);
  return size;
}

function noteAt(outbox: LedgerView["outbox"], size: number): string {
  const note = outbox.note(size);
  if (note === null) throw new ApiError("not_found", "nothing is signed yet");
  return note;
}

/** A size up to the newest that was signed, which need not be one that was: of what comes later only the host knows. */
function coveredSize(outbox: LedgerView["outbox"], asked: string | undefined): number {
  const newest = outbox.signedSize();
  const size = asked === undefined ? newest : Number(asked);
  if (size < 1 || size > newest) throw new ApiError("not_found", `the newest signed tree has ${newest} receipts`);
  return size;
}
