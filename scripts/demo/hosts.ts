/** The folders that stand for hosts: what a daemon owns, and where it anchors. An attack is made on a copy of both. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { placesOf, type Places } from "../../src/daemon/places.ts";
import { type Config, loadConfig } from "../../src/config.ts";

export interface Host {
  readonly folder: string;
  /** The configuration file. */
  readonly config: string;
  readonly socket: string;
  /** The target: its one folder of anchors. */
  readonly anchors: string;
  readonly places: Places;
}

const CONFIG = "receiptd.yaml";
const ANCHORS = "anchors";

/** A folder with a configuration; the target is a folder in it, or `target` with an archive. A batch is closed at `maxBatch` receipts, so that there is something to see within seconds. */
export function makeHost(folder: string, origin: string, maxBatch: number, target?: string): Host {
  mkdirSync(folder);
  writeFileSync(join(folder, CONFIG), [
    `origin: ${origin}`,
    "data_dir: data",
    "socket: {path: receiptd.sock}",
    `anchor: {max_batch: ${maxBatch}, schedule: "0 0 1 1 *", archive: {enabled: ${target !== undefined}}, targets: [${target ?? `{name: archive, type: directory, path: ${ANCHORS}}`}]}`,
    "",
  ].join("\n"));
  return hostAt(folder);
}

/** Everything of a host whose daemon does not run, with the files' times. */
export function copyOf(host: Host, name: string): Host {
  const folder = join(dirname(host.folder), name);
  cpSync(host.folder, folder, { recursive: true, preserveTimestamps: true, filter: (path) => !path.endsWith(".sock") });
  return hostAt(folder);
}

export function remove(host: Host): void {
  rmSync(host.folder, { recursive: true, force: true });
}

function hostAt(folder: string): Host {
  const config = join(folder, CONFIG);
  const settings: Config = loadConfig({ path: config, env: {} });
  return { folder, config, socket: settings.socket.path, anchors: join(folder, ANCHORS), places: placesOf(settings) };
}
