/** A checkpoint key in AWS KMS: Ed25519 (key spec ECC_NIST_EDWARDS25519), made there and never exported. Nothing here trusts what it signs. */
import { KeyError } from "../errors.ts";
import { Kms, type KmsKey, type KmsTimeouts } from "./client.ts";
import { badAnswer } from "./errors.ts";

const ALGORITHM = "ED25519_SHA_512";
const SPEC = "ECC_NIST_EDWARDS25519";
/** DER before the 32 bytes of an Ed25519 public key (RFC 8410 section 4). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;

export class KmsCheckpointKey {
  readonly #kms: Kms;

  constructor(access: KmsKey, timeouts?: KmsTimeouts) {
    this.#kms = new Kms(access, timeouts);
  }

  /** The 32 bytes of RFC 8032. `wrong_checkpoint_key` where the key is none of Ed25519; `kms_unavailable`, `kms_denied`. */
  async publicKey(): Promise<Uint8Array> {
    const { access } = this.#kms;
    const action = "kms:GetPublicKey";
    const { PublicKey, KeySpec, KeyUsage, KeyId } = await this.#kms.call(action, ({ sdk, client, options }) => client.send(new sdk.GetPublicKeyCommand({ KeyId: access.key }), options));
    if (KeyId !== access.key || PublicKey === undefined) throw badAnswer({ access, action }, "no public key of this key");
    const isEd25519 = PublicKey.length === SPKI.length + PUBLIC_BYTES && SPKI.every((byte, i) => PublicKey[i] === byte);
    if (KeySpec !== SPEC || KeyUsage !== "SIGN_VERIFY" || !isEd25519) {
      throw new KeyError("wrong_checkpoint_key", `${access.key} is no key that checkpoints are signed with; make one: aws kms create-key --key-spec ${SPEC} --key-usage SIGN_VERIFY`);
    }
    return PublicKey.slice(SPKI.length);
  }

  /** Asks whether this identity may sign, and signs nothing. `kms_unavailable`, `kms_denied`. */
  async requireSign(): Promise<void> {
    const { access } = this.#kms;
    await this.#kms.call("kms:Sign", async ({ sdk, client, options }) => {
      try {
        await client.send(new sdk.SignCommand({ KeyId: access.key, Message: new Uint8Array(1), MessageType: "RAW", SigningAlgorithm: ALGORITHM, DryRun: true }), options);
      } catch (error) {
        if (!(error instanceof Error) || error.name !== "DryRunOperationException") throw error; // which says that it would have been signed
      }
    });
  }

  /** The 64 bytes of RFC 8032, unchecked. At most 4096 bytes are signed. `kms_unavailable`, `kms_denied`. */
  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    const { access } = this.#kms;
    const action = "kms:Sign";
    const { Signature, KeyId } = await this.#kms.call(action, ({ sdk, client, options }) => client.send(new sdk.SignCommand({ KeyId: access.key, Message: bytes, MessageType: "RAW", SigningAlgorithm: ALGORITHM }), options));
    if (Signature?.length !== SIGNATURE_BYTES || KeyId !== access.key) throw badAnswer({ access, action }, "no signature of this key");
    return Signature;
  }
}
