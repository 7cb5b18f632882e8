"""A receipt as it will be sent, each time the same: its id, the client's defaults, and its text."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import Settings
from .errors import ReceiptRefused
from .form import UUID
from .times import now_text
from .uuid7 import uuid7
from .values import bad_value, encode

#: In `metadata` of a receipt that reached the ledger late.
MARK = "receiptd_spooled"


@dataclass(frozen=True)
class Prepared:
    receipt_id: str
    text: str
    #: When it was handed over.
    at: str

    def receipt(self) -> dict[str, Any]:
        """As it was then, whatever has become of what the caller gave."""
        receipt: dict[str, Any] = json.loads(self.text)
        return receipt


def prepare(receipt: Mapping[str, Any], settings: Settings) -> Prepared:
    """Nothing of the caller's is changed; what the caller left out is added. ReceiptRefused `bad_value`."""
    if not isinstance(receipt, Mapping):
        raise bad_value(f"a receipt is a mapping, not a {type(receipt).__name__}", "")
    at = now_text()
    whole: dict[str, Any] = {name: value for name, value in receipt.items()}
    if whole.get("receipt_id") is None:
        whole["receipt_id"] = uuid7()
        if settings.spool is not None:
            whole.setdefault("timestamp", at)  # so that it tells when, if it comes late with the bytes of now
    receipt_id = whole["receipt_id"]
    if not isinstance(receipt_id, str) or UUID.fullmatch(receipt_id) is None:
        raise bad_value("receipt_id is a UUID as text, in lower case", "/receipt_id")
    for name, value in (("organization", settings.organization), ("system_id", settings.system_id)):
        if value is not None and whole.get(name) is None:
            whole[name] = value
    if settings.spool is not None and not isinstance(whole.get("metadata", {}), Mapping):
        raise bad_value("metadata is an object", "/metadata")
    try:
        return Prepared(receipt_id, encode(whole), at)
    except ReceiptRefused as error:
        error.receipt_id = receipt_id
        raise


def marked(prepared: Prepared, reason: str) -> str:
    """Its text with the note that it came late. Only for one that is certainly not stored: it is other content."""
    whole = prepared.receipt()
    whole["metadata"] = {**whole.get("metadata", {}), MARK: {"queued_at": prepared.at, "reason": reason}}
    whole.setdefault("timestamp", prepared.at)
    return encode(whole)


def same_but_mark(late: Mapping[str, Any], prepared: Prepared) -> bool:
    """Whether a receipt in the spool is this one, given again."""
    there, here = dict(late), prepared.receipt()
    metadata = dict(there.get("metadata", {}))
    if metadata.pop(MARK, None) is not None and not metadata and "metadata" not in here:
        del there["metadata"]
    elif "metadata" in there:
        there["metadata"] = metadata
    if "timestamp" not in here:
        there.pop("timestamp", None)
    return encode_sorted(there) == encode_sorted(here)


def encode_sorted(value: Mapping[str, Any]) -> str:
    return encode({name: value[name] for name in sorted(value)})
