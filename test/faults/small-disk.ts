/**
 * A small disk of one's own: a tmpfs in a mount namespace that lives as long as the disk is used (unshare(1)), so that nothing is
 * left of it however the test ends. Needs root, or the right to make user namespaces.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IS_ROOT = process.getuid?.() === 0;
const NAMESPACE: readonly [string, ...string[]] = ["unshare", "--mount", ...(IS_ROOT ? [] : ["--user", "--map-root-user"])];

/** Why there can be no such disk here; undefined when there can. */
export function smallDiskProblem(): string | undefined {
  const script = "mount -t tmpfs -o size=64k tmpfs /mnt && nsenter --version";
  const [command, ...args] = NAMESPACE;
  const { error, status, stderr } = spawnSync(command, [...args, "sh", "-c", script], { encoding: "utf8" });
  if (error !== undefined) return `unshare does not start (${error.message}); it is of Debian's package util-linux`;
  return status === 0 ? undefined : `no mount namespace: ${stderr.trim()}`;
}

export class SmallDisk {
  /** As this process sees it. SQLite follows links and must not be used on it here: copy the files. */
  readonly path: string;
  /** As the processes that run `inside` see it. */
  readonly seenAs: string;
  /** The command in front of a program that is to see the disk. */
  readonly inside: readonly string[];
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess, seenAs: string) {
    this.#holder = holder;
    this.seenAs = seenAs;
    this.path = `/proc/${holder.pid}/root${seenAs}`;
    const user = IS_ROOT ? [] : ["--user", "--preserve-credentials"];
    this.inside = ["nsenter", "--target", String(holder.pid), "--mount", ...user, "--"];
  }

  static async make(bytes: number): Promise<SmallDisk> {
    const seenAs = mkdtempSync(join(tmpdir(), "receiptd-disk-"));
    // cat ends with its input, which is this process's
    const script = `mount -t tmpfs -o size=${bytes},mode=700 tmpfs "$1" && echo ready && exec cat > /dev/null`;
    const [command, ...args] = NAMESPACE;
    const holder = spawn(command, [...args, "sh", "-c", script, "sh", seenAs], { stdio: ["pipe", "pipe", "inherit"] });
    await once(holder.stdout!, "data");
    return new SmallDisk(holder, seenAs);
  }

  /** Takes up all room but this many bytes, also while others write. */
  fill(left: number): void {
    for (;;) {
      const { bavail, bsize } = statfsSync(this.path);
      const more = Math.min(bavail * bsize - left, 1024 * 1024);
      if (more <= 0) return;
      try {
        appendFileSync(join(this.path, "ballast"), Buffer.alloc(more));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  }

  makeRoom(): void {
    rmSync(join(this.path, "ballast"));
  }

  /** Makes a folder on it; returns what the processes inside call it. */
  folder(name: string): string {
    mkdirSync(join(this.path, name));
    return join(this.seenAs, name);
  }

  async close(): Promise<void> {
    const ended = once(this.#holder, "exit");
    this.#holder.kill("SIGKILL");
    await ended;
    rmSync(this.seenAs, { recursive: true });
  }
}
