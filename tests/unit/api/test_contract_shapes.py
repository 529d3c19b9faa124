"""Parts of contracts on the wire: what the SDK can read, and what temporary ids and forms of coverage come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import pytest
from metronome.types.shared import Commit, Credit
from tests.support.running_api import utc

from meterline.api.contract_shapes import Owner, PartsBody, new_parts
from meterline.api.contract_shapes_context import Making, Showing
from meterline.api.contract_shapes_grants import coverage_fields, grant_reply
from meterline.api.wire import encode
from meterline.core.catalogue import Product, ProductType, ProductVersion
from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.errors import Invalid
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import (
    Grant,
    GrantKind,
    GrantSegment,
    GrantSpecifier,
    RolledOver,
)
from meterline.core.money import USD_CENTS
from meterline.services.contract_parts import NewParts
from meterline.services.grant_views import GrantView

START, END = utc(2026, 1, 1), utc(2027, 1, 1)
FIXED = Product(UUID(int=1), ProductType.FIXED, (ProductVersion("Platform"),))
OWNER = Owner(UUID(int=2), UUID(int=3), START)


def a_grant(kind: GrantKind, **more: Any) -> Grant:
    fields: dict[str, Any] = {
        "id": UUID(int=9),
        "customer_id": OWNER.customer_id,
        "kind": kind,
        "product_id": FIXED.id,
        "credit_type": USD_CENTS,
        "segments": (GrantSegment(UUID(int=10), Decimal(300), START, END),),
        "created_at": START,
    }
    return Grant(**{**fields, **more})


def an_entry(kind: EntryType) -> LedgerEntry:
    """An entry as the books make it."""
    by_hand = kind is EntryType.MANUAL
    of_invoice = kind in (
        EntryType.AUTOMATED_INVOICE_DEDUCTION,
        EntryType.CREDITED,
        EntryType.CANCELED,
        EntryType.TRUEUP,
    )
    return LedgerEntry(
        id=UUID(int=20),
        grant_id=UUID(int=9),
        type=kind,
        amount=Decimal("-1.5"),
        timestamp=START,
        segment_id=UUID(int=10),
        invoice_id=UUID(int=30) if of_invoice else None,
        contract_id=OWNER.contract_id if of_invoice else None,
        new_contract_id=UUID(int=40) if kind is EntryType.ROLLOVER else None,
        reason="by hand" if by_hand else None,
    )


OF_KIND = {
    GrantKind.PREPAID: set(EntryType) - {EntryType.INITIAL_BALANCE, EntryType.TRUEUP},
    GrantKind.POSTPAID: set(EntryType) - {EntryType.SEAT_BASED_ADJUSTMENT},
    GrantKind.CREDIT: set(EntryType) - {EntryType.INITIAL_BALANCE, EntryType.TRUEUP},
}


@pytest.mark.parametrize(
    ("kind", "entry"),
    [(kind, entry) for kind, entries in OF_KIND.items() for entry in sorted(entries)],
)
def test_the_sdk_reads_every_ledger_entry_there_is(kind: GrantKind, entry: EntryType) -> None:
    view = GrantView(a_grant(kind), ledger=[an_entry(entry)])
    reply = json.loads(encode(grant_reply(view, Showing({FIXED.id: FIXED}, START))))
    model = Credit if kind is GrantKind.CREDIT else Commit
    (read,) = model.model_validate(reply).ledger or []
    prefix = "CREDIT" if kind is GrantKind.CREDIT else f"{kind}_COMMIT"
    assert read.type.startswith(prefix)
    assert read.amount == -1.5
    again = type(read).model_validate(reply["ledger"][0])
    assert again.type == read.type


def test_what_a_grant_costs_and_where_it_comes_from() -> None:
    paid = InvoiceSchedule(USD_CENTS, (ScheduleItem(UUID(int=50), START, Decimal(100)),))
    origin = RolledOver(UUID(int=60), UUID(int=61), GrantKind.PREPAID)
    grant = a_grant(GrantKind.PREPAID, invoice=paid, rolled_over_from=origin)
    reply = grant_reply(GrantView(grant), Showing({FIXED.id: FIXED}, START))
    assert reply.cost_basis == Decimal("0.333333333333333333")
    assert reply.rolled_over_from is not None
    assert (reply.rolled_over_from.commit_id, reply.rolled_over_from.contract_id) == (
        origin.grant_id,
        origin.contract_id,
    )
    free = grant_reply(GrantView(a_grant(GrantKind.PREPAID)), Showing({FIXED.id: FIXED}, START))
    assert free.cost_basis is None


PRODUCT, OTHER = UUID(int=70), UUID(int=71)


@pytest.mark.parametrize(
    ("covered", "shown"),
    [
        ((), {"applicable_product_ids": None, "applicable_product_tags": None}),
        (
            (GrantSpecifier(PRODUCT), GrantSpecifier(OTHER), GrantSpecifier(None, ("a", "b"))),
            {"applicable_product_ids": [PRODUCT, OTHER], "applicable_product_tags": ["a", "b"]},
        ),
    ],
)
def test_coverage_by_products_and_tags(
    covered: tuple[GrantSpecifier, ...], shown: dict[str, Any]
) -> None:
    assert coverage_fields(covered) == shown


def test_coverage_by_specifiers() -> None:
    mixed = (GrantSpecifier(PRODUCT, ("a",)),)
    (specifier,) = coverage_fields(mixed)["specifiers"]
    assert (specifier.product_id, specifier.product_tags) == (PRODUCT, ["a"])
    (specifier,) = coverage_fields((GrantSpecifier(PRODUCT),), as_specifiers=True)["specifiers"]
    assert specifier.product_id == PRODUCT


@pytest.fixture
def made() -> Callable[..., NewParts]:
    def make(**body: Any) -> NewParts:
        numbers = count(100)
        making = Making(lambda: UUID(int=next(numbers)), START, {}, {FIXED.id: FIXED})
        return new_parts("", msgspec.convert(body, PartsBody), making, OWNER)

    return make


def a_commit(**more: Any) -> dict[str, Any]:
    return {
        "product_id": str(FIXED.id),
        "type": "PREPAID",
        "access_schedule": {
            "schedule_items": [{"amount": Decimal(1), "starting_at": START, "ending_before": END}]
        },
        **more,
    }


def an_override(**specifier: Any) -> dict[str, Any]:
    return {"starting_at": START, "multiplier": Decimal(1), "override_specifiers": [specifier]}


def test_temporary_ids_name_parts_of_the_same_request(made: Callable[..., NewParts]) -> None:
    parts = made(
        commits=[a_commit(), a_commit(temporary_id="second")],
        overrides=[an_override(commit_ids=["second"]), an_override(commit_ids=[str(PRODUCT)])],
    )
    first, second = parts.overrides
    assert first.value.specifiers[0].grant_ids == (parts.grants[1].value.id,)
    assert first.value.is_commit_specific
    assert second.value.specifiers[0].grant_ids == (PRODUCT,)
    assert [part.shown["position"] for part in parts.grants] == [0, 1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {"overrides": [an_override(commit_ids=["nobody"])]},
            "overrides[0].override_specifiers[0]",
        ),
        ({"commits": [a_commit(temporary_id="")]}, "commits[0].temporary_id"),
        (
            {"commits": [a_commit(temporary_id="a"), a_commit(temporary_id="a")]},
            "commits[1].temporary_id",
        ),
        ({"commits": [a_commit(product_id=str(OTHER))]}, "commits[0].product_id"),
        ({"commits": [a_commit(amount=Decimal(1))]}, "commits[0].amount"),
        ({"commits": [a_commit(type="CREDIT")]}, "commits[0].type"),
        (
            {
                "commits": [
                    a_commit(applicable_product_tags=["a"], specifiers=[{"product_tags": ["b"]}])
                ]
            },
            "commits[0].specifiers",
        ),
        (
            {
                "overrides": [
                    {"starting_at": START, "multiplier": Decimal(1), "tiers": [{"multiplier": 1}]}
                ]
            },
            "overrides[0].type",
        ),
    ],
)
def test_what_cannot_be_made_names_the_field(
    made: Callable[..., NewParts], body: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        made(**body)
    assert caught.value.field.startswith(field)
