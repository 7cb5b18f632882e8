"""What is accepted while the daemon is away: only what is on this host's disk, in the form that is documented, and within bounds."""
from __future__ import annotations

import json
import os
import shutil
import time
import unittest
import zlib
from typing import Any

from fake import HANG_UP, SILENCE, refusal
from receiptd import BreakerOptions, Client, ReceiptUnavailable
from spooled import DECISION, MARK, Spooled


class Accepting(Spooled):
    def test_with_the_daemon_there_nothing_is_queued(self) -> None:
        ack = self.client().append(DECISION)
        self.assertFalse(ack.queued)
        self.assertEqual(self.pending(), [])

    def test_the_files_are_as_they_are_documented(self) -> None:
        queued = self.put(self.client(there=False), "Grüße", metadata={"mine": 1})
        (name,) = self.pending()
        self.assertRegex(name, rf"^[0-9]{{16}}-{queued.receipt_id}\.entry$")
        self.assertLess(abs(int(name[:16]) / 1e6 - time.time()), 60)
        line = self.line(name)
        receipt = json.loads(line[9:])
        self.assertEqual(line, b"%08x " % zlib.crc32(line[9:-1]) + line[9:-1] + b"\n")
        self.assertEqual((queued.queued, queued.reason, queued.duplicate), (True, "unreachable", False))
        self.assertEqual(receipt, {**DECISION, "decision": "Grüße", "receipt_id": queued.receipt_id, "timestamp": receipt["timestamp"],
                                   "metadata": {"mine": 1, MARK: {"queued_at": queued.queued_at, "reason": "unreachable"}}})
        self.assertEqual([oct(os.stat(os.path.join(self.spool, *path)).st_mode & 0o777) for path in ((), ("pending",), ("pending", name))], ["0o700", "0o700", "0o600"])

    def test_delivered_in_order_by_whoever_opens_the_folder_next(self) -> None:
        first = self.client(there=False, spool_mode="always")
        queued = [self.put(first, n) for n in range(150)]
        self.assertEqual((queued[0].reason, first.spool and first.spool.pending), ("always", 150))
        first.close()
        second = self.client()
        self.assertTrue(second.spool and second.spool.flush(20))
        self.assertEqual(list(self.ledger.receipts), [one.receipt_id for one in queued])
        self.assertEqual(self.pending(), [])

    def test_what_may_be_stored_is_queued_with_the_very_same_bytes(self) -> None:
        def behave(n: int, call: dict[str, Any]) -> Any:
            answer = self.ledger(n, call)
            return HANG_UP if n == 0 else answer  # stored, and the answer is lost
        self.fake.behave = behave
        client = self.client(spool_wait=0.001)
        queued = self.put(client)
        self.assertTrue(client.spool and client.spool.flush(20))
        (receipt,) = self.ledger.receipts.values()
        self.assertEqual((receipt["receipt_id"], "metadata" in receipt, receipt["timestamp"]), (queued.receipt_id, False, queued.queued_at))
        self.assertEqual(os.listdir(os.path.join(self.spool, "refused")), [])

    def test_a_daemon_that_refuses_on_purpose_is_not_got_around(self) -> None:
        client = self.client(breaker=BreakerOptions(failures=2, open_for=30), spool_wait=5)
        for code, number in (("ledger_behind", -32004), ("anchoring_overdue", -32010), ("ledger_behind", -32004)):
            self.ledger.away = refusal(code, number, retry=code == "anchoring_overdue")
            with self.assertRaises(ReceiptUnavailable):
                client.append(DECISION)
        self.assertEqual(client.circuit, "open")
        self.assertEqual(self.pending(), [])

    def test_nor_is_one_that_refuses_on_purpose_and_then_says_nothing(self) -> None:
        self.fake.behave = lambda n, call: refusal("anchoring_overdue", -32010, retry=True) if n == 0 else SILENCE
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.client(spool_wait=1).append(DECISION)
        self.assertEqual((caught.exception.code, caught.exception.because, self.pending()), ("timeout", "anchoring_overdue", []))

    def test_an_open_circuit_queues_at_once(self) -> None:
        client = self.client(there=False, breaker=BreakerOptions(failures=1, open_for=30))
        self.assertEqual([self.put(client).reason for _ in range(3)], ["unreachable", "circuit_open", "circuit_open"])

    def test_full_by_number_and_by_bytes(self) -> None:
        for options in ({"spool_max_receipts": 2}, {"spool_max_bytes": 700}):
            client = self.client(there=False, spool_mode="always", **options)
            for _ in range(2):
                self.put(client)
            for call in (lambda: client.append(DECISION), lambda: client.append_many([DECISION] * 3)):
                with self.assertRaises(ReceiptUnavailable) as caught:
                    call()
                self.assertEqual((caught.exception.code, caught.exception.maybe_stored), ("spool_full", False))
            self.assertEqual(len(self.pending()), 2)
            client.close()
            shutil.rmtree(self.spool)

    def test_a_folder_that_does_not_take_it_refuses(self) -> None:
        client = self.client(there=False, spool_mode="always")
        shutil.rmtree(os.path.join(self.spool, "pending"))
        with self.assertRaises(ReceiptUnavailable) as caught:
            client.append(DECISION)
        self.assertEqual(caught.exception.code, "spool_failed")
        with self.assertRaises(ReceiptUnavailable):
            Client(spool="/dev/null/x")


if __name__ == "__main__":
    unittest.main()
