/** `receiptd evidence`: one receipt with all that a stranger needs to check it, in one file. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { BundleError } from "../bundle/errors.ts";
import { evidenceOf } from "../bundle/evidence.ts";
import type { PublishedAnchor, PublishedAnchors } from "../bundle/published.ts";
import { utf8 } from "../format/bytes.ts";
import { type Cosigner, parseCosigner } from "../format/cosignature.ts";
import type { PublishedAt } from "../format/members.ts";
import { parseVkey } from "../format/note.ts";
import { formatTime } from "../format/time.ts";
import { MAX_TLOG_PROOF_BYTES, parseTlogProof } from "../format/tlog-proof.ts";
import type { Reader, StoredBlob } from "../ledger/reader.ts";
import { wordsFor } from "../verify/evidence-words.ts";
import { anchorSizes } from "./anchored.ts";
import type { Cli } from "./cli.ts";
import { collect, examples, receiptArgument, type Run } from "./command.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { findReceipt, hostKeys, isCopy, type LedgerOptions, namingOf, type NamedTarget, targets, withReader } from "./ledger-files.ts";
import { addPinOptions, type PinOptions, pinsOf } from "./pins.ts";
import { type AtTarget, findAnchor } from "./verify-anchor.ts";

interface EvidenceOptions extends LedgerOptions, PinOptions {
  readonly output?: string;
  readonly auditor?: readonly string[];
}

type Anchored = Extract<AtTarget, { state: "anchored" }> & NamedTarget;

export function addEvidence(program: Command, run: Run): void {
  addPinOptions(program.command("evidence")
    .summary("one receipt with its proof, in a file for anybody")
    .description("Writes one receipt with the proof that it is under an anchor, in one file. Whoever has the ledger's vkey can check it offline: receiptd verify-bundle, the page verify.html, or docs/verify.py."))
    .addArgument(receiptArgument())
    .option("-o, --output <file>", "write to this new file (default: standard output)")
    .option("--ledger <path>", "a copy of a ledger (its file or folder) in place of the configured one")
    .option("--auditor <vkey>", "add the countersignature by this auditor's key, beside those that are configured, if there is one of an anchor over it; may be given several times", collect)
    .option("--anchors <folder>", "a folder of anchors in place of the configured targets")
    .addHelpText("after", examples(["receiptd evidence PR-2026-00042 -o PR-2026-00042.evidence.json", "receiptd evidence PR-2026-00042 --auditor 'auditor.example.com+5e6f7a8b+BA…'"]))
    .action(run(evidence));
}

async function evidence(cli: Cli, receipt: string, options: EvidenceOptions): Promise<ExitCode> {
  const host = await hostKeys(cli);
  const { vkeys, pinned } = pinsOf(options, "keyring" in host ? host.keyring : null);
  if (vkeys.length === 0) throw new CliError("no_evidence", "the anchors' signatures cannot be checked: no verifier key is known", "name it with --vkey or --trust");
  const { text, facts } = await withReader(cli, options, (reader) => (
    evidenceOf(reader, findReceipt(reader, namingOf(receipt)), new AnchorsAtTargets(reader, targets(cli, options), vkeys), { vkeys, auditors: auditorsOf(cli, options) })
  )); // what is handed out has been checked
  const { sentence } = wordsFor(facts, pinned);
  if (options.output === undefined) {
    process.stdout.write(text);
    return 0;
  }
  writeFileSync(options.output, text, { flag: "wx" });
  cli.result({ file: options.output, bytes: utf8(text).length, sentence }, () => `${sentence}\nThe evidence is in ${options.output}. Whoever gets it needs the vkey by another way: receiptd verify-bundle ${options.output} --vkey …`);
  return 0;
}

/** The anchors as the targets have them: asked for, read back, and signed by a key of these. */
export class AnchorsAtTargets implements PublishedAnchors {
  readonly #reader: Reader;
  readonly #targets: readonly NamedTarget[];
  readonly #vkeys: readonly string[];

  constructor(reader: Reader, at: readonly NamedTarget[], vkeys: readonly string[]) {
    [this.#reader, this.#targets, this.#vkeys] = [reader, at, vkeys];
  }

  /** All that were found of the smallest size among them. */
  async over({ logIndex, receiptHash }: Pick<StoredBlob, "logIndex" | "receiptHash">): Promise<PublishedAnchor> {
    const reader = this.#reader;
    const ledger = reader.identity();
    const found: Anchored[] = [];
    const reasons: string[] = [];
    for (const one of this.#targets) {
      const at = await findAnchor(one.target, { logIndex, hash: receiptHash, ledger, vkeys: this.#vkeys.map(parseVkey), reader, closed: null, now: Date.now() });
      if (at.state === "anchored") found.push({ ...at, ...one });
      else if (at.state === "contradicted") throw new BundleError("no_evidence", `${one.target.name} contradicts the receipt: ${at.error.code}: ${at.error.message}`, "see: receiptd verify, receiptd audit");
      else reasons.push(at.state === "missing" ? at.problem.message : at.why);
    }
    if (found.length === 0) throw new BundleError("not_anchored", reasons.length === 0 ? "no target is configured or named in which its anchor could be" : reasons.join("; "), "anchor it with: receiptd anchor; or name the anchors with --anchors");
    const treeSize = Math.min(...found.map(({ facts }) => facts.treeSize));
    const smallest = found.filter(({ facts }) => facts.treeSize === treeSize) as unknown as readonly [Anchored, ...Anchored[]];
    const [{ target, version, facts }] = smallest;
    const { checkpoint } = parseTlogProof((await target.get(version, MAX_TLOG_PROOF_BYTES)).bytes);
    return { treeSize, checkpoint, signedBy: facts.signedBy, published: smallest.map(placeOf) };
  }

  async sizes(from: number, before: number): Promise<readonly number[]> {
    const sizes = new Set<number>();
    for (const { target } of this.#targets) for (const size of (await anchorSizes(target, this.#reader.identity(), from)).keys()) if (size < before) sizes.add(size);
    return [...sizes].sort((a, b) => a - b);
  }
}

/** The keys of auditors that are configured for this ledger, and those that are named. */
export function auditorsOf(cli: Cli, options: LedgerOptions & { readonly auditor?: readonly string[] }): readonly Cosigner[] {
  return [...new Set([...(isCopy(cli, options) ? [] : cli.config.auditors), ...(options.auditor ?? [])])].map(parseCosigner);
}

function placeOf({ target, version }: Anchored): PublishedAt {
  return { target: target.name, object: version.name, version_id: version.versionId, last_modified: formatTime(version.lastModified) };
}
