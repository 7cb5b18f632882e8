/** What the demo says: a line for each step, with a mark that tells whether the step did what it should. */

/** A step failed, and that was told. */
class StepFailed extends Error {
  override readonly name = "StepFailed";
}

/** What a step that went as it should has to tell: a sentence, and what came of it. */
export interface Told {
  readonly did: string;
  readonly outcome: string;
  /** The audit does not notice, which is what the step shows. */
  readonly isUnnoticed?: boolean;
}

export class Report {
  readonly #started = performance.now();
  #steps = 0;
  #unnoticed = 0;
  #failures = 0;

  chapter(title: string): void {
    this.#print(`\n${title}`);
  }

  /** Runs a step. One that fails is told and counted; it throws, for what depends on it. */
  async step(what: string, work: () => Promise<Told | string>): Promise<void> {
    const started = performance.now();
    this.#steps++;
    try {
      const told = await work();
      const { did, outcome, isUnnoticed = false } = typeof told === "string" ? { did: told, outcome: null } : told;
      if (isUnnoticed) this.#unnoticed++;
      this.#line(isUnnoticed ? "!" : "✓", started, did);
      if (outcome !== null) this.say(`→ ${outcome}`);
    } catch (error) {
      this.#failures++;
      this.#line("✗", started, `${what}: ${messageOf(error)}`);
      throw new StepFailed(what, { cause: error });
    }
  }

  /** A step that nothing depends on: after a failure the next one is made. */
  async attempt(what: string, work: () => Promise<Told | string>): Promise<void> {
    await this.step(what, work).catch((error: unknown) => this.stopped(error));
  }

  /** Something threw: a step, which was told, or what is between the steps. */
  stopped(error: unknown): void {
    if (error instanceof StepFailed) return;
    this.#failures++;
    this.#print(`  ✗ ${messageOf(error)}`);
  }

  /** A line below a step. */
  say(text: string): void {
    this.#print(`            ${text}`);
  }

  /** The last line. Returns the exit code. */
  finish(): 0 | 1 {
    const took = `in ${seconds(this.#started).trim()}`;
    this.#print(this.#failures === 0
      ? `\n✓ All ${this.#steps} steps did what they should, ${took}; ${this.#unnoticed} of them (!) show what an audit cannot notice.`
      : `\n✗ Not everything did what it should: ${this.#failures} failed, ${took}.`);
    return this.#failures === 0 ? 0 : 1;
  }

  #line(mark: string, started: number, text: string): void {
    this.#print(`  ${mark} ${seconds(started)}  ${text}`);
  }

  #print(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1).padStart(4)} s`;
}
