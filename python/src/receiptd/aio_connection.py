"""An asyncio connection that tasks share: the same calls and answers, read by a task of its own."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .connection import NotConnected
from .pipeline import Call, Lost, Outcome, Pipeline
from .steps import Request

_CHUNK = 256 * 1024


class AsyncConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.loop = asyncio.get_running_loop()
        self._writer = writer
        self._pipeline = Pipeline()
        self._task = self.loop.create_task(self._read(reader))

    @classmethod
    async def open(cls, path: str, deadline: float) -> AsyncConnection:
        """Raises NotConnected."""
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), max(deadline - time.monotonic(), 0.001))
        except (OSError, asyncio.TimeoutError) as error:
            raise NotConnected(f"cannot connect to {path}: {getattr(error, 'strerror', None) or 'no answer in time'}") from None
        return cls(reader, writer)

    @property
    def broken(self) -> bool:
        return self._pipeline.broken is not None

    async def exchange(self, request: Request, deadline: float, on_settled: Callable[[], None]) -> Outcome:
        """Sends a call and waits for its answer, at most until `deadline`. Cancelled, its answer is heard by nobody; `on_settled` is
        called when it is not due any more, for until then it takes its place here."""
        if self._pipeline.broken is not None:
            on_settled()
            return Lost(self._pipeline.broken, sent=False)
        done: asyncio.Future[Outcome] = self.loop.create_future()

        def settle(call: Call) -> None:
            timer.cancel()
            on_settled()
            if not done.done() and call.outcome is not None:
                done.set_result(call.outcome)

        timer = self.loop.call_later(max(deadline - time.monotonic(), 0), self._late, done, self._pipeline.heard)
        _, line = self._pipeline.begin(request.method, request.params, settle)
        self._writer.write(line)  # what is not written yet is bounded by the calls in flight
        return await done

    def _late(self, done: asyncio.Future[Outcome], heard: int) -> None:
        if not done.done():
            done.set_result(Lost("no answer within the time", sent=True, late=True))
        if self._pipeline.heard == heard:
            self._break("it did not answer")  # others would wait as long

    def end(self) -> None:
        self._break("the connection was closed")

    async def close(self) -> None:
        self.end()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while self._pipeline.broken is None and (data := await reader.read(_CHUNK)):
                self._pipeline.feed(data)
        except OSError:
            pass
        finally:
            if not self.loop.is_closed():
                self._break("the daemon closed the connection")

    def _break(self, why: str) -> None:
        self._pipeline.lose(why)
        self._writer.transport.abort()
