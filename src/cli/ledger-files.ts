/** The ledger read beside its daemon, or without one: its file, its keys where this user may read them, its targets. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DirectoryTarget } from "../anchor/directory.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import { openTarget } from "../anchor/targets.ts";
import { openKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { isArray, type Json } from "../format/strict-json.ts";
import { formatTime } from "../format/time.ts";
import { readWhich, type Which } from "../intake/params.ts";
import { KeyError } from "../keys/errors.ts";
import type { Keyring } from "../keys/keyring.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { Reader, type StoredBlob } from "../ledger/reader.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";

export interface LedgerOptions {
  /** The ledger's file, or the folder that it is in; then no configuration counts unless it is named. */
  readonly ledger?: string;
  /** A folder of anchors in place of the configured targets. */
  readonly anchors?: string;
  /** There is no ledger to look at. */
  readonly ledgerGone?: boolean;
}

/** Without a configuration: the ledger is a copy, on somebody else's host. */
export function isCopy(cli: Cli, options: LedgerOptions): boolean {
  const isElsewhere = options.ledger !== undefined || (options.ledgerGone === true && options.anchors !== undefined);
  return isElsewhere && cli.namedConfig === undefined;
}

export function ledgerPath(cli: Cli, { ledger }: LedgerOptions): string {
  if (ledger === undefined) return placesOf(cli.config).ledger;
  return statSync(ledger, { throwIfNoEntry: false })?.isDirectory() === true ? join(ledger, "ledger.db") : ledger;
}

/** Runs `work` with a reader of the ledger. */
export async function withReader<T>(cli: Cli, options: LedgerOptions, work: (reader: Reader) => Promise<T> | T): Promise<T> {
  const reader = new Reader(ledgerPath(cli, options), nodeHash.sha256);
  try {
    return await work(reader);
  } finally {
    reader.close();
  }
}

export interface NamedTarget {
  readonly target: AnchorTarget;
  readonly required: boolean;
}

export function targets(cli: Cli, options: LedgerOptions): readonly NamedTarget[] {
  if (options.anchors !== undefined) {
    if (!existsSync(options.anchors)) throw new CliError("no_targets", `there is no folder ${options.anchors}`);
    return [{ target: new DirectoryTarget({ name: "anchors", path: options.anchors }), required: true }];
  }
  if (isCopy(cli, options)) return [];
  return cli.config.anchor.targets.map((one) => ({ target: openTarget(one), required: one.required }));
}

/** The keyring of this host, or why it cannot be used. */
export function keyring(cli: Cli): { readonly keyring: Keyring } | { readonly why: string } {
  try {
    return { keyring: openKeys(cli.config).keyring };
  } catch (error) {
    if (error instanceof KeyError) return { why: error.message };
    throw error;
  }
}

/** A receipt as a person names it: `receipt_id`, receipt number, or log index. */
export type Naming = { readonly receipt_id: string } | { readonly receipt_number: string } | { readonly log_index: number };

export function namingOf(text: string): Naming {
  if (/^[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}$/.test(text)) return { receipt_id: text.toLowerCase() };
  if (/^[A-Za-z][A-Za-z0-9]*-\d{4}-\d+$/.test(text)) return { receipt_number: text.toUpperCase() };
  if (/^(0|[1-9]\d{0,14})$/.test(text)) return { log_index: Number(text) };
  throw new CliError("bad_usage", `${text.slice(0, 80)} is no receipt_id, receipt number or log index`, "for example: PR-2026-00042");
}

/** The members of a stored receipt, unchecked; null where the bytes are none: somebody has changed them. */
export function storedFields(blob: Uint8Array): { readonly [name: string]: Json } | null {
  try {
    const value = JSON.parse(fromUtf8(blob)) as Json;
    return typeof value === "object" && value !== null && !isArray(value) ? value : null;
  } catch {
    return null;
  }
}

export function findReceipt(reader: Reader, naming: Naming): StoredBlob {
  const found = find(reader, readWhich(naming));
  if (found === null) throw new CliError("not_found", "no such receipt in this ledger");
  return found;
}

function find(reader: Reader, which: Which): StoredBlob | null {
  switch (which.by) {
    case "id": return reader.byId(which.receiptId);
    case "index": return reader.byIndex(which.logIndex);
    case "org_seq": return reader.byOrgSeq(which.organization, which.orgSeq);
    case "number": {
      const found = reader.byNumber(which.number.prefix, which.number.orgSeq);
      return found !== null && formatTime(found.recordedAt).startsWith(`${which.number.year}-`) ? found : null;
    }
  }
}
