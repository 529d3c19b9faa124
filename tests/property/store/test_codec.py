"""Whatever the core's values hold, they come back from JSON equal, by either way of writing them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from meterline.core.catalogue import RateTerms
from meterline.core.contract import Contract
from meterline.core.contract.override import Override
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.contract.subscription import Subscription
from meterline.core.invoice import Invoice, LineItem
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant
from meterline.core.period import Frequency, StatementSchedule
from meterline.store import codec

# What PostgreSQL's text can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=2_000_000)).map(lambda since: EPOCH + since)
MIDNIGHTS = INSTANTS.map(lambda instant: datetime.combine(instant.date(), time(), UTC))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: abs(number.adjusted()) < 60
)
PLAIN: dict[object, SearchStrategy[Any]] = {
    str: TEXTS,
    datetime: INSTANTS,
    Decimal: NUMBERS,
    UUID: st.uuids(),
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    NoneType: st.none(),
    StatementSchedule: st.builds(StatementSchedule, st.sampled_from(Frequency), MIDNIGHTS),
}


@cache
def values(kind: Any) -> SearchStrategy[Any]:
    """Values of a type as the core annotates its fields: every field filled, defaults too."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return st.one_of(*map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if origin is frozenset:
        return st.frozensets(values(arguments[0]), max_size=3)
    return st.sampled_from(kind) if issubclass(kind, Enum) else _record(kind)


def _record(kind: Any) -> SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = (
        [one.name for one in dataclasses.fields(kind)]
        if dataclasses.is_dataclass(kind)
        else kind._fields
    )
    return st.builds(kind, **{name: values(hints[name]) for name in names})


KINDS = [
    Contract,
    Grant,
    Invoice,
    LedgerEntry,
    LineItem,
    Override,
    RateTerms,
    RecurringGrant,
    Subscription,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=30)
@given(drawn=st.data())
def test_values_come_back_equal(kind: type[Any], drawn: DataObject) -> None:
    whole: Any = kind
    value = drawn.draw(values(whole))
    fields = codec.to_json(value)
    read = json.loads(json.dumps(fields))
    assert json.loads(codec.to_bytes(value)) == read
    assert codec.from_json(kind, read) == value
    assert codec.from_bytes(kind, codec.to_bytes(value)) == value


@settings(max_examples=30)
@given(drawn=st.data())
def test_equal_values_are_written_alike(drawn: DataObject) -> None:
    whole: Any = Contract
    contract = drawn.draw(values(whole))
    again = codec.from_bytes(Contract, codec.to_bytes(contract))
    assert codec.to_bytes(again) == codec.to_bytes(contract)


@given(number=NUMBERS)
def test_a_decimal_is_text_digit_for_digit(number: Decimal) -> None:
    fields = codec.to_json(RateTerms(rate_type="FLAT", price=number))  # type: ignore[arg-type]
    assert fields["price"] == str(number)
    assert str(codec.from_json(RateTerms, fields).price) == str(number)


def test_a_field_that_was_added_later_reads_as_its_default() -> None:
    written = {"rate_type": "FLAT", "price": "1.50", "gone": 5}
    assert codec.from_json(RateTerms, written) == codec.from_json(
        RateTerms, {"rate_type": "FLAT", "price": "1.50"}
    )
