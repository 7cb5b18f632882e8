/**
 * Looks at the daemon and at the ledger every few seconds, whoever asks or not: for the page, whose viewers are answered from this. However many
 * they are, the daemon is asked as often.
 */
import { AnchorError } from "../anchor/errors.ts";
import { LedgerError } from "../ledger/errors.ts";
import { AnchorTimes } from "./anchor-times.ts";
import type { ControlClient } from "./control-client.ts";
import { type DaemonStatus, readStatus } from "./daemon-status.ts";
import { History, INTERVAL, type Sample } from "./history.ts";
import type { LedgerSource, LedgerView } from "./ledger-view.ts";

/** ms that a status is believed for, and answers are given again for. */
const BELIEVED = 2 * INTERVAL;
const SAME = 1000;

export class Watch {
  readonly history = new History();
  /** ms */
  readonly startedAt = Date.now();
  readonly #source: LedgerSource;
  readonly #control: ControlClient;
  readonly #grace: number;
  readonly #timer: NodeJS.Timeout;
  readonly #answers = new Map<string, { readonly until: number; readonly body: string }>();
  #isAsking = false;
  #isOver = false;
  #status: { readonly at: number; readonly status: DaemonStatus | null } = { at: 0, status: null };
  #last: { readonly at: number; readonly size: number } | null = null;
  #times: { readonly view: LedgerView; readonly times: AnchorTimes } | null = null;
  #stepping: NodeJS.Immediate | null = null;

  /** `grace`: ms that an anchor may be late. */
  constructor(source: LedgerSource, control: ControlClient, grace: number) {
    this.#source = source;
    this.#control = control;
    this.#grace = grace;
    this.#timer = setInterval(() => void this.#look(), INTERVAL).unref();
    void this.#look();
  }

  stop(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    if (this.#stepping !== null) clearImmediate(this.#stepping);
  }

  /** What the daemon said last, and when; null: it does not answer. */
  daemon(now: number): { readonly at: number; readonly status: DaemonStatus | null } {
    return now - this.#status.at > BELIEVED ? { ...this.#status, status: null } : this.#status;
  }

  /** Throws LedgerError and AnchorError. */
  anchors(): AnchorTimes {
    const view = this.#source.view();
    if (this.#times?.view !== view) this.#times = { view, times: new AnchorTimes(view.reader, this.#grace) };
    const { times } = this.#times;
    if (this.#stepping === null) this.#step(times);
    return times;
  }

  /** The answer for `key`, made anew when it is a second old. */
  answer(key: string, make: () => object): string {
    const now = performance.now();
    const kept = this.#answers.get(key);
    if (kept !== undefined && now < kept.until) return kept.body;
    for (const [other, { until }] of this.#answers) if (now >= until) this.#answers.delete(other);
    const body = JSON.stringify(make());
    this.#answers.set(key, { until: now + SAME, body });
    return body;
  }

  #step(times: AnchorTimes): void {
    times.step();
    if (times.isComplete) return;
    this.#stepping = setImmediate(() => {
      this.#stepping = null;
      if (this.#times?.times === times && !this.#isOver) unlessUnreadable(() => this.#step(times));
    });
  }

  async #look(): Promise<void> {
    if (this.#isAsking) return; // it is being waited for
    this.#isAsking = true;
    try {
      const status = readStatus(await this.#control.status());
      if (this.#isOver) return;
      const at = Date.now();
      this.#status = { at, status };
      unlessUnreadable(() => {
        this.history.add(this.#sample(at, status));
        this.anchors();
      });
    } finally {
      this.#isAsking = false;
    }
  }

  #sample(at: number, status: DaemonStatus | null): Sample {
    const before = this.#last;
    this.#last = status === null ? null : { at, size: status.size };
    if (status === null) return { at, rate: null, p50: null, p95: null, p99: null, pending: null };
    const { size, latency: { recent } } = status;
    const figures = recent === null || recent.calls === 0 ? { p50: null, p95: null, p99: null } : { p50: recent.p50_ms, p95: recent.p95_ms, p99: recent.p99_ms };
    const rate = before === null || at <= before.at ? null : Math.max(0, (size - before.size) / ((at - before.at) / 1000));
    return { at, rate, ...figures, pending: Math.max(0, size - this.#anchored()) };
  }

  #anchored(): number {
    return this.#source.view().anchoredSize();
  }
}

/** Files that cannot be read now: whoever asks is told so. */
function unlessUnreadable(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof LedgerError || error instanceof AnchorError)) throw error;
  }
}
