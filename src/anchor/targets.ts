/** Targets as the configuration describes them: plain values, which can also be handed to another thread. */
import { DirectoryTarget } from "./directory.ts";
import type { AnchorTarget } from "./target.ts";

export interface TargetConfig {
  readonly type: "directory";
  /** Unique among the targets; anchors are remembered under it. */
  readonly name: string;
  readonly path: string;
  /** Do receipts count as anchored only when they are anchored here, too? */
  readonly required: boolean;
}

export function openTarget({ name, path }: TargetConfig): AnchorTarget {
  return new DirectoryTarget({ name, path });
}
