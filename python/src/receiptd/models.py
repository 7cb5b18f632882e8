"""What the daemon answers, as immutable values. Members that a later daemon may add are left out."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar

from .errors import ReceiptUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Acknowledgement:
    """The receipt is stored: `wal` survives the end of the daemon's process, `disk` a power cut. Keep `receipt_hash`."""

    receipt_id: str
    receipt_number: str
    organization: str
    org_seq: int
    log_index: int
    recorded_at: str
    receipt_hash: str
    key_epoch: int
    ack: str
    duplicate: bool
    queued: ClassVar[Literal[False]] = False


@dataclass(frozen=True)
class Queued:
    """The receipt is in the spool, on this host's disk, and not in the ledger yet: it has no number."""

    receipt_id: str
    queued_at: str
    reason: str
    duplicate: bool
    queued: ClassVar[Literal[True]] = True


@dataclass(frozen=True)
class Found:
    """A stored receipt. `status`: pending or anchored, by the daemon's word."""

    receipt: Mapping[str, Any]
    receipt_id: str
    receipt_number: str
    organization: str
    org_seq: int
    log_index: int
    recorded_at: str
    receipt_hash: str
    key_epoch: int
    ack: str
    status: str


@dataclass(frozen=True)
class Waited:
    receipt_id: str
    log_index: int


@dataclass(frozen=True)
class Said:
    """One thing that was checked, or was not."""

    code: str
    sentence: str


@dataclass(frozen=True)
class Verification:
    """`valid` is None where something that decides it was not checked; `not_checked` says what."""

    valid: bool | None
    receipt_number: str
    chain_id: str | None
    generated_at: str | None
    status: str
    checks: tuple[Said, ...]
    not_checked: tuple[Said, ...]
    problem: Said | None


def read(kind: type[T], result: Mapping[str, Any]) -> T:
    """`result` as one of the dataclasses here or in chain.py; its members have to be of the types that are written there."""
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in result:
            raise bad_answer(f"an answer without {field.name}")
        value = result[field.name]
        wanted = _TYPES.get(str(field.type), object)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise bad_answer(f"an answer whose {field.name} is not of type {field.type}")
        values[field.name] = value
    return kind(**values)


def bad_answer(message: str) -> ReceiptUnavailable:
    return ReceiptUnavailable("bad_answer", f"{message}: is this socket receiptd's?", maybe_stored=True)


_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "Mapping[str, Any]": dict}
