"""The asyncio client: the same calls, awaited. Tasks share it, and its one connection; each event loop gets one of its own."""
from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from .aio_connection import AsyncConnection
from .asking import WaitFor
from .breaker import BreakerOptions, CircuitState
from .chain import AsyncChain, ChainLog
from .config import Settings, settings
from .connection import NotConnected
from .core import MAX_IN_FLIGHT, Core, survives_forks
from .errors import ReceiptUnavailable
from .models import Acknowledgement, Found, Queued, Verification, Waited
from .pipeline import Lost, Outcome, Result
from .selecting import which
from .spool import Spool
from .spool_sender import Report
from .steps import Blocking, Exchange, Plan, Sleep, Step

T = TypeVar("T")


class _Shared:
    """What belongs to one event loop."""

    def __init__(self) -> None:
        self.connecting = asyncio.Lock()
        self.in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)
        self.connection: AsyncConnection | None = None


class AsyncClient:
    """As `Client`. A call that is cancelled may have been carried out all the same."""

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
        self._shared: dict[asyncio.AbstractEventLoop, _Shared] = {}
        self.appender = self._core.appender
        self._closed = False
        survives_forks(self)

    async def append(self, receipt: Mapping[str, Any], *, ack: str | None = None, timeout: float | None = None) -> Acknowledgement | Queued:
        """Stores a receipt. Act only on what this returns; Queued only comes from a client with a spool."""
        return await self.run(self.appender.append(receipt, ack, timeout))

    async def append_many(self, receipts: Iterable[Mapping[str, Any]], *, ack: str | None = None, timeout: float | None = None) -> list[Acknowledgement | Queued]:
        """Stores 1 to 1000 receipts, all or none."""
        return await self.run(self.appender.append_many(receipts, ack, timeout))

    async def get(self, receipt_id: str | None = None, *, receipt_number: str | None = None, log_index: int | None = None,
                  organization: str | None = None, org_seq: int | None = None, timeout: float | None = None) -> Found:
        """A stored receipt, by one of its names: id, number, log index, or organization and place in it."""
        return await self.run(self._core.asker.get(which(receipt_id, receipt_number, log_index, organization, org_seq), timeout))

    async def wait(self, receipt: str | Acknowledgement, for_: WaitFor = "anchored", *, timeout: float | None = None) -> Waited:
        """Returns once the receipt is anchored (or on the disk); ReceiptUnavailable `timeout` if it is not yet."""
        return await self.run(self._core.asker.wait(receipt, for_, timeout))

    async def head(self, organization: str | None = None, *, timeout: float | None = None) -> Result:
        return await self.run(self._core.asker.ask("head", {"organization": organization}, timeout))

    async def status(self, *, timeout: float | None = None) -> Result:
        return await self.run(self._core.asker.ask("status", {}, timeout))

    async def verify_receipt(self, receipt_id: str, *, timeout: float | None = None) -> Verification:
        """Checks a receipt, by id or number. `valid` is never true for what was not checked."""
        return await self.run(self._core.verifier.verify(receipt_id, timeout))

    def chain(self, **members: Any) -> AsyncChain:
        """A chain of events, approvals and one receipt of them all: `async with client.chain(summary=…) as chain`."""
        return AsyncChain(ChainLog(self._core.asker, members), self.run)

    @property
    def circuit(self) -> CircuitState:
        return self._core.breaker.state

    @property
    def spool(self) -> Spool | None:
        return self._core.spool

    async def close(self) -> None:
        """Calls that are under way fail; what is in the spool stays there."""
        self._closed = True
        await asyncio.to_thread(self._core.close)
        for loop, shared in [*self._shared.items()]:
            if shared.connection is None:
                continue
            if loop is asyncio.get_running_loop():
                await shared.connection.close()
            else:
                with contextlib.suppress(RuntimeError):  # that loop is closed, and its connections with it
                    loop.call_soon_threadsafe(shared.connection.end)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def run(self, plan: Plan[T]) -> T:
        """Takes the steps of a plan."""
        if self._closed:
            plan.close()
            raise ReceiptUnavailable("closed", "the client is closed")
        try:
            step = next(plan)
            while True:
                try:
                    outcome = await self._take(step)
                except BaseException as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def after_fork(self) -> None:
        """The parent's event loop and connection stay the parent's."""
        self._shared = {}
        if not self._closed:
            self._core.after_fork()

    async def _take(self, step: Step) -> Any:
        if isinstance(step, Exchange):
            return await self._exchange(step)
        if isinstance(step, Blocking):
            return await asyncio.to_thread(step.run)
        assert isinstance(step, Sleep)
        await asyncio.sleep(step.seconds)

    async def _exchange(self, step: Exchange) -> Outcome:
        shared = self._of_loop()
        try:
            if not shared.in_flight.locked():
                await shared.in_flight.acquire()
            else:
                await asyncio.wait_for(shared.in_flight.acquire(), max(step.deadline - time.monotonic(), 0.001))
        except asyncio.TimeoutError:
            return Lost("too many calls were in flight until the time was over", sent=False, late=True)
        try:
            connection = await self._connected(step, shared)
        except BaseException as error:
            shared.in_flight.release()
            if isinstance(error, NotConnected):
                return Lost(str(error), sent=False)
            raise
        try:
            return await connection.exchange(step.request, step.deadline, shared.in_flight.release)
        finally:
            if step.apart:
                await connection.close()

    def _of_loop(self) -> _Shared:
        loop = asyncio.get_running_loop()
        shared = self._shared.get(loop)
        if shared is None:
            for ended in [other for other in [*self._shared] if other.is_closed()]:
                self._shared.pop(ended, None)
            shared = self._shared[loop] = _Shared()
        return shared

    async def _connected(self, step: Exchange, shared: _Shared) -> AsyncConnection:
        if step.apart:
            return await self._open(step)
        async with shared.connecting:
            if shared.connection is None or shared.connection.broken or self._closed:
                shared.connection = await self._open(step)
            return shared.connection

    async def _open(self, step: Exchange) -> AsyncConnection:
        if self._closed:
            raise ReceiptUnavailable("closed", "the client is closed", receipt_id=step.request.receipt_id)
        return await AsyncConnection.open(self.settings.socket_path, step.deadline)
