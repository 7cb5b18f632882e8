"""The clients against a real daemon (RECEIPTD_TEST_SOCKET: one that is running already)."""
from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import socket
import threading
import time
import unittest
from typing import Any

import receiptd
from daemon import Daemon, environment, node, running, stored, MAIN
from forms import REFUSED, TAKEN
from receiptd import AsyncClient, Client, DecisionBlocked, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable

DECISION: dict[str, Any] = {"decision": {"action": "APPROVE"}, "inputs": {"x": 0.1}}
PASS, FAIL = {"name": "g", "status": "PASS"}, {"name": "h", "status": "FAIL"}
path: str
daemon: Daemon | None = None


def setUpModule() -> None:
    global path, daemon
    path, daemon = running()


def tearDownModule() -> None:
    if daemon is not None:
        daemon.remove()


class Calls(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(path, system_id="py", timeout=20)

    def tearDown(self) -> None:
        self.client.close()

    def test_a_receipt_is_stored_found_and_not_doubled(self) -> None:
        receipt = {**DECISION, "receipt_id": receiptd.uuid7(), "metadata": {"text": "Grüße \U0001f600", "n": 1.0}}
        ack = stored(self.client.append(receipt, ack="disk"))
        again = stored(self.client.append(receipt))
        self.assertEqual((ack.ack, ack.duplicate, again.duplicate, again.receipt_number), ("disk", False, True, ack.receipt_number))
        for found in (self.client.get(ack.receipt_id), self.client.get(receipt_number=ack.receipt_number), self.client.get(log_index=ack.log_index),
                      self.client.get(organization="default", org_seq=ack.org_seq)):
            self.assertEqual((found.receipt["metadata"], found.receipt["system_id"], found.receipt_hash), (receipt["metadata"], "py", ack.receipt_hash))
        with self.assertRaises(ReceiptRefused) as caught:
            self.client.append({**receipt, "decision": 2})
        self.assertEqual(caught.exception.code, "conflict")

    def test_refusals_point_into_what_was_given(self) -> None:
        cases: list[tuple[dict[str, Any], str, str]] = [({**DECISION, "inputs": 1}, "bad_field", "/inputs"), ({"inputs": {}}, "missing_field", "/decision"), ({**DECISION, "nobodys": 1}, "unknown_field", "/nobodys"),
                                       ({**DECISION, "inputs": {"x": "y" * 2**20}}, "too_large", "")]
        for receipt, code, pointer in cases:
            with self.assertRaises(ReceiptRefused) as caught:
                self.client.append(receipt)
            self.assertEqual((caught.exception.code, caught.exception.pointer), (code, pointer))
        with self.assertRaises(ReceiptRefused) as caught:
            self.client.append_many([DECISION, {**DECISION, "inputs": 1}])
        self.assertEqual(caught.exception.pointer, "/1/inputs")

    def test_the_form_of_receipts_is_judged_as_the_spool_judges_it(self) -> None:
        with Client(path, timeout=20) as client:
            for name, (receipt, expected) in REFUSED:
                with self.subTest(name), self.assertRaises(ReceiptRefused) as caught:
                    client.append(receipt)
                self.assertEqual((caught.exception.code, caught.exception.pointer), expected, name)
            self.assertEqual([stored(client.append(receipt)).duplicate for receipt in TAKEN], [False] * len(TAKEN))

    def test_a_message_over_the_daemons_limit_is_refused_and_the_client_goes_on(self) -> None:
        with self.assertRaises(ReceiptRefused) as caught:
            self.client.append({**DECISION, "inputs": {"x": "y" * 5 * 2**20}})
        self.assertEqual(caught.exception.code, "message_too_large")
        self.client.append(DECISION)

    def test_many_at_once(self) -> None:
        acks = [stored(one) for one in self.client.append_many([{**DECISION, "organization": "many"} for _ in range(100)])]
        self.assertEqual([one.org_seq for one in acks], list(range(acks[0].org_seq, acks[0].org_seq + 100)))
        self.assertEqual(self.client.head("many")["org_seq"], acks[-1].org_seq)
        self.assertEqual(self.client.status()["state"], "ok")

    def test_not_found(self) -> None:
        with self.assertRaises(ReceiptNotFound):
            self.client.get(receiptd.uuid7())
        with self.assertRaises(ReceiptRefused):
            self.client.get()

    def test_waiting_for_the_anchor_holds_up_nobody(self) -> None:
        ack = stored(self.client.append(DECISION))
        self.assertEqual(self.client.wait(ack, "disk").log_index, ack.log_index)
        with self.assertRaises(ReceiptUnavailable) as caught:
            self.client.wait(ack, timeout=0.1)
        self.assertEqual(caught.exception.code, "timeout")
        waited: list[Any] = []
        thread = threading.Thread(target=lambda: waited.append(self.client.wait(ack.receipt_id)))
        thread.start()
        self.client.append(DECISION)
        self.client.run(self.client._core.asker.ask("anchor", {}, None))
        thread.join(20)
        self.assertEqual(waited[0].log_index, ack.log_index)
        self.assertEqual(self.client.get(ack.receipt_id).status, "anchored")

    def test_what_the_socket_alone_shows_is_never_called_valid(self) -> None:
        first = stored(self.client.append({**DECISION, "organization": f"o{time.time_ns()}"}))
        second = stored(self.client.append({**DECISION, "organization": first.organization}))
        for ack in (first, second):
            for name in (ack.receipt_id, ack.receipt_number):
                seen = self.client.verify_receipt(name)
                self.assertEqual((seen.valid, seen.status, seen.receipt_number, seen.generated_at), (None, "not_checked", ack.receipt_number, ack.recorded_at))
                self.assertEqual(([one.code for one in seen.checks], [one.code for one in seen.not_checked]), (["hash", "place", "link"], ["mac", "anchor"]))
        with self.assertRaises(ReceiptNotFound):
            self.client.verify_receipt(receiptd.uuid7())

    def test_a_forked_child_has_a_connection_of_its_own(self) -> None:
        self.client.append(DECISION)
        child = os.fork()
        if child == 0:
            try:
                stored(self.client.append({**DECISION, "organization": "child"}))
                os._exit(0)
            finally:
                os._exit(1)
        for _ in range(20):
            stored(self.client.append(DECISION))
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertGreaterEqual(self.client.head("child")["org_seq"], 1)

    def test_threads(self) -> None:
        numbers: list[str] = []
        threads = [threading.Thread(target=lambda: numbers.extend(stored(self.client.append(DECISION)).receipt_number for _ in range(25))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(numbers)), 200)

    def test_tasks(self) -> None:
        async def main() -> None:
            async with AsyncClient(path, system_id="py", timeout=20) as client:
                acks = [stored(one) for one in await asyncio.gather(*(client.append(DECISION) for _ in range(200)))]
                self.assertEqual(len({one.receipt_number for one in acks}), 200)
                self.assertEqual((await client.get(acks[0].receipt_id)).receipt_hash, acks[0].receipt_hash)
                self.assertIsNone((await client.verify_receipt(acks[-1].receipt_id)).valid)
                self.assertEqual((await client.wait(acks[0], "disk")).log_index, acks[0].log_index)
                self.assertEqual((await client.append_many([DECISION]))[0].queued, False)
        asyncio.run(main())


class Decisions(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(path, system_id="py", timeout=20)
        self.acks: list[Any] = []

    def tearDown(self) -> None:
        self.client.close()

    def recorded(self) -> Any:
        return self.client.get(self.acks[-1].receipt_id).receipt

    def test_what_goes_in_and_what_comes_out(self) -> None:
        @receiptd.receipt(self.client, model_version="v1", reasons=lambda result, args: [f"x was {args['x']}"], gates=lambda result, args: [PASS], on_receipt=self.acks.append)
        def decide(x: int, *rest: int, factor: float = 1.5) -> dict[str, Any]:
            return {"action": "APPROVE", "score": x * factor}
        self.assertEqual(decide(2, 3), {"action": "APPROVE", "score": 3.0})
        got = self.recorded()
        self.assertEqual((got["decision"], got["inputs"], got["gates"], got["reasons"], got["model_version"]),
                         ({"action": "APPROVE", "score": 3}, {"x": 2, "rest": [3], "factor": 1.5}, [PASS], ["x was 2"], "v1"))
        self.assertRegex(got["timestamp"], "Z$")
        self.assertEqual(decide.__name__, "decide")

    def test_methods_chosen_inputs_and_inputs_as_they_were(self) -> None:
        class Scorer:
            @receiptd.receipt(self.client, inputs=lambda args: {"who": receiptd.pseudonym(args["who"], bytes(16)), "list": args["values"]}, decision=lambda result: {"action": result}, on_receipt=self.acks.append)
            def decide(self, who: str, values: list[int]) -> str:
                values.append(4)
                return "DENY"
        self.assertEqual(Scorer().decide("Ann", [1]), "DENY")
        got = self.recorded()
        self.assertEqual((got["decision"], got["inputs"]["list"], set(got["inputs"])), ({"action": "DENY"}, [1], {"who", "list"}))
        self.assertNotIn("Ann", str(got))

    def test_async_functions(self) -> None:
        async def main() -> None:
            async with AsyncClient(path, system_id="py", timeout=20) as client:
                @receiptd.receipt(client, on_receipt=self.acks.append)
                async def decide(x: int) -> int:
                    await asyncio.sleep(0)
                    return x + 1
                self.assertEqual(await asyncio.gather(*(decide(n) for n in range(5))), [1, 2, 3, 4, 5])
        asyncio.run(main())
        self.assertEqual(len({one.receipt_number for one in self.acks}), 5)
        with self.assertRaises(TypeError):
            @receiptd.receipt(self.client)
            async def wrong() -> None: ...

    def test_a_function_that_raises_records_nothing(self) -> None:
        @receiptd.receipt(self.client)
        def decide() -> int:
            raise KeyError("x")
        before = self.client.status()["size"]
        with self.assertRaises(KeyError):
            decide()
        self.assertEqual(self.client.status()["size"], before)

    def test_a_failed_gate_blocks_and_that_is_recorded(self) -> None:
        for result, expected in ((7, {"value": 7, "executed": False}), ({"action": "PAY"}, {"action": "PAY", "executed": False})):
            @receiptd.receipt(self.client, gates=lambda result, args: [PASS, FAIL], block_on_failed_gate=True)
            def decide() -> Any:
                return result
            with self.assertRaises(DecisionBlocked) as caught:
                decide()
            self.assertEqual(caught.exception.gates, [FAIL])
            got = self.client.get(caught.exception.receipt.receipt_id).receipt
            self.assertEqual((got["decision"], got["gates"]), (expected, [PASS, FAIL]))

    def test_what_cannot_be_recorded_does_not_come_out(self) -> None:
        @receiptd.receipt(self.client)
        def decide(x: float) -> float:
            return x * 10
        with self.assertRaises(ReceiptRefused) as caught:
            decide(1e300)
        self.assertEqual(caught.exception.pointer, "/inputs/x")
        with self.assertRaises(ReceiptRefused) as caught:
            decide(9e15)
        self.assertEqual(caught.exception.pointer, "/decision")

    def test_no_decision_from_a_daemon_that_does_not_answer(self) -> None:
        if daemon is None or daemon.process is None:
            return
        executed: list[int] = []
        @receiptd.receipt(self.client, timeout=0.3)
        def decide(x: int) -> int:
            return x
        daemon.stop_answering()
        try:
            began = time.monotonic()
            with self.assertRaises(ReceiptUnavailable):
                executed.append(decide(1))
            self.assertLess(time.monotonic() - began, 5)
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        self.assertEqual(executed, [])
        self.assertEqual(decide(2), 2)


class OverHttp(unittest.TestCase):
    def test_verify_says_what_the_ledgers_host_says(self) -> None:
        if daemon is None:
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{free.getsockname()[1]}"
        server = subprocess.Popen([node(), str(MAIN), "http", "--config", daemon.config], env={**environment(), "RECEIPTD_HTTP__LISTEN": base[7:]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with Client(path, system_id="py", timeout=20, http=base) as client:
                ack = stored(client.append({**DECISION, "chain_id": "chn_1"}))
                seen = self.soon(lambda: client.verify_receipt(ack.receipt_id))
                self.assertEqual((seen.valid, seen.status, seen.receipt_number, seen.chain_id, seen.generated_at), (True, "pending", ack.receipt_number, "chn_1", ack.recorded_at))
                self.assertIn("mac", [one.code for one in seen.checks])
                client.run(client._core.asker.ask("anchor", {}, None))
                client.wait(ack)
                self.assertEqual(self.soon(lambda: client.verify_receipt(ack.receipt_id), "anchored").valid, True)
                with self.assertRaises(ReceiptNotFound):
                    client.verify_receipt(receiptd.uuid7())
        finally:
            server.kill()
            server.wait()
        with Client(path, http=base, timeout=1) as client, self.assertRaises(ReceiptUnavailable):
            client.verify_receipt(ack.receipt_id)

    def soon(self, verify: Any, status: str | None = None) -> Any:
        for _ in range(400):
            try:
                seen = verify()
                if status in (None, seen.status):
                    return seen
            except ReceiptUnavailable:
                pass
            time.sleep(0.05)
        self.fail("the HTTP API did not say so in time")


if __name__ == "__main__":
    unittest.main()
