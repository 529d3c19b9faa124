"""Time partitions: made ahead, dropped whole, whatever a crash left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from meterline.store.migrate import migrate
from meterline.store.partitions import PARTITIONED, ensure_partitions

NOW = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
LOG, SEEN, DUPLICATE = PARTITIONED


def partitions(url: str, table: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
            " ORDER BY 1",
            [table],
        )
        return [row[0] for row in rows]


def leftovers(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_p[0-9]{8}$'"
            " AND NOT relispartition"
        )
        return [row[0] for row in rows]


def test_a_span_of_ids_and_the_window_meet_in_three_partitions_at_most() -> None:
    for hour in range(24 * 40):
        at = NOW + timedelta(hours=hour)
        assert len(SEEN.spans(at - timedelta(days=34), at)) <= 3


def test_spans_are_aligned_and_half_open() -> None:
    (start, end), *_ = SEEN.spans(NOW, NOW)
    assert start <= NOW < end
    assert (start - datetime(1970, 1, 1, tzinfo=UTC)).days % 17 == 0
    assert SEEN.spans(end, end)[0][0] == end


def test_a_partition_expires_only_when_all_of_it_is_out_of_the_window() -> None:
    (start, end), *_ = SEEN.spans(NOW, NOW)
    assert not SEEN.expired(start, end + timedelta(days=34) - timedelta(microseconds=1))
    assert SEEN.expired(start, end + timedelta(days=34))


def test_partitions_are_made_a_week_ahead_and_again_does_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    ensure_partitions(empty_database_url, NOW)
    made = partitions(empty_database_url, "log_record")
    assert made == [f"log_record_p202611{day}" for day in range(22, 31)]
    ensure_partitions(empty_database_url, NOW)
    assert partitions(empty_database_url, "log_record") == made


def test_makers_at_once_do_not_collide(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ensure_partitions, [empty_database_url] * 4, [NOW] * 4))
    assert len(partitions(empty_database_url, "log_record")) == 9


def test_old_partitions_go_with_their_rows_and_young_ones_stay(empty_database_url: str) -> None:
    migrate(empty_database_url)
    ensure_partitions(empty_database_url, NOW)
    with psycopg.connect(
        empty_database_url, options="-c role=meterline_pipeline -c timezone=UTC"
    ) as connection:
        connection.execute("INSERT INTO seen_event VALUES (2, gen_random_uuid(), %s, 0, 0)", [NOW])
    for days in (10, 20, 34, 40, 60, 80):
        later = NOW + timedelta(days=days)
        ensure_partitions(empty_database_url, later)
        days_kept = partitions(empty_database_url, "log_record")
        assert f"log_record_p{later:%Y%m%d}" in days_kept
        assert f"log_record_p{later - timedelta(days=36):%Y%m%d}" not in days_kept
        with psycopg.connect(
            empty_database_url, options="-c role=meterline_pipeline"
        ) as connection:
            row = connection.execute("SELECT count(*) FROM seen_event").fetchone()
        assert row == (1 if days <= 34 else row[0] if row and days == 40 else 0,)
    assert leftovers(empty_database_url) == []


@pytest.mark.parametrize("days_later", [1, 60])
def test_a_partition_left_detached_by_a_crash_is_mended_or_dropped(
    empty_database_url: str, days_later: int
) -> None:
    migrate(empty_database_url)
    ensure_partitions(empty_database_url, NOW)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE log_record DETACH PARTITION log_record_p20261124")
    ensure_partitions(empty_database_url, NOW + timedelta(days=days_later))
    assert leftovers(empty_database_url) == []


def test_writers_do_not_hold_up_new_partitions(empty_database_url: str) -> None:
    migrate(empty_database_url)
    ensure_partitions(empty_database_url, NOW)
    with psycopg.connect(empty_database_url, options="-c role=meterline_pipeline") as writer:
        writer.execute("INSERT INTO log_record VALUES (2, 0, 0, %s, 1, 'x')", [NOW])
        ensure_partitions(empty_database_url, NOW + timedelta(days=5), lock_seconds=1)
        writer.execute("INSERT INTO log_record VALUES (2, 0, 1, %s, 1, 'x')", [NOW])
    assert f"log_record_p{NOW + timedelta(days=12):%Y%m%d}" in partitions(
        empty_database_url, "log_record"
    )


def test_a_partition_in_use_is_dropped_the_next_time(empty_database_url: str) -> None:
    migrate(empty_database_url)
    ensure_partitions(empty_database_url, NOW)
    oldest = f"log_record_p{NOW - timedelta(days=1):%Y%m%d}"
    later = NOW + timedelta(days=35)
    with psycopg.connect(empty_database_url, options="-c role=meterline_pipeline") as reader:
        reader.execute("SELECT count(*) FROM log_record")
        ensure_partitions(empty_database_url, later, lock_seconds=1)
        assert f"log_record_p{later:%Y%m%d}" in partitions(empty_database_url, "log_record")
        with psycopg.connect(empty_database_url) as owner:
            found = owner.execute("SELECT to_regclass(%s)::text", [oldest]).fetchone()
        assert found == (oldest,)
    ensure_partitions(empty_database_url, later)
    assert oldest not in partitions(empty_database_url, "log_record")
    assert leftovers(empty_database_url) == []


def test_rows_find_their_partition_and_none_is_refused_for_want_of_one(database_url: str) -> None:
    with psycopg.connect(database_url, options="-c role=meterline_pipeline") as connection:
        for day in range(-1, 8):
            connection.execute(
                "INSERT INTO log_record VALUES (2, 0, %s, now() + %s * interval '1 day', 1, 'x')",
                [day, day],
            )
            connection.execute(
                "INSERT INTO seen_event VALUES (2, gen_random_uuid(), now() + %s * interval '1 day', 0, 0)",
                [day],
            )
