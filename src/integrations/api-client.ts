/**
 * The clients of OpenAI and Anthropic are made by one generator: what their calls return is a promise with the raw response at its side,
 * and what streams is a Stream. Both are held back here until the receipt is stored, and the raw response is not handed out.
 */
import { ReceiptRefused } from "../clients/index.ts";
import { withheld } from "./core.ts";
import type { Recorder } from "./core.ts";
import type { Answered, IntegrationOptions } from "./options.ts";

interface ApiPromise<T> extends Promise<T> {
  _thenUnwrap<U>(transform: (data: T, ...more: never[]) => U): ApiPromise<U>;
  asResponse(): Promise<Response>;
  withResponse(): Promise<object>;
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

/** The promise, with its answer or stream held back. */
export function heldBack<Whole extends object, Event, P>(promise: P, isStream: boolean, { answered, wholeOf, isFree }: Reading<Whole, Event>, record: Recorder, stream: IntegrationOptions["stream"]): P {
  const call = promise as unknown as ApiPromise<unknown>;
  const release = async (data: unknown): Promise<unknown> => {
    if (!isStream) {
      await record(answered(data as Whole));
      return data;
    }
    const source = data as ApiStream<Event>;
    const parts = (): AsyncIterator<Event> => withheld(source, stream, isFree, (all, interrupted) =>
      record({ ...answered(wholeOf(all)), ...(interrupted ? { finishReason: null, interrupted } : {}) }));
    const Stream = source.constructor as new (iterator: () => AsyncIterator<Event>, controller: AbortController) => ApiStream<Event>;
    return new Stream(parts, source.controller);
  };
  return closed(call._thenUnwrap(release)) as unknown as P;
}

/** Without the ways around the receipt. */
function closed(promise: ApiPromise<unknown>): ApiPromise<unknown> {
  const asResponse = promise.asResponse.bind(promise);
  const thenUnwrap = promise._thenUnwrap.bind(promise);
  return Object.assign(promise, {
    _thenUnwrap: (transform: (data: unknown) => unknown) => closed(thenUnwrap(transform)),
    async asResponse() {
      await (await asResponse()).body?.cancel();
      throw new ReceiptRefused("not_receipted", "the raw response has no receipt: await the answer, or use withResponse()");
    },
    async withResponse() {
      const data = await promise;
      const { status, statusText, headers } = await asResponse();
      const response = new Response(null, { status, statusText, headers }); // without the body, which is read, or is the stream's
      return { data, response, request_id: headers.get("x-request-id") ?? headers.get("request-id"), workspace_id: headers.get("anthropic-workspace-id") };
    },
  });
}
