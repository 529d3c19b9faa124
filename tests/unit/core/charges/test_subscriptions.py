"""April 2027 has thirty days; a seat costs 3,000 cents a month unless told otherwise."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.builders import flat, tiered, utc
from tests.unit.core.charges.builders import (
    APRIL,
    ARREARS,
    JUNE,
    MAY,
    contract,
    price,
    subscription,
    summary,
)

from meterline.core.charges import (
    SubscriptionCharge,
    charges_on_statement,
    extension_issues,
    fixed_ends,
    subscription_charges,
    unbilled,
)
from meterline.core.contract import Contract
from meterline.core.contract.subscription import (
    FiatRounding,
    InvoiceBehavior,
    InvoicePlacement,
    ProrationRounding,
    SeatChange,
)
from meterline.core.period import ANNUAL, WEEKLY, Period

LIST = price((utc(2020, 1, 1), "3000"))
DAY_10, DAY_16, DAY_21 = utc(2027, 4, 10), utc(2027, 4, 16), utc(2027, 4, 21)
NEXT = InvoiceBehavior.BILL_ON_NEXT_COLLECTION_DATE
ON_SCHEDULED = InvoicePlacement.ON_SCHEDULED_INVOICE
TO_JULY = (APRIL, utc(2027, 7, 1))


def until_july(of: Contract, price_at: Any = LIST) -> list[SubscriptionCharge]:
    return subscription_charges(of, price_at, *TO_JULY)


def test_cycles_in_advance() -> None:
    """The first on an invoice of its own, the others on the usage invoice that ends as they start."""
    charges = until_july(contract(subscription()))
    assert summary(charges) == [
        ("04-01", 10, 30_000),
        ("05-01", 10, 30_000),
        ("06-01", 10, 30_000),
        ("07-01", 10, 30_000),
    ]
    assert [charge.statement for charge in charges] == [
        None,
        Period(APRIL, MAY),
        Period(MAY, JUNE),
        Period(JUNE, utc(2027, 7, 1)),
    ]
    assert charges[1].service_period == Period(MAY, JUNE)
    assert not any(charge.is_prorated for charge in charges)


def test_cycles_in_arrears() -> None:
    charges = until_july(contract(subscription(collection_schedule=ARREARS)))
    assert summary(charges) == [
        ("05-01", 10, 30_000),
        ("06-01", 10, 30_000),
        ("07-01", 10, 30_000),
    ]
    assert charges[0].statement == charges[0].service_period == Period(APRIL, MAY)


def test_a_subscription_that_starts_as_a_statement_ends_still_begins_with_its_own_invoice() -> None:
    one = subscription(starting_at=MAY)
    charges = until_july(contract(one))
    assert [charge.statement for charge in charges][:2] == [None, Period(MAY, JUNE)]


def test_on_invoices_of_their_own() -> None:
    one = subscription(invoice_placement=ON_SCHEDULED)
    charges = until_july(contract(one))
    assert {charge.statement for charge in charges} == {None}
    in_arrears = replace(one, collection_schedule=ARREARS)
    assert {charge.statement for charge in until_july(contract(in_arrears))} == {None}


def test_weeks_within_a_month_have_invoices_of_their_own_in_advance() -> None:
    one = subscription(billing_frequency=WEEKLY, starting_at=APRIL)
    charges = subscription_charges(contract(one), LIST, APRIL, MAY)
    assert [f"{charge.due:%m-%d}" for charge in charges] == [
        "04-01",
        "04-08",
        "04-15",
        "04-22",
        "04-29",
    ]
    assert {charge.statement for charge in charges} == {None}


def test_weeks_in_arrears_are_on_the_month_they_end_in() -> None:
    one = subscription(billing_frequency=WEEKLY, collection_schedule=ARREARS)
    of = contract(one)
    on_april = charges_on_statement(of, LIST, Period(APRIL, MAY))
    on_may = charges_on_statement(of, LIST, Period(MAY, JUNE))
    assert [f"{charge.due:%m-%d}" for charge in on_april] == ["04-08", "04-15", "04-22", "04-29"]
    assert [f"{charge.due:%m-%d}" for charge in on_may] == ["05-06", "05-13", "05-20", "05-27"]


def test_a_year_in_advance_is_charged_once() -> None:
    of = contract(subscription(billing_frequency=ANNUAL))
    charges = subscription_charges(of, LIST, APRIL, utc(2028, 3, 31))
    assert summary(charges) == [("04-01", 10, 30_000)]


def test_a_stub_at_the_start_is_prorated() -> None:
    of = contract(subscription(starting_at=DAY_16), starting_at=DAY_16)
    charges = until_july(of)
    assert summary(charges)[:2] == [("04-16", 10, 15_000), ("05-01", 10, 30_000)]
    assert [charge.is_prorated for charge in charges][:2] == [True, False]


def test_a_stub_at_the_end_is_prorated() -> None:
    one = subscription(ending_before=DAY_16)
    assert summary(until_july(contract(one))) == [("04-01", 10, 15_000)]
    in_arrears = contract(subscription(collection_schedule=ARREARS), ending_before=DAY_16)
    charges = until_july(in_arrears)
    assert summary(charges) == [("04-16", 10, 15_000)]
    assert charges[0].statement == Period(APRIL, DAY_16)


def test_stubs_cost_all_of_it_unless_prorated() -> None:
    one = subscription(starting_at=DAY_16, ending_before=DAY_21, is_prorated=False)
    assert summary(until_july(contract(one))) == [("04-16", 10, 30_000)]


def test_an_increase_is_charged_at_once_for_the_rest_of_the_cycle() -> None:
    one = subscription((APRIL, 10), (DAY_16, "+2"))
    charges = until_july(contract(one))
    assert summary(charges)[:3] == [
        ("04-01", 10, 30_000),
        ("04-16", 2, 3000),
        ("05-01", 12, 36_000),
    ]
    assert charges[1].statement is None
    assert charges[1].service_period == Period(DAY_16, MAY)


def test_an_increase_is_charged_on_the_next_collection_date() -> None:
    one = subscription((APRIL, 10), (DAY_16, 12), invoice_behavior=NEXT)
    charges = until_july(contract(one))
    assert summary(charges)[:3] == [
        ("04-01", 10, 30_000),
        ("05-01", 2, 3000),
        ("05-01", 12, 36_000),
    ]
    assert [charge.statement for charge in charges][1:3] == [Period(APRIL, MAY)] * 2


def test_an_increase_in_the_last_cycle_is_collected_as_it_ends() -> None:
    one = subscription((APRIL, 10), (DAY_16, 12), invoice_behavior=NEXT, ending_before=DAY_21)
    charges = until_july(contract(one))
    assert summary(charges)[1] == ("04-21", 2, 1000)
    assert charges[1].statement is None


def test_increases_in_arrears_are_collected_with_the_cycle() -> None:
    one = subscription((APRIL, 4), (DAY_16, 6), collection_schedule=ARREARS)
    on_april = charges_on_statement(contract(one), LIST, Period(APRIL, MAY))
    assert summary(on_april) == [("05-01", 4, 12_000), ("05-01", 2, 3000)]


def test_an_increase_that_is_not_prorated_costs_a_whole_cycle() -> None:
    one = subscription((APRIL, 10), (DAY_16, 12), is_prorated=False)
    assert summary(until_july(contract(one)))[1] == ("04-16", 2, 6000)


def test_a_decrease_acts_with_the_next_cycle() -> None:
    one = subscription((APRIL, 10), (DAY_16, 6))
    assert summary(until_july(contract(one)))[:2] == [("04-01", 10, 30_000), ("05-01", 6, 18_000)]
    in_arrears = replace(one, collection_schedule=ARREARS)
    assert summary(until_july(contract(in_arrears)))[:2] == [
        ("05-01", 10, 30_000),
        ("06-01", 6, 18_000),
    ]


def test_what_goes_and_comes_back_within_a_cycle_is_paid_once() -> None:
    """10, 7 from the 10th, 9 from the 16th, 12 from the 21st: only the two above ten cost more."""
    one = subscription((APRIL, 10), (DAY_10, 7), (DAY_16, 9), (DAY_21, 12))
    assert summary(until_july(contract(one)))[:3] == [
        ("04-01", 10, 30_000),
        ("04-21", 2, 2000),
        ("05-01", 12, 36_000),
    ]


def test_a_change_at_the_start_of_a_cycle_is_the_cycles_own() -> None:
    one = subscription((APRIL, 10), (MAY, 12))
    assert summary(until_july(contract(one)))[:2] == [("04-01", 10, 30_000), ("05-01", 12, 36_000)]


def test_changes_of_one_instant_are_charged_by_their_sum() -> None:
    one = subscription((APRIL, 10), (DAY_16, "+5"), (DAY_16, "-5"))
    assert [charge.quantity for charge in until_july(contract(one))] == [10] * 4


def test_no_seats_no_charge_until_some_come() -> None:
    one = subscription((APRIL, 0), (DAY_16, 2))
    assert summary(until_july(contract(one)))[:2] == [("04-16", 2, 3000), ("05-01", 2, 6000)]


def test_one_price_a_cycle() -> None:
    """4,000 from the 16th: April and a seat that comes on the 21st stay at 3,000."""
    dearer = price((utc(2020, 1, 1), "3000"), (DAY_16, "4000"))
    one = subscription((APRIL, 1), (DAY_21, 2))
    assert summary(until_july(contract(one), dearer))[:3] == [
        ("04-01", 1, 3000),
        ("04-21", 1, 1000),
        ("05-01", 2, 8000),
    ]


def test_a_trial_is_a_price_of_zero() -> None:
    trial = price((APRIL, "0"), (MAY, "3000"))
    assert summary(until_july(contract(subscription()), trial))[:2] == [
        ("04-01", 10, 0),
        ("05-01", 10, 30_000),
    ]


def test_what_is_not_sold_is_not_charged() -> None:
    from_may = price((MAY, "3000"))
    assert summary(until_july(contract(subscription()), from_may))[0] == ("05-01", 10, 30_000)


def test_rounding_acts_on_the_prorated_unit_price() -> None:
    """1,099 x 10/30 = 366.33..: up to whole dollars 400 a seat; a whole month is not rounded."""
    one = subscription(
        (APRIL, 1), (DAY_21, 4), rounding=ProrationRounding(-2, FiatRounding.CEILING)
    )
    charges = until_july(contract(one), price((APRIL, "1099")))
    assert summary(charges)[:3] == [("04-01", 1, 1099), ("04-21", 3, 1200), ("05-01", 4, 4396)]


def test_tiers_run_on_through_increases() -> None:
    """Ten seats at 30 dollars, further ones at 20: of five more than 8, two cost 15 and three 10 for half a month."""
    terms = price((APRIL, tiered(("3000", "10"), ("2000", None))))
    one = subscription((APRIL, 8), (DAY_16, 13))
    charges = until_july(contract(one), terms)
    assert [(piece.quantity, piece.amount) for piece in charges[1].pieces] == [(2, 3000), (3, 3000)]
    assert summary(charges)[2] == ("05-01", 13, 36_000)


def test_seats_are_counted() -> None:
    one = subscription(
        seat_group_key="user",
        quantity_changes=(),
        seat_changes=(
            SeatChange(APRIL, ("ann", "bob"), add_unassigned_seats=1),
            SeatChange(DAY_16, ("cem", "dot")),
            SeatChange(DAY_21, remove_seat_ids=("ann", "bob")),
        ),
    )
    assert summary(until_july(contract(one)))[:3] == [
        ("04-01", 3, 9000),
        ("04-16", 1, 1500),
        ("05-01", 2, 6000),
    ]


def test_two_subscriptions_come_in_the_order_of_the_contract() -> None:
    first, second = subscription(), replace(subscription((APRIL, 3)), id=subscription().product_id)
    charges = subscription_charges(contract(first, second), LIST, APRIL, MAY)
    assert [(charge.due, charge.quantity) for charge in charges] == [
        (APRIL, 10),
        (APRIL, 3),
        (MAY, 10),
        (MAY, 3),
    ]


def test_a_window_of_dates_has_what_is_due_in_it_both_ends_included() -> None:
    of = contract(subscription((APRIL, 10), (DAY_16, 12)))
    assert summary(subscription_charges(of, LIST, MAY, MAY)) == [("05-01", 12, 36_000)]
    assert summary(subscription_charges(of, LIST, DAY_10, DAY_21)) == [("04-16", 2, 3000)]
    in_arrears = contract(subscription(collection_schedule=ARREARS))
    assert summary(subscription_charges(in_arrears, LIST, MAY, MAY)) == [("05-01", 10, 30_000)]


def test_invoicing_that_begins_later() -> None:
    of = contract(subscription((APRIL, 10), (DAY_16, 12)), invoices_from=MAY)
    charges = until_july(of)
    assert summary(charges)[0] == ("05-01", 12, 36_000)
    assert charges[0].statement is None
    in_arrears = contract(subscription(collection_schedule=ARREARS), invoices_from=MAY)
    assert summary(until_july(in_arrears))[0] == ("06-01", 10, 30_000)


def test_a_charge_has_one_id_whenever_it_is_computed() -> None:
    of = contract(subscription((APRIL, 10), (DAY_16, 12)))
    charges = until_july(of)
    assert len({charge.id for charge in charges}) == len(charges)
    ending = replace(of, ending_before=JUNE)
    assert [charge.id for charge in until_july(ending)] == [charge.id for charge in charges][:3]


def test_seats_that_come_late_to_a_billed_charge_are_charged_beside_it() -> None:
    """Two were billed for the 16th; then two more came for the same hour: those are still to be billed."""
    two = contract(subscription((APRIL, 10), (DAY_16, "+2")))
    billed = {charge.id: charge.quantity for charge in until_july(two)[:2]}
    assert summary(unbilled(until_july(two)[:2], billed)) == []
    four = contract(subscription((APRIL, 10), (DAY_16, "+2"), (DAY_16, "+2")))
    late = unbilled(until_july(four)[:2], billed)
    assert summary(late) == [("04-16", 2, 3000)]
    assert (late[0].before, late[0].after) == (12, 14)


def test_what_is_billed_is_never_taken_back() -> None:
    ten = contract(subscription())
    billed = {charge.id: charge.quantity for charge in until_july(ten)}
    assert unbilled(until_july(contract(subscription((APRIL, 4)))), billed) == []


JULY = utc(2027, 7, 1)


def test_an_end_put_off_leaves_a_billed_last_cycle_where_it_ended() -> None:
    until_june = contract(subscription(), ending_before=JUNE)
    may = until_july(until_june)[1]
    for later in (JULY, None):
        (kept,) = fixed_ends(until_june, later, {may.id})
        assert kept.ending_before == JUNE
        assert fixed_ends(until_june, later, ()) == until_june.subscriptions
    assert fixed_ends(until_june, MAY, {may.id}) == until_june.subscriptions
    assert fixed_ends(contract(subscription()), None, {may.id}) == (subscription(),)


@pytest.mark.parametrize("terms", [{"collection_schedule": ARREARS}, {"ending_before": MAY}])
def test_an_end_put_off_does_not_touch_others(terms: dict[str, Any]) -> None:
    of = contract(subscription(**terms), ending_before=JUNE)
    billed = {charge.id for charge in until_july(of)}
    assert fixed_ends(of, JULY, billed) == of.subscriptions


def test_a_subscription_billed_for_a_part_of_its_last_cycle_cannot_go_on() -> None:
    """Billed until the 16th of April: what came after would never be."""
    one = subscription(ending_before=DAY_16)
    of = contract(one)
    billed = {charge.id for charge in until_july(of)}
    for later in (DAY_21, None):
        assert [issue.field for issue in extension_issues(one, of, later, billed)] == [
            "ending_before"
        ]
        assert extension_issues(one, of, later, ()) == []
    assert extension_issues(one, of, DAY_10, billed) == []
    whole = subscription(ending_before=MAY)
    charged = {charge.id for charge in until_july(contract(whole))}
    assert extension_issues(whole, contract(whole), JUNE, charged) == []
    assert extension_issues(subscription(), contract(), None, billed) == []


def test_an_unentitled_rate_charges_nothing() -> None:
    listed = LIST

    def price_at(*where: Any) -> Any:
        found = listed(*where)
        assert found is not None
        return replace(found, entitled=False, terms=flat("3000"))

    assert until_july(contract(subscription()), price_at) == []
