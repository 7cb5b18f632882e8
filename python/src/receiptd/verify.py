"""What is known of a receipt: from the HTTP API, which recomputes it, or what can be recomputed here from the socket's answer.

Here, without the ledger's keys and its anchors, no receipt can be called valid; one can be called invalid.
"""
from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .asking import Asker
from .canonical import hash_of
from .config import read_seconds
from .errors import ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable
from .models import Found, Said, Verification
from .steps import Blocking, Plan

#: Bytes of an answer over HTTP.
MAX_BODY = 2**20

CHECKED = {
    "hash": "The SHA-256 of its canonical form (RFC 8785) is its receipt hash.",
    "place": "Its id, number, time and place are those that the daemon answers with, and those that were asked for.",
    "link": "It names the hash of its organization's receipt before, recomputed from that one, or is the first.",
}
NOT_CHECKED = {
    "link": "The link: the organization's receipt before could not be had.",
    "mac": "Its MAC: only the ledger and its auditor have the key.",
    "anchor": "Any anchor: only the daemon says how it stands; ask over HTTP, or check evidence.",
}
PROBLEMS = {
    "hash_mismatch": "the SHA-256 of its canonical form is not its receipt hash",
    "index_mismatch": "its id, number or place are not those that the daemon answers with, or not those that were asked for",
    "link_mismatch": "the link does not lead to the receipt before",
}
_STATUSES = ("anchored", "logged", "pending", "suspect", "invalid", "not_checked")


@dataclass(frozen=True)
class Verifier:
    asker: Asker

    def verify(self, receipt_id: str, timeout: float | None) -> Plan[Verification]:
        base = self.asker.settings.http
        if base is not None:
            seconds = self.asker.settings.timeout if timeout is None else read_seconds(timeout)
            url = f"{base}/v1/receipts/{urllib.parse.quote(receipt_id, safe='')}/verify"
            answer: Verification = yield Blocking(_fetch(url, receipt_id, seconds))
            return answer
        which = {"receipt_id": receipt_id} if "-" in receipt_id[8:9] else {"receipt_number": receipt_id}
        found = yield from self.asker.get(which, timeout)
        before: Found | None = None
        if found.org_seq > 1:
            try:
                before = yield from self.asker.get({"organization": found.organization, "org_seq": found.org_seq - 1}, timeout)
            except ReceiptUnavailable:
                raise
            except ReceiptError:
                before = None  # damaged; then the link is not checked
        return judge(found, before, receipt_id)


def judge(found: Found, before: Found | None, asked: str | None = None) -> Verification:
    """`before`: its organization's receipt before it, if that could be had. `asked`: the id or number that was asked for."""
    receipt = found.receipt
    checks: list[str] = []
    problem: str | None = None
    if hash_of(receipt) != found.receipt_hash:
        problem = "hash_mismatch"
    elif any(receipt.get(name) != getattr(found, name) for name in ("receipt_id", "receipt_number", "organization", "org_seq", "log_index", "recorded_at", "key_epoch")) \
            or asked not in (None, found.receipt_id, found.receipt_number):
        problem, checks = "index_mismatch", ["hash"]
    else:
        checks = ["hash", "place"]
        if before is not None or found.org_seq == 1:
            linked = None if before is None else hash_of(before.receipt)
            if linked == receipt.get("previous_receipt_hash"):
                checks.append("link")
            else:
                problem = "link_mismatch"
    chain_id = receipt.get("chain_id")
    return Verification(
        valid=None if problem is None else False,
        receipt_number=found.receipt_number,
        chain_id=chain_id if isinstance(chain_id, str) else None,
        generated_at=found.recorded_at,
        status="not_checked" if problem is None else "invalid",
        checks=tuple(Said(code, CHECKED[code]) for code in checks),
        not_checked=tuple(Said(code, text) for code, text in NOT_CHECKED.items() if code != "link" or (problem is None and "link" not in checks)),
        problem=None if problem is None else Said(problem, PROBLEMS[problem]),
    )


def _fetch(url: str, receipt_id: str, timeout: float) -> Callable[[], Verification]:
    def fetch() -> Verification:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=timeout) as response:
                body = _body(response, time.monotonic() + timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise _http_error(error.code, error.read(MAX_BODY), receipt_id) from None
        except (OSError, http.client.HTTPException) as error:
            code = "timeout" if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError) else "unreachable"
            raise ReceiptUnavailable(code, f"{url}: {error}", receipt_id=receipt_id) from None
        return _read(body, receipt_id)
    return fetch


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    body = b""
    while len(body) < MAX_BODY and (chunk := response.read1(MAX_BODY)):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return body


def _http_error(status: int, body: bytes, receipt_id: str) -> ReceiptError:
    try:
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "unreachable", f"HTTP status {status}"
    if status == 404 and code == "not_found":
        return ReceiptNotFound(code, message, receipt_id=receipt_id)
    if status in (408, 429) or status >= 500 or code == "unreachable":
        return ReceiptUnavailable(code, message, receipt_id=receipt_id)
    return ReceiptRefused(code, message, receipt_id=receipt_id)


def _read(body: bytes, receipt_id: str) -> Verification:
    try:
        answer: dict[str, Any] = json.loads(body)
        valid, problem = answer["valid"], answer["problem"]
        if valid not in (True, False, None) or isinstance(valid, (int, float)) and not isinstance(valid, bool) or answer["status"] not in _STATUSES:
            raise ValueError
        return Verification(
            valid=valid, receipt_number=str(answer["receipt_number"]), chain_id=answer["chain_id"], generated_at=answer["generated_at"], status=answer["status"],
            checks=_said(answer["checks"]), not_checked=_said(answer["not_checked"]), problem=None if problem is None else Said(problem["code"], problem["message"]),
        )
    except (ValueError, KeyError, TypeError):
        raise ReceiptUnavailable("bad_answer", "what came over HTTP is not an answer of receiptd", receipt_id=receipt_id) from None


def _said(found: list[dict[str, str]]) -> tuple[Said, ...]:
    return tuple(Said(one["code"], one["sentence"]) for one in found)
