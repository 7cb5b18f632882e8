"""What the rules of the clients are written in: plans, which say what to do next and never do it.

A plan is a generator. It yields a step, is sent what became of it, and returns the result. `Client` takes the steps by blocking,
`AsyncClient` by awaiting; so there is one truth for both.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A call as it is sent, the very same each time. `params` is JSON text."""

    method: str
    params: str
    receipt_id: str | None = None


@dataclass(frozen=True)
class Exchange:
    """Send it and wait for its answer. Its outcome is a pipeline.Outcome."""

    request: Request
    #: As time.monotonic().
    deadline: float
    #: On a connection of its own: its answer comes late and would hold up those behind it.
    apart: bool = False


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Blocking:
    """Something that waits for a disk or another server. Its outcome is what it returns; what it raises is raised in the plan."""

    run: Callable[[], Any]


Step: TypeAlias = Exchange | Sleep | Blocking
Plan: TypeAlias = Generator[Step, Any, T]


def request(method: str, params: dict[str, Any], receipt_id: str | None = None) -> Request:
    """A request of members, without those that are None."""
    given = {name: value for name, value in params.items() if value is not None}
    return Request(method, json.dumps(given, ensure_ascii=False, separators=(",", ":")), receipt_id)
