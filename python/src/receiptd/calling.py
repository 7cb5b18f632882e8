"""One call within one budget: sent, and sent again while that can help, or an error that says what is known."""
from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass

from .breaker import Breaker
from .errors import ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable
from .pipeline import Answered, Failed, Outcome, Result
from .steps import Exchange, Plan, Request, Sleep

#: Seconds before the second try, and at most; each time a random part of twice as much.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
#: Errors that the daemon gives while it is there, and which say nothing about the receipt.
UNAVAILABLE_NUMBERS = frozenset({-32003, -32004, -32005, -32006, -32008, -32009, -32010, -32011, -32603})
#: Errors that end a connection and are about none of its receipts.
OF_CONNECTION = frozenset({"incomplete_line", "line_timeout", "too_many_errors", "too_many_connections"})


#: Codes of a daemon that is there and takes receipts.
NOT_AWAY = frozenset({"too_many_chains"})


@dataclass(frozen=True)
class Caller:
    """Calls the daemon, past the breaker."""

    breaker: Breaker

    def call(self, request: Request, timeout: float, *, apart: bool = False, patience: float = 0.0) -> Plan[Result]:
        """The result. `patience`: seconds beyond the budget for an answer that comes when it is over (of `wait`)."""
        deadline = time.monotonic() + timeout
        is_probe = self.breaker.admit(request.receipt_id, is_long=apart)
        try:
            result = yield from attempts(request, deadline, apart=apart, patience=patience)
        except ReceiptUnavailable as error:
            if (apart and error.code == "timeout" and not error.maybe_stored) or error.code in NOT_AWAY:  # its own word, not its silence
                self.breaker.answered()
            else:
                self.breaker.failed(error.because or error.code, is_probe)
            raise
        except ReceiptError:
            self.breaker.answered()
            raise
        except BaseException:
            self.breaker.given_up(is_probe)
            raise
        self.breaker.answered()
        return result


def attempts(request: Request, deadline: float, *, apart: bool = False, patience: float = 0.0) -> Plan[Result]:
    longest = FIRST_PAUSE
    maybe_stored = False
    said: str | None = None  # by the daemon, when it last answered
    while True:
        try:
            outcome: Outcome = yield Exchange(request, deadline + patience, apart)
        except ReceiptUnavailable as closed:  # the client, meanwhile
            closed.maybe_stored = closed.maybe_stored or maybe_stored
            raise
        if isinstance(outcome, Answered):
            return outcome.result
        if isinstance(outcome, Failed):
            said = outcome.code
            error = error_of(outcome, request.receipt_id, maybe_stored)
            retry = (outcome.retry or outcome.code in OF_CONNECTION) and outcome.code != "timeout"
        else:
            maybe_stored = maybe_stored or outcome.sent
            code = "timeout" if outcome.late else "bad_answer" if outcome.garbled else "unreachable"
            error = ReceiptUnavailable(code, outcome.why, receipt_id=request.receipt_id, maybe_stored=maybe_stored, because=said)
            retry = not outcome.late
        pause = random.uniform(0, longest)
        longest = min(longest * 2, LONGEST_PAUSE)
        if not retry or time.monotonic() + pause >= deadline:
            raise error
        yield Sleep(pause)


def error_of(failed: Failed, receipt_id: str | None, maybe_stored: bool = False) -> ReceiptError:
    """The daemon's error as one of ours; its pointer goes into what the caller gave, not into the message."""
    code, message = failed.code, failed.message
    if code in ("not_found", "chain_not_found"):
        return ReceiptNotFound(code, message, receipt_id=receipt_id)
    if code == "receipt_damaged":
        return ReceiptError(code, message, receipt_id=receipt_id)
    if failed.retry or failed.number in UNAVAILABLE_NUMBERS or code in OF_CONNECTION:
        return ReceiptUnavailable(code, message, receipt_id=receipt_id, maybe_stored=maybe_stored)
    pointer = None if failed.pointer is None else re.sub("^/params(/receipts?(?=/|$))?", "", failed.pointer)
    return ReceiptRefused(code, message, receipt_id=receipt_id, pointer=pointer)
