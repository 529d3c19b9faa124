"""The unmodified SDK with strict validation against every end point of the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique

USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"
START = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def a_metric(sdk: Metronome, name: str) -> str:
    return sdk.v1.billable_metrics.create(
        name=name,
        aggregation_type="SUM",
        aggregation_key="tokens",
        event_type_filter={"in_values": ["llm"]},
        property_filters=[{"name": "tokens", "exists": True}, {"name": "model", "exists": True}],
        group_keys=[["model"], ["model", "region"]],
    ).data.id


def a_product(sdk: Metronome, name: str, pricing: list[str] | None = None) -> str:
    return sdk.v1.contracts.products.create(
        name=name,
        type="USAGE",
        billable_metric_id=a_metric(sdk, name),
        pricing_group_key=pricing or [],
        tags=["llm"],
    ).data.id


def test_credit_types(sdk: Metronome, unique: Unique) -> None:
    name = unique("tokens")
    unit = sdk.v1.pricing_units.create(name=name).data.id
    rows = {row.id: row for row in sdk.v1.pricing_units.list()}
    assert rows[USD].name == "USD (cents)"
    assert rows[USD].is_currency
    assert rows[unit].name == name
    assert rows[unit].is_currency is False
    with pytest.raises(metronome.ConflictError, match="name"):
        sdk.v1.pricing_units.create(name=name)
    assert sdk.v1.pricing_units.archive(id=unit).data.id == unit
    assert unit not in {row.id for row in sdk.v1.pricing_units.list()}


def test_billable_metrics(sdk: Metronome, unique: Unique) -> None:
    metric = a_metric(sdk, unique("tokens"))
    shown = sdk.v1.billable_metrics.retrieve(billable_metric_id=metric).data
    assert shown.aggregation_type == "SUM"
    assert shown.aggregation_key == "tokens"
    assert shown.event_type_filter is not None
    assert shown.event_type_filter.in_values == ["llm"]
    assert shown.group_keys == [["model"], ["model", "region"]]
    assert [one.name for one in shown.property_filters or []] == ["tokens", "model"]
    sdk.v1.billable_metrics.update(billable_metric_id=metric, name="renamed")
    assert sdk.v1.billable_metrics.retrieve(billable_metric_id=metric).data.name == "renamed"
    assert metric in {row.id for row in sdk.v1.billable_metrics.list()}
    sdk.v1.billable_metrics.archive(id=metric)
    assert metric not in {row.id for row in sdk.v1.billable_metrics.list()}
    archived = {row.id: row for row in sdk.v1.billable_metrics.list(include_archived=True)}
    assert archived[metric].archived_at is not None


def test_products_have_versions(sdk: Metronome, unique: Unique) -> None:
    name = unique("tokens")
    product = a_product(sdk, name, ["model"])
    sdk.v1.contracts.products.update(
        product_id=product,
        starting_at=START,
        name="dearer",
        quantity_conversion={"conversion_factor": 1000000, "operation": "DIVIDE"},
        quantity_rounding={"decimal_places": 2, "rounding_method": "ROUND_HALF_UP"},
    )
    sdk.v1.contracts.products.update(
        product_id=product, starting_at=datetime(2190, 1, 1, tzinfo=UTC), name="later"
    )
    shown = sdk.v1.contracts.products.retrieve(id=product).data
    assert shown.type == "USAGE"
    assert (shown.initial.name, shown.current.name) == (name, "dearer")
    assert shown.current.pricing_group_key == ["model"]
    assert shown.current.quantity_conversion is not None
    assert shown.current.quantity_conversion.conversion_factor == 1000000
    assert shown.current.quantity_rounding is not None
    assert [one.name for one in shown.updates] == ["dearer", "later"]
    assert product in {row.id for row in sdk.v1.contracts.products.list()}
    sdk.v1.contracts.products.archive(product_id=product)
    assert product not in {row.id for row in sdk.v1.contracts.products.list()}
    archived = sdk.v1.contracts.products.list(archive_filter="ARCHIVED")
    assert product in {row.id for row in archived}
    assert product in {row.id for row in sdk.v1.contracts.products.list(archive_filter="ALL")}


@pytest.mark.parametrize(
    ("product_type", "shown_type"),
    [
        ("FIXED", "FIXED"),
        ("SUBSCRIPTION", "SUBSCRIPTION"),
        ("COMPOSITE", "COMPOSITE"),
        ("PROFESSIONAL_SERVICE", "PRO_SERVICE"),
        ("pro_service", "PRO_SERVICE"),
    ],
)
def test_other_products_are_kept(
    sdk: Metronome, unique: Unique, product_type: str, shown_type: str
) -> None:
    product = sdk.v1.contracts.products.create(
        name=unique("other"),
        type=product_type,  # type: ignore[arg-type]
        composite_tags=["llm"],
        is_refundable=True,
    ).data.id
    shown = sdk.v1.contracts.products.retrieve(id=product).data
    assert shown.type == shown_type
    assert shown.current.composite_tags == ["llm"]
    assert shown.current.is_refundable is True


def test_rate_cards(sdk: Metronome, unique: Unique) -> None:
    alias = unique("list-price")
    unit = sdk.v1.pricing_units.create(name=unique("unit")).data.id
    card = sdk.v1.contracts.rate_cards.create(
        name="2026",
        description="list prices",
        aliases=[{"name": alias}],
        credit_type_conversions=[{"custom_credit_type_id": unit, "fiat_per_custom_credit": 0.01}],
        custom_fields={"sheet": "a"},
    ).data.id
    shown = sdk.v1.contracts.rate_cards.retrieve(id=card).data
    assert [one.name for one in shown.aliases or []] == [alias]
    assert shown.fiat_credit_type is not None
    assert shown.fiat_credit_type.id == USD
    assert [one.fiat_per_custom_credit for one in shown.credit_type_conversions or []] == ["0.01"]
    assert shown.custom_fields == {"sheet": "a"}
    sdk.v1.contracts.rate_cards.update(rate_card_id=card, name="2026b", description="newer")
    shown = sdk.v1.contracts.rate_cards.retrieve(id=card).data
    assert (shown.name, shown.description) == ("2026b", "newer")
    assert [one.name for one in shown.aliases or []] == [alias]
    assert card in {row.id for row in sdk.v1.contracts.rate_cards.list(body={})}
    sdk.v1.contracts.rate_cards.archive(id=card)
    assert card not in {row.id for row in sdk.v1.contracts.rate_cards.list()}


def test_flat_tiered_and_dimensional_rates(sdk: Metronome, unique: Unique) -> None:
    card = sdk.v1.contracts.rate_cards.create(name=unique("card")).data.id
    plain = a_product(sdk, unique("plain"))
    models = a_product(sdk, unique("models"), ["model"])
    rates = sdk.v1.contracts.rate_cards.rates
    added = rates.add(
        rate_card_id=card,
        product_id=plain,
        starting_at=START,
        entitled=True,
        rate_type="FLAT",
        price=0.0000001,
        commit_rate={"rate_type": "FLAT", "price": 0.00000005},
    ).data
    assert added.rate_type == "FLAT"
    assert added.price == 0.0000001
    assert added.credit_type is not None
    assert added.credit_type.id == USD
    answer = rates.add_many(
        rate_card_id=card,
        rates=[
            {
                "product_id": models,
                "starting_at": START,
                "entitled": True,
                "rate_type": "TIERED",
                "tiers": [{"price": 2, "size": 1000}, {"price": 1}],
                "pricing_group_values": {"model": model},
            }
            for model in ("small", "large")
        ],
    )
    assert answer.data.id == card
    # A price change: one more rate with a later start ends the earlier one there.
    rates.add(
        rate_card_id=card,
        product_id=plain,
        starting_at=FEBRUARY,
        entitled=False,
        rate_type="FLAT",
        price=3,
    )
    january = {
        (row.product_id, (row.pricing_group_values or {}).get("model")): row
        for row in rates.list(rate_card_id=card, at=START)
    }
    assert set(january) == {(plain, None), (models, "small"), (models, "large")}
    assert january[plain, None].ending_before == FEBRUARY
    assert january[plain, None].commit_rate is not None
    assert [tier.size for tier in january[models, "small"].rate.tiers or []] == [1000, None]
    assert january[models, "small"].product_tags == ["llm"]
    (march,) = rates.list(rate_card_id=card, at=MARCH, selectors=[{"product_id": plain}])
    assert (march.rate.price, march.entitled, march.starting_at) == (3, False, FEBRUARY)
    schedule = sdk.v1.contracts.rate_cards.retrieve_rate_schedule(
        rate_card_id=card, starting_at=START, selectors=[{"product_id": plain}]
    )
    assert [(row.starting_at, row.ending_before) for row in schedule.data] == [
        (START, FEBRUARY),
        (FEBRUARY, None),
    ]
    only = rates.list(
        rate_card_id=card, at=START, selectors=[{"pricing_group_values": {"model": "large"}}]
    )
    assert [row.product_id for row in only] == [models]
    by_tag = rates.list(rate_card_id=card, at=START, selectors=[{"product_tags": ["llm", "x"]}])
    assert len(list(by_tag)) == 3
    assert list(rates.list(rate_card_id=card, at=START - timedelta(hours=1))) == []


def test_product_order(sdk: Metronome, unique: Unique) -> None:
    card = sdk.v1.contracts.rate_cards.create(name=unique("card")).data.id
    products = [a_product(sdk, unique(name)) for name in "abc"]
    sdk.v1.contracts.rate_cards.rates.add_many(
        rate_card_id=card,
        rates=[
            {
                "product_id": one,
                "starting_at": START,
                "entitled": True,
                "rate_type": "FLAT",
                "price": 1,
            }
            for one in products
        ],
    )
    orders = sdk.v1.contracts.rate_cards.product_orders
    assert orders.set(rate_card_id=card, product_order=products[::-1]).data.id == card
    moved = orders.update(
        rate_card_id=card, product_moves=[{"product_id": products[0], "position": 0}]
    )
    assert moved.data.id == card
    with pytest.raises(metronome.BadRequestError, match="product_order"):
        orders.set(rate_card_id=card, product_order=[str(uuid4())])


def test_customers(sdk: Metronome, unique: Unique) -> None:
    alias, second = unique("alias"), unique("alias")
    created = sdk.v1.customers.create(
        name="Acme", ingest_aliases=[alias], custom_fields={"tier": "gold"}
    ).data
    assert created.external_id == alias
    assert created.custom_fields == {"tier": "gold"}
    with pytest.raises(metronome.ConflictError, match="ingest_aliases"):
        sdk.v1.customers.create(name="Other", ingest_aliases=[alias])
    shown = sdk.v1.customers.retrieve(customer_id=created.id).data
    assert shown.ingest_aliases == [alias]
    assert shown.customer_config.salesforce_account_id is None
    assert [row.id for row in sdk.v1.customers.list(ingest_alias=alias)] == [created.id]
    assert (
        sdk.v1.customers.set_ingest_aliases(customer_id=created.id, ingest_aliases=[second, alias])
        is None
    )  # type: ignore[func-returns-value]
    assert sdk.v1.customers.retrieve(customer_id=created.id).data.ingest_aliases == [second, alias]
    sdk.v1.customers.set_ingest_aliases(customer_id=created.id, ingest_aliases=[second])
    assert list(sdk.v1.customers.list(ingest_alias=alias)) == []
    longest = sdk.v1.customers.set_name(customer_id=created.id, name="n" * 200).data
    assert longest.name == "n" * 160
    sdk.v1.customers.update_config(customer_id=created.id, salesforce_account_id="sf-1")
    by_account = sdk.v1.customers.list(salesforce_account_ids=["sf-1", "sf-2"])
    assert [row.id for row in by_account] == [created.id]
    sdk.v1.customers.update_config(customer_id=created.id, salesforce_account_id=None)
    assert list(sdk.v1.customers.list(salesforce_account_ids=["sf-1"])) == []
    metric = a_metric(sdk, unique("metric"))
    counted = sdk.v1.customers.list_billable_metrics(customer_id=created.id)
    assert metric in {row.id for row in counted}
    sdk.v1.customers.archive(id=created.id)
    assert list(sdk.v1.customers.list(customer_ids=[created.id])) == []
    archived = sdk.v1.customers.list(customer_ids=[created.id, str(uuid4())], only_archived=True)
    assert [row.id for row in archived] == [created.id]
    with pytest.raises(metronome.ConflictError):
        sdk.v1.customers.create(name="Third", ingest_aliases=[second])


def test_contracts(sdk: Metronome, unique: Unique) -> None:
    alias = unique("card")
    card = sdk.v1.contracts.rate_cards.create(name="card", aliases=[{"name": alias}]).data.id
    product = a_product(sdk, unique("p"))
    for price, start in ((1, START), (2, FEBRUARY)):
        sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product,
            starting_at=start,
            entitled=True,
            rate_type="FLAT",
            price=price,
        )
    customer = sdk.v1.customers.create(name="Acme").data.id
    key = unique("key")
    created = sdk.v1.contracts.create(
        customer_id=customer,
        starting_at=START,
        rate_card_alias=alias,
        uniqueness_key=key,
        name="first",
        net_payment_terms_days=30,
        total_contract_value=1000.5,
        usage_statement_schedule={"frequency": "MONTHLY", "day": "CONTRACT_START"},
        usage_filter={"group_key": "model", "group_values": ["large"], "starting_at": START},
    ).data
    assert created.contract is not None
    assert created.contract.rate_card_id == card
    with pytest.raises(metronome.ConflictError, match="uniqueness_key"):
        sdk.v1.contracts.create(customer_id=customer, starting_at=START, uniqueness_key=key)
    sdk.v1.contracts.set_usage_filter(
        customer_id=customer,
        contract_id=created.id,
        group_key="model",
        group_values=["small"],
        starting_at=FEBRUARY,
    )
    old = sdk.v1.contracts.retrieve(customer_id=customer, contract_id=created.id).data
    assert old.initial.usage_filter is not None
    assert old.initial.usage_filter.initial.group_values == ["large"]
    assert old.initial.usage_filter.updates == []
    assert old.current.usage_filter is not None
    assert old.current.usage_filter.current is not None
    assert old.current.usage_filter.current.group_values == ["small"]
    assert old.current.net_payment_terms_days == 30
    assert old.uniqueness_key == key
    new = sdk.v2.contracts.retrieve(customer_id=customer, contract_id=created.id).data
    assert [(one.starting_at, one.ending_before) for one in new.usage_filter] == [
        (START, FEBRUARY),
        (FEBRUARY, None),
    ]
    assert new.usage_statement_schedule.frequency == "MONTHLY"
    assert new.total_contract_value == 1000.5
    sdk.v1.contracts.update_end_date(
        customer_id=customer, contract_id=created.id, ending_before=MARCH
    )
    ended = sdk.v2.contracts.retrieve(customer_id=customer, contract_id=created.id).data
    assert ended.ending_before == MARCH
    schedule = sdk.v1.contracts.retrieve_rate_schedule(customer_id=customer, contract_id=created.id)
    assert [row.list_rate.price for row in schedule.data] == [1, 2]
    at = sdk.v1.contracts.retrieve_rate_schedule(
        customer_id=customer, contract_id=created.id, at=START
    )
    assert [row.list_rate.price for row in at.data] == [1]
    listed = sdk.v1.contracts.list(customer_id=customer, covering_date=START)
    assert [row.id for row in listed.data] == [created.id]
    assert list(sdk.v2.contracts.list(customer_id=customer, covering_date=MARCH).data) == []
    archived = sdk.v1.contracts.archive(
        customer_id=customer, contract_id=created.id, void_invoices=True
    )
    assert archived.data.id == created.id
    assert list(sdk.v1.contracts.list(customer_id=customer).data) == []
    kept = sdk.v2.contracts.list(customer_id=customer, include_archived=True)
    assert [row.id for row in kept.data] == [created.id]


def test_an_alias_is_resolved_at_the_contracts_start(sdk: Metronome, unique: Unique) -> None:
    alias = unique("alias")
    cards = sdk.v1.contracts.rate_cards
    old = cards.create(name="old", aliases=[{"name": alias}]).data.id
    new = cards.create(name="new", aliases=[{"name": alias, "starting_at": FEBRUARY}]).data.id
    customer = sdk.v1.customers.create(name="Acme").data.id
    for start, card in ((START, old), (FEBRUARY, new)):
        contract = sdk.v1.contracts.create(
            customer_id=customer, starting_at=start, rate_card_alias=alias
        ).data.contract
        assert contract is not None
        assert contract.rate_card_id == card
    (left,) = cards.retrieve(id=old).data.aliases or []
    assert left.ending_before == FEBRUARY
    with pytest.raises(metronome.BadRequestError, match="rate_card_alias"):
        sdk.v1.contracts.create(
            customer_id=customer, starting_at=START, rate_card_alias=unique("none")
        )


def test_what_is_not_built_says_so(service: Service) -> None:
    with service.sdk() as sdk, pytest.raises(metronome.InternalServerError, match="501"):
        sdk.v1.packages.list()
