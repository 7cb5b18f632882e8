"""A chain: events and approvals as they happen, and one receipt of them all at its end.

Each is acknowledged with its hash; the receipt at the end has to have them all. All ids are chosen here, so that every call can be
sent again.
"""
from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from .asking import Asker
from .errors import ReceiptError
from .models import Acknowledgement, bad_answer, read
from .pipeline import Result
from .steps import Plan
from .uuid7 import new_chain_id, uuid7
from .values import check

T = TypeVar("T")
_log = logging.getLogger("receiptd")


@dataclass(frozen=True)
class ChainEvent:
    chain_id: str
    event_id: str
    seq: int
    hash: str
    recorded_at: str
    duplicate: bool


@dataclass(frozen=True)
class ChainApproval:
    chain_id: str
    approval_id: str
    seq: int
    hash: str
    recorded_at: str
    duplicate: bool


class ChainLog:
    """What a chain sends and has been told, whichever way its client waits."""

    def __init__(self, asker: Asker, members: Mapping[str, Any]) -> None:
        settings = asker.settings
        self._asker = asker
        self._members = {name: value for name, value in members.items() if value is not None}
        for name, value in (("organization", settings.organization), ("system_id", settings.system_id)):
            if value is not None:
                self._members.setdefault(name, value)
        self.chain_id: str = self._members.setdefault("chain_id", new_chain_id())
        #: Hashes of the events and approvals that were acknowledged, by their ids.
        self.hashes: dict[str, str] = {}
        self.receipt: Acknowledgement | None = None

    def open(self) -> Plan[Result]:
        return (yield from self.ask("chain.open", {"chain": self._members}))

    def event(self, members: Mapping[str, Any]) -> Plan[ChainEvent]:
        event = _with_id("event_id", members)
        done = read(ChainEvent, (yield from self.ask("chain.event", {"chain_id": self.chain_id, "event": event})))
        self._keep(done.chain_id, event["event_id"], done.event_id, done.hash)
        return done

    def approve(self, members: Mapping[str, Any]) -> Plan[ChainApproval]:
        approval = _with_id("approval_id", members)
        done = read(ChainApproval, (yield from self.ask("chain.approve", {"chain_id": self.chain_id, "approval": approval})))
        self._keep(done.chain_id, approval["approval_id"], done.approval_id, done.hash)
        return done

    def _keep(self, chain_id: str, asked: str, id_: str, hash_: str) -> None:
        if (chain_id, id_) != (self.chain_id, asked):
            raise bad_answer("an acknowledgement of something else")
        self.hashes[id_] = hash_

    def complete(self, outcome: str, summary: str | None, ack: str | None) -> Plan[Acknowledgement]:
        """ReceiptError `chain_mismatch` if an event or approval that was acknowledged is not in the receipt."""
        members = {"outcome": outcome, "summary": summary, "ack": ack if ack is not None else self._asker.settings.ack}
        receipt = read(Acknowledgement, (yield from self.ask("chain.complete", {"chain_id": self.chain_id, **members})))
        self.receipt = receipt
        found = yield from self._asker.get({"receipt_id": receipt.receipt_id}, None)
        lists = (found.receipt.get("events_summary"), found.receipt.get("approvals"))
        there = {entry.get("hash") for listed in lists if isinstance(listed, list) for entry in listed if isinstance(entry, dict)}
        missing = [id_ for id_, hash_ in self.hashes.items() if hash_ not in there]
        if missing or found.receipt_hash != receipt.receipt_hash:
            raise ReceiptError("chain_mismatch", f"{len(missing)} of {len(self.hashes)} acknowledged events and approvals are not in the chain's receipt: {', '.join(missing[:3])}", receipt_id=receipt.receipt_id)
        return receipt

    def ask(self, method: str, params: dict[str, Any]) -> Plan[Result]:
        for name, value in params.items():
            check(value, f"/{name}")
        return (yield from self._asker.ask(method, _given(params), None))

    def ended(self) -> bool:
        return self.receipt is not None


