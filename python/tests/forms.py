"""Receipts that the format takes, and such as it does not: judged by the client's rules and by the daemon's, which have to agree."""
from __future__ import annotations

from typing import Any

_D: dict[str, Any] = {"system_id": "s", "decision": 1, "inputs": {}}
_NOTE: dict[str, Any] = {"type": "x_note", "system_id": "s"}
_GATE = {"name": "g", "status": "PASS"}
_EMOJI = "\U0001f600"  # two UTF-16 code units
#: Of a receipt with x_text alone beside the required members: its other bytes, with the id and what the daemon fills in.
_FRAME = len('{"decision":1,"inputs":{},"organization":"default","receipt_id":"","system_id":"s","timestamp":"","type":"decision","x_text":""}') + 36 + 24

Case = tuple[str, tuple[dict[str, Any], tuple[str, str]]]


def _field(name: str, *values: Any, code: str = "bad_field", at: str | None = None) -> list[Case]:
    return [(f"{name} {n}", ({**_D, name: value}, (code, f"/{name}" if at is None else at))) for n, value in enumerate(values)]


REFUSED: list[Case] = [
    *_field("organization", "Acme", "_ledger", "a" * 65, "", None),
    *_field("type", "X", 1),
    *_field("type", "chain", "anchor", code="reserved_type"),
    *_field("type", "note", "x_" + "a" * 60 + "b", code="unknown_type")[:1],
    *_field("system_id", "", "s" * 257, _EMOJI * 129, 5, None),
    *_field("model_version", "", None), *_field("user_id", 4711), *_field("summary", "s" * 4097),
    *_field("model_epoch", -1, 0.5, True, "1"),
    *_field("timestamp", "2026-06-01 10:00:05Z", "2026-06-01T10:00:05+00:00", "2026-02-29T10:00:05Z", "2026-06-01T24:00:00Z", "2026-06-01T10:00:60Z", "2026-06-01T10:00:05.1234567890Z",
            "٢026-06-01T10:00:05Z", "2026-06-01T10:00:05Z\n", 1780000000),
    *_field("decision", None), *_field("inputs", [], "x", None), *_field("reasons", "because", [0] * 1001), *_field("gates", {}, [_GATE] * 1001),
    *_field("gates", [_GATE, {"name": "g", "status": "pass"}], at="/gates/1/status"), *_field("gates", [{"status": "PASS"}], at="/gates/0/name"), *_field("gates", [1], at="/gates/0"),
    *_field("log_index", 1, code="reserved_field"), *_field("_sd", [], code="reserved_field"), *_field("details", {}, code="reserved_field"),
    *_field("outcome", "x", code="unknown_field"), *_field("...", 1, code="unknown_field"), *_field("x_", 1, code="unknown_field"), *_field("x_ä", 1, code="unknown_field"),
    *_field("inputs", {"a": [{"...": 1}]}, code="reserved_field", at="/inputs/a/0/..."), *_field("metadata", {"_sd_alg": 1}, code="reserved_field", at="/metadata/_sd_alg"),
    ("no decision", ({"system_id": "s", "inputs": {}}, ("missing_field", "/decision"))), ("no inputs", ({"system_id": "s", "decision": 1}, ("missing_field", "/inputs"))),
    ("no system_id", ({"decision": 1, "inputs": {}}, ("missing_field", "/system_id"))), ("a note without one", ({"type": "x_note"}, ("missing_field", "/system_id"))),
    ("too many members", ({**_D, **{f"x_{n}": n for n in range(256)}}, ("bad_field", ""))),
    ("too large", ({**_D, "timestamp": "2026-06-01T10:00:05.000Z", "x_text": "t" * (2**20 - _FRAME + 1)}, ("too_large", ""))),
]

TAKEN: list[dict[str, Any]] = [
    _D, _NOTE, {**_NOTE, "decision": 0, "x_a.B-c_9": None}, {**_D, "organization": "a" + "._-9" * 15 + "bcd", "type": "decision"},
    {**_D, "system_id": _EMOJI * 128, "summary": "s" * 4096, "model_epoch": 3.0, "chain_id": "c"},
    *({**_D, "timestamp": time} for time in ("2024-02-29T23:59:59.123456789Z", "0000-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "9999-12-31T00:00:00.0Z")),
    {**_D, "decision": {"...a": False}, "gates": [{**_GATE, "status": status, "more": [1.5e-7]} for status in ("PASS", "FAIL", "WARN", "SKIP", "ERROR")], "reasons": [None] * 1000},
    {**_D, "timestamp": "2026-06-01T10:00:05.000Z", "x_text": "t" * (2**20 - _FRAME - 200)},
]
