/** One attack: made on a copy that passed before, caught where it should be, and not caught without what catches it. */
import type { Choices } from "./choices.ts";
import { type Answer, type Auditor, type Defence, type Found, PLAIN, type Question, without } from "./auditor.ts";
import type { BucketGround } from "./buckets.ts";
import { copyOf, type Host, remove } from "../demo/hosts.ts";
import type { Day, Pinned, Sealed } from "./days.ts";

/** What the attacks are made on. */
export interface Ground {
  readonly day: Day;
  readonly sealed: Sealed;
  /** null: there is no S3 server, or none was wanted. */
  readonly buckets: BucketGround | null;
  readonly pick: Choices;
  readonly auditor: Auditor;
  /** Taken from everybody, so that the drill has to fail. */
  readonly disabled: readonly Defence[];
}

/** What was seen of an attack. */
export interface Shown {
  /** The finding's code, or that of a refusal. */
  readonly code: string;
  readonly where: string;
  readonly says: string;
  /** Each was tried without, and nothing was noticed: nothing is found, or there is nothing to look at. */
  readonly notWithout: readonly string[];
}

export interface Trial {
  readonly id: string;
  /** It cannot be shown without; `provider`: on a server that was started here. */
  readonly needs?: "bucket" | "provider";
  readonly attack: string;
  /** The command, or what else. */
  readonly caughtBy: string;
  /** What gives it away. */
  readonly artefact: string;
  readonly run: (ground: Ground) => Promise<Shown>;
}

/** What nothing catches, by nature. */
export interface Limit {
  readonly id: string;
  readonly needs?: "bucket" | "provider";
  readonly attack: string;
  /** One sentence: why, and what helps. */
  readonly why: string;
  /** Throws where it is noticed after all. */
  readonly run: (ground: Ground) => Promise<void>;
}

/** Something is not as the drill says. */
export class NotShown extends Error {
  override readonly name = "NotShown";
}

export const AUDIT = "receiptd audit";

interface Plan {
  readonly host: (ground: Ground) => Pinned | Promise<Pinned>;
  readonly question?: (ground: Ground, host: Host) => Partial<Question> | Promise<Partial<Question>>;
  /** Of the untouched copy, where it is another. */
  readonly control?: (question: Question) => Question;
  /** On the copy; what it returns the auditor is told, who does not know better. */
  readonly tamper: (copy: Host, ground: Ground) => Promise<Partial<Question> | void> | Partial<Question> | void;
  readonly code: string;
  readonly severity?: Found["severity"];
  readonly isIt?: (found: Found) => boolean;
  /** Each of these alone is enough to miss it; together where they are in one list. */
  readonly notWithout?: readonly (readonly Defence[])[];
  /** Ask with a process, also where others need not. */
  readonly isProcess?: true;
  /** Besides, on the copy that was tampered with: what is seen; or the same attack made where a defence is not, so that nobody notices. */
  readonly also?: (copy: Host, ground: Ground) => Promise<{ readonly says: string } | { readonly notWithout: string }>;
}

/** The run of a trial that an audit decides. */
export function byAudit(plan: Plan): Trial["run"] {
  return async (ground) => onCopyOf(await plan.host(ground), async (copy, pins) => {
    const { auditor, disabled } = ground;
    const asked = { ...PLAIN, pins, ...await plan.question?.(ground, copy) };
    const ask = (question: Question, isProcess?: boolean): Promise<Answer> => auditor.ask(copy, disabled.reduce(without, question), isProcess);
    requirePass(await ask(plan.control?.(asked) ?? asked), "the untouched copy");
    const question = { ...asked, ...await plan.tamper(copy, ground) };
    const found = requireCaught(await ask(question, plan.isProcess), plan);
    const notWithout: string[] = [];
    for (const defences of plan.notWithout ?? []) {
      const weak = defences.reduce(without, question);
      const name = defences.join(" and ");
      const { exitCode, sentence, findings } = await auditor.ask(copy, weak);
      if (exitCode === 1 || findings.some(({ severity }) => severity !== "note")) throw new NotShown(`without ${name} it is noticed all the same: ${sentence}`);
      notWithout.push(exitCode === 0 ? name : `${name} (the audit says that it could not check)`);
    }
    const more = await plan.also?.(copy, ground);
    if (more !== undefined && "notWithout" in more) notWithout.push(more.notWithout);
    return { code: found.code, where: found.where, says: more !== undefined && "says" in more ? `${found.message}; ${more.says}` : found.message, notWithout };
  });
}

/** The run of a limit: whatever is done to the copy, the audit passes. */
export function unnoticed(plan: Pick<Plan, "host" | "question" | "tamper">): Limit["run"] {
  return async (ground) => onCopyOf(await plan.host(ground), async (copy, pins) => {
    const asked = { ...PLAIN, pins, ...await plan.question?.(ground, copy) };
    requirePass(await ground.auditor.ask(copy, asked), "the untouched copy");
    const told = await plan.tamper(copy, ground);
    requirePass(await ground.auditor.ask(copy, { ...asked, ...told }), "what nobody can notice");
  });
}

export function requirePass({ exitCode, sentence, findings }: Answer, what: string): void {
  if (exitCode !== 0) throw new NotShown(`${what} should have passed: ${sentence} ${findings.map(({ code }) => code).join(" ")}`);
}

function requireCaught({ exitCode, sentence, findings }: Answer, { code, severity, isIt = () => true }: Plan): Found {
  const found = findings.find((one) => one.code === code && (severity === undefined ? one.severity !== "note" : one.severity === severity) && isIt(one));
  if (found === undefined || (exitCode !== 1 && severity !== "note")) {
    throw new NotShown(`NOT caught as ${code}: ${sentence} (exit code ${exitCode}; ${findings.map((one) => `${one.severity} ${one.code} at ${one.where}`).join(", ") || "no findings"})`);
  }
  return found;
}

async function onCopyOf<T>(host: Pinned, work: (copy: Host, pins: readonly string[]) => Promise<T>): Promise<T> {
  return await onCopy(host, (copy) => work(copy, host.pins));
}

let copies = 0;

/** Runs `work` on a copy that is removed afterwards. */
export async function onCopy<T>(host: Host, work: (copy: Host) => Promise<T>): Promise<T> {
  const copy = copyOf(host, `copy-${++copies}`);
  try {
    return await work(copy);
  } finally {
    remove(copy);
  }
}
