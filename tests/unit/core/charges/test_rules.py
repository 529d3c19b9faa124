from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.charges.builders import (
    APRIL,
    ARREARS,
    JUNE,
    MAY,
    changes,
    contract,
    product,
    subscription,
)

from meterline.core.catalogue import Product, ProductType
from meterline.core.charges import (
    product_type_issues,
    professional_service_issues,
    quantity_issues,
    scheduled_charge_issues,
    seat_issues,
    service_invoice_issues,
    subscription_issues,
)
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import DatedAmount, ScheduleItem, ScheduleTerms
from meterline.core.contract.subscription import (
    FiatRounding,
    ProrationRounding,
    QuantityChange,
    SeatChange,
    Subscription,
)
from meterline.core.errors import Issue
from meterline.core.money import USD_CENTS

SEAT = product(40, ProductType.SUBSCRIPTION)
DAY_10 = utc(2027, 4, 10)
OFF = timedelta(minutes=30)


def issues_of(one: Subscription, **terms: Any) -> list[str]:
    return fields(subscription_issues(one, contract(ending_before=JUNE, **terms), SEAT))


def fields(issues: list[Issue]) -> list[str]:
    return [issue.field for issue in issues]


def seated(*seat_changes: SeatChange, **terms: Any) -> Subscription:
    given = {"seat_group_key": "user", "quantity_changes": (), **terms}
    return subscription(seat_changes=seat_changes, **given)


def test_sound_subscriptions_have_no_issues() -> None:
    assert issues_of(subscription()) == []
    assert issues_of(subscription((APRIL, 10), (DAY_10, "-10"))) == []
    assert issues_of(subscription(collection_schedule=ARREARS, ending_before=JUNE)) == []
    assert issues_of(subscription(anchor_date=utc(2027, 1, 31))) == []
    for places in (-5, 5):
        rounding = ProrationRounding(places, FiatRounding.FLOOR)
        assert issues_of(subscription(rounding=rounding)) == []
    assert issues_of(seated(SeatChange(APRIL, ("ann",), add_unassigned_seats=2))) == []


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"starting_at": APRIL + OFF}, "starting_at"),
        ({"starting_at": utc(2027, 3, 31)}, "starting_at"),
        ({"starting_at": JUNE}, "starting_at"),
        ({"ending_before": MAY + OFF}, "ending_before"),
        ({"ending_before": APRIL}, "ending_before"),
        ({"ending_before": utc(2027, 6, 2)}, "ending_before"),
        ({"anchor_date": MAY}, "billing_cycle_config.anchor_date"),
        (
            {"anchor_date": APRIL, "collection_schedule": ARREARS},
            "billing_cycle_config.anchor_date",
        ),
        (
            {"rounding": ProrationRounding(6, FiatRounding.FLOOR)},
            "proration.rounding.decimal_places",
        ),
        (
            {"rounding": ProrationRounding(-6, FiatRounding.FLOOR)},
            "proration.rounding.decimal_places",
        ),
        ({"quantity_changes": ()}, "initial_quantity"),
        ({"quantity_changes": changes((APRIL, -1))}, "initial_quantity"),
        ({"seat_group_key": "user"}, "seat_config"),
        ({"seat_group_key": ""}, "seat_config.seat_group_key"),
    ],
)
def test_each_fault_of_a_subscription_names_its_field(terms: dict[str, Any], field: str) -> None:
    assert issues_of(subscription(**terms)) == [field]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (None, "names no product"),
        (product(40, ProductType.FIXED), "must be a SUBSCRIPTION product, and is FIXED"),
        (product(40, ProductType.SUBSCRIPTION, archived_at=APRIL), "names an archived product"),
    ],
)
def test_what_a_subscription_may_be_to(named: Product | None, message: str) -> None:
    expected = [Issue("subscription_rate.product_id", message)]
    assert subscription_issues(subscription(), contract(), named) == expected
    assert product_type_issues(SEAT, ProductType.SUBSCRIPTION) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (QuantityChange(DAY_10), ""),
        (QuantityChange(DAY_10, Decimal(1), Decimal(1)), ""),
        (QuantityChange(DAY_10, Decimal(-1)), ".quantity"),
        (QuantityChange(DAY_10, quantity_delta=Decimal(0)), ".quantity_delta"),
        (QuantityChange(DAY_10, quantity_delta=Decimal("1e-19")), ".quantity_delta"),
        (QuantityChange(DAY_10, quantity_delta=Decimal(-11)), ".quantity_delta"),
        (QuantityChange(DAY_10 + OFF, Decimal(1)), ".starting_at"),
        (QuantityChange(JUNE, Decimal(1)), ".starting_at"),
        (QuantityChange(utc(2027, 3, 31), Decimal(1)), ".starting_at"),
    ],
)
def test_each_fault_of_a_quantity_names_its_field(change: QuantityChange, field: str) -> None:
    sound = QuantityChange(MAY, quantity_delta=Decimal(1))
    one = subscription()
    updated = replace(one, quantity_changes=(*one.quantity_changes, sound, change))
    found = quantity_issues(updated, contract(ending_before=JUNE), (sound, change))
    assert fields(found) == [f"quantity_updates[1]{field}"]


