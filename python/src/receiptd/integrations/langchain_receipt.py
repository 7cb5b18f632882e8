"""The receipt of a model's answer, for LangChain."""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..appending import Stored
from ..client import Client
from ..decision import receipt
from .values import hash_of, own, plain

#: Types of blocks that only say something.
SAID = ("text", "reasoning", "thinking", "redacted_thinking")
#: Of those that call a tool; and of these, those that are among `tool_calls` too.
_CALL = re.compile("((^|_)tool_use|_call(_chunk)?)$")
_OWN = ("tool_use", "tool_call", "tool_call_chunk", "function_call")
#: Of a request, those members that say how and not about what.
SETTINGS = ("temperature", "top_p", "top_k", "seed", "n", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "reasoning_effort", "tool_choice")


@dataclass(frozen=True)
class Options:
    """`inputs`: hashed, full, or a callable of the request. `text`: hashed or full. `tool_arguments`: full or hashed. `hash_key`: HMAC in
    place of SHA-256. `stream`: before or after (text goes out at once, tool calls and the end do not). `gates`: a callable of the answer, an
    AIMessage, or of a tool's call, a dict with `name` and `arguments`. `fields`: further members of the receipt."""

    client: Client | None = None
    inputs: str | Callable[[Mapping[str, Any]], Mapping[str, Any]] = "hashed"
    text: str = "hashed"
    tool_arguments: str = "full"
    hash_key: bytes | None = None
    stream: str = "before"
    gates: Callable[[Any], Sequence[Mapping[str, Any]]] | None = None
    block_on_failed_gate: bool = False
    on_receipt: Callable[[Stored], None] | None = None
    ack: str | None = None
    timeout: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def store(self, inputs: Mapping[str, Any], decision: Mapping[str, Any], judged: Any, **more: Any) -> None:
        gates = self.gates
        given = {**more, **self.fields, "metadata": {**self.fields.get("metadata", {}), **more.get("metadata", {})}}
        receipt(
            self.client, inputs=lambda _: inputs, gates=None if gates is None else lambda *_: gates(own(judged)),
            block_on_failed_gate=self.block_on_failed_gate, on_receipt=self.on_receipt, ack=self.ack, timeout=self.timeout, **given,
        )(lambda: decision)()


def options_of(given: Mapping[str, Any]) -> Options:
    known = {name: value for name, value in given.items() if name in Options.__dataclass_fields__ and name != "fields"}
    return Options(**known, fields={name: value for name, value in given.items() if name not in known})


def inputs_of(options: Options, messages: Sequence[Any], request: Mapping[str, Any], ls: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(options.inputs, str):
        return options.inputs(own(request))
    if options.inputs == "full":
        full: Mapping[str, Any] = plain(request)
        return full
    given = {"temperature": ls.get("ls_temperature"), "max_tokens": ls.get("ls_max_tokens"), **{name: request[name] for name in SETTINGS if name in request}}
    settings = plain(given)
    tools = [tool.get("name") or tool.get("function", {}).get("name") or tool.get("type") for tool in request.get("tools") or () if isinstance(tool, Mapping)]
    return {"messages_hash": hash_of(messages, options.hash_key), "message_count": len(messages), "request_hash": hash_of(request, options.hash_key),
            **({"tools": tools} if tools else {}), **({"settings": settings} if settings else {})}


def decision_of(options: Options, message: Any, finish_reason: Any, others: Sequence[Any]) -> dict[str, Any]:
    text = message.text if isinstance(message.text, str) else message.text()
    own = [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ())]
    blocks = [block for block in message.content if isinstance(block, Mapping) and block.get("type") not in ("text", "input_json_delta")]
    calls = [*own, *_carried_out(blocks, {call.get("id") for call in own})]
    other = [*((block.get("type", "unknown"), block) for block in blocks if not _CALL.search(str(block.get("type")))), *(("choice", message_of(it.message)) for it in others)]
    said = {"text": str(text)} if options.text == "full" else {"text_hash": hash_of(str(text), options.hash_key), "text_length": len(str(text).encode("utf-16-le", "surrogatepass")) // 2}
    return {
        "action": "call_tools" if calls else "respond", "finish_reason": finish_reason, **(said if text else {}),
        **({"tool_calls": [_call(options, call) for call in calls]} if calls else {}),
        **({"other": [{"type": kind, "hash": hash_of(value, options.hash_key)} for kind, value in other]} if other else {}),
    }


def _carried_out(blocks: Sequence[Mapping[str, Any]], own: set[Any]) -> list[dict[str, Any]]:
    """Calls of tools that the provider runs itself, which LangChain has among the blocks of an answer alone."""
    return [
        {"id": block.get("id"), "name": block.get("name") or block["type"], "args": _arguments(block)} for block in blocks
        if _CALL.search(str(block.get("type"))) and block["type"] not in _OWN and not own & {block.get("id"), block.get("call_id")} - {None}
    ]


def _arguments(block: Mapping[str, Any]) -> Any:
    """In a stream they come as pieces of JSON; as text where these make none."""
    found: Any = block.get("partial_json") or next((block[name] for name in ("args", "arguments", "input", "action") if block.get(name) is not None), {})
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found)
    except (ValueError, RecursionError):
        return found


def _call(options: Options, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["args"]
    said = {"arguments_text": arguments} if isinstance(arguments, str) else {"arguments": plain(arguments)}
    recorded = said if options.tool_arguments == "full" else {"arguments_hash": hash_of(arguments, options.hash_key)}
    return {**({"id": call["id"]} if call.get("id") else {}), "name": call.get("name") or "", **recorded}


def message_of(message: Any) -> dict[str, Any]:
    """Under the names that the integration for JavaScript has, too."""
    said = {name: getattr(message, name, None) for name in ("type", "content", "name", "tool_calls", "tool_call_id")}
    return {name: value for name, value in said.items() if value is not None}
