/**
 * Which requests of a group are new, which were recorded before, and which contradict what was (docs/FORMAT.md section 12).
 * One request's receipts are staged all together, or none of them.
 */
import { equal } from "../format/bytes.ts";
import type { Request } from "../format/request.ts";
import { systemRequest } from "../format/seal.ts";
import type { Signer, Stage, StoredReceipt } from "./stage.ts";
import type { nextTime } from "./state.ts";

export interface Acknowledged {
  readonly stored: StoredReceipt;
  /** The same request was recorded before; `stored` is that receipt. */
  readonly duplicate: boolean;
}

/** One request's receipts: stored all together, or none. */
export type Outcome =
  | { readonly ok: true; readonly receipts: readonly Acknowledged[] }
  | { readonly ok: false; readonly code: "conflict" | "too_many_organizations"; /** Which of its receipts. */ readonly at: number; readonly receiptId: string };

export interface AdmissionOptions {
  readonly stage: Stage;
  readonly signer: Signer;
  readonly time: ReturnType<typeof nextTime>;
  /** In the ledger. */
  readonly find: (receiptId: string) => StoredReceipt | undefined;
  readonly newId: () => string;
  readonly maxOrganizations: number;
  readonly prefixOf: (organization: string) => string | undefined;
}

export class Admission {
  readonly #options: AdmissionOptions;
  /** Staged in this group, by id. */
  readonly #staged = new Map<string, StoredReceipt>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Receipts that the request adds to the batch, at most: a group's first one may need a clock_step before it. */
  room(request: readonly Request[]): number {
    const { stage, time } = this.#options;
    return request.length + (time.step !== null && stage.rows.length === 0 ? 1 : 0);
  }

  admit(request: readonly Request[]): Outcome {
    const { stage, signer, time, newId, prefixOf } = this.#options;
    const judged = this.#judge(request);
    if ("code" in judged) return judged;
    const receipts = request.map((receipt, at): Acknowledged => {
      const earlier = judged.known[at] ?? this.#staged.get(receipt.receiptId);
      if (earlier !== undefined) return { stored: earlier, duplicate: true };
      if (time.step !== null && stage.rows.length === 0) stage.add(systemRequest("clock_step", newId(), time.step), time.at, undefined, null);
      const stored = stage.add(receipt, time.at, prefixOf(receipt.organization), judged.macs[at] ?? signer.requestMac(receipt.json));
      this.#staged.set(receipt.receiptId, stored);
      return { stored, duplicate: false };
    });
    return { ok: true, receipts };
  }

  #judge(request: readonly Request[]):
    | (Outcome & { readonly ok: false })
    | { readonly macs: readonly (Uint8Array | undefined)[]; readonly known: readonly (StoredReceipt | undefined)[] } {
    const { stage, signer, find, maxOrganizations } = this.#options;
    const macs: (Uint8Array | undefined)[] = [];
    const known: (StoredReceipt | undefined)[] = [];
    const twins = new Map<string, Uint8Array>();
    const fresh = new Set<string>();
    for (const [at, { receiptId, chosenId, json, organization }] of request.entries()) {
      const earlier = chosenId ? this.#staged.get(receiptId) ?? find(receiptId) : undefined;
      const mac = earlier === undefined ? undefined : signer.requestMac(json);
      const twin = twins.get(receiptId);
      const same = earlier === undefined || (earlier.requestMac !== null && equal(earlier.requestMac, mac!));
      if (!same || (twin !== undefined && !equal(twin, json))) return { ok: false, code: "conflict", at, receiptId };
      twins.set(receiptId, json);
      if (earlier === undefined && !stage.knows(organization)) fresh.add(organization);
      if (fresh.size > 0 && stage.organizationCount() + fresh.size > maxOrganizations) {
        return { ok: false, code: "too_many_organizations", at, receiptId };
      }
      macs.push(mac);
      known.push(earlier);
    }
    return { macs, known };
  }
}
