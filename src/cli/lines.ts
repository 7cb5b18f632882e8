/**
 * The lines of a file or pipe of any length, in portions, with bounded memory: a line over the limit is not kept, only counted.
 * LF ends a line, also the last one may lack it; a CR before it belongs to it as JSON white space.
 */

const LF = 0x0a;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** null: longer than the limit. */
  readonly bytes: Uint8Array | null;
}

export async function* lines(chunks: AsyncIterable<Uint8Array>, maxLine: number): AsyncGenerator<readonly Line[]> {
  let number = 1;
  let begun: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array): Uint8Array | null => {
    const whole = length + part.length > maxLine ? null : begun.length === 0 ? part : Buffer.concat([...begun, part]);
    begun = [];
    length = 0;
    return whole;
  };
  for await (const chunk of chunks) {
    const portion: Line[] = [];
    let at = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, at)) {
      portion.push({ number: number++, bytes: take(chunk.subarray(at, end)) });
      at = end + 1;
    }
    const rest = chunk.subarray(at);
    length += rest.length;
    if (length > maxLine) begun = []; // its length is all that is still needed of it
    else if (rest.length > 0) begun.push(rest);
    if (portion.length > 0) yield portion;
  }
  if (length > 0) yield [{ number, bytes: take(new Uint8Array()) }];
}
