"""Settings: an argument, else the environment's RECEIPTD_…, else the default. A wrong one is an error that names it."""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from .errors import ReceiptError
from .form import MAX_SHORT, ORGANIZATION, length

Ack = Literal["disk", "wal"]
SpoolMode = Literal["fallback", "always"]

#: Where the daemon listens if nothing else is configured: below the working directory, and under systemd.
LOCAL_SOCKET = os.path.join("receiptd-data", "receiptd.sock")
SYSTEM_SOCKET = "/run/receiptd/receiptd.sock"
#: Bytes of a Unix socket's path.
MAX_SOCKET_PATH = 107
#: Seconds; what a timer can wait for.
_LONGEST_TIMEOUT = (2**31 - 1) / 1000

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """`timeout` and `spool_wait` are seconds, `socket` is None where it is looked for at each connect."""

    socket: str | None
    organization: str | None
    system_id: str | None
    ack: Ack | None
    timeout: float
    http: str | None
    spool: str | None
    spool_mode: SpoolMode
    #: Of the budget, for the live try before a receipt goes into the spool.
    spool_wait: float
    spool_max_bytes: int
    spool_max_receipts: int

    @property
    def socket_path(self) -> str:
        if self.socket is not None:
            return self.socket
        return LOCAL_SOCKET if os.path.exists(LOCAL_SOCKET) else SYSTEM_SOCKET


def settings(
    *, socket: str | os.PathLike[str] | None = None, organization: str | None = None, system_id: str | None = None, ack: str | None = None,
    timeout: float | None = None, http: str | None = None, spool: str | os.PathLike[str] | None = None, spool_mode: str = "fallback",
    spool_wait: float = 0.5, spool_max_bytes: int = 64 * 2**20, spool_max_receipts: int = 100_000, env: Mapping[str, str] | None = None,
) -> Settings:
    """ReceiptError `bad_setting` names the argument, or the variable, that is wrong."""
    names = os.environ if env is None else env
    found_socket, socket_name = _given(_path(socket), "socket", names, "RECEIPTD_SOCKET")
    if found_socket is not None and len(os.fsencode(found_socket)) > MAX_SOCKET_PATH:
        raise _bad(socket_name, f"a socket's path has at most {MAX_SOCKET_PATH} bytes")
    found_ack, ack_name = _given(ack, "ack", names, "RECEIPTD_CLIENT_ACK")
    found_http, http_name = _given(http, "http", names, "RECEIPTD_CLIENT_HTTP")
    if found_http is not None and not found_http.startswith(("http://", "https://")):
        raise _bad(http_name, "a URL that begins with http:// or https://")
    if spool_mode not in ("fallback", "always"):
        raise _bad("spool_mode", "fallback or always")
    return Settings(
        socket=found_socket,
        organization=_organization(*_given(organization, "organization", names, "RECEIPTD_CLIENT_ORGANIZATION")),
        system_id=_system_id(*_given(system_id, "system_id", names, "RECEIPTD_CLIENT_SYSTEM_ID")),
        ack=None if found_ack is None else read_ack(found_ack, ack_name),
        timeout=_timeout(timeout, names),
        http=None if found_http is None else found_http.rstrip("/"),
        spool=_given(_path(spool), "spool", names, "RECEIPTD_CLIENT_SPOOL")[0],
        spool_mode="always" if spool_mode == "always" else "fallback",
        spool_wait=read_seconds(spool_wait, "spool_wait"),
        spool_max_bytes=_count(spool_max_bytes, "spool_max_bytes"),
        spool_max_receipts=_count(spool_max_receipts, "spool_max_receipts"),
    )


def read_ack(value: str, name: str = "ack") -> Ack:
    if value == "disk":
        return "disk"
    if value == "wal":
        return "wal"
    raise _bad(name, "disk or wal")


def read_seconds(value: float, name: str = "timeout") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _LONGEST_TIMEOUT:
        raise _bad(name, f"seconds, more than 0 and at most {_LONGEST_TIMEOUT}")
    return float(value)


def _organization(value: str | None, name: str) -> str | None:
    if value is not None and (not isinstance(value, str) or ORGANIZATION.fullmatch(value) is None):
        raise _bad(name, "the name of an organization: 1 to 64 of a-z, 0-9, ., _ and -")
    return value


def _system_id(value: str | None, name: str) -> str | None:
    if value is not None and (not isinstance(value, str) or length(value) > MAX_SHORT):
        raise _bad(name, f"a text of 1 to {MAX_SHORT} characters")
    return value


def _timeout(value: float | None, names: Mapping[str, str]) -> float:
    if value is not None:
        return read_seconds(value)
    text, name = _given(None, "timeout", names, "RECEIPTD_CLIENT_TIMEOUT_MS")
    if text is None:
        return 5.0
    if not text.isascii() or not text.isdigit() or int(text) == 0 or len(text) > 9:
        raise _bad(name, "milliseconds, a whole number above 0")
    return int(text) / 1000


def _given(value: str | None, argument: str, names: Mapping[str, str], variable: str) -> tuple[str | None, str]:
    """The value and what it was called; an empty variable is none."""
    if value is not None:
        if not isinstance(value, str) or value == "" or "\0" in value:
            raise _bad(argument, "a text, and not empty")
        return value, argument
    return names.get(variable) or None, variable


def _path(value: str | bytes | os.PathLike[str] | None) -> str | None:
    return os.fsdecode(value) if isinstance(value, (os.PathLike, bytes)) else value


def _count(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _bad(name, "a whole number above 0")
    return value


def _bad(name: str, wanted: str) -> ReceiptError:
    return ReceiptError("bad_setting", f"{name}: {wanted}")
