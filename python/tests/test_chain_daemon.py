"""Chains against a real daemon (RECEIPTD_TEST_SOCKET: one that is running already)."""
from __future__ import annotations

import asyncio
import unittest
from typing import Any

from daemon import Daemon, running, stored
from receiptd import AsyncClient, Client, ReceiptRefused

path: str
daemon: Daemon | None = None


def setUpModule() -> None:
    global path, daemon
    path, daemon = running()


def tearDownModule() -> None:
    if daemon is not None:
        daemon.remove()


class Chains(unittest.TestCase):
    """The rest of chains is in test_chain.py."""

    def test_a_workflow_is_one_receipt_with_every_acknowledged_hash(self) -> None:
        with Client(path, organization="chains") as client:
            with client.chain(summary="loan", policy_version="2.0", metrics={"paid_eur": "sum"}) as chain:
                said = [chain.event(action=f"a{i}", agent=f"agent-{i % 3}", metrics={"estimated_cost_usd": 0.06, "paid_eur": i}).hash for i in range(7)]
                said.append(chain.approve(approver="ann", authenticated_by="OIDC", approved="all of it").hash)
            receipt = client.get(stored(chain.receipt).receipt_id).receipt
            self.assertEqual(sorted(said), sorted(entry["hash"] for entry in receipt["events_summary"] + receipt["approvals"]))
            self.assertEqual((receipt["type"], receipt["outcome"], receipt["total_actions"], receipt["agents_involved"], receipt["cumulative_metrics"], receipt["policy_version"]),
                             ("chain", "completed", 7, ["agent-0", "agent-1", "agent-2"], {"estimated_cost_usd": 0.42, "paid_eur": 21}, "2.0"))
            self.assertEqual(chain.get()["status"], "completed")

    def test_refusals_have_their_codes(self) -> None:
        with Client(path) as client:
            with self.assertRaises(KeyError), client.chain() as chain:
                with self.assertRaises(ReceiptRefused) as caught:
                    chain.event(action="a", agent="b", metrics={"undeclared": 1})
                self.assertEqual(caught.exception.code, "unknown_field")
                raise KeyError("x")
            self.assertEqual(client.get(stored(chain.receipt).receipt_id).receipt["outcome"], "failed")
            with self.assertRaises(ReceiptRefused) as caught:
                chain.event(action="a", agent="b")
            self.assertEqual(caught.exception.code, "chain_closed")

    def test_asyncio(self) -> None:
        async def main() -> dict[str, Any]:
            async with AsyncClient(path) as client:
                async with client.chain() as chain:
                    await asyncio.gather(*(chain.event(action="a", agent="b", metrics={"records_modified_count": 1}) for _ in range(20)))
                return (await client.get(stored(chain.receipt).receipt_id)).receipt
        self.assertEqual(asyncio.run(main())["cumulative_metrics"], {"records_modified_count": 20})


if __name__ == "__main__":
    unittest.main()
