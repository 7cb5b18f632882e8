/** Ledgers published to a store with versions as their daemon would have done it, each anchor naming the one that it saw there. */
import type { AuditReport, Finding } from "../../src/audit/audit.ts";
import type { Observed } from "../../src/format/fields.ts";
import { LEDGER_ID, type LedgerOptions, ORIGIN, TestLedger } from "../support/ledger.ts";
import { publish } from "../support/publish.ts";
import { VersionedTarget } from "../support/versioned-target.ts";

export const PREFIX = `v1/${ORIGIN}/${LEDGER_ID}/`;

export class Published {
  readonly ledger: TestLedger;
  readonly target: VersionedTarget;
  #size = 0;
  #newest: Observed | null = null;

  constructor(options: LedgerOptions = {}, target: VersionedTarget = new VersionedTarget()) {
    this.ledger = new TestLedger(options);
    this.target = target;
    this.ledger.observed = () => (this.#newest === null ? [] : [this.#newest]);
  }

  /** Batches of so many receipts, each anchored and published before the next. */
  async batches(...counts: readonly number[]): Promise<this> {
    for (const count of counts) {
      if (count > 0) this.ledger.append(count);
      this.ledger.anchor(count === 0 ? "heartbeat" : "schedule");
      await this.publish();
    }
    return this;
  }

  async publish(): Promise<void> {
    const newest = await publish(this.ledger, this.target, { after: this.#size, at: (time) => { this.target.now = time; } });
    if (newest === null) return;
    this.#newest = newest;
    this.#size = newest.tree_size;
  }

  /** The name of the anchor in this place. */
  anchor(place: number): string {
    return this.target.names(`${PREFIX}anchors/`).at(place)!;
  }

  batch(place: number): string {
    return this.target.names(`${PREFIX}batches/`).at(place)!;
  }
}

export const wrong = ({ findings }: AuditReport): readonly Finding[] => findings.filter(({ severity }) => severity !== "note");
/** Severity and code of what is wrong. */
export const found = (report: AuditReport): readonly (readonly [string, string])[] => wrong(report).map(({ severity, code }) => [severity, code]);
export const notes = ({ findings }: AuditReport): readonly string[] => findings.filter(({ severity }) => severity === "note").map(({ code }) => code);
