/** A folder for one daemon: its configuration, its data, its target. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Config, loadConfig } from "../../src/config.ts";
import { initLedger, newForwardSecure } from "../../src/daemon/init.ts";
import { FIRST_KEY } from "../../src/keys/keyring.ts";
import { formatSeed, parseSeed, type Seed } from "../../src/keys/seed.ts";

/** Beside a ground's data. */
export const SEED = "seed.json";

/** The auditor's seed beside a ground's data, if its ledger was made with one. */
export function seedsBeside(data: string): readonly Seed[] {
  const path = join(dirname(data), SEED);
  return existsSync(path) ? [parseSeed(readFileSync(path), path)] : [];
}

export interface GroundOptions {
  /** Members of the section `anchor`, in place of a batch of at most 100 receipts and an hour between heartbeats. */
  readonly anchor?: { readonly [name: string]: string | number };
  readonly ack?: "disk" | "wal";
  /** Where the target's folder is, in place of the embedded one. */
  readonly target?: string;
  /** Targets in place of the folder. */
  readonly targets?: readonly object[];
  /** Where the daemon sees the folder, when that is not where the test does. */
  readonly seenAs?: string;
  /** The section `self_check`. */
  readonly selfCheck?: { readonly [name: string]: string | number | boolean };
  /** A socket of another daemon. */
  readonly socket?: string;
}

export class Ground {
  /** As the test sees it. */
  readonly dir: string;
  readonly data: string;
  readonly socket: string;
  readonly target: string;
  /** As the daemon sees it. */
  readonly configFile: string;

  /** Writes the configuration into `dir`, or into a new folder. One that is there already is left as it is. */
  constructor(options: GroundOptions = {}, dir = mkdtempSync(join(tmpdir(), "receiptd-faults-"))) {
    this.dir = dir;
    this.data = join(dir, "data");
    this.socket = options.socket ?? join(dir, "s");
    this.target = options.target ?? join(this.data, "anchors");
    this.configFile = join(options.seenAs ?? dir, "receiptd.yaml");
    // JSON is YAML; relative paths are relative to the file
    if (!existsSync(join(dir, "receiptd.yaml"))) writeFileSync(join(dir, "receiptd.yaml"), JSON.stringify({
      data_dir: "data",
      origin: "example.com/faults",
      socket: { path: options.socket ?? "s" },
      ack: options.ack ?? "disk",
      ...(options.selfCheck === undefined ? {} : { self_check: options.selfCheck }),
      anchor: {
        schedule: "0 0 1 1 *", max_batch: 100, heartbeat: "1h", ...options.anchor,
        targets: options.targets ?? [{ name: "local", type: "directory", ...(options.target === undefined ? {} : { path: options.target }) }],
      },
    }));
  }

  /** Of a folder that the test sees as the daemon does. */
  config(): Config {
    return loadConfig({ path: join(this.dir, "receiptd.yaml"), env: {} });
  }

  /** With forward-secure keys: what a lost ratchet would cost is then not made good from a seed. The seed is beside the data. */
  async init(): Promise<this> {
    const config = this.config();
    const { ledgerId, seed } = newForwardSecure();
    writeFileSync(join(this.dir, SEED), formatSeed({ origin: config.origin, ledgerId, keyId: FIRST_KEY, firstEpoch: 0, seed }), { mode: 0o600 });
    await initLedger(config, { ledgerId, seed, sealed: null });
    return this;
  }
}
