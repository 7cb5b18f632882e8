/** The verdict, in one sentence with its reasons, and always what this page has not checked. */
import { useEffect } from "preact/hooks";
import { Icon } from "./parts.tsx";
import { type Live, useSeconds } from "./live.ts";
import { type Level, NOT_CHECKED, verdictOf } from "./verdict.ts";
import { at, duration } from "./words.ts";

interface Shown {
  readonly level: Level | "unknown";
  readonly label: string;
  readonly sentence: string;
  readonly more: readonly string[];
}

/** ms after which what is shown is old, though no question has failed: a machine that slept. */
const OLD = 15_000;

function shownOf(live: Live): Shown {
  const { overview, lost } = live;
  if (overview === null) {
    if (lost === null) return { level: "unknown", label: "Asking", sentence: "Asking the server how the ledger is.", more: [] };
    return { level: "bad", label: "No answer", sentence: `Nothing is known of the ledger: ${lost.message}.`, more: [] };
  }
  const verdict = verdictOf(overview, live.now());
  if (lost === null && live.age() < OLD) return verdict;
  const why = lost === null || lost.code === "no_answer" ? "The server does not answer" : `The server cannot say how the ledger is: ${lost.message}`;
  return { level: "unknown", label: "Not known now", sentence: `${why}. What is shown is ${duration(live.age())} old, of ${at(overview.now)} UTC.`, more: [`Then: ${verdict.sentence}`, ...verdict.more] };
}

export function Summary({ live }: { readonly live: Live }) {
  useSeconds();
  const { overview } = live;
  const { level, label, sentence, more } = shownOf(live);
  useEffect(() => {
    document.title = overview === null ? "receiptd" : `${label}: ${overview.ledger}`;
  }, [label, overview?.ledger]);
  return (
    <section class={`summary ${level}`} id="summary" aria-labelledby="summary-title">
      <h2 id="summary-title" class="unseen">Verdict</h2>
      <Icon level={level} />
      <div class="said">
        <p class="label">{label}</p>
        <p class="sentence">{sentence}</p>
        {more.length === 0 ? null : <ul class="more">{more.map((text) => <li key={text.slice(0, 24)}>{text}</li>)}</ul>}
        <p class="fresh">{freshness(live)}</p>
      </div>
      <p class="unseen" role="status">{`${label}. ${level === "good" ? "" : withoutAges(sentence)}`}</p>
      <p class="not-checked"><strong>Not checked here.</strong> {NOT_CHECKED}</p>
    </section>
  );
}

/** Said aloud when it changes, not every second. */
function withoutAges(sentence: string): string {
  return sentence.replaceAll(/\d[\d,]* (?:second|minute|hour|day)s?/g, "some time");
}

function freshness(live: Live): string {
  const { overview, lost } = live;
  if (overview === null) return "";
  if (lost !== null) return "Trying again every 5 seconds.";
  return live.age() < 6000 ? `Live, as of ${at(overview.now)} UTC.` : `As of ${at(overview.now)} UTC, ${duration(live.age())} ago.`;
}
