"""The circuit breaker. Open, it fails calls at once: a ledger that is away costs its callers no time, and it is not run over
when it comes back. It never lets anything through that was not recorded.
"""
from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .errors import ReceiptError, ReceiptUnavailable

CircuitState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True)
class BreakerOptions:
    #: Failures in a row that open it.
    failures: int = 5
    #: Seconds for which it is open at first, and at most; doubled each time that the probe fails.
    open_for: float = 1.0
    open_at_most: float = 30.0

    def __post_init__(self) -> None:
        if isinstance(self.failures, bool) or not isinstance(self.failures, int) or self.failures < 1:
            raise ReceiptError("bad_setting", "failures: a whole number above 0")
        for name in ("open_for", "open_at_most"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise ReceiptError("bad_setting", f"{name}: seconds, more than 0")


class Breaker:
    def __init__(self, options: BreakerOptions = BreakerOptions(), clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._failures = 0
        self._because = ""
        self._open_for = 0.0
        self._open_until: float | None = None
        self._probing = False
        self.after_fork()

    def after_fork(self) -> None:
        """Nobody else holds the lock here, whoever held it there; a probe that was under way is not ours."""
        self._lock = threading.RLock()  # a signal's handler may call, too
        self._probing = False

    @property
    def state(self) -> CircuitState:
        with self._lock:
            if self._open_until is None:
                return "closed"
            return "half_open" if self._probing or self._clock() >= self._open_until else "open"

    def admit(self, receipt_id: str | None, is_long: bool = False) -> bool:
        """Before a call; raises `circuit_open`. Whether it is the one that tries; one whose answer may be `is_long` in coming is not, for
        others do not wait for it. Each call that was admitted ends in one of the three below."""
        with self._lock:
            if self._open_until is None:
                return False
            left = self._open_until - self._clock()
            if left <= 0 and is_long:
                return False
            if left <= 0 and not self._probing:
                self._probing = True
                return True
            when = "a call is trying" if self._probing else f"tried again in {max(left, 0):.1f} s"
            raise ReceiptUnavailable("circuit_open", f"{self._failures} calls in a row have failed ({self._because}); {when}",
                                     receipt_id=receipt_id, because=self._because)

    def answered(self) -> None:
        """The daemon has answered, if only with a refusal."""
        with self._lock:
            self._failures = 0
            self._open_for = 0.0
            self._open_until = None
            self._probing = False

    def failed(self, code: str, is_probe: bool) -> None:
        with self._lock:
            self._failures += 1
            self._because = code
            if is_probe:
                self._probing = False
            if is_probe or (self._open_until is None and self._failures >= self._options.failures):
                self._open_for = min(max(self._open_for * 2, self._options.open_for), self._options.open_at_most)
                self._open_until = self._clock() + self._open_for * random.uniform(0.8, 1.2)

    def given_up(self, is_probe: bool) -> None:
        """The caller went away before there was an answer."""
        with self._lock:
            if is_probe:
                self._probing = False
