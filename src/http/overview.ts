/** How the ledger is, in figures, states and times: nothing of what receipts say, no names of organizations, no messages. */
import { formatTime } from "../format/time.ts";
import type { DaemonStatus } from "./daemon-status.ts";
import type { Sample } from "./history.ts";
import type { LedgerView } from "./ledger-view.ts";
import type { Watch } from "./watch.ts";

/** Organizations whose shares are given. */
const SHARES = 64;
/** ms; what a Date can hold. */
const LAST_TIME = 8.64e15;

export function overview(view: LedgerView, watch: Watch, now: number): object {
  const { reader, outbox, ledger, history, targets } = view;
  const { at: askedAt, status } = watch.daemon(now);
  const times = watch.anchors();
  const receipts = reader.size();
  const anchored = Math.min(receipts, view.anchoredSize());
  const newest = times.newest();
  const organizations = reader.organizations();
  return {
    now: formatTime(now), ledger: ledger.origin, ledger_id: ledger.ledgerId,
    receipts, signed: Math.min(receipts, outbox.signedSize()), anchored, pending: receipts - anchored,
    newest_anchor: newest === null ? null : {
      tree_size: newest.treeSize, recorded_at: timeOf(newest.at), next_anchor_by: newest.due === null ? null : timeOf(newest.due), state: times.present(now)?.kind ?? "in_time",
    },
    anchors: { count: times.count, complete: times.isComplete },
    daemon: daemonOf(status, askedAt),
    targets: targets.map(({ name, type, required }) => {
      const said = status?.targets.find((one) => one.name === name);
      const confirmed = outbox.confirmed(name);
      return {
        name, type, required, state: said?.state ?? "unknown", pending: said?.pending ?? null, error: said?.last_error ?? null, interference: said?.interference ?? 0,
        confirmed: confirmed === null ? null : { tree_size: confirmed.treeSize, last_modified: timeOf(confirmed.lastModified) },
      };
    }),
    self_check: selfCheckOf(status),
    revoked_keys: history.revocations.length, keys_complete: history.isComplete,
    organizations: {
      count: organizations.length,
      shares: organizations.slice(0, SHARES).map(({ org }) => ({ receipts: reader.organizationSize(org), anchored: reader.organizationSizeAt(org, anchored) })),
    },
    sample: watch.history.newest === null ? null : sampleOf(watch.history.newest),
  };
}

export function sampleOf({ at, rate, p50, p95, p99, pending }: Sample): object {
  return { at: timeOf(at), receipts_per_s: rate === null ? null : Math.round(rate * 10) / 10, p50_ms: p50, p95_ms: p95, p99_ms: p99, pending };
}

/** null where no calendar has it. */
export function timeOf(ms: number): string | null {
  return Math.abs(ms) <= LAST_TIME ? formatTime(ms) : null;
}

function daemonOf(status: DaemonStatus | null, askedAt: number): object {
  if (status === null) return { state: "away", reason: null, asked_at: askedAt === 0 ? null : timeOf(askedAt), started_at: null, pending_since: null, signer: null, key_change_waiting: false };
  const { state, reason, started_at: startedAt, pending_since: pendingSince, signer, key_change_waiting } = status;
  return { state, reason: reason?.code ?? null, asked_at: timeOf(askedAt), started_at: startedAt, pending_since: pendingSince, signer: signer.state, key_change_waiting };
}

function selfCheckOf(status: DaemonStatus | null): object | null {
  if (status === null) return null;
  const { self_check: check } = status;
  if (!check.enabled) return { enabled: false, failed: false, finding_count: 0, findings: [], last_round: null, present_round: null };
  const { failure, finding_count, findings, last_round, present_round } = check;
  return { enabled: true, failed: failure !== null, finding_count, findings: findings.map(({ code, log_index }) => ({ code, log_index })), last_round, present_round };
}
