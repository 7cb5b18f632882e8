"""What a call raises instead of a result. Whoever gets one of these has no receipt, and must not act.

    ReceiptError            all of them; compare `code`
      ReceiptUnavailable    the ledger did not take it now: the very same call may succeed later
      ReceiptRefused        the receipt, or the call, is wrong: sending it again does not help
      ReceiptNotFound       there is no such receipt
      DecisionBlocked       a gate failed; that it did is recorded
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import Acknowledgement, Queued


class ReceiptError(Exception):
    """`code` is stable, `message` a sentence, `receipt_id` the receipt's that it is about."""

    def __init__(self, code: str, message: str, *, receipt_id: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.receipt_id = receipt_id

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args), self.__dict__


class ReceiptUnavailable(ReceiptError):
    """Not recorded, as far as is known: `maybe_stored` is true where a call was sent and its answer never came.

    Send the same receipt with the same `receipt_id` again to find out; it is never stored twice.
    """

    def __init__(self, code: str, message: str, *, receipt_id: str | None = None, maybe_stored: bool = False,
                 because: str | None = None) -> None:
        super().__init__(code, message, receipt_id=receipt_id)
        self.maybe_stored = maybe_stored
        #: Of circuit_open: the code that opened the circuit. Of a call without an answer in its time: what an earlier try of it was told.
        self.because = because


class ReceiptRefused(ReceiptError):
    """`pointer` (RFC 6901) is the place in the receipt, or in the list of receipts, where there is one."""

    def __init__(self, code: str, message: str, *, receipt_id: str | None = None, pointer: str | None = None) -> None:
        super().__init__(code, message, receipt_id=receipt_id)
        self.pointer = pointer


class ReceiptNotFound(ReceiptError):
    """There is no such receipt, or chain, in this ledger."""


class DecisionBlocked(ReceiptError):
    """A gate failed, so that the decision must not be executed. `receipt` acknowledges the receipt that says so."""

    def __init__(self, message: str, *, gates: Sequence[Mapping[str, Any]], receipt: Acknowledgement | Queued) -> None:
        super().__init__("decision_blocked", message, receipt_id=receipt.receipt_id)
        self.gates = [dict(gate) for gate in gates]
        self.receipt = receipt


def _again(kind: type[ReceiptError], args: tuple[Any, ...]) -> ReceiptError:
    """An error from another process, as it was there."""
    error = kind.__new__(kind)
    Exception.__init__(error, *args)
    return error
