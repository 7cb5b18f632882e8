"""What is said of a receipt from the socket's answers: damage is named, and nothing is called valid."""
import dataclasses
import unittest
from typing import Any

from receiptd.canonical import hash_of
from receiptd.models import Found
from receiptd.verify import judge


def found(seq: int, previous: str | None, **more: Any) -> Found:
    place = {"receipt_id": f"id{seq}", "receipt_number": f"RCP-2026-0000{seq}", "organization": "o", "org_seq": seq, "log_index": seq, "recorded_at": "t", "key_epoch": 0}
    receipt = {**place, "previous_receipt_hash": previous, "decision": 0.5, **more}
    return Found(receipt=receipt, receipt_hash=hash_of(receipt), ack="disk", status="anchored", **place)  # type: ignore[arg-type]


FIRST = found(1, None)
SECOND = found(2, FIRST.receipt_hash, chain_id="chn_1")


class Judged(unittest.TestCase):
    def test_whole_ones_are_not_called_valid(self) -> None:
        for one, before in ((FIRST, None), (SECOND, FIRST)):
            seen = judge(one, before)
            self.assertEqual((seen.valid, seen.problem, [check.code for check in seen.checks]), (None, None, ["hash", "place", "link"]))
        self.assertEqual(judge(SECOND, FIRST).chain_id, "chn_1")

    def test_without_the_one_before_the_link_is_not_checked(self) -> None:
        seen = judge(SECOND, None)
        self.assertEqual((seen.valid, [one.code for one in seen.not_checked]), (None, ["link", "mac", "anchor"]))

    def test_another_one_than_was_asked_for_is_not_it(self) -> None:
        for asked, problem in (("id2", None), ("RCP-2026-00002", None), ("id1", "index_mismatch")):
            seen = judge(SECOND, FIRST, asked)
            self.assertEqual((seen.valid, seen.problem and seen.problem.code), (None if problem is None else False, problem))

    def test_damage_is_named(self) -> None:
        changed = {**SECOND.receipt, "decision": 0.25}
        moved = {**SECOND.receipt, "log_index": 7}
        for one, before, problem in [
            (dataclasses.replace(SECOND, receipt=changed), FIRST, "hash_mismatch"),
            (dataclasses.replace(SECOND, receipt=moved, receipt_hash=hash_of(moved)), FIRST, "index_mismatch"),
            (SECOND, dataclasses.replace(FIRST, receipt={**FIRST.receipt, "decision": 1}), "link_mismatch"),
            (found(1, SECOND.receipt_hash), None, "link_mismatch"),
        ]:
            seen = judge(one, before)
            assert seen.problem is not None
            self.assertEqual((seen.valid, seen.status, seen.problem.code), (False, "invalid", problem))


if __name__ == "__main__":
    unittest.main()
