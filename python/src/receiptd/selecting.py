"""How a stored receipt is named in a call."""
from __future__ import annotations

from typing import Any

from .errors import ReceiptRefused


def which(receipt_id: str | None, receipt_number: str | None, log_index: int | None, organization: str | None, org_seq: int | None) -> dict[str, Any]:
    given = {"receipt_id": receipt_id, "receipt_number": receipt_number, "log_index": log_index, "organization": organization, "org_seq": org_seq}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) != 1 and set(named) != {"organization", "org_seq"} or set(named) == {"organization"}:
        raise ReceiptRefused("bad_field", "name a receipt by one of receipt_id, receipt_number, log_index, or organization and org_seq")
    return named
