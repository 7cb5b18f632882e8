"""What can be recorded and what cannot, and the ids."""
import datetime
import decimal
import json
import re
import unittest

from receiptd import ReceiptRefused, pseudonym, uuid7
from receiptd.canonical import jcs
from receiptd.uuid7 import new_chain_id
from receiptd.values import encode


class Values(unittest.TestCase):
    def test_what_json_and_a_double_hold_goes_through_unchanged(self) -> None:
        value = {"a": [1, -3, 0.87, 1e-7, True, None, "Grüße \U0001f600", 2**53 - 1], "b": (1, 2), "": {}}
        self.assertEqual(json.loads(encode(value)), {**value, "b": [1, 2]})
        self.assertNotIn("\n", encode({"text": "a\nb\u2028"}))

    def test_what_they_do_not_hold_is_refused_with_its_place(self) -> None:
        deep: list[object] = []
        for _ in range(33):
            deep = [deep]
        cycle: dict[str, object] = {}
        cycle["again"] = cycle
        for value, pointer in [
            (float("nan"), "/x"), (float("inf"), "/x"), (-0.0, "/x"), (2**53, "/x"), (-(2**53), "/x"), (1e300, "/x"), (decimal.Decimal("1.1"), "/x"), (b"x", "/x"),
            (datetime.datetime.now(), "/x"), ({1}, "/x"), (object(), "/x"), ("a\0", "/x"), ("\ud800", "/x"), ([1, {"a/b~": b""}], "/x/1/a~1b~0"), ({1: 2}, "/x"),
            ({"__proto__": 1}, "/x/__proto__"), (deep, "/x" + "/0" * 31), (cycle, "/x" + "/again" * 31),
        ]:
            with self.subTest(value=type(value)), self.assertRaises(ReceiptRefused) as caught:
                encode({"x": value})
            self.assertEqual((caught.exception.code, caught.exception.pointer), ("bad_value", pointer))

    def test_advice_for_what_people_try(self) -> None:
        with self.assertRaisesRegex(ReceiptRefused, r"str\(value\)"):
            encode({"x": decimal.Decimal(1)})
        with self.assertRaisesRegex(ReceiptRefused, "isoformat"):
            encode({"x": datetime.date(2026, 1, 1)})

    def test_the_canonical_form_of_numbers_and_names(self) -> None:
        # RFC 8785 section 3.2.3 and appendix B
        self.assertEqual(jcs({"\u20ac": 1e21, "\r": 1.0, "\ufb33": 1e-7, "1": 0.000001, "\U0001f600": 1e20, "\u0080": -5e-324, "\u00f6": 4.5}),
                         '{"\\r":1,"1":0.000001,"\u0080":-5e-324,"\u00f6":4.5,"\u20ac":1e+21,"\U0001f600":100000000000000000000,"\ufb33":1e-7}')

    def test_ids(self) -> None:
        ids = [uuid7() for _ in range(50)]
        for receipt_id in ids:
            self.assertRegex(receipt_id, r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual(len(set(ids)), 50)
        self.assertLessEqual(ids[0][:13], ids[-1][:13])
        self.assertTrue(re.fullmatch("chn_[0-7][0-9A-HJKMNP-TV-Z]{25}", new_chain_id()))

    def test_pseudonyms(self) -> None:
        key = bytes(range(32))
        self.assertEqual(pseudonym("a", key), pseudonym(b"a", key))
        self.assertRegex(pseudonym("a", key), "^hmac-sha256:[0-9a-f]{64}$")
        self.assertNotEqual(pseudonym("a", key), pseudonym("a", key[::-1]))
        with self.assertRaises(ValueError):
            pseudonym("a", b"short")
