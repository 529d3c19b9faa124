"""Every worker computes the same shares, and the shares cover every partition once."""

from __future__ import annotations

import pytest

from meterline.stream.assignment import share


@pytest.mark.parametrize("partitions", [0, 1, 3, 8, 32, 97])
@pytest.mark.parametrize("members", [{1}, {1, 2}, {2, 5, 9}, set(range(1, 12))])
def test_shares_cover_every_partition_once_and_differ_by_one_at_most(
    partitions: int, members: set[int]
) -> None:
    shares = [share(partitions, members, member) for member in sorted(members)]
    assert sorted(partition for one in shares for partition in one) == list(range(partitions))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for one in shares:
        assert not one or one == frozenset(range(min(one), max(one) + 1))


def test_real_shares() -> None:
    assert share(8, [1, 2, 3], 1) == {0, 1}
    assert share(8, [3, 2, 1], 2) == {2, 3, 4}
    assert share(8, [1, 1, 2, 3], 3) == {5, 6, 7}
    assert share(2, [4, 5, 6], 4) == frozenset()


def test_a_stranger_gets_nothing() -> None:
    assert share(8, [1, 2], 3) == frozenset()
    assert share(8, [], 1) == frozenset()
