"""Bodies in and out: exact numbers, and every bad body a 400 that names the place."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from meterline.api.errors import ApiError
from meterline.api.wire import decode, encode


class Item(msgspec.Struct):
    price: Decimal


class Order(msgspec.Struct):
    name: str
    items: list[Item] = []


DECODER = msgspec.json.Decoder(Order)


@pytest.mark.parametrize(
    "digits", ["0.1", "12345678901234567890.123456789012345678", "1e-18", "100000000000000000000"]
)
def test_numbers_keep_every_digit(digits: str) -> None:
    order = decode(DECODER, b'{"name": "n", "items": [{"price": ' + digits.encode() + b"}]}")
    assert order.items[0].price == Decimal(digits)
    assert encode(Item(Decimal(digits))) == b'{"price":' + str(Decimal(digits)).encode() + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "body: Expected `object`"),
        (b"{}", "lacks the required field `name`"),
        (b'{"name": 1}', "name: Expected `str`"),
        (b'{"name": "n", "items": [{"price": "x"}]}', "items[0].price: Invalid decimal"),
        (b'{"name": "\xff"}', "not valid JSON"),
        (b'{"ignored": "\xff", "name": "n"}', "not valid JSON"),
        (b'{"name": "\\u0000"}', "NUL"),
        (b'{"name": "\\\\\\u0000"}', "NUL"),
        (b'{"name": "\\ud800"}', "not valid JSON"),
        (b'{"name": "n", "x": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_bodies_say_what_and_where(body: bytes, words: str) -> None:
    with pytest.raises(ApiError) as raised:
        decode(DECODER, body)
    assert raised.value.status == 400
    assert words in str(raised.value)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert decode(DECODER, b'{"name": "\\\\u0000"}').name == "\\u0000"
