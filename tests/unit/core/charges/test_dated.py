from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.unit.core.builders import uid, utc
from tests.unit.core.charges.builders import APRIL, JUNE, MAY, contract

from meterline.core.charges import (
    DatedKind,
    commit_purchases,
    dated_charges,
    scheduled_charges_at,
)
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.schedule import InvoiceSchedule, ScheduledCharge, ScheduleItem
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.money import FIAT, USD_CENTS
from meterline.core.period import Period

EUR = next(one for one in FIAT if one.name == "EUR")
JULY = utc(2027, 7, 1)


def items(*dated: tuple[Any, str]) -> tuple[ScheduleItem, ...]:
    return tuple(
        ScheduleItem(uid(1000 + number), date, Decimal(amount))
        for number, (date, amount) in enumerate(dated)
    )


def charge(number: int, *dated: tuple[Any, str], **fields: Any) -> ScheduledCharge:
    unit = fields.pop("unit", USD_CENTS)
    silent = fields.pop("do_not_invoice", False)
    schedule = InvoiceSchedule(unit, items(*dated), silent)
    return ScheduledCharge(uid(number), uid(41), schedule, **fields)


def grant(kind: GrantKind = GrantKind.PREPAID, **fields: Any) -> Grant:
    given: dict[str, Any] = {
        "invoice": InvoiceSchedule(USD_CENTS, items((APRIL, "9000"), (MAY, "1000"))),
        **fields,
    }
    segment = GrantSegment(uid(71), Decimal(10_000), APRIL, JULY)
    return Grant(uid(70), uid(300), kind, uid(42), USD_CENTS, (segment,), APRIL, **given)


def test_charges_come_by_date_and_their_order() -> None:
    of = contract(
        scheduled_charges=(
            charge(60, (MAY, "500"), (APRIL, "200"), name="Set-up"),
            charge(61, (APRIL, "50"), is_discount=True),
        )
    )
    charges = dated_charges(of, APRIL, MAY)
    assert [(one.due, one.kind, one.amount, one.source_id) for one in charges] == [
        (APRIL, DatedKind.SCHEDULED_CHARGE, 200, uid(60)),
        (APRIL, DatedKind.DISCOUNT, -50, uid(61)),
        (MAY, DatedKind.SCHEDULED_CHARGE, 500, uid(60)),
    ]
    assert {(one.contract_id, one.statement) for one in charges} == {(of.id, None)}
    assert charges[0].name == "Set-up"
    assert charges[0].id == uid(1001)


def test_a_discount_takes_off_whichever_sign_it_has() -> None:
    priced = ScheduleItem(uid(1), APRIL, Decimal(-30), Decimal(-10), Decimal(3))
    schedule = InvoiceSchedule(USD_CENTS, (priced,))
    of = contract(
        scheduled_charges=(
            ScheduledCharge(uid(60), uid(41), schedule, is_discount=True),
            charge(61, (APRIL, "-7"), is_discount=True),
        )
    )
    found = [(one.quantity, one.unit_price, one.amount) for one in dated_charges(of, APRIL, APRIL)]
    assert found == [(3, -10, -30), (1, -7, -7)]


def test_prices_and_quantities_are_kept() -> None:
    priced = ScheduleItem(uid(1), APRIL, Decimal("7.5"), Decimal("2.5"), Decimal(3))
    of = contract(
        scheduled_charges=(
            ScheduledCharge(uid(60), uid(41), InvoiceSchedule(USD_CENTS, (priced,))),
        )
    )
    (one,) = dated_charges(of, APRIL, APRIL)
    assert (one.quantity, one.unit_price, one.amount) == (3, Decimal("2.5"), Decimal("7.5"))


def test_what_is_archived_or_not_to_be_invoiced_charges_nothing() -> None:
    of = contract(
        scheduled_charges=(
            charge(60, (APRIL, "1"), do_not_invoice=True),
            charge(61, (APRIL, "1"), archived_at=APRIL),
        )
    )
    assert dated_charges(of, APRIL, JULY) == []


def test_charges_join_the_usage_invoice_that_ends_at_their_date() -> None:
    of = contract(
        charges_on_usage_invoices=True,
        scheduled_charges=(charge(60, (APRIL, "1"), (MAY, "2"), (utc(2027, 5, 10), "3")),),
        ending_before=JUNE,
    )
    assert [one.statement for one in dated_charges(of, APRIL, JULY)] == [
        None,
        Period(APRIL, MAY),
        None,
    ]


def test_commits_are_bought_by_their_invoice_schedule() -> None:
    bought = commit_purchases(grant(name="Yearly"), contract(), APRIL, JULY)
    assert [(one.due, one.amount, one.kind, one.name) for one in bought] == [
        (APRIL, 9000, DatedKind.COMMIT_PURCHASE, "Yearly"),
        (MAY, 1000, DatedKind.COMMIT_PURCHASE, "Yearly"),
    ]
    joining = commit_purchases(grant(), contract(charges_on_usage_invoices=True), MAY, MAY)
    assert [one.statement for one in joining] == [Period(APRIL, MAY)]
    (own, _) = commit_purchases(grant(), None, APRIL, JULY)
    assert (own.contract_id, own.statement) == (None, None)


def test_what_is_no_purchase() -> None:
    for one in (
        grant(GrantKind.POSTPAID),
        grant(GrantKind.CREDIT),
        grant(invoice=None),
        grant(archived_at=APRIL),
    ):
        assert commit_purchases(one, contract(), APRIL, JULY) == []


def test_services_are_charged_as_they_were_invoiced() -> None:
    service = ProfessionalService(
        uid(80),
        uid(43),
        Decimal(100_000),
        Decimal(15_000),
        Decimal(4),
        invoiced=(ScheduleItem(uid(81), MAY, Decimal(30_000), Decimal(15_000), Decimal(2)),),
    )
    of = contract(professional_services=(service,), charges_on_usage_invoices=True)
    (one,) = dated_charges(of, APRIL, JULY)
    assert (one.kind, one.source_id, one.quantity, one.amount, one.statement) == (
        DatedKind.PROFESSIONAL_SERVICE,
        uid(80),
        2,
        30_000,
        None,
    )


def test_a_scheduled_invoice_has_one_date_and_one_unit() -> None:
    of = contract(
        charges_on_usage_invoices=True,
        scheduled_charges=(
            charge(60, (APRIL, "1"), (MAY, "2")),
            charge(61, (APRIL, "3"), unit=EUR),
            charge(62, (APRIL, "4")),
        ),
    )
    charges = dated_charges(of, APRIL, JULY)
    assert [one.amount for one in scheduled_charges_at(charges, APRIL, USD_CENTS)] == [1, 4]
    assert [one.amount for one in scheduled_charges_at(charges, APRIL, EUR)] == [3]
    # That of May joins April's usage invoice.
    assert scheduled_charges_at(charges, MAY, USD_CENTS) == []


def test_a_grant_without_name_leaves_the_line_to_its_product() -> None:
    assert commit_purchases(replace(grant(), name=None), None, APRIL, APRIL)[0].name is None
