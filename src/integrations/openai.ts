/**
 * OpenAI SDK: a client whose chat completions and responses have receipts before they are handed out, also where parse(), stream() and
 * runTools() make them. docs/integrations/openai.md.
 */
import type OpenAI from "openai";
import { ReceiptRefused } from "../clients/index.ts";
import { heldBack, ownOptions } from "./api-client.ts";
import { twiceAsJson } from "./copy.ts";
import { recorder } from "./core.ts";
import { CHAT } from "./openai-chat.ts";
import { RESPONSE } from "./openai-responses.ts";
import type { Asked, IntegrationOptions } from "./options.ts";

export type { Answered, Asked, IntegrationOptions, ToolCall } from "./options.ts";

type ChatBody = OpenAI.Chat.Completions.ChatCompletionCreateParams;
type AnswerBody = OpenAI.Responses.ResponseCreateParams;

const PROVIDER = "openai";

/** A client like `client`, which stays as it is. Calls other than chat.completions.create and responses.create have no receipts. */
export function receiptedOpenAI<Client extends OpenAI>(client: Client, options: IntegrationOptions = {}): Client {
  const copy = client.withOptions(ofAzure(client));
  ownOptions({ fetchOptions: copy["fetchOptions"] });
  const withOptions = copy.withOptions.bind(copy);
  copy.withOptions = (more) => receiptedOpenAI(withOptions({ ...ofAzure(copy), ...more }), options) as ReturnType<typeof withOptions>;

  const { completions } = copy.chat;
  const complete = completions.create.bind(completions) as (body: ChatBody, request?: OpenAI.RequestOptions) => unknown;
  completions.create = ((given: ChatBody, request?: OpenAI.RequestOptions) => {
    const own = ownOptions(request);
    const [body, said] = twiceAsJson(given); // as it is now: it is sent later
    const record = recorder(askedOf(said, said.messages), options);
    return heldBack(complete(body, own), Boolean(body.stream), CHAT, record, options.stream);
  }) as typeof completions.create;

  const { responses } = copy;
  withReceipts(responses, options);
  const { beta } = copy as { readonly beta?: { readonly responses?: Responses } }; // not in every version
  if (beta?.responses !== undefined) withReceipts(beta.responses, options);
  const stream = responses.stream.bind(responses);
  responses.stream = ((body: Parameters<typeof stream>[0], request?: OpenAI.RequestOptions) => {
    if ("response_id" in body) throw new ReceiptRefused("not_receipted", "a response that is fetched by its id has no receipt of what was asked: make it with responses.create");
    return stream(body, request);
  }) as typeof stream;
  return copy;
}

/** What a client for Azure is made of, and its own withOptions leaves out. */
function ofAzure(client: OpenAI): object {
  const { apiVersion, deploymentName: deployment } = client as { readonly apiVersion?: string; readonly deploymentName?: string };
  return apiVersion === undefined ? {} : { apiVersion, deployment };
}

interface Responses {
  create: unknown;
}

function withReceipts(responses: Responses, options: IntegrationOptions): void {
  const respond = (responses.create as (body: AnswerBody, request?: OpenAI.RequestOptions) => unknown).bind(responses);
  responses.create = (given: AnswerBody, request?: OpenAI.RequestOptions) => {
    const own = ownOptions(request);
    const [body, said] = twiceAsJson(given);
    if (said.background) throw new ReceiptRefused("not_receipted", "a response in the background is fetched later, without a receipt");
    const { input = [], instructions } = said;
    const list = typeof input === "string" ? [{ role: "user", content: input }] : input;
    const record = recorder(askedOf(said, typeof instructions === "string" ? [{ role: "system", content: instructions }, ...list] : list), options);
    return heldBack(respond(body, own), Boolean(body.stream), RESPONSE, record, options.stream);
  };
}

function askedOf(body: ChatBody | AnswerBody, messages: readonly unknown[]): Asked {
  const tools = (body.tools ?? []) as readonly { readonly type: string; readonly name?: string; readonly function?: { readonly name: string }; readonly custom?: { readonly name: string } }[];
  return { sdk: "openai", provider: PROVIDER, model: body.model ?? "", messages, tools: tools.map((tool) => tool.function?.name ?? tool.custom?.name ?? tool.name ?? tool.type), request: body };
}
