"""A folder of receipts that are accepted and not in the ledger yet; bounded, and on the disk before anybody is told."""
from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from .errors import ReceiptRefused, ReceiptUnavailable
from .models import Queued
from .prepared import MARK, Prepared, same_but_mark
from .spool_entry import ENTRY, TEMPORARY, Damaged, NotSynced, line_of, mark_in, name_of, receipt_id_in, require_own, sync_folder, text_in, write_durably

_log = logging.getLogger("receiptd")

#: Seconds after which a file that was being written is nobody's.
_TEMPORARY_AGE = 60.0
#: Seconds between two counts of a full folder.
_RECOUNT = 1.0
#: Counts that are begun anew because something was written meanwhile.
_COUNTS = 5


class Spool:
    """`on_put` is called when there is something to deliver."""

    def __init__(self, folder: str, *, max_bytes: int, max_receipts: int) -> None:
        self.folder = os.path.abspath(folder)
        self._max_bytes = max_bytes
        self._max_receipts = max_receipts
        self._sizes: dict[str, int] = {}
        #: Names by receipt_id: of whole entries, and of those being written.
        self._names: dict[str, str] = {}
        self._bytes = 0
        self._changes = 0
        self._writing: dict[str, int] = {}
        self._last_stamp = 0
        self._counted_at = 0.0
        self.after_fork()
        try:
            self._create()
            self.recount()
        except OSError as error:
            raise ReceiptUnavailable("spool_failed", f"{self.folder} cannot be used as a spool: {error}") from error

    def after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may put something there, too
        self._emptied = threading.Condition(self._lock)
        self._writing = {}
        self.on_put: Callable[[], None] = lambda: None

    def path(self, kind: str, name: str = "") -> str:
        """`kind`: pending, refused or damaged."""
        return os.path.join(self.folder, kind, name)

    @property
    def pending(self) -> int:
        return len(self._sizes)

    @property
    def pending_bytes(self) -> int:
        return self._bytes

    def count(self, kind: str) -> int:
        return sum(name.endswith(ENTRY) for name in os.listdir(self.path(kind)))

    def holds(self, receipt_id: str) -> bool:
        return receipt_id in self._names

    def put(self, entries: Sequence[tuple[Prepared, str]], reason: str, *, maybe_stored: bool = False) -> list[Queued]:
        """All of them, or an error, and then none is left there. ReceiptUnavailable `spool_full`, `spool_failed`."""
        again = {one.receipt_id: self._again(one) for one, _ in entries if self.holds(one.receipt_id)}
        fresh = [(one, line_of(text)) for one, text in entries if one.receipt_id not in again]
        names = self._reserve([(one.receipt_id, len(line)) for one, line in fresh], maybe_stored)
        written: list[str] = []
        try:
            for one, line in fresh:
                self._write(names[one.receipt_id], one.receipt_id, line, maybe_stored)
                written.append(names[one.receipt_id])
        except ReceiptUnavailable as error:
            error.maybe_stored = error.maybe_stored or bool(written)  # delivered already, perhaps
            self._take_back(written)
            raise
        finally:
            with self._lock:
                for one, _ in fresh:
                    self._writing.pop(one.receipt_id, None)
        self.on_put()
        return [again.get(one.receipt_id) or Queued(one.receipt_id, one.at, reason, duplicate=False) for one, _ in entries]

    def _take_back(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                os.unlink(self.path("pending", name))
            except OSError:
                pass  # delivered, or the next count finds it
            self.forget(name)

    def names(self) -> list[str]:
        """Of what is pending, in order, as it is in the folder now."""
        return sorted(name for name in os.listdir(self.path("pending")) if receipt_id_in(name) is not None)

    def forget(self, name: str) -> None:
        """It is not pending any more."""
        with self._lock:
            self._bytes -= self._sizes.pop(name, 0)
            self._names.pop(receipt_id_in(name) or "", None)
            self._changes += 1
            if not self._sizes:
                self._emptied.notify_all()

    def recount(self) -> None:
        """Others add to the folder and deliver from it, too."""
        for _ in range(_COUNTS):
            changes = self._changes
            sizes = self._sizes_in_folder()
            with self._lock:
                if changes != self._changes:
                    continue  # written to meanwhile
                self._sizes, self._bytes = sizes, sum(sizes.values())
                self._names = {receipt_id_in(name) or "": name for name in sizes}
                self._counted_at = time.monotonic()
                if not sizes:
                    self._emptied.notify_all()
                return

    def flush(self, timeout: float) -> bool:
        """Whether all of it was delivered, or put aside, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        self.on_put()
        while True:
            self.recount()
            with self._lock:
                if not self._sizes:
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._emptied.wait(min(left, _RECOUNT))

    def _sizes_in_folder(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with os.scandir(self.path("pending")) as found:
            for file in found:
                if receipt_id_in(file.name) is not None:
                    try:
                        sizes[file.name] = file.stat().st_size
                    except FileNotFoundError:
                        pass  # delivered just now
        return sizes

    def _create(self) -> None:
        made: list[str] = []
        at = self.folder
        while not os.path.lexists(at):
            made.append(at)
            at = os.path.dirname(at)
        if made:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        require_own(self.folder)
        for kind in ("pending", "refused", "damaged"):
            if not os.path.lexists(self.path(kind)):
                os.makedirs(self.path(kind), mode=0o700, exist_ok=True)
            require_own(self.path(kind))
        sync_folder(self.folder)
        for folder in made:
            sync_folder(os.path.dirname(folder))
        for name in os.listdir(self.path("pending")):
            path = self.path("pending", name)
            if name.endswith(TEMPORARY) and time.time() - os.stat(path).st_mtime > _TEMPORARY_AGE:
                os.unlink(path)
                _log.warning("%s: removed; it was never wholly written, so that nobody was told that it is there", path)

    def _again(self, prepared: Prepared) -> Queued:
        """Of a receipt that is given once more while it is pending."""
        name = self._names.get(prepared.receipt_id, "")
        try:
            with open(self.path("pending", name), "rb") as file:
                receipt = json.loads(text_in(file.read(), prepared.receipt_id))
        except (OSError, Damaged) as error:
            raise ReceiptUnavailable("spool_failed", f"{name} was just taken away: {error}", receipt_id=prepared.receipt_id, maybe_stored=True) from error
        if not same_but_mark(receipt, prepared):
            raise ReceiptRefused("conflict", "another receipt with this receipt_id is in the spool", receipt_id=prepared.receipt_id)
        mark = mark_in(receipt, MARK)
        return Queued(prepared.receipt_id, str(mark.get("queued_at", prepared.at)), str(mark.get("reason", "pending")), duplicate=True)

    def _reserve(self, wanted: Sequence[tuple[str, int]], maybe_stored: bool) -> dict[str, str]:
        """The names of the files, for which there is room from now on."""
        size = sum(length for _, length in wanted)
        with self._lock:
            is_full = self._is_full(len(wanted), size)
        if is_full and time.monotonic() - self._counted_at > _RECOUNT:
            self.recount()
        names: dict[str, str] = {}
        with self._lock:
            if self._is_full(len(wanted), size):
                held = f"{self.folder} holds {self.pending} receipts of {self._bytes} bytes; its limits are {self._max_receipts} and {self._max_bytes}"
                raise ReceiptUnavailable("spool_full", held, receipt_id=wanted[0][0], maybe_stored=maybe_stored)
            for receipt_id, _ in wanted:
                if receipt_id in names:
                    raise ReceiptRefused("conflict", "two receipts of one call with this receipt_id", receipt_id=receipt_id)
                if receipt_id in self._writing:
                    raise ReceiptUnavailable("spool_failed", "this receipt is being written", receipt_id=receipt_id, maybe_stored=True)
                self._last_stamp = max(time.time_ns() // 1000, self._last_stamp + 1)
                names[receipt_id] = name_of(self._last_stamp, receipt_id)
            self._writing.update(wanted)
        return names

    def _is_full(self, receipts: int, size: int) -> bool:
        return (len(self._sizes) + len(self._writing) + receipts > self._max_receipts
                or self._bytes + sum(self._writing.values()) + size > self._max_bytes)

    def _write(self, name: str, receipt_id: str, line: bytes, maybe_stored: bool) -> None:
        try:
            write_durably(self.path("pending"), name, line)
        except OSError as error:
            raise ReceiptUnavailable("spool_failed", f"{self.folder} does not take the receipt: {error}", receipt_id=receipt_id, maybe_stored=maybe_stored or isinstance(error, NotSynced)) from error
        with self._lock:
            if name not in self._sizes:
                self._sizes[name] = len(line)
                self._bytes += len(line)
            self._names[receipt_id] = name
            self._changes += 1
