"""Settings, the breaker, and the bytes of a connection: no daemon."""
import json
import os
import pickle
import unittest

from receiptd import BreakerOptions, Client, ReceiptError, ReceiptUnavailable
from receiptd.breaker import Breaker
from receiptd.config import SYSTEM_SOCKET, settings
from receiptd.pipeline import MAX_ANSWER, Answered, Failed, Lost, Pipeline


class Settings(unittest.TestCase):
    def test_arguments_come_before_the_environment(self) -> None:
        env = {"RECEIPTD_SOCKET": "/e", "RECEIPTD_CLIENT_ORGANIZATION": "o", "RECEIPTD_CLIENT_SYSTEM_ID": "s", "RECEIPTD_CLIENT_ACK": "wal", "RECEIPTD_CLIENT_TIMEOUT_MS": "250",
               "RECEIPTD_CLIENT_SPOOL": "/spool", "RECEIPTD_CLIENT_HTTP": "http://h/"}
        found = settings(env=env)
        self.assertEqual((found.socket_path, found.organization, found.system_id, found.ack, found.timeout, found.spool, found.http), ("/e", "o", "s", "wal", 0.25, "/spool", "http://h"))
        self.assertEqual(settings(socket="/a", ack="disk", timeout=2, env=env).socket_path, "/a")

    def test_defaults(self) -> None:
        found = settings(env={})
        self.assertEqual((found.timeout, found.ack, found.spool), (5.0, None, None))
        self.assertFalse(os.path.exists("receiptd-data"), "these tests want another working directory")
        self.assertEqual(found.socket_path, SYSTEM_SOCKET)

    def test_a_wrong_one_is_named(self) -> None:
        for env in ({"RECEIPTD_CLIENT_TIMEOUT_MS": "5s"}, {"RECEIPTD_CLIENT_TIMEOUT_MS": "0"}, {"RECEIPTD_CLIENT_ACK": "yes"}, {"RECEIPTD_CLIENT_HTTP": "host"}, {"RECEIPTD_CLIENT_ORGANIZATION": "My Org"}, {"RECEIPTD_CLIENT_SYSTEM_ID": "s" * 257}, {"RECEIPTD_SOCKET": "/" + "x" * 107}):
            with self.subTest(env=env), self.assertRaisesRegex(ReceiptError, next(iter(env))) as caught:
                settings(env=env)
            self.assertEqual(caught.exception.code, "bad_setting")
        with self.assertRaisesRegex(ReceiptError, "^bad_setting: timeout"):
            settings(timeout=float("inf"), env={})
        with self.assertRaisesRegex(ReceiptError, "^bad_setting: timeout"):
            settings(timeout=1e9, env={})

    def test_arguments_of_another_kind_are_named_too(self) -> None:
        for name, value in (("spool_mode", "sometimes"), ("spool_mode", None), ("spool_wait", "1"), ("spool_wait", float("nan")), ("spool_max_bytes", 1.5), ("spool_max_receipts", True),
                            ("spool", 5), ("spool", "a\0b"), ("socket", 5), ("http", b"http://h"), ("organization", 1), ("system_id", "\U0001f600" * 129), ("ack", ["disk"]),
                            ("on_refused", "log"), ("on_damaged", 1)):
            with self.subTest(name, value=value), self.assertRaisesRegex(ReceiptError, f"^bad_setting: {name}"):
                Client(**{name: value})  # type: ignore[arg-type]
        for name, value in (("failures", 0), ("failures", 1.5), ("open_for", 0), ("open_at_most", float("inf"))):
            with self.subTest(name), self.assertRaisesRegex(ReceiptError, f"^bad_setting: {name}"):
                BreakerOptions(**{name: value})  # type: ignore[arg-type]


