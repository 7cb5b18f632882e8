"""What a client consists of, whichever way it waits."""
from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Protocol

from .appending import Appender
from .asking import Asker
from .breaker import Breaker, BreakerOptions
from .calling import Caller
from .config import Settings
from .errors import ReceiptError
from .spool import Spool
from .spool_sender import Report, SpoolSender
from .verify import Verifier

#: Calls that are sent and not answered; the daemon has the same limit for a connection. What is more waits, within its budget.
MAX_IN_FLIGHT = 1024


class Core:
    def __init__(self, settings: Settings, breaker: BreakerOptions | None, on_refused: Report | None, on_damaged: Report | None) -> None:
        for name, given in (("on_refused", on_refused), ("on_damaged", on_damaged)):
            if given is not None and not callable(given):
                raise ReceiptError("bad_setting", f"{name}: a function of what was not delivered")
        self.settings = settings
        self.breaker = Breaker(breaker or BreakerOptions())
        self.spool = None if settings.spool is None else Spool(settings.spool, max_bytes=settings.spool_max_bytes, max_receipts=settings.spool_max_receipts)
        self.sender = None if self.spool is None else SpoolSender(self.spool, settings, self.breaker, on_refused, on_damaged)
        caller = Caller(self.breaker)
        self.appender = Appender(settings, caller, self.spool)
        self.asker = Asker(settings, caller)
        self.verifier = Verifier(self.asker)

    def after_fork(self) -> None:
        self.breaker.after_fork()
        if self.spool is not None and self.sender is not None:
            self.spool.after_fork()
            self.sender.start()

    def close(self) -> None:
        if self.sender is not None:
            self.sender.stop()


class Forks(Protocol):
    def after_fork(self) -> None: ...


_living: weakref.WeakSet[Forks] = weakref.WeakSet()


def _in_child() -> None:
    for client in list(_living):
        client.after_fork()


os.register_at_fork(after_in_child=_in_child)
#: In the child of a fork, `after_fork` is called of each that is still there.
survives_forks: Callable[[Forks], None] = _living.add
