"""Which worker should own which partition: a pure function that every worker computes alike."""

from __future__ import annotations

from collections.abc import Iterable


def share(partitions: int, members: Iterable[int], me: int) -> frozenset[int]:
    """Return the partitions that member `me` should own among the live `members`.

    Members take contiguous runs in order of their slots; the runs differ in length by one at most. A member that
    is not among the live ones gets nothing.
    """
    ordered = sorted(set(members))
    if me not in ordered:
        return frozenset()
    rank, count = ordered.index(me), len(ordered)
    return frozenset(range(partitions * rank // count, partitions * (rank + 1) // count))
