/** A route: what it takes, what it answers, who may call it. The server is made of these, and so is the OpenAPI document. */
import type { Readable } from "node:stream";
import type { z } from "zod";
import type { ApiErrorCode } from "./errors.ts";
import type { Grant } from "./grant.ts";
import type { Scope } from "./tokens.ts";

type Shape = z.ZodObject;

export interface Answer {
  readonly status?: number;
  readonly type: string;
  readonly body: string | Uint8Array | Readable;
  /** A name for whoever saves it. */
  readonly fileName?: string;
}

/** The token of a route that has a scope. */
export interface Call<Params, Query> {
  readonly params: Params;
  readonly query: Query;
  readonly grant: Grant;
}

export interface Route {
  /** With {names}. */
  readonly path: string;
  readonly operation: string;
  readonly summary: string;
  /** null: for anybody. */
  readonly scope: Scope | null;
  /** False: not counted, for those who watch over it. */
  readonly isLimited: boolean;
  readonly params: Shape;
  readonly query: Shape;
  /** The media type of status 200, and what it is: a schema where it is JSON. */
  readonly answer: { readonly type: string; readonly schema: z.ZodType | null };
  /** Other statuses with an answer of that schema. */
  readonly also: readonly number[];
  readonly errors: readonly ApiErrorCode[];
  readonly handle: (call: Call<Readonly<Record<string, string | undefined>>, Readonly<Record<string, string | undefined>>>) => Promise<Answer> | Answer;
}

interface Options<P extends Shape, Q extends Shape> extends Omit<Route, "params" | "query" | "handle" | "isLimited" | "also"> {
  readonly isLimited?: boolean;
  readonly also?: readonly number[];
  readonly params: P;
  readonly query: Q;
  readonly handle: (call: Call<z.output<P>, z.output<Q>>) => Promise<Answer> | Answer;
}

export function route<P extends Shape, Q extends Shape>(options: Options<P, Q>): Route {
  return { isLimited: true, also: [], ...options, handle: options.handle as Route["handle"] };
}

export const JSON_TYPE = "application/json; charset=utf-8";

export function json(value: object, status = 200): Answer {
  return { type: JSON_TYPE, body: JSON.stringify(value), status };
}
