"""What tests of the spool share: a ledger that stores an id once, and clients whose receipts wait on this host's disk."""
from __future__ import annotations

import logging
import os
import shutil
import tempfile
import unittest
from typing import Any

from fake import Fake, acknowledgement, refusal
from receiptd import Client, Queued

DECISION = {"system_id": "s", "decision": 1, "inputs": {}}
MARK = "receiptd_spooled"


class Ledger:
    """What a daemon would do: stores an id once, and knows other content."""

    def __init__(self) -> None:
        self.receipts: dict[str, Any] = {}
        self.away: Any = None

    def __call__(self, n: int, call: dict[str, Any]) -> Any:
        if self.away is not None:
            return self.away
        receipt = call["params"]["receipt"]
        first = self.receipts.setdefault(receipt["receipt_id"], receipt)
        if first != receipt:
            return refusal("conflict", -32001)
        if receipt["decision"] == "refuse":
            return refusal("bad_field", pointer="/params/receipt/decision")
        return acknowledgement(receipt["receipt_id"], n + 1)


class Spooled(unittest.TestCase):
    """A client with a spool, beside a stand-in for the daemon."""

    def setUp(self) -> None:
        logging.getLogger("receiptd").setLevel(logging.CRITICAL)
        self.folder = tempfile.mkdtemp(prefix="receiptd-py-")
        self.spool = os.path.join(self.folder, "spool")
        self.ledger = Ledger()
        self.fake = Fake(self.ledger)
        self.clients: list[Client] = []

    def tearDown(self) -> None:
        for client in self.clients:
            client.close()
        self.fake.close()
        shutil.rmtree(self.folder)
        logging.getLogger("receiptd").setLevel(logging.NOTSET)

    def client(self, *, there: bool = True, **options: Any) -> Client:
        client = Client(self.fake.path if there else self.fake.path + "x", spool=self.spool, **{"spool_wait": 0.1, **options})
        self.clients.append(client)
        return client

    def put(self, client: Client, decision: Any = 1, **members: Any) -> Queued:
        queued = client.append({**DECISION, "decision": decision, **members})
        assert isinstance(queued, Queued), queued
        return queued

    def pending(self) -> list[str]:
        return sorted(os.listdir(os.path.join(self.spool, "pending")))

    def line(self, name: str) -> bytes:
        with open(os.path.join(self.spool, "pending", name), "rb") as file:
            return file.read()
