/** Seeds of forward-secure keys on the command line: made and sealed by `init`, given by an auditor to `audit` and `verify`. */
import { readFileSync } from "node:fs";
import { ArchiveError, decryptWith, encryptTo } from "../anchor/archive-object.ts";
import type { LedgerName } from "../format/names.ts";
import { KeyError } from "../keys/errors.ts";
import { formatSeed, MAX_SEED_BYTES, parseSeed, type Seed } from "../keys/seed.ts";
import { readSecretFile } from "../keys/secret-file.ts";
import { CliError } from "./errors.ts";

/** Of C2SP age's armor. */
const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----";
const AGE = "age-encryption.org/";

/** The seed's file, encrypted to these recipients, armored. Throws `bad_recipient`. */
export async function sealSeed(seed: Seed, recipients: readonly string[]): Promise<Uint8Array> {
  const { armor } = await import("age-encryption");
  const plain = formatSeed(seed);
  try {
    return new TextEncoder().encode(armor.encode(await encryptTo(recipients, plain)));
  } finally {
    plain.fill(0);
  }
}

/**
 * The seeds in these files, as they are or encrypted to one of the identities. One that is not encrypted is refused where others can
 * read it (`key_file_mode`). `bad_seed`; `wrong_ledger` unless all are of this ledger.
 */
export async function seedsIn(files: readonly string[], identities: readonly string[]): Promise<readonly Seed[]> {
  return await Promise.all(files.map(async (file) => parseSeed(await seedBytes(file, identities), file)));
}

export function requireSeedsOf(seeds: readonly Seed[], { origin, ledgerId }: LedgerName): void {
  const other = seeds.find((seed) => seed.ledgerId !== ledgerId || seed.origin !== origin);
  if (other !== undefined) throw new CliError("wrong_ledger", `the seed of ${other.keyId} is that of the ledger ${other.origin} (${other.ledgerId}), not of ${origin} (${ledgerId})`);
}

async function seedBytes(file: string, identities: readonly string[]): Promise<Uint8Array> {
  const bytes = readFileSync(file);
  if (bytes.length > 4 * MAX_SEED_BYTES) throw new CliError("bad_usage", `${file} is too long to be a seed`);
  const start = bytes.toString("latin1").trimStart();
  const isArmored = start.startsWith(ARMOR);
  if (!isArmored && !start.startsWith(AGE)) return readSecretFile(file);
  if (identities.length === 0) throw new CliError("bad_usage", `the seed ${file} is encrypted`, "give the auditor's age identity with --identity");
  try {
    const { armor } = await import("age-encryption");
    return await decryptWith(isArmored ? armor.decode(start) : bytes, identities);
  } catch (error) {
    if (error instanceof ArchiveError && error.code === "archive_encrypted") throw new CliError("bad_usage", `the seed ${file} is encrypted to others than the identity given`, undefined, { cause: error });
    throw new KeyError("bad_seed", `the seed ${file} cannot be decrypted`, { cause: error });
  }
}
