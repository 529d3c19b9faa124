"""What every seen index must do, whatever keeps the ids.

An implementation's own file defines the fixture `seen` (see `Seen`) and a subclass of `SeenIndexConformance` whose
name begins with Test.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import psycopg
import pytest

from meterline.metering.seen import WINDOW, SeenIndex
from meterline.stream.routing import event_id

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Seen:
    """A fresh index. `prepare(at)` makes it ready to keep ids that arrive at `at`."""

    index: SeenIndex
    connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
    prepare: Callable[[datetime], None]

    def admit(self, names: str | list[str], at: datetime = NOW, environment_id: int = 1) -> str:
        """Admit ids in a transaction of its own; "+" for each that was new, "-" for each repeat."""
        with self.connect() as connection, connection.transaction():
            return self.admit_in(connection, names, at, environment_id)

    def admit_in(
        self,
        connection: psycopg.Connection[Any],
        names: str | list[str],
        at: datetime = NOW,
        environment_id: int = 1,
    ) -> str:
        new = self.index.admit(connection, arrivals(names, environment_id), at)
        assert new.dtype == np.bool_
        return "".join("+" if one else "-" for one in new)


def arrivals(names: str | list[str], environment_id: int = 1) -> pl.DataFrame:
    """Events with these transaction ids, in log order."""
    return pl.DataFrame(
        {
            "environment_id": [environment_id] * len(names),
            "id": [event_id(environment_id, name) for name in names],
            "partition": list(range(len(names))),
            "record_offset": [2**40 + place for place in range(len(names))],
        },
        schema={
            "environment_id": pl.Int32,
            "id": pl.Binary,
            "partition": pl.Int32,
            "record_offset": pl.Int64,
        },
    )


class SeenIndexConformance:
    """The suite. Subclass it beside a fixture `seen`."""

    def test_new_ids_are_new_and_then_they_are_not(self, seen: Seen) -> None:
        assert seen.admit("abc") == "+++"
        assert seen.admit("cdab") == "-+--"
        assert seen.admit("abcd") == "----"

    def test_of_repeats_within_a_batch_the_first_is_new(self, seen: Seen) -> None:
        assert seen.admit("abacbba") == "++-+---"
        assert seen.admit("dcdd") == "+---"

    def test_a_batch_of_nothing(self, seen: Seen) -> None:
        assert seen.admit("") == ""
        assert seen.admit("a") == "+"
        assert seen.admit("") == ""

    def test_batches_of_one_transaction_know_each_other(self, seen: Seen) -> None:
        with seen.connect() as connection:
            with connection.transaction():
                assert seen.admit_in(connection, "ab") == "++"
            with connection.transaction():
                assert seen.admit_in(connection, "bc") == "-+"

    def test_the_same_id_in_two_environments_is_two_events(self, seen: Seen) -> None:
        assert seen.admit("a", environment_id=1) == "+"
        assert seen.admit("a", environment_id=2) == "+"
        assert seen.admit("a", environment_id=2) == "-"

    def test_what_is_rolled_back_leaves_nothing(self, seen: Seen) -> None:
        class Abandoned(Exception):
            pass

        for _ in range(2):
            with seen.connect() as connection:
                with pytest.raises(Abandoned), connection.transaction():  # noqa: PT012
                    assert seen.admit_in(connection, "abb") == "++-"
                    raise Abandoned
                # Nor does it on the same connection.
                with connection.transaction():
                    assert seen.admit_in(connection, "x") in "+-"
        assert seen.admit("ab") == "++"

    def test_what_is_not_committed_is_not_seen_by_others(self, seen: Seen) -> None:
        with seen.connect() as first, first.transaction():
            assert seen.admit_in(first, "a") == "+"
            assert seen.admit("b") == "+"
        assert seen.admit("ab") == "--"

    @pytest.mark.parametrize("age", [0, 1, 16, 17, 18, 33])
    def test_an_id_is_known_throughout_the_window(self, seen: Seen, age: int) -> None:
        then = NOW - timedelta(days=age)
        seen.prepare(then)
        seen.prepare(NOW)
        assert seen.admit("ab", then) == "++"
        assert seen.admit("bc") == "-+"
        assert seen.admit("abc") == "---"

    def test_the_window_ends_after_34_days(self, seen: Seen) -> None:
        assert timedelta(days=34) == WINDOW
        then = NOW - WINDOW
        seen.prepare(then)
        seen.prepare(NOW)
        assert seen.admit("a", then) == "+"
        assert seen.admit("b", then) == "+"
        assert seen.admit("a", NOW - MICROSECOND) == "-"
        assert seen.admit("b", NOW) == "+", "34 days later it is another event"
        assert seen.admit("b", NOW) == "-"

    def test_a_repeat_does_not_prolong_the_window(self, seen: Seen) -> None:
        then = NOW - WINDOW
        half = NOW - WINDOW / 2
        for at in (then, half, NOW):
            seen.prepare(at)
        assert seen.admit("a", then) == "+"
        assert seen.admit("a", half) == "-"
        assert seen.admit("a", NOW) == "+"

    @pytest.mark.parametrize("seed", range(3))
    def test_any_batches_equal_a_set(self, seen: Seen, seed: int) -> None:
        rng = random.Random(seed)
        known: set[str] = set()
        with seen.connect() as connection:
            for _ in range(12):
                names = [str(rng.randrange(400)) for _ in range(rng.choice([0, 1, 30, 300]))]
                expected = []
                for name in names:
                    expected.append("-" if name in known else "+")
                    known.add(name)
                with connection.transaction():
                    assert seen.admit_in(connection, names) == "".join(expected)

    def test_a_large_batch(self, seen: Seen) -> None:
        names = [f"event-{number}" for number in range(20_000)]
        assert seen.admit(names) == "+" * 20_000
        assert seen.admit([*names[:5_000], "x", *names[15_000:]]) == "-" * 5_000 + "+" + "-" * 5_000


@contextmanager
def pipeline_connection(url: str, prepare: str) -> Iterator[psycopg.Connection[Any]]:
    """A session as a worker has it; `prepare` is what the implementation needs of a session."""
    with psycopg.connect(
        url, autocommit=True, options="-c role=meterline_pipeline -c timezone=UTC"
    ) as connection:
        connection.execute(prepare.encode())
        yield connection
