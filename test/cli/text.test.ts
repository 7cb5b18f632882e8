import { describe, expect, test } from "vitest";
import { CliError, complaintText } from "../../src/cli/errors.ts";
import { progressLine } from "../../src/cli/progress.ts";
import { printable, table } from "../../src/cli/table.ts";
import { durationText, timeRange } from "../../src/cli/times.ts";
import { FormatError } from "../../src/format/errors.ts";
import { KeyError } from "../../src/keys/errors.ts";
import { LedgerError } from "../../src/ledger/errors.ts";
import { TargetError } from "../../src/anchor/target.ts";
import { AnchorError } from "../../src/anchor/errors.ts";
import { VerifyError } from "../../src/verify/errors.ts";
import { RpcFailure } from "../../src/door/client.ts";
import { ConfigError } from "../../src/config.ts";

describe("times are UTC", () => {
  test.each([
    [{ from: "2026-11-22" }, Date.UTC(2026, 10, 22), Number.MAX_SAFE_INTEGER],
    [{ to: "2026-11-22" }, 0, Date.UTC(2026, 10, 23)],
    [{ from: "2026-11-22T10:00Z", to: "2026-11-22T10:00:00.001Z" }, Date.UTC(2026, 10, 22, 10), Date.UTC(2026, 10, 22, 10, 0, 0, 1)],
    [{ from: "2024-02-29", to: "2024-02-29" }, Date.UTC(2024, 1, 29), Date.UTC(2024, 2, 1)],
  ])("%j", (options, from, to) => {
    expect(timeRange(options)).toEqual({ from, to });
  });

  test.each(["2026-02-29", "2026-13-01", "22.11.2026", "2026-11-22T10:00:00", "2026-11-22T10:00:00+01:00", "2026-11-22T24:00:00Z", "", "yesterday"])("%s is none", (text) => {
    expect(() => timeRange({ to: text })).toThrow(CliError);
  });

  test("a range ends after it begins", () => {
    expect(() => timeRange({ from: "2026-11-23", to: "2026-11-22" })).toThrow(CliError);
  });

  test("durations", () => {
    expect([0, 42_400, 61_000, 3_723_000].map(durationText)).toEqual(["0:00", "0:42", "1:01", "1:02:03"]);
  });
});

describe("what is printed", () => {
  test("nothing in it moves the cursor or turns the line", () => {
    expect(printable("a\u001b[2Jb\r\u202ec\u0085")).toBe("a\\u{1b}[2Jb\\u{d}\\u{202e}c\\u{85}");
    expect(table(["A", "B"], [["1\n2", "x"], ["", "y"]])).toBe("A        B\n1\\u{a}2  x\n         y");
  });

  test("progress: part, count, rate, time left", () => {
    expect(progressLine("receipts", 50_000, 0.25, 10_000)).toBe("[######------------------]  25%  50,000 receipts  5,000/s  0:30 left");
    expect(progressLine("receipts", 1234, null, 1000)).toBe("1,234 receipts  1,234/s");
    expect(progressLine("receipts", 0, 0, 0)).toBe("[------------------------]   0%  0 receipts  0/s");
  });
});

describe("an error is a code, a sentence, what to do next", () => {
  const issue = { code: "bad_value", path: "ack", line: 1, column: 6, message: "f.yaml:1:6: ack: no" } as const;
  test.each<readonly [Error, string]>([
    [new CliError("not_found", "no such receipt", "look again"), "receiptd: not_found: no such receipt; look again"],
    [new RpcFailure("daemon_not_running", "nobody is there"), "receiptd: daemon_not_running: nobody is there; start it with: receiptd serve"],
    [new RpcFailure("bad_field", "no", { pointer: "/inputs" }), "receiptd: bad_field: /inputs: no"],
    [new ConfigError([issue, { ...issue, message: "f.yaml:2:1: b: no" }]), "receiptd: bad_value: f.yaml:1:6: ack: no\nreceiptd: bad_value: f.yaml:2:1: b: no"],
    [new FormatError("bad_json", "not JSON", ""), "receiptd: bad_json: not JSON"],
    [new VerifyError("fork", "two roots"), "receiptd: fork: two roots"],
    [new KeyError("key_file_mode", "others can read it"), "receiptd: key_file_mode: others can read it"],
    [new LedgerError("disk_full", "no space"), "receiptd: disk_full: no space; make room on the disk of the ledger and try again"],
    [Object.assign(new Error("busy"), { name: "SocketError", code: "socket_in_use" }), "receiptd: socket_in_use: busy; stop that process first, or set socket.path in the configuration"],
    [new TargetError("target_missing", "gone"), "receiptd: target_missing: gone"],
    [new AnchorError("outbox_missing", "gone"), "receiptd: outbox_missing: gone"],
    [Object.assign(new Error("EDQUOT: disk quota exceeded, write"), { code: "EDQUOT", syscall: "write" }), "receiptd: disk_full: EDQUOT: disk quota exceeded, write; make room on the disk of the ledger and try again"],
    [Object.assign(new Error("ENOENT: no such file, open 'x'"), { code: "ENOENT", syscall: "open" }), "receiptd: file_unreadable: ENOENT: no such file, open 'x'"],
  ])("%s", (error, text) => {
    expect(complaintText(error, false)).toBe(text);
    expect(JSON.parse(complaintText(error, true))).toMatchObject({ error: { code: text.split(": ")[1] } });
  });

  test.each([
    [new CliError("bad_usage", "AGE-SECRET-KEY-1QQQ is no receipt_id"), "receiptd: bad_usage: AGE-SECRET-KEY-… is no receipt_id"],
    [Object.assign(new Error(`ENOENT: no such file, open '{"format":"receiptd-seed/1","seed":"sgvCo9L/+M="}'`), { code: "ENOENT", syscall: "open" }), `receiptd: file_unreadable: ENOENT: no such file, open '{"format":"receiptd-seed/1","seed":"…"}'`],
  ])("with a secret in an argument: it is not quoted", (error, text) => {
    expect(complaintText(error, false)).toBe(text);
    expect(JSON.parse(complaintText(error, true))).toMatchObject({ error: { message: expect.stringContaining("…") as string } });
  });

  test("a mistake of the program shows where it is", () => {
    expect(complaintText(new TypeError("x is not a function"), false)).toMatch(/^receiptd: internal: TypeError: x is not a function\n {4}at /);
  });
});
