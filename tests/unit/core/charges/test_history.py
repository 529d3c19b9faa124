from dataclasses import replace

from tests.unit.core.builders import card, flat, rate, tiered, utc
from tests.unit.core.charges.builders import (
    APRIL,
    JUNE,
    MAY,
    SEAT,
    contract,
    price,
    product,
    subscription,
)

from meterline.core.catalogue import ProductType
from meterline.core.charges import priced_history, prices_of
from meterline.core.rating import PriceList

DAY_16 = utc(2027, 4, 16)
LIST = price((utc(2020, 1, 1), "3000"))


def shown(stretches: list[object]) -> list[tuple[str, list[tuple[int, int]]]]:
    return [
        (
            f"{one.starting_at:%m-%d}",  # type: ignore[attr-defined]
            [(int(piece.quantity), int(piece.amount)) for piece in one.pieces],  # type: ignore[attr-defined]
        )
        for one in stretches
    ]


def test_quantities_at_the_price_of_a_whole_cycle() -> None:
    one = subscription((APRIL, 10), (DAY_16, 12), (JUNE, 5))
    found = priced_history(one, contract(one), LIST, JUNE)
    assert shown(found) == [
        ("04-01", [(10, 30_000)]),
        ("04-16", [(12, 36_000)]),
        ("06-01", [(5, 15_000)]),
    ]


def test_what_is_still_to_come_is_left_out() -> None:
    one = subscription((APRIL, 10), (JUNE, 5))
    assert len(priced_history(one, contract(one), LIST, MAY)) == 1
    assert priced_history(one, contract(one), LIST, utc(2027, 3, 1)) == []


def test_a_new_price_shows_with_the_cycle_it_bites_in() -> None:
    one = subscription()
    dearer = price((APRIL, "3000"), (DAY_16, "4000"))
    found = priced_history(one, contract(one), dearer, JUNE)
    assert shown(found) == [("04-01", [(10, 30_000)]), ("05-01", [(10, 40_000)])]


def test_a_cycle_that_starts_now_shows() -> None:
    dearer = price((APRIL, "3000"), (MAY, "4000"))
    one = subscription()
    assert len(priced_history(one, contract(one), dearer, MAY)) == 2


def test_tiers_show_apart_and_no_price_as_none() -> None:
    one = subscription((APRIL, 12))
    later = price((MAY, tiered(("3000", "10"), ("2000", None))))
    found = priced_history(one, contract(one), later, JUNE)
    assert shown(found) == [("04-01", []), ("05-01", [(10, 30_000), (2, 4000)])]
    assert [stretch.rate is None for stretch in found] == [True, False]


def test_prices_come_from_the_card() -> None:
    monthly = replace(rate(flat("3000"), product_id=SEAT), billing_frequency="MONTHLY")
    seat = product(40, ProductType.SUBSCRIPTION)
    one = subscription()
    price_at = prices_of(PriceList(card(), (seat,), (), (monthly,)), contract(one))
    assert price_at(SEAT, "MONTHLY", APRIL) == monthly
    assert price_at(SEAT, "ANNUAL", APRIL) is None
