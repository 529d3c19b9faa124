"""Which commits must be alone: those with events that are not in the partition their identity is routed to.

Such events come from producers of others that choose partitions by themselves, and from before the log grew. Side by
side with the partition that the identity belongs to, two workers could take one event for new.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import psycopg

from meterline.store import routing


class MustBeAlone(Exception):
    """The number of partitions has changed, and with it whether this batch may go through with others."""


class Turnstile:
    """Every commit of a worker goes through it first."""

    def __init__(self) -> None:
        self._partitions: int | None = None

    def is_for_one(self, events: pl.DataFrame) -> bool:
        """Whether a batch must go through alone, as far as is known."""
        return self._partitions is not None and has_strays(events, self._partitions)

    def enter(
        self, connection: psycopg.Connection[Any], events: pl.DataFrame, *, alone: bool
    ) -> None:
        """Go through; `alone` at least when `is_for_one` says so.

        Raises MustBeAlone when the batch turns out to have to: roll back and come again.
        """
        known, self._partitions = self._partitions, routing.enter(connection, alone=alone)
        if not alone and self._partitions != known and has_strays(events, self._partitions):
            raise MustBeAlone


def has_strays(events: pl.DataFrame, partitions: int) -> bool:
    """Whether any event is in another partition than `stream.routing.partition_of` says, of so many."""
    if not events.height:
        return False
    identities = np.frombuffer(b"".join(events["id"].to_list()), dtype=">u4")
    first = identities[:: len(identities) // events.height].astype(np.uint64)
    homes = (first * np.uint64(partitions)) >> np.uint64(32)
    return bool((homes != events["partition"].to_numpy()).any())