def _with_id(name: str, members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: uuid7(), **_given(members)}


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _not_ended(log: ChainLog, error: BaseException) -> None:
    """The block's own exception passes on; that its chain could not be ended is only said."""
    _log.error("chain %s was not ended as failed: %s; the daemon will call it abandoned", log.chain_id, error)


class Chain:
    """From `client.chain(…)`. Leaving the block completes it: as failed where an exception leaves it."""

    def __init__(self, log: ChainLog, run: Callable[[Plan[Any]], Any]) -> None:
        self._log = log
        self._run = run

    @property
    def chain_id(self) -> str:
        return self._log.chain_id

    @property
    def receipt(self) -> Acknowledgement | None:
        return self._log.receipt

    def open(self) -> Chain:
        self._run(self._log.open())
        return self

    def event(self, *, action: str, agent: str, metrics: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None,
              at: str | None = None, event_id: str | None = None) -> ChainEvent:
        done: ChainEvent = self._run(self._log.event({"action": action, "agent": agent, "metrics": metrics, "details": details, "at": at, "event_id": event_id}))
        return done

    def approve(self, *, approver: str, authenticated_by: str, approved: str, details: Mapping[str, Any] | None = None,
                at: str | None = None, approval_id: str | None = None) -> ChainApproval:
        done: ChainApproval = self._run(self._log.approve(
            {"approver": approver, "authenticated_by": authenticated_by, "approved": approved, "details": details, "at": at, "approval_id": approval_id}))
        return done

    def complete(self, outcome: str = "completed", *, summary: str | None = None, ack: str | None = None) -> Acknowledgement:
        done: Acknowledgement = self._run(self._log.complete(outcome, summary, ack))
        return done

    def get(self) -> Result:
        done: Result = self._run(self._log.ask("chain.get", {"chain_id": self.chain_id}))
        return done

    def __enter__(self) -> Chain:
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._log.ended():
            return
        if error is None:
            self.complete()
            return
        try:
            self.complete("failed")
        except ReceiptError as other:
            _not_ended(self._log, other)


class AsyncChain:
    """As `Chain`, awaited."""

    def __init__(self, log: ChainLog, run: Callable[[Plan[Any]], Coroutine[Any, Any, Any]]) -> None:
        self._log = log
        self._run = run

    @property
    def chain_id(self) -> str:
        return self._log.chain_id

    @property
    def receipt(self) -> Acknowledgement | None:
        return self._log.receipt

    async def open(self) -> AsyncChain:
        await self._run(self._log.open())
        return self

    async def event(self, *, action: str, agent: str, metrics: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None,
                    at: str | None = None, event_id: str | None = None) -> ChainEvent:
        done: ChainEvent = await self._run(self._log.event({"action": action, "agent": agent, "metrics": metrics, "details": details, "at": at, "event_id": event_id}))
        return done

    async def approve(self, *, approver: str, authenticated_by: str, approved: str, details: Mapping[str, Any] | None = None,
                      at: str | None = None, approval_id: str | None = None) -> ChainApproval:
        done: ChainApproval = await self._run(self._log.approve(
            {"approver": approver, "authenticated_by": authenticated_by, "approved": approved, "details": details, "at": at, "approval_id": approval_id}))
        return done

    async def complete(self, outcome: str = "completed", *, summary: str | None = None, ack: str | None = None) -> Acknowledgement:
        done: Acknowledgement = await self._run(self._log.complete(outcome, summary, ack))
        return done

    async def get(self) -> Result:
        done: Result = await self._run(self._log.ask("chain.get", {"chain_id": self.chain_id}))
        return done

    async def __aenter__(self) -> AsyncChain:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._log.ended():
            return
        if error is None:
            await self.complete()
            return
        try:
            await self.complete("failed")
        except ReceiptError as other:
            _not_ended(self._log, other)
