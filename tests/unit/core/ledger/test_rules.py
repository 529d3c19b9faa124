"""What is wrong with grants, field by field."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.ledger.grants import CONTRACT, YEAR, grant, paid, segment
from tests.unit.core.ledger.test_recurrence import recurring

from meterline.core.contract.recurring import (
    RecurrenceFrequency,
    RecurringAmount,
    SeatAllocation,
)
from meterline.core.contract.subscription import (
    CollectionSchedule,
    FiatRounding,
    ProrationRounding,
    QuantityChange,
    Subscription,
)
from meterline.core.ledger.grant import Grant, GrantKind, GrantSpecifier
from meterline.core.ledger.rules import (
    grant_issues,
    recurring_issues,
    restriction_issues,
)
from meterline.core.money import FIAT, USD_CENTS
from meterline.core.period import Frequency

ITEMS = "access_schedule.schedule_items"
TRUE_UP = "invoice_schedule.schedule_items"


def fields_of(one: Grant, contract: Any = CONTRACT) -> list[str]:
    """The fields that are found fault with."""
    return [issue.field for issue in grant_issues(one, contract)]


@pytest.mark.parametrize(
    "sound",
    [
        grant(1),
        grant(1, "0"),
        grant(1, kind=GrantKind.PREPAID, invoice=paid("700")),
        grant(1, kind=GrantKind.POSTPAID, invoice=paid("1000")),
        grant(1, rollover_fraction=Decimal(1), priority=Decimal(-3)),
        grant(1, specifiers=(GrantSpecifier(product_id=uid(1)),)),
        grant(
            1,
            segments=[
                segment(2, "1", utc(2026, 6, 1), YEAR[1]),
                segment(1, "1", YEAR[0], utc(2026, 6, 1)),
            ],
        ),
    ],
)
def test_sound_grants(sound: Grant):
    assert grant_issues(sound, CONTRACT) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (replace(grant(1), segments=()), ITEMS),
        (grant(1, "-1"), f"{ITEMS}[0].amount"),
        (grant(1, "1" + "0" * 20), f"{ITEMS}[0].amount"),
        (
            grant(1, segments=[segment(1, "1", YEAR[0].replace(minute=1), YEAR[1])]),
            f"{ITEMS}[0].starting_at",
        ),
        (
            grant(1, segments=[segment(1, "1", YEAR[0], YEAR[0].replace(second=1))]),
            f"{ITEMS}[0].ending_before",
        ),
        (grant(1, segments=[segment(1, "1", YEAR[0], YEAR[0])]), f"{ITEMS}[0].ending_before"),
        (
            grant(1, segments=[segment(1, "1"), segment(2, "1", utc(2026, 12, 31), YEAR[1])]),
            f"{ITEMS}[1].starting_at",
        ),
        (
            grant(1, segments=[segment(1, "1", utc(2025, 12, 31), YEAR[1])]),
            f"{ITEMS}[0].starting_at",
        ),
        (
            grant(1, segments=[segment(1, "1", YEAR[0], utc(2027, 1, 1, 1))]),
            f"{ITEMS}[0].ending_before",
        ),
        (grant(1, invoice=paid("1")), "invoice_schedule"),
        (grant(1, rollover_fraction=Decimal("1.01")), "rollover_fraction"),
        (grant(1, rollover_fraction=Decimal("-0.01")), "rollover_fraction"),
        (grant(1, priority=Decimal("NaN")), "priority"),
        (grant(1, specifiers=(GrantSpecifier(),)), "specifiers[0]"),
        (grant(1, kind=GrantKind.POSTPAID), TRUE_UP),
        (
            grant(1, kind=GrantKind.POSTPAID, invoice=replace(paid("1"), items=())),
            TRUE_UP,
        ),
        (
            grant(1, kind=GrantKind.POSTPAID, invoice=paid("999")),
            f"{TRUE_UP}[0].amount",
        ),
        (
            grant(
                1,
                kind=GrantKind.POSTPAID,
                invoice=paid("1000"),
                segments=[
                    segment(1, "1000", YEAR[0], utc(2026, 6, 1)),
                    segment(2, "1000", utc(2026, 6, 1), YEAR[1]),
                ],
            ),
            ITEMS,
        ),
        (
            grant(
                1,
                kind=GrantKind.POSTPAID,
                invoice=replace(paid("1000"), credit_type=FIAT[0]),
            ),
            "invoice_schedule.credit_type_id",
        ),
    ],
)
def test_wrong_grants(wrong: Grant, field: str):
    assert fields_of(wrong) == [field]


def test_a_customers_own_grant_needs_a_contract_for_its_invoice():
    own = grant(1, kind=GrantKind.PREPAID, contract_id=None, invoice=paid("700"))
    assert fields_of(own, None) == ["invoice_contract_id"]
    assert fields_of(replace(own, invoice_contract_id=CONTRACT.id), None) == []


def test_only_one_form_of_restriction():
    assert restriction_issues(names_products=True, has_specifiers=False) == []
    (issue,) = restriction_issues(names_products=True, has_specifiers=True)
    assert issue.field == "specifiers"


SEATS = Subscription(
    uid(50),
    uid(51),
    Frequency.MONTHLY,
    CollectionSchedule.ADVANCE,
    YEAR[0],
    None,
    (QuantityChange(YEAR[0], Decimal(3)),),
)
WITH_SEATS = replace(CONTRACT, subscriptions=(SEATS,))
UNIT = RecurringAmount(USD_CENTS, Decimal(10))
DAILY = RecurrenceFrequency.DAILY


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"starting_at": utc(2025, 12, 31)}, "starting_at"),
        ({"starting_at": YEAR[1]}, "starting_at"),
        ({"starting_at": YEAR[0].replace(minute=30)}, "starting_at"),
        ({"ending_before": YEAR[0]}, "ending_before"),
        ({"ending_before": YEAR[1].replace(second=1)}, "ending_before"),
        ({"kind": GrantKind.POSTPAID}, "type"),
        ({"duration_periods": 0}, "commit_duration.value"),
        ({"access": UNIT}, "access_amount.quantity"),
        ({"access": replace(UNIT, quantity=Decimal(-1))}, "access_amount.quantity"),
        (
            {"access": RecurringAmount(USD_CENTS, Decimal(-1), Decimal(1))},
            "access_amount.unit_price",
        ),
        ({"invoice": replace(UNIT, quantity=Decimal(1))}, "invoice_amount"),
        (
            {"access_rounding": ProrationRounding(6, FiatRounding.FLOOR)},
            "proration_rounding.access.decimal_places",
        ),
        (
            {"invoice_rounding": ProrationRounding(-6, FiatRounding.FLOOR)},
            "proration_rounding.invoice.decimal_places",
        ),
        ({"rollover_fraction": Decimal(2)}, "rollover_fraction"),
        ({"specifiers": (GrantSpecifier(),)}, "specifiers[0]"),
        ({"subscription_id": uid(50), "access": UNIT}, None),
        ({"subscription_id": uid(59)}, "subscription_config.subscription_id"),
        (
            {"subscription_id": uid(50), "allocation": SeatAllocation.INDIVIDUAL},
            "subscription_config.allocation",
        ),
        ({"frequency": DAILY}, None),
        ({"frequency": DAILY, "subscription_id": uid(50)}, "recurrence_frequency"),
    ],
)
def test_recurring_grants(changes: dict[str, Any], field: str | None):
    issues = recurring_issues(replace(recurring(YEAR[0]), **changes), WITH_SEATS)
    assert [issue.field for issue in issues] == ([] if field is None else [field])


def test_one_daily_grant_a_contract():
    first = recurring(YEAR[0], frequency=DAILY)
    second = replace(first, id=uid(41))
    having = replace(CONTRACT, recurring_grants=(first, second))
    assert [issue.field for issue in recurring_issues(second, having)] == ["recurrence_frequency"]
    archived = replace(CONTRACT, recurring_grants=(replace(first, archived_at=YEAR[0]), second))
    assert recurring_issues(second, archived) == []
