"""What becomes of receipts that wait on this host's disk: delivered once, in order, by whoever opens the folder, and never dropped silently."""
from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import unittest
from typing import Any

import receiptd
from fake import HANG_UP, SILENCE, acknowledgement, refusal
from receiptd import AsyncClient, BreakerOptions, ReceiptRefused, ReceiptUnavailable
from receiptd.errors import ReceiptError
from receiptd.spool_lock import SpoolLock
from spooled import DECISION, Spooled


class Delivering(Spooled):
    def test_what_the_daemon_refuses_is_kept_and_reported_and_holds_up_nobody(self) -> None:
        reports: list[Any] = []
        first = self.client(there=False, spool_mode="always")
        queued = [self.put(first, decision) for decision in (1, "refuse", 3)]
        first.close()
        client = self.client(on_refused=reports.append)
        self.assertTrue(client.spool and client.spool.flush(20))
        self.assertEqual(len(self.ledger.receipts), 3)  # the stand-in keeps what it refuses, too
        self.assertEqual([(one.receipt_id, one.code, one.pointer) for one in reports], [(queued[1].receipt_id, "bad_field", "/decision")])
        self.assertEqual(client.spool and client.spool.count("refused"), 1)
        with open(reports[0].path, "rb") as file:
            self.assertIn(b'"refuse"', file.read())
        with open(reports[0].path.replace(".entry", ".error"), "rb") as file:
            self.assertEqual({**json.load(file), "refused_at": 0}, {"code": "bad_field", "message": "it is bad_field", "pointer": "/decision", "refused_at": 0})

    def test_damage_is_set_aside_and_reported_and_an_unfinished_file_removed(self) -> None:
        reports: list[Any] = []
        first = self.client(there=False, spool_mode="always")
        for n in range(5):
            self.put(first, n)
        first.close()
        names = self.pending()
        lines = [self.line(name) for name in names]
        damaged = [lines[0][:-1], lines[1].replace(b'"decision":1', b'"decision":9'), b"", lines[4]]  # torn, changed, emptied, another's
        for name, line in zip(names, damaged):
            with open(os.path.join(self.spool, "pending", name), "wb") as file:
                file.write(line)
        old, new = (os.path.join(self.spool, "pending", f"{n:016}-{receiptd.uuid7()}.tmp") for n in (1, 2))
        for path in (old, new):
            open(path, "wb").close()
        os.utime(old, (0, 0))
        client = self.client(on_damaged=reports.append)
        self.assertTrue(client.spool and client.spool.flush(20))
        self.assertEqual([receipt["decision"] for receipt in self.ledger.receipts.values()], [4])
        self.assertEqual(sorted(os.path.basename(one.path) for one in reports), names[:4])
        self.assertEqual(client.spool and client.spool.count("damaged"), 4)
        self.assertEqual(self.pending(), [os.path.basename(new)])

    def test_one_that_cannot_be_read_holds_up_nobody(self) -> None:
        os.makedirs(os.path.join(self.spool, "pending"))
        os.mkdir(os.path.join(self.spool, "pending", f"{0:016}-{receiptd.uuid7()}.entry"))
        client = self.client(spool_mode="always")
        queued = [self.put(client, n).receipt_id for n in range(3)]
        deadline = time.monotonic() + 20
        while len(self.ledger.receipts) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(list(self.ledger.receipts), queued)
        self.assertFalse(client.spool is None or client.spool.flush(0.1))  # what is left is not called delivered

    def test_the_same_receipt_again(self) -> None:
        client = self.client(there=False)
        mine = {"receipt_id": receiptd.uuid7()}
        first = self.put(client, **mine)
        again = self.put(client, **mine)
        self.assertEqual((again.duplicate, again.queued_at, len(self.pending())), (True, first.queued_at, 1))
        with self.assertRaises(ReceiptRefused) as caught:
            self.put(client, 2, **mine)
        self.assertEqual(caught.exception.code, "conflict")
        with self.assertRaises(ReceiptRefused):
            client.append_many([{**DECISION, **{"receipt_id": receiptd.uuid7()}}] * 2)
        with self.assertRaises(ReceiptRefused):
            client.append({**DECISION, "metadata": [1]})

    def test_whoever_was_killed_holds_no_lock(self) -> None:
        os.makedirs(self.spool)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        for holder in ({"pid": child, "token": "x"}, {"pid": os.getpid(), "token": "of a process before"}):
            with open(os.path.join(self.spool, "sender.lock"), "w") as file:
                json.dump(holder, file)
            client = self.client(spool_mode="always")
            self.put(client)
            self.assertTrue(client.spool and client.spool.flush(20))
            client.close()
            self.assertFalse(os.path.exists(os.path.join(self.spool, "sender.lock")))

    def test_a_lock_that_lives_is_respected(self) -> None:
        first = self.client(there=False, spool_mode="always")
        self.put(first)
        second = self.client()
        self.assertFalse(second.spool and second.spool.flush(0.5))
        first.close()
        self.assertTrue(second.spool and second.spool.flush(20))

    def test_two_senders_at_once_double_nothing(self) -> None:
        first = self.client(there=False, spool_mode="always")
        for n in range(100):
            self.put(first, n)
        first.close()
        clients = [self.client()]
        os.unlink(os.path.join(self.spool, "sender.lock")) if os.path.exists(os.path.join(self.spool, "sender.lock")) else None
        clients.append(self.client())
        for client in clients:
            self.assertTrue(client.spool and client.spool.flush(20))
        self.assertEqual([receipt["decision"] for receipt in self.ledger.receipts.values()], list(range(100)))
        self.assertEqual(os.listdir(os.path.join(self.spool, "refused")), [])

    def test_many_of_which_one_cannot_be_written_leave_none(self) -> None:
        client = self.client(there=False, spool_mode="always")
        assert client.spool is not None
        ids = [receiptd.uuid7() for _ in range(3)]
        client.spool._last_stamp = 9_000_000_000_000_000
        os.mkdir(client.spool.path("pending", f"9000000000000002-{ids[1]}.tmp"))
        with self.assertRaises(ReceiptUnavailable) as caught:
            client.append_many([{**DECISION, "receipt_id": one} for one in ids])
        self.assertEqual((caught.exception.code, caught.exception.receipt_id, caught.exception.maybe_stored), ("spool_failed", ids[1], True))
        self.assertEqual((client.spool.names(), client.spool.pending, client.spool.pending_bytes), ([], 0, 0))

    def test_what_is_too_large_is_refused_now(self) -> None:
        client = self.client(there=False, spool_mode="always")
        with self.assertRaises(ReceiptRefused) as caught:
            self.put(client, "x" * 2**20)
        self.assertEqual((caught.exception.code, self.pending()), ("too_large", []))
        self.put(client, [1.0] * 300_000)  # 1.1 MiB here, and 0.6 MiB in its canonical form

    def test_where_no_lock_can_be_made_it_is_delivered_all_the_same(self) -> None:
        self.assertTrue(SpoolLock(os.path.join(self.folder, "none")).hold())  # as on a disk that is full

    def test_closed_at_once_though_the_daemon_says_nothing(self) -> None:
        self.ledger.away = SILENCE
        client = self.client(spool_mode="always")
        self.put(client)
        while not self.fake.lines:
            time.sleep(0.01)
        begun = time.monotonic()
        client.close()
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(len(self.pending()), 1)

    def test_a_delivery_closes_the_circuit(self) -> None:
        self.ledger.away = refusal("overloaded", -32009, retry=True)
        client = self.client(breaker=BreakerOptions(failures=1, open_for=30))
        self.put(client)
        self.assertEqual(client.circuit, "open")
        self.ledger.away = None
        self.assertTrue(client.spool and client.spool.flush(30))
        self.assertEqual(client.circuit, "closed")
        self.assertEqual((len(self.ledger.receipts), client.spool and client.spool.count("refused")), (1, 0))

    def test_nothing_leaves_without_an_acknowledgement_of_itself_on_the_disk(self) -> None:
        first = self.client(there=False, spool_mode="always")
        receipt_id = self.put(first).receipt_id
        first.close()
        for answer in (acknowledgement(receiptd.uuid7()), acknowledgement(receipt_id, ack="wal"), HANG_UP, refusal("ledger_behind", -32004), b"hello\n"):
            self.ledger.away = answer
            client = self.client()
            seen = len(self.fake.lines)
            for _ in range(1000):
                if len(self.fake.lines) > seen + 1:  # the second try shows that the first is over
                    break
                time.sleep(0.02)
            client.close()
            self.assertEqual((len(self.pending()), client.spool and client.spool.count("refused")), (1, 0))

    def test_threads_and_tasks_and_decisions(self) -> None:
        client = self.client(there=False, spool_mode="always")
        threads = [threading.Thread(target=lambda: [self.put(client) for _ in range(20)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.pending()), 160)
        self.assertEqual(receiptd.receipt(client, system_id="s")(lambda: 7)(), 7)

        async def main() -> None:
            async with AsyncClient(self.fake.path + "x", spool=self.spool, spool_wait=0.05) as other:
                self.assertEqual({(await other.append(DECISION)).queued, (await other.append_many([DECISION]))[0].queued}, {True})
        asyncio.run(main())
        self.assertEqual(len(self.pending()), 163)

    def test_a_forked_child_queues_and_delivers(self) -> None:
        client = self.client(spool_mode="always")
        self.put(client, "parent")
        child = os.fork()
        if child == 0:
            try:
                self.put(client, "child")
                os._exit(0)
            except ReceiptError:
                pass
            finally:
                os._exit(1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(client.spool and client.spool.flush(20))
        self.assertEqual(sorted(receipt["decision"] for receipt in self.ledger.receipts.values()), ["child", "parent"])


if __name__ == "__main__":
    unittest.main()
