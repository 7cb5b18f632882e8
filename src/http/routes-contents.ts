/** Contents, for those with a token. What is handed out is in the ledger as an `access` receipt before its first byte leaves. */
import type { Readable } from "node:stream";
import { BundleError } from "../bundle/errors.ts";
import { evidenceOf } from "../bundle/evidence.ts";
import { parseNumber } from "../format/chain.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { parseAsked } from "../format/time.ts";
import type { StoredBlob } from "../ledger/reader.ts";
import { VerifyError } from "../verify/errors.ts";
import type { Context } from "./context.ts";
import { ApiError } from "./errors.ts";
import { exportStream } from "./export-stream.ts";
import type { Grant } from "./grant.ts";
import type { LedgerView } from "./ledger-view.ts";
import { OutboxAnchors } from "./outbox-anchors.ts";
import { pageSize } from "./routes-proofs.ts";
import { JSON_TYPE, type Route, route } from "./route.ts";
import { answers, params, query } from "./schemas.ts";
import { listedText, type Page, search, type Wanted } from "./search.ts";
import { MAX_ORGANIZATIONS, type Scope } from "./tokens.ts";
import { found, isWhole, namedBy, noSuchReceipt, numberOf } from "./which.ts";

const DAY = 86_400_000;
const LAST = Number.MAX_SAFE_INTEGER;
/** Exports at a time, each with a thread and of another token. */
const EXPORTS = 2;
/** ms; a client that takes it slower is left with a file that breaks off. */
const LONGEST_EXPORT = 3_600_000;

export function contentRoutes({ source, places, control, http, auditors }: Context): readonly Route[] {
  /** Tokens, each with one. */
  const exporting = new Set<string>();

  const record = (grant: Grant, scope: Scope, what: string, organizations: readonly string[] | null, count: number | null): Promise<void> => (
    control.record({ token: grant.id, scope, what, organizations: organizations === null || organizations.length > MAX_ORGANIZATIONS ? null : [...organizations], count })
  );

  return [
    route({
      path: "/v1/receipts/{receipt}", operation: "receipt", summary: "One receipt, as it is stored.", scope: "read", params: params.receipt, query: query.none,
      answer: { type: "application/json", schema: answers.receipt }, errors: ["not_found", "receipt_damaged", "access_not_recorded"],
      async handle({ params: { receipt: name }, grant }) {
        const view = source.view();
        const stored = whole(allowed(found(view.reader, namedBy(name)), grant));
        const body = listedText(stored, stateOf(view, stored));
        await record(grant, "read", `receipt ${numberOf(stored)}`, [stored.organization], 1);
        return { type: JSON_TYPE, body };
      },
    }),
    route({
      path: "/v1/receipts", operation: "receipts", summary: "Receipts by number, time, organization and fields, a page at a time.", scope: "read", params: params.none, query: query.receipts,
      answer: { type: "application/json", schema: answers.receipts }, errors: ["not_found", "organization_not_allowed", "access_not_recorded"],
      async handle({ query: asked, grant }) {
        const wanted = wantedBy(asked);
        if (wanted.organization !== null) grant.requireOrganization(wanted.organization);
        const page = await search(source, wanted, grant, asked.cursor ?? null, pageSize(asked.limit ?? String(http.max_page), http.max_page));
        await record(grant, "read", whatOf(page, asked), page.organizations.length > 0 ? page.organizations : wanted.organization === null ? grant.organizations : [wanted.organization], page.receipts.length);
        const members = JSON.stringify({ next: page.next, ended: page.ended, scanned: page.scanned });
        return { type: JSON_TYPE, body: `{"receipts":[${page.receipts.join(",")}],${members.slice(1)}` };
      },
    }),
    route({
      path: "/v1/receipts/{receipt}/evidence", operation: "receiptEvidence", summary: "One receipt with its proof, in one file for anybody (docs/FORMAT.md section 15).", scope: "evidence", params: params.receipt, query: query.none,
      answer: { type: "application/json", schema: null }, errors: ["not_found", "not_anchored", "no_evidence", "receipt_damaged", "access_not_recorded"],
      async handle({ params: { receipt: name }, grant }) {
        const { reader, outbox, vkeys, vkeyTexts, targets } = source.view();
        const stored = whole(allowed(found(reader, namedBy(name)), grant));
        const text = await evidence(() => evidenceOf(reader, stored, new OutboxAnchors({ reader, outbox, targets, vkeys }), { vkeys: vkeyTexts, auditors }));
        const number = numberOf(stored);
        await record(grant, "evidence", `evidence of ${number}`, [stored.organization], 1);
        return { type: JSON_TYPE, body: text, fileName: `${number}.evidence.json` };
      },
    }),
    route({
      path: "/v1/export", operation: "export", summary: "The receipts of a time in one file that shows that none is left out (docs/FORMAT.md section 16). It has the ledger's own receipts, too.", scope: "export", params: params.none, query: query.export,
      answer: { type: "application/x-ndjson", schema: null }, errors: ["not_found", "not_anchored", "no_evidence", "organization_not_allowed", "access_not_recorded", "overloaded"],
      async handle({ query: asked, grant }) {
        const { organization = null } = asked;
        requireExport(grant, organization);
        const { from, to } = timesOf(asked);
        if (exporting.has(grant.id)) throw new ApiError("overloaded", "one export of a token at a time; try again later");
        if (exporting.size >= EXPORTS) throw new ApiError("overloaded", `${EXPORTS} exports at a time; try again later`);
        exporting.add(grant.id);
        const done = (): void => void exporting.delete(grant.id);
        let stream: Readable;
        try {
          const { vkeyTexts } = source.view();
          stream = await exportStream({ ...places, targets: places.targets.map(({ name }) => ({ name })), vkeys: vkeyTexts, asked: { organization, from: asked.from === undefined ? null : from, to: asked.to === undefined ? null : to } });
        } catch (error) {
          done();
          throw error;
        }
        const late = setTimeout(() => stream.destroy(), LONGEST_EXPORT).unref();
        stream.once("close", () => {
          clearTimeout(late);
          done();
        });
        try {
          await record(grant, "export", `export from ${asked.from ?? "the beginning"} to ${asked.to ?? "the newest anchor"}`, organization === null ? null : [...new Set([organization, LEDGER_ORGANIZATION])], null);
        } catch (error) {
          stream.destroy();
          throw error;
        }
        return { type: "application/x-ndjson", body: stream, fileName: `${organization ?? "receipts"}.export.ndjson` };
      },
    }),
  ];
}

