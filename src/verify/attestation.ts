/** An attestation, offline (docs/FORMAT.md section 18): that an auditor whose key is pinned has signed the statement, and countersigned the checkpoint. */
import { type Attestation, checkpointOf, readStatement, type Statement } from "../format/attestation.ts";
import { type Cosigner, noteKeyOf, verifyCosignatures } from "../format/cosignature.ts";
import { parseNote, verifyEd25519, type VerifyEd25519, verifyNote } from "../format/note.ts";
import { reading, VerifyError } from "./errors.ts";

export interface AttestationFacts {
  readonly statement: Statement;
  readonly auditor: Cosigner;
  /** Of the countersignature, seconds since 1970. */
  readonly time: number;
}

/** `auditors`: pinned. Throws VerifyError `bad_note`, `bad_attestation`. */
export function verifyAttestation({ statement: signed, cosigned }: Attestation, auditors: readonly Cosigner[], verify: VerifyEd25519 = verifyEd25519): AttestationFacts {
  const { text, keys } = reading(() => verifyNote(signed, auditors.map(noteKeyOf), verify));
  const statement = reading(() => readStatement(text));
  const note = reading(() => parseNote(cosigned));
  if (note.text !== checkpointOf(statement)) throw new VerifyError("bad_attestation", "what is countersigned is not the checkpoint that the statement names");
  for (const { cosigner, time } of reading(() => verifyCosignatures(note, auditors, verify))) {
    if (keys.some(({ name, publicKey }) => name === cosigner.key.name && publicKey.every((byte, i) => byte === cosigner.key.publicKey[i]))) return { statement, auditor: cosigner, time };
  }
  throw new VerifyError("bad_note", "the checkpoint is not countersigned by whoever made the statement");
}
