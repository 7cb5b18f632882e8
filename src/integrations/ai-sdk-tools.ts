/**
 * Vercel AI SDK: tools that run once the receipt of their call is stored, and repairs of calls that have one. What a tool is called with
 * need not be what the model wrote: a call is repaired, or its input transformed by a schema. docs/integrations/ai-sdk.md.
 */
import type { ToolCallRepairFunction, ToolExecutionOptions, ToolSet } from "ai";
import { copyOf } from "./copy.ts";
import { toolCallOf } from "./core.ts";
import type { ToolOptions } from "./options.ts";
import { recordCall } from "./tool-call.ts";

type Execute = (input: unknown, options: ToolExecutionOptions) => unknown;

/** Tools like `tools`, which stay as they are. Those without an `execute` are the same: nothing runs here. */
export function receiptedTools<Tools extends ToolSet>(tools: Tools, options: ToolOptions = {}): Tools {
  return Object.fromEntries(Object.entries(tools).map(([name, tool]) => {
    const execute = tool.execute?.bind(tool) as Execute | undefined;
    return [name, execute === undefined ? tool : { ...tool, execute: receiptedExecute(name, execute, isGenerator(tool.execute), options) }];
  })) as Tools;
}

/** A repair like `repair`: the repaired call has a receipt before the SDK gets it, also where no tool of ours runs it. */
export function receiptedRepair<Tools extends ToolSet>(repair: ToolCallRepairFunction<Tools>, options: ToolOptions = {}): ToolCallRepairFunction<Tools> {
  return async (asked) => {
    const { toolCallId, toolName: name, input } = asked.toolCall;
    const repaired = copyOf(await repair(asked));
    if (repaired === null) return null;
    await recordCall({ id: repaired.toolCallId, name: repaired.toolName, arguments: repaired.input }, "ai", options, { repaired_from: toolCallOf({ id: toolCallId, name, arguments: input }, options) });
    return repaired;
  };
}

function receiptedExecute(name: string, execute: Execute, isStreaming: boolean, options: ToolOptions): Execute {
  const begin = async (given: unknown, about: ToolExecutionOptions): Promise<readonly [unknown]> => {
    const input = copyOf(given); // nobody else's: what is recorded is what the tool gets
    await recordCall({ id: about.toolCallId, name, arguments: input }, "ai", options);
    return [execute(input, about)];
  };
  if (isStreaming) {
    return async function* (input, about) {
      const [results] = await begin(input, about);
      yield* results as AsyncIterable<unknown>;
    };
  }
  return async (input, about) => {
    const [result] = await begin(input, about);
    if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) return await result;
    let last: unknown; // results on the way are lost where only the call shows that there are some
    for await (last of result as AsyncIterable<unknown>);
    return last;
  };
}

function isGenerator(execute: unknown): boolean {
  return Object.prototype.toString.call(execute) === "[object AsyncGeneratorFunction]";
}
