/** Seeds of forward-secure keys on the command line: made and sealed by `init`, given by an auditor to `audit` and `verify`. */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { ArchiveError, decryptWith, encryptTo } from "../anchor/archive-object.ts";
import type { LedgerName } from "../format/names.ts";
import { KeyError } from "../keys/errors.ts";
import type { Keyring } from "../keys/keyring.ts";
import { formatSeed, parseSeed, type Seed } from "../keys/seed.ts";
import { CliError } from "./errors.ts";

/** Of C2SP age's armor. */
const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----";
const AGE = "age-encryption.org/";
/** Bytes: a seed with 16 recipients of the longest kind, armored, and room. */
const MAX_FILE = 65_536;

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

/** Prints a seed before anything rests on it: a key whose seed nobody has could not be told from one whose seed somebody else has. */
export function hand(seed: string, nothing: string): void {
  try {
    // Node opens it as standard output where that is closed
    if (fstatSync(1).rdev === statSync("/dev/null").rdev) throw new Error("standard output is closed, or /dev/null");
    const line = Buffer.from(`${seed}\n`);
    for (let at = 0; at < line.length;) at += writeSync(1, line, at);
  } catch (error) {
    throw new CliError("not_stored", `the seed could not be written, and ${nothing}: ${error instanceof Error ? error.message : String(error)}`, "run it again with its output in a file of mode 0600", { cause: error });
  }
}

/**
 * The seeds in these files, as they are or encrypted to one of the identities. One that is not encrypted is refused where others can
 * read it (`key_file_mode`). `bad_seed`; `wrong_ledger` unless all are of this ledger.
 */
export async function seedsIn(files: readonly string[], identities: readonly string[]): Promise<readonly Seed[]> {
  return await Promise.all(files.map(async (file) => parseSeed(await seedBytes(file, identities), file)));
}

/** `keyring`: the ledger's, if it is at hand. */
export function requireSeedsOf(seeds: readonly Seed[], { origin, ledgerId }: LedgerName, keyring: Keyring | null): void {
  for (const seed of seeds) {
    if (seed.ledgerId !== ledgerId || seed.origin !== origin) throw new CliError("wrong_ledger", `the seed of ${seed.keyId} is that of the ledger ${seed.origin} (${seed.ledgerId}), not of ${origin} (${ledgerId})`);
    if (seeds.some((other) => other !== seed && other.keyId === seed.keyId)) throw new CliError("bad_usage", `two seeds of ${seed.keyId} were given, and a key has one`);
    if (keyring !== null && !keyring.hmacKeys.some(({ keyId, firstEpoch }) => keyId === seed.keyId && firstEpoch === seed.firstEpoch)) {
      throw new CliError("bad_usage", `the keyring has no key ${seed.keyId} from epoch ${seed.firstEpoch} on, of which this is the seed`);
    }
  }
}

async function seedBytes(file: string, identities: readonly string[]): Promise<Uint8Array> {
  const { bytes, isSecret } = readFile(file);
  const start = bytes.toString("latin1").trimStart();
  const isArmored = start.startsWith(ARMOR);
  if (!isArmored && !start.startsWith(AGE)) {
    if (!isSecret) throw new KeyError("key_file_mode", `${file} is a seed that is not encrypted, and others can read it; treat the key as known to them, or run: chmod 600 ${file}`);
    return bytes;
  }
  if (identities.length === 0) throw new CliError("bad_usage", `the seed ${file} is encrypted`, "give the auditor's age identity with --identity");
  try {
    const { armor } = await import("age-encryption");
    return await decryptWith(isArmored ? armor.decode(start) : bytes, identities);
  } catch (error) {
    if (error instanceof ArchiveError && error.code === "archive_encrypted") throw new CliError("bad_usage", `the seed ${file} is encrypted to others than the identity given`, undefined, { cause: error });
    throw new KeyError("bad_seed", `the seed ${file} cannot be decrypted`, { cause: error });
  }
}

/** `isSecret`: for this user (or root) alone. */
function readFile(file: string): { readonly bytes: Buffer; readonly isSecret: boolean } {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe without a writer would hold us up
  try {
    const { mode, uid, size } = fstatSync(fd);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_FILE) throw new KeyError("bad_seed", `${file} is not a seed: no regular file of at most ${MAX_FILE} bytes`);
    return { bytes: readFileSync(fd), isSecret: (mode & 0o077) === 0 && [0, process.getuid?.()].includes(uid) };
  } finally {
    closeSync(fd);
  }
}
