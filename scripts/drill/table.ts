/** What the drill prints: a block for each attack as it is tried, then what cannot be caught, then the figures; or all of it as JSON. */
import { count } from "../../src/format/count.ts";
import type { Figures, LimitRow, Listener, Row } from "./drill.ts";

const WIDTH = 24;

export class Table implements Listener {
  readonly #started = performance.now();
  readonly #seedNumber: number;
  readonly #isJson: boolean;
  readonly #disabled: readonly string[];
  readonly #attacks: Row[] = [];
  readonly #limits: LimitRow[] = [];
  readonly #notShown: { readonly ids: readonly string[]; readonly why: string }[] = [];

  constructor(seedNumber: number, isJson: boolean, disabled: readonly string[]) {
    this.#seedNumber = seedNumber;
    this.#isJson = isJson;
    this.#disabled = disabled;
  }

  readonly onRound = (round: number, rounds: number, batch: number): void => {
    if (round === 1) {
      this.#print(`receiptd drill: attacks on real ledgers, each on a copy that passed before (seed number ${this.#seedNumber})`);
  if (this.#disabled.length > 0) this.#print(`Nobody has these: ${this.#disabled.join(", ")}. This has to fail.`);
    }
    this.#print(`\n${rounds === 1 ? "" : `Round ${round} of ${rounds}: batches of ${batch} receipts\n`}ATTACK → CAUGHT BY → IN WHICH ARTEFACT: WHAT IS SAID`);
  };

  readonly onAttack = (row: Row): void => {
    this.#attacks.push(row);
    const { id, attack, caught_by: by, artefact, code, where, says, not_noticed_without: without, is_caught: isCaught } = row;
    this.#print(`${isCaught ? "✓" : "✗"} ${id.padEnd(WIDTH)} ${attack}`);
    this.#below(isCaught ? `→ ${by} → ${code} at ${where}, in ${artefact}: ${says}` : `→ ${says}`);
    if (without.length > 0) this.#below(`  without ${without.join("; without ")}: not noticed`);
  };

  readonly onLimit = (row: LimitRow): void => {
    if (this.#limits.length === 0) this.#print("\nWHAT CANNOT BE CAUGHT, EACH TRIED");
    this.#limits.push(row);
    const { id, attack, why, is_unnoticed: isUnnoticed, problem } = row;
    this.#print(`${isUnnoticed ? "!" : "✗"} ${id.padEnd(WIDTH)} ${attack}`);
    this.#below(isUnnoticed ? `→ NOT caught: the audit passes. ${why[0]!.toUpperCase()}${why.slice(1)}` : `→ ${problem}`);
  };

  readonly onNotShown = (ids: readonly string[], why: string): void => {
    this.#notShown.push({ ids, why });
    this.#print(`\nNOT SHOWN, ${ids.length} of them (${why}): ${ids.join(", ")}`);
  };

  /** The last line. Returns the exit code. */
  finish(figures: Figures): 0 | 1 {
    const seconds = (performance.now() - this.#started) / 1000;
    const isAsItShould = figures.caught === figures.tried && figures.unnoticed === figures.limits;
    if (this.#isJson) {
      process.stdout.write(`${JSON.stringify({
        is_as_it_should: isAsItShould, seed_number: this.#seedNumber, seconds: Math.round(seconds * 10) / 10, figures, attacks: this.#attacks, limits: this.#limits, not_shown: this.#notShown,
      }, null, 2)}\n`);
    } else {
      const { tried, caught, limits, unnoticed, not_shown: missing, audits, audit_processes: processes } = figures;
      this.#print(`\n${isAsItShould ? "✓" : "✗"} ${count(tried, "attack")} tried, ${caught} caught where they should be; ${limits} that cannot be caught, ${unnoticed} of them not noticed; ${missing} not shown. `
        + `${audits} audits, ${processes} of them processes, in ${seconds.toFixed(1)} s.`);
    }
    return isAsItShould ? 0 : 1;
  }

  #below(text: string): void {
    this.#print(`  ${"".padEnd(WIDTH)} ${text}`);
  }

  #print(line: string): void {
    if (!this.#isJson) process.stdout.write(`${line}\n`);
  }
}
