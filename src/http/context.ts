/** What the routes work with. */
import type { Config } from "../config.ts";
import type { Cosigner } from "../format/cosignature.ts";
import type { ControlClient } from "./control-client.ts";
import type { LedgerPlaces, LedgerSource } from "./ledger-view.ts";
import type { Watch } from "./watch.ts";

export interface Context {
  readonly source: LedgerSource;
  readonly places: LedgerPlaces;
  readonly control: ControlClient;
  readonly watch: Watch;
  readonly http: Config["http"];
  /** Whose countersignatures evidence has. */
  readonly auditors: readonly Cosigner[];
}
