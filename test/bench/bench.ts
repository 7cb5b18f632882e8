/** What every section of the bench is given, and the loads that several of them put on a server. */
import { join } from "node:path";
import type { LoadMeasured, LoadSettings } from "./load.ts";
import { measured } from "./processes.ts";
import type { RawMeasured, RawTask } from "./raw.ts";
import type { Row } from "./report.ts";
import type { Server } from "./servers.ts";

export interface Bench {
  /** The section's, on a real disk, removed behind it; each server has a folder of its own in it. */
  readonly folder: string;
  /** The folder above, for what several sections use. */
  readonly shared: string;
  readonly quick: boolean;
  readonly runs: number;
  /** Of the big ledger. */
  readonly receipts: number;
  readonly progress: (text: string) => void;
}

export type Section = (bench: Bench) => Promise<readonly Row[]>;

let folders = 0;

/** A path that nothing is at. */
export function newFolder({ folder }: Bench, name: string): string {
  return join(folder, `${name}-${folders++}`);
}

const USUAL = { kind: "append", ack: "disk", padding: 0, clients: 8, inFlight: 64, yields: false, samples: false } as const;

type LoadOptions = Partial<Pick<LoadSettings, "kind" | "ack" | "padding" | "clients" | "inFlight" | "yields" | "samples" | "seconds" | "warmUp">>;

/** As much as there is room for: 8 clients with 64 calls in flight each, if `options` do not say otherwise. */
export function saturate({ quick }: Bench, { socket }: Server, options: LoadOptions = {}): Promise<LoadMeasured> {
  return measured("load.ts", { ...USUAL, socket, rate: null, seconds: quick ? 1 : 5, warmUp: quick ? 0.3 : 2, ...options } satisfies LoadSettings);
}

/** `rate` calls a second over 8 clients, by a load that yields to all others. */
export function atRate({ quick }: Bench, { socket }: Server, rate: number, options: LoadOptions = {}): Promise<LoadMeasured> {
  return measured("load.ts", { ...USUAL, socket, rate, yields: true, seconds: quick ? 1 : 5, warmUp: quick ? 0.3 : 2, ...options } satisfies LoadSettings);
}

export function raw(task: RawTask): Promise<RawMeasured> {
  return measured("raw.ts", task);
}

/** ms, the median of 4 KiB written and synced. */
export async function syncTime({ quick }: Bench, folder: string): Promise<number> {
  const { p50 } = await raw({ kind: "fdatasync", folder, count: quick ? 500 : 4000 });
  return p50;
}

/** `measure` once for each run, after a word of progress. */
export async function eachRun<Result>({ runs, progress }: Bench, name: string, measure: () => Promise<Result>): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let i = 1; i <= runs; i++) {
    progress(`${name}: run ${i} of ${runs}`);
    results.push(await measure());
  }
  return results;
}
