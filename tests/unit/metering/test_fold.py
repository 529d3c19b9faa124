"""Folding, case by case; that it equals a model on any batch is a property of its own."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from tests.unit.metering.builders import AT, HOUR, a_line, a_metric, frame_for

from meterline.core.metric import Aggregation, BillableMetric, ValueFilter
from meterline.metering.fold import MEMBER_BYTES_MAX, UNMATCHED_TYPE_LENGTH_MAX, Folded, fold
from meterline.stream.routing import event_id

COUNT = a_metric(Aggregation.COUNT)
SUM = a_metric(Aggregation.SUM, "n")
MAX = a_metric(Aggregation.MAX, "n")
LATEST = a_metric(Aggregation.LATEST, "n")
UNIQUE = a_metric(Aggregation.UNIQUE, "n")
LARGEST = "9" * 18 + "." + "9" * 18


def folded(metrics: list[BillableMetric], lines: list[bytes]) -> Folded:
    return fold(frame_for(metrics, lines), metrics)


def quantities(metric: BillableMetric, values: list[str]) -> list[Decimal]:
    lines = [a_line(str(place), {"n": value}) for place, value in enumerate(values)]
    return [
        Decimal(quantity)
        for part in folded([metric], lines).sums
        for quantity in part.frame["quantity"].to_list()
    ]


def test_one_row_a_key_group_and_hour() -> None:
    metric = a_metric(Aggregation.SUM, "n", group_keys=(("model",), ("model", "region")))
    lines = [
        a_line("1", {"n": "1", "model": "x", "region": "eu"}),
        a_line("2", {"n": "2", "model": "x", "region": "eu"}, at=AT + HOUR - 1),
        a_line("3", {"n": "4", "model": "x", "region": "eu"}, at=AT + HOUR),
        a_line("4", {"n": "8", "model": "x"}),
        a_line("5", {"n": "16", "model": ""}),
        a_line("6", {"n": "32", "model": "x", "region": "eu"}, customer_id="other"),
    ]
    (part,) = folded([metric], lines).sums
    assert part.fold == "s"
    rows = part.frame.select("customer_id", "p:model", "p:region", "hour", "quantity").rows()
    hour = AT // HOUR
    assert sorted(rows, key=str) == sorted(
        [
            ("acme", "x", "eu", hour, "3.000000000000000000"),
            ("acme", "x", "eu", hour + 1, "4.000000000000000000"),
            ("acme", "x", None, hour, "8.000000000000000000"),
            ("acme", "", None, hour, "16.000000000000000000"),
            ("other", "x", "eu", hour, "32.000000000000000000"),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (["0.1"] * 10, "1"),
        (["1e-18", "0.000000000000000002"], "0.000000000000000003"),
        ([LARGEST, "-" + LARGEST, "5"], "5"),
        ([LARGEST] * 99, "98999999999999999999.999999999999999901"),
    ],
)
def test_sums_are_exact(values: list[str], total: str) -> None:
    assert quantities(SUM, values) == [Decimal(total)]


@pytest.mark.parametrize("sign", ["", "-"])
def test_large_sums_do_not_wrap(sign: str) -> None:
    (quantity,) = quantities(SUM, [sign + LARGEST] * 500)
    assert quantity == Decimal(sign + "499999999999999999999.9999999999999995")


def test_maximum_of_negatives_and_of_equals() -> None:
    assert quantities(MAX, ["-5", "-1.5", "-1.50"]) == [Decimal("-1.5")]
    assert quantities(MAX, ["-" + LARGEST, LARGEST]) == [Decimal(LARGEST)]


def test_latest_is_by_event_time_then_by_id() -> None:
    lines = [
        a_line("a", {"n": "1"}, at=AT + 5),
        a_line("b", {"n": "2"}, at=AT + 9),
        a_line("c", {"n": "3"}, at=AT + 9),
        a_line("d", {"n": "4"}, at=AT),
    ]
    winner = max("bc", key=lambda name: event_id(1, name))
    for order in (lines, lines[::-1]):
        (part,) = folded([LATEST], order).sums
        (row,) = part.frame.select("quantity", "latest_at", "latest_id").rows()
        assert Decimal(row[0]) == {"b": 2, "c": 3}[winner]
        assert row[1:] == (AT + 9, event_id(1, winner))


def test_unique_keeps_distinct_texts_as_they_are() -> None:
    values = ["a", "a", "A", "", "1", "1.0", 1, True, "true", "é"]
    lines = [a_line(str(place), {"n": value}) for place, value in enumerate(values)]
    (part,) = folded([UNIQUE], lines).sums
    assert part.fold == "u"
    assert sorted(part.frame["member"]) == ["", "1", "1.0", "A", "a", "true", "é"]


def test_a_member_too_long_for_an_index_stays_distinct() -> None:
    long = ["é" * 700 + "a", "é" * 700 + "b", "é" * 700 + "a"]
    lines = [a_line(str(place), {"n": value}) for place, value in enumerate([*long, "short"])]
    (part,) = folded([UNIQUE], lines).sums
    members = part.frame["member"].to_list()
    assert len(set(members)) == len(members) == 3
    assert "short" in members
    assert max(len(member.encode()) for member in members) <= MEMBER_BYTES_MAX


def test_an_event_one_metric_cannot_read_is_refused_by_it_alone() -> None:
    lines = [a_line("a", {"n": "1"}), a_line("b", {"n": "many"}), a_line("c", {"n": True})]
    batch = folded([COUNT, SUM, LATEST, MAX, UNIQUE], lines)
    assert {(one.row, one.metric.aggregation) for one in batch.refused} == {
        (row, kind)
        for row in (1, 2)
        for kind in (Aggregation.SUM, Aggregation.MAX, Aggregation.LATEST)
    }
    assert all(
        "'n'" in one.reason and "not a decimal number" in one.reason for one in batch.refused
    )
    by_kind = {part.metric.aggregation: part.frame for part in batch.sums}
    assert by_kind[Aggregation.COUNT]["quantity"].to_list() == ["3"]
    assert Decimal(by_kind[Aggregation.SUM]["quantity"][0]) == 1
    assert by_kind[Aggregation.UNIQUE].height == 3
    assert batch.unmatched.height == 0


def test_a_metric_that_can_read_nothing_gains_nothing() -> None:
    batch = folded([SUM], [a_line("a", {"n": "x"})])
    assert (batch.sums, len(batch.refused)) == ([], 1)


def test_an_event_without_the_aggregation_key_does_not_match() -> None:
    lines = [a_line("a"), a_line("b", {"n": None}), a_line("c", {"m": "1"})]
    batch = folded([SUM, UNIQUE], lines)
    assert (batch.sums, batch.refused) == ([], [])
    assert batch.unmatched.rows() == [("llm", AT // HOUR // 24, 3)]
    assert folded([COUNT, SUM], lines).unmatched.height == 0


def test_what_matches_no_metric_is_counted_by_type_and_day() -> None:
    metric = a_metric(Aggregation.COUNT, event_type_filter=ValueFilter(("llm",)))
    day = 24 * HOUR
    lines = [
        a_line("a"),
        a_line("b", event_type="x"),
        a_line("c", event_type="x", at=AT - AT % day),
        a_line("d", event_type="x", at=AT - AT % day - 1),
        a_line("e", event_type="y" * 1024),
    ]
    today = AT // day
    assert sorted(folded([metric], lines).unmatched.rows()) == [
        ("x", today - 1, 1),
        ("x", today, 2),
        ("y" * UNMATCHED_TYPE_LENGTH_MAX, today, 1),
    ]
    assert sorted(folded([], lines).unmatched["events"].to_list()) == [1, 1, 1, 2]


def test_no_events_and_no_metrics() -> None:
    for metrics in ([], [COUNT, SUM]):
        batch = folded(metrics, [])
        assert (batch.sums, batch.refused, batch.unmatched.height) == ([], [], 0)


def test_metrics_do_not_disturb_each_other() -> None:
    lines = [a_line(str(place), {"n": str(place)}) for place in range(10)]
    metrics = [
        BillableMetric(UUID(int=number), kind, kind, None if kind is Aggregation.COUNT else "n")
        for number, kind in enumerate(Aggregation)
    ]
    together = folded(metrics, lines)
    for metric in metrics:
        (alone,) = folded([metric], lines).sums
        (same,) = [part for part in together.sums if part.metric is metric]
        order = ["customer_id", "hour", *(["member"] if alone.fold == "u" else [])]
        assert alone.frame.sort(order).equals(same.frame.sort(order))
