/** `receiptd evidence`: one receipt with all that a stranger needs to check it, in one file. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { formatEvidence } from "../format/evidence.ts";
import { utf8 } from "../format/bytes.ts";
import { MAX_HINTS, type PublishedAt } from "../format/members.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { formatTlogProof, MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import { verifyByNode } from "../keys/node-ed25519.ts";
import { nodeHash } from "../keys/node-hash.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { verifyEvidence } from "../verify/evidence.ts";
import { wordsFor } from "../verify/evidence-words.ts";
import type { Cli } from "./cli.ts";
import { examples, receiptArgument, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { findReceipt, hostKeys, type LedgerOptions, namingOf, type NamedTarget, targets, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { type AtTarget, findAnchor } from "./verify-anchor.ts";

interface EvidenceOptions extends LedgerOptions, PinOptions {
  readonly output?: string;
}

export type Anchored = Extract<AtTarget, { state: "anchored" }> & NamedTarget;

export function addEvidence(program: Command, run: Run): void {
  addPinOptions(program.command("evidence")
    .summary("one receipt with its proof, in a file for anybody")
    .description("Writes one receipt with the proof that it is under an anchor, in one file. Whoever has the ledger's vkey can check it offline: receiptd verify-bundle, the page verify.html, or docs/verify.py."))
    .addArgument(receiptArgument())
    .option("-o, --output <file>", "write to this new file (default: standard output)")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .addHelpText("after", examples(["receiptd evidence PR-2026-00042 -o PR-2026-00042.evidence.json"]))
    .action(run(evidence));
}

async function evidence(cli: Cli, receipt: string, options: EvidenceOptions): Promise<ExitCode> {
  const host = await hostKeys(cli);
  const { vkeys, pinned } = pinsOf(options, "keyring" in host ? host.keyring : null);
  if (vkeys.length === 0) throw new CliError("no_evidence", "the anchors' signatures cannot be checked: no verifier key is known", "name it with --vkey or --trust");
  const text = await withReader(cli, options, async (reader) => {
    const found = findReceipt(reader, namingOf(receipt));
    if (found.blob === null) throw new CliError("not_found", "the receipt is in the index of the ledger, but its bytes are missing", "see what can be done with: receiptd recover");
    const at = await anchorsOver(reader, found, targets(cli, options), vkeys);
    return await evidenceFrom(reader, { ...found, blob: found.blob }, at);
  });
  const { sentence } = wordsFor(verifyEvidence(utf8(text), vkeys.map(parseVkey), { hash: nodeHash, verify: verifyByNode }), pinned); // what is handed out has been checked
  if (options.output === undefined) {
    process.stdout.write(text);
    return 0;
  }
  writeFileSync(options.output, text, { flag: "wx" });
  cli.result({ file: options.output, bytes: utf8(text).length, sentence }, () => `${sentence}\nThe evidence is in ${options.output}. Whoever gets it needs the vkey by another way: receiptd verify-bundle ${options.output} --vkey …`);
  return 0;
}

/** The anchors over it that were found, all of the smallest size among them. */
export async function anchorsOver(reader: Reader, { logIndex, receiptHash }: Pick<StoredBlob, "logIndex" | "receiptHash">, at: readonly NamedTarget[], vkeys: readonly string[]): Promise<readonly Anchored[]> {
  const ledger = reader.identity();
  const anchored: Anchored[] = [];
  const reasons: string[] = [];
  for (const one of at) {
    const found = await findAnchor(one.target, { logIndex, hash: receiptHash, ledger, vkeys: vkeys.map(parseVkey), reader, closed: null, now: Date.now() });
    if (found.state === "anchored") anchored.push({ ...found, ...one });
    else if (found.state === "contradicted") throw new CliError("no_evidence", `${one.target.name} contradicts the receipt: ${found.error.code}: ${found.error.message}`, "see: receiptd verify, receiptd audit");
    else reasons.push(found.state === "missing" ? found.problem.message : found.why);
  }
  if (anchored.length === 0) throw new CliError("not_anchored", reasons.length === 0 ? "no target is configured or named in which its anchor could be" : reasons.join("; "), "anchor it with: receiptd anchor; or name the anchors with --anchors");
  const treeSize = Math.min(...anchored.map(({ facts }) => facts.treeSize));
  return anchored.filter(({ facts }) => facts.treeSize === treeSize);
}

async function evidenceFrom(reader: Reader, { logIndex, blob }: StoredBlob & { readonly blob: Uint8Array }, at: readonly Anchored[]): Promise<string> {
  const [{ target, version, facts }] = at as readonly [Anchored];
  const { checkpoint } = parseTlogProof((await target.get(version, MAX_TLOG_PROOF_BYTES)).bytes);
  const proof = formatTlogProof({ index: logIndex, path: reader.inclusionPath(logIndex, facts.treeSize), checkpoint });
  return formatEvidence({ ledger: reader.identity().origin, receipt: blob, proof, published: at.slice(0, MAX_HINTS).map(placeOf), vkeys: facts.signedBy.slice(0, MAX_HINTS) }, nodeHash);
}

export function placeOf({ target, version }: Anchored): PublishedAt {
  return { target: target.name, object: version.name, version_id: version.versionId, last_modified: formatTime(version.lastModified) };
}
