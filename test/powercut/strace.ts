/**
 * The text that `strace -f -y -xx` writes, as a list of system calls (strace(1), version 5.16 and later).
 *
 * Only the notation is read here: threads interleave (`<unfinished ...>` and `<... resumed>`), strings are hexadecimal,
 * descriptors carry their path. What the calls mean for the files of a directory is in trace.ts.
 * A trace that cannot be read exactly is refused: a guess here would be a proof of nothing.
 */

/** One system call of one thread. */
export interface Call {
  readonly pid: number;
  readonly name: string;
  /** Everything between the parentheses, undecoded: most calls of a trace are never looked at. */
  readonly text: string;
  /** The value returned, -1 for any error; undefined when the thread died inside the call: it may have had its effect. */
  readonly result: number | undefined;
  /** strace's path of the descriptor that was returned. */
  readonly resultPath: string | undefined;
  /** strace answered in the kernel's place: the call did nothing. */
  readonly injected: boolean;
  /** Ticks count the entries into and returns from calls of all threads in the order strace saw them. */
  readonly begin: number;
  /** Infinity when the call never returned. */
  readonly end: number;
}

export class TraceError extends Error {
  override readonly name = "TraceError";
}

/** Whether a call took effect cannot be told, and what came later may stand on it: another run is needed, and nothing is wrong. */
export class UndecidedTrace extends TraceError {}

const UNFINISHED = " <unfinished ...>";
const LF = 0x0a;
const BACKSLASH = 0x5c;
const X = 0x78;

interface Pending {
  readonly name: string;
  readonly text: string;
  readonly begin: number;
}

/** The calls in the order in which they were entered. Throws TraceError for text that strace does not write. */
export function parseStrace(output: Uint8Array): readonly Call[] {
  const calls: Call[] = [];
  const pending = new Map<number, Pending>();
  let tick = 0;
  const finish = (pid: number, call: Pending, text: string, end: () => number): void => {
    const equals = text.lastIndexOf(" = ");
    const close = text.lastIndexOf(")", equals);
    if (equals < 0 || close < 0) throw new TraceError(`no result: ${excerpt(text)}`);
    const args = text.slice(0, close);
    const result = parseResult(text.slice(equals + 3));
    calls.push({
      pid,
      name: call.name,
      text: args.endsWith(UNFINISHED) ? args.slice(0, -UNFINISHED.length) : args,
      ...result,
      begin: call.begin,
      end: result.result === undefined ? Infinity : end(),
    });
  };
  for (const line of lines(output)) {
    const [, pidText, rest] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    if (pidText === undefined || rest === undefined) throw new TraceError(`not a line of strace -f: ${excerpt(line)}`);
    const pid = Number(pidText);
    if (rest.startsWith("---") || rest.startsWith("+++")) continue;
    if (rest.startsWith("<... ")) {
      const resumed = rest.indexOf(" resumed>");
      const name = rest.slice(5, resumed);
      const entered = pending.get(pid);
      if (entered?.name !== name) throw new TraceError(`${name} resumed in ${pid}, which had not entered it`);
      pending.delete(pid);
      finish(pid, entered, entered.text + rest.slice(resumed + 9), () => tick++);
      continue;
    }
    const open = rest.indexOf("(");
    if (open < 0) throw new TraceError(`not a call: ${excerpt(line)}`);
    const call = { name: rest.slice(0, open), text: rest.slice(open + 1), begin: tick++ };
    if (call.text.endsWith(UNFINISHED)) {
      pending.set(pid, { ...call, text: call.text.slice(0, -UNFINISHED.length) });
    } else {
      finish(pid, call, call.text, () => tick++);
    }
  }
  for (const [pid, call] of pending) {
    calls.push({ pid, ...call, result: undefined, resultPath: undefined, injected: false, end: Infinity });
  }
  return calls.sort((a, b) => a.begin - b.begin);
}

