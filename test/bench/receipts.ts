/** Receipts as a credit decision makes them, about 1,000 bytes when stored; the same ones in every run. */

/** Park and Miller's generator: numbers that look like anything, and are the same each time. */
function* numbers(seed: number): Generator<number, never, undefined> {
  for (let x = seed; ;) {
    x = (x * 48_271) % 0x7fff_ffff;
    yield x;
  }
}

const PURPOSES = ["car", "furniture", "radio_tv", "education", "business", "repairs"];

/** JSON of `count` receipts, each valid for `append`. `padding` more characters each. */
export function receiptTexts(count: number, padding = 0, seed = 7): readonly string[] {
  const next = numbers(seed);
  const below = (n: number): number => next.next().value % n;
  return Array.from({ length: count }, () => {
    const score = 300 + below(550);
    return JSON.stringify({
      organization: `team-${below(4)}`,
      system_id: "loan_scorer_v1",
      model_version: "2026-11-01.3",
      timestamp: "2026-11-22T10:14:33.120Z",
      decision: { action: score > 500 ? "APPROVE" : "DENY", score, threshold: 500 },
      inputs: {
        age: 18 + below(60), amount: 250 + below(18_000), credit_history: "existing_paid", duration_months: 4 + below(68), employment_years: below(40), existing_credits: 1 + below(4),
        housing: "own", installment_rate: 1 + below(4), purpose: PURPOSES[below(PURPOSES.length)], savings: "100_to_500", applicant: `sha256:${next.next().value.toString(16).padStart(64, "0")}`,
        ...(padding === 0 ? {} : { statement: "x".repeat(padding) }),
      },
      gates: [{ name: "fraud", status: "PASS" }, { name: "affordability", status: score > 500 ? "PASS" : "FAIL" }],
    });
  });
}
