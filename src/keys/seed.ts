/**
 * The seed of a forward-secure key, as the auditor keeps it (docs/FORMAT.md section 6): all keys of all its epochs follow from it, so it
 * leaves the host when the key is made. And from where keys can be stepped, with it or with what the host has.
 */
import { z } from "zod";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../format/bytes.ts";
import { KEY_ID, LEDGER_ID } from "../format/names.ts";
import { parseStrict } from "../format/strict-json.ts";
import { type RatchetStart, ratchetStart } from "../verify/keys.ts";
import type { RatchetState } from "./epoch-keys.ts";
import { KeyError } from "./errors.ts";
import type { KeyMode, Keyring } from "./keyring.ts";
import { nodeHash } from "./node-hash.ts";

export interface Seed {
  readonly origin: string;
  readonly ledgerId: string;
  readonly keyId: string;
  readonly firstEpoch: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

const seedSchema = z.strictObject({
  format: z.literal("receiptd-seed/1"),
  origin: z.string().min(1).max(256),
  ledger_id: z.string().regex(LEDGER_ID),
  key_id: z.string().regex(KEY_ID),
  first_epoch: z.int().nonnegative(),
  seed: z.string().length(44),
});

/** The file's text, UTF-8, one line. */
export function formatSeed({ origin, ledgerId, keyId, firstEpoch, seed }: Seed): Uint8Array {
  return utf8(`${JSON.stringify({ format: "receiptd-seed/1", origin, ledger_id: ledgerId, key_id: keyId, first_epoch: firstEpoch, seed: toBase64(seed) })}\n`);
}

/** `bad_seed` for anything else; the message quotes nothing of it. */
export function parseSeed(bytes: Uint8Array, name: string): Seed {
  let parsed: z.infer<typeof seedSchema>;
  try {
    parsed = seedSchema.parse(parseStrict(fromUtf8(bytes)));
  } catch {
    throw new KeyError("bad_seed", `${name} is not a seed (receiptd-seed/1)`);
  }
  const seed = fromBase64(parsed.seed);
  if (seed?.length !== 32) throw new KeyError("bad_seed", `${name} holds no seed of 32 bytes`);
  return { origin: parsed.origin, ledgerId: parsed.ledger_id, keyId: parsed.key_id, firstEpoch: parsed.first_epoch, seed };
}

/**
 * From where the keys of a ledger can be stepped: from a seed where the keyring or the auditor has it, else from the open epoch's key.
 * `keyring` null: of an auditor, with copies.
 */
export function startsOf(keyring: Keyring | null, open: RatchetState | null, seeds: readonly Seed[] = []): RatchetStart[] {
  const given = seeds.map((one) => ratchetStart(one.ledgerId, one, nodeHash));
  const own = (keyring?.hmacKeys ?? []).flatMap(({ keyId, firstEpoch, seed }): RatchetStart[] => {
    if (given.some((one) => one.keyId === keyId)) return [];
    if (seed !== null) return [ratchetStart(keyring!.ledgerId, { keyId, firstEpoch, seed }, nodeHash)];
    return open?.keyId === keyId ? [{ keyId, epoch: open.epoch, key: open.key }] : [];
  });
  return [...given, ...own];
}

/**
 * Why a keyring cannot be believed that says something else of a key than the ledger, in words: a key's mode never changes. `announced`: what
 * the ledger says of the keys that begin in an epoch, in order; none where it says nothing.
 */
export function keyringProblem({ hmacKeys }: Keyring, announced: (epoch: number) => readonly { readonly key_id: string; readonly mode: KeyMode; readonly by: string }[]): string | null {
  for (const { keyId, mode, firstEpoch } of hmacKeys) {
    const all = announced(firstEpoch);
    const isHere = ({ key_id: id }: { readonly key_id: string }): boolean => hmacKeys.some((key) => key.keyId === id && key.firstEpoch === firstEpoch);
    const said = all.find(({ key_id: id }) => id === keyId) ?? all.find((one) => !isHere(one));
    if (said === undefined) continue; // a key that is not in use yet
    if (said.key_id !== keyId) return `the keyring says that epoch ${firstEpoch} begins with ${keyId}, the ledger's ${said.by} that it is ${said.key_id}: one of them was changed`;
    if (said.mode !== mode) return `the keyring says that ${keyId} is ${mode}, the ledger's ${said.by} that it is ${said.mode}: one of them was changed`;
  }
  return null;
}

/** The keys whose closed epochs nobody on the host can re-check, by design. */
export function sealedKeys(keyring: Keyring, seeds: readonly Seed[] = []): readonly string[] {
  return keyring.hmacKeys.filter(({ keyId, seed }) => seed === null && !seeds.some((one) => one.keyId === keyId)).map(({ keyId }) => keyId);
}
