"""Chains, and a daemon whose policy refuses a failed gate, against a stand-in that does what docs/PROTOCOL.md says of them."""
from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import unittest
import unittest.mock
from concurrent.futures import Future
from typing import Any

import receiptd
from fake import HANG_UP, Fake, acknowledgement, refusal
from receiptd import AsyncClient, Client, DecisionBlocked, ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable, prepared
from receiptd.canonical import hash_of


class Chains:
    """Stores an id once, as the daemon does."""

    def __init__(self) -> None:
        self.opened: dict[str, Any] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.approvals: dict[str, Any] = {}
        self.outcome: str | None = None
        self.receipt: dict[str, Any] = {}
        self.forget: str | None = None
        self.hang_up_at = -1

    def __call__(self, n: int, call: dict[str, Any]) -> Any:
        answer = getattr(self, call["method"].replace(".", "_"))(call["params"])
        return HANG_UP if n == self.hang_up_at else answer

    def chain_open(self, params: dict[str, Any]) -> Any:
        self.opened = params["chain"]
        return {"chain_id": self.opened["chain_id"], "organization": "default", "started_at": "t", "expires_at": "t", "receipt_id": receiptd.uuid7(), "duplicate": False}

    def chain_event(self, params: dict[str, Any]) -> Any:
        if params["chain_id"] != self.opened.get("chain_id"):
            return refusal("chain_not_found", -32002)
        return self.once(self.events, "event_id", params["chain_id"], params["event"])

    def chain_approve(self, params: dict[str, Any]) -> Any:
        return self.once(self.approvals, "approval_id", params["chain_id"], params["approval"])

    def once(self, there: dict[str, Any], name: str, chain_id: str, item: dict[str, Any]) -> Any:
        duplicate = item[name] in there
        there.setdefault(item[name], item)
        digest = "sha256:" + hashlib.sha256(json.dumps(item).encode()).hexdigest()
        return {"chain_id": chain_id, name: item[name], "seq": len(there), "hash": digest, "recorded_at": "t", "duplicate": duplicate}

    def chain_complete(self, params: dict[str, Any]) -> Any:
        self.outcome = params["outcome"]
        hashes = [{"event_id": event_id, "hash": self.once({}, "event_id", "", event)["hash"]} for event_id, event in self.events.items() if event["action"] != self.forget]
        approvals = [{"hash": self.once({}, "approval_id", "", approval)["hash"]} for approval in self.approvals.values()]
        self.receipt = {"receipt_id": receiptd.uuid7(), "type": "chain", "events_summary": hashes, "approvals": approvals}
        return {**self.acknowledged(), "chain_id": params["chain_id"]}

    def acknowledged(self) -> dict[str, Any]:
        return acknowledgement(self.receipt["receipt_id"], receipt_hash=hash_of(self.receipt))

    def chain_get(self, params: dict[str, Any]) -> Any:
        return {"chain_id": params["chain_id"], "status": self.outcome or "open"}

    def get(self, params: dict[str, Any]) -> Any:
        return {**self.acknowledged(), "receipt": self.receipt, "status": "pending"}


