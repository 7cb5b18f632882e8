/** Root keys as the configuration describes them, behind one interface: a further kind is a further member of the union and a further case. */
import { existsSync } from "node:fs";
import { isatty } from "node:tty";
import { credentialPath, readCredential } from "./credential.ts";
import { createKmsRootKey, openKmsRootKey } from "./kms/root-key.ts";
import type { KmsKey, KmsTimeouts } from "./kms/client.ts";
import { type PassphraseSource, readPassphrase, type Surroundings } from "./passphrase.ts";
import { createRootKeyFile, openRootKeyFile, type RootKey, rootKeyFrom } from "./root-key.ts";
import { createScryptKey, openScryptKey } from "./scrypt-key.ts";
import { readSecret } from "./terminal.ts";

export interface FileKeyConfig {
  readonly type: "file";
  readonly path: string;
}

export interface CredentialKeyConfig {
  readonly type: "credential";
  readonly name: string;
}

export interface PassphraseKeyConfig extends PassphraseSource {
  readonly type: "passphrase";
  readonly path: string;
}

export interface KmsKeyConfig extends KmsKey {
  readonly type: "aws-kms";
  readonly path: string;
}

export type RootKeyConfig = FileKeyConfig | CredentialKeyConfig | PassphraseKeyConfig | KmsKeyConfig;

/** Where a root key comes from. */
export interface RootKeySource {
  /** A path, for people: of the key itself or of what it is made from. */
  readonly place: string;
  /** The key that is there: `key_file_missing`, `credential_missing` where there is none; what else goes wrong is a KeyError, too. */
  open(): Promise<RootKey>;
  /** The same, and a new key where there is none. A credential is made by whoever runs the host: `credential_missing` says how. */
  openOrCreate(): Promise<RootKey>;
}

/** `timeouts` are of calls to KMS. */
export function rootKeySource(config: RootKeyConfig, surroundings: Surroundings = ownSurroundings(), timeouts?: KmsTimeouts): RootKeySource {
  switch (config.type) {
    case "file":
      return filed(config.path, async () => openRootKeyFile(config.path), async () => createRootKeyFile(config.path));
    case "credential": {
      const open = async (): Promise<RootKey> => rootKeyFrom(readCredential(config.name, surroundings.env, howToMake(config.name)), `(the credential ${config.name})`);
      return { place: credentialPath(config.name, surroundings.env), open, openOrCreate: open };
    }
    case "passphrase":
      return filed(
        config.path,
        () => openScryptKey(config.path, () => readPassphrase(config, surroundings, false)),
        () => createScryptKey(config.path, () => readPassphrase(config, surroundings, true)),
      );
    case "aws-kms":
      return filed(config.path, () => openKmsRootKey(config.path, config, timeouts), () => createKmsRootKey(config.path, config, timeouts));
  }
}

function filed(path: string, open: () => Promise<RootKey>, create: () => Promise<RootKey>): RootKeySource {
  return { place: path, open, openOrCreate: () => (existsSync(path) ? open() : create()) };
}

function howToMake(name: string): string {
  return `Make one: head -c 32 /dev/urandom | systemd-creds encrypt --name=${name} - /etc/credstore.encrypted/${name}; then name it in the unit: LoadCredentialEncrypted=${name}. Commands on this host get it the same way: systemd-run --pipe --wait -p User=receiptd -p LoadCredentialEncrypted=${name} receiptd …`;
}

function ownSurroundings(): Surroundings {
  const { CREDENTIALS_DIRECTORY } = process.env;
  return { env: { CREDENTIALS_DIRECTORY }, terminal: isatty(0) ? { readSecret: (prompt) => readSecret(process.stdin, process.stderr, prompt) } : null };
}
