"""Records become columns: every event at its place, and a line that is no event set apart."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.metering.builders import AT, NOW, a_line, a_record

from meterline.metering.columns import Unreadable, decode
from meterline.stream.log import Record
from meterline.stream.routing import event_id

FIELDS = ["environment_id", "partition", "record_offset", "transaction_id", "id"]


def test_events_keep_their_order_and_know_where_they_came_from() -> None:
    batch = decode(
        [
            a_record([a_line("a"), a_line("b")], environment_id=1, partition=0, offset=7),
            a_record([a_line("a")], environment_id=2, partition=3, offset=9),
        ],
        set(),
    )
    assert batch.unreadable == []
    assert batch.frame.select(FIELDS).rows() == [
        (1, 0, 7, "a", event_id(1, "a")),
        (1, 0, 7, "b", event_id(1, "b")),
        (2, 3, 9, "a", event_id(2, "a")),
    ]
    assert batch.frame["row"].to_list() == [0, 1, 2]
    assert batch.frame["timestamp"].to_list() == [AT] * 3


def test_properties_are_text_and_absent_is_null() -> None:
    values: list[object] = ["x\n\"é'\\", "", 7, -(10**38) + 1, 2**64, True, False, None, "1.5"]
    lines = [a_line(str(place), {"n": value}) for place, value in enumerate(values)]
    batch = decode([a_record([*lines, a_line("none"), a_line("other", {"m": "1"})])], {"n", "k"})
    assert batch.frame["p:n"].to_list() == [
        "x\n\"é'\\",
        "",
        "7",
        str(-(10**38) + 1),
        str(2**64),
        "true",
        "false",
        None,
        "1.5",
        None,
        None,
    ]
    assert batch.frame["p:k"].null_count() == len(values) + 2
    assert "p:m" not in batch.frame.columns


@pytest.mark.parametrize("name", ["", "a.b", "$", "p:n", "properties", "row", "日本", 'q"', "id"])
def test_any_name_will_do_for_a_property(name: str) -> None:
    batch = decode([a_record([a_line("a", {name: "v"})])], {name})
    assert batch.frame[f"p:{name}"].to_list() == ["v"]
    assert batch.frame["transaction_id"].to_list() == ["a"]


def test_no_records_give_no_rows() -> None:
    batch = decode([], {"n"})
    assert batch.frame.height == 0
    assert {"p:n", "id", "row", "environment_id"} <= set(batch.frame.columns)


BAD = [
    b"{",
    b"not JSON",
    b"[]",
    b"7",
    b"null",
    b"{}",
    b'{"transaction_id":"x"}',
    a_line("x").replace(b'"x"', b"null"),
    a_line("x").replace(str(AT).encode(), b'"noon"'),
    a_line("x").replace(b'"x"', b'"\xff\xfe"'),
    b"\x00\x01\x02",
    b"[" * 5_000,
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_is_no_event_is_set_apart_and_the_others_count(bad: bytes, place: int) -> None:
    lines = [a_line("a", {"n": "1"}), a_line("b", {"n": "2"})]
    lines.insert(place, bad)
    batch = decode([a_record([a_line("first")]), a_record(lines, partition=1, offset=4)], {"n"})
    assert batch.frame["transaction_id"].to_list() == ["first", "a", "b"]
    assert batch.frame["p:n"].to_list() == [None, "1", "2"]
    assert batch.frame["record_offset"].to_list() == [0, 4, 4]
    (apart,) = batch.unreadable
    assert apart.reason
    assert apart == Unreadable(1, 1, 4, bad, apart.reason)


def test_a_batch_of_nothing_but_junk() -> None:
    batch = decode([a_record([b"{", b"}"]), a_record([b""], events=1, offset=1)], {"n"})
    assert batch.frame.height == 0
    assert [line.line for line in batch.unreadable] == [b"{", b"}"]


def test_a_record_that_holds_more_or_fewer_events_than_it_says_is_still_read() -> None:
    records = [
        a_record([a_line("a"), a_line("b")], events=1),
        a_record([a_line("c")], offset=1, events=5),
        a_record([a_line("d"), b"", a_line("e")], offset=2, events=2),
    ]
    batch = decode(records, set())
    assert batch.frame["transaction_id"].to_list() == list("abcde")
    assert batch.frame["record_offset"].to_list() == [0, 0, 1, 2, 2]


def test_other_encodings_of_the_same_event_are_the_same_event() -> None:
    """A record may come from a producer of another make: spaces, escapes and order of fields differ."""
    line = a_line("é", {"n": "1"})
    fields = msgspec.json.decode(line)
    spaced = (
        b'{ "properties": {"n": "1", "later": {"deep": [1]}}, "timestamp": %d,'
        b' "event_type":"llm", "customer_id": "acme", "transaction_id":"\\u00e9", "x": [] }\r'
    ) % fields["timestamp"]
    record = Record(1, 0, 0, 2, NOW, line + b"\n" + spaced)
    batch = decode([record], {"n"})
    assert batch.unreadable == []
    first, second = batch.frame.drop("row").rows()
    assert first == second
