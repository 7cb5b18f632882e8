import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { readSecret } from "../../src/keys/terminal.ts";
import { codeLater } from "./support.ts";

/** What a terminal does, without one. */
class FakeTerminal extends EventEmitter {
  readonly log: string[] = [];
  readonly pushedBack: Buffer[] = [];
  isRaw = false;
  setRawMode(raw: boolean): this { this.isRaw = raw; return this; }
  pause(): this { return this; }
  resume(): this { return this; }
  unshift(bytes: Buffer): void { this.pushedBack.push(bytes); }
  write(text: string): void { this.log.push(text); }
}

function ask(terminal: FakeTerminal): Promise<Uint8Array> {
  return readSecret(terminal as never, terminal, "Passphrase: ");
}

async function typed(...chunks: readonly string[]): Promise<{ readonly text: string; readonly terminal: FakeTerminal; readonly chunks: readonly Buffer[] }> {
  const terminal = new FakeTerminal();
  const asked = ask(terminal);
  expect(terminal.isRaw).toBe(true);
  const buffers = chunks.map((chunk) => Buffer.from(chunk));
  for (const chunk of buffers) terminal.emit("data", chunk);
  return { text: Buffer.from(await asked).toString(), terminal, chunks: buffers };
}

describe("a secret typed at a terminal", () => {
  test.each<readonly [what: string, chunks: readonly string[], text: string]>([
    ["a line", ["words\r"], "words"], ["key by key", ["a", "b", "c", "\n"], "abc"], ["with Backspace", ["ab\u007fc\u0008d\r"], "ad"], ["Backspace over two bytes", ["aü\u007fb\r"], "ab"],
    ["Backspace at the beginning", ["\u007f\u007fa\r"], "a"], ["with Ctrl-U", ["wrong\u0015right\r"], "right"], ["other control characters", ["a\u0001\u001bb\r"], "ab"], ["ended by Ctrl-D", ["abc\u0004"], "abc"],
    ["very long", ["x".repeat(5000), "\r"], "x".repeat(4096)],
  ])("%s", async (_, chunks, text) => {
    const read = await typed(...chunks);
    expect(read.text).toBe(text);
    expect(read.terminal.isRaw).toBe(false);
    expect(read.terminal.log).toEqual(["Passphrase: ", "\n"]);
    expect(read.terminal.eventNames()).toEqual([]);
    for (const chunk of read.chunks) expect(chunk.every((byte) => byte === 0)).toBe(true);
  });

  test("a second line that came with the first is left for the next question", async () => {
    const { text, terminal } = await typed("one\rtwo\r");
    expect([text, Buffer.concat(terminal.pushedBack).toString()]).toEqual(["one", "two\r"]);
  });

  test.each(["abc\u0003", "\u0004", null])("broken off by %j", async (keys) => {
    const terminal = new FakeTerminal();
    const code = codeLater(() => ask(terminal));
    if (keys === null) terminal.emit("end");
    else terminal.emit("data", Buffer.from(keys));
    expect(await code).toBe("passphrase_missing");
    expect(terminal.isRaw).toBe(false);
  });
});
