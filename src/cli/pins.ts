/** The keys whose signatures count: pinned by whoever checks; what the host itself holds is only a hint. */
import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { FormatError } from "../format/errors.ts";
import { parseVkey } from "../format/note.ts";
import type { Keyring } from "../keys/keyring.ts";
import { collect } from "./command.ts";

export interface PinOptions {
  readonly vkey?: readonly string[];
  readonly trust?: string;
}

export interface Pins {
  readonly vkeys: readonly string[];
  /** Their names, the origins that they sign for. */
  readonly names: readonly string[];
  /** False: they come from the keyring of the very host that is checked. */
  readonly pinned: boolean;
}

export function addPinOptions(command: Command): Command {
  return command
    .addOption(new Option("--vkey <vkey>", "believe anchors signed by this key; may be given several times").argParser(collect))
    .option("--trust <file>", "a file of such keys, one a line; # begins a comment");
}

/** Throws FormatError `bad_vkey`. */
export function pinsOf(options: PinOptions, own: Keyring | null): Pins {
  const given = [...(options.vkey ?? []), ...(options.trust === undefined ? [] : keysIn(options.trust))];
  const vkeys = given.length > 0 ? given : (own?.checkpointKeys ?? []).map(({ vkey }) => vkey);
  return { vkeys, names: vkeys.map((vkey) => parseVkey(vkey).name), pinned: given.length > 0 };
}

function keysIn(file: string): readonly string[] {
  const keys = readFileSync(file, "utf8").split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) throw new FormatError("bad_vkey", `${file} holds no vkey`);
  return keys;
}
