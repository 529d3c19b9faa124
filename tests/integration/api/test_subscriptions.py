"""Subscriptions and professional services through the unmodified SDK. Dates are in the past, so all of it is due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Unique

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


def day(month: int, of_month: int = 1) -> datetime:
    return datetime(2026, month, of_month, tzinfo=UTC)


JAN, FEB, MAR = day(1), day(2), day(3)


class Shop:
    """A customer, and seats at 30 dollars a month on the card he buys from (40 from the 16th of January)."""

    def __init__(self, sdk: Metronome, unique: Unique) -> None:
        self.sdk = sdk
        self.customer = sdk.v1.customers.create(name=unique("acme")).data.id
        self.card = sdk.v1.contracts.rate_cards.create(name=unique("card")).data.id
        self.seat = self.product(unique("Seat"), "SUBSCRIPTION")
        for price, since in ((3000, JAN), (4000, day(1, 16))):
            sdk.v1.contracts.rate_cards.rates.add(
                rate_card_id=self.card,
                product_id=self.seat,
                rate_type="FLAT",
                price=price,
                entitled=True,
                starting_at=since,
                billing_frequency="MONTHLY",
            )

    def product(self, name: str, kind: Any) -> str:
        return self.sdk.v1.contracts.products.create(name=name, type=kind).data.id

    def sign(self, **terms: Any) -> Any:
        contract_id = self.sdk.v1.contracts.create(
            customer_id=self.customer,
            rate_card_id=self.card,
            starting_at=JAN,
            ending_before=MAR,
            **terms,
        ).data.id
        return self.sdk.v2.contracts.retrieve(
            contract_id=contract_id, customer_id=self.customer
        ).data

    def subscribe(self, **terms: Any) -> tuple[str, str]:
        """A contract with one subscription: their ids."""
        contract = self.sign(
            subscriptions=[
                {
                    "collection_schedule": "ADVANCE",
                    "proration": {"is_prorated": True},
                    "subscription_rate": {
                        "product_id": self.seat,
                        "billing_frequency": "MONTHLY",
                    },
                    **terms,
                }
            ]
        )
        (one,) = contract.subscriptions
        assert one.id
        return contract.id, one.id

    def update(self, contract: str, subscription: str, **changes: Any) -> None:
        self.sdk.v2.contracts.edit(
            contract_id=contract,
            customer_id=self.customer,
            update_subscriptions=[{"subscription_id": subscription, **changes}],
        )


@pytest.fixture
def shop(sdk: Metronome, unique: Unique) -> Shop:
    return Shop(sdk, unique)


def test_quantities_and_prices_over_time(shop: Shop) -> None:
    contract, seats = shop.subscribe(initial_quantity=10)
    shop.update(
        contract,
        seats,
        quantity_updates=[
            {"starting_at": day(1, 10), "quantity_delta": 2},
            {"starting_at": day(2, 10), "quantity": 5},
        ],
    )
    found = shop.sdk.v1.contracts.retrieve_subscription_quantity_history(
        contract_id=contract, customer_id=shop.customer, subscription_id=seats
    ).data
    assert (found.subscription_id, found.fiat_credit_type_id) == (seats, USD)
    assert found.custom_credit_type_id is None
    assert [
        (one.starting_at, [(row.quantity, row.unit_price, row.total) for row in one.data])
        for one in found.history or []
    ] == [
        (JAN, [(10, 3000, 30_000)]),
        (day(1, 10), [(12, 3000, 36_000)]),
        (FEB, [(12, 4000, 48_000)]),
        (day(2, 10), [(5, 4000, 20_000)]),
    ]


def named(shop: Shop) -> dict[str, str]:
    """Ann and Bob, and an unassigned seat that Cem takes on the 10th; Dot comes on the 20th, Ann goes in February."""
    contract, seats = shop.subscribe(
        quantity_management_mode="SEAT_BASED",
        seat_config={
            "seat_group_key": "user",
            "initial_seat_ids": ["ann", "bob"],
            "initial_unassigned_seats": 1,
        },
    )
    shop.update(
        contract,
        seats,
        seat_updates={
            "add_seat_ids": [
                {"starting_at": day(1, 10), "seat_ids": ["cem"]},
                {"starting_at": day(1, 20), "seat_ids": ["dot"]},
            ],
            "remove_seat_ids": [{"starting_at": FEB, "seat_ids": ["ann"]}],
        },
    )
    return {"contract_id": contract, "customer_id": shop.customer, "subscription_id": seats}


def test_seats_over_time(shop: Shop) -> None:
    key = named(shop)
    page = shop.sdk.v1.contracts.get_subscription_seats_history(**key)
    assert page.next_page is None
    assert [
        (one.starting_at, one.ending_before, one.assigned_seat_ids, one.total_quantity)
        for one in page.data
    ] == [
        (JAN, day(1, 10), ["ann", "bob"], 3),
        (day(1, 10), day(1, 20), ["ann", "bob", "cem"], 3),
        (day(1, 20), FEB, ["ann", "bob", "cem", "dot"], 4),
        (FEB, MAR, ["bob", "cem", "dot"], 3),
    ]


def test_seats_by_date_and_by_page(shop: Shop) -> None:
    key = named(shop)
    history = shop.sdk.v1.contracts.get_subscription_seats_history
    (covering,) = history(**key, covering_date=day(1, 15)).data
    assert covering.starting_at == day(1, 10)
    between = history(**key, starting_at=day(1, 15), ending_before=day(1, 20)).data
    assert [one.starting_at for one in between] == [day(1, 10), day(1, 20)]
    starts, cursor = [], None
    while True:
        page = history(**key, limit=1, cursor=cursor)
        starts += [one.starting_at for one in page.data]
        cursor = page.next_page
        if cursor is None:
            break
    assert starts == [JAN, day(1, 10), day(1, 20), FEB]


def test_what_histories_refuse(shop: Shop) -> None:
    contract, plain = shop.subscribe(initial_quantity=1)
    history = shop.sdk.v1.contracts.get_subscription_seats_history
    key = {"contract_id": contract, "customer_id": shop.customer}
    with pytest.raises(metronome.BadRequestError, match="subscription_id"):
        history(**key, subscription_id=plain)
    with pytest.raises(metronome.BadRequestError, match="covering_date"):
        history(**key, subscription_id=plain, covering_date=FEB, starting_at=JAN)
    with pytest.raises(metronome.BadRequestError, match="limit"):
        history(**key, subscription_id=plain, limit=11)
    with pytest.raises(metronome.BadRequestError, match="cursor"):
        history(**key, subscription_id=plain, cursor="nonsense")
    for unknown in (
        {**key, "subscription_id": contract},
        {**key, "subscription_id": plain, "contract_id": plain},
        {**key, "subscription_id": plain, "customer_id": plain},
    ):
        with pytest.raises(metronome.NotFoundError):
            shop.sdk.v1.contracts.retrieve_subscription_quantity_history(**unknown)


# On an invoice of its date, which is final at once: usage invoices of a new contract stay open for a day.
AT_ONCE = {"billing_cycle_config": {"invoice_placement": "ON_SCHEDULED_INVOICE"}}


def test_a_contract_put_off_leaves_a_billed_subscription_where_it_ended(shop: Shop) -> None:
    """It ended with February, paid in advance; March needs a new subscription. What is on drafts goes on."""
    ends = []
    for terms in (AT_ONCE, {}, {"collection_schedule": "ARREARS"}):
        contract, _ = shop.subscribe(initial_quantity=1, **terms)
        key = {"contract_id": contract, "customer_id": shop.customer}
        shop.sdk.v1.contracts.update_end_date(**key, ending_before=day(4))
        (one,) = shop.sdk.v2.contracts.retrieve(**key).data.subscriptions or []
        ends.append(one.ending_before)
    assert ends == [MAR, None, None]


def test_a_subscription_billed_for_a_part_of_a_month_cannot_be_put_off(shop: Shop) -> None:
    contract, seats = shop.subscribe(initial_quantity=1, ending_before=day(2, 16), **AT_ONCE)
    with pytest.raises(metronome.BadRequestError, match=r"update_subscriptions\[0\].ending_before"):
        shop.update(contract, seats, ending_before=day(2, 20))
    shop.update(contract, seats, ending_before=day(2, 15))


def service(shop: Shop, unique: Unique) -> dict[str, str]:
    """Consulting at 150 dollars an hour, up to 1,000 dollars."""
    consulting = shop.product(unique("Consulting"), "PROFESSIONAL_SERVICE")
    contract = shop.sign(
        professional_services=[
            {"product_id": consulting, "max_amount": 100_000, "unit_price": 15_000, "quantity": 10}
        ]
    )
    return {"contract": contract.id, "service": contract.professional_services[0].id}


def invoiced(shop: Shop, of: dict[str, str], at: datetime, *lines: dict[str, Any]) -> Any:
    return shop.sdk.v1.contracts.schedule_pro_services_invoice(
        contract_id=of["contract"],
        customer_id=shop.customer,
        issued_at=at,
        line_items=[{"professional_service_id": of["service"], **line} for line in lines],
    ).data


def test_services_are_invoiced_on_request(shop: Shop, unique: Unique) -> None:
    of = service(shop, unique)
    (invoice,) = invoiced(
        shop,
        of,
        day(1, 20),
        {"quantity": 2},
        {"quantity": 1, "unit_price": 10_000, "metadata": "workshop"},
        {"amount": 5_000},
    )
    assert (invoice.type, invoice.status, invoice.total) == ("SCHEDULED", "FINALIZED", 45_000)
    assert [(line.quantity, line.unit_price, line.total) for line in invoice.line_items] == [
        (2, 15_000, 30_000),
        (1, 10_000, 10_000),
        (1, 5_000, 5_000),
    ]
    assert {line.professional_service_id for line in invoice.line_items} == {of["service"]}
    stored = shop.sdk.v1.customers.invoices.retrieve(
        customer_id=shop.customer, invoice_id=invoice.id
    ).data
    assert stored.total == 45_000


def test_a_further_invoice_of_the_same_date(shop: Shop, unique: Unique) -> None:
    of = service(shop, unique)
    (first,) = invoiced(shop, of, day(1, 20), {"quantity": 2})
    (second,) = invoiced(shop, of, day(1, 20), {"quantity": 1})
    assert first.id != second.id
    assert second.total == 15_000


def test_a_service_invoiced_ahead_is_a_draft(shop: Shop, unique: Unique) -> None:
    of = service(shop, unique)
    (invoice,) = invoiced(shop, of, datetime(2099, 1, 1, tzinfo=UTC), {"quantity": 2})
    assert (invoice.status, invoice.total) == ("DRAFT", 30_000)


def test_a_service_has_a_ceiling(shop: Shop, unique: Unique, http: httpx.Client) -> None:
    of = service(shop, unique)
    invoiced(shop, of, day(1, 20), {"amount": 60_000})
    with pytest.raises(metronome.BadRequestError, match=r"line_items\[1\].*40000"):
        invoiced(shop, of, day(1, 21), {"amount": 40_000}, {"amount": 1})
    (last,) = invoiced(shop, of, day(1, 21), {"amount": 40_000})
    assert last.total == 40_000
    with pytest.raises(metronome.BadRequestError, match="line_items"):
        invoiced(shop, of, day(1, 22))
    with pytest.raises(metronome.BadRequestError, match=r"line_items\[0\].amount"):
        invoiced(shop, of, day(1, 22), {})
    with pytest.raises(metronome.BadRequestError, match="professional_service_id"):
        invoiced(shop, {**of, "service": of["contract"]}, day(1, 22), {"amount": 1})
    with pytest.raises(metronome.NotFoundError):
        invoiced(shop, {**of, "contract": of["service"]}, day(1, 22), {"amount": 1})
    refused = http.post(
        "/v1/contracts/scheduleProServicesInvoice",
        json={"contract_id": of["contract"], "customer_id": shop.customer, "line_items": []},
    )
    assert refused.status_code == 400
    assert "issued_at" in refused.json()["message"]
