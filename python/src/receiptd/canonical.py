"""JCS (RFC 8785): the one spelling of a JSON value, whose bytes are hashed."""
from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any


def jcs(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{jcs(value[name])}" for name in names) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(jcs, value))}]"
    if not isinstance(value, float):
        return json.dumps(value, ensure_ascii=False)
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value).replace("e-0", "e-")
    return re.sub(r"\.0$", "", f"{Decimal(repr(value)):f}")


def hash_of(value: Any) -> str:
    """As `receipt_hash` and `previous_receipt_hash` are written."""
    return "sha256:" + hashlib.sha256(jcs(value).encode()).hexdigest()
