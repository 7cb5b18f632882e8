/**
 * A daemon in this process, started on what a dead one has left: its clients send everything again, it stops in order, and then
 * everything must be as if nothing had happened.
 */
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { audited } from "./audited.ts";
import { type Book, sendAgain } from "./book.ts";
import { check, lost } from "./check.ts";
import { Ground } from "./ground.ts";

/** Whatever is wrong; empty when all is well. `dir` is the folder of a Ground. */
export async function revive(dir: string, book: Book): Promise<readonly string[]> {
  const ground = new Ground({}, dir);
  const fatal: Error[] = [];
  const daemon = await startDaemon(ground.config(), pino({ level: "silent" }), (error) => void fatal.push(error));
  try {
    await sendAgain(ground.socket, book, "all");
  } finally {
    await daemon.stop();
  }
  const found = check(ground);
  return [
    ...fatal.map((error) => `fatal: ${error.message}`),
    ...found.findings,
    ...await audited(ground),
    ...book.contradictions,
    ...[...book.refused].map(([id, code]) => `refused: ${id}: ${code}`),
    ...lost(book, found).map((id) => `lost: ${id}`),
    ...found.anchors.filter((anchor, i) => found.published[i] !== anchor.treeSize).map((anchor) => `not published: ${anchor.treeSize}`),
    ...found.anchors.at(-1)?.details.reason === "shutdown" ? [] : ["the end was not announced"],
  ];
}

/** An image of a disk has no file modes. */
export function closeSecrets(dir: string): void {
  for (const name of ["root.key", "keyring.json", "keyring.json.old", "ratchet", "next.key", "next.checkpoint"]) {
    const path = join(dir, "data", name);
    if (existsSync(path)) chmodSync(path, 0o600);
  }
}
