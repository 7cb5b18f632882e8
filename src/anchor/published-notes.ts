/**
 * Signed checkpoints from a target, for an outbox that has lost them: of a key that was rotated away and overwritten nobody can sign them
 * again. What lies there may be anybody's; a note counts with the signatures that it must have, over the ledger's own root.
 */
import { equal, toHex } from "../format/bytes.ts";
import { parseCheckpoint } from "../format/checkpoint.ts";
import { FormatError } from "../format/errors.ts";
import { type LedgerName, parseObjectName, sizeInName } from "../format/names.ts";
import { verifyNote, type Vkey } from "../format/note.ts";
import { MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { fetchAhead } from "./fetch-ahead.ts";
import { anchorsPrefix, beforeAnchor } from "./objects.ts";
import { type AnchorTarget, TargetError, type TargetVersion } from "./target.ts";

export interface WantedNote {
  readonly treeSize: number;
  readonly root: Uint8Array;
  /** Each must have signed it. */
  readonly vkeys: readonly Vkey[];
}

const AHEAD = { count: 16, bytes: 4 << 20 };

/** By tree size, those of the wanted notes that the target has; `wanted` in order of size. Throws TargetError where it does not answer. */
export async function publishedNotes(target: AnchorTarget, ledger: LedgerName, wanted: readonly WantedNote[]): Promise<ReadonlyMap<number, string>> {
  const notes = new Map<number, string>();
  const bySize = new Map(wanted.map((one) => [one.treeSize, one]));
  const [first, last] = [wanted[0], wanted.at(-1)];
  if (first === undefined || last === undefined) return notes;
  const listed = async function* (): AsyncGenerator<{ readonly version: TargetVersion; readonly want: WantedNote }> {
    for await (const version of target.list(anchorsPrefix(ledger), beforeAnchor(ledger, first.treeSize))) {
      const treeSize = sizeInName(ledger, version.name);
      if (treeSize !== null && treeSize > last.treeSize) return;
      const want = treeSize === null ? undefined : bySize.get(treeSize);
      if (want !== undefined && version.kind === "object" && version.size <= MAX_TLOG_PROOF_BYTES) yield { version, want };
    }
  };
  const found = fetchAhead(listed(), AHEAD, ({ version, want }) => ({ bytes: version.size, start: async () => ({ treeSize: want.treeSize, note: await read(target, version, ledger, want) }) }));
  for await (const { treeSize, note } of found) if (note !== null && !notes.has(treeSize)) notes.set(treeSize, note);
  return notes;
}

async function read(target: AnchorTarget, version: TargetVersion, ledger: LedgerName, { treeSize, root, vkeys }: WantedNote): Promise<string | null> {
  try {
    const { bytes } = await target.get(version, MAX_TLOG_PROOF_BYTES);
    if (parseObjectName(ledger, version.name).sha256 !== toHex(nodeHash.sha256(bytes))) return null;
    const note = parseTlogProof(bytes).checkpoint;
    const { text, keys } = verifyNote(note, vkeys, verifyByNode);
    const checkpoint = parseCheckpoint(text);
    return keys.length === vkeys.length && checkpoint.origin === ledger.origin && checkpoint.size === treeSize && equal(checkpoint.root, root) ? note : null;
  } catch (error) {
    if (error instanceof FormatError || (error instanceof TargetError && error.code !== "target_unavailable" && error.code !== "target_denied")) return null;
    throw error;
  }
}
