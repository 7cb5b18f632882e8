/** Tracing real programs: nothing they do to a directory may be missed, and what cannot be followed is refused. */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { acknowledgedAt, cachedImage } from "./disk.ts";
import { TraceError } from "./strace.ts";
import { straceProblem, traceProcess } from "./traced-process.ts";

/** Where strace is missing these tests do not run, which must not pass for success: under CI it is a failure. */
const problem = straceProblem();

const scratch = mkdtempSync(join(tmpdir(), "powercut-test-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("strace is there wherever it must be", () => {
  expect(process.env["CI"] ? problem : undefined).toBeUndefined();
});

describe.skipIf(problem !== undefined)("traceProcess", () => {
  /** What a careless program does to a directory: threads, children, appends, links, a descriptor used by two. */
  const BUSY = `
    import fs from "node:fs";
    import { spawnSync } from "node:child_process";
    process.chdir(process.argv[1]);
    await Promise.all(Array.from({ length: 30 }, async (_, i) => {
      await fs.promises.writeFile("p" + i, String(i).repeat(3000));
      await fs.promises.appendFile("p" + i, "more");
      if (i % 3 === 0) await fs.promises.rename("p" + i, "q" + i);
      if (i % 5 === 1) await fs.promises.rm("p" + i, { force: true });
    }));
    fs.mkdirSync("d/e", { recursive: true });
    const out = fs.openSync("d/out", "a");
    const script = "echo one; (echo two; cd d; echo three > e/f; mv e g); echo four >&2";
    spawnSync("sh", ["-c", script], { stdio: ["ignore", out, out] });
    fs.writeSync(out, "five");
    fs.ftruncateSync(out, 15);
    fs.linkSync("d/g/f", "hard");
    fs.writevSync(out, [Buffer.from("six"), Buffer.from("seven")]);
    fs.appendFileSync("before", "after");
    fs.fsyncSync(out);
    console.log("done");
  `;

  test("accounts for every byte of a busy program", async () => {
    const dir = mkdtempSync(join(scratch, "busy-"));
    writeFileSync(join(dir, "before"), "before");
    const { child, finish } = traceProcess({ command: execPath, args: ["--input-type=module", "-e", BUSY, dir], dir });
    child.stdout?.resume();
    const trace = await finish();
    expect(child.exitCode).toBe(0);
    const image = cachedImage(trace);
    expect(image.get("before")).toEqual(new Uint8Array(Buffer.from("beforeafter")));
    expect(image.get("d/out")).toEqual(new Uint8Array(readFileSync(join(dir, "d/out"))));
    expect([...acknowledgedAt(trace, trace.end).values()].map((bytes) => Buffer.from(bytes).toString())).toContain("done\n");
  });

  test("refuses a directory that somebody else changes meanwhile", async () => {
    const dir = mkdtempSync(join(scratch, "shared-"));
    const { child, finish } = traceProcess({ command: "cat", args: [], dir });
    child.stdout?.resume();
    writeFileSync(join(dir, "intruder"), "somebody else's");
    child.stdin?.end();
    await expect(finish()).rejects.toThrow(TraceError);
  });

  test("a process that is killed leaves a trace", async () => {
    const dir = mkdtempSync(join(scratch, "killed-"));
    const args = ["-c", "echo x > f; echo ready; exec cat"];
    const { child, finish } = traceProcess({ command: "sh", args, dir, cwd: dir });
    if (child.stdout) await once(child.stdout, "data");
    child.kill("SIGKILL");
    const trace = await finish();
    expect(child.signalCode).toBe("SIGKILL");
    expect([...cachedImage(trace).keys()]).toEqual(["f"]);
  });
});
