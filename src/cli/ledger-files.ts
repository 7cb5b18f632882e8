/** The ledger read beside its daemon, or without one: its file, its keys where this user may read them, its targets. */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { DirectoryTarget } from "../anchor/directory.ts";
import type { AnchorTarget } from "../anchor/target.ts";
import { openTarget } from "../anchor/targets.ts";
import { days } from "../config/values.ts";
import { readKeys } from "../daemon/init.ts";
import { placesOf } from "../daemon/places.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { isArray, type Json } from "../format/strict-json.ts";
import { readWhich } from "../intake/params.ts";
import type { RatchetState } from "../keys/epoch-keys.ts";
import { KeyError } from "../keys/errors.ts";
import { type Keyring, signingKey } from "../keys/keyring.ts";
import { keyringProblem, type Seed } from "../keys/seed.ts";
import { nodeHash } from "../keys/node-hash.ts";
import { announcedIn, keyInUse, openEpoch } from "../ledger/keys-said.ts";
import { lookUp } from "../ledger/look-up.ts";
import { damagedLog } from "../ledger/left-over.ts";
import { Reader, type StoredBlob } from "../ledger/reader.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { sourceOf } from "./source.ts";

export interface LedgerOptions {
  /** The ledger's file, or the folder that it is in; then no configuration counts unless it is named. */
  readonly ledger?: string;
  /** A folder of anchors in place of the configured targets, or a bucket (s3://…), which the others are about. */
  readonly anchors?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
  readonly profile?: string;
  readonly target?: string;
  readonly retention?: string;
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
  const stat = statSync(ledger, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliError("ledger_missing", `there is nothing at ${ledger}`, "--ledger names a ledger.db or the folder that it is in");
  const file = stat.isDirectory() ? join(ledger, "ledger.db") : ledger;
  if (!existsSync(file)) throw new CliError("ledger_missing", `there is no ledger.db in ${ledger}`, "--ledger names a ledger.db or the folder that it is in");
  if (!statSync(file).isFile()) throw new CliError("ledger_missing", `${file} is no file`, "--ledger names a ledger.db or the folder that it is in"); // a pipe would keep SQLite waiting
  accessSync(file, constants.R_OK); // SQLite would only say that it cannot open it
  return file;
}

/** The same for commands that verify nothing: on standard error they say that receipts may be missing. */
export async function withReaderOfSound<T>(cli: Cli, options: LedgerOptions, work: (reader: Reader) => Promise<T> | T): Promise<T> {
  return await withReader(cli, options, (reader) => {
    const damaged = damagedLog(ledgerPath(cli, options));
    if (damaged !== null) cli.note(`receiptd: wal_damaged: ${damaged}; receipts may be missing here, see: receiptd recover`);
    return work(reader);
  });
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
  if (options.anchors?.startsWith("s3://") === true) return [{ target: bucket(cli, options, options.anchors), required: true }];
  if (options.anchors !== undefined) {
    requireAnchors(cli, options.anchors);
    return [{ target: new DirectoryTarget({ name: "anchors", path: options.anchors }), required: true }];
  }
  if (isCopy(cli, options)) return [];
  const retention = retentionOf(options);
  return cli.config.anchor.targets.map((one) => {
    const target = openTarget(one.type === "s3" && retention !== undefined ? { ...one, retention } : one);
    return { target, required: one.required };
  });
}

function bucket(cli: Cli, { endpoint, region, pathStyle, profile, target, ...options }: LedgerOptions, from: string): AnchorTarget {
  const retention = retentionOf(options);
  const given = Object.entries({ endpoint, region, pathStyle, profile, name: target, retention }).filter(([, value]) => value !== undefined);
  return sourceOf(cli, { from, ...Object.fromEntries(given) });
}

function retentionOf({ retention }: LedgerOptions): number | undefined {
  if (retention === undefined) return undefined;
  const { data } = days("7y").safeParse(retention);
  if (data === undefined) throw new CliError("bad_usage", `--retention is a time from 1d to 100y, not ${retention.slice(0, 40)}`, "for example: --retention 7y");
  return data;
}

/** Refuses what cannot be a folder of anchors. One without any is only remarked on: whoever took them away would be spared the finding. */
function requireAnchors(cli: Cli, path: string): void {
  const names = namesIn(path);
  if (names.includes("v1")) return;
  const parts = resolve(path).split(sep);
  const above = names.length === 0 ? -1 : parts.lastIndexOf("v1");
  const meant = above > 0 ? parts.slice(0, above).join(sep) : names.map((name) => join(path, name)).find((inner) => existsSync(join(inner, "v1")));
  if (meant !== undefined) throw new CliError("no_targets", `${path} is not a folder of anchors: it has no v1 in it`, `did you mean ${meant}?`);
  cli.note(`${path} has no anchors of any ledger: there is no v1 in it`);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? `there is no folder ${folder}` : code === "ENOTDIR" ? `${folder} is not a folder` : `the folder cannot be read: ${message}`;
    throw new CliError("no_targets", why, "--anchors names a folder of anchors: the one with v1 in it", { cause: error });
  }
}

/** The keys of this host as far as they are on it, or why they cannot be used. `open`: of a forward-secure key, the open epoch's. */
export interface HostKeys {
  readonly keyring: Keyring;
  readonly open: RatchetState | null;
}

/** Why the host's keys cannot check all that they should, in words: then nothing counts as sealed by design. The keys were read before the ledger is. */
export function keysProblem({ keyring, open }: HostKeys, reader: Reader | null, seeds: readonly Seed[]): string | null {
  const changed = reader === null ? null : keyringProblem(keyring, (epoch) => announcedIn(reader, epoch));
  if (changed !== null) return changed;
  const used = reader === null ? null : keyInUse(reader);
  if (used !== null && !keyring.hmacKeys.some(({ keyId }) => keyId === used)) return `the keyring has no key ${used}, which the ledger is signed with: it is an older one (receiptd doctor)`;
  const key = signingKey(keyring, used);
  if (key.seed !== null || seeds.some(({ keyId }) => keyId === key.keyId)) return null;
  if (open?.keyId === key.keyId) {
    const epoch = reader === null ? null : openEpoch(reader); // a daemon that runs meanwhile takes the ledger on, never the ratchet before it
    if (epoch === null || open.epoch <= epoch) return null;
    return `the ratchet is at epoch ${open.epoch} of ${key.keyId}, the ledger at ${epoch}: the ledger is an older one or was cut, and not even the MACs of its open epoch can be checked (receiptd doctor)`;
  }
  return `the ratchet holds no key of ${key.keyId}, so that not even those of the open epoch can be checked (receiptd doctor)`;
}

/** `next`: what to do about it, where that is known. */
export async function hostKeys(cli: Cli): Promise<HostKeys | { readonly why: string; readonly next?: string | undefined }> {
  try {
    return await readKeys(cli.config);
  } catch (error) {
    if (error instanceof KeyError) return { why: error.message, next: error.next };
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
  const found = lookUp(reader, readWhich(naming));
  if (found === null) throw new CliError("not_found", "no such receipt in this ledger");
  return found;
}
