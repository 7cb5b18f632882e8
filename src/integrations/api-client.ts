/**
 * The clients of OpenAI and Anthropic are made by one generator: what their calls return is a promise with the raw response at its side,
 * and what streams is a Stream. Both are held back here until the receipt is stored, and the raw response is not handed out.
 */
import { ReceiptRefused } from "../clients/index.ts";
import { type Recorder, withheld } from "./core.ts";
import type { Answered, IntegrationOptions } from "./options.ts";

interface ApiPromise<T> extends Promise<T> {
  _thenUnwrap<U>(transform: (data: T, ...more: never[]) => U): ApiPromise<U>;
  asResponse(): Promise<Response>;
  withResponse(): Promise<object>;
  /** Anthropic's: the unread response, for helpers that read it themselves. */
  _responseProps?(): Promise<{ readonly response: Response }>;
}

interface ApiStream<Item> extends AsyncIterable<Item> {
  readonly controller: AbortController;
}

/** What a kind of call answers, whole or in events. */
export interface Reading<Whole, Event> {
  readonly answered: (whole: Whole) => Answered;
  /** The whole that the events tell; as much as there is, where they break off. */
  readonly wholeOf: (events: readonly Event[]) => Whole;
  /** Neither part of a tool call nor an end. */
  readonly isFree: (event: Event) => boolean;
}

/** Request options that make another request of it, or another answer. */
const OTHERWISE = ["method", "path", "body", "__binaryResponse", "__streamClass", "__synthesizeEventData"] as const;
const OTHERWISE_FETCHED = ["method", "body"] as const;

type RequestOptions = { readonly [name in (typeof OTHERWISE)[number]]?: unknown } & { readonly fetchOptions?: { readonly [name in (typeof OTHERWISE_FETCHED)[number]]?: unknown } | undefined };

/** The options as they are now. Throws ReceiptRefused `not_receipted` where a request would not be the one that is recorded. */
export function ownOptions<Options extends object | undefined>(request: Options): Options {
  const own = { ...request } as RequestOptions & { fetchOptions?: RequestOptions["fetchOptions"] };
  if (own.fetchOptions !== undefined) own.fetchOptions = { ...own.fetchOptions }; // read when the request is sent
  const name = OTHERWISE.find((option) => own[option] !== undefined) ?? OTHERWISE_FETCHED.find((option) => own.fetchOptions?.[option] !== undefined);
  if (name !== undefined) throw new ReceiptRefused("not_receipted", `with the request option ${name} something else would be asked than is recorded`);
  return request === undefined ? request : own as Options;
}

/** The promise, with its answer or stream held back. */
export function heldBack<Whole extends object, Event, P>(promise: P, isStream: boolean, { answered, wholeOf, isFree }: Reading<Whole, Event>, record: Recorder, stream: IntegrationOptions["stream"]): P {
  const call = promise as unknown as ApiPromise<unknown>;
  const release = async (data: unknown): Promise<unknown> => {
    if (typeof data !== "object" || data === null) throw new ReceiptRefused("bad_value", "the answer is not JSON of an object, and cannot be recorded");
    if (!isStream) {
      await record(() => read(() => answered(data as Whole)));
      return data;
    }
    const source = data as ApiStream<Event>;
    const parts = (): AsyncIterator<Event> => withheld(source, {
      mode: stream,
      isFree: (event) => read(() => isFree(event)),
      isAborted: () => source.controller.signal.aborted, // such a stream ends as if there was no more
      record: (all, interrupted) => record(() => ({ ...read(() => answered(wholeOf(all))), ...(interrupted ? { finishReason: null, interrupted } : {}) })),
    });
    const Stream = source.constructor as new (iterator: () => AsyncIterator<Event>, controller: AbortController) => ApiStream<Event>;
    return new Stream(parts, source.controller);
  };
  return closed(call._thenUnwrap(release)) as unknown as P;
}

function read<T>(answer: () => T): T {
  try {
    return answer();
  } catch (cause) {
    if (cause instanceof TypeError) throw new ReceiptRefused("bad_value", `the answer is not of the form that can be recorded: ${cause.message}`, { cause });
    throw cause;
  }
}

/** Without the ways around the receipt. */
function closed(promise: ApiPromise<unknown>): ApiPromise<unknown> {
  const asResponse = promise.asResponse.bind(promise);
  const thenUnwrap = promise._thenUnwrap.bind(promise);
  const responseProps = promise["_responseProps"]?.bind(promise);
  return Object.assign(promise, responseProps === undefined ? {} : {
    async _responseProps() {
      const [data, props] = [await promise, await responseProps()];
      return { ...props, response: like(props.response, isStream(data) ? ReadableStream.from(eventTexts(data)) : null) };
    },
  }, {
    _thenUnwrap: (transform: (data: unknown) => unknown) => closed(thenUnwrap(transform)),
    async asResponse() {
      await (await asResponse()).body?.cancel();
      throw new ReceiptRefused("not_receipted", "the raw response has no receipt: await the answer, or use withResponse()");
    },
    async withResponse() {
      const data = await promise;
      const response = like(await asResponse(), null); // without the body, which is read, or is the stream's
      const { headers } = response;
      return { data, response, request_id: headers.get("x-request-id") ?? headers.get("request-id"), workspace_id: headers.get("anthropic-workspace-id") };
    },
  });
}

function like({ status, statusText, headers }: Response, body: ReadableStream | null): Response {
  return new Response(body, { status, statusText, headers });
}

function isStream(data: unknown): data is AsyncIterable<{ readonly type: string }> {
  return typeof data === "object" && data !== null && Symbol.asyncIterator in data;
}

/** A stream as it comes from the server, but held back. */
async function* eventTexts(events: AsyncIterable<{ readonly type: string }>): AsyncGenerator<Uint8Array> {
  for await (const event of events) yield Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
