/** What the page at / is made of, besides what there was: how the ledger is now and was lately, its anchors by time, its organizations. */
import { hashText } from "../format/chain.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import type { Context } from "./context.ts";
import { SPANS } from "./history.ts";
import { overview, sampleOf, timeOf } from "./overview.ts";
import { JSON_TYPE, json, type Route, route } from "./route.ts";
import { pageSize } from "./routes-proofs.ts";
import { answers, query } from "./schemas-overview.ts";
import { params } from "./schemas.ts";

const RANGES = { hour: 3_600_000, day: 86_400_000, week: 604_800_000, all: Number.POSITIVE_INFINITY } as const;
/** Of a time line. */
const SLOTS = 240;
const GAPS = 100;
const PAGE = 50;
/** Organizations on one page. */
const ORGANIZATIONS = 100;

export function overviewRoutes({ source, watch }: Context): readonly Route[] {
  return [
    route({
      path: "/v1/overview", operation: "overview", summary: "How the ledger is: counts, states and times. A second old at most, what it says of the daemon ten.", scope: null, params: params.none, query: query.none,
      answer: { type: "application/json", schema: answers.overview }, errors: ["ledger_unavailable"],
      handle: () => ({ type: JSON_TYPE, body: watch.answer("overview", () => overview(source.view(), watch, Date.now())) }),
    }),
    route({
      path: "/v1/history", operation: "history", summary: "Receipts per second and the time to their acknowledgement, lately. Since this process began, no more.", scope: null, params: params.none, query: query.history,
      answer: { type: "application/json", schema: answers.history }, errors: [],
      handle: ({ query: { span = "hour" } }) => ({
        type: JSON_TYPE,
        body: watch.answer(`history ${span}`, () => ({ now: timeOf(Date.now()), since: timeOf(watch.startedAt), step_ms: SPANS[span].step, samples: watch.history.samples(span).map(sampleOf) })),
      }),
    }),
    route({
      path: "/v1/timeline", operation: "timeline", summary: "When anchors were made, and where one was late, is missing, or the daemon was stopped.", scope: null, params: params.none, query: query.timeline,
      answer: { type: "application/json", schema: answers.timeline }, errors: ["ledger_unavailable"],
      handle: ({ query: { range = "day" } }) => ({
        type: JSON_TYPE,
        body: watch.answer(`timeline ${range}`, () => {
          const now = Date.now();
          const times = watch.anchors();
          const from = Math.max(times.at(0)?.at ?? now, now - RANGES[range]);
          const begin = range === "all" ? from : now - RANGES[range];
          const slots = times.slots(begin, now, SLOTS);
          const gaps = times.gaps(begin, now);
          return {
            now: timeOf(now), from: timeOf(begin), complete: times.isComplete, anchors: slots.reduce((sum, slot) => sum + slot.anchors, 0),
            slots: slots.map(({ at, anchors, treeSize }) => ({ at: timeOf(at), anchors, tree_size: treeSize })),
            gap_count: gaps.length,
            gaps: gaps.slice(-GAPS).map(({ kind, from: since, due, to, treeSize }) => ({ kind, from: timeOf(since), due: due === null ? null : timeOf(due), to: to === null ? null : timeOf(to), tree_size: treeSize })),
          };
        }),
      }),
    }),
    route({
      path: "/v1/timeline/anchors", operation: "timelineAnchors", summary: "Anchors of a time, newest first, with what each promised.", scope: null, params: params.none, query: query.timelineAnchors,
      answer: { type: "application/json", schema: answers.timelineAnchors }, errors: ["ledger_unavailable"],
      handle({ query: { range = "all", before = String(Number.MAX_SAFE_INTEGER), late = "false", limit = String(PAGE) } }) {
        const most = pageSize(limit, PAGE);
        const { reader, outbox, targets } = source.view();
        const times = watch.anchors();
        const signed = outbox.signedSize();
        const page = times.page({ from: Date.now() - RANGES[range], before: Number(before), late: late === "true", limit: most });
        const anchors = page.flatMap(({ treeSize, at, due }) => {
          const row = reader.anchors(treeSize - 1, 1)[0];
          if (row?.treeSize !== treeSize) return [];
          return [{
            tree_size: treeSize, receipts: treeSize - row.firstIndex, root: hashText(row.root), recorded_at: timeOf(at), next_anchor_by: due === null ? null : timeOf(due), late_ms: times.lateness(treeSize),
            signed: treeSize <= signed, object: `/v1/anchors/${treeSize}`,
            targets: targets.map(({ name }) => {
              const confirmed = outbox.firstConfirmed(name, treeSize);
              return { name, last_modified: confirmed?.treeSize === treeSize ? timeOf(confirmed.lastModified) : null };
            }),
          }];
        });
        return json({ anchors, next: page.length < most ? null : String(page.at(-1)!.treeSize) });
      },
    }),
    route({
      path: "/v1/organizations", operation: "organizations", summary: "The organizations that a token is for: how many receipts they have, and how many of those are anchored. No contents, so it is not recorded.", scope: "read", params: params.none, query: query.organizations,
      answer: { type: "application/json", schema: answers.organizations }, errors: ["ledger_unavailable"],
      handle({ query: { after = "", limit = String(ORGANIZATIONS) }, grant }) {
        const most = pageSize(limit, ORGANIZATIONS);
        const view = source.view();
        const { reader } = view;
        const anchored = view.anchoredSize();
        const rows = reader.organizations().filter(({ name }) => grant.allows(name) && name > after).sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, most);
        const organizations = rows.map(({ org, name, prefix }) => {
          const end = reader.organizationEnd(org);
          return { organization: name, prefix, own: name === LEDGER_ORGANIZATION, receipts: end?.size ?? 0, anchored: reader.organizationSizeAt(org, anchored), newest_at: end === null ? null : timeOf(end.recordedAt) };
        });
        return json({ organizations, next: rows.length < most ? null : rows.at(-1)!.name });
      },
    }),
  ];
}
