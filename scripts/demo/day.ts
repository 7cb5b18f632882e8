/** The first chapter: a ledger, its daemon, a loan scorer that acts on acknowledged receipts, anchors, an audit; and a crash. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compare, passes } from "./auditor.ts";
import { type Host, makeHost } from "./hosts.ts";
import { Daemon, json, replayCommand, type Scored, scorer } from "./processes.ts";
import type { Report } from "./report.ts";

/** What the rest of the demo goes on with. The daemon is dead, its files are as it left them. */
export interface Day {
  readonly host: Host;
  /** File with the vkey that the auditor has pinned. */
  readonly pins: string;
  /** File with what the daemon has acknowledged to the loan scorer. */
  readonly acknowledgements: string;
  /** Tree size of the newest anchor. */
  readonly anchored: number;
  /** Receipts of the tail behind it. */
  readonly tail: number;
}

const ORIGIN = "demo.example/loans";
const number = (n: number): string => n.toLocaleString("en-US");

/** `target`: the setting of a target in place of a folder. */
export async function dayOfWork(report: Report, folder: string, decisions: number, tail: number, target?: string): Promise<Day> {
  const host = makeHost(join(folder, "host"), ORIGIN, Math.ceil(decisions / 4), target);
  const desk = join(folder, "loan-scorer");
  const pins = join(folder, "pinned-vkeys.txt");
  const acknowledgements = join(desk, "acknowledgements.ndjson");
  mkdirSync(desk);
  writeFileSync(join(desk, "pseudonyms.key"), randomBytes(32), { mode: 0o600 });
  let daemon!: Daemon;
  let anchored = 0;

  report.chapter("1. A day's work");
  await report.step("a ledger is created", async () => {
    const { origin, vkey } = await json<{ readonly origin: string; readonly vkey: string }>(host, "init");
    writeFileSync(pins, `${vkey}\n`);
    return `The ledger ${origin} is created; the auditor pins its public key (${vkey.split("+")[1]})`;
  });
  await report.step("the daemon starts", async () => {
    daemon = await Daemon.serve(host);
    return "The daemon takes receipts on a Unix socket";
  });
  await report.step("the loan scorer works", async () => {
    const { acted, APPROVE, lent, seconds, not_recorded } = await scorer(host, desk, 0, decisions);
    if (acted !== decisions) throw new Error(`${acted} of ${decisions} decisions were recorded: ${Object.keys(not_recorded).join("; ")}`);
    return {
      did: `The loan scorer made ${number(decisions)} decisions and acted on each when its receipt was acknowledged, not before`,
      outcome: `${APPROVE} approved, ${number(lent)} lent; ${number(Math.round(acted / seconds))} decisions a second`,
    };
  });
  await report.step("anchors are published", async () => {
    const { tree_size } = await json<{ readonly tree_size: number }>(host, "anchor");
    const { anchors } = await json<{ readonly anchors: readonly { readonly targets: { readonly archive: string } }[] }>(host, "anchors");
    const there = anchors.filter(({ targets }) => targets.archive === "there").length;
    if (there !== anchors.length || there < 5) throw new Error(`${there} of ${anchors.length} anchors are in the target`);
    anchored = tree_size;
    return `${there} anchors are published; the newest covers all ${number(tree_size)} receipts, the daemon's own included`;
  });
  await report.step("the audit passes", async () => ({ did: "The ledger is audited while the daemon runs", outcome: await passes(host, pins) }));
  await report.step("decisions are made again", async () => {
    const { replay: { drawn, same, seed } } = await json<{ readonly replay: { readonly drawn: number; readonly same: number; readonly seed: string } }>(host, "audit", "--trust", pins, "--sample", "50", "--replay", replayCommand);
    if (drawn !== 50 || same !== 50) throw new Error(`of ${drawn} decisions that were drawn ${same} came out as recorded (--sample-seed ${seed})`);
    return { did: "The auditor draws 50 decisions at random and has the model make them again", outcome: "all as recorded" };
  });
  await report.step("a tail", async () => {
    const { acted } = await scorer(host, desk, decisions, tail);
    const { size } = await json<{ readonly size: number }>(host, "status");
    if (acted !== tail || size !== anchored + tail) throw new Error(`${acted} of ${tail} decisions were recorded, the ledger has ${size} receipts`);
    return `${tail} more decisions are acknowledged and not anchored yet: the tail`;
  });
  let idle!: Promise<Scored>;
  await report.step("the daemon is killed", async () => {
    await daemon.kill();
    idle = scorer(host, desk, decisions + tail, 5);
    const { same, changed, gone } = await compare(acknowledgements, host);
    if (same !== decisions + tail) throw new Error(`of the acknowledged receipts ${gone} are gone and ${changed} changed`);
    return `The daemon is killed (SIGKILL): all ${number(same)} acknowledged receipts are in the ledger`;
  });
  await report.step("no receipt, no loan", async () => {
    const { acted } = await idle;
    if (acted !== 0) throw new Error(`${acted} decisions were acted on without a daemon`);
    return "Without the daemon the loan scorer makes 5 more decisions and acts on none of them";
  });
  return { host, pins, acknowledgements, anchored, tail };
}
