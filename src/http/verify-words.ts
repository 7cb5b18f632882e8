/** What was checked of a receipt, and what not, each in a sentence. The codes are stable. */

export interface Said {
  readonly code: string;
  readonly sentence: string;
}

export const CHECKED = {
  canonical: "Its bytes are canonical JSON (RFC 8785), and its fields and number are of the right form.",
  hash: "The SHA-256 of its bytes is the receipt hash in the ledger's index.",
  place: "Its id, number, time and place are those in the index, and those that were asked for.",
  link: "It names the hash of its organization's receipt before, recomputed from that one's bytes, or is the first.",
  checkpoint: "The signature of the anchor's checkpoint is right, under a key that the ledger's genesis receipt names.",
  inclusion: "An inclusion proof (RFC 6962) leads from its hash to the root in that checkpoint.",
  confirmed: "Every required target has confirmed an anchor over it, as the ledger's host has noted.",
  mac: "The daemon has recomputed its MAC with the key of the open epoch, and it is right.",
} as const;

export const NOT_CHECKED = {
  fields: "Fields whose meaning this version does not know.",
  link: "The link: the organization's receipt before is damaged; its hash in the index is the one that is named.",
  revocations: "Whether its key was revoked: the ledger's own receipts have not all been read yet, or are damaged.",
  checkpoint: "The signature of the anchor's checkpoint: the ledger's own receipts, which name its keys, have not all been read yet, or are damaged.",
  inclusion: "Whether it is under its anchor: the ledger's file is damaged elsewhere.",
  confirmed: "Whether the anchor is outside this host: not every required target has confirmed it yet.",
  anchor: "Any anchor: none that covers it is signed yet, so that its host alone vouches for it.",
  mac: "Its MAC: the daemon does not answer.",
  mac_between: "Its MAC: its epoch is closed, and the anchor over it is not signed yet; ask again in a moment.",
  mac_of_closed_epoch: "Its MAC: the key of its epoch is closed, and not here; the signed root vouches for its bytes.",
  key_revoked: "Whether it is genuine: its key is revoked, and no target with a clock of its own had an anchor over it before.",
  targets: "Whether the anchor is still where it was published: compare with a copy of it, or with the bucket.",
  vkey: "Whether the signing key is the right one: this answer comes from the ledger's own host; pin the vkey and check evidence offline.",
  other_receipts: "The other receipts of the ledger: receiptd audit checks them all.",
} as const;
