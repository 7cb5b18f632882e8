/**
 * The policy file: which members, inputs and gates a decision's receipt has to have, by system, whether a decision of which a gate failed
 * may be executed, and how many people have to approve of a chain. Read once, when the daemon starts.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { ConfigError, refuse } from "./errors.ts";
import { contentOf, dotted, type IssueAt, issuesOf } from "./read-file.ts";
import { exactly, oneOf, text, wanted } from "./values.ts";
import { readYaml } from "./yaml.ts";

/** Names of one kind for one system. */
const MOST = 256;
/** People who have to approve of a chain, at most. */
const MOST_APPROVERS = 100;
/** At the end of a name: any system_id that begins so. By itself: any system. */
export const ANY = "*";
const approvers = wanted(`a whole number from 0 to ${MOST_APPROVERS}`, "2");
const systemName = text("a system_id, or its beginning with * behind it", "loan_scorer_v1", /^(?=.)[^\0*]{0,256}\*?$/s);

const names = (what: string, example: string) => z.array(text(what, example, /^[^\0]{1,256}$/), wanted(`a list of ${what}`, `[${example}]`)).max(MOST).default([]);

const system = exactly({
  fields: names("members of the receipt", "model_version"),
  inputs: names("inputs, with / between the names of nested ones", "applicant/age"),
  gates: names("names of gates", "risk_limit"),
  failed_gate: oneOf(["block", "record"], "block").default("block"),
  chain_approvers: z.int(approvers).min(0, approvers).max(MOST_APPROVERS, approvers).default(0),
});

const SCHEMA = exactly({
  version: text("a version in quotes", "2.0", /^[^\0]{1,256}$/),
  refusals: names("actions by which nothing is done", "HOLD"),
  systems: z.record(systemName, system, wanted("a map of systems", "loan_scorer_v1: {gates: [risk_limit]}")),
});

export type SystemPolicy = Readonly<z.output<typeof system>>;

export interface Policy {
  readonly version: string;
  /** `sha256:` and hex, of the file. */
  readonly hash: string;
  /** Beside the usual words. */
  readonly refusals: readonly string[];
  /** By system_id; by the beginning of one with ANY behind it. */
  readonly systems: ReadonlyMap<string, SystemPolicy>;
}

/** Throws ConfigError, with the lines. */
export function readPolicy(file: string): Policy {
  const content = contentOf(file);
  const yaml = readYaml(content);
  const issueAt: IssueAt = (code, at, message, place = yaml.placeOf(at)) => {
    const setting = dotted(at);
    return { code, path: setting, ...place, message: [`${file}:${place.line}:${place.column}`, ...(setting ? [setting] : []), message].join(": ") };
  };
  refuse(yaml.faults.map((fault) => issueAt(fault.code, [], fault.message, fault.place)));
  const parsed = SCHEMA.safeParse(yaml.value, { reportInput: true });
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => issuesOf(issue, issueAt, yaml.placeOf)));
  const { version, refusals, systems } = parsed.data;
  return { version, hash: `sha256:${createHash("sha256").update(content).digest("hex")}`, refusals, systems: new Map(Object.entries(systems)) };
}
