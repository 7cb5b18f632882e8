/**
 * Whoever audits a host: what there is to ask with (the anchors, the host's keys, the auditor's seeds, record, pins), and each of these
 * taken away. In this process, or as `receiptd audit`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryTarget } from "../../src/anchor/directory.ts";
import type { AnchorTarget } from "../../src/anchor/target.ts";
import { openTarget } from "../../src/anchor/targets.ts";
import { audit, type AuditOptions } from "../../src/audit/audit.ts";
import { type AuditRecord, formatRecord } from "../../src/audit/record.ts";
import { loadConfig } from "../../src/config.ts";
import { fromUtf8 } from "../../src/format/bytes.ts";
import { hashText } from "../../src/format/chain.ts";
import { LEDGER_ORGANIZATION } from "../../src/format/names.ts";
import { formatTime } from "../../src/format/time.ts";
import { nodeHash } from "../../src/keys/node-hash.ts";
import { formatSeed, sealedKeys, type Seed, startsOf } from "../../src/keys/seed.ts";
import { Reader } from "../../src/ledger/reader.ts";
import { keysOf } from "../demo/forge.ts";
import type { Host } from "../demo/hosts.ts";
import { receiptd } from "../demo/processes.ts";
import { ratchetOf } from "./root.ts";

/** What an audit has against an attack, and can be taken from it; and what writers keep, and what the daemon refuses at its socket. */
export const DEFENCES = ["anchors", "keys", "seed", "record", "revocation", "ledger id", "pinned keys", "newest pin", "all receipts", "time", "distrust of breaks", "acknowledgements", "door"] as const;
export type Defence = (typeof DEFENCES)[number];

export interface Question {
  /** The targets of the host's configuration; false: none. */
  readonly targets: boolean;
  /** A copy of the ledger and of its folder of anchors is all there is: which ledger it is, it says itself. */
  readonly isCopy: boolean;
  readonly ledgerGone: boolean;
  /** The host's own keys, to check MACs with. */
  readonly keys: boolean;
  readonly seeds: readonly Seed[];
  /** Pinned vkeys; null: those that the host says are its own. */
  readonly pins: readonly string[] | null;
  readonly hostSays: readonly string[];
  readonly ledgerId: string | null;
  /** ms, by key id */
  readonly revoked: ReadonlyMap<string, number>;
  readonly acceptSuspect: readonly string[];
  /** Keys that begin with a ratchet_break, and that is all right. */
  /** Hashes of ratchet_break receipts; null: of all that there are. */
  readonly acceptBreaks: readonly string[] | null;
  readonly since: AuditRecord | null;
  readonly allReceipts: boolean;
  /** ms from now; no process has another clock than the real one. */
  readonly later: number;
}

export const PLAIN: Question = {
  targets: true, isCopy: false, ledgerGone: false, keys: true, seeds: [], pins: null, hostSays: [], ledgerId: null, revoked: new Map(), acceptSuspect: [], acceptBreaks: [], since: null, allReceipts: false, later: 0,
};

/** The question of an auditor who lacks that. */
export function without(question: Question, defence: Defence): Question {
  switch (defence) {
    case "anchors": return { ...question, targets: false };
    case "keys": return { ...question, keys: false, seeds: [] };
    case "seed": return { ...question, seeds: [] };
    case "record": return { ...question, since: null, allReceipts: false };
    case "revocation": return { ...question, revoked: new Map() };
    case "ledger id": return { ...question, ledgerId: null };
    case "pinned keys": return { ...question, pins: null };
    case "newest pin": return { ...question, pins: question.pins?.slice(0, 1) ?? null };
    case "all receipts": return { ...question, allReceipts: false };
    case "time": return { ...question, later: 0 };
    case "distrust of breaks": return { ...question, acceptBreaks: null };
    case "acknowledgements": case "door": return question; // no audit has them
  }
}

export interface Found {
  readonly severity: "violation" | "interference" | "note";
  readonly code: string;
  readonly message: string;
  readonly where: string;
}

export interface Answer {
  readonly exitCode: number | null;
  readonly sentence: string;
  readonly findings: readonly Found[];
  readonly notChecked: readonly string[];
}

export class Auditor {
  readonly #folder: string;
  /** Ask with processes where that can be. */
  readonly #isProcess: boolean;
  processes = 0;
  audits = 0;
  #files = 0;

  constructor(folder: string, isProcess: boolean) {
    this.#folder = folder;
    this.#isProcess = isProcess;
  }

  async ask(host: Host, question: Question, isProcess = this.#isProcess): Promise<Answer> {
    this.audits++;
    return isProcess && question.targets && question.later === 0 ? await this.#byProcess(host, question) : await this.#here(host, question);
  }

  /** What an audit of everything keeps for later ones. It has to find nothing. */
  async record(host: Host, question: Question): Promise<AuditRecord> {
    let made: AuditRecord | null = null;
    await audit(await optionsOf(host, question), { onRecord: (record) => { made = record; } });
    if (made === null) throw new Error("the audit of an untouched ledger made no record");
    return made;
  }

