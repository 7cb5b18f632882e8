/** Targets as the configuration describes them: plain values, which can also be handed to another thread. */
import { DirectoryTarget } from "./directory.ts";
import { S3Target } from "./s3/target.ts";
import type { AnchorTarget } from "./target.ts";

interface CommonConfig {
  /** Unique among the targets; anchors are remembered under it. */
  readonly name: string;
  /** Do receipts count as anchored only when they are anchored here, too? */
  readonly required: boolean;
}

export interface DirectoryConfig extends CommonConfig {
  readonly type: "directory";
  readonly path: string;
}

export interface S3Config extends CommonConfig {
  readonly type: "s3";
  readonly bucket: string;
  /** Before every object's name; ends in "/". */
  readonly prefix?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly path_style: boolean;
  readonly profile?: string | undefined;
  /** ms that each object is locked for. */
  readonly retention: number;
}

export type TargetConfig = DirectoryConfig | S3Config;

export function openTarget(config: TargetConfig): AnchorTarget {
  return config.type === "directory" ? new DirectoryTarget(config) : new S3Target(config);
}
