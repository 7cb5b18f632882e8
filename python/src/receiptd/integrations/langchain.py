"""LangChain: a chat model whose every answer has a receipt before it is handed out, and a tool that runs once the receipt of its call
is stored. Subclasses made at run time and no callback handler: LangChain logs what a handler raises, and goes on.

    model = receipted_model(ChatOpenAI(model="gpt-x"), client=client, system_id="assistant")
"""
from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from .langchain_model import Recorder
from .langchain_receipt import options_of
from .values import hash_of, own, plain

Model = TypeVar("Model")
Tool = TypeVar("Tool")
#: A run of a tool that has its receipt already, with its arguments.
_receipted: ContextVar[list[tuple[int, tuple[Any, ...], dict[str, Any]]]] = ContextVar("receiptd_receipted", default=[])


def receipted_model(model: Model, **options: Any) -> Model:
    """A model like `model`, which stays as it is; options: those of `Options`, and members of the receipt such as system_id. What
    bind_tools and with_structured_output make of it has receipts as well; a cache is not asked."""
    from langchain_core.language_models.chat_models import BaseChatModel

    if not isinstance(model, BaseChatModel):
        raise TypeError("only a chat model can be given receipts")
    recorder = Recorder(options_of(options))
    of: Any = type(model)
    members: dict[str, Any] = {"_generate": functools.wraps(of._generate)(recorder.generate(of))}
    if of._agenerate is not BaseChatModel._agenerate:
        members["_agenerate"] = functools.wraps(of._agenerate)(recorder.agenerate(of))
    if of._stream is not BaseChatModel._stream:
        members["_stream"] = functools.wraps(of._stream)(recorder.stream(of))
    if of._astream is not BaseChatModel._astream:
        members["_astream"] = functools.wraps(of._astream)(recorder.astream(of))
    copy: Any = model.model_copy(update={"cache": False})
    made = _become(copy, of, members)
    for name in ("_stream_chat_model_events", "_astream_chat_model_events"):
        setattr(made, name, None)  # events are made of _stream then
    return copy  # type: ignore[no-any-return]


def receipted_tool(tool: Tool, **options: Any) -> Tool:
    """A tool like `tool`, which stays as it is. The receipt says that it is called; without one it does not run."""
    from langchain_core.tools import BaseTool

    if not isinstance(tool, BaseTool):
        raise TypeError("only a tool can be given receipts")
    by = options_of(options)
    of: Any = type(tool)

    def store(self: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        arguments = plain({**_own(kwargs), **({"args": list(args)} if args else {})})
        hashed = hash_of(arguments, by.hash_key)
        call = {"name": self.name, "arguments": arguments}
        recorded = {"name": self.name, **({"arguments": arguments} if by.tool_arguments == "full" else {"arguments_hash": hashed})}
        inputs = {"tool": self.name, "arguments_hash": hashed} if isinstance(by.inputs, str) else by.inputs(own(call))
        by.store(inputs, {"action": "call_tool", "tool_calls": [recorded]}, call, metadata={"tool_call": {"sdk": "langchain"}})

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        receipted = _receipted.get()
        if receipted and receipted[-1] == (id(self), args, _own(kwargs)):
            receipted.pop()  # for this run, and none that it makes itself
        else:
            args, kwargs = _ours(args, kwargs)
            store(self, args, kwargs)
        return of._run(self, *args, **kwargs)

    async def arun(self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _ours(args, kwargs)
        await asyncio.to_thread(store, self, args, kwargs)
        token = _receipted.set([(id(self), args, _own(kwargs))])  # where it only has _run do it
        try:
            return await of._arun(self, *args, **kwargs)
        finally:
            _receipted.reset(token)

    members: dict[str, Any] = {"_run": functools.wraps(of._run)(run)}
    if of._arun is not BaseTool._arun:
        members["_arun"] = functools.wraps(of._arun)(arun)
    copy: Any = tool.model_copy()
    _become(copy, of, members)
    return copy  # type: ignore[no-any-return]


def _ours(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Nobody else's: what is recorded is what the tool gets."""
    return own(args), {**kwargs, **own(_own(kwargs))}


def _own(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in ("config", "run_manager")}


def _become(copy: Any, of: Any, members: Mapping[str, Any]) -> Any:
    made = types.new_class(of.__name__, (of,), {}, lambda namespace: namespace.update(members, __module__=of.__module__, __qualname__=of.__qualname__))
    object.__setattr__(copy, "__class__", made)
    return made
