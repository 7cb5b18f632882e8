/** A key to go on with: retained, or forward-secure with its seed handed over before anything rests on it. */
import { fromUtf8 } from "../format/bytes.ts";
import type { HmacKey, Keyring } from "../keys/keyring.ts";
import { firstKeyOf, newSeed, type NextKey, nextKeyName } from "../keys/next-key.ts";
import { formatSeed } from "../keys/seed.ts";
import { CliError } from "./errors.ts";
import { hand, sealSeed } from "./seeds.ts";

export interface SuccessorOptions {
  readonly auditor?: readonly string[];
  readonly printSeed?: boolean;
  readonly retained?: boolean;
}

interface Wish {
  readonly keyring: Keyring;
  readonly current: HmacKey;
  readonly options: SuccessorOptions;
  readonly reason: NextKey["reason"];
  /** Of a forward-secure key. */
  readonly firstEpoch: number;
}

/** `sealed`: the seed's file, encrypted to the auditor, where that was asked for. `bad_usage` where it is not said what becomes of a seed. */
export async function makeSuccessor({ keyring, current, options, reason, firstEpoch }: Wish): Promise<{ readonly next: NextKey; readonly sealed: Uint8Array | null }> {
  const { auditor, printSeed, retained } = options;
  if ([auditor, printSeed, retained].filter((option) => option !== undefined).length > 1) throw new CliError("bad_usage", "--auditor, --print-seed and --retained exclude each other");
  const isForward = auditor !== undefined || printSeed === true;
  if (!isForward && retained !== true && current.mode === "forward-secure") {
    throw new CliError("bad_usage", `${current.keyId} is forward-secure, and so is the key after it: its seed has to go to the auditor`, "give --auditor age1… or --print-seed; or --retained, if the host is to keep it");
  }
  const keyId = nextKeyName(keyring);
  const createdAt = new Date().toISOString();
  const seed = newSeed();
  if (!isForward) return { next: { keyId, mode: "retained", firstEpoch: null, createdAt, reason, secret: seed }, sealed: null };
  const facts = { origin: keyring.origin, ledgerId: keyring.ledgerId, keyId, firstEpoch, seed };
  const sealed = auditor === undefined ? null : await sealSeed(facts, auditor);
  if (sealed === null) hand(fromUtf8(formatSeed(facts)).trimEnd(), "no key was made");
  const secret = firstKeyOf(keyring.ledgerId, keyId, seed);
  seed.fill(0);
  return { next: { keyId, mode: "forward-secure", firstEpoch, createdAt, reason, secret }, sealed };
}
