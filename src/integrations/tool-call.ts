/** The receipt of a tool's call, whoever made it, stored before the tool runs. */
import { copyOf } from "./copy.ts";
import { recorderOf, toolCallOf } from "./core.ts";
import type { ToolCall, ToolOptions } from "./options.ts";
import { hashOf } from "./values.ts";

/** Throws what the client throws; then the tool must not run. `more`: further members of the decision. */
export async function recordCall(call: ToolCall, sdk: string, options: ToolOptions, more: object = {}): Promise<void> {
  const { id, name } = call;
  const inputs = options.inputs?.(copyOf(call)) ?? { tool: name, ...(id === undefined ? {} : { tool_call_id: id }), arguments_hash: hashOf(call.arguments, options.hashKey, "arguments") };
  await recorderOf<ToolCall>({
    inputs,
    decision: (called) => ({ action: "call_tool", tool_calls: [toolCallOf(called, options)], ...more }),
    more: () => ({ metadata: { tool_call: { sdk } } }),
    gates: options.gates,
    moreOf: () => options.more,
  }, options)(() => call);
}
