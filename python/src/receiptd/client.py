"""The blocking client. Threads share it, and its one connection; a forked child has one of its own."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from .asking import WaitFor
from .breaker import BreakerOptions, CircuitState
from .chain import Chain, ChainLog
from .config import Settings, settings
from .connection import Connection, NotConnected
from .core import MAX_IN_FLIGHT, Core, survives_forks
from .errors import ReceiptUnavailable
from .models import Acknowledgement, Found, Queued, Verification, Waited
from .pipeline import Lost, Outcome, Result
from .selecting import which
from .spool import Spool
from .spool_sender import Report
from .steps import Blocking, Exchange, Plan, Sleep, Step

T = TypeVar("T")


class Client:
    """`timeout` (seconds) is for a whole call: connecting, all tries, the answer. What is left out comes from the environment's
    RECEIPTD_SOCKET and RECEIPTD_CLIENT_… (python/README.md)."""

    def __init__(
        self, socket: str | os.PathLike[str] | None = None, *, organization: str | None = None, system_id: str | None = None, ack: str | None = None,
        timeout: float | None = None, http: str | None = None, spool: str | os.PathLike[str] | None = None, spool_mode: str = "fallback",
        spool_wait: float = 0.5, spool_max_bytes: int = 64 * 2**20, spool_max_receipts: int = 100_000,
        on_refused: Report | None = None, on_damaged: Report | None = None, breaker: BreakerOptions | None = None,
    ) -> None:
        self.settings: Settings = settings(
            socket=socket, organization=organization, system_id=system_id, ack=ack, timeout=timeout, http=http, spool=spool,
            spool_mode=spool_mode, spool_wait=spool_wait, spool_max_bytes=spool_max_bytes, spool_max_receipts=spool_max_receipts)
        self._core = Core(self.settings, breaker, on_refused, on_damaged)
        self._connection: Connection | None = None
        self.appender = self._core.appender
        self._closed = False
        self._new_locks()
        survives_forks(self)

    def append(self, receipt: Mapping[str, Any], *, ack: str | None = None, timeout: float | None = None) -> Acknowledgement | Queued:
        """Stores a receipt. Act only on what this returns; Queued only comes from a client with a spool."""
        return self.run(self.appender.append(receipt, ack, timeout))

    def append_many(self, receipts: Iterable[Mapping[str, Any]], *, ack: str | None = None, timeout: float | None = None) -> list[Acknowledgement | Queued]:
        """Stores 1 to 1000 receipts, all or none."""
        return self.run(self.appender.append_many(receipts, ack, timeout))

    def get(self, receipt_id: str | None = None, *, receipt_number: str | None = None, log_index: int | None = None,
            organization: str | None = None, org_seq: int | None = None, timeout: float | None = None) -> Found:
        """A stored receipt, by one of its names: id, number, log index, or organization and place in it."""
        return self.run(self._core.asker.get(which(receipt_id, receipt_number, log_index, organization, org_seq), timeout))

    def wait(self, receipt: str | Acknowledgement, for_: WaitFor = "anchored", *, timeout: float | None = None) -> Waited:
        """Returns once the receipt is anchored (or on the disk); ReceiptUnavailable `timeout` if it is not yet."""
        return self.run(self._core.asker.wait(receipt, for_, timeout))

    def head(self, organization: str | None = None, *, timeout: float | None = None) -> Result:
        return self.run(self._core.asker.ask("head", {"organization": organization}, timeout))

    def status(self, *, timeout: float | None = None) -> Result:
        return self.run(self._core.asker.ask("status", {}, timeout))

    def verify_receipt(self, receipt_id: str, *, timeout: float | None = None) -> Verification:
        """Checks a receipt, by id or number. `valid` is never true for what was not checked."""
        return self.run(self._core.verifier.verify(receipt_id, timeout))

    def chain(self, **members: Any) -> Chain:
        """A chain of events, approvals and one receipt of them all: `with client.chain(summary=…) as chain`."""
        return Chain(ChainLog(self._core.asker, members), self.run)

    @property
    def circuit(self) -> CircuitState:
        return self._core.breaker.state

    @property
    def spool(self) -> Spool | None:
        return self._core.spool

    def close(self) -> None:
        """Calls that are under way fail; what is in the spool stays there."""
        self._closed = True
        self._core.close()
        with self._connecting:
            if self._connection is not None:
                self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(self, plan: Plan[T]) -> T:
        """Takes the steps of a plan."""
        if self._closed:
            plan.close()
            raise ReceiptUnavailable("closed", "the client is closed")
        try:
            step = next(plan)
            while True:
                try:
                    outcome = self._take(step)
                except BaseException as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def after_fork(self) -> None:
        """The parent's connection stays the parent's."""
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None
        self._new_locks()
        if not self._closed:
            self._core.after_fork()

    def _new_locks(self) -> None:
        self._connecting = threading.Lock()
        self._in_flight = threading.BoundedSemaphore(MAX_IN_FLIGHT)

    def _take(self, step: Step) -> Any:
        if isinstance(step, Exchange):
            return self._exchange(step)
        if isinstance(step, Blocking):
            return step.run()
        assert isinstance(step, Sleep)
        time.sleep(step.seconds)

    def _exchange(self, step: Exchange) -> Outcome:
        in_flight = self._in_flight
        if not in_flight.acquire(timeout=max(step.deadline - time.monotonic(), 0)):
            return Lost("too many calls were in flight until the time was over", sent=False, late=True)
        try:
            if step.apart:
                connection = self._open(step)
                try:
                    return connection.exchange(step.request, step.deadline)
                finally:
                    connection.close()
            return self._shared(step).exchange(step.request, step.deadline)
        except NotConnected as error:
            return Lost(str(error), sent=False)
        finally:
            in_flight.release()

    def _shared(self, step: Exchange) -> Connection:
        if not self._connecting.acquire(timeout=max(step.deadline - time.monotonic(), 0)):
            raise NotConnected("others were still connecting when the time was over")
        try:
            if self._connection is None or self._connection.broken or self._closed:
                self._connection = self._open(step)
            return self._connection
        finally:
            self._connecting.release()

    def _open(self, step: Exchange) -> Connection:
        if self._closed:
            raise ReceiptUnavailable("closed", "the client is closed", receipt_id=step.request.receipt_id)
        return Connection.open(self.settings.socket_path, step.deadline)
