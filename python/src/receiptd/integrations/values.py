"""Values of other libraries as JSON that a receipt takes, and their hashes."""
from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ..canonical import jcs
from ..values import bad_value, encode

#: 2^53 - 1
MAX_INTEGER = 9007199254740991
#: More than this is taken for a value that contains itself.
MAX_DEPTH = 64
#: Bytes of a key.
MIN_KEY = 16


def own(value: Any) -> Any:
    """With copies of all dicts, lists and tuples in it, and of what LangChain makes of them (messages, generations): nobody else can change it."""
    if type(value) is dict:
        return {name: own(member) for name, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(own(item) for item in value)
    if hasattr(value, "model_copy") and (hasattr(value, "response_metadata") or hasattr(value, "generation_info")):
        return value.model_copy(update={name: own(member) for name, member in vars(value).items()})
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """What a value says, in plain JSON: bytes as their hash and number, a number that the format does not take as its text, a class as
    its name. Members that are None stay out."""
    if depth > MAX_DEPTH:
        raise bad_value("a value that contains itself, or is too deep", "")
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"sha256": hashlib.sha256(value).hexdigest(), "bytes": memoryview(value).nbytes}
    if isinstance(value, Mapping):
        return {name: plain(member, depth + 1) for name, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, (Decimal, date)):
        return str(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return plain(dump(), depth + 1)
    raise bad_value(f"a {type(value).__name__} is not a value of JSON: say with `inputs` what is recorded", "")


def hash_of(value: Any, key: bytes | None) -> str:
    """`sha256:…` (or, with a key, `hmac-sha256:…`) of a text's UTF-8, or of another value's JCS."""
    said = plain(value)
    if not isinstance(said, str):
        encode({"said": said})  # refuses what JCS has no bytes for
    data = (said if isinstance(said, str) else jcs(said)).encode("utf-8", "surrogatepass")
    if key is None:
        return "sha256:" + hashlib.sha256(data).hexdigest()
    if len(key) < MIN_KEY:
        raise ValueError(f"a key has at least {MIN_KEY} bytes")
    return "hmac-sha256:" + hmac.new(key, data, hashlib.sha256).hexdigest()


def _number(value: float) -> Any:
    if not math.isfinite(value) or abs(value) > MAX_INTEGER or (value == 0 and math.copysign(1, value) < 0):
        return repr(value)
    return value
