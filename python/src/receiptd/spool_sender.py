"""The thread that delivers what is in a spool, in order, whenever the daemon takes it. Nothing leaves the spool before the daemon
has it on its disk, but for what the daemon refuses for good: that is kept beside, and said loudly.
"""
from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .breaker import Breaker
from .calling import error_of
from .config import Settings
from .connection import Connection, NotConnected
from .errors import ReceiptRefused
from .pipeline import Answered, Call, Failed, Lost
from .spool import Spool
from .spool_entry import Damaged, receipt_id_in, sync_folder, text_in, write_durably
from .spool_lock import SpoolLock
from .steps import Request
from .times import now_text

_log = logging.getLogger("receiptd")

#: Receipts sent ahead of their acknowledgements.
_WINDOW = 64
#: Seconds for a connection.
_CONNECT = 1.0
#: Seconds for one acknowledgement.
_ANSWER = 10.0
#: Seconds between two tries while the daemon is away, at first and at most.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
#: Seconds between two looks whether another process has left something, or the lock is free.
_IDLE = 5.0
_LOCKED = 1.0


@dataclass(frozen=True)
class Undelivered:
    """A receipt that will not get into the ledger by itself: the daemon refused it, or its file is damaged. Its file is at `path`."""

    receipt_id: str
    code: str
    message: str
    pointer: str | None
    path: str


Report = Callable[[Undelivered], None]


class SpoolSender:
    def __init__(self, spool: Spool, settings: Settings, breaker: Breaker, on_refused: Report | None, on_damaged: Report | None) -> None:
        self._spool = spool
        self._settings = settings
        self._breaker = breaker
        #: Names that were spoken of.
        self._unreadable: set[str] = set()
        self._reports = {"refused": on_refused, "damaged": on_damaged}
        self.start()

    def start(self) -> None:
        """Also in the child of a fork, where the thread is not."""
        self._lock = SpoolLock(self._spool.folder)
        self._awake = threading.Event()
        self._stopping = False
        self._connection: Connection | None = None
        self._spool.on_put = self._awake.set
        self._thread = threading.Thread(target=self._run, name="receiptd-spool", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is pending stays, for the next who opens the folder."""
        self._stopping = True
        self._awake.set()
        if self._connection is not None:
            self._connection.close()  # nobody waits for answers on it any more
        self._thread.join(_ANSWER)

    def _run(self) -> None:
        longest = _FIRST_PAUSE
        try:
            while not self._stopping:
                self._awake.clear()
                try:
                    is_mine = self._lock.hold()
                    is_through = not is_mine or self._deliver()
                    self._spool.recount()
                except Exception:  # whatever it is, it must not end the delivery for good
                    _log.exception("%s: cannot deliver; trying again", self._spool.folder)
                    is_mine, is_through = True, False
                if not is_through:
                    self._pause(random.uniform(longest / 2, longest))
                    longest = min(longest * 2, _LONGEST_PAUSE)
                else:
                    longest = _FIRST_PAUSE
                    if not self._stopping:
                        self._awake.wait(_IDLE if is_mine else _LOCKED)
        finally:
            self._lock.release()

    def _pause(self, seconds: float) -> None:
        """Not cut short by new receipts: the daemon is away."""
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _deliver(self) -> bool:
        """Whether everything that was there has left the spool."""
        names = self._spool.names()
        if not names:
            return True
        try:
            connection = self._connection = Connection.open(self._settings.socket_path, time.monotonic() + _CONNECT)
        except NotConnected:
            return False
        try:
            for at in range(0, len(names), _WINDOW):
                if self._stopping or not self._lock.hold() or not self._deliver_window(connection, names[at:at + _WINDOW]):
                    return False
        finally:
            self._connection = None
            connection.close()
        return True

    def _deliver_window(self, connection: Connection, names: list[str]) -> bool:
        deadline = time.monotonic() + _ANSWER
        sent: list[tuple[str, Call | Lost]] = []
        for name in names:
            text = self._read(name)
            if text is not None:
                sent.append((name, connection.start(Request("append", f'{{"receipt":{text},"ack":"disk"}}'), deadline)))
        is_through = True
        for name, call in sent:
            outcome = call if isinstance(call, Lost) else connection.finish(call, deadline)
            is_through = self._settle(name, outcome) and is_through
        return is_through

    def _settle(self, name: str, outcome: Answered | Failed | Lost) -> bool:
        """Whether the entry is done with."""
        receipt_id = receipt_id_in(name) or ""
        if isinstance(outcome, Answered) and outcome.result.get("receipt_id") == receipt_id and outcome.result.get("ack") == "disk":
            self._breaker.answered()
            try:
                os.unlink(self._spool.path("pending", name))
            except FileNotFoundError:
                pass
            self._spool.forget(name)
            return True
        error = error_of(outcome, receipt_id) if isinstance(outcome, Failed) else None
        if not isinstance(error, ReceiptRefused):
            return False
        try:
            self._put_aside("refused", name, error.code, error.message, error.pointer)
        except OSError as trouble:  # a full disk: those behind it can go all the same
            _log.error("%s: cannot be put aside (%s): %s", name, error.code, trouble)
            return False
        return True

    def _read(self, name: str) -> str | None:
        """None where there is nothing to send."""
        try:
            with open(self._spool.path("pending", name), "rb") as file:
                return text_in(file.read(), receipt_id_in(name) or "")
        except FileNotFoundError:
            self._spool.forget(name)  # delivered by another process
        except Damaged as error:
            self._put_aside("damaged", name, "damaged", str(error), None)
        except OSError as trouble:  # with this one: it stays, and those behind it go
            if name not in self._unreadable:
                _log.error("%s: cannot be read, and stays where it is: %s", self._spool.path("pending", name), trouble)
            self._unreadable.add(name)
        return None

    def _put_aside(self, kind: str, name: str, code: str, message: str, pointer: str | None) -> None:
        path = self._spool.path(kind, name)
        if kind == "refused":
            why: dict[str, Any] = {"code": code, "message": message, "pointer": pointer, "refused_at": now_text()}
            beside = os.path.splitext(name)[0] + ".error"
            if not os.path.exists(self._spool.path(kind, beside)):
                write_durably(self._spool.path(kind), beside, (json.dumps(why) + "\n").encode())
        try:
            os.rename(self._spool.path("pending", name), path)
        except FileNotFoundError:
            pass  # by another process
        sync_folder(self._spool.path(kind))
        sync_folder(self._spool.path("pending"))
        self._spool.forget(name)
        _log.error("%s: not in the ledger and not going to be by itself (%s: %s)", path, code, message)
        report = self._reports[kind]
        if report is not None:
            try:
                report(Undelivered(receipt_id_in(name) or "", code, message, pointer, path))
            except Exception:
                _log.exception("the report of %s failed", path)
