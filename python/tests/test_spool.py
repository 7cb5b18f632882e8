"""What is accepted while the daemon is away: only what is on this host's disk, in the form that is documented, and within bounds."""
from __future__ import annotations

import json
import os
import resource
import shutil
import time
import unittest
import unittest.mock
import zlib
from typing import Any

import receiptd
from fake import HANG_UP, SILENCE, refusal
from forms import REFUSED, TAKEN
from receiptd import BreakerOptions, Client, ReceiptError, ReceiptRefused, ReceiptUnavailable
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
            self.ledger(n, call)
            return HANG_UP  # stored, and the answer is lost
        self.fake.behave = behave
        client = self.client()
        queued = self.put(client)
        self.fake.behave = self.ledger
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

    def test_a_disk_that_takes_a_part_of_it_refuses_and_keeps_nothing(self) -> None:
        client = self.client(there=False, spool_mode="always")
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limit[1]))
        try:
            with self.assertRaises(ReceiptUnavailable) as caught:
                receiptd.receipt(client, system_id="s")(lambda: "x" * 200)()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        self.assertEqual((caught.exception.code, caught.exception.maybe_stored, self.pending()), ("spool_failed", False, []))
        self.put(client)

    def test_what_was_there_for_a_moment_may_have_been_delivered(self) -> None:
        client = self.client()
        assert client.spool is not None
        self.ledger.away = refusal("overloaded", -32009, retry=True)

        def sync(folder: str) -> None:
            self.ledger.away = None
            while not self.ledger.receipts:  # the sender is faster than the disk
                client.spool.on_put()  # type: ignore[union-attr]
                time.sleep(0.01)
            raise OSError(5, "Input/output error")
        with unittest.mock.patch("receiptd.spool_entry.sync_folder", sync), self.assertRaises(ReceiptUnavailable) as caught:
            client.append(DECISION)
        self.assertEqual((caught.exception.code, caught.exception.maybe_stored, len(self.ledger.receipts)), ("spool_failed", True, 1))

    def test_a_folder_is_on_the_disk_with_all_that_leads_to_it(self) -> None:
        synced: list[str] = []
        with unittest.mock.patch("receiptd.spool.sync_folder", synced.append):
            Client(spool=os.path.join(self.spool, "of", "mine")).close()
        self.assertEqual(set(synced), {os.path.join(self.spool, *path) for path in (("of", "mine"), ("of",), ())} | {self.folder})

    def test_a_folder_that_others_can_write_to_is_none(self) -> None:
        self.client().close()
        for path, mode in (((), 0o770), ((), 0o702), (("pending",), 0o777), (("refused",), 0o720)):
            folder = os.path.join(self.spool, *path)
            os.chmod(folder, mode)
            with self.assertRaises(ReceiptError) as caught:
                Client(spool=self.spool)
            self.assertEqual(caught.exception.code, "bad_setting")
            self.assertIn(f"chmod 700 {folder}", caught.exception.message)
            os.chmod(folder, 0o755)
        self.client().close()

    def test_nor_is_a_file_or_a_folder_of_somebody_else(self) -> None:
        file = os.path.join(self.folder, "file")
        open(file, "w").close()
        with self.assertRaises(ReceiptError) as caught:
            Client(spool=file)
        self.assertEqual((caught.exception.code, "is no folder" in caught.exception.message), ("bad_setting", True))
        self.client().close()
        with unittest.mock.patch("os.geteuid", lambda: os.getuid() + 1), self.assertRaises(ReceiptError) as caught:
            Client(spool=self.spool)
        self.assertEqual((caught.exception.code, "belongs to user" in caught.exception.message), ("bad_setting", True))

    def test_what_was_given_is_what_is_queued_if_it_is_changed_meanwhile(self) -> None:
        inputs = {"score": 1}

        def behave(n: int, call: dict[str, Any]) -> Any:
            inputs["score"] = 2
            return refusal("overloaded", -32009, retry=True)
        self.fake.behave = behave
        self.client().append({**DECISION, "inputs": inputs})
        self.assertEqual(json.loads(self.line(self.pending()[0])[9:])["inputs"], {"score": 1})


class Form(Spooled):
    """What the daemon would refuse at delivery, when the decision has been carried out."""

    def refused(self, receipt: dict[str, Any]) -> tuple[str, str | None]:
        with self.assertRaises(ReceiptRefused) as caught:
            self.client(there=False, spool_mode="always").append(receipt)
        self.assertEqual(self.pending(), [])
        return caught.exception.code, caught.exception.pointer

    def test_is_judged_before_it_is_queued(self) -> None:
        of_daemon = {code: refused for code, refused in REFUSED}
        self.assertEqual({name: self.refused(receipt) for name, (receipt, _) in of_daemon.items()}, {name: expected for name, (_, expected) in of_daemon.items()})

    def test_of_a_list_the_place_is_in_the_list_and_none_is_queued(self) -> None:
        with self.assertRaises(ReceiptRefused) as caught:
            self.client(there=False).append_many([DECISION, {**DECISION, "region": ""}])
        self.assertEqual((caught.exception.code, caught.exception.pointer, self.pending()), ("bad_field", "/1/region", []))

    def test_what_is_right_is_taken(self) -> None:
        client = self.client(there=False, spool_mode="always")
        for receipt in TAKEN:
            self.assertTrue(client.append(receipt).queued)
        self.assertEqual(len(self.pending()), len(TAKEN))


if __name__ == "__main__":
    unittest.main()
