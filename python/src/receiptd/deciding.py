"""From a decision to its receipt: what is recorded of a function's arguments and result, and what a failed gate does."""
from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .appending import Appender, Stored
from .errors import DecisionBlocked, ReceiptError, ReceiptRefused
from .steps import Plan
from .times import now_text
from .values import bad_value, encode

#: Of the daemon, where its policy does not take a decision with a failed gate.
POLICY_REFUSAL = "policy_gate_failed"
FAILED_STATUSES = ("FAIL", "ERROR")
STATUSES = ("PASS", "WARN", "SKIP", *FAILED_STATUSES)

Arguments = Mapping[str, Any]


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

    def recorded_inputs(self, arguments: Arguments) -> Any:
        """As they are before the function runs, which may change them."""
        return json.loads(encode(dict(arguments) if self.inputs is None else self.inputs(arguments), "/inputs"))

    def receipt(self, inputs: Any, result: Any, arguments: Arguments) -> dict[str, Any]:
        receipt: dict[str, Any] = {"timestamp": now_text()}
        for name, value in self.fields.items():
            found = value(result, arguments) if callable(value) else value
            if found is not None:
                receipt[name] = found
        receipt["decision"] = result if self.decision is None else self.decision(result)
        receipt["inputs"] = inputs
        if self.gates is not None:
            receipt["gates"] = list(self.gates(result, arguments))
        return receipt


def record(appender: Appender, recipe: Recipe, inputs: Any, result: Any, arguments: Arguments) -> Plan[Stored]:
    """Returns once the decision is recorded and may be executed; raises, and it must not be."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise bad_value(f"a {type(result).__name__} decides only later: decorate what returns the decision itself", "/decision")
    receipt = recipe.receipt(inputs, result, arguments)
    for at, gate in enumerate(receipt.get("gates", ())):
        if gate.get("status") not in STATUSES:
            raise bad_value(f"one of {', '.join(STATUSES)}", f"/gates/{at}/status")
    recorded = encode(receipt["decision"], "/decision")
    failed = [gate for gate in receipt.get("gates", ()) if gate.get("status") in FAILED_STATUSES]
    if failed and recipe.block_on_failed_gate:
        return (yield from _blocked(appender, recipe, {**receipt, "decision": json.loads(recorded)}, failed, "gates have failed"))
    try:
        stored = yield from appender.append(receipt, recipe.ack, recipe.timeout)
        if encode(receipt["decision"], "/decision") != recorded:  # by somebody else who has the same object
            raise ReceiptError("decision_changed", "the decision is not what was recorded any more: it was changed meanwhile", receipt_id=stored.receipt_id)
        return stored
    except ReceiptRefused as error:
        if error.code != POLICY_REFUSAL:
            raise
        refused = error
    return (yield from _blocked(appender, recipe, {**receipt, "decision": json.loads(recorded)}, failed, refused.message))


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
