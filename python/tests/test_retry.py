"""What a client does when calls fail, both ways of waiting, against a stand-in for the daemon."""
from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

import receiptd
from fake import HANG_UP, SILENCE, Fake, acknowledgement, refusal
from receiptd import AsyncClient, BreakerOptions, Client, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable

DECISION = {"system_id": "s", "decision": 1, "inputs": {}}


def stored(n: int, call: dict[str, Any]) -> Any:
    return acknowledgement(call["params"]["receipt"]["receipt_id"], n + 1)


def first(*answers: Any) -> Callable[[int, dict[str, Any]], Any]:
    """These first, then all is well."""
    return lambda n, call: answers[n] if n < len(answers) else stored(n, call)


class Both:
    """Each test with both clients."""

    def append(self, fake: Fake, *, receipt: Any = DECISION, socket: str | None = None, ack: str | None = None, timeout: float = 5) -> Any:
        raise NotImplementedError

    def setUp(self) -> None:
        self.fake = Fake()

    def tearDown(self) -> None:
        self.fake.close()

    def test_a_call_without_an_answer_is_sent_again_the_very_same(self) -> None:
        self.fake.behave = first(HANG_UP, refusal("overloaded", -32009, retry=True), HANG_UP)
        got = self.append(self.fake)
        calls = self.fake.calls
        self.assertEqual(got.receipt_id, calls[0]["params"]["receipt"]["receipt_id"])
        self.assertEqual([call["params"] for call in calls], [calls[0]["params"]] * 4)

    def test_a_refusal_is_not_tried_again(self) -> None:
        self.fake.behave = first(refusal("bad_field", pointer="/params/receipt/inputs"))
        with self.assertRaises(ReceiptRefused) as caught:
            self.append(self.fake)
        error = caught.exception
        self.assertEqual((error.code, error.pointer, error.receipt_id), ("bad_field", "/inputs", self.fake.calls[0]["params"]["receipt"]["receipt_id"]))
        self.assertEqual(len(self.fake.lines), 1)

    def test_kinds_of_errors(self) -> None:
        for answer, kind in [(refusal("conflict", -32001), ReceiptRefused), (refusal("not_found", -32002), ReceiptNotFound), (refusal("ledger_behind", -32004), ReceiptUnavailable),
                             (refusal("ledger_corrupt", -32008), ReceiptUnavailable), (refusal("too_many_organizations", -32007), ReceiptRefused), (refusal("internal", -32603), ReceiptUnavailable),
                             (refusal("policy_gate_failed", -32013), ReceiptRefused)]:
            self.fake.behave = lambda n, call, answer=answer: answer
            with self.assertRaises(receiptd.ReceiptError) as caught:
                self.append(self.fake)
            self.assertIs(type(caught.exception), kind)

    def test_disk_full_until_the_budget_is_over(self) -> None:
        self.fake.behave = lambda n, call: refusal("disk_full", -32003, retry=True)
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.append(self.fake, timeout=0.3)
        code = caught.exception.code  # the budget may be over within a try, too; then that one is unknown
        self.assertIn((code, caught.exception.maybe_stored), [("disk_full", False), ("timeout", True)])
        self.assertGreater(len(self.fake.lines), 2)

    def test_silence_ends_with_the_budget_and_nobody_knows(self) -> None:
        self.fake.behave = lambda n, call: SILENCE
        began = time.monotonic()
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.append(self.fake, timeout=0.3)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual((caught.exception.code, caught.exception.maybe_stored), ("timeout", True))

    def test_hanging_up_each_time_nobody_knows_either(self) -> None:
        self.fake.behave = lambda n, call: HANG_UP
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.append(self.fake, timeout=0.2)
        self.assertIn(caught.exception.code, ("unreachable", "timeout"))
        self.assertTrue(caught.exception.maybe_stored)

    def test_nobody_there_certainly_not_stored(self) -> None:
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.append(self.fake, timeout=0.2, socket=self.fake.path + "x")
        self.assertEqual((caught.exception.code, caught.exception.maybe_stored), ("unreachable", False))
        self.assertIsNotNone(caught.exception.receipt_id)

    def test_rubbish_and_acknowledgements_of_something_else_are_none(self) -> None:
        other = acknowledgement(receiptd.uuid7())
        for behave in (lambda n, call: b"hello\n", lambda n, call: other, lambda n, call: {**stored(n, call), "ack": "wal"}, lambda n, call: {}, lambda n, call: {**stored(n, call), "org_seq": "1"},
                       lambda n, call: json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": stored(n, call), "error": {"code": 1, "data": {"code": "x"}}}).encode() + b"\n"):
            self.fake.behave = behave
            with self.assertRaises(ReceiptUnavailable) as caught:
                self.append(self.fake, timeout=0.2, ack="disk")
            self.assertIn(caught.exception.code, ("bad_answer", "timeout"))
            self.assertTrue(caught.exception.maybe_stored)

    def test_the_callers_own_receipt_id_is_kept_and_checked(self) -> None:
        mine = receiptd.uuid7()
        self.assertEqual(self.append(self.fake, receipt={**DECISION, "receipt_id": mine}).receipt_id, mine)
        with self.assertRaises(ReceiptRefused):
            self.append(self.fake, receipt={**DECISION, "receipt_id": mine.upper()})

    def test_the_circuit_opens_and_a_probe_closes_it(self) -> None:
        self.fake.behave = lambda n, call: refusal("ledger_failed", -32008)
        self.circuit(self.fake)

    def circuit(self, fake: Fake) -> None:
        raise NotImplementedError

    assertEqual: Any
    assertIn: Any
    assertTrue: Any
    assertIs: Any
    assertLess: Any
    assertGreater: Any
    assertRaises: Any
    assertIsNotNone: Any


#: Open long enough for a slow machine to see it.
OPTIONS = BreakerOptions(failures=2, open_for=1)


class Blocking(Both, unittest.TestCase):
    def append(self, fake: Fake, *, receipt: Any = DECISION, socket: str | None = None, ack: str | None = None, timeout: float = 5) -> Any:
        with Client(socket or fake.path, ack=ack) as client:
            return client.append(receipt, timeout=timeout)

    def circuit(self, fake: Fake) -> None:
        with Client(fake.path, breaker=OPTIONS) as client:
            for code in ("ledger_failed", "ledger_failed", "circuit_open"):
                with self.assertRaises(ReceiptUnavailable) as caught:
                    client.append(DECISION)
                self.assertEqual(caught.exception.code, code)
            self.assertEqual(client.circuit, "open")
            fake.behave = stored
            time.sleep(1.25)
            client.append(DECISION)
            self.assertEqual(client.circuit, "closed")

    def test_many_threads_share_one_connection(self) -> None:
        acknowledged: list[str] = []
        with Client(self.fake.path) as client:
            def work() -> None:
                for _ in range(20):
                    acknowledged.append(client.append(DECISION).receipt_id)
            threads = [threading.Thread(target=work) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(self.fake.connections, 1)
        self.assertEqual(sorted(acknowledged), sorted(call["params"]["receipt"]["receipt_id"] for call in self.fake.calls))
        self.assertEqual(len(set(acknowledged)), 320)

    def test_calls_do_not_wait_for_each_others_answers(self) -> None:
        both = threading.Barrier(2, timeout=10)
        reached = threading.Event()
        def behave(n: int, call: dict[str, Any]) -> Any:
            if n > 0:
                reached.set()
            return SILENCE
        self.fake.behave = behave
        def one() -> None:
            both.wait()
            with self.assertRaises(ReceiptUnavailable):
                client.append(DECISION, timeout=1)
        with Client(self.fake.path) as client:
            threads = [threading.Thread(target=one) for _ in range(2)]
            for thread in threads:
                thread.start()
            self.assertTrue(reached.wait(10), "the second was sent while the first had no answer")
            for thread in threads:
                thread.join()

    def test_a_forked_child_does_not_use_its_parents_connection(self) -> None:
        with Client(self.fake.path) as client:
            client.append(DECISION)
            child = os.fork()
            if child == 0:
                try:
                    client.append(DECISION)
                    os._exit(0)
                finally:
                    os._exit(1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            client.append(DECISION)
        self.assertEqual((self.fake.connections, len(self.fake.lines)), (2, 3))

    def test_closed_while_a_call_is_under_way_nobody_knows(self) -> None:
        client = Client(self.fake.path)
        self.fake.behave = lambda n, call: client.close() or SILENCE  # type: ignore[func-returns-value]
        with self.assertRaises(ReceiptUnavailable) as caught:
            client.append(DECISION)
        self.assertEqual((caught.exception.code, caught.exception.maybe_stored), ("closed", True))

    def test_closed(self) -> None:
        client = Client(self.fake.path)
        client.append(DECISION)
        client.close()
        with self.assertRaises(ReceiptUnavailable) as caught:
            client.append(DECISION)
        self.assertEqual(caught.exception.code, "closed")


    def test_rubbish_in_a_list_of_acknowledgements_is_none(self) -> None:
        rubbish: Any
        for rubbish in ({}, "x", None, [1, "x"], [None, None], [{}, {}]):
            self.fake.behave = lambda n, call, rubbish=rubbish: {"ack": "disk", "receipts": rubbish}
            with Client(self.fake.path) as client, self.assertRaises(ReceiptUnavailable) as caught:
                client.append_many([DECISION] * 2)
            self.assertEqual((caught.exception.code, caught.exception.maybe_stored), ("bad_answer", True))

    def test_a_daemon_that_does_not_wait_is_not_asked_all_the_time(self) -> None:
        self.fake.behave = lambda n, call: refusal("timeout", -32006, retry=True)
        with Client(self.fake.path) as client, self.assertRaises(ReceiptUnavailable):
            client.wait(receiptd.uuid7(), timeout=0.3)
        self.assertLess(len(self.fake.calls), 20)

    def test_a_daemon_that_says_nothing_at_all_to_wait_is_away(self) -> None:
        for answer, state in ((SILENCE, "open"), (refusal("timeout", -32006, retry=True), "closed")):
            self.fake.behave = lambda n, call: HANG_UP
            client = Client(self.fake.path, timeout=0.02, breaker=BreakerOptions(failures=1, open_for=0.01))
            with self.assertRaises(ReceiptUnavailable):
                client.append(DECISION)
            time.sleep(0.02)
            self.assertEqual(client.circuit, "half_open")
            self.fake.behave = lambda n, call, answer=answer: answer
            with self.assertRaises(ReceiptUnavailable) as caught:
                client.wait(receiptd.uuid7(), timeout=0.05)
            self.assertEqual(caught.exception.code, "timeout")
            self.assertEqual("closed" if client.circuit == "closed" else "open", state)
            client.close()


class Asyncio(Both, unittest.TestCase):
    def append(self, fake: Fake, *, receipt: Any = DECISION, socket: str | None = None, ack: str | None = None, timeout: float = 5) -> Any:
        async def main() -> Any:
            async with AsyncClient(socket or fake.path, ack=ack) as client:
                return await client.append(receipt, timeout=timeout)
        return asyncio.run(main())

    def circuit(self, fake: Fake) -> None:
        async def main() -> None:
            async with AsyncClient(fake.path, breaker=OPTIONS) as client:
                for code in ("ledger_failed", "ledger_failed", "circuit_open"):
                    with self.assertRaises(ReceiptUnavailable) as caught:
                        await client.append(DECISION)
                    self.assertEqual(caught.exception.code, code)
                fake.behave = stored
                await asyncio.sleep(1.25)
                await client.append(DECISION)
                self.assertEqual(client.circuit, "closed")
        asyncio.run(main())


if __name__ == "__main__":
    unittest.main()
