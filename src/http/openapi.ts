/** The OpenAPI 3.1 document, made of the routes: what is checked is what is described. */
import { z } from "zod";
import { ApiError } from "./errors.ts";
import type { Route } from "./route.ts";
import { error } from "./schemas.ts";

/** Errors that any route may answer. */
const ANY = ["bad_request", "body_not_allowed", "url_too_long", "too_many_requests", "overloaded", "ledger_damaged", "ledger_unavailable", "internal"] as const;
const WITH_TOKEN = ["token_missing", "token_unknown", "token_expired", "scope_missing", "tokens_unusable"] as const;

/** Without the dialect, which OpenAPI 3.1 has of itself. */
function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

function parametersOf(at: "path" | "query", shape: z.ZodObject): readonly object[] {
  return Object.entries(shape.shape).map(([name, schema]) => {
    const { description, ...rest } = schemaOf(schema as z.ZodType, "input") as { readonly description?: string };
    return { name, in: at, required: at === "path" || !(schema as z.ZodType).safeParse(undefined).success, ...(description === undefined ? {} : { description }), schema: rest };
  });
}

/** Each status with the codes that it stands for. */
function errorsOf({ errors, scope }: Route): Readonly<Record<string, object>> {
  const codes = [...new Set([...ANY, ...(scope === null ? [] : WITH_TOKEN), ...errors])];
  const statuses = Map.groupBy(codes, (code) => String(new ApiError(code, "").status));
  return Object.fromEntries([...statuses].map(([status, these]) => [status, { description: these.join(", "), content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } }]));
}

function operationOf(route: Route): object {
  const { operation, summary, scope, params, query, answer, also } = route;
  const content = { [answer.type]: { schema: answer.schema === null ? { type: "string" } : schemaOf(answer.schema, "output") } };
  const good = Object.fromEntries([200, ...also].map((status) => [String(status), { description: status === 200 ? "OK" : "not now", content }]));
  return {
    operationId: operation, summary, parameters: [...parametersOf("path", params), ...parametersOf("query", query)],
    ...(scope === null ? { security: [] } : { security: [{ token: [] }], "x-scope": scope }),
    responses: { ...errorsOf(route), ...good },
  };
}

export function openApi(routes: readonly Route[], version: string): object {
  return {
    openapi: "3.1.0",
    info: { title: "receiptd", version, description: "Verification of receipts for anybody; contents for those with a token. docs/API.md" },
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operationOf(route) }])),
    components: {
      schemas: { Error: schemaOf(error, "output") },
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "from: receiptd token create" } },
    },
  };
}
