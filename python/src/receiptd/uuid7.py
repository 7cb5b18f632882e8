"""Identifiers that are chosen here, before anything is sent, so that the same call can be sent again: UUIDv7 (RFC 9562)."""
from __future__ import annotations

import os
import time
import uuid

#: Crockford's base32.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def uuid7() -> str:
    """Its first 48 bits are milliseconds since 1970, the others random."""
    return str(uuid.UUID(int=_number()))


def new_chain_id() -> str:
    """`chn_` and the 26 characters of a UUIDv7 in Crockford's base32."""
    number = _number()
    return "chn_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def _number() -> int:
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    return number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
