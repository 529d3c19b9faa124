"""Series ids are fixed for ever: another id for kept usage would split a customer's totals."""

from __future__ import annotations

from uuid import UUID

from meterline.metering.series import KnownSeries, group_hash, ingest_key_hash

METRIC = UUID(int=7)


def test_ids_are_those_of_the_test_vectors() -> None:
    assert ingest_key_hash(1, "acme").hex() == "f8b96b6543a20604"
    assert ingest_key_hash(2, "acme").hex() == "8defb3768265c158"
    assert group_hash(METRIC, ()).hex() == "8a77c0161e87d2a7"
    assert group_hash(METRIC, ("a", None)).hex() == "23c66fcc8143c2f2"


def test_different_series_have_different_ids() -> None:
    groups = [(), (None,), ("",), ("a",), ("a", "b"), ("b", "a"), ("a,b",), ('a","b',), ("null",)]
    groups += [("a", None), (None, "a"), ("a", ""), ("", "a")]
    hashes = {group_hash(metric, one) for metric in (METRIC, UUID(int=8)) for one in groups}
    assert len(hashes) == 2 * len(groups)
    assert ingest_key_hash(1, "ab") != ingest_key_hash(1, "a")


def test_what_is_known_is_not_written_again() -> None:
    known = KnownSeries()
    assert known.unknown(["a", "b", "a"]) == {"a", "b"}
    assert known.unknown(["a"]) == {"a"}, "only a commit makes a series known"
    known.remember(["a"])
    assert known.unknown(["a", "b"]) == {"b"}


def test_the_memory_is_bounded_and_forgetting_is_harmless() -> None:
    known = KnownSeries(known_max=3)
    for number in range(40):
        known.remember([str(number)])
        assert known.unknown([str(number)]) == set()
    assert len(known.unknown(map(str, range(40)))) >= 36
