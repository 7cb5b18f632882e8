"""The values that a receipt can hold (docs/FORMAT.md section 3), checked before anything is sent.

Nothing is converted silently: what JSON or a double cannot hold is refused with the place where it is.
"""
from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .errors import ReceiptRefused

#: The largest integer that every reader of JSON has exactly.
MAX_NUMBER = 2**53 - 1
#: Arrays and objects within each other; the outermost is the first.
MAX_DEPTH = 32

_BAD_CHARACTER = re.compile("[\0\ud800-\udfff]")
_ADVICE: Mapping[type, str] = {
    Decimal: "a Decimal has digits that a double may not have: send it as text, str(value)",
    bytes: "bytes are not JSON: send them as text, such as value.hex()",
    bytearray: "bytes are not JSON: send them as text, such as value.hex()",
    set: "a set has no order: send sorted(value)",
    frozenset: "a set has no order: send sorted(value)",
}


def encode(value: Any, pointer: str = "") -> str:
    """`value` as JSON text in one line; ReceiptRefused `bad_value` with the pointer of the first that cannot be recorded."""
    check(value, pointer)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def check(value: Any, pointer: str = "", depth: int = 1) -> None:
    """Whether `value` can be recorded as it is."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            raise bad_value(f"an integer beyond {MAX_NUMBER} is not exact in JSON: send it as text", pointer)
    elif isinstance(value, float):
        _check_float(value, pointer)
    elif isinstance(value, (dict, list, tuple)):
        if depth > MAX_DEPTH:
            raise bad_value(f"more than {MAX_DEPTH} arrays and objects within each other", pointer)
        if isinstance(value, dict):
            _check_members(value, pointer, depth)
        else:
            for index, item in enumerate(value):
                check(item, f"{pointer}/{index}", depth + 1)
    else:
        advice = next((text for kind, text in _ADVICE.items() if isinstance(value, kind)), None)
        if advice is None:
            advice = "send its isoformat()" if hasattr(value, "isoformat") else "send text, numbers, lists and dicts"
        raise bad_value(f"a {type(value).__name__} cannot be recorded: {advice}", pointer)


def bad_value(message: str, pointer: str) -> ReceiptRefused:
    return ReceiptRefused("bad_value", f"{pointer}: {message}" if pointer else message, pointer=pointer)


def token(name: str) -> str:
    """A name as one step of a JSON pointer."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _check_members(value: dict[Any, Any], pointer: str, depth: int) -> None:
    for name, member in value.items():
        if not isinstance(name, str):
            raise bad_value(f"the name {name!r} is no string", pointer)
        at = pointer + token(name)
        if name == "__proto__":
            raise bad_value("the name __proto__ is not allowed", at)
        _check_text(name, at)
        check(member, at, depth + 1)


def _check_text(value: str, pointer: str) -> None:
    if (found := _BAD_CHARACTER.search(value)) is not None:
        what = "U+0000" if found[0] == "\0" else "a surrogate without its partner"
        raise bad_value(f"{what} in a name or string", pointer.encode("utf-8", "replace").decode())


def _check_float(value: float, pointer: str) -> None:
    if not math.isfinite(value):
        raise bad_value(f"{value} is not JSON", pointer)
    if value == 0 and math.copysign(1, value) < 0:
        raise bad_value("negative zero", pointer)
    if abs(value) > MAX_NUMBER:
        raise bad_value(f"a number beyond {MAX_NUMBER}: send it as text", pointer)
