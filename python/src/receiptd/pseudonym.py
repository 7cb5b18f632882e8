"""What identifies a person stays out of a receipt, which cannot be taken back: a pseudonym goes in."""
from __future__ import annotations

import hashlib
import hmac

#: Bytes. A shorter key can be found by trying.
MIN_KEY = 16


def pseudonym(value: str | bytes, key: bytes) -> str:
    """`hmac-sha256:` and hex: the same for the same value and key, and without the key nobody can try values until one fits.

    Keep the key outside the ledger; throw it away and the pseudonyms are anonymous.
    """
    if len(key) < MIN_KEY:
        raise ValueError(f"a key has at least {MIN_KEY} bytes")
    data = value.encode() if isinstance(value, str) else value
    return "hmac-sha256:" + hmac.new(key, data, hashlib.sha256).hexdigest()


hashed = pseudonym
