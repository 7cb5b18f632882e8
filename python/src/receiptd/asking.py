"""The calls that only look, or wait."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from .calling import Caller
from .config import Settings, read_seconds
from .errors import ReceiptUnavailable
from .models import Acknowledgement, Found, Waited, read
from .pipeline import Result
from .steps import Plan, Sleep, request

WaitFor = Literal["disk", "anchored"]

#: Seconds. Anchors are made every minute by default.
WAIT_TIMEOUT = 120.0
#: Seconds before it is asked again.
AGAIN = 0.05
#: Seconds for the daemon's own word that the time is over.
WAIT_PATIENCE = 1.0


@dataclass(frozen=True)
class Asker:
    settings: Settings
    caller: Caller

    def ask(self, method: str, params: dict[str, Any], timeout: float | None, receipt_id: str | None = None) -> Plan[Result]:
        budget = self.settings.timeout if timeout is None else read_seconds(timeout)
        return (yield from self.caller.call(request(method, params, receipt_id), budget))

    def get(self, which: dict[str, Any], timeout: float | None) -> Plan[Found]:
        return read(Found, (yield from self.ask("get", which, timeout, which.get("receipt_id"))))

    def wait(self, receipt: str | Acknowledgement, for_: WaitFor, timeout: float | None) -> Plan[Waited]:
        receipt_id = receipt if isinstance(receipt, str) else receipt.receipt_id
        deadline = time.monotonic() + (WAIT_TIMEOUT if timeout is None else read_seconds(timeout))
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            asked = request("wait", {"receipt_id": receipt_id, "for": for_, "timeout_ms": int(left * 1000)}, receipt_id)
            try:
                return read(Waited, (yield from self.caller.call(asked, left, apart=True, patience=WAIT_PATIENCE)))
            except ReceiptUnavailable as error:
                if error.code != "timeout" or time.monotonic() >= deadline:
                    raise  # else the daemon's own limit was shorter
            yield Sleep(AGAIN)
