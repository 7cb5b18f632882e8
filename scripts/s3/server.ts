/** A real S3 server with Object Lock, for tests and the demo: one that is given by the environment, or radosgw on this host. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Where it is, or will be when it was started; plain values. */
export interface S3Place {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The folder of one that this project starts; null: the server runs already, elsewhere. */
  readonly folder: string | null;
}

export const HOW_TO_INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd curl; or set S3_TEST_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a server with Object Lock";

const SCRIPT = fileURLToPath(new URL("start-object-lock-s3.sh", import.meta.url));
const PROGRAMS = ["radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool", "curl"];
const REGION = "us-east-1";

/** The server that the environment names, else one that can be started in `folder`, else null. Starts nothing. */
export async function findS3(folder: string, environment: NodeJS.ProcessEnv = process.env): Promise<S3Place | null> {
  const { S3_TEST_ENDPOINT: endpoint, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  if (endpoint !== undefined && accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { endpoint, region: environment["AWS_REGION"] ?? REGION, accessKeyId, secretAccessKey, folder: null };
  }
  if (!PROGRAMS.every((program) => isInstalled(program, environment["PATH"] ?? ""))) return null;
  const port = await freePorts();
  return { endpoint: `http://127.0.0.1:${port}`, region: REGION, accessKeyId: "testkey", secretAccessKey: "testsecret", folder };
}

/** Starts it in its folder, about 2 s; it ends with the process `owner` at the latest. */
export async function startS3({ endpoint, folder }: S3Place, owner = process.pid): Promise<void> {
  if (folder === null) return;
  // its own session: an interrupt at the terminal is for the owner, who stops it
  await promisify(execFile)("setsid", ["--wait", SCRIPT, folder, new URL(endpoint).port, String(owner)], { timeout: 120_000 });
}

/** Ends what was started in the folder, by its process ids. */
export function stopS3({ folder }: S3Place): void {
  if (folder === null || !existsSync(folder)) return;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".pid"))) {
    try {
      process.kill(Number(readFileSync(join(folder, file), "utf8")), "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Runs radosgw-admin as the server's operator, who can do what no key can: `["object", "rm", …]` removes even what is locked. */
export function radosgwAdmin({ folder }: S3Place, args: readonly string[]): string {
  if (folder === null) throw new Error("the operator's commands need a server that was started here");
  return execFileSync("radosgw-admin", ["-c", join(folder, "c.conf"), ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
}

function isInstalled(program: string, path: string): boolean {
  return path.split(":").some((folder) => existsSync(join(folder, program)));
}

/** The first of two neighbours that nobody listens on, below the range from which the kernel gives ports to clients. */
async function freePorts(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 12_000 + 2 * Math.floor(Math.random() * 8_000);
    if (await isFree(port) && await isFree(port + 1)) return port;
  }
  throw new Error("no two free ports on 127.0.0.1");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
