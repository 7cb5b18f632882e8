/**
 * The checkpoint keys of the ledger, by its receipts (docs/FORMAT.md section 13.2 step 8), and what follows for those who pin one of them and not
 * the other: a key that a receipt names is not believed for that, and what it alone has signed is not called good.
 */
import { count } from "../format/count.ts";
import { FormatError } from "../format/errors.ts";
import { LEDGER_ORGANIZATION } from "../format/names.ts";
import { parseVkey, type Vkey } from "../format/note.ts";
import { VkeyChain, type VkeyRotation } from "../verify/vkeys.ts";
import type { AuditOptions } from "./audit.ts";
import type { VkeysSaid } from "./keys-seen.ts";
import type { AuditRecord } from "./record.ts";
import type { Findings } from "./report.ts";
import type { PartSeen } from "./verdict.ts";

/** What is known of them before the anchors are looked at. */
export interface VkeysKnown {
  /** Of the genesis receipt; empty where nobody has read it. */
  readonly genesis: readonly string[];
  /** In order. */
  readonly rotations: readonly VkeyRotation[];
  /** All that there are under anchors of at most so many receipts. */
  readonly upTo: number;
  /** Keys that receipts name and nobody has pinned, where they name a pinned one, too: else it is another ledger. */
  readonly unpinned: readonly Vkey[];
}

/** Of the ledger as it was read, and of what the record of an earlier audit says of it. `seen` null: the ledger was not read. */
export function judgeVkeys({ vkeys, since, ledger }: AuditOptions, seen: PartSeen | null, findings: Findings): VkeysKnown {
  const record = since?.origin === ledger.origin && since.ledger_id === ledger.ledgerId ? since.checkpoint_keys : null;
  const isWhole = findings.wrong === 0; // else a receipt that names a key may be among what cannot be read: then the anchors tell
  const isFrom = seen === null || seen.since !== null; // what is before is taken from the record
  const said: VkeysSaid | null = seen === null ? null : seen.part.vkeys ?? seen.joined.keys.vkeys;
  const chain = new VkeyChain();
  const genesis = said?.genesis ?? (isFrom ? record?.genesis : undefined) ?? [];
  chain.begin(genesis);
  const before = isFrom ? record?.rotations ?? [] : [];
  for (const { tree_size: treeSize, previous_vkey: previous, vkey } of before) chain.rotate({ treeSize, previous, vkey });
  let isGap = false;
  for (const { rotation, logIndex, receiptId, receiptNumber } of said?.rotations ?? []) {
    for (const { code, message, pointer, expected, found } of chain.rotate(rotation)) {
      isGap ||= !isWhole;
      if (isGap) findings.addConsequence(code);
      else findings.add({ severity: "violation", code, message, logIndex, receiptId, receiptNumber, organization: LEDGER_ORGANIZATION, at: pointer, expected, found });
    }
  }
  const all = [...genesis, ...chain.rotations.flatMap(({ previous, vkey }) => [previous, vkey])];
  const named = all.some((vkey) => vkeys.includes(vkey)) ? all : [];
  return {
    genesis, rotations: isGap ? [] : chain.rotations, upTo: !isWhole ? 0 : seen === null ? since?.ledger?.size ?? 0 : seen.joined.size,
    unpinned: [...new Set(named)].filter((vkey) => !vkeys.includes(vkey)).flatMap((vkey) => parsed(vkey, ledger.origin)),
  };
}

/** What a record keeps. */
export function vkeysRecord({ genesis, rotations }: VkeysKnown): NonNullable<AuditRecord["checkpoint_keys"]> {
  return { genesis: [...genesis], rotations: rotations.map(({ treeSize, previous, vkey }) => ({ tree_size: treeSize, previous_vkey: previous, vkey })) };
}

/** A key that is pinned, and neither named by a receipt nor used for an anchor that was read: those that it signed may be hidden, or cut off. */
export function unusedVkeys({ vkeys, areVkeysPinned, ledger }: AuditOptions, { genesis, rotations }: VkeysKnown, signed: ReadonlySet<string>): readonly string[] {
  const own = vkeys.filter((vkey) => parsed(vkey, ledger.origin).length > 0);
  if (!areVkeysPinned || own.length < 2) return [];
  return own.filter((vkey) => !signed.has(vkey) && !genesis.includes(vkey) && rotations.every(({ previous, vkey: next }) => vkey !== previous && vkey !== next))
    .map((vkey) => `what the pinned key ${vkey} has signed: it is under no anchor that was read, and no receipt names it; was the ledger put back to a time before it was rotated to that key?`);
}

/** One sentence for each key that is not pinned and has signed what was not believed. `sizes`: by its vkey, of the first and the last such anchor. */
export function unpinnedText(target: string, sizes: ReadonlyMap<string, readonly [number, number]>, { rotations }: VkeysKnown): readonly string[] {
  return [...sizes].map(([vkey, [first, last]]) => {
    const anchors = first === last ? `the anchor of ${count(first, "receipt")}` : `the anchors of ${count(first)} to ${count(last, "receipt")}`;
    const to = rotations.find((rotation) => rotation.vkey === vkey);
    const said = to === undefined ? "by the ledger's genesis, or its first checkpoint_rotation, the key of its beginning"
      : `which receipt ${to.treeSize - 2} announces, in the tree of ${count(to.treeSize, "receipt")} that ${to.previous} has signed`;
    return `${anchors} at ${target}: signed by ${vkey}, ${said}; it is not pinned, so nothing is believed that it alone has signed: pin it, too, once you know by another way that it is the ledger's (--vkey)`;
  });
}

function parsed(vkey: string, origin: string): readonly Vkey[] {
  try {
    const key = parseVkey(vkey);
    return key.name === origin ? [key] : [];
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