class WithFake(unittest.TestCase):
    def setUp(self) -> None:
        self.chains = Chains()
        self.fake = Fake(self.chains)
        self.client = Client(self.fake.path, system_id="s", organization="loans")

    def tearDown(self) -> None:
        self.client.close()
        self.fake.close()

    def test_an_acknowledgement_of_another_event_is_none(self) -> None:
        chain = self.client.chain(summary="s").open()
        once = self.chains.once
        self.chains.once = lambda there, name, chain_id, item: {**once(there, name, chain_id, item), name: receiptd.uuid7()}  # type: ignore[method-assign]
        for call in (lambda: chain.event(action="a", agent="b"), lambda: chain.approve(approver="a", authenticated_by="b", approved="c")):
            with self.assertRaises(ReceiptUnavailable) as caught:
                call()
            self.assertEqual(caught.exception.code, "bad_answer")

    def test_a_chain_and_its_receipt(self) -> None:
        with self.client.chain(summary="a loan", metrics={"cost": "sum"}) as chain:
            self.assertRegex(chain.chain_id, "^chn_[0-9A-Z]{26}$")
            event = chain.event(action="score", agent="scorer", metrics={"cost": 0.25}, details={"score": 1})
            approval = chain.approve(approver="ann", authenticated_by="sso", approved="the loan")
            self.assertEqual((event.seq, event.duplicate, approval.seq, chain.get()["status"], chain.receipt), (1, False, 1, "open", None))
        assert chain.receipt is not None
        self.assertEqual((chain.receipt.receipt_id, self.chains.outcome), (self.chains.receipt["receipt_id"], "completed"))
        self.assertEqual(self.chains.opened, {"chain_id": chain.chain_id, "organization": "loans", "system_id": "s", "summary": "a loan", "metrics": {"cost": "sum"}})
        self.assertEqual(list(self.chains.events.values()), [{"event_id": event.event_id, "action": "score", "agent": "scorer", "metrics": {"cost": 0.25}, "details": {"score": 1}}])

    def test_every_call_may_be_lost_and_is_sent_again(self) -> None:
        for lost in range(5):
            self.tearDown()
            self.setUp()
            self.chains.hang_up_at = lost
            with self.client.chain() as chain:
                chain.event(action="a", agent="b")
                chain.approve(approver="c", authenticated_by="d", approved="nothing")
            calls = self.fake.calls
            self.assertEqual((calls[lost]["method"], calls[lost]["params"]), (calls[lost + 1]["method"], calls[lost + 1]["params"]))
            self.assertEqual((len(calls), len(self.chains.events), len(self.chains.approvals)), (6, 1, 1))

    def test_an_exception_ends_it_as_failed_and_passes_on(self) -> None:
        with self.assertRaises(KeyError):
            with self.client.chain() as chain:
                raise KeyError("x")
        self.assertEqual(self.chains.outcome, "failed")
        self.assertIsNotNone(chain.receipt)

    def test_the_blocks_own_exception_passes_on_even_if_the_chain_cannot_be_ended(self) -> None:
        with self.assertLogs("receiptd", logging.ERROR), self.assertRaises(KeyError):
            with self.client.chain() as chain:
                self.fake.behave = lambda n, call: refusal("chain_expired", -32014)
                raise KeyError("x")
        self.assertIsNone(chain.receipt)

    def test_an_acknowledged_event_that_is_not_in_the_receipt_is_no_completion(self) -> None:
        self.chains.forget = "pay"
        with self.assertRaises(ReceiptError) as caught:
            with self.client.chain() as chain:
                chain.event(action="score", agent="a")
                chain.event(action="pay", agent="a")
        self.assertEqual(caught.exception.code, "chain_mismatch")

    def test_refusals(self) -> None:
        chain = self.client.chain()
        with self.assertRaises(ReceiptNotFound):
            chain.event(action="a", agent="b")
        with self.assertRaises(ReceiptRefused) as caught:
            chain.event(action="a", agent="b", metrics={"cost": float("nan")})
        self.assertEqual(caught.exception.pointer, "/event/metrics/cost")

    def test_awaited(self) -> None:
        async def main() -> None:
            async with AsyncClient(self.fake.path, system_id="s") as client:
                async with client.chain() as chain:
                    await chain.event(action="a", agent="b")
                    await chain.approve(approver="c", authenticated_by="d", approved="the loan")
                    self.assertEqual((await chain.get())["status"], "open")
                self.assertIsNotNone(chain.receipt)
                with self.assertRaises(KeyError):
                    async with client.chain() as chain:
                        raise KeyError("x")
                self.assertEqual(self.chains.outcome, "failed")
        asyncio.run(main())

    def test_a_policy_that_refuses_a_failed_gate_blocks_and_that_is_recorded(self) -> None:
        gates = [{"name": "g", "status": "FAIL"}]

        def policy(n: int, call: dict[str, Any]) -> Any:
            receipt = call["params"]["receipt"]
            refused = isinstance(receipt["decision"], int) or receipt["decision"].get("executed") is not False
            return refusal("policy_gate_failed", -32013) if refused else acknowledgement(receipt["receipt_id"])
        self.fake.behave = policy
        with self.assertRaises(DecisionBlocked) as caught:
            receiptd.receipt(self.client, gates=lambda result, args: gates)(lambda: 5)()
        refused, recorded = (call["params"]["receipt"] for call in self.fake.calls)
        self.assertEqual((caught.exception.gates, caught.exception.receipt.receipt_id, recorded["decision"]), (gates, recorded["receipt_id"], {"value": 5, "executed": False}))
        self.assertNotEqual(refused["receipt_id"], recorded["receipt_id"])

    def test_what_decides_only_later_or_a_gate_that_says_nothing_known_is_refused(self) -> None:
        async def later() -> int:
            return 1
        pending = later()
        result: Any
        gates: Any
        for result, gates in ((pending, []), ((n for n in range(3)), []), (map(str, []), []), (Future(), []), (1, [{"name": "g", "status": "fail"}]), (1, ["g"])):
            with self.subTest(result=result, gates=gates), self.assertRaises(ReceiptRefused) as caught:
                receiptd.receipt(self.client, decision=lambda result: "APPROVE", gates=lambda result, args, gates=gates: gates, block_on_failed_gate=True)(lambda result=result: result)()
            self.assertEqual((caught.exception.code, self.fake.calls), ("bad_value", []))
        pending.close()

    def test_a_decision_that_somebody_changes_meanwhile_is_not_handed_out(self) -> None:
        shared = {"action": "DENY"}

        def change(n: int, call: dict[str, Any]) -> Any:
            shared["action"] = "APPROVE"
            return acknowledgement(call["params"]["receipt"]["receipt_id"])
        self.fake.behave = change
        with self.assertRaises(ReceiptError) as caught:
            receiptd.receipt(self.client)(lambda: shared)()
        (recorded,) = (call["params"]["receipt"] for call in self.fake.calls)
        self.assertEqual((recorded["decision"], caught.exception.code, caught.exception.receipt_id), ({"action": "DENY"}, "decision_changed", recorded["receipt_id"]))

    def test_what_is_sent_is_what_was_returned_if_it_changes_before(self) -> None:
        shared: dict[str, Any] = {"action": "DENY"}
        prepare = prepared.prepare

        def late(*args: Any) -> Any:
            shared["action"] = "APPROVE"  # by another thread, at the worst moment
            try:
                return prepare(*args)
            finally:
                shared["action"] = "DENY"
        self.fake.behave = lambda n, call: acknowledgement(call["params"]["receipt"]["receipt_id"])
        with unittest.mock.patch("receiptd.appending.prepare", late):
            self.assertEqual(receiptd.receipt(self.client)(lambda: shared)(), {"action": "DENY"})
        self.assertEqual(self.fake.calls[0]["params"]["receipt"]["decision"], {"action": "DENY"})

    def test_nor_is_one_of_which_a_part_is_recorded_and_that_part_is_changed(self) -> None:
        shared: dict[str, Any] = {"action": "DENY", "score": 1}
        acks: list[Any] = []
        self.fake.behave = lambda n, call: acknowledgement(call["params"]["receipt"]["receipt_id"])

        def put(name: str) -> Any:
            def on_receipt(ack: Any) -> None:
                acks.append(ack)
                shared[name] = "APPROVE"
            return on_receipt
        decide = {name: receiptd.receipt(self.client, decision=lambda result: {"action": result["action"]}, on_receipt=put(name))(lambda: shared) for name in ("action", "note")}
        self.assertIs(decide["note"](), shared)  # no part of what is recorded
        with self.assertRaises(ReceiptError) as caught:
            decide["action"]()
        self.assertEqual((caught.exception.code, caught.exception.receipt_id), ("decision_changed", acks[1].receipt_id))


if __name__ == "__main__":
    unittest.main()
