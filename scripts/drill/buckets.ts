/** Ledgers that are anchored in a bucket with Object Lock on a real S3 server: each attack has one of its own, since what is locked cannot be taken back. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config.ts";
import { initLedger } from "../../src/daemon/init.ts";
import { makeHost } from "../demo/hosts.ts";
import { keysOf } from "../demo/forge.ts";
import type { Bucket } from "../demo/bucket.ts";
import { targetsOf } from "./auditor.ts";
import { decision, ORIGIN, type Pinned } from "./days.ts";
import { publish, Root } from "./root.ts";

/** Three batches, each anchored before the next; and some receipts that are not. */
export interface Anchored extends Pinned {
  readonly bucket: Bucket;
  /** Tree sizes. */
  readonly sizes: readonly number[];
}

export class BucketGround {
  readonly #folder: string;
  readonly #first: Bucket;
  readonly #batch: number;
  #made = 0;

  private constructor(folder: string, first: Bucket, batch: number) {
    this.#folder = folder;
    this.#first = first;
    this.#batch = batch;
  }

  /** Starts the server in the folder; throws where there is none. */
  static async open(folder: string, batch: number): Promise<BucketGround> {
    const { Bucket } = await import("../demo/bucket.ts"); // the SDK is needed for nothing else
    mkdirSync(folder);
    return new BucketGround(folder, await Bucket.open(folder), batch);
  }

  /** Is the provider's own power at hand? */
  get isOurs(): boolean {
    return this.#first.place.folder !== null;
  }

  close(): void {
    this.#first.close();
  }

  async fresh(): Promise<Anchored> {
    const bucket = await this.#first.another();
    const host = makeHost(join(this.#folder, `host-${++this.#made}`), ORIGIN, 65_536, bucket.settings);
    const { vkey } = await initLedger(loadConfig({ path: host.config, env: {} }));
    const [target] = targetsOf(host);
    const keyring = keysOf(host);
    const root = new Root(host);
    const sizes: number[] = [];
    for (let batch = 0; batch < 3; batch++) {
      root.now = Date.now();
      root.append(...Array.from({ length: this.#batch }, (_, n) => decision(batch * this.#batch + n)));
      const size = root.anchor();
      root.observed = [(await publish(host.places.ledger, keyring, target!, { after: sizes.at(-1) ?? 0 }))!];
      sizes.push(size);
    }
    root.append(decision(0), decision(1));
    root.end();
    return { ...host, pins: [vkey], bucket, sizes };
  }
}