class Circuit(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(BreakerOptions(failures=3, open_for=1, open_at_most=3), lambda: self.now)

    def fail(self, *_: object) -> None:  # type: ignore[override]
        self.breaker.failed("unreachable", self.breaker.admit(None))

    def test_opens_after_failures_in_a_row_only(self) -> None:
        for _ in range(4):
            self.fail()
            self.fail()
            self.breaker.answered()
        self.assertEqual(self.breaker.state, "closed")
        for _ in range(3):
            self.fail()
        self.assertEqual(self.breaker.state, "open")
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.breaker.admit("id")
        self.assertEqual((caught.exception.code, caught.exception.because, caught.exception.receipt_id, caught.exception.maybe_stored), ("circuit_open", "unreachable", "id", False))

    def test_one_probe_then_closed_or_open_for_longer(self) -> None:
        for _ in range(3):
            self.fail()
        for expected in (2.0, 3.0, 3.0):
            self.now += 3.7
            self.assertEqual(self.breaker.state, "half_open")
            is_probe = self.breaker.admit(None)
            with self.assertRaises(ReceiptUnavailable):
                self.breaker.admit(None)
            self.breaker.failed("timeout", is_probe)
            self.assertEqual(self.breaker.state, "open")
            self.now += expected * 0.79
            self.assertEqual(self.breaker.state, "open")
            self.now += expected * 0.42
            self.assertEqual(self.breaker.state, "half_open")
        self.breaker.admit(None)
        self.breaker.answered()
        self.assertEqual(self.breaker.state, "closed")

    def test_a_probe_that_is_given_up_lets_another_one_try(self) -> None:
        for _ in range(3):
            self.fail()
        self.now += 1.25
        self.breaker.given_up(self.breaker.admit(None))
        self.breaker.admit(None)

    def test_a_call_that_waits_is_not_what_the_others_wait_for(self) -> None:
        for _ in range(3):
            self.fail()
        with self.assertRaises(ReceiptUnavailable):
            self.breaker.admit(None, is_long=True)
        self.now += 1.25
        self.assertFalse(self.breaker.admit(None, is_long=True))
        self.assertTrue(self.breaker.admit(None))

    def test_calls_from_before_say_nothing_about_the_probe(self) -> None:
        stragglers = [self.breaker.admit(None) for _ in range(2)]
        for _ in range(3):
            self.fail()
        self.now += 1.25
        self.breaker.admit(None)
        self.breaker.failed("timeout", stragglers[0])
        self.breaker.given_up(stragglers[1])
        self.assertEqual(self.breaker.state, "half_open")
        with self.assertRaises(ReceiptUnavailable):
            self.breaker.admit(None)


class Bytes(unittest.TestCase):
    def setUp(self) -> None:
        self.pipeline = Pipeline()
        self.calls = [self.pipeline.begin("status", "{}")[0] for _ in range(3)]

    def answer(self, number: int, **body: object) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": number, **body}).encode() + b"\n"

    def test_answers_in_order_however_they_are_cut(self) -> None:
        data = b"".join(self.answer(n, result={"n": n}) for n in (1, 2, 3))
        for i in range(len(data)):
            self.pipeline.feed(data[i:i + 1])
        self.assertEqual([call.outcome for call in self.calls], [Answered({"n": n}) for n in (1, 2, 3)])
        self.assertEqual(self.pipeline.due, 0)

    def test_an_answer_out_of_order_or_no_answer_ends_it(self) -> None:
        for data in (self.answer(2, result={}), b"HTTP/1.1 400\n", b"[]\n", b'{"id":1}\n', b"x" * (MAX_ANSWER + 1)):
            with self.subTest(data=data[:20]):
                self.setUp()
                self.pipeline.feed(data)
                self.assertIsNotNone(self.pipeline.broken)
                for call in self.calls:
                    self.assertTrue(isinstance(call.outcome, Lost) and call.outcome.sent and call.outcome.garbled)

    def test_the_daemons_last_word_is_about_the_first_without_an_answer(self) -> None:
        self.pipeline.feed(self.answer(1, result={}) + b'{"id":null,"error":{"code":-32700,"message":"m","data":{"code":"message_too_large","retry":false}}}\n')
        self.assertEqual(self.calls[1].outcome, Failed(-32700, "message_too_large", "m", None, False))
        self.assertIsInstance(self.calls[2].outcome, Lost)


class Errors(unittest.TestCase):
    def test_are_the_same_in_another_process(self) -> None:
        error = ReceiptUnavailable("timeout", "m", receipt_id="r", maybe_stored=True)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), str(again), vars(again)), (ReceiptUnavailable, "timeout: m", vars(error)))
