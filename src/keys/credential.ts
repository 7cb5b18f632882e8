/**
 * Secrets that systemd hands to the service as files in a file system of its own (systemd.exec(5), LoadCredential= and
 * LoadCredentialEncrypted=). Who reads them is decided by systemd: root owns them, an ACL lets in the service's user.
 */
import { join } from "node:path";
import { KeyError } from "./errors.ts";
import { readSecretFile } from "./secret-file.ts";

/** Environment variables, as far as they are needed: they hold a place, never a secret. */
export interface CredentialEnvironment {
  readonly CREDENTIALS_DIRECTORY?: string | undefined;
}

/** The file of a credential; where systemd has set no folder, as a person would write it. */
export function credentialPath(name: string, { CREDENTIALS_DIRECTORY }: CredentialEnvironment): string {
  return join(CREDENTIALS_DIRECTORY ?? "$CREDENTIALS_DIRECTORY", name);
}

/** `credential_missing`, and what `readSecretFile` throws. `make` says how the credential is made. The caller overwrites it. */
export function readCredential(name: string, env: CredentialEnvironment, make: string): Uint8Array {
  if (env.CREDENTIALS_DIRECTORY === undefined || !env.CREDENTIALS_DIRECTORY.startsWith("/")) {
    throw new KeyError("credential_missing", `there is no folder of credentials to find ${name} in: this was not started by systemd with LoadCredentialEncrypted=. ${make}`);
  }
  try {
    return readSecretFile(credentialPath(name, env), true);
  } catch (error) {
    if (!(error instanceof KeyError) || error.code !== "key_file_missing") throw error;
    throw new KeyError("credential_missing", `systemd has given this service no credential ${name}. ${make}`, { cause: error });
  }
}