def test_a_late_change_that_makes_a_later_quantity_negative() -> None:
    one = subscription((APRIL, 10), (MAY, "-8"), (DAY_10, 5))
    late = one.quantity_changes[-1:]
    assert fields(quantity_issues(one, contract(), late)) == ["quantity_updates.quantity_delta"]


def test_quantities_are_for_subscriptions_without_seats_and_seats_for_those_with() -> None:
    update = (QuantityChange(DAY_10, Decimal(1)),)
    one = seated(SeatChange(APRIL, ("ann",)))
    assert fields(quantity_issues(one, contract(), update)) == ["quantity_updates"]
    assert fields(seat_issues(subscription(), contract(), one.seat_changes)) == ["seat_updates"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (SeatChange(DAY_10 + OFF, ("bob",)), "seat_updates.starting_at"),
        (SeatChange(JUNE, ("bob",)), "seat_updates.starting_at"),
        (SeatChange(DAY_10, ("",)), "seat_updates.add_seat_ids"),
        (SeatChange(DAY_10, remove_seat_ids=("",)), "seat_updates.remove_seat_ids"),
        (SeatChange(DAY_10, add_unassigned_seats=-1), "seat_updates.add_unassigned_seats"),
        (SeatChange(DAY_10, remove_unassigned_seats=-1), "seat_updates.remove_unassigned_seats"),
    ],
)
def test_each_fault_of_seats_names_its_field(change: SeatChange, field: str) -> None:
    one = seated(SeatChange(APRIL, ("ann",)))
    assert fields(seat_issues(one, contract(ending_before=JUNE), (change,))) == [field]


def test_scheduled_charges_lie_in_the_life_of_the_contract_its_end_included() -> None:
    of = contract(ending_before=JUNE)
    fixed = product(41, ProductType.FIXED)
    for date, wrong in ((APRIL, False), (JUNE, False), (utc(2027, 3, 31), True)):
        terms = ScheduleTerms(USD_CENTS, (DatedAmount(date, Decimal(1)),))
        assert bool(scheduled_charge_issues(terms, of, fixed)) is wrong
    terms = ScheduleTerms(USD_CENTS, (DatedAmount(APRIL, Decimal(-1)),))
    assert fields(scheduled_charge_issues(terms, of, SEAT)) == [
        "product_id",
        "schedule.schedule_items[0].amount",
    ]
    assert scheduled_charge_issues(terms, of, fixed, is_discount=True) == []


def service(*invoiced: str) -> ProfessionalService:
    return ProfessionalService(
        uid(80),
        uid(43),
        Decimal(1000),
        Decimal(100),
        Decimal(20),
        invoiced=tuple(
            ScheduleItem(uid(90 + number), APRIL, Decimal(amount))
            for number, amount in enumerate(invoiced)
        ),
    )


def test_services() -> None:
    assert professional_service_issues(service(), product(43, ProductType.PRO_SERVICE)) == []
    wrong = replace(service(), max_amount=Decimal(-1), quantity=Decimal("NaN"))
    assert fields(professional_service_issues(wrong, None)) == [
        "product_id",
        "max_amount",
        "quantity",
    ]


def test_a_service_is_invoiced_up_to_its_ceiling() -> None:
    amount = DatedAmount(MAY, Decimal(300))
    priced = DatedAmount(MAY, None, Decimal(100), Decimal(3))
    assert service_invoice_issues(service("400"), (amount, priced), (0, 2)) == []
    (issue,) = service_invoice_issues(service("400.01"), (amount, priced), (0, 2))
    assert issue == Issue("line_items[2]", "must not be more than is left of max_amount: 599.99")
    (issue,) = service_invoice_issues(service(), (amount, DatedAmount(MAY)), (0, 2))
    assert issue.field == "line_items[2].amount"
