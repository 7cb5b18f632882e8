/**
 * A small loan scorer: applicants that follow from a seed, a logistic rule, three gates. README.md has the rule in words.
 * Nothing here knows of receiptd but the shape of a receipt (docs/FORMAT.md section 4.1).
 */
import { createHash, createHmac, type KeyObject } from "node:crypto";

export interface Applicant {
  /** These two are personal data: neither goes into a receipt. */
  readonly national_id: string;
  readonly full_name: string;
  readonly credit_score: number;
  readonly annual_income: number;
  readonly income_verified: boolean;
  readonly debt_to_income: number;
  readonly employment_years: number;
  readonly recent_delinquencies: number;
  readonly amount: number;
  readonly term_months: number;
}

/** Without what says who it is. */
type Features = Omit<Applicant, "national_id" | "full_name">;

export interface Decision {
  readonly action: "APPROVE" | "REFER" | "DENY";
  readonly score: number;
}

interface Gate {
  readonly name: string;
  readonly status: "PASS" | "FAIL";
}

export const SYSTEM = { system_id: "loan_scorer_v1", model_version: "v1.4.0", policy_version: "2026-06" } as const;

const FIRST = ["Ada", "Bo", "Chidi", "Dana", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jun", "Kofi", "Lena", "Mira", "Noor", "Otto", "Pia"];
const LAST = ["Abara", "Brandt", "Costa", "Demir", "Eze", "Fischer", "Garcia", "Haddad", "Ito", "Jensen", "Kowalski", "Lindqvist", "Moreau", "Novak"];
const TERMS = [12, 24, 36, 48, 60];

/** Applicant number `n` of a seed: always the same one. The ids are of an area (000) that was never issued. */
export function applicantOf(seed: string, n: number): Applicant {
  const bytes = createHash("sha512").update(`${seed} ${n}`).digest();
  const draw = (i: number): number => bytes.readUInt32BE(4 * i) / 2 ** 32;
  const normal = (i: number): number => Math.sqrt(-2 * Math.log(1 - draw(i))) * Math.cos(2 * Math.PI * draw(i + 1));
  const income = Math.round(38_000 * Math.exp(0.45 * normal(2)));
  return {
    national_id: `000-${String(10 + Math.floor(90 * draw(4)))}-${String(n % 10_000).padStart(4, "0")}`,
    full_name: `${FIRST[Math.floor(draw(5) * FIRST.length)]!} ${LAST[Math.floor(draw(6) * LAST.length)]!}`,
    credit_score: Math.round(Math.min(850, Math.max(300, 690 + 75 * normal(0)))),
    annual_income: income,
    income_verified: draw(7) < 0.8,
    debt_to_income: round(0.08 + 0.45 * draw(8) ** 1.5, 2),
    employment_years: Math.floor(20 * draw(9) ** 2),
    recent_delinquencies: Math.max(0, Math.floor(6 * draw(10)) - 3),
    amount: Math.round(Math.min(60_000, income * (0.05 + 0.5 * draw(11))) / 100) * 100,
    term_months: TERMS[Math.floor(draw(12) * TERMS.length)]!,
  };
}

/** Estimated probability that the loan is repaid, four decimals. */
export function scoreOf(a: Features): number {
  const logOdds = 1.6
    + 0.012 * (a.credit_score - 680)
    - 3 * (a.debt_to_income - 0.3)
    - 1.2 * (a.amount / a.annual_income - 0.25)
    + 0.08 * Math.min(a.employment_years, 10)
    - 0.7 * a.recent_delinquencies
    + (a.income_verified ? 0.4 : 0);
  return round(1 / (1 + Math.exp(-logOdds)), 4);
}

/** Nobody without the key can tell whose it is, or try all ids: a plain hash of so short an id could be searched. */
export function pseudonymOf(nationalId: string, key: KeyObject): string {
  return createHmac("sha256", key).update(nationalId).digest("hex");
}

function gatesOf(a: Features, score: number, isBlacklisted: boolean): readonly Gate[] {
  const inBounds = a.credit_score >= 560 && a.debt_to_income <= 0.45 && a.amount >= 1000 && a.amount <= 50_000;
  const expectedLoss = (1 - score) * a.amount * 0.6;
  const gate = (name: string, passes: boolean): Gate => ({ name, status: passes ? "PASS" : "FAIL" });
  return [gate("policy_bounds", inBounds), gate("risk_limit", expectedLoss <= 2500), gate("blacklist_check", !isBlacklisted)];
}

/** Decides, and makes the receipt that tells why; `blacklist` holds pseudonyms. */
export function decide(a: Applicant, key: KeyObject, blacklist: ReadonlySet<string>) {
  const { national_id, full_name: _, ...features } = a;
  const applicantId = pseudonymOf(national_id, key);
  return decideOn({ applicant_id: applicantId, on_blacklist: blacklist.has(applicantId), ...features });
}

/** What a receipt has as `inputs`: all that the decision follows from, so that an auditor can have it made again (replay.ts). */
export type Inputs = Features & { readonly applicant_id: string; readonly on_blacklist: boolean };

export function decideOn(inputs: Inputs) {
  const score = scoreOf(inputs);
  const gates = gatesOf(inputs, score, inputs.on_blacklist);
  const failed = gates.filter(({ status }) => status === "FAIL").map(({ name }) => name);
  const action = failed.length > 0 || score < 0.65 ? "DENY" : score < 0.8 ? "REFER" : "APPROVE";
  const decision: Decision = { action, score };
  const reasons = failed.length > 0 ? failed : action === "APPROVE" ? [] : ["score_below_cutoff"];
  return { ...SYSTEM, decision, inputs, gates, reasons };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
