from datetime import datetime
from decimal import Decimal

from tests.unit.core.builders import utc
from tests.unit.core.charges.builders import APRIL, JUNE, MAY, contract, subscription

from meterline.core.charges import (
    QuantityStretch,
    quantity_at,
    quantity_history,
    quantity_schedule,
    seat_history,
    seats_at,
)
from meterline.core.contract.subscription import SeatChange, Subscription

DAY_10, DAY_20, DAY_21 = utc(2027, 4, 10), utc(2027, 4, 20), utc(2027, 5, 21)


def history(one: Subscription) -> list[tuple[str, int]]:
    return [
        (f"{stretch.starting_at:%m-%d}", int(stretch.quantity))
        for stretch in quantity_history(one, contract(one))
    ]


def seats(one: Subscription) -> list[tuple[str, str, int]]:
    return [
        (f"{stretch.starting_at:%m-%d}", " ".join(stretch.seats.ids), stretch.seats.unassigned)
        for stretch in seat_history(one, contract(one))
    ]


def seated(*changes: SeatChange) -> Subscription:
    return subscription(seat_group_key="user", seat_changes=changes, quantity_changes=())


def initial(*ids: str, unassigned: int = 0) -> SeatChange:
    return SeatChange(APRIL, ids, add_unassigned_seats=unassigned)


def test_absolute_quantities_and_deltas() -> None:
    one = subscription((APRIL, 10), (DAY_10, "+2"), (DAY_20, 5), (MAY, "-1"))
    assert history(one) == [("04-01", 10), ("04-10", 12), ("04-20", 5), ("05-01", 4)]


def test_changes_of_one_instant_apply_in_order_of_arrival() -> None:
    """12 on 21 May, then one less: 11 from that day. Source: Metronome's quantity updates."""
    one = subscription((APRIL, 10), (DAY_21, 12), (DAY_21, "-1"))
    assert history(one) == [("04-01", 10), ("05-21", 11)]
    other = subscription((APRIL, 10), (DAY_21, "-1"), (DAY_21, 12))
    assert history(other) == [("04-01", 10), ("05-21", 12)]


def test_a_change_that_arrives_late_takes_its_place_in_time() -> None:
    one = subscription((APRIL, 10), (DAY_20, "+5"), (DAY_10, "+1"))
    assert history(one) == [("04-01", 10), ("04-10", 11), ("04-20", 16)]


def test_a_change_to_the_same_quantity_is_none() -> None:
    assert history(subscription((APRIL, 10), (DAY_10, 10))) == [("04-01", 10)]


def test_a_quantity_stays_at_zero_or_above() -> None:
    assert history(subscription((APRIL, 2), (DAY_10, "-3"))) == [("04-01", 2), ("04-10", 0)]


def test_fractions_are_exact() -> None:
    one = subscription((APRIL, 1), (DAY_10, "+0.1"), (DAY_20, "+0.2"))
    assert quantity_at(one, contract(one), DAY_20) == Decimal("1.3")


def test_history_ends_with_the_subscription_and_begins_with_it() -> None:
    one = subscription((APRIL, 10), (DAY_10, 12), (JUNE, 20), ending_before=JUNE)
    of = contract(one, starting_at=DAY_20)
    assert quantity_history(one, of) == [QuantityStretch(DAY_20, JUNE, Decimal(12))]
    assert quantity_at(one, of, APRIL) == quantity_at(one, of, JUNE) == 0


def test_the_schedule_shows_the_current_quantity_and_those_to_come() -> None:
    one = subscription((APRIL, 10), (DAY_10, 12), (MAY, 15))
    shown = quantity_schedule(one, contract(one), DAY_10)
    assert [(stretch.starting_at, stretch.ending_before) for stretch in shown] == [
        (DAY_10, MAY),
        (MAY, None),
    ]


def test_a_new_id_fills_an_unassigned_seat_first() -> None:
    one = seated(initial("ann", "bob", unassigned=1), SeatChange(DAY_10, ("cem", "dot")))
    assert seats(one) == [("04-01", "ann bob", 1), ("04-10", "ann bob cem dot", 0)]
    assert history(one) == [("04-01", 3), ("04-10", 4)]


def test_assigning_a_seat_leaves_the_quantity() -> None:
    one = seated(initial("ann", unassigned=2), SeatChange(DAY_10, ("bob",)))
    assert len(seats(one)) == 2
    assert history(one) == [("04-01", 3)]


def test_freeing_a_seat_and_keeping_the_count() -> None:
    one = seated(
        initial("ann", "bob"),
        SeatChange(DAY_10, remove_seat_ids=("ann",), add_unassigned_seats=1),
    )
    assert seats(one)[1] == ("04-10", "bob", 1)
    assert history(one) == [("04-01", 2)]


def test_what_is_there_is_not_added_and_what_is_not_is_not_removed() -> None:
    one = seated(
        initial("ann"),
        SeatChange(DAY_10, ("ann", "ann")),
        SeatChange(DAY_20, remove_seat_ids=("zoe",), remove_unassigned_seats=3),
    )
    assert seats(one) == [("04-01", "ann", 0)]


def test_a_seat_that_goes_and_comes_in_one_change_stays() -> None:
    one = seated(initial("ann", "bob"), SeatChange(DAY_10, ("ann",), ("ann",)))
    assert seats(one)[1] == ("04-10", "bob ann", 0)
    assert history(one) == [("04-01", 2)]


def test_seat_changes_of_one_instant_apply_in_order_of_arrival() -> None:
    one = seated(
        initial("ann"),
        SeatChange(DAY_10, add_unassigned_seats=1),
        SeatChange(DAY_10, ("bob",)),
    )
    assert seats(one) == [("04-01", "ann", 0), ("04-10", "ann bob", 0)]


def test_seats_at_an_instant() -> None:
    one = seated(initial("ann"), SeatChange(DAY_10, ("bob",)))
    before = datetime.fromisoformat("2027-04-09T23:00:00+00:00")
    assert seats_at(one, contract(one), before).total == 1
    assert seats_at(one, contract(one), DAY_10).total == 2
    assert seats_at(one, contract(one), utc(2027, 3, 1)).total == 0


def test_a_quantity_may_become_seats() -> None:
    one = subscription(
        (APRIL, 5),
        seat_group_key="user",
        seat_changes=(
            SeatChange(DAY_10, add_unassigned_seats=5),
            SeatChange(DAY_20, ("ann",), remove_unassigned_seats=2),
        ),
    )
    assert history(one) == [("04-01", 5), ("04-20", 3)]
