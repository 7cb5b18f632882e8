/** Where a lost ledger is restored from: a configured target by its name, a bucket, or a folder. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { openTarget, type TargetConfig } from "../anchor/targets.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";

export interface SourceOptions {
  readonly from: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
  readonly profile?: string;
  /** The target's name in the configuration of the ledger's host. */
  readonly name?: string;
  /** ms for which objects there should be locked. */
  readonly retention?: number;
}

/** What is configured for the same place counts: its name, by which the outbox remembers it, and how to get there. */
export function sourceOf(cli: Cli, options: SourceOptions): AnchorTarget {
  const { targets } = cli.config.anchor;
  const given = bucketOf(options) ?? targets.find((one) => one.name === options.from) ?? folderOf(options.from);
  const configured = targets.find((one) => isSamePlace(one, given));
  if (configured?.type !== "s3") return openTarget(configured ?? given);
  const { endpoint, region, pathStyle: path_style, profile, name, retention } = options;
  const said = Object.entries({ endpoint, region, path_style, profile, name, retention }).filter(([, value]) => value !== undefined);
  return openTarget({ ...configured, ...Object.fromEntries(said) });
}

function bucketOf({ from, endpoint, region, pathStyle, profile, name, retention }: SourceOptions): TargetConfig | null {
  const parts = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(from);
  if (parts === null) {
    if (from.startsWith("s3://")) throw new CliError("bad_usage", `${from.slice(0, 200)} names no bucket`, "for example: s3://acme-receipts/receiptd/");
    return null;
  }
  const path = (parts[2] ?? "").replace(/\/+$/, "");
  return {
    type: "s3", name: name ?? "source", required: false, bucket: parts[1]!, prefix: path === "" ? undefined : `${path}/`,
    endpoint, region, path_style: pathStyle ?? false, profile,
    retention: retention ?? 0, // nothing is stored, and what was promised of the locks there is not known
  };
}

function folderOf(from: string): TargetConfig {
  if (statSync(from, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new CliError("no_targets", `${from.slice(0, 200)} is neither a bucket (s3://…), nor a configured target, nor a folder`);
  }
  return { type: "directory", name: "source", required: false, path: resolve(from) };
}

function isSamePlace(one: TargetConfig, given: TargetConfig): boolean {
  if (one.type === "directory") return given.type === "directory" && one.path === given.path;
  return given.type === "s3" && one.bucket === given.bucket && (one.prefix ?? "") === (given.prefix ?? "")
    && (given.endpoint === undefined || given.endpoint === one.endpoint);
}
