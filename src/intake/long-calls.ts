/**
 * Long calls that store no receipt: of the methods that may have so much to say, and with no more than they can be granted. What would be
 * refused is refused in the thread, with the same answer: to hand it over and look at it again takes the writer as long as to read it.
 */
import { readAttestation } from "../format/attestation.ts";
import { canonicalize } from "../format/canonical.ts";
import { chainSchemas } from "../format/chain-calls.ts";
import { FormatError } from "../format/errors.ts";
import { MAX_RECEIPT } from "../format/limits.ts";
import { checkValue, refuseReservedAnywhere } from "../format/request.ts";
import { LONG } from "./long-lines.ts";
import { needed, only } from "./params.ts";
import { type Call, RpcError } from "./protocol.ts";

/** UTF-16 code units of JCS: a chain's receipt has no room for more, whatever they become in UTF-8. */
const MOST_OF_CHAIN = Math.floor(MAX_RECEIPT / 3);

/** Throws RpcError and FormatError. */
export function requireFit({ method, params }: Call): void {
  if (method === "attest") return requireAttestation(params);
  if (!Object.hasOwn(chainSchemas, method)) throw new RpcError("bad_request", `no call of ${method.slice(0, 64)} is that long: at most ${LONG} bytes`);
  checkValue(chainSchemas[method as keyof typeof chainSchemas], params, "/params");
  if (canonicalize(params).length > MOST_OF_CHAIN) throw new FormatError("too_large", `with this the receipt of the chain would have more than ${MAX_RECEIPT} bytes`, "/params");
  const { chain } = params as { readonly chain?: Call["params"] };
  refuseReservedAnywhere(chain?.["metadata"] ?? {}, "/params/chain/metadata");
}

function requireAttestation(params: Call["params"]): void {
  only(params, "attestation");
  const attestation = needed(params, "attestation");
  try {
    readAttestation(attestation);
  } catch (error) {
    throw error instanceof FormatError ? new RpcError("attestation_refused", `${error.code}: ${error.message}`) : error;
  }
}
