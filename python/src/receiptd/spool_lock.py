"""Who delivers from a spool. A courtesy between processes: two at once do no harm, since a receipt_id is stored only once."""
from __future__ import annotations

import json
import os
import secrets
import time

from .times import now_text

#: Seconds without a sign of life after which the lock is nobody's.
STALE = 30.0
#: Seconds between two signs of life.
REFRESH = 5.0
#: Seconds for the holder to write who it is.
_UNREADABLE = 1.0

_held: set[str] = set()
os.register_at_fork(after_in_child=_held.clear)


class SpoolLock:
    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "sender.lock")
        self._token: str | None = None
        self._refreshed = 0.0

    def hold(self) -> bool:
        """Takes it, or keeps it; False where somebody else has it."""
        if self._token is not None:
            if time.monotonic() - self._refreshed < REFRESH:
                return True
            if self._is_mine():
                os.utime(self._path)
                self._refreshed = time.monotonic()
                return True
            self._drop()
        for _ in range(2):
            if self._take():
                return True
            if not self._is_stale():
                return False
            self._unlink()
        return False

    def release(self) -> None:
        if self._token is not None:
            if self._is_mine():
                self._unlink()
            self._drop()

    def _take(self) -> bool:
        token = secrets.token_hex(16)
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        except OSError:
            return True  # a disk that is full is no reason not to send from it
        _held.add(token)
        self._token, self._refreshed = token, time.monotonic()
        try:
            with os.fdopen(file, "w") as opened:
                opened.write(json.dumps({"pid": os.getpid(), "token": token, "at": now_text()}) + "\n")
        except OSError:
            pass  # nobody can read whose it is, and somebody else may take it
        return True

    def _is_stale(self) -> bool:
        try:
            age = time.time() - os.stat(self._path).st_mtime
        except FileNotFoundError:
            return True
        holder = self._holder()
        pid = holder.get("pid")
        if not isinstance(pid, int) or pid <= 0:
            return age > _UNREADABLE
        return age > STALE or (holder.get("token") not in _held if pid == os.getpid() else not _lives(pid))

    def _holder(self) -> dict[str, object]:
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _is_mine(self) -> bool:
        return self._holder().get("token") == self._token

    def _drop(self) -> None:
        _held.discard(self._token or "")
        self._token = None

    def _unlink(self) -> None:
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
