/**
 * Section `peers`: the same load on databases that only store, where they are installed (Debian: postgresql, redis-server). Each runs as a
 * process of its own with its files in the bench's folder, with a commit on the disk before each answer; nothing else is tuned.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Bench, eachRun, newFolder, saturate } from "./bench.ts";
import type { PeerLoad, PeerMeasured } from "./peer-load.ts";
import { measured, run, start } from "./processes.ts";
import { atLeast, compared, notMeasured, type Row } from "./report.ts";
import { type Server, serverOf, startReceiptd } from "./servers.ts";

type Peer = PeerLoad["peer"];

/** At least this much of the peer's rate. */
const TARGETS: Readonly<Record<Peer, number>> = { postgresql: 1, redis: 1 / 1.5 };
const POSTGRES = "/usr/lib/postgresql";

function inPath(program: string, more: readonly string[] = []): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...more];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

/** Debian keeps PostgreSQL's programs in a folder for each version. */
function postgresFolders(): readonly string[] {
  if (!existsSync(POSTGRES)) return [];
  return readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a)).map((version) => join(POSTGRES, version, "bin"));
}

/** PostgreSQL refuses to run as root; the package made a user for it. */
function unprivileged(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"));
  const found = lines.find(([name]) => name === "postgres") ?? lines.find(([name]) => name === "nobody");
  return { uid: Number(found?.[2]), gid: Number(found?.[3]) };
}

/** null: it is not installed. */
async function startPostgres(bench: Bench): Promise<Server | null> {
  const folders = postgresFolders();
  const [initdb, postgres, psql] = ["initdb", "postgres", "psql"].map((program) => inPath(program, folders) ?? "");
  if (initdb === "" || postgres === "" || psql === "") return null;
  const folder = newFolder(bench, "pg");
  mkdirSync(folder);
  const user = unprivileged();
  if (user !== null) {
    for (const above of [bench.shared, bench.folder]) chmodSync(above, 0o711); // the way to its own folder
    chownSync(folder, user.uid, user.gid);
  }
  const as = { cwd: folder, ...user };
  const data = join(folder, "data");
  await run(initdb!, ["-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8", "--locale=C"], as);
  const child = start(postgres!, ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "synchronous_commit=on", "-c", "fsync=on"], { ...as, stdio: "ignore" });
  const server = await serverOf(child, folder, join(folder, ".s.PGSQL.5432"));
  await createTable(psql!, folder, as);
  return { ...server, stop: () => server.stop("SIGINT") };
}

/** It listens before it has recovered. */
async function createTable(psql: string, folder: string, as: object): Promise<void> {
  const sql = "CREATE TABLE receipt (log_index bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bytes text NOT NULL)";
  for (let tries = 1; ; tries++) {
    try {
      await run(psql, ["-h", folder, "-U", "bench", "-c", sql, "postgres"], as);
      return;
    } catch (error) {
      if (tries === 20) throw error;
      await new Promise((resolve) => void setTimeout(resolve, 100));
    }
  }
}

async function startRedis(bench: Bench): Promise<Server | null> {
  const redis = inPath("redis-server");
  if (redis === null) return null;
  const folder = newFolder(bench, "redis");
  mkdirSync(folder);
  const socket = join(folder, "s");
  const child = start(redis, ["--port", "0", "--unixsocket", socket, "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""], { cwd: folder, stdio: "ignore" });
  return serverOf(child, folder, socket);
}

const STARTS: readonly (readonly [Peer, string, (bench: Bench) => Promise<Server | null>])[] = [
  ["postgresql", "PostgreSQL, a row a transaction, synchronous_commit on", startPostgres],
  ["redis", "Redis XADD, appendfsync always", startRedis],
];

export async function peers(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [peer, what, startPeer] of STARTS) {
    const server = await startPeer(bench);
    if (server === null) {
      rows.push(notMeasured(`peers/${peer}`, `NOT MEASURED: ${peer} is not installed here (apt-get install ${peer === "redis" ? "redis-server" : peer})`));
      continue;
    }
    const load: PeerLoad = { peer, socket: server.socket, user: "bench", clients: 8, inFlight: 64, seconds: bench.quick ? 1.2 : 5, warmUp: bench.quick ? 0.5 : 2 };
    const receiptd = await startReceiptd(newFolder(bench, "peers"));
    const runs = await eachRun(bench, `peers ${peer}`, async () => ({
      peer: await measured<PeerMeasured>("peer-load.ts", load),
      receiptd: await saturate(bench, receiptd),
    }));
    await Promise.all([server.stop(), receiptd.stop()]);
    rows.push(compared(`peers/${peer}`,
      { what: "receiptd, acknowledged disk, 8 × 64 in flight", unit: "receipts/s", values: runs.map(({ receiptd }) => receiptd.perSecond) },
      { what, unit: "rows/s", values: runs.map(({ peer }) => peer.perSecond) }, atLeast(TARGETS[peer])));
  }
  return rows;
}
