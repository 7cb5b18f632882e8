/** What the writer of a ledger is given: a clock, names, limits, and whom to tell. */
import type { Sha256 } from "../format/hash.ts";
import type { Torn } from "./left-over.ts";

export interface WriterOptions {
  readonly sha256: Sha256;
  /** ms since 1970, the host's claim. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly maxBatch: number;
  readonly maxOrganizations: number;
  readonly prefixOf: (organization: string) => string | undefined;
  /** Told where a power cut has taken what nobody was told to be on the disk. */
  readonly onTorn?: (torn: Torn) => void;
  /** The mark of what was acknowledged cannot be written. */
  readonly onMarkLost?: (error: unknown) => void;
}