/** One that the token is not for is not there. */
function allowed(stored: StoredBlob, grant: Grant): StoredBlob {
  if (!grant.allows(stored.organization)) throw noSuchReceipt();
  return stored;
}

/** As it was recorded: other bytes are nobody's answer. */
function whole(stored: StoredBlob): StoredBlob {
  if (!isWhole(stored)) throw new ApiError("receipt_damaged", "the receipt is damaged on its host, which has to be told");
  return stored;
}

function stateOf(view: LedgerView, { logIndex }: StoredBlob): "anchored" | "logged" | "pending" {
  return logIndex < view.anchoredSize() ? "anchored" : logIndex < view.outbox.signedSize() ? "logged" : "pending";
}

async function evidence(make: () => ReturnType<typeof evidenceOf>): Promise<string> {
  try {
    return (await make()).text;
  } catch (error) {
    if (error instanceof BundleError) throw new ApiError(error.code, error.code === "not_anchored" ? error.message : "the receipt or its anchor is damaged on its host", { cause: error });
    if (error instanceof VerifyError) throw new ApiError("no_evidence", "what the ledger has is not what is anchored", { cause: error });
    throw error;
  }
}

/** An export has the ledger's own receipts: who was handed what, too. */
function requireExport(grant: Grant, organization: string | null): void {
  grant.requireOrganization(LEDGER_ORGANIZATION);
  if (organization !== null) grant.requireOrganization(organization);
  else if (grant.organizations !== null) throw new ApiError("organization_not_allowed", "this token is not for the receipts of all organizations: name one");
}

/** ms. Throws ApiError `bad_request`. */
function timesOf({ from, to }: { readonly from?: string | undefined; readonly to?: string | undefined }): { readonly from: number; readonly to: number } {
  const [begin, end] = [from, to].map((text) => {
    const time = text === undefined ? null : parseAsked(text);
    if (text !== undefined && time === null) throw new ApiError("bad_request", "from and to are dates or times that exist, in UTC");
    return time;
  });
  const span = { from: begin?.ms ?? 0, to: end === null || end === undefined ? LAST : end.ms + (end.isDate ? DAY : 0) };
  if (span.from >= span.to) throw new ApiError("bad_request", "from is not before to");
  return span;
}

type Asked = Parameters<typeof timesOf>[0] & Readonly<Partial<Record<"organization" | "first_number" | "last_number" | "type" | "system_id" | "decision" | "gate_status" | "cursor" | "limit", string | undefined>>>;

function wantedBy(asked: Asked): Wanted {
  const [firstNumber, lastNumber] = [asked.first_number, asked.last_number].map((text) => {
    const number = text === undefined ? null : parseNumber(text);
    if (text !== undefined && number === null) throw new ApiError("bad_request", "first_number and last_number are receipt numbers, such as PR-2026-00042");
    return number;
  }) as [Wanted["firstNumber"], Wanted["lastNumber"]];
  return {
    ...timesOf(asked), firstNumber, lastNumber, organization: asked.organization ?? null, type: asked.type ?? null, systemId: asked.system_id ?? null,
    decision: asked.decision ?? null, gateStatus: asked.gate_status ?? null,
  };
}

/** By which fields, not for which values. */
function whatOf({ firstNumber, lastNumber }: Page, asked: Asked): string {
  const by = (["from", "to", "type", "system_id", "decision", "gate_status"] as const).filter((name) => asked[name] !== undefined);
  return `receipts ${firstNumber === null ? "(none)" : `${firstNumber} to ${lastNumber}`}${by.length === 0 ? "" : ` by ${by.join(", ")}`}`;
}
