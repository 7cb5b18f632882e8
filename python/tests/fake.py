"""A stand-in for the daemon, which does what a real one does only now and then: forget, hang up, refuse."""
from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from typing import Any

HANG_UP = object()
SILENCE = object()


def acknowledgement(receipt_id: str, n: int = 1, **more: Any) -> dict[str, Any]:
    return {"receipt_id": receipt_id, "receipt_number": f"RCP-2026-{n:05}", "organization": "default", "org_seq": n, "log_index": n, "recorded_at": "2026-06-01T10:00:00.000Z",
            "receipt_hash": "sha256:" + "0" * 64, "key_epoch": 0, "ack": "disk", "duplicate": False, **more}


def refusal(code: str, number: int = -32602, retry: bool = False, **data: Any) -> dict[str, Any]:
    return {"error": {"code": number, "message": f"it is {code}", "data": {"code": code, "retry": retry, **data}}}


class Fake:
    """`behave(n, call)` gives the result of the nth call, or a `refusal`, raw bytes, HANG_UP or SILENCE."""

    def __init__(self, behave: Callable[[int, dict[str, Any]], Any] | None = None) -> None:
        self.folder = tempfile.mkdtemp(prefix="receiptd-py-")
        self.path = os.path.join(self.folder, "s")
        self.behave = behave or (lambda n, call: acknowledgement(call["params"]["receipt"]["receipt_id"], n + 1))
        self.lines: list[str] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("r", encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    with self._lock:
                        n = len(self.lines)
                        self.lines.append(line)
                    call = json.loads(line)
                    answer = self.behave(n, call)
                    if answer is HANG_UP:
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    if answer is SILENCE:
                        continue
                    if not isinstance(answer, bytes):
                        body = answer if "error" in answer else {"result": answer}
                        answer = json.dumps({"jsonrpc": "2.0", "id": call["id"], **body}).encode() + b"\n"
                    connection.sendall(answer)
        except OSError:
            pass
