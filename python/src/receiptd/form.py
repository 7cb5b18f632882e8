"""The form of a receipt as the daemon asks for it (docs/FORMAT.md section 4.1), for receipts that go into a spool: what the daemon would
refuse at delivery is refused before the decision is carried out. Codes and order are the daemon's.
"""
from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from typing import Any

from .canonical import jcs
from .errors import ReceiptRefused
from .values import token

#: Bytes of a receipt's canonical form, with `type` and `organization`.
MAX_RECEIPT = 2**20
MAX_MEMBERS = 256
#: Of gates, and of reasons.
MAX_ITEMS = 1000
MAX_SHORT = 256
MAX_SUMMARY = 4096
FAILED_STATUSES = ("FAIL", "ERROR")
STATUSES = ("PASS", "WARN", "SKIP", *FAILED_STATUSES)

UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ORGANIZATION = re.compile("[a-z0-9][a-z0-9._-]{0,63}")
_TYPE = re.compile("[a-z][a-z0-9_]{0,61}")
_OWN_TYPE = re.compile("x_[a-z0-9_]{1,60}")
_OWN_FIELD = re.compile("x_[A-Za-z0-9_.-]{1,62}")
_TIMESTAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?Z")
_SYSTEM_TYPES = frozenset({
    "genesis", "anchor", "clock_step", "key_rotation", "key_revocation", "ratchet_break", "checkpoint_rotation", "prune", "erasure", "recovery", "access", "attestation", "chain",
})
_DAEMONS = frozenset({
    "schema_version", "ledger", "receipt_number", "org_seq", "log_index", "recorded_at", "key_id", "key_epoch", "previous_receipt_hash", "signature", "details", "_sd", "_sd_alg",
})
_RESERVED = frozenset({"_sd", "_sd_alg", "..."})


def check_form(receipt: Mapping[str, Any]) -> None:
    """Of a receipt whose values were checked. ReceiptRefused with the place."""
    if len(receipt) > MAX_MEMBERS:
        raise _refused("bad_field", f"{len(receipt)} members; a receipt has at most {MAX_MEMBERS}", "")
    for name, form, wanted in (("type", _TYPE, "a type"), ("organization", ORGANIZATION, "an organization"), ("receipt_id", UUID, "a UUID in lower case")):
        if name in receipt and not _has_form(form, receipt[name]):
            raise _refused("bad_field", f"must be {wanted}", f"/{name}")
    type_ = receipt.get("type", "decision")
    if type_ in _SYSTEM_TYPES:
        raise _refused("reserved_type", f"receipts of type {type_} are written by receiptd itself", "/type")
    if type_ != "decision" and not _has_form(_OWN_TYPE, type_):
        raise _refused("unknown_type", f"type is decision, or your own with x_ before it: x_{type_}?", "/type")
    for name, value in receipt.items():
        _check_member(name, value)
    for name in ("system_id", "decision", "inputs") if type_ == "decision" else ("system_id",):
        if name not in receipt:
            raise _refused("missing_field", f"a receipt of type {type_} needs {name}", f"/{name}")
    _check_names(receipt, "")
    if len(jcs({"type": type_, "organization": "default", **receipt}).encode()) > MAX_RECEIPT:
        raise _refused("too_large", f"a receipt is at most {MAX_RECEIPT} bytes", "")


def length(text: str) -> int:
    """In UTF-16 code units, by which texts are limited."""
    return len(text) + sum(character > "\uffff" for character in text)


def _check_member(name: str, value: Any) -> None:
    if name in ("type", "organization", "receipt_id"):
        return
    check = _MEMBERS.get(name)
    if check is not None:
        check(value, f"/{name}")
    elif name in _DAEMONS:
        raise _refused("reserved_field", f"{name} is written by receiptd itself", token(name))
    elif not _has_form(_OWN_FIELD, name):
        raise _refused("unknown_field", f"unknown field; your own begin with x_ (x_{name[:60]}), or go into metadata", token(name))


def _text(most: int) -> Callable[[Any, str], None]:
    def check(value: Any, at: str) -> None:
        if not isinstance(value, str) or not 1 <= length(value) <= most:
            raise _refused("bad_field", f"must be text of 1 to {most} characters", at)
    return check


def _object(value: Any, at: str) -> None:
    if not isinstance(value, dict):
        raise _refused("bad_field", "must be an object", at)


def _list(value: Any, at: str) -> None:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _refused("bad_field", f"must be a list of at most {MAX_ITEMS}", at)


def _gates(value: Any, at: str) -> None:
    _list(value, at)
    for index, gate in enumerate(value):
        _object(gate, f"{at}/{index}")
        _text(MAX_SHORT)(gate.get("name"), f"{at}/{index}/name")
        if gate.get("status") not in STATUSES:
            raise _refused("bad_field", f"must be one of {', '.join(STATUSES)}", f"{at}/{index}/status")


def _epoch(value: Any, at: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != int(value):
        raise _refused("bad_field", "must be an integer of 0 or more", at)


def _decision(value: Any, at: str) -> None:
    if value is None:
        raise _refused("bad_field", "must not be null", at)


def _timestamp(value: Any, at: str) -> None:
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        if 1 <= month <= 12 and 1 <= day <= _days(year, month) and hour <= 23 and minute <= 59 and second <= 59:
            return
    raise _refused("bad_field", "must be RFC 3339 in UTC, like 2026-06-01T10:00:05Z", at)


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if calendar.isleap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


_short = _text(MAX_SHORT)
_MEMBERS: Mapping[str, Callable[[Any, str], None]] = {
    **{name: _short for name in ("system_id", "model_version", "user_id", "region", "policy_version", "chain_id")},
    "summary": _text(MAX_SUMMARY), "model_epoch": _epoch, "timestamp": _timestamp, "decision": _decision, "inputs": _object,
    "gates": _gates, "reasons": _list, "metadata": _object,
}


def _check_names(value: Any, pointer: str) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if name in _RESERVED:
                raise _refused("reserved_field", f"the name {name} is reserved at every depth", pointer + token(name))
            _check_names(member, pointer + token(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_names(item, f"{pointer}/{index}")


def _has_form(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _refused(code: str, message: str, pointer: str) -> ReceiptRefused:
    return ReceiptRefused(code, f"{pointer}: {message}" if pointer else message, pointer=pointer)
