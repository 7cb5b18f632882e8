"""Storing receipts: the live call and, where there is one, the spool behind it."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .calling import Caller
from .config import Ack, Settings, read_ack, read_seconds
from .errors import ReceiptRefused, ReceiptUnavailable
from .form import check_form
from .models import Acknowledgement, Queued, bad_answer, read
from .pipeline import Result
from .prepared import Prepared, marked, prepare
from .spool import Spool
from .steps import Blocking, Plan, Request
from .values import bad_value

#: Ways in which a ledger is away. With all others the daemon is there and refuses on purpose, which no spool gets around.
SPOOLED = frozenset({"unreachable", "timeout", "bad_answer", "overloaded", "disk_full", "shutting_down", "ledger_busy", "too_many_connections"})

Stored = Acknowledgement | Queued


@dataclass(frozen=True)
class Appender:
    settings: Settings
    caller: Caller
    spool: Spool | None

    def append(self, receipt: Mapping[str, Any], ack: str | None, timeout: float | None) -> Plan[Stored]:
        (stored,) = yield from self._store([prepare(receipt, self.settings)], ack, timeout, many=False)
        return stored

    def append_many(self, receipts: Iterable[Mapping[str, Any]], ack: str | None, timeout: float | None) -> Plan[list[Stored]]:
        prepared = [prepare(receipt, self.settings) for receipt in receipts]
        if not prepared:
            raise bad_value("append_many takes at least one receipt", "")
        return (yield from self._store(prepared, ack, timeout, many=True))

    def _store(self, prepared: Sequence[Prepared], ack: str | None, timeout: float | None, *, many: bool) -> Plan[list[Stored]]:
        asked = self.settings.ack if ack is None else read_ack(ack)
        budget = self.settings.timeout if timeout is None else read_seconds(timeout)
        spool = self.spool
        if spool is None:
            return [*(yield from self._live(prepared, asked, budget, many))]
        if self.settings.spool_mode == "always" or any(spool.holds(one.receipt_id) for one in prepared):
            return (yield from self._into(spool, prepared, "always" if self.settings.spool_mode == "always" else "pending", many=many))
        try:
            return [*(yield from self._live(prepared, asked, min(budget, self.settings.spool_wait), many))]
        except ReceiptUnavailable as error:
            # a daemon that refuses on purpose is not got around, if it then does not answer in time either
            if (error.because or error.code) not in SPOOLED:
                raise
            return (yield from self._into(spool, prepared, error.code, many=many, sent=error.maybe_stored))

    def _live(self, prepared: Sequence[Prepared], ack: Ack | None, budget: float, many: bool) -> Plan[list[Acknowledgement]]:
        texts = [one.text for one in prepared]
        given = f',"ack":"{ack}"' if ack is not None else ""
        params = f'{{"receipts":[{",".join(texts)}]{given}}}' if many else f'{{"receipt":{texts[0]}{given}}}'
        request = Request("append_many" if many else "append", params, prepared[0].receipt_id if len(prepared) == 1 else None)
        result = yield from self.caller.call(request, budget)
        return _acknowledgements(result, prepared, ack) if many else [_acknowledgement(result, prepared[0], ack)]

    def _into(self, spool: Spool, prepared: Sequence[Prepared], reason: str, *, many: bool, sent: bool = False) -> Plan[list[Stored]]:
        """What was sent may be stored, so that only the very same bytes may be sent again."""
        entries = [(one, one.text if sent else marked(one, reason)) for one in prepared]
        for at, (one, text) in enumerate(entries):
            try:
                check_form(json.loads(text))  # now, and not when it is delivered
            except ReceiptRefused as error:
                raise ReceiptRefused(error.code, error.message, receipt_id=one.receipt_id, pointer=f"/{at}{error.pointer}" if many else error.pointer) from None
        queued: list[Stored] = yield Blocking(lambda: spool.put(entries, reason, maybe_stored=sent))
        return queued


def _acknowledgements(result: Result, prepared: Sequence[Prepared], ack: Ack | None) -> list[Acknowledgement]:
    answers = result.get("receipts")
    if not isinstance(answers, list) or len(answers) != len(prepared) or not all(isinstance(answer, dict) for answer in answers):
        raise bad_answer("an answer that does not acknowledge each receipt")
    return [_acknowledgement({"ack": result.get("ack"), **answer}, one, ack) for answer, one in zip(answers, prepared)]


def _acknowledgement(result: Result, prepared: Prepared, ack: Ack | None) -> Acknowledgement:
    """Of this receipt, and of what was asked; anything less is none."""
    acknowledgement = read(Acknowledgement, result)
    if acknowledgement.receipt_id != prepared.receipt_id or acknowledgement.ack not in (("disk",) if ack == "disk" else ("disk", "wal")):
        raise bad_answer("an acknowledgement of something else")
    return acknowledgement
