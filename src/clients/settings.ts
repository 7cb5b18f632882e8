/** How a client is set up: by options, else by the environment (RECEIPTD_SOCKET and RECEIPTD_CLIENT_…), else as is usual. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ORGANIZATION } from "../format/names.ts";
import type { BreakerOptions } from "./breaker.ts";
import { badSetting } from "./errors.ts";
import type { SpoolReport } from "./spool.ts";

export type Ack = "disk" | "wal";

export interface ClientOptions {
  /** The daemon's socket. RECEIPTD_SOCKET; else receiptd-data/receiptd.sock if that is there, else /run/receiptd/receiptd.sock. */
  readonly socket?: string;
  /** Of receipts that name none. RECEIPTD_CLIENT_ORGANIZATION. */
  readonly organization?: string;
  /** Of receipts that name none. RECEIPTD_CLIENT_SYSTEM_ID. */
  readonly systemId?: string;
  /** What an acknowledgement has to guarantee; left out, the daemon's own setting. RECEIPTD_CLIENT_ACK. */
  readonly ack?: Ack;
  /** For a call from beginning to end: connecting, trying again, the answer. 5000. RECEIPTD_CLIENT_TIMEOUT_MS. */
  readonly timeoutMs?: number;
  /** Where `receiptd http` answers, for verifyReceipt. RECEIPTD_CLIENT_HTTP. */
  readonly http?: string;
  readonly breaker?: BreakerOptions;
  /** A folder that takes receipts while the daemon does not: docs/CLIENTS.md says what that means. RECEIPTD_CLIENT_SPOOL. */
  readonly spool?: string;
  /** `fallback`, while the daemon is unavailable; `always`, first of all. */
  readonly spoolMode?: "fallback" | "always";
  /** That long the daemon is given first, at most. 500. */
  readonly spoolWaitMs?: number;
  /** 64 MiB. */
  readonly spoolMaxBytes?: number;
  /** 100,000. */
  readonly spoolMaxReceipts?: number;
  /** Told of a receipt in the spool that the daemon refuses for good, and of a damaged one; left out, a process warning. */
  readonly onRefused?: (report: SpoolReport) => void;
  readonly onDamaged?: (report: SpoolReport) => void;
}

export interface Settings {
  readonly socket: string;
  readonly organization: string | undefined;
  readonly systemId: string | undefined;
  readonly ack: Ack | undefined;
  readonly timeoutMs: number;
  readonly http: string | undefined;
  readonly spool: SpoolSettings | undefined;
}

export interface SpoolSettings {
  readonly folder: string;
  /** The daemon is not asked first. */
  readonly isFirst: boolean;
  /** ms that the daemon is given first. */
  readonly waitMs: number;
  readonly maxBytes: number;
  readonly maxReceipts: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** ms */
const TIMEOUT = 5000;
/** ms; what a timer can wait for. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;
const LOCAL_SOCKET = "receiptd-data/receiptd.sock";
const HOST_SOCKET = "/run/receiptd/receiptd.sock";
const MAX_SYSTEM_ID = 256;
const SPOOL_MODES: ReadonlySet<string> = new Set(["fallback", "always"]);
/** ms */
const SPOOL_WAIT = 500;
const SPOOL_MAX_BYTES = 64 * 1024 * 1024;
const SPOOL_MAX_RECEIPTS = 100_000;

/** Throws ReceiptError `bad_setting` that names the option or variable. */
export function readSettings(options: ClientOptions, env: Environment): Settings {
  const from = <T>(option: keyof ClientOptions, variable: string, read: (value: unknown, name: string) => T, parse: (text: string) => unknown = (it) => it): T | undefined => {
    if (options[option] !== undefined) return read(options[option], option);
    return env[variable] === undefined || env[variable] === "" ? undefined : read(parse(env[variable]), variable);
  };
  if (typeof options !== "object" || options === null) throw badSetting("options", "an object of them");
  for (const name of ["onRefused", "onDamaged"] as const) if (options[name] !== undefined && typeof options[name] !== "function") throw badSetting(name, "a function");
  return {
    socket: from("socket", "RECEIPTD_SOCKET", text) ?? (existsSync(LOCAL_SOCKET) ? resolve(LOCAL_SOCKET) : HOST_SOCKET),
    organization: from("organization", "RECEIPTD_CLIENT_ORGANIZATION", organization),
    systemId: from("systemId", "RECEIPTD_CLIENT_SYSTEM_ID", systemId),
    ack: from("ack", "RECEIPTD_CLIENT_ACK", ackLevel),
    timeoutMs: from("timeoutMs", "RECEIPTD_CLIENT_TIMEOUT_MS", milliseconds, digits) ?? TIMEOUT,
    http: from("http", "RECEIPTD_CLIENT_HTTP", baseUrl),
    spool: spoolSettings(options, from("spool", "RECEIPTD_CLIENT_SPOOL", (value, name) => resolve(text(value, name)))),
  };
}

/** Checked also where there is no spool: it may be the folder that was forgotten. */
function spoolSettings({ spoolMode = "fallback", spoolWaitMs = SPOOL_WAIT, spoolMaxBytes = SPOOL_MAX_BYTES, spoolMaxReceipts = SPOOL_MAX_RECEIPTS }: ClientOptions, folder: string | undefined): SpoolSettings | undefined {
  if (!SPOOL_MODES.has(spoolMode)) throw badSetting("spoolMode", "fallback or always");
  const waitMs = milliseconds(spoolWaitMs, "spoolWaitMs");
  for (const [name, value] of Object.entries({ spoolMaxBytes, spoolMaxReceipts })) if (!Number.isSafeInteger(value) || value < 1) throw badSetting(name, "a whole number from 1");
  return folder === undefined ? undefined : { folder, isFirst: spoolMode === "always", waitMs, maxBytes: spoolMaxBytes, maxReceipts: spoolMaxReceipts };
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) throw badSetting(name, "a path");
  return value;
}

function organization(value: unknown, name: string): string {
  if (typeof value !== "string" || !ORGANIZATION.test(value)) throw badSetting(name, "the name of an organization: 1 to 64 of a-z, 0-9, ., _ and -");
  return value;
}

function systemId(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || value.length > MAX_SYSTEM_ID) throw badSetting(name, `a text of 1 to ${MAX_SYSTEM_ID} characters`);
  return value;
}

export function ackLevel(value: unknown, name: string): Ack {
  if (value !== "disk" && value !== "wal") throw badSetting(name, "disk or wal");
  return value;
}

export function milliseconds(value: unknown, name: string): number {
  if (typeof value !== "number" || !(value >= 1 && value <= LONGEST_TIMEOUT)) throw badSetting(name, `milliseconds, from 1 to ${LONGEST_TIMEOUT}`);
  return value;
}

function digits(text: string): unknown {
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : text;
}

function baseUrl(value: unknown, name: string): string {
  const url = typeof value === "string" ? URL.parse(value) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw badSetting(name, "an address that begins with http:// or https://");
  return url.href.replace(/\/+$/, "");
}
