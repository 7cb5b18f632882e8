/** What the routes work with. */
import type { Config } from "../config.ts";
import type { ControlClient } from "./control-client.ts";
import type { LedgerPlaces, LedgerSource } from "./ledger-view.ts";

export interface Context {
  readonly source: LedgerSource;
  readonly places: LedgerPlaces;
  readonly control: ControlClient;
  readonly http: Config["http"];
}
