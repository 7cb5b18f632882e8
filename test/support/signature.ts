/** The `signature` that an epoch's keys give a text. */
import type { EpochKeys } from "../../src/keys/epoch-keys.ts";

export function signatureBy(keys: EpochKeys, organization: string, text: string): string {
  const sealed = new TextDecoder().decode(keys.seal(organization, { head: "", tail: text }));
  return /^"signature":"([^"]*)",/.exec(sealed)![1]!;
}
