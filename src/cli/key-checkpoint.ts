/** `receiptd key rotate --checkpoint`: the key that signs anchors, and the one after it; and the list of those that there were. */
import { type CheckpointPeriod, checkpointPeriods, outsideKey } from "../daemon/checkpoint-key.ts";
import { periodJson } from "../daemon/checkpoint-keys.ts";
import { openKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fingerprint } from "../daemon/port.ts";
import { formatVkey } from "../format/note.ts";
import type { Json } from "../format/strict-json.ts";
import { KeyError } from "../keys/errors.ts";
import { newCheckpointKey } from "../keys/keyring.ts";
import type { NextCheckpoint } from "../keys/next-checkpoint.ts";
import type { Cli } from "./cli.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { Order, requireNothingPending, TAKEN_UP, THEN } from "./key-order.ts";
import { withReader } from "./ledger-files.ts";
import { table } from "./table.ts";

/** To the key in AWS KMS that the configuration names by now, or to one that is made here. */
export async function rotateCheckpoint(cli: Cli, reason: NextCheckpoint["reason"]): Promise<ExitCode> {
  const { checkpoint } = cli.config.keys;
  const { root, keyring, periods } = await openPeriods(cli);
  requireNothingPending(cli);
  const outside = await outsideKey(cli.config);
  const made = outside === null ? newCheckpointKey(keyring.origin) : null;
  const vkey = made?.vkey ?? formatVkey(keyring.origin, outside!.publicKey);
  if (periods.some(({ key }) => key.vkey === vkey)) {
    throw new CliError("bad_usage", `the ledger's anchors ${periods.at(-1)!.key.vkey === vkey ? "are" : "were"} signed with the key that keys.checkpoint names`, "set keys.checkpoint to the key that is to come: another one in AWS KMS, or {type: local}");
  }
  const order = new Order(cli);
  try {
    order.fileCheckpoint(keyring, root, { vkey, createdAt: new Date().toISOString(), reason, secret: made?.seed ?? (checkpoint.type === "local" ? new Uint8Array() : checkpoint) });
    const changed = await order.give();
    cli.result({ ...changed, next_vkey: vkey, next_fingerprint: fingerprint(vkey) }, () => [
      changed.pending ? `The new checkpoint key is ready; the daemon, which is not running, goes on with it when it starts (${placesOf(cli.config).nextCheckpoint}).`
        : changed.checkpoint === null ? TAKEN_UP
        : `Both checkpoint keys sign the anchor of the first ${changed.checkpoint.tree_size} receipts, the new one alone those behind it.`,
      `  vkey             ${vkey}`,
      `  key fingerprint  ${fingerprint(vkey)}`,
      "Give the new vkey to your auditors, by another way than this host: they pin it beside the old one, which they keep for the anchors that it signed.",
      `Back up the keyring ${changed.pending ? THEN : "now"}: without the new key in it no anchor can be signed any more.`,
    ].join("\n"));
    return 0;
  } finally {
    made?.seed.fill(0);
  }
}

export type CheckpointRow = { readonly [name: string]: Json };

/** In order, those that the ledger went on with. */
export async function checkpointRows(cli: Cli): Promise<readonly CheckpointRow[]> {
  return (await openPeriods(cli)).periods.map(periodJson);
}

/** `key_missing` where the keyring is older than the ledger; looked at twice, since a daemon may be rotating the key. */
async function openPeriods(cli: Cli, again = true): Promise<Awaited<ReturnType<typeof openKeys>> & { readonly periods: readonly CheckpointPeriod[] }> {
  const keys = await openKeys(cli.config);
  try {
    return { ...keys, periods: await withReader(cli, {}, (reader) => checkpointPeriods(reader, keys.keyring.checkpointKeys)) };
  } catch (error) {
    if (again && error instanceof KeyError && error.code === "key_missing") return openPeriods(cli, false);
    throw error;
  }
}

export function checkpointTable(rows: readonly CheckpointRow[]): string {
  const text = (value: Json | undefined): string => (value === null || value === undefined ? "" : String(value));
  return table(["CHECKPOINT KEY", "STATE", "ANCHORS FROM", "TO"], rows.map(({ vkey, state, first_size: first, last_size: last }) => [text(vkey), text(state), first === 0 ? "the first" : text(first), text(last)]));
}
