/** Exports of a small ledger, made by the command, and hands to change them: whoever passes a file on can do all of this. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../../src/format/bytes.ts";
import { canonicalize } from "../../src/format/canonical.ts";
import { hashText } from "../../src/format/chain.ts";
import { receiptLeaf } from "../../src/format/entries.ts";
import { formatDigestLine, formatHashLine, isExport } from "../../src/format/export.ts";
import { CompactRange } from "../../src/format/merkle.ts";
import { parseVkey, type VerifyEd25519, type Vkey } from "../../src/format/note.ts";
import type { Json } from "../../src/format/strict-json.ts";
import { formatTime } from "../../src/format/time.ts";
import { verifyByNode } from "../../src/keys/node-ed25519.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { VerifyError } from "../../src/verify/errors.ts";
import { type ExportFacts, type ExportOptions, ExportReader } from "../../src/verify/export.ts";
import { here } from "../cli/here.ts";
import { Host } from "../cli/host.ts";
import type { TestLedger } from "../support/ledger.ts";

export type Header = Readonly<Record<string, Json>>;

/** The lines without their line feeds; the header is the first, the digest the last. */
export type Lines = readonly string[];

export interface Asked {
  readonly from?: number;
  readonly to?: number;
  readonly organization?: string;
}

/** Where the commands run: there is nothing of the ledger's. For all files of this process, which share it. */
export const elsewhere = new Host(null);
process.once("exit", () => rmSync(elsewhere.dir, { recursive: true, force: true }));
let made = 0;
/** What was asked of Ed25519 already: keys and signatures take longer than all else in a small export, and are mostly the same. */
const vkeys = new Map<string, Vkey>();
const signatures = new Map<string, boolean>();

const verify: VerifyEd25519 = (...asked) => {
  const key = asked.map((bytes) => Buffer.from(bytes).toString("hex")).join();
  const known = signatures.get(key) ?? verifyByNode(...asked);
  signatures.set(key, known);
  return known;
};

/** By the command, from the closed or open ledger and a folder of anchors. */
export async function exported(ledger: TestLedger, folder: string, asked: Asked = {}): Promise<Lines> {
  const output = join(ledger.dir, `export-${made++}.ndjson`);
  const args = ["export", "-o", output, "--ledger", ledger.path, "--anchors", folder, "--vkey", ledger.vkey, "--json"];
  if (asked.from !== undefined) args.push("--from", formatTime(asked.from));
  if (asked.to !== undefined) args.push("--to", formatTime(asked.to));
  if (asked.organization !== undefined) args.push("--organization", asked.organization);
  const { code, stderr } = await here(elsewhere, args);
  if (code !== 0 && !existsSync(output)) throw new Error(stderr); // 2, and a file: it does not reach as far as was asked
  const text = readFileSync(output, "utf8");
  rmSync(output);
  return text.split("\n").slice(0, -1);
}

export function bytesOf(lines: Lines): Uint8Array {
  return utf8(lines.map((line) => `${line}\n`).join(""));
}

/** In pieces of this many bytes; `options`: with none, as in a browser. */
export function read(bytes: Uint8Array, vkey: string, piece = bytes.length, options: ExportOptions = { hash: nodeHash, verify }): ExportFacts {
  if (!vkeys.has(vkey)) vkeys.set(vkey, parseVkey(vkey));
  const reader = new ExportReader([vkeys.get(vkey)!], options);
  for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.slice(at, at + piece));
  return reader.end();
}

/** The facts, or the code of what is wrong. */
export function judged(lines: Lines, vkey: string): ExportFacts | string {
  return judgedBytes(bytesOf(lines), vkey);
}

export function judgedBytes(bytes: Uint8Array, vkey: string): ExportFacts | string {
  try {
    return isExport(bytes.subarray(0, bytes.indexOf(0x0a))) ? read(bytes, vkey) : "no export";
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    return error.code;
  }
}

/** With another digest, as whoever changes a file on purpose makes it. */
export function redigested(lines: Lines): Lines {
  const before = lines.slice(0, -1);
  return [...before, Buffer.from(formatDigestLine(nodeHash.sha256(bytesOf(before)))).toString()];
}

export function headerOf(lines: Lines): Header {
  return JSON.parse(lines[0]!) as Header;
}

export function withHeader(lines: Lines, change: Header): Lines {
  return redigested([canonicalize({ ...headerOf(lines), ...change }), ...lines.slice(1)]);
}

/** `change` gets the lines of the log. */
export function withLog(lines: Lines, change: (log: string[]) => string[], header: Header = {}): Lines {
  return withHeader([lines[0]!, ...change(lines.slice(1, -1)), lines.at(-1)!], header);
}

/** As if it were another organization's. */
export function hidden(line: string): string {
  return Buffer.from(formatHashLine(nodeHash.sha256(utf8(line)))).toString();
}

/** The first line of the log that is a receipt of this organization, counted from `skip` on. */
export function indexOf(log: readonly string[], organization: string, skip = 0): number {
  return log.findIndex((line, i) => i >= skip && line.includes(`"organization":"${organization}"`));
}

/** The root over a range that `left` begins, after these lines: what a dishonest holder of the ledger's key could sign. */
export function rootOver(lines: Lines): Uint8Array {
  const { first, left } = headerOf(lines) as { readonly first: number; readonly left: readonly string[] };
  const range = new CompactRange({ size: first, nodes: left.map((node) => new Uint8Array(Buffer.from(node, "base64"))) });
  for (const line of lines.slice(1, -1)) range.append(receiptLeaf(line.startsWith("{") ? nodeHash.sha256(utf8(line)) : new Uint8Array(Buffer.from(line.slice(8, -1), "hex")), nodeHash.sha256));
  return range.root();
}

export function reading<T>(ledger: TestLedger, work: (reader: Reader) => T): T {
  const reader = new Reader(ledger.path, nodeHash.sha256);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** What a header has of an organization at an anchor, with nothing to show it. */
export const claimed = (orgSeq: number, hash: Uint8Array): Header => ({ org_seq: orgSeq, hash: hashText(hash), index: 0, size: 1, path: [] });
