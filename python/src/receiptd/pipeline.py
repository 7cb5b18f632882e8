"""One connection's calls and answers, without the connection: what to send for a call, and whose answer has come.

JSON-RPC, one message a line, answers in the order of the calls (docs/PROTOCOL.md). Nothing here waits or knows a socket, so that
blocking and asyncio connections are the same.
"""
from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Bytes of one answer.
MAX_ANSWER = 8 * 2**20

Result: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    result: Result


@dataclass(frozen=True)
class Failed:
    """The daemon's own error: this call was not carried out."""

    number: int
    code: str
    message: str
    pointer: str | None
    retry: bool


@dataclass(frozen=True)
class Lost:
    """No answer. `sent`: the daemon may have had the whole call, so nobody knows whether it was carried out."""

    why: str
    sent: bool
    #: The budget was over; the connection may be as good as before.
    late: bool = False
    #: What answers is not the daemon.
    garbled: bool = False


Outcome: TypeAlias = Answered | Failed | Lost


class Call:
    """A call whose answer is due. `on_done` is called once, with the outcome there."""

    __slots__ = ("id", "outcome", "on_done")

    def __init__(self, number: int, on_done: Callable[[Call], None] | None) -> None:
        self.id = number
        self.outcome: Outcome | None = None
        self.on_done = on_done


class Pipeline:
    def __init__(self) -> None:
        self._due: deque[Call] = deque()
        self._next_id = 1
        self._unread = bytearray()
        #: Why nothing more can be sent here.
        self.broken: str | None = None
        #: Bytes of answers so far: whether the other end lives.
        self.heard = 0

    @property
    def due(self) -> int:
        return len(self._due)

    def begin(self, method: str, params: str, on_done: Callable[[Call], None] | None = None) -> tuple[Call, bytes]:
        """A call and its line, `params` being JSON text. Lines have to be sent in the order in which they were begun."""
        call = Call(self._next_id, on_done)
        self._next_id += 1
        self._due.append(call)
        return call, f'{{"jsonrpc":"2.0","id":{call.id},"method":"{method}","params":{params}}}\n'.encode()

    def feed(self, data: bytes) -> None:
        """What came from the other end; calls whose answers are whole are done."""
        self.heard += len(data)
        searched = len(self._unread)
        self._unread += data
        at = 0
        while self.broken is None and (end := self._unread.find(b"\n", max(at, searched))) != -1:
            self._take(bytes(self._unread[at:end]))
            at = end + 1
        del self._unread[:at]
        if len(self._unread) > MAX_ANSWER:
            self.lose("an answer without an end", garbled=True)

    def lose(self, why: str, *, garbled: bool = False) -> None:
        """The connection is over; the calls that are due have no answer."""
        if self.broken is None:
            self.broken = why
        while self._due:
            self._done(self._due.popleft(), Lost(why, sent=True, garbled=garbled))

    def _take(self, line: bytes) -> None:
        read_id, outcome = _parse(line)
        if outcome is None:
            self.lose("what came is not an answer of receiptd", garbled=True)
        elif self._due and read_id == self._due[0].id:
            self._done(self._due.popleft(), outcome)
        elif read_id is None and isinstance(outcome, Failed):  # the daemon's last word on this connection, about the first call without an answer
            self.broken = outcome.message
            if self._due:
                self._done(self._due.popleft(), outcome)
            self.lose(outcome.message)
        else:
            self.lose("an answer that belongs to no call", garbled=True)

    def _done(self, call: Call, outcome: Outcome) -> None:
        call.outcome = outcome
        if call.on_done is not None:
            call.on_done(call)


def _parse(line: bytes) -> tuple[object, Outcome | None]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(message, dict):
        return None, None
    result, error = message.get("result"), message.get("error")
    if isinstance(result, dict) and error is None:
        return message.get("id"), Answered(result)
    if result is not None or not isinstance(error, dict) or not isinstance(data := error.get("data"), dict):
        return None, None
    number, code, pointer = error.get("code"), data.get("code"), data.get("pointer")
    if not isinstance(number, int) or not isinstance(code, str):
        return None, None
    failed = Failed(number, code, str(error.get("message")), pointer if isinstance(pointer, str) else None, data.get("retry") is True)
    return message.get("id"), failed
