/** Where a passphrase comes from: a file, a credential of systemd, or the terminal. Never an argument, never the environment. */
import { KeyError } from "./errors.ts";
import { type CredentialEnvironment, readCredential } from "./credential.ts";
import { readSecretFile } from "./secret-file.ts";
import type { Terminal } from "./terminal.ts";

export interface PassphraseSource {
  readonly passphrase_file?: string | undefined;
  /** A credential's name. */
  readonly passphrase_credential?: string | undefined;
}

export interface Surroundings {
  readonly env: CredentialEnvironment;
  /** null: nobody is there to ask. */
  readonly terminal: Terminal | null;
}

/** Bytes. What it protects against is somebody who has the disk and tries for years: four or more words that dice have chosen. */
const SHORTEST = 16;
const LONGEST = 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Its bytes, without the end of the line; the caller overwrites them. `isNew`: it has to be long enough, and is asked for twice.
 * `passphrase_missing`, `bad_passphrase`; what reading a secret file throws.
 */
export async function readPassphrase(source: PassphraseSource, { env, terminal }: Surroundings, isNew: boolean): Promise<Uint8Array> {
  const { passphrase_file: file, passphrase_credential: credential } = source;
  if (file !== undefined) return lineOf(bytesOf(file), file, isNew);
  if (credential !== undefined) {
    const make = `Make one with: systemd-creds encrypt --name=${credential} - /etc/credstore.encrypted/${credential}, typed or piped in, and name it in the unit: LoadCredentialEncrypted=${credential}`;
    return lineOf(readCredential(credential, env, make), `the credential ${credential}`, isNew);
  }
  if (terminal === null) {
    throw new KeyError("passphrase_missing", "there is no terminal to ask for the passphrase", {
      next: "set keys.root_key.passphrase_file or keys.root_key.passphrase_credential, or run this at a terminal",
    });
  }
  const typed = lineOf(await terminal.readSecret(isNew ? "New passphrase of the root key: " : "Passphrase of the root key: "), "what was typed", isNew);
  if (isNew) requireSame(typed, await terminal.readSecret("The same once more: "));
  return typed;
}

/** No other file has to be put right where this one is not there, or not as it should be. */
function bytesOf(file: string): Uint8Array {
  try {
    return readSecretFile(file);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    const next = error.code === "key_file_missing" ? "put the passphrase there, or set keys.root_key.passphrase_file to the file that has it"
      : error.code === "key_file_mode" ? `give the file to the daemon's user, with mode 0600, and run this as that user`
      : "set keys.root_key.passphrase_file to the file itself: a regular one, and no link";
    throw new KeyError(error.code, `the passphrase's file: ${error.message}`, { cause: error.cause, next });
  }
}

function lineOf(bytes: Uint8Array, name: string, isNew: boolean): Uint8Array {
  const ends = bytes.at(-1) === NEWLINE ? (bytes.at(-2) === RETURN ? 2 : 1) : 0;
  const line = bytes.subarray(0, bytes.length - ends);
  const problem = line.length === 0 ? "is empty"
    : line.some((byte) => byte < 0x20) ? "has control characters or more than one line"
    : line.length > LONGEST ? `is longer than ${LONGEST} bytes`
    : isNew && line.length < SHORTEST ? `is shorter than ${SHORTEST} bytes: take a sentence, or words that dice have chosen`
    : null;
  if (problem === null) return line;
  bytes.fill(0);
  throw new KeyError("bad_passphrase", `the passphrase (${name}) ${problem}`, { next: isNew ? "give one in one line" : "give the one that the ledger was made with, in one line" });
}

function requireSame(typed: Uint8Array, again: Uint8Array): void {
  const isSame = typed.length === again.length && typed.every((byte, i) => byte === again[i]);
  again.fill(0);
  if (isSame) return;
  typed.fill(0);
  throw new KeyError("bad_passphrase", "what was typed is not the same twice");
}
