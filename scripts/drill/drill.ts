/** The drill: every attack on real components, each with its control, and what nothing catches, each tried. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killAll } from "../demo/processes.ts";
import { findS3, HOW_TO_INSTALL } from "../s3/server.ts";
import { Auditor, type Defence } from "./auditor.ts";
import { BUCKET_ATTACKS, BUCKET_LIMITS } from "./bucket-attacks.ts";
import { BucketGround } from "./buckets.ts";
import { Choices } from "./choices.ts";
import { dayOf, sealedDayOf } from "./days.ts";
import { AT_DOOR, DOOR_ATTACKS } from "./door-attacks.ts";
import { KEY_ATTACKS } from "./key-attacks.ts";
import { LEDGER_ATTACKS } from "./ledger-attacks.ts";
import { LIMITS } from "./limits.ts";
import { RECORD_ATTACKS } from "./record-attacks.ts";
import { TARGET_ATTACKS } from "./target-attacks.ts";
import type { Ground, Limit, Shown, Trial } from "./trial.ts";

export const ATTACKS: readonly Trial[] = [...DOOR_ATTACKS, ...LEDGER_ATTACKS, ...KEY_ATTACKS, ...TARGET_ATTACKS, ...RECORD_ATTACKS, ...BUCKET_ATTACKS];
export const UNCATCHABLE: readonly Limit[] = [...LIMITS, ...BUCKET_LIMITS];

export interface DrillOptions {
  readonly seedNumber: number;
  readonly isLong: boolean;
  readonly hasS3: boolean;
  /** Of attacks and limits; empty: all. */
  readonly only: ReadonlySet<string>;
  readonly disabled: readonly Defence[];
}

export interface Row {
  readonly id: string;
  readonly attack: string;
  readonly caught_by: string;
  readonly artefact: string;
  readonly code: string | null;
  readonly where: string | null;
  readonly says: string;
  readonly not_noticed_without: readonly string[];
  readonly is_caught: boolean;
}

export interface LimitRow {
  readonly id: string;
  readonly attack: string;
  readonly why: string;
  readonly is_unnoticed: boolean;
  /** What went otherwise. */
  readonly problem: string | null;
}

/** Is told in order. */
export interface Listener {
  readonly onAttack: (row: Row) => void;
  readonly onLimit: (row: LimitRow) => void;
  readonly onNotShown: (ids: readonly string[], why: string) => void;
  readonly onRound: (round: number, rounds: number, receipts: number) => void;
}

export interface Figures {
  readonly tried: number;
  readonly caught: number;
  readonly limits: number;
  readonly unnoticed: number;
  readonly not_shown: number;
  readonly audits: number;
  readonly audit_processes: number;
}

/** Receipts in a batch, in each round. */
const SHORT = [6];
const LONG = [4, 6, 20, 100, 400];
/** Attacks that are under way. */
const AT_ONCE = 3;

/** Resolves with what was tried. A folder of its own is removed again. */
export async function drill(options: DrillOptions, listener: Listener): Promise<Figures> {
  const { onAttack, onLimit, onNotShown, onRound } = listener;
  const figures = { tried: 0, caught: 0, limits: 0, unnoticed: 0, not_shown: 0, audits: 0, audit_processes: 0 };
  const sizes = options.isLong ? LONG : SHORT;
  const isWanted = ({ id }: { readonly id: string }): boolean => options.only.size === 0 || options.only.has(id);
  const [attacks, limits] = [ATTACKS.filter(isWanted), UNCATCHABLE.filter(isWanted)];
  for (const [round, batch] of sizes.entries()) {
    onRound(round + 1, sizes.length, batch);
    await onGround(options, [...attacks, ...limits], batch, async (common) => {
      const { buckets, auditor } = common;
      const ground = ({ id }: Trial | Limit): Ground => ({ ...common, pick: new Choices(options.seedNumber, `${id} ${round}`) });
      const canBe = ({ needs }: Trial | Limit): boolean => needs === undefined || (needs === "bucket" ? buckets !== null : buckets?.isOurs === true);
      for await (const row of inOrder(attacks.filter(canBe), (attack) => tried(attack, ground(attack)))) {
        figures.tried++;
        if (row.is_caught) figures.caught++;
        onAttack(row);
      }
      for await (const row of inOrder(limits.filter(canBe), (limit) => triedInVain(limit, ground(limit)))) {
        figures.limits++;
        if (row.is_unnoticed) figures.unnoticed++;
        onLimit(row);
      }
      const missing = [...attacks, ...limits].filter((one) => !canBe(one)).map(({ id }) => id);
      figures.not_shown += missing.length;
      figures.audits += auditor.audits;
      figures.audit_processes += auditor.processes;
      if (missing.length > 0) onNotShown(missing, buckets !== null ? "the S3 server is somebody else's" : options.hasS3 ? `there is no S3 server: ${HOW_TO_INSTALL}` : "--no-s3");
    });
  }
  return figures;
}

/** Some at a time, since many wait for a process, a server or a disk; their results in order. `work` does not throw. */
async function* inOrder<T, R>(things: readonly T[], work: (thing: T) => Promise<R>): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (const at of things.keys()) {
    while (begun.length < Math.min(things.length, at + AT_ONCE)) begun.push(work(things[begun.length]!));
    yield await begun[at]!;
  }
}

async function tried({ id, attack, caughtBy, artefact, run }: Trial, ground: Ground): Promise<Row> {
  const about = { id, attack, caught_by: caughtBy, artefact };
  try {
    const { code, where, says, notWithout }: Shown = await run(ground);
    return { ...about, code, where, says, not_noticed_without: notWithout, is_caught: true };
  } catch (error) {
    return { ...about, code: null, where: null, says: messageOf(error), not_noticed_without: [], is_caught: false };
  }
}

async function triedInVain({ id, attack, why, run }: Limit, ground: Ground): Promise<LimitRow> {
  const problem = await run(ground).then(() => null, messageOf);
  return { id, attack, why, is_unnoticed: problem === null, problem };
}

async function onGround(options: DrillOptions, wanted: readonly (Trial | Limit)[], batch: number, work: (ground: Omit<Ground, "pick">) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "receiptd-drill-"));
  let buckets: BucketGround | null = null;
  const cleanUp = (): void => {
    killAll();
    buckets?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); // who was killed may still be ending
  };
  const interrupted = (): void => process.exit(130);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupted);
  process.once("exit", cleanUp); // also where the reader of the table has gone away
  try {
    const isServed = options.hasS3 && wanted.some(({ needs }) => needs !== undefined) && await findS3(folder) !== null;
    const [day, sealed] = await Promise.all([
      dayOf(join(folder, "day"), batch, AT_DOOR), sealedDayOf(join(folder, "sealed"), 5),
      isServed ? BucketGround.open(join(folder, "buckets"), batch).then((opened) => { buckets = opened; }) : null,
    ]);
    await work({ day, sealed, buckets, auditor: new Auditor(folder, options.isLong), disabled: options.disabled });
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupted);
    process.off("exit", cleanUp);
    cleanUp();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
