"""A LangChain model's methods that hand out answers, with the receipt in between. They ask without callbacks: tokens of a model that
streams inside are no less its answer."""
from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..errors import ReceiptRefused
from .langchain_receipt import SAID, Options, decision_of, inputs_of, message_of
from .values import own, plain

MAX_MODEL = 256
#: Whose answer is being made: what a model calls of its own on the way is no answer.
_inside: ContextVar[frozenset[int]] = ContextVar("receiptd_inside", default=frozenset())


def is_within(one: Any) -> bool:
    return id(one) in _inside.get()


@contextmanager
def within(one: Any) -> Iterator[None]:
    token = _inside.set(_inside.get() | {id(one)})
    try:
        yield
    finally:
        _inside.reset(token)


class Recorder:
    """`of`: the class whose method it is about."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def generate(self, of: Any) -> Callable[..., Any]:
        def _generate(model: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            if is_within(model):
                return of._generate(model, messages, stop=stop, run_manager=run_manager, **kwargs)
            messages, stop, kwargs = own((list(messages), stop, kwargs))  # what is recorded is what is sent
            store = self._begin(model, messages, stop, kwargs)
            with within(model):
                result = of._generate(model, messages, stop=stop, run_manager=None, **kwargs)
            return _recorded(result, store)
        return _generate

    def agenerate(self, of: Any) -> Callable[..., Any]:
        async def _agenerate(model: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            messages, stop, kwargs = own((list(messages), stop, kwargs))
            store = self._begin(model, messages, stop, kwargs)
            with within(model):
                result = await of._agenerate(model, messages, stop=stop, run_manager=None, **kwargs)
            return await asyncio.to_thread(_recorded, result, store)
        return _agenerate

    def stream(self, of: Any) -> Callable[..., Any]:
        def _stream(model: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            if not is_within(model):
                messages, stop, kwargs = own((list(messages), stop, kwargs))
            chunks = of._stream(model, messages, stop=stop, run_manager=None, **kwargs)
            if is_within(model):
                yield from chunks
                return
            held = _Held(self._options.stream, self._begin(model, messages, stop, kwargs))
            try:
                for chunk in map(own, chunks):
                    if held.passes(chunk):
                        yield chunk
                held.whole = True
            finally:
                if held.is_cut:
                    held.store()
            held.store()
            yield from held.chunks
        return _stream

    def astream(self, of: Any) -> Callable[..., Any]:
        async def _astream(model: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
            if not is_within(model):
                messages, stop, kwargs = own((list(messages), stop, kwargs))
            chunks = of._astream(model, messages, stop=stop, run_manager=None, **kwargs)
            if is_within(model):
                async for chunk in chunks:
                    yield chunk
                return
            held = _Held(self._options.stream, self._begin(model, messages, stop, kwargs))
            try:
                async for given in chunks:
                    chunk = own(given)
                    if held.passes(chunk):
                        yield chunk
                held.whole = True
            finally:
                if held.is_cut:
                    held.store()  # nothing may be awaited while a generator is closed
            await asyncio.to_thread(held.store)
            for chunk in held.chunks:
                yield chunk
        return _astream

    def _begin(self, model: Any, messages: Sequence[Any], stop: Any, kwargs: Mapping[str, Any]) -> Callable[..., None]:
        """Before the model is asked: what cannot be recorded is refused now."""
        ls = model._get_ls_params(stop=stop, **kwargs)
        name = ls.get("ls_model_name") or model._llm_type
        said = [message_of(message) for message in messages]
        options = self._options
        request = {**model._get_invocation_params(stop=stop, **kwargs), "messages": said}
        inputs = inputs_of(options, said, request, ls)

        def store(generations: Sequence[Any], interrupted: bool = False) -> None:
            if not generations:
                return
            message, info = generations[0].message, {**(generations[0].generation_info or {}), **generations[0].message.response_metadata}
            version = str(info.get("model_name") or info.get("model") or name)
            decision = decision_of(options, message, None if interrupted else info.get("finish_reason") or info.get("stop_reason"), generations[1:])
            call = {"sdk": "langchain", "provider": ls.get("ls_provider") or model._llm_type, "model": name, "response_id": message.id, "usage": getattr(message, "usage_metadata", None)}
            more = {"model_version": version} if 1 <= len(version) <= MAX_MODEL else {}
            options.store(inputs, {**decision, "interrupted": True} if interrupted else decision, message, metadata={"model_call": plain(call)}, **more)

        return store


def _recorded(result: Any, store: Callable[..., None]) -> Any:
    """The result as it was recorded, which nobody else has."""
    handed_out = result.model_copy(update={"generations": own(result.generations)})
    store(handed_out.generations)
    return handed_out


class _Held:
    """The chunks of a stream that wait for the receipt."""

    def __init__(self, mode: str, store: Callable[..., None]) -> None:
        self.chunks: list[Any] = []
        self.whole = False
        self._mode, self._store, self._out = mode, store, list[Any]()

    def passes(self, chunk: Any) -> bool:
        if self._mode == "after" and not self.chunks and _is_free(chunk):
            self._out.append(own(chunk))
            return True
        self.chunks.append(chunk)
        return False

    @property
    def is_cut(self) -> bool:
        return bool(self._out) and not self.whole

    def store(self) -> None:
        """Of a stream that was cut off: what went out, since nobody gets what was held."""
        chunks = [*self._out, *self.chunks] if self.whole else self._out
        if not chunks:
            return
        try:
            self._store([_whole(chunks)], not self.whole)
        except ReceiptRefused:
            if self.whole and self._out:
                self._store([_whole(self._out)], True)  # what came last cannot be recorded
            raise


def _whole(chunks: Sequence[Any]) -> Any:
    return functools.reduce(lambda whole, chunk: whole + chunk, chunks)


def _is_free(chunk: Any) -> bool:
    """No part of a call, of a tool's result or of the end: what may be shown before its receipt is stored."""
    message = chunk.message
    is_said = isinstance(message.content, str) or all(isinstance(block, str) or block.get("type") in SAID for block in message.content)
    return is_said and not getattr(message, "tool_call_chunks", ()) and not message.additional_kwargs and not (chunk.generation_info or {}).get("finish_reason")
