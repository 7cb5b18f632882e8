"""`@receipt`: a function whose result nobody gets before it is recorded. No receipt, no action."""
from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from .aio import AsyncClient
from .appending import Stored
from .client import Client
from .deciding import Arguments, Recipe, arguments_of, record

F = TypeVar("F", bound=Callable[..., Any])

_lock = threading.Lock()
_default: dict[type[Client] | type[AsyncClient], Client | AsyncClient] = {}


def _in_child() -> None:
    """Nobody else holds the lock here, whoever held it there."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)


def receipt(
    client: Client | AsyncClient | None = None, *,
    inputs: Callable[[Arguments], Mapping[str, Any]] | None = None,
    decision: Callable[[Any], Any] | None = None,
    gates: Callable[[Any, Arguments], Sequence[Mapping[str, Any]]] | None = None,
    block_on_failed_gate: bool = False,
    on_receipt: Callable[[Stored], None] | None = None,
    ack: str | None = None, timeout: float | None = None,
    **fields: Any,
) -> Callable[[F], F]:
    """Decorates a function, plain or async, that decides. Its result comes out once the receipt is acknowledged; a
    ReceiptError comes instead, and then the decision must not be executed. If the function raises, nothing is recorded.

    `client`: one that waits as the function does; else one made of the environment, at the first call.
    `inputs(arguments)`: what is recorded of the arguments (default: all, by name). Leave out or hash (`pseudonym`) what identifies a person.
    `decision(result)`: what is recorded of the result (default: it itself). Asked again before the result comes out: it has to say the same.
    `gates(result, arguments)`: the checks that it went through, each a dict with `name` and `status`.
    `block_on_failed_gate`: a gate with FAIL or ERROR raises DecisionBlocked; so does a daemon whose policy does not take it.
    `on_receipt(acknowledgement)`: is called before the result comes out.
    `fields`: system_id, organization, model_version, reasons, metadata and so on, each a value or a callable of (result, arguments).
    """
    recipe = Recipe(inputs=inputs, decision=decision, gates=gates, fields=fields, block_on_failed_gate=block_on_failed_gate, ack=ack, timeout=timeout, on_receipt=on_receipt)

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__}: @receipt is for functions that return a decision, not for generators")
        wrap = _wrap_async if inspect.iscoroutinefunction(function) else _wrap
        return cast(F, wrap(function, signature, recipe, client))

    return decorate


def default_client() -> Client:
    """Made of the environment, once."""
    return cast(Client, _made(Client))


def default_async_client() -> AsyncClient:
    return cast(AsyncClient, _made(AsyncClient))


def _made(kind: type[Client] | type[AsyncClient]) -> Client | AsyncClient:
    with _lock:
        if kind not in _default:
            _default[kind] = kind()
        return _default[kind]


def _wrap(function: Callable[..., Any], signature: inspect.Signature, recipe: Recipe, client: Client | AsyncClient | None) -> Callable[..., Any]:
    if isinstance(client, AsyncClient):
        raise TypeError(f"{function.__qualname__} is no async function: give it a Client")

    @functools.wraps(function)
    def decide(*args: Any, **kwargs: Any) -> Any:
        by = client or default_client()
        arguments = arguments_of(signature, args, kwargs)
        inputs = recipe.recorded_inputs(arguments)
        result = function(*args, **kwargs)
        by.run(record(by.appender, recipe, inputs, result, arguments))
        return result

    return decide


def _wrap_async(function: Callable[..., Any], signature: inspect.Signature, recipe: Recipe, client: Client | AsyncClient | None) -> Callable[..., Any]:
    if isinstance(client, Client):
        raise TypeError(f"{function.__qualname__} is an async function: give it an AsyncClient")

    @functools.wraps(function)
    async def decide(*args: Any, **kwargs: Any) -> Any:
        by = client or default_async_client()
        arguments = arguments_of(signature, args, kwargs)
        inputs = recipe.recorded_inputs(arguments)
        result = await function(*args, **kwargs)
        await by.run(record(by.appender, recipe, inputs, result, arguments))
        return result

    return decide
