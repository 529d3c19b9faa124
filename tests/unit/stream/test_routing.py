"""Routing is fixed for ever: another id or partition for a kept event would count it twice."""

from __future__ import annotations

from itertools import pairwise

import pytest

from meterline.stream.routing import EVENT_ID_BYTES, event_id, partition_of

# Made by `b2sum -l 128` over four bytes of the environment, big-endian, then the transaction id in UTF-8.
VECTORS = [
    (1, "a", "e3b060c3e1a6d35e614ea14ccec329b0", 28, 85),
    (1, "b", "3979b53a843269f7e828d73230a05340", 7, 21),
    (2, "a", "d0bb5a69a27a31300a6d5e5e247f2d1a", 26, 78),
    (1, "日本-✓", "3686a167c13715d1a839a828d2e056ea", 6, 20),
    (2**31 - 1, "x" * 128, "89326cfbb07d61b00bcec00702fec2ed", 17, 51),
]


@pytest.mark.parametrize(
    ("environment_id", "transaction_id", "identity", "of_32", "of_96"), VECTORS
)
def test_ids_and_partitions_are_those_of_the_test_vectors(
    environment_id: int, transaction_id: str, identity: str, of_32: int, of_96: int
) -> None:
    found = event_id(environment_id, transaction_id)
    assert found.hex() == identity
    assert len(found) == EVENT_ID_BYTES
    assert (partition_of(found, 32), partition_of(found, 96), partition_of(found, 1)) == (
        of_32,
        of_96,
        0,
    )


def test_an_environment_never_shares_ids_with_another() -> None:
    assert event_id(1, "a") != event_id(2, "a")
    # The environment has a fixed width, so no transaction id can look like another environment's.
    assert event_id(0x00000161, "a") != event_id(0x00000001, "aa")


@pytest.mark.parametrize("partitions", [1, 2, 3, 8, 32, 96, 1024])
def test_partitions_are_contiguous_ranges_of_the_first_32_bits(partitions: int) -> None:
    def of(prefix: int) -> int:
        return partition_of(prefix.to_bytes(4, "big") + bytes(12), partitions)

    assert of(0) == 0
    assert of(2**32 - 1) == partitions - 1
    for partition in range(partitions):
        first = -(-(partition << 32) // partitions)  # rounded up
        assert of(first) == partition
        assert partition == 0 or of(first - 1) == partition - 1


def test_from_32_to_96_every_range_splits_in_three() -> None:
    for number in range(9_600):
        identity = event_id(1, f"event-{number}")
        assert partition_of(identity, 96) // 3 == partition_of(identity, 32)


def test_events_spread_evenly_whoever_the_customer() -> None:
    counts = [0] * 32
    for number in range(32_000):
        counts[partition_of(event_id(1, f"customer-1/{number}"), 32)] += 1
    # 1,000 expected a partition; six standard deviations are about 190.
    assert all(810 < count < 1_190 for count in counts), counts


def test_ids_of_a_partition_lie_side_by_side() -> None:
    identities = sorted(event_id(1, str(number)) for number in range(2_000))
    partitions = [partition_of(identity, 8) for identity in identities]
    assert all(left <= right for left, right in pairwise(partitions))