  async #here(host: Host, question: Question): Promise<Answer> {
    const { exitCode, sentence, findings, notChecked, failedToCheck } = await audit(await optionsOf(host, question));
    return {
      exitCode, sentence, notChecked: [...notChecked, ...failedToCheck],
      findings: findings.map(({ severity, code, message, object, receiptNumber, logIndex }) => ({ severity, code, message, where: placeOf(receiptNumber, object, logIndex) })),
    };
  }

  async #byProcess(host: Host, question: Question): Promise<Answer> {
    this.processes++;
    const { code, stdout, stderr } = await receiptd(host, "audit", ...this.#args(host, question));
    if (stdout === "") return { exitCode: code, sentence: stderr.trim(), findings: [], notChecked: [] };
    const report = JSON.parse(stdout) as Printed;
    if (report.exit_code !== code) throw new Error(`the audit ended with ${code}, its report says ${report.exit_code}`);
    return {
      exitCode: code, sentence: report.sentence, notChecked: [...report.not_checked, ...report.failed_to_check],
      findings: report.findings.map(({ receipt_number, object, log_index, ...rest }) => ({ ...rest, where: placeOf(receipt_number, object, log_index) })),
    };
  }

  #args(host: Host, { isCopy, ledgerGone, keys, seeds, pins, hostSays, ledgerId, revoked, acceptSuspect, acceptBreaks, since, allReceipts }: Question): readonly string[] {
    const file = (text: string): string => {
      const path = join(this.#folder, `asked-${++this.#files}`);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    return [
      ...(isCopy ? ["--ledger", host.places.ledger, "--anchors", host.anchors] : []),
      ...(ledgerGone ? ["--ledger-gone"] : []),
      ...(keys && !isCopy ? [] : ["--no-keys"]),
      ...seeds.flatMap((seed) => ["--seed", file(fromUtf8(formatSeed(seed)))]),
      ...(pins ?? [...keysOf(host).checkpointKeys.map(({ vkey }) => vkey), ...hostSays]).flatMap((vkey) => ["--vkey", vkey]),
      ...(ledgerId === null ? [] : ["--ledger-id", ledgerId]),
      ...[...revoked].flatMap(([key, time]) => ["--revoked", `${key}=${formatTime(time)}`]),
      ...acceptSuspect.flatMap((key) => ["--accept-suspect", key]),
      ...(acceptBreaks ?? breaksOf(host)).flatMap((hash) => ["--accept-break", hash]),
      ...(since === null ? [] : ["--since", file(formatRecord(since))]),
      ...(allReceipts ? ["--all-receipts"] : []),
    ];
  }
}

/** `receiptd audit --json`, as far as it is used here. */
interface Printed {
  readonly exit_code: number;
  readonly sentence: string;
  readonly not_checked: readonly string[];
  readonly failed_to_check: readonly string[];
  readonly findings: readonly {
    readonly severity: Found["severity"]; readonly code: string; readonly message: string;
    readonly receipt_number?: string; readonly log_index?: number; readonly object?: { readonly name: string };
  }[];
}

export function targetsOf(host: Host): readonly AnchorTarget[] {
  return loadConfig({ path: host.config, env: {} }).anchor.targets.map((target) => openTarget({ ...target, path: host.anchors } as Parameters<typeof openTarget>[0]));
}

async function optionsOf(host: Host, question: Question): Promise<AuditOptions> {
  const { isCopy, ledgerGone, keys, seeds, pins, hostSays, ledgerId, revoked, acceptSuspect, acceptBreaks, since, allReceipts, later } = question;
  const keyring = keysOf(host);
  const own = keys && !isCopy ? keyring : null;
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  const said = reader.identity();
  reader.close();
  const targets = isCopy ? [new DirectoryTarget({ name: "anchors", path: host.anchors })] : targetsOf(host);
  return {
    ledgerPath: ledgerGone ? null : host.places.ledger,
    ledger: { origin: keyring.origin, ledgerId: ledgerId ?? (isCopy ? said.ledgerId : keyring.ledgerId) },
    targets: question.targets ? targets : [],
    vkeys: pins ?? [...keyring.checkpointKeys.map(({ vkey }) => vkey), ...hostSays],
    areVkeysPinned: pins !== null,
    keys: own === null && seeds.length === 0 ? null : {
      starts: startsOf(own, own === null ? null : ratchetOf(host, own), seeds), sealed: own === null ? [] : sealedKeys(own, seeds), requestSecret: own?.requestSecret ?? null,
    },
    revoked: { since: revoked, accepted: new Set(acceptSuspect) },
    acceptedBreaks: new Set(acceptBreaks ?? breaksOf(host)),
    since: since ?? undefined,
    allReceipts, now: Date.now() + later, workers: 0,
  };
}

function breaksOf(host: Host): readonly string[] {
  const reader = new Reader(host.places.ledger, nodeHash.sha256);
  try {
    const own = reader.organizationPage(LEDGER_ORGANIZATION, 1, 1_000_000).flatMap(({ blob }) => (blob === null ? [] : [blob]));
    return own.filter((blob) => (JSON.parse(fromUtf8(blob)) as { readonly type: string }).type === "ratchet_break").map((blob) => hashText(nodeHash.sha256(blob)));
  } finally {
    reader.close();
  }
}

function placeOf(receiptNumber: string | undefined, object: { readonly name: string } | undefined, logIndex: number | undefined): string {
  if (receiptNumber !== undefined) return receiptNumber;
  if (object !== undefined) return object.name.replace(/^.*\/(anchors|batches|receipts)\/0*/, "$1/…").replace(/-([0-9a-f]{8})[0-9a-f]{56}\./, "-$1….");
  return logIndex === undefined ? "the ledger" : `log index ${logIndex}`;
}
