/** The keys whose signatures count: pinned by whoever checks; what the host itself holds is only a hint. */
import { Option, type Command } from "commander";
import { readBounded } from "../config/input-file.ts";
import { fromUtf8 } from "../format/bytes.ts";
import { FormatError } from "../format/errors.ts";
import { parseVkey } from "../format/note.ts";
import type { Keyring } from "../keys/keyring.ts";
import { KEY_ID } from "../format/names.ts";
import { collect } from "./command.ts";
import { CliError } from "./errors.ts";
import { parseUtc } from "./times.ts";

/** To the end of its line, from the beginning or behind a space, which no vkey has. */
const COMMENT = /(?:^|\s)#[^]*$/;
const MAX_FILE = 1_048_576;
const REVOKED = /^revoked(\s|$)/;
const BREAK = /^break(\s|$)/;
const HASH = /^sha256:[0-9a-f]{64}$/;
const REVOKED_KEY = /^revoked\s+(\S+)\s+(\S+)$/;

export interface PinOptions {
  readonly vkey?: readonly string[];
  readonly trust?: string;
  readonly revoked?: readonly string[];
  readonly acceptBreak?: readonly string[];
}

export interface Pins {
  readonly vkeys: readonly string[];
  /** Their names, the origins that they sign for. */
  readonly names: readonly string[];
  /** False: they come from the keyring of the very host that is checked. */
  readonly pinned: boolean;
  /** ms, by the id of an HMAC key that is not to be believed any more: since when. */
  readonly revoked: ReadonlyMap<string, number>;
  /** `sha256:…` of each `ratchet_break` receipt of which the auditor knows. */
  readonly breaks: ReadonlySet<string>;
}

export function addPinOptions(command: Command): Command {
  return command
    .addOption(new Option("--vkey <vkey>", "believe anchors signed by this key; may be given several times").argParser(collect))
    .addOption(new Option("--revoked <key=time>", "a key of receipts (key_v1) that is not to be believed since this time, UTC; may be given several times").argParser(collect))
    .addOption(new Option("--accept-break <hash>", "you know of the ratchet_break receipt with this hash: a note, and no finding; may be given several times").argParser(collect))
    .option("--trust <file>", "a file of such keys, one a line, and of lines such as: revoked key_v1 2026-06-30T09:00:00Z, or: break sha256:6f1c…; # begins a comment");
}

/** Throws FormatError `bad_vkey`. */
export function pinsOf(options: PinOptions, own: Keyring | null): Pins {
  const lines = options.trust === undefined ? [] : linesIn(options.trust);
  const given = [...(options.vkey ?? []), ...lines.filter((line) => !REVOKED.test(line) && !BREAK.test(line))];
  const revoked = [...(options.revoked ?? []).map((text) => /^([^=]*)=(.*)$/.exec(text)), ...lines.filter((line) => REVOKED.test(line)).map((line) => REVOKED_KEY.exec(line))];
  const breaks = [...(options.acceptBreak ?? []), ...lines.filter((line) => BREAK.test(line)).map((line) => line.replace(/^break\s*/, ""))].map(breakHash);
  const vkeys = given.length > 0 ? given : (own?.checkpointKeys ?? []).map(({ vkey }) => vkey);
  return { vkeys, names: vkeys.map((vkey) => parseVkey(vkey).name), pinned: given.length > 0, revoked: new Map(revoked.map(revocation)), breaks: new Set(breaks) };
}

function revocation(match: RegExpExecArray | null): [string, number] {
  const [, keyId = "", time = ""] = match ?? [];
  if (!KEY_ID.test(keyId)) throw new CliError("bad_usage", "a revoked key is named with the time since when it is not to be believed", "for example: --revoked key_v1=2026-06-30T09:00:00Z, or in the file of --trust: revoked key_v1 2026-06-30T09:00:00Z");
  return [keyId, parseUtc("--revoked", time)];
}

function breakHash(hash: string): string {
  if (HASH.test(hash)) return hash;
  throw new CliError("bad_usage", "a ratchet_break is named by its receipt's hash", "as receiptd key break told whoever ran it, and an audit's finding has it: --accept-break sha256:…, or in the file of --trust: break sha256:…");
}

function linesIn(file: string): readonly string[] {
  const bytes = readBounded(file, MAX_FILE, (why) => new CliError("bad_usage", `${file} is no file of keys to trust: ${why}`));
  const keys = fromUtf8(bytes).split("\n").map((line) => line.replace(COMMENT, "").trim()).filter((line) => line !== "");
  if (keys.every((line) => REVOKED.test(line) || BREAK.test(line))) throw new FormatError("bad_vkey", `${file} holds no vkey`);
  return keys;
}
