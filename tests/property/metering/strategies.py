"""Generated metrics and events: few names and values, so that filters, groups and ties meet often."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import polars as pl
from hypothesis import strategies as st
from tests.unit.metering.builders import AT, HOUR, NOW

from meterline.core.metric import Aggregation, BillableMetric, PropertyFilter, ValueFilter
from meterline.metering.columns import decode
from meterline.metering.compile import wanted_properties
from meterline.metering.event import decode_batch, encode_line, stored
from meterline.stream.log import Record

Value = str | int | bool | Decimal | None
NAMES = ("n", "model", "region", "")
TEXTS = ("", "a", "b", "true", "false", "1", "1.5", "-2", "null", "é\n\"'\\.", "x" * 50)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as a client sends it. A property that is absent is not among the keys; null is a value."""

    transaction_id: str
    customer_id: str
    event_type: str
    at: int  # microseconds since 1970
    properties: dict[str, Value] = field(default_factory=dict)


decimals = st.decimals(-1000, 1000, places=3, allow_nan=False)
quantity_texts = st.one_of(
    decimals.map(str),
    st.integers(-(10**18) + 1, 10**18 - 1).map(str),
    st.decimals(-(10**17), 10**17, places=18, allow_nan=False).map(lambda one: format(one, "f")),
    st.sampled_from(["1e3", "+5", ".5", "9" * 18 + "." + "9" * 18, "-" + "9" * 18, "1e-18"]),
)
values: st.SearchStrategy[Value] = st.one_of(
    st.sampled_from(TEXTS), st.integers(-3, 3), st.booleans(), st.none(), decimals, quantity_texts
)


def events(value: st.SearchStrategy[Value] = values) -> st.SearchStrategy[Sent]:
    """Events; `value` is what the property "n" may be."""
    labels = st.sampled_from(TEXTS[:5])
    return st.builds(
        Sent,
        st.uuids().map(str),
        st.sampled_from(["acme", "zeta", "é,\"'"]),
        st.sampled_from(["llm", "image", "é"]),
        st.builds(
            lambda hour, rest: AT + hour * HOUR + rest,
            st.integers(-30, 2),
            st.sampled_from([0, 1, HOUR - 1, 1_000]),
        ),
        st.fixed_dictionaries(
            {}, optional={"n": value, "model": labels | st.none(), "region": labels, "": values}
        ),
    )


_limit = st.none() | st.sampled_from(
    [Decimal(text) for text in ("0", "0.3", "1.5", "250", "9" * 18 + "." + "9" * 18, "1e-18")]
)
event_limits = st.tuples(_limit, _limit).map(
    lambda pair: pair if None in pair else tuple(sorted(pair))  # type: ignore[type-var]
)


_some_texts = st.lists(st.sampled_from(TEXTS), max_size=3).map(tuple)


@st.composite
def metrics(draw: st.DrawFn) -> BillableMetric:
    """Any metric that the API would take."""
    kind = draw(st.sampled_from(Aggregation))
    filters = []
    for name in draw(st.lists(st.sampled_from(NAMES[:3]), max_size=2)):
        exists = draw(st.sampled_from([None, True, False]))
        among, without = draw(_some_texts), draw(_some_texts)
        if exists is False:
            among = without = ()
        filters.append(PropertyFilter(name, exists, among, without))
    types = st.lists(st.sampled_from(["llm", "image", "é", "z"]), max_size=2).map(tuple)
    limits = (None, None)
    if kind is Aggregation.SUM:
        limits = draw(event_limits)
    return BillableMetric(
        draw(st.uuids()),
        "generated",
        kind,
        None if kind is Aggregation.COUNT else draw(st.sampled_from(NAMES[:3])),
        draw(st.none() | st.builds(ValueFilter, types, types)),
        tuple(filters),
        draw(st.sampled_from([(), (("model",),), (("model", "region"),), (("region",), ("n",))])),
        event_minimum=limits[0],
        event_maximum=limits[1],
    )


def simple_metrics(key: str = "n") -> list[BillableMetric]:
    """One of each aggregation, grouped by model and region."""
    return [
        BillableMetric(
            UUID(int=number),
            kind,
            kind,
            None if kind is Aggregation.COUNT else key,
            group_keys=(("model", "region"),),
        )
        for number, kind in enumerate(Aggregation, 1)
    ]


def as_columns(sent: list[Sent], live: list[BillableMetric]) -> pl.DataFrame:
    """Send events through the door and the log's line to the columns a worker sees."""
    wanted = wanted_properties(live)
    records = []
    for first in range(0, len(sent), 100):
        body = _encode([_wire(one) for one in sent[first : first + 100]])
        kept = stored(decode_batch(body), NOW, may_hold_nul=False)
        lines = [encode_line(event) for event in kept]
        records.append(Record(1, 0, first // 100, len(lines), NOW, b"\n".join(lines)))
    batch = decode(records, wanted)
    assert batch.unreadable == []
    return batch.frame


def _wire(one: Sent) -> dict[str, object]:
    return {
        "transaction_id": one.transaction_id,
        "customer_id": one.customer_id,
        "event_type": one.event_type,
        "timestamp": _EPOCH + timedelta(microseconds=one.at),
        "properties": one.properties,
    }