/** The arguments, separated at the commas that are inside nothing. */
export function splitArguments(text: string): readonly string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charAt(i);
    if (c === '"') i = closingQuote(text, i);
    else if (c === "[" || c === "{" || c === "(") depth++;
    else if (c === "]" || c === "}" || c === ")") depth--;
    else if (c === "," && depth === 0) {
      out.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  out.push(text.slice(start).trim());
  return out;
}

/** The bytes of a string printed with -xx. Throws when strace cut it short (-s) or it is no string. */
export function decodeBytes(token: string): Uint8Array {
  if (!token.startsWith('"')) throw new TraceError(`not a string: ${excerpt(token)}`);
  if (!token.endsWith('"')) throw new TraceError(`strace cut a string short, raise -s: ${excerpt(token)}`);
  const text = Buffer.from(token, "latin1");
  const bytes = new Uint8Array(Math.ceil((token.length - 2) / 4));
  for (let i = 0, at = 1; i < bytes.length; i++, at += 4) {
    const high = hexDigit(text[at + 2]);
    const low = hexDigit(text[at + 3]);
    if (text[at] !== BACKSLASH || text[at + 1] !== X || high < 0 || low < 0) {
      throw new TraceError(`not printed with -xx: ${excerpt(token)}`);
    }
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** A path argument. */
export function decodePath(token: string): string {
  return new TextDecoder().decode(decodeBytes(token));
}

/** The bytes of all `iov_base` members, joined: writev, pwritev, sendmsg. */
export function decodeVector(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [, token] of text.matchAll(/iov_base=("[^"]*"(?:\.\.\.)?)/g)) parts.push(decodeBytes(token ?? ""));
  return new Uint8Array(Buffer.concat(parts));
}

/** A descriptor argument such as `21</dir/name>`; fd is -1 for AT_FDCWD; a deleted file keeps its former path. */
export function decodeDescriptor(token: string): { readonly fd: number; readonly path: string | undefined } {
  const [, fd, path] = /^(-?\d+|AT_FDCWD)(?:<(.*)>(?:\(deleted\))?)?$/s.exec(token) ?? [];
  if (fd === undefined) throw new TraceError(`not a descriptor: ${excerpt(token)}`);
  return { fd: fd === "AT_FDCWD" ? -1 : Number(fd), path: path === undefined ? undefined : decodeAnnotation(path) };
}

function parseResult(text: string): Pick<Call, "result" | "resultPath" | "injected"> {
  const injected = text.includes("(INJECTED)");
  // "? ERESTARTSYS" is a call that a signal took back before it did anything; a bare "?" is a thread that died.
  const [, value, path] = /^(\?(?: ERESTART)?|-?\d+|0x[0-9a-f]+)(?:<(.*)>)?/s.exec(text) ?? [];
  if (value === undefined) throw new TraceError(`not a result: ${excerpt(text)}`);
  const result = value === "?" ? undefined : value.startsWith("?") ? -1 : Number(value);
  return { result, resultPath: path === undefined ? undefined : decodeAnnotation(path), injected };
}

/** Before version 6 strace printed these paths without -xx. */
function decodeAnnotation(path: string): string {
  const decoded = path.startsWith("\\x") ? decodePath(`"${path}"`) : path;
  return decoded.endsWith(" (deleted)") ? decoded.slice(0, -" (deleted)".length) : decoded;
}

/** The value of a digit as strace prints it, in lower case; -1 for anything else. */
function hexDigit(code = 0): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x61 + 10 : -1;
}

function closingQuote(text: string, open: number): number {
  const close = text.indexOf('"', open + 1);
  if (close < 0) throw new TraceError(`a string does not end: ${excerpt(text.slice(open))}`);
  return close;
}

/** Line by line: a whole trace may be longer than the longest string. */
function* lines(output: Uint8Array): Generator<string> {
  const bytes = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LF, start);
    if (end < 0) throw new TraceError("the last line is cut off: the tracer was killed");
    yield bytes.toString("latin1", start, end);
    start = end + 1;
  }
}

function excerpt(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
