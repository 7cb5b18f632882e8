/** The lines of a stream, in bounded memory: of one that is too long both edges are kept, where most writers have the id. */
import type { Readable } from "node:stream";
import type { Id } from "./message.ts";

const LF = 0x0a;
/** Bytes at either end of a line. */
const EDGE = 512;
const ID = String.raw`"id"\s*:\s*("[^"\\]{0,200}"|-?\d{1,15})`;
const AT_HEAD = new RegExp(String.raw`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?${ID}\s*,`);
const AT_TAIL = new RegExp(String.raw`,\s*${ID}\s*\}\s*$`);

/** A line, or one that was too long, with the id that it seems to have. */
export type Line = { readonly bytes: Uint8Array } | { readonly tooLong: Id | null };

export async function* linesOf(stream: Readable, maxBytes: number): AsyncGenerator<Line> {
  let begun: Uint8Array[] = [];
  let length = 0;
  let edges: { readonly head: string; tail: Buffer } | null = null;
  const add = (part: Uint8Array): void => {
    length += part.length;
    if (edges !== null) edges.tail = Buffer.concat([edges.tail, part.subarray(-EDGE)]).subarray(-EDGE);
    else begun.push(part);
    if (edges !== null || length <= maxBytes) return;
    const whole = Buffer.concat(begun);
    edges = { head: whole.subarray(0, EDGE).toString("latin1"), tail: Buffer.from(whole.subarray(-EDGE)) };
    begun = [];
  };
  const end = (): Line => {
    const line = edges === null ? { bytes: Buffer.concat(begun) } : { tooLong: idIn(edges.head, edges.tail.toString("latin1")) };
    begun = [];
    length = 0;
    edges = null;
    return line;
  };
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    let at = 0;
    for (let feed = chunk.indexOf(LF); feed !== -1; feed = chunk.indexOf(LF, at)) {
      add(chunk.subarray(at, feed));
      at = feed + 1;
      yield end();
    }
    if (at < chunk.length) add(chunk.subarray(at));
  }
  if (length > 0) yield end();
}

function idIn(head: string, tail: string): Id | null {
  const [, text] = AT_HEAD.exec(head) ?? AT_TAIL.exec(tail) ?? [];
  return text === undefined ? null : (JSON.parse(text) as Id);
}
