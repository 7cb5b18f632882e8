/** What a request's token allows. */
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { ApiError } from "./errors.ts";
import type { Scope, TokenRecord } from "./tokens.ts";

export class Grant {
  readonly id: string;
  readonly #record: TokenRecord;

  constructor(record: TokenRecord) {
    this.id = record.id;
    this.#record = record;
  }

  /** null: all but the ledger's own. */
  get organizations(): readonly string[] | null {
    return this.#record.organizations;
  }

  /** Throws ApiError `scope_missing`. */
  require(scope: Scope): void {
    if (!this.#record.scopes.includes(scope)) throw new ApiError("scope_missing", `this token has not the scope ${scope}`);
  }

  allows(organization: string): boolean {
    if (organization === LEDGER_ORGANIZATION) return this.#record.ledger;
    return this.#record.organizations?.includes(organization) ?? true;
  }

  /** Throws ApiError `organization_not_allowed`. */
  requireOrganization(organization: string): void {
    if (!this.allows(organization)) throw new ApiError("organization_not_allowed", `this token is not for receipts of ${organization}`);
  }
}
