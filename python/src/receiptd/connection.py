"""A blocking connection that threads share. Each sends in turn; of those that wait for answers, one reads for all.

No thread of its own: there is nothing to leave behind at exit or after a fork.
"""
from __future__ import annotations

import errno
import select
import socket
import threading
import time

from .pipeline import Call, Lost, Outcome, Pipeline
from .steps import Request

#: Bytes of one read.
_CHUNK = 256 * 1024
#: Seconds between two tries where too many others are connecting.
_BACKLOG_PAUSE = 0.005


class NotConnected(Exception):
    """Nothing was sent."""


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._pipeline = Pipeline()
        #: Held while a message is written. Taken before `_changed`, never within it.
        self._writing = threading.Lock()
        #: Guards all below and the pipeline; notified when answers have come or nobody reads any more.
        self._changed = threading.Condition(threading.RLock())
        self._reading = False
        self._users = 0

    @classmethod
    def open(cls, path: str, deadline: float) -> Connection:
        """Raises NotConnected."""
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            try:
                sock.connect(path)
                return cls(sock)
            except OSError as error:
                sock.close()
                if error.errno != errno.EAGAIN or time.monotonic() >= deadline:
                    raise NotConnected(f"cannot connect to {path}: {error.strerror or error}") from None
            time.sleep(_BACKLOG_PAUSE)

    @property
    def broken(self) -> bool:
        return self._pipeline.broken is not None

    def exchange(self, request: Request, deadline: float) -> Outcome:
        """Sends a call and waits for its answer, at most until `deadline`."""
        call = self.start(request, deadline)
        return call if isinstance(call, Lost) else self.finish(call, deadline)

    def start(self, request: Request, deadline: float) -> Call | Lost:
        """Sends a call; `finish` has to follow."""
        if not self._writing.acquire(timeout=max(deadline - time.monotonic(), 0)):
            return Lost("others were still sending when the time was over", sent=False, late=True)
        try:
            with self._changed:
                if self._pipeline.broken is not None:
                    return Lost(self._pipeline.broken, sent=False)
                call, line = self._pipeline.begin(request.method, request.params)
                self._users += 1
            why = "the call was not finished"
            try:
                why = self._write(line, deadline)
            finally:
                if why:
                    self._break(why)
                    self._leave()
            if why:
                return Lost(why, sent=False, late=time.monotonic() >= deadline)  # a line without its end is not taken
            return call
        finally:
            self._writing.release()

    def finish(self, call: Call, deadline: float) -> Outcome:
        heard = self._pipeline.heard
        try:
            with self._changed:
                while call.outcome is None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        if self._pipeline.heard == heard:
                            self._break("it did not answer")  # others would wait as long
                        return Lost("no answer within the time", sent=True, late=True)
                    if self._reading:
                        self._changed.wait(left)
                    else:
                        self._read_for_all(left)
                return call.outcome
        finally:
            self._leave()

    def close(self) -> None:
        self._break("the connection was closed")

    def abandon(self) -> None:
        """In the child of a fork: it is the parent's. Its other end is not told."""
        self._socket.close()

    def _read_for_all(self, left: float) -> None:
        """Called and left with `_changed` held, which others have meanwhile."""
        self._reading = True
        self._changed.release()
        data: bytes | None = b""
        try:
            data = self._receive(left)
        finally:
            self._changed.acquire()
            self._reading = False
            if data:
                self._pipeline.feed(data)
            if data == b"" or self._pipeline.broken is not None:
                self._break("the daemon closed the connection")
            self._changed.notify_all()

    def _receive(self, left: float) -> bytes | None:
        """b"" at the end; None where nothing came in time."""
        try:
            if not _ready(self._socket, select.POLLIN, left):
                return None
            return self._socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _write(self, line: bytes, deadline: float) -> str:
        """Why not, if not all of it was written."""
        view = memoryview(line)
        while view:
            try:
                view = view[self._socket.send(view):]
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not _ready(self._socket, select.POLLOUT, left):
                    return "the daemon did not read in time"
            except OSError as error:
                return f"the daemon closed the connection ({error.strerror or error})"
        return ""

    def _break(self, why: str) -> None:
        with self._changed:
            self._pipeline.lose(why)
            try:
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it; closed by the last one out
            except OSError:
                pass
            if self._users == 0:
                self._socket.close()
            self._changed.notify_all()

    def _leave(self) -> None:
        with self._changed:
            self._users -= 1
            if self._users == 0 and self._pipeline.broken is not None:
                self._socket.close()


def _ready(sock: socket.socket, events: int, left: float) -> bool:
    poller = select.poll()
    poller.register(sock, events)
    return bool(poller.poll(max(left, 0) * 1000))
