"""The seen index in PostgreSQL, held by the suite, and its table of repeats."""

from __future__ import annotations

import pytest
from tests.conformance.seen import NOW, Seen, SeenIndexConformance, pipeline_connection

from meterline.metering import sql
from meterline.metering.seen import PostgresSeen
from meterline.store.partitions import ensure_partitions


@pytest.fixture
def seen(database_url: str) -> Seen:
    ensure_partitions(database_url, NOW)
    return Seen(
        index=PostgresSeen(),
        connect=lambda: pipeline_connection(database_url, sql.CREATE_STAGING),
        prepare=lambda at: ensure_partitions(database_url, at),
    )


class TestPostgresSeen(SeenIndexConformance):
    """The whole suite."""


def test_repeats_are_kept_for_the_event_search(seen: Seen) -> None:
    assert seen.admit("aab") == "+-+"
    assert seen.admit("cb") == "+-"
    with seen.connect() as connection:
        rows = connection.execute(
            "SELECT partition, record_offset - (1::bigint << 40), seen_at FROM duplicate_event"
            " ORDER BY 1, 2"
        ).fetchall()
    assert rows == [(1, 1, NOW), (1, 1, NOW)]
