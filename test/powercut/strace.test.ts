import { describe, expect, test } from "vitest";
import { descriptor, output, quoted } from "./strace-text.ts";
import { TraceError, decodeBytes, decodeDescriptor, decodeVector, parseStrace, splitArguments } from "./strace.ts";

describe("parseStrace", () => {
  test("a call on one line takes two ticks", () => {
    expect(parseStrace(output("7  fsync(3</d>) = 0", "7  close(3</d>)             = 0"))).toMatchObject([
      { pid: 7, name: "fsync", text: "3</d>", result: 0, begin: 0, end: 1 },
      { pid: 7, name: "close", text: "3</d>", result: 0, begin: 2, end: 3 },
    ]);
  });

  test("joins the halves of calls that threads had open at the same time", () => {
    const calls = parseStrace(
      output(
        "7  write(3</d>, <unfinished ...>",
        "8  fsync(4</e> <unfinished ...>",
        "7  <... write resumed>\"\\x41\", 1) = 1",
        "7  close(3</d>) = 0",
        "8  <... fsync resumed>)             = 0",
      ),
    );
    expect(calls).toMatchObject([
      { pid: 7, name: "write", text: '3</d>,"\\x41", 1', begin: 0, end: 2 },
      { pid: 8, name: "fsync", text: "4</e>", begin: 1, end: 5 },
      { pid: 7, name: "close", begin: 3, end: 4 },
    ]);
  });

  test("tells injected, failed, interrupted and unreturned calls apart", () => {
    const calls = parseStrace(
      output(
        "7  fsync(3) = 0 (INJECTED)",
        "7  fsync(3) = -1 EIO (Input/output error)",
        "7  write(3, \"\", 0) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
        "7  fsync(3 <unfinished ...>) = ?",
        "8  fsync(4 <unfinished ...>",
        "8  +++ killed by SIGKILL +++",
      ),
    );
    expect(calls.map(({ result, injected, end }) => [result, injected, end])).toEqual([
      [0, true, 1],
      [-1, false, 3],
      [-1, false, 5],
      [undefined, false, Infinity],
      [undefined, false, Infinity],
    ]);
    expect(calls.slice(3).map((call) => call.text)).toEqual(["3", "4"]);
  });

  test.each([
    ["a last line that is cut off", new TextEncoder().encode("7  fsync(3")],
    ["a resumed call that was not entered", output("7  <... fsync resumed>) = 0")],
    ["a resumed call of another name", output("7  read(3 <unfinished ...>", "7  <... fsync resumed>) = 0")],
    ["a line without a process", output("fsync(3) = 0")],
    ["a call without a result", output("7  fsync(3)")],
  ])("refuses %s", (_, bytes) => {
    expect(() => parseStrace(bytes)).toThrow(TraceError);
  });
});

describe("arguments", () => {
  test("are separated at the outer commas only", () => {
    expect(splitArguments('3</d>, [{iov_base="\\x2c", iov_len=1}, {a, b}], f(1, 2), "\\x2c"')).toEqual([
      "3</d>",
      '[{iov_base="\\x2c", iov_len=1}, {a, b}]',
      "f(1, 2)",
      '"\\x2c"',
    ]);
  });

  test("strings are bytes", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(decodeBytes(quoted(bytes))).toEqual(bytes);
  });

  test.each(['"\\x41"...', '"abcd"', "NULL", '"\\x4"'])("a string that is not whole is refused: %s", (token) => {
    expect(() => decodeBytes(token)).toThrow(TraceError);
  });

  test("vectors are joined", () => {
    const members = ["ab", "", "c"].map((part) => `{iov_base=${quoted(part)}, iov_len=${part.length}}`);
    expect(new TextDecoder().decode(decodeVector(`[${members.join(", ")}], 3`))).toBe("abc");
    expect(() => decodeVector(`[{iov_base=${quoted("ab")}..., iov_len=9}]`)).toThrow(TraceError);
  });

  test.each([
    [descriptor(21, "/d/a b"), { fd: 21, path: "/d/a b" }],
    [`${descriptor(21, "/d/a")}(deleted)`, { fd: 21, path: "/d/a" }],
    [descriptor(21, "/d/a (deleted)"), { fd: 21, path: "/d/a" }],
    [descriptor("AT_FDCWD", "/d"), { fd: -1, path: "/d" }],
    ["5<pipe:[12]>", { fd: 5, path: "pipe:[12]" }],
    ["-1", { fd: -1, path: undefined }],
    ["AT_FDCWD", { fd: -1, path: undefined }],
  ])("descriptor %s", (token, expected) => {
    expect(decodeDescriptor(token)).toEqual(expected);
  });
});
