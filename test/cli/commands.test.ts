/** Every command as a person runs it: what it prints, its exit code, what it says when it cannot. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { DEFAULT_ORIGIN } from "../../src/config.ts";
import { here, must, refusedHere, type Served, serveHere } from "./here.ts";
import { Host, json, type Ran, receipt, until } from "./host.ts";
import { appending, init, talk } from "./talk.ts";

const ID = "0198c0de-0000-7000-8000-000000000001";

function errorOf(ran: Ran): { readonly code: string; readonly [name: string]: unknown } {
  return (JSON.parse(ran.stderr.trim().split("\n").at(-1)!) as { error: { code: string } }).error;
}

describe("without a ledger", () => {
  const host = new Host(null);
  afterAll(() => host.remove());

  test("help, version and usage", async () => {
    const [help, version, none, unknown, option] = await Promise.all([
      here(host, ["append", "--help"]), host.run(["--version"]), here(host, []), here(host, ["frob"]), here(host, ["status", "--frob", "--json"]),
    ]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("Examples:\n  receiptd append --file");
    expect(help.stdout).toContain("--json");
    expect(version).toEqual({ code: 0, stdout: `${(JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version}\n`, stderr: "" });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("Usage: receiptd");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/^receiptd: bad_usage: unknown command 'frob'; .*\n$/);
    expect(option.code).toBe(2);
    expect(errorOf(option).code).toBe("bad_usage");
  });

  test("what is missing is said, and what to do", async () => {
    const [serve, status, get, verify] = await Promise.all([
      host.run(["serve"]), here(host, ["status"]), here(host, ["get", "1", "--json"]), here(host, ["verify", "1", "--json"]),
    ]);
    expect(serve.code).toBe(2);
    expect(serve.stderr).toMatch(/receiptd: key_file_missing: .*receiptd init/);
    expect(status.code).toBe(2);
    expect(status.stderr).toMatch(/^receiptd: daemon_not_running: .*; start it with: receiptd serve\n$/);
    expect([get.code, errorOf(get).code]).toEqual([2, "ledger_missing"]);
    expect([verify.code, errorOf(verify).code]).toEqual([2, "ledger_missing"]);
    expect(existsSync(host.path("receiptd-data"))).toBe(false);
  });

  test("check-config prints what is in force, or what is wrong and where", async () => {
    writeFileSync(host.path("good.yaml"), "limits: {line_timeout: 5s}\norganizations: {loans: {prefix: LN}}\n");
    writeFileSync(host.path("bad.yaml"), "ack: disk\nlimits:\n  max_mesage: 1MiB\n");
    const [good, asJson, bad, badJson] = await Promise.all([
      here(host, ["check-config", "--config", "good.yaml"]), here(host, ["check-config", "--config", "good.yaml", "--json"]),
      here(host, ["check-config"], { RECEIPTD_CONFIG: "bad.yaml" }), here(host, ["check-config", "--json", "--config", "bad.yaml"]),
    ]);
    expect(good.code).toBe(0);
    expect(json(asJson)).toMatchObject({ file: "good.yaml", config: { limits: { line_timeout: 5000 }, organizations: { loans: { prefix: "LN" } } } });
    writeFileSync(host.path("printed.yaml"), good.stdout);
    expect(json(await here(host, ["check-config", "--config", "printed.yaml", "--json"]))["config"]).toEqual(json(asJson)["config"]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/^receiptd: unknown_key: bad\.yaml:3:3: /);
    expect([badJson.code, errorOf(badJson)]).toMatchObject([2, { code: "unknown_key", line: 3, column: 3 }]);
  });
});

describe("with a ledger", () => {
  const host = new Host();
  let daemon: Served;

  beforeAll(async () => {
    const init = await host.must(["init", "--json"]);
    expect(json(init)).toMatchObject({ origin: "test.example/receipts" });
    daemon = await host.serve(); // its log is looked at when it has ended
  });
  afterAll(async () => {
    daemon.child.kill();
    await daemon.ended;
    await host.remove();
  });

  test("init: once, with keys that nobody else can read", async () => {
    const [again, serve] = await Promise.all([here(host, ["init"]), refusedHere(host)]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^receiptd: ledger_exists: /);
    expect(serve.code).toBe(2);
    expect(serve.stderr).toMatch(/^receiptd: ledger_locked: /);
    expect(statSync(host.path("receiptd-data/root.key")).mode & 0o777).toBe(0o600);
  });

  test("init: --origin, and what it says", async () => {
    const other = new Host();
    try {
      const bad = await here(other, ["init", "--origin", "Not An Origin"]);
      expect([bad.code, bad.stderr]).toMatchObject([2, expect.stringMatching(/^receiptd: bad_usage: /)]);
      const { stdout, stderr } = await must(other, ["init", "--origin", "other.example/log"]);
      expect(stderr).toMatch(/^The configuration says origin: test\.example\/receipts\. Change that to other\.example\/log: /);
      expect(stdout).toMatch(/^The ledger other\.example\/log is created; start it with: receiptd serve\n/);
      expect(stdout).toMatch(/vkey +other\.example\/log\+[0-9a-f]{8}\+/);
      expect(stdout).toMatch(/key fingerprint +sha256:[0-9a-f]{64}\n/);
      expect(stdout).toContain(other.path("receiptd-data/root.key"));
      expect(stdout).toContain("Back up");
      const contradicted = await refusedHere(other);
      expect(contradicted.code).toBe(2);
      expect(contradicted.stderr).toMatch(/receiptd: wrong_origin: .* is other\.example\/log, the configuration says test\.example\/receipts; .*\n$/);
      const byDefault = await serveHere(other, { RECEIPTD_ORIGIN: DEFAULT_ORIGIN });
      expect(byDefault.stderr()).toContain("taking receipts");
      byDefault.child.kill();
      await byDefault.ended;
    } finally {
      await other.remove();
    }
  });

  test("append: from a file, from standard input, from arguments; the same id again is a duplicate", async () => {
    writeFileSync(host.path("one.json"), JSON.stringify(JSON.parse(receipt(1, { receipt_id: ID })), null, 2));
    const file = await must(host, ["append", "--file", "one.json", "--json"]);
    expect(json(file)).toMatchObject({ receipt_id: ID, receipt_number: expect.stringMatching(/^LN-\d{4}-00001$/), ack: "disk", duplicate: false });
    const [again, stdin, args] = await Promise.all([
      must(host, ["append", "--file", "one.json"]),
      host.must(["append", "--ack", "wal"], { input: receipt(2) }),
      must(host, ["append", "--system", "kyc", "--type", "x_review", "--field", 'summary="second look"', "--json"]),
    ]);
    expect(again.stdout).toMatch(/^LN-\d{4}-00001 was there already, on the disk: receipt_id 0198c0de-.*sha256:[0-9a-f]{64}\n$/);
    expect(stdin.stdout).toMatch(/^LN-\d{4}-0000[23] is stored, /);
    expect(json(args)).toMatchObject({ organization: "default", duplicate: false });
  });

  test.each([
    ["a number that would be rounded, by itself", ["--system", "a", "--decision", "1", "--inputs", '{"n":9007199254740993}'], "", "number_out_of_range", "/inputs/n"],
    ["a field that is missing, by the daemon", [], '{"system_id":"a","decision":1}', "missing_field", "/inputs"],
    ["an id with other content", [], receipt(99, { receipt_id: ID }), "conflict", ""],
    ["more than one receipt", [], '{"system_id":"a"},"ack":"wal"', "bad_json", ""],
  ])("append refuses %s", async (_, args, input, code, pointer) => {
    writeFileSync(host.path("refused.json"), input);
    const ran = await here(host, ["append", ...input === "" ? args : ["--file", "refused.json"], "--json"]);
    expect([ran.code, ran.stdout, errorOf(ran)["code"], errorOf(ran)["pointer"]]).toEqual([2, "", code, pointer]);
  });

  test("append --wait anchored returns when it is; anchor closes, publishes and says where", async () => {
    const waiting = await talk(host, async (client) => {
      const size = async (): Promise<unknown> => (await client.must("status"))["size"];
      const before = await size();
      writeFileSync(host.path("three.json"), receipt(3));
      const ended = here(host, ["append", "--file", "three.json", "--wait", "anchored", "--json"]);
      while ((await size()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
      return { ended };
    });
    const { stdout } = await must(host, ["anchor"]);
    expect(stdout).toMatch(/^\d+ receipts are anchored at local\.\n/);
    const { code, stdout: answer } = await waiting.ended;
    expect([code, JSON.parse(answer)]).toMatchObject([0, { status: "anchored" }]);
  });

  test("get and list say the same with and without the daemon", async () => {
    const commands = [["get", ID], ["get", "2", "--raw"], ["list"], ["list", "--organization", "loans", "--limit", "2", "--json"], ["list", "--type", "x_review", "--last", "1", "--json"]];
    const [id, raw, table, loans, review] = await Promise.all(commands.map((args) => here(host, args)));
    expect(id!.stdout).toMatch(/^LN-\d{4}-00001 of loans, log index 2, recorded at .*, anchored; sha256:/);
    expect(JSON.parse(raw!.stdout)).toMatchObject({ receipt_id: ID, log_index: 2 });
    expect(raw!.stdout).toMatch(/^\{"decision".*\}$/);
    expect(table!.stdout.split("\n")[0]).toMatch(/^NUMBER +RECORDED \(UTC\) +ORGANIZATION +SYSTEM +TYPE +STATUS +INDEX$/);
    expect(table!.stdout).toMatch(/\nLEDGER-\d{4}-00001 .* genesis +anchored +0\n/);
    expect(loans!.stdout.trim().split("\n").map((line) => (JSON.parse(line) as { log_index: number }).log_index)).toEqual([2, expect.any(Number)]);
    expect(JSON.parse(review!.stdout)).toMatchObject({ type: "x_review", system_id: "kyc", status: "anchored" });

    daemon.child.kill("SIGTERM");
    const { code, stderr } = await daemon.ended;
    expect(code).toBe(0);
    for (const line of stderr.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
    expect(stderr).not.toContain(readFileSync(host.path("receiptd-data/root.key")).toString("hex"));
    const offline = await Promise.all(commands.slice(0, 2).map((args) => here(host, args)));
    expect(offline.map(({ stdout }) => stdout)).toEqual([id!.stdout, raw!.stdout]);
    expect((await here(host, ["list", "--limit", "4"])).stdout).toBe(`${table!.stdout.split("\n").slice(0, 5).join("\n")}\n`);
    expect((await here(host, ["list", "--organization", "nobody", "--json"])).code).toBe(2);
    daemon = await serveHere(host);
  });

  test("status and anchors", async () => {
    await vi.waitFor(async () => expect(json(await here(host, ["status", "--json"]))).toMatchObject({ pending: 0 }), 10_000); // the anchor of its start
    const [status, statusJson, anchors, anchorsJson] = await Promise.all([["status"], ["status", "--json"], ["anchors"], ["anchors", "--json", "--last", "1"]].map((args) => here(host, args)));
    expect(status!.stdout).toMatch(/^The daemon takes receipts: \d+ in the ledger, \d+ anchored, 0 pending\.\n/);
    expect(status!.stdout).toContain("\n  policy           none\n  chains           0 open; 0 ended\n");
    expect(json(statusJson!)).toMatchObject({ state: "ok", ledger: "test.example/receipts" });
    expect(anchors!.stdout).toMatch(/^The newest anchor covers \d+ receipts; none of those listed is missing\.\nSIZE +RECORDED[^]*\n“there” is said of names: .* neither its bytes nor its signature were looked at/);
    expect(anchors!.stdout).toMatch(/ request +there +sha256:/);
    expect(json(anchorsJson!)).toMatchObject({ anchors: [{ reason: "start", late: false, targets: { local: "there" } }], overdue: null });
  });

  test("another socket by --socket and RECEIPTD_SOCKET, without a configuration", async () => {
    const elsewhere = new Host(null);
    try {
      const socket = host.path("receiptd-data/receiptd.sock");
      const [option, variable] = await Promise.all([here(elsewhere, ["status", "--socket", socket]), elsewhere.run(["status"], { env: { RECEIPTD_SOCKET: socket } })]);
      expect([option.code, variable.code]).toEqual([0, 0]);
    } finally {
      await elsewhere.remove();
    }
  });

  test("a reader that has read enough is no error", async () => {
    const list = host.start(["list", "--limit", "0", "--json"]);
    list.child.stdout!.destroy();
    const { code, stderr } = await list.ended;
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("when things go wrong under a daemon", () => {
  test("a target that is gone: status says so, and a second signal does not wait for it", async () => {
    const host = new Host();
    try {
      await init(host);
      const daemon = await host.serve();
      await talk(host, async (client) => {
        await client.must("anchor");
        renameSync(host.path("receiptd-data/anchors"), host.path("receiptd-data/away"));
        await client.must("append", appending(1));
      });
      const anchor = await here(host, ["anchor", "--timeout", "1"]);
      expect([anchor.code, anchor.stderr]).toMatchObject([2, expect.stringMatching(/^The batch is closed at \d+ receipts; .*\nreceiptd: timeout: /)]);
      const status = await here(host, ["status"]);
      expect([status.code, status.stdout]).toMatchObject([1, expect.stringMatching(/^Receipts are taken, but the target local takes no anchors: target_unavailable: /)]);
      daemon.child.kill("SIGTERM");
      await until(() => daemon.stderr().includes("stopping"), daemon);
      daemon.child.kill("SIGTERM");
      expect((await daemon.ended).code).toBe(143);
    } finally {
      await host.remove();
    }
  });

  test.each(["throws", "rejects"])("an error that nobody expected (%s): exit code 70, and the last word is in the log", async (how) => {
    const host = new Host();
    try {
      await init(host);
      const { code, stderr } = await host.start([how], {}, fileURLToPath(new URL("./failing-daemon.ts", import.meta.url))).ended;
      expect(code).toBe(70);
      expect(JSON.parse(stderr.trim().split("\n").at(-1)!)).toMatchObject({ level: 60, err: { message: "boom" } });
      expect((await here(host, ["list"])).code).toBe(0);
    } finally {
      await host.remove();
    }
  });
});

test("dev: creates, serves and says how to send a receipt, which then works", async () => {
  const host = new Host(null);
  try {
    const dev = host.start(["dev"]);
    await until(() => dev.stdout().includes("nc -U"), dev);
    expect(dev.stdout()).toMatch(/^receiptd takes receipts; stop it with Ctrl-C\.\n/);
    expect(dev.stdout()).toContain("directory anchors: demo, not WORM");
    expect(dev.stdout()).toMatch(/key fingerprint +sha256:[0-9a-f]{64}\n/);
    const line = dev.stdout().split("\n").find((text) => text.includes("nc -U"))!;
    const answer = await new Promise<string>((resolve, reject) => {
      execFile("sh", ["-c", line], (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
    });
    expect(JSON.parse(answer)).toMatchObject({ id: 1, result: { log_index: 2, ack: "disk" } });
    dev.child.kill("SIGINT");
    expect((await dev.ended).code).toBe(0);
  } finally {
    await host.remove();
  }
});
