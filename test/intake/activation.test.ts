/** Socket activation as systemd does it: the socket is made by another process, outlives the daemon, and callers wait in its queue. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inheritedSocket } from "../../src/intake/activation.ts";
import { must } from "../cli/here.ts";
import { Host, json, until } from "../cli/host.ts";
import { init } from "../cli/talk.ts";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

/** Makes the socket as receiptd.socket would and holds it; runs the daemon on it, again whenever it has ended with 0. */
const HOLDER = `
import os, socket, sys
path, *command = sys.argv[1:]
held = socket.socket(socket.AF_UNIX)
os.umask(0o117)
held.bind(path)
held.listen(16)
status = 0
while status == 0:
    print("start", flush=True)
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        os.dup2(held.fileno(), 3)
        os.set_inheritable(3, True) # where it was 3 already
        os.execvpe(command[0], command, {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    print("pid", child, flush=True)
    status = os.waitpid(child, 0)[1]
`;

/** One call on a connection of its own; resolves with the answer. */
function call(path: string, method: string): Promise<{ readonly result?: { readonly size: number; readonly pid: number } }> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`{"jsonrpc":"2.0","id":1,"method":"${method}"}\n`));
    let text = "";
    socket.setEncoding("utf8").on("error", reject).on("data", (more: string) => {
      text += more;
      if (!text.endsWith("\n")) return;
      socket.destroy();
      resolve(JSON.parse(text) as never);
    });
  });
}

const host = new Host();
const socketPath = host.path("receiptd-data/receiptd.sock");
const started: ChildProcess[] = [];

beforeAll(() => init(host));
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await host.remove();
});

function start(command: string, args: readonly string[]): { readonly child: ChildProcess; readonly said: () => string } {
  const child = spawn(command, args, { cwd: host.dir, stdio: ["pipe", "pipe", "pipe"] });
  started.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => { said += text; });
  return { child, said: () => said };
}

const waitFor = async (holds: () => boolean, said: () => string): Promise<void> => {
  while (!holds()) {
    if (said().includes("Error")) throw new Error(said());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

describe("a socket that was passed on", () => {
  test("callers wait while the daemon starts and restarts; the socket is left as it was made", async () => {
    const { child, said } = start("python3", ["-c", HOLDER, socketPath, process.execPath, MAIN, "serve"]);
    const count = (text: string): number => said().split(text).length - 1;
    const daemon = (): number => Number(/pid (\d+)\n(?![\s\S]*pid \d)/.exec(said())![1]);
    await waitFor(() => count("start\n") === 1, said);
    const made = lstatSync(socketPath);

    const early = call(socketPath, "status"); // nobody accepts yet
    child.stdin!.write("\n");
    expect((await early).result!.pid).toBe(daemon());
    expect(said()).toContain('"activated":true');

    process.kill(daemon(), "SIGTERM");
    await waitFor(() => count("start\n") === 2, said); // it has ended with 0
    expect(lstatSync(socketPath)).toMatchObject({ ino: made.ino, mode: made.mode, ctimeMs: made.ctimeMs });
    const between = call(socketPath, "status");
    child.stdin!.write("\n");
    const answer = await between;
    expect(answer.result!.pid).toBe(daemon());
    expect(answer.result!.size).toBeGreaterThan(1);

    process.kill(daemon(), "SIGKILL");
    await once(child, "exit");
    expect(existsSync(socketPath)).toBe(true);
  });

  test("by systemd's own tool, with a command that needs no activation", async () => {
    const { child, said } = start("systemd-socket-activate", ["--listen", host.path("second.sock"), "-E", `RECEIPTD_SOCKET__PATH=${host.path("second.sock")}`,
      "-E", `PATH=${process.env["PATH"] ?? ""}`, process.execPath, MAIN, "serve"]);
    await waitFor(() => said().includes("Listening on"), said);
    const status = await must(host, ["status", "--json", "--socket", host.path("second.sock")]);
    expect(json(status)["pid"]).toBe(child.pid); // the tool becomes the daemon
    child.kill("SIGTERM");
    await once(child, "exit");
    expect(said()).toContain('"activated":true');
    expect(said()).toContain('"stopped"');
  });
});

describe("refused", () => {
  const serve = async (count: string, env: Readonly<Record<string, string>>, listen: boolean): Promise<string> => {
    const [path, command] = [host.path("third.sock"), `export LISTEN_PID=$$ LISTEN_FDS=${count}; exec "$@"`];
    const held = listen ? `import os,socket,sys
os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.unlink(sys.argv[1]) if sys.argv[2] == "gone" else None
os.execvp("sh", sys.argv[3:])` : "";
    const run = [process.execPath, MAIN, "serve"];
    const child = listen
      ? spawn("python3", ["-c", held, path, env["WHAT"] ?? "", "sh", "-c", command, "sh", ...run], { cwd: host.dir, env: { ...process.env, ...env } })
      : spawn("sh", ["-c", `exec 3<&-; ${command}`, "sh", ...run], { cwd: host.dir, env: { ...process.env, ...env } });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => { said += text; });
    const [code] = await once(child, "close") as [number | null];
    expect(code).toBe(2);
    return said;
  };

  test.each([
    ["two sockets", "2", false, {}, "one socket is wanted"],
    ["none at all", "1", false, {}, /nothing was passed on|is no socket/],
    ["one at another path", "1", true, {}, "make ListenStream= and socket.path the same"],
    ["one whose name is gone", "1", true, { WHAT: "gone" }, "make ListenStream= and socket.path the same"],
  ] as const)("%s", async (_, count, listen, env, message) => {
    expect(await serve(count, env, listen)).toMatch(message instanceof RegExp ? message : new RegExp(`^receiptd: socket_not_possible: .*${message}`));
  });

  test("what was meant for another process is not taken, and not handed on", () => {
    const env: Record<string, string | undefined> = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "receiptd.socket", OTHER: "1" };
    expect(inheritedSocket({ pid: 2, env }, "/run/receiptd/receiptd.sock")).toBeNull();
    expect(env).toEqual({ OTHER: "1" });
  });
});

test("without activation the daemon makes its socket itself", async () => {
  const fresh = new Host();
  try {
    await init(fresh);
    const daemon = await fresh.serve();
    expect(daemon.stderr()).toContain('"activated":false');
    await until(() => existsSync(fresh.path("receiptd-data/receiptd.sock")), daemon);
  } finally {
    await fresh.remove();
  }
});
