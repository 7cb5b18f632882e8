"""The files of a spool: one per receipt, whose name gives the order and whose first characters are a checksum.

`STAMP-RECEIPT_ID.entry` with one line, `CRC JSON`: STAMP microseconds since 1970, CRC the CRC-32 of the receipt's text. The
TypeScript client has the same layout, so that either delivers what the other has left.
"""
from __future__ import annotations

import json
import os
import re
import stat
import zlib
from typing import Any

from .errors import ReceiptError

ENTRY = ".entry"
TEMPORARY = ".tmp"
#: In the mode of a folder: its group, and everybody.
OTHERS_WRITE = 0o022
_NAME = re.compile(r"([0-9]{16})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.entry")


class Damaged(Exception):
    """The file is not what was written."""


class NotSynced(OSError):
    """It was there for a moment, so that somebody may have read it."""


def name_of(stamp: int, receipt_id: str) -> str:
    return f"{stamp:016d}-{receipt_id}{ENTRY}"


def receipt_id_in(name: str) -> str | None:
    """None where the name is no entry's."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[2]


def line_of(text: str) -> bytes:
    data = text.encode()
    return b"%08x %s\n" % (zlib.crc32(data), data)


def text_in(line: bytes, receipt_id: str) -> str:
    """The receipt's text, as it was accepted. Raises Damaged."""
    data = line[9:-1]
    if line[8:9] != b" " or line[-1:] != b"\n" or b"\n" in data or line[:8] != b"%08x" % zlib.crc32(data):
        raise Damaged("its checksum is wrong")
    try:
        receipt = json.loads(data)
    except (ValueError, RecursionError):
        raise Damaged("it is not JSON") from None
    if not isinstance(receipt, dict) or receipt.get("receipt_id") != receipt_id:
        raise Damaged("it is another receipt than its name says")
    return data.decode()


def mark_in(receipt: dict[str, Any], mark: str) -> dict[str, Any]:
    metadata = receipt.get("metadata")
    found = metadata.get(mark) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def write_durably(folder: str, name: str, data: bytes) -> None:
    """There in whole under its name, and after a power cut too, or an OSError and not there."""
    path = os.path.join(folder, name)
    temporary = os.path.splitext(path)[0] + TEMPORARY
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view):]
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    try:
        sync_folder(folder)
    except BaseException as error:
        _remove(path)
        if isinstance(error, OSError):
            raise NotSynced(*error.args) from error
        raise


def require_own(folder: str) -> None:
    """Nobody else may put anything there, or take it away. ReceiptError `bad_setting`, OSError."""
    found = os.stat(folder)
    if not stat.S_ISDIR(found.st_mode):
        raise ReceiptError("bad_setting", f"spool: {folder} is no folder: name another, or move it away")
    if found.st_uid != os.geteuid():
        raise ReceiptError("bad_setting", f"spool: {folder} belongs to user {found.st_uid}, and this process is user {os.geteuid()}: name a folder of its own, or run it as the folder's owner")
    if found.st_mode & OTHERS_WRITE:
        raise ReceiptError("bad_setting", f"spool: others may write to {folder} (mode {stat.S_IMODE(found.st_mode):03o}): chmod 700 {folder}")


def sync_folder(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
