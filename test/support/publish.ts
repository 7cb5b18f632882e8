/** Publishing a test ledger's anchors as its daemon would have done. */
import { createPublicKey, sign } from "node:crypto";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { createDirectoryTarget, DirectoryTarget } from "../../src/anchor/directory.ts";
import { anchorObject, batchObject, checkpointText } from "../../src/anchor/objects.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import type { Observed } from "../../src/format/fields.ts";
import { signNote } from "../../src/format/note.ts";
import { formatTime } from "../../src/format/time.ts";
import type { Keyring } from "../../src/keys/keyring.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { type AnchorRow, Reader } from "../../src/ledger/reader.ts";
import type { TestLedger } from "./ledger.ts";

/**
 * Publishes every anchor of the ledger that `after` < tree_size, batch objects first. A directory's files get the times of the
 * ledger's clock: an anchor is published a second after its receipt. Returns the newest as the next anchor would observe it.
 */
export async function publish(ledger: { readonly path: string; readonly keyring: Keyring }, target: AnchorTarget, options: {
  readonly after?: number;
  /** Where the target is a directory: its folder. */
  readonly folder?: string;
  /** Of each tree size, the checkpoint keys that sign it; as the keyring has them. */
  readonly signedBy?: (treeSize: number) => Keyring["checkpointKeys"];
  /** Told the time, ms, at which an anchor is published, before it is. */
  readonly at?: (published: number) => void;
} = {}): Promise<Observed | null> {
  const reader = new Reader(ledger.path, nodeHash.sha256);
  try {
    let newest: Observed | null = null;
    for (let at = options.after ?? 0; ;) {
      const row = reader.anchors(at, 1)[0];
      if (row === undefined) return newest;
      newest = await publishOne(reader, row, ledger.keyring, target, options);
      at = row.treeSize;
    }
  } finally {
    reader.close();
  }
}

async function publishOne(reader: Reader, row: AnchorRow, keyring: Keyring, target: AnchorTarget, { folder, at, signedBy }: NonNullable<Parameters<typeof publish>[2]>): Promise<Observed> {
  const published = reader.byIndex(row.treeSize - 1)!.recordedAt + 1000;
  at?.(published);
  const put = async ({ name, bytes }: { readonly name: string; readonly bytes: Uint8Array }): Promise<string> => {
    const { versionId } = await target.put(name, bytes);
    if (folder !== undefined) utimesSync(join(folder, name), published / 1000, published / 1000);
    return versionId;
  };
  const batch = batchObject(reader, row);
  if (batch !== null) await put(batch);
  const anchor = anchorObject(reader, row.treeSize, await signCheckpoint(checkpointText(reader, row.treeSize), keyring, signedBy?.(row.treeSize) ?? inTurn(keyring, row.treeSize)));
  const versionId = await put(anchor);
  const seen = target.retain === null ? published : (await target.get({ name: anchor.name, versionId }, anchor.bytes.length)).lastModified;
  return { target: target.name, tree_size: row.treeSize, version_id: versionId, last_modified: formatTime(seen) };
}

/** The note of a checkpoint, signed with these keys, or the keyring's newest one. */
export async function signCheckpoint(text: string, keyring: Keyring, keys: Keyring["checkpointKeys"] = keyring.checkpointKeys.slice(-1)): Promise<string> {
  return await signNote(text, ...keys.map(({ privateKey }) => {
    const publicKey = createPublicKey(privateKey!).export({ format: "der", type: "spki" }).subarray(-32);
    return { name: keyring.origin, publicKey, sign: (bytes: Uint8Array) => sign(null, bytes, privateKey!) };
  }));
}

/** A test ledger's keys that sign the anchor of a size: each from the anchor behind its `checkpoint_rotation` on, up to the next one's. */
export function inTurn({ checkpointKeys }: Keyring, treeSize: number): Keyring["checkpointKeys"] {
  const first = (key: Keyring["checkpointKeys"][number] | undefined): number => (key?.after === undefined ? Number.POSITIVE_INFINITY : key.after + 2);
  return checkpointKeys.filter((key, i) => (i === 0 || first(key) <= treeSize) && first(checkpointKeys[i + 1]) >= treeSize);
}

/** A directory target in the ledger's folder with all of its anchors. */
export async function publishToDirectory(ledger: TestLedger, name: string, after = 0): Promise<DirectoryTarget> {
  const folder = ledger.targetPath(name);
  await createDirectoryTarget(folder);
  const target = new DirectoryTarget({ name, path: folder });
  await publish(ledger, target, { after, folder });
  return target;
}
