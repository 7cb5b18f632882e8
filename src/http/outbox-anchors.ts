/** The anchors as anchor.db has them: signed, and confirmed by a target. Nothing is asked over the network, and no credentials are needed. */
import { anchorObject } from "../anchor/objects.ts";
import type { OutboxView } from "../anchor/outbox.ts";
import { BundleError } from "../bundle/errors.ts";
import type { PublishedAnchor, PublishedAnchors } from "../bundle/published.ts";
import type { Vkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader } from "../ledger/reader.ts";
import { verifyCheckpoint } from "../verify/checkpoint.ts";
import { VerifyError } from "../verify/errors.ts";

export class OutboxAnchors implements PublishedAnchors {
  readonly #reader: Reader;
  readonly #outbox: OutboxView;
  /** By name. */
  readonly #targets: readonly string[];
  readonly #vkeys: readonly Vkey[];

  constructor(parts: { readonly reader: Reader; readonly outbox: OutboxView; readonly targets: readonly { readonly name: string }[]; readonly vkeys: readonly Vkey[] }) {
    this.#reader = parts.reader;
    this.#outbox = parts.outbox;
    this.#targets = parts.targets.map(({ name }) => name);
    this.#vkeys = parts.vkeys;
  }

  async over({ logIndex }: { readonly logIndex: number }): Promise<PublishedAnchor> {
    const places = this.#targets.flatMap((target) => {
      const confirmed = this.#outbox.firstConfirmed(target, logIndex + 1);
      return confirmed === null ? [] : [{ target, ...confirmed }];
    });
    const treeSize = Math.min(...places.map((one) => one.treeSize));
    const note = places.length === 0 ? null : this.#outbox.note(treeSize);
    if (note === null) throw new BundleError("not_anchored", "no target has confirmed an anchor over it yet");
    try {
      const { signedBy } = verifyCheckpoint(note, this.#reader.identity().origin, this.#vkeys, { hash: nodeHash, verify: verifyByNode });
      const { name: object } = anchorObject(this.#reader, treeSize, note);
      const published = places.filter((one) => one.treeSize === treeSize).map(({ target, versionId, lastModified }) => (
        { target, object, version_id: versionId, last_modified: formatTime(lastModified) }
      ));
      return { treeSize, checkpoint: note, signedBy, published };
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      throw new BundleError("no_evidence", `the anchor's checkpoint is not one of this ledger: ${error.code}`, undefined, { cause: error });
    }
  }

  /** Of those that count here the newest of each target is enough: an export takes the last. */
  async sizes(from: number, before: number): Promise<readonly number[]> {
    const newest = this.#targets.map((target) => this.#outbox.confirmed(target)?.treeSize ?? 0);
    return [...new Set(newest)].filter((size) => size >= from && size < before).sort((a, b) => a - b);
  }
}
