/** What is drawn for --replay, and from which time. */
import { randomBytes } from "node:crypto";
import { duration } from "../config/values.ts";
import { fromHex } from "../format/bytes.ts";
import { formatTime } from "../format/time.ts";
import { wholeNumber } from "./cli.ts";
import { CliError } from "./errors.ts";
import type { ReplayAsk } from "./replay.ts";

export interface ReplayOptions {
  readonly replay?: string;
  readonly sample?: string;
  readonly sampleSeed?: string;
  readonly replayTimeout?: string;
}

const SAMPLE = "200";
/** All of them are held, some hundred bytes each. */
const MAX_SAMPLE = 100_000;
const SEED_BYTES = 32;
const TIMEOUT = "10m";
const TIME = duration("10ms", TIMEOUT);

/** null: nobody asked. */
export function replayAsk({ replay: command, sample, sampleSeed, replayTimeout }: ReplayOptions): (ReplayAsk & { readonly size: number }) | null {
  if (command === undefined) {
    if ((sampleSeed ?? replayTimeout) !== undefined) throw new CliError("bad_usage", "--sample-seed and --replay-timeout are about decisions that --replay makes again, and of no use without it");
    return null;
  }
  if (command.trim() === "") throw new CliError("bad_usage", "--replay needs the model's command", "for example: --replay 'python3 model.py --replay'");
  const size = wholeNumber("--sample", sample ?? SAMPLE, 1);
  if (size > MAX_SAMPLE) throw new CliError("bad_usage", `--sample draws at most ${MAX_SAMPLE} decisions`);
  const { data: timeout } = TIME.safeParse(replayTimeout ?? TIMEOUT);
  if (timeout === undefined) throw new CliError("bad_usage", `--replay-timeout is a duration such as 10m, not ${replayTimeout!.slice(0, 40)}`);
  return { command, size, timeout, seed: sampleSeed === undefined ? randomBytes(SEED_BYTES) : seedOf(sampleSeed), isSeedGiven: sampleSeed !== undefined };
}

/** The time of an audit's range, in the form of `recorded_at`. */
export function spanOf({ from, to }: { readonly from?: number; readonly to?: number }): { readonly from: string | null; readonly to: string | null } {
  return { from: from === undefined ? null : formatTime(from), to: to === undefined ? null : formatTime(to) };
}

function seedOf(text: string): Uint8Array {
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text, SEED_BYTES)!;
  throw new CliError("bad_usage", "--sample-seed is 64 hex digits, as an audit has printed them");
}
