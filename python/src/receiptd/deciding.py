"""From a decision to its receipt: what is recorded of a function's arguments and result, and what a failed gate does."""
from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .appending import Appender, Stored
from .errors import DecisionBlocked, ReceiptError, ReceiptRefused
from .form import FAILED_STATUSES, STATUSES
from .steps import Plan
from .times import now_text
from .values import bad_value, encode

#: Of the daemon, where its policy does not take a decision with a failed gate.
POLICY_REFUSAL = "policy_gate_failed"

Arguments = Mapping[str, Any]

#: What has decided nothing yet when it is returned.
_LATER = (Awaitable, Iterator, AsyncIterator, Future)


@dataclass(frozen=True)
class Recipe:
    """How receipts of one function are made. Fields are values, or callables of (result, arguments)."""

    inputs: Callable[[Arguments], Mapping[str, Any]] | None = None
    decision: Callable[[Any], Any] | None = None
    gates: Callable[[Any, Arguments], Sequence[Mapping[str, Any]]] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    block_on_failed_gate: bool = False
    ack: str | None = None
    timeout: float | None = None
    on_receipt: Callable[[Stored], None] | None = None

    def recorded_inputs(self, arguments: Arguments) -> Any:
        """As they are before the function runs, which may change them."""
        return json.loads(encode(dict(arguments) if self.inputs is None else self.inputs(arguments), "/inputs"))

    def decided(self, result: Any) -> Any:
        return result if self.decision is None else self.decision(result)

    def receipt(self, inputs: Any, result: Any, arguments: Arguments) -> dict[str, Any]:
        receipt: dict[str, Any] = {"timestamp": now_text()}
        for name, value in self.fields.items():
            found = value(result, arguments) if callable(value) else value
            if found is not None:
                receipt[name] = found
        receipt["decision"] = self.decided(result)
        receipt["inputs"] = inputs
        if self.gates is not None:
            receipt["gates"] = list(self.gates(result, arguments))
        return receipt


def record(appender: Appender, recipe: Recipe, inputs: Any, result: Any, arguments: Arguments) -> Plan[Stored]:
    """Returns once the decision is recorded and may be executed; raises, and it must not be."""
    if isinstance(result, _LATER):
        raise bad_value(f"a {type(result).__name__} decides only later: decorate what returns the decision itself", "/decision")
    receipt = json.loads(encode(recipe.receipt(inputs, result, arguments)))  # from here on nobody else has it
    gates = receipt.get("gates", [])
    for at, gate in enumerate(gates):
        if not isinstance(gate, dict) or gate.get("status") not in STATUSES:
            raise bad_value(f"one of {', '.join(STATUSES)}", f"/gates/{at}/status")
    failed = [gate for gate in gates if gate["status"] in FAILED_STATUSES]
    if failed and recipe.block_on_failed_gate:
        return (yield from _blocked(appender, recipe, receipt, failed, "gates have failed"))
    try:
        stored = yield from appender.append(receipt, recipe.ack, recipe.timeout)
    except ReceiptRefused as error:
        if error.code != POLICY_REFUSAL:
            raise
        refused = error
    else:
        if recipe.on_receipt is not None:
            recipe.on_receipt(stored)
        if encode(recipe.decided(result)) != encode(receipt["decision"]):  # by somebody else who has the same object
            raise ReceiptError("decision_changed", "the decision is not what was recorded any more: it was changed meanwhile, or `decision` does not say the same of it twice", receipt_id=stored.receipt_id)
        return stored
    return (yield from _blocked(appender, recipe, receipt, failed, refused.message))


def _blocked(appender: Appender, recipe: Recipe, receipt: Mapping[str, Any], failed: Sequence[Mapping[str, Any]], why: str) -> Plan[Stored]:
    """That it was not executed is a receipt, too; without that one the error is why there is none."""
    decision = receipt["decision"]
    unexecuted = {**decision, "executed": False} if isinstance(decision, dict) else {"value": decision, "executed": False}
    stored = yield from appender.append({**receipt, "decision": unexecuted}, recipe.ack, recipe.timeout)
    raise DecisionBlocked(why, gates=failed, receipt=stored)


def arguments_of(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """By name, defaults included, without the object or class that a method is of."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found = dict(bound.arguments)
    first = next(iter(signature.parameters), None)
    if first in ("self", "cls"):
        del found[first]
    return found
