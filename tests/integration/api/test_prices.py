"""Products and rates of every type through the unmodified SDK with strict validation, and bad input."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique

START = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
PRODUCTS = "/v1/contract-pricing/products"
CARDS = "/v1/contract-pricing/rate-cards"


def a_metric(sdk: Metronome, name: str) -> str:
    return sdk.v1.billable_metrics.create(
        name=name,
        aggregation_type="SUM",
        aggregation_key="n",
        group_keys=[["model"], ["model", "user"]],
    ).data.id


def a_product(sdk: Metronome, name: str, kind: str = "USAGE", **fields: Any) -> str:
    if kind.upper() == "USAGE":
        fields["billable_metric_id"] = a_metric(sdk, name)
    return sdk.v1.contracts.products.create(name=name, type=kind, **fields).data.id  # type: ignore[arg-type]


def a_card(sdk: Metronome, unique: Unique, **fields: Any) -> str:
    return sdk.v1.contracts.rate_cards.create(name=unique("card"), **fields).data.id


def add(sdk: Metronome, card: str, product: str, **fields: Any) -> Any:
    given = {"starting_at": START, "entitled": True, **fields}
    return sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card, product_id=product, **given
    ).data


def listed(sdk: Metronome, card: str, at: datetime = START) -> Any:
    (row,) = sdk.v1.contracts.rate_cards.rates.list(rate_card_id=card, at=at)
    return row


TIERS = [{"price": 0.029, "size": 1000}, {"price": 0.02}]
STEPS = [{"price": 10, "size": 100, "flat_fee": 5}, {"price": 8}]


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("USAGE", {"rate_type": "FLAT", "price": 1.25}),
        ("USAGE", {"rate_type": "TIERED", "tiers": [{"price": 3, "size": 10}, {"price": 1.5}]}),
        ("USAGE", {"rate_type": "PERCENTAGE", "price": 0.029}),
        ("USAGE", {"rate_type": "TIERED_PERCENTAGE", "tiers": TIERS}),
        ("COMPOSITE", {"rate_type": "PERCENTAGE", "price": 0.1}),
        ("COMPOSITE", {"rate_type": "TIERED_PERCENTAGE", "tiers": TIERS}),
        ("SUBSCRIPTION", {"rate_type": "FLAT", "price": 2000, "billing_frequency": "QUARTERLY"}),
        (
            "SUBSCRIPTION",
            {"rate_type": "SUBSCRIPTION", "price": 20, "quantity": 3, "is_prorated": True},
        ),
        ("USAGE", {"rate_type": "CUSTOM", "custom_rate": {"model": "VOLUME", "tiers": STEPS}}),
        ("USAGE", {"rate_type": "CUSTOM", "custom_rate": {"model": "TIERED", "tiers": STEPS}}),
        (
            "USAGE",
            {
                "rate_type": "CUSTOM",
                "custom_rate": {"model": "PACKAGE", "price": 5, "package_size": 1000},
            },
        ),
        (
            "USAGE",
            {
                "rate_type": "CUSTOM",
                "custom_rate": {"model": "GRADUATED_PERCENTAGE", "tiers": TIERS},
            },
        ),
        (
            "USAGE",
            {
                "rate_type": "CUSTOM",
                "custom_rate": {
                    "model": "FLAT",
                    "price": 2,
                    "minimum_spend": 100,
                    "maximum_spend": 5000.5,
                },
            },
        ),
        ("USAGE", {"rate_type": "CUSTOM", "custom_rate": {"model": "PERCENTAGE", "price": 0.5}}),
    ],
)
def test_rates_of_every_type_come_back_as_they_went(
    sdk: Metronome, unique: Unique, kind: str, terms: dict[str, Any]
) -> None:
    card = a_card(sdk, unique)
    product = a_product(sdk, unique("p"), kind)
    added = add(sdk, card, product, **terms)
    row = listed(sdk, card)
    assert row.billing_frequency == terms.get("billing_frequency")
    schedule = sdk.v1.contracts.rate_cards.retrieve_rate_schedule(
        rate_card_id=card, starting_at=START
    )
    for shown in (added, row.rate, schedule.data[0].rate):
        for field in ("rate_type", "price", "quantity", "is_prorated", "custom_rate"):
            assert getattr(shown, field) == terms.get(field)
        sizes = [(tier.price, tier.size) for tier in shown.tiers or []]
        assert sizes == [(one["price"], one.get("size")) for one in terms.get("tiers", [])]


def test_enums_are_taken_in_any_case(http: httpx.Client, sdk: Metronome, unique: Unique) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"), "usage")
    body = {
        "rate_card_id": card,
        "product_id": product,
        "starting_at": START.isoformat(),
        "entitled": True,
        "rate_type": "custom",
        "custom_rate": {"model": "volume", "tiers": [{"price": 1}]},
    }
    reply = http.post(f"{CARDS}/addRate", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["data"]["rate_type"] == "CUSTOM"
    assert reply.json()["data"]["custom_rate"] == {"model": "VOLUME", "tiers": [{"price": 1}]}


def test_numbers_of_custom_rates_keep_every_digit(
    http: httpx.Client, sdk: Metronome, unique: Unique
) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"))
    price = "12345678901234567890.123456789012345678"
    body = (
        f'{{"rate_card_id": "{card}", "product_id": "{product}", "starting_at": "2026-01-01T00:00:00Z",'
        f' "entitled": true, "rate_type": "CUSTOM", "custom_rate": {{"model": "PACKAGE", "price": {price},'
        ' "package_size": 0.000000000000000001}}'
    )
    reply = http.post(
        f"{CARDS}/addRate", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 200, reply.text
    assert price in reply.text
    assert '"package_size":1E-18' in reply.text


def test_commit_rates_stand_beside_the_list_rate(sdk: Metronome, unique: Unique) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"))
    tiers = [{"price": 2, "size": 5}, {"price": 1}]
    commit_rate = {"rate_type": "TIERED", "tiers": tiers}
    added = add(sdk, card, product, rate_type="FLAT", price=3, commit_rate=commit_rate)
    for shown in (added.commit_rate, listed(sdk, card).commit_rate):
        assert shown.rate_type == "TIERED"
        assert [(tier.price, tier.size) for tier in shown.tiers] == [(2, 5), (1, None)]


def test_one_subscription_may_have_several_frequencies(sdk: Metronome, unique: Unique) -> None:
    card, seats = a_card(sdk, unique), a_product(sdk, unique("seats"), "SUBSCRIPTION")
    for frequency, price in (("MONTHLY", 20), ("ANNUAL", 200)):
        add(sdk, card, seats, rate_type="FLAT", price=price, billing_frequency=frequency)
    rates = sdk.v1.contracts.rate_cards.rates
    rows = list(rates.list(rate_card_id=card, at=START))
    assert {(row.billing_frequency, row.rate.price) for row in rows} == {
        ("MONTHLY", 20),
        ("ANNUAL", 200),
    }
    (annual,) = rates.list(rate_card_id=card, at=START, selectors=[{"billing_frequency": "ANNUAL"}])
    assert annual.rate.price == 200


def test_rates_in_a_custom_unit(sdk: Metronome, unique: Unique) -> None:
    unit = sdk.v1.pricing_units.create(name=unique("credits")).data.id
    conversions = [{"custom_credit_type_id": unit, "fiat_per_custom_credit": 2}]
    card = a_card(sdk, unique, credit_type_conversions=conversions)
    product = a_product(sdk, unique("p"))
    add(sdk, card, product, rate_type="FLAT", price=3, credit_type_id=unit)
    assert listed(sdk, card).rate.credit_type.id == unit
    with pytest.raises(metronome.BadRequestError, match="credit_type_id"):
        add(sdk, card, product, rate_type="FLAT", price=3)
    with pytest.raises(metronome.BadRequestError, match="credit_type_id"):
        add(sdk, a_card(sdk, unique), product, rate_type="FLAT", price=3, credit_type_id=unit)


@pytest.mark.parametrize("kind", ["COMPOSITE", "composite"])
def test_a_composite_and_its_history(sdk: Metronome, unique: Unique, kind: str) -> None:
    usage = a_product(sdk, unique("usage"))
    composite = a_product(
        sdk,
        unique("support"),
        kind,
        composite_product_ids=[usage],
        composite_tags=["llm"],
        exclude_free_usage=True,
        include_composite_spend=True,
        tags=["support"],
        netsuite_internal_item_id="1",
        netsuite_overage_item_id="2",
    )
    sdk.v1.contracts.products.update(
        product_id=composite, starting_at=FEBRUARY, composite_tags=["llm", "gpu"]
    )
    shown = sdk.v1.contracts.products.retrieve(id=composite).data
    assert shown.type == "COMPOSITE"
    assert shown.initial.composite_product_ids == [usage]
    assert shown.initial.composite_tags == ["llm"]
    assert (shown.initial.exclude_free_usage, shown.initial.include_composite_spend) == (True, True)
    assert [one.composite_tags for one in shown.updates] == [["llm", "gpu"]]


@pytest.mark.parametrize("kind", ["FIXED", "PROFESSIONAL_SERVICE", "pro_service"])
def test_amounts_of_other_products_are_on_the_contract(
    sdk: Metronome, unique: Unique, kind: str
) -> None:
    product = a_product(sdk, unique("p"), kind)
    with pytest.raises(metronome.BadRequestError, match=r"product_id: a .* product has no rates"):
        add(sdk, a_card(sdk, unique), product, rate_type="FLAT", price=3)


@pytest.mark.parametrize(
    ("kind", "terms", "field"),
    [
        ("SUBSCRIPTION", {"rate_type": "FLAT", "price": 1}, "billing_frequency"),
        (
            "SUBSCRIPTION",
            {"rate_type": "TIERED", "tiers": [{"price": 1}], "billing_frequency": "MONTHLY"},
            "rate_type",
        ),
        (
            "SUBSCRIPTION",
            {"rate_type": "SUBSCRIPTION", "price": 1, "is_prorated": False},
            "is_prorated",
        ),
        ("COMPOSITE", {"rate_type": "FLAT", "price": 1}, "rate_type"),
        ("COMPOSITE", {"rate_type": "PERCENTAGE", "price": 2}, "price"),
        (
            "COMPOSITE",
            {
                "rate_type": "PERCENTAGE",
                "price": 0.1,
                "commit_rate": {"rate_type": "FLAT", "price": 1},
            },
            "commit_rate",
        ),
    ],
)
def test_bad_rates_of_other_types_name_the_field(
    sdk: Metronome, unique: Unique, kind: str, terms: dict[str, Any], field: str
) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"), kind)
    with pytest.raises(metronome.BadRequestError, match=f"{field}: "):
        add(sdk, card, product, **terms)
    rates = sdk.v1.contracts.rate_cards.rates
    assert list(rates.list(rate_card_id=card, at=START)) == []


def test_a_bad_rate_among_many_keeps_all_out(sdk: Metronome, unique: Unique) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"))
    good = {
        "product_id": product,
        "starting_at": START,
        "entitled": True,
        "rate_type": "FLAT",
        "price": 1,
    }
    bad = {**good, "rate_type": "CUSTOM", "custom_rate": {"model": "VOLUME"}}
    with pytest.raises(metronome.BadRequestError, match=r"rates\[1\]\.price"):
        sdk.v1.contracts.rate_cards.rates.add_many(rate_card_id=card, rates=[good, bad])  # type: ignore[list-item]
    assert list(sdk.v1.contracts.rate_cards.rates.list(rate_card_id=card, at=START)) == []


def test_a_composite_names_products_that_are_there(http: httpx.Client, unique: Unique) -> None:
    body = {"name": unique("c"), "type": "COMPOSITE", "composite_product_ids": [str(uuid4())]}
    reply = http.post(f"{PRODUCTS}/create", json=body)
    assert reply.status_code == 400
    assert "composite_product_ids[0]" in reply.json()["message"]


def test_limits_of_an_event_are_kept_and_checked(http: httpx.Client, unique: Unique) -> None:
    path = "/v1/billable-metrics"
    body: dict[str, Any] = {
        "name": unique("fees"),
        "aggregation_type": "sum",
        "aggregation_key": "n",
    }
    limits = {"event_minimum": 0.3, "event_maximum": 100}
    created = http.post(f"{path}/create", json={**body, **limits}).json()["data"]["id"]
    shown = http.get(f"{path}/{created}").json()["data"]
    assert (shown["event_minimum"], shown["event_maximum"]) == (0.3, 100)
    for wrong, field in (
        ({"event_minimum": -1}, "event_minimum"),
        ({"event_minimum": 5, "event_maximum": 4}, "event_minimum"),
        ({"event_maximum": 10**18}, "event_maximum"),
        ({"event_maximum": 1, "aggregation_type": "max"}, "event_maximum"),
    ):
        reply = http.post(f"{path}/create", json={**body, **wrong})
        assert reply.status_code == 400, reply.text
        assert reply.json()["message"].startswith(field)


def contract_rates(sdk: Metronome, customer: str, contract: str, **fields: Any) -> list[Any]:
    return sdk.v1.contracts.retrieve_rate_schedule(
        customer_id=customer, contract_id=contract, **fields
    ).data


def terms_of(rate: Any) -> Any:
    """(price, or tiers) of a rate of the reply."""
    if rate is None:
        return None
    if rate.tiers:
        return [(tier.price, tier.size) for tier in rate.tiers]
    return rate.price


def test_what_a_contract_pays_and_why(sdk: Metronome, unique: Unique) -> None:
    card = a_card(sdk, unique)
    calls = a_product(sdk, unique("calls"), tags=["api"])
    models = a_product(sdk, unique("models"), pricing_group_key=["model"])
    seats = a_product(sdk, unique("seats"), "SUBSCRIPTION")
    hidden = a_product(sdk, unique("hidden"))
    commit_rate = {"rate_type": "FLAT", "price": 7}
    add(sdk, card, calls, rate_type="FLAT", price=10, commit_rate=commit_rate)
    add(sdk, card, calls, rate_type="FLAT", price=20, starting_at=MARCH)
    for model, price in (("a", 1), ("b", 2)):
        values = {"model": model}
        add(sdk, card, models, rate_type="FLAT", price=price, pricing_group_values=values)
    add(sdk, card, seats, rate_type="FLAT", price=2000, billing_frequency="MONTHLY")
    add(sdk, card, hidden, rate_type="FLAT", price=5, entitled=False)
    customer = sdk.v1.customers.create(name=unique("customer")).data.id
    contract = sdk.v1.contracts.create(
        customer_id=customer,
        rate_card_id=card,
        starting_at=START,
        overrides=[
            {
                "starting_at": FEBRUARY,
                "type": "MULTIPLIER",
                "multiplier": 0.5,
                "applicable_product_tags": ["api"],
            },
            {
                "starting_at": START,
                "type": "OVERWRITE",
                "override_specifiers": [
                    {"product_id": models, "pricing_group_values": {"model": "c"}}
                ],
                "overwrite_rate": {
                    "rate_type": "CUSTOM",
                    "custom_rate": {"model": "PACKAGE", "price": 4, "package_size": 10},
                },
            },
            {
                "starting_at": START,
                "override_specifiers": [{"product_id": seats, "billing_frequency": "MONTHLY"}],
                "type": "OVERWRITE",
                "overwrite_rate": {"rate_type": "FLAT", "price": 1500},
            },
            {"starting_at": FEBRUARY, "product_id": hidden, "entitled": True},
            # On some of the usage only, so it is not shown, nor are its edges.
            {
                "starting_at": datetime(2026, 2, 10, tzinfo=UTC),
                "type": "MULTIPLIER",
                "multiplier": 0.1,
                "is_commit_specific": True,
            },
        ],
    ).data.id
    rows = contract_rates(sdk, customer, contract)
    assert all(row.entitled and row.rate_card_id == card for row in rows)
    by_product: dict[str, list[Any]] = {}
    for row in rows:
        by_product.setdefault(row.product_id, []).append(row)
    assert [
        (row.starting_at, row.ending_before, terms_of(row.list_rate), terms_of(row.override_rate))
        for row in by_product[calls]
    ] == [
        (START, FEBRUARY, 10, None),
        (FEBRUARY, MARCH, 10, 5),
        (MARCH, None, 20, 10),
    ]
    assert [terms_of(row.commit_rate) for row in by_product[calls]] == [7, 7, None]
    (made,) = (row for row in by_product[models] if row.pricing_group_values == {"model": "c"})
    assert made.override_rate.custom_rate == {"model": "PACKAGE", "price": 4, "package_size": 10}
    assert made.list_rate.custom_rate == made.override_rate.custom_rate
    (subscription,) = by_product[seats]
    assert (terms_of(subscription.list_rate), terms_of(subscription.override_rate)) == (2000, 1500)
    assert subscription.billing_frequency == "MONTHLY"
    (sold,) = by_product[hidden]
    assert (sold.starting_at, terms_of(sold.list_rate), sold.override_rate) == (FEBRUARY, 5, None)

    at_start = contract_rates(sdk, customer, contract, at=START)
    assert {row.product_id for row in at_start} == {calls, models, seats}
    only = contract_rates(sdk, customer, contract, selectors=[{"product_tags": ["api"]}])
    assert {row.product_id for row in only} == {calls}
    paged = []
    page = sdk.v1.contracts.retrieve_rate_schedule(
        customer_id=customer, contract_id=contract, limit=2
    )
    paged += page.data
    while page.next_page:
        page = sdk.v1.contracts.retrieve_rate_schedule(
            customer_id=customer, contract_id=contract, limit=2, next_page=page.next_page
        )
        paged += page.data
    assert [(row.product_id, row.starting_at) for row in paged] == [
        (row.product_id, row.starting_at) for row in rows
    ]


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ({"type": "MULTIPLIER", "multiplier": -1}, "multiplier"),
        ({"type": "MULTIPLIER"}, "multiplier"),
        (
            {"type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 1}},
            "override_specifiers",
        ),
        ({"type": "TIERED", "tiers": [{"multiplier": 0.5}], "priority": 1}, "type"),
        ({"type": "MULTIPLIER", "multiplier": 0.5, "target": "COMMIT_RATE"}, "target"),
    ],
)
def test_bad_overrides_name_the_field(
    sdk: Metronome, unique: Unique, service: Service, override: dict[str, Any], field: str
) -> None:
    customer = sdk.v1.customers.create(name=unique("customer")).data.id
    with pytest.raises(metronome.BadRequestError, match=rf"overrides\[0\]\.{field}"):
        sdk.v1.contracts.create(
            customer_id=customer,
            rate_card_id=a_card(sdk, unique),
            starting_at=START,
            overrides=[{"starting_at": START, **override}],  # type: ignore[list-item]
        )
    assert sdk.v1.contracts.list(customer_id=customer).data == []


def test_prices_as_decimals_are_exact(http: httpx.Client, sdk: Metronome, unique: Unique) -> None:
    card, product = a_card(sdk, unique), a_product(sdk, unique("p"))
    add(sdk, card, product, rate_type="FLAT", price=0.1)
    reply = http.post(f"{CARDS}/getRates", json={"rate_card_id": card, "at": START.isoformat()})
    assert '"price":0.1,' in reply.text.replace(" ", "") or '"price":0.1}' in reply.text
    assert Decimal(str(reply.json()["data"][0]["rate"]["price"])) == Decimal("0.1")
