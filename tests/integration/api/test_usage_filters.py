"""A contract's usage filter must be able to let something pass: its key is in a group key that the card counts by."""

from __future__ import annotations

from typing import Any

import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Unique
from tests.integration.api.test_sdk import FEBRUARY, START, a_product


def usage_filter(key: str) -> Any:
    return {"group_key": key, "group_values": ["x"], "starting_at": START}


def a_card(sdk: Metronome, *products: str) -> str:
    card = sdk.v1.contracts.rate_cards.create(name="card").data.id
    for product in products:
        sdk.v1.contracts.rate_cards.rates.add(
            rate_card_id=card,
            product_id=product,
            starting_at=START,
            entitled=True,
            rate_type="FLAT",
            price=1,
        )
    return card


def an_ungrouped_product(sdk: Metronome) -> str:
    metric = sdk.v1.billable_metrics.create(name="m", aggregation_type="COUNT").data.id
    return sdk.v1.contracts.products.create(
        name="p", type="USAGE", billable_metric_id=metric
    ).data.id


def contracts_with(sdk: Metronome, customer: str) -> list[str]:
    return [row.id for row in sdk.v2.contracts.list(customer_id=customer).data]


@pytest.mark.parametrize(
    "key", ["model", "region"]
)  # alone a group key, and only in a compound one
def test_a_key_that_one_metric_groups_by_is_taken(sdk: Metronome, unique: Unique, key: str) -> None:
    card = a_card(sdk, an_ungrouped_product(sdk), a_product(sdk, unique("p")))
    customer = sdk.v1.customers.create(name="n").data.id
    contract = sdk.v1.contracts.create(
        customer_id=customer, starting_at=START, rate_card_id=card, usage_filter=usage_filter(key)
    ).data.id
    sdk.v1.contracts.set_usage_filter(
        customer_id=customer,
        contract_id=contract,
        group_key=key,
        group_values=["y"],
        starting_at=FEBRUARY,
    )


@pytest.mark.parametrize("key", ["tokens", "Model", "customer_id"])
def test_a_key_that_no_metric_groups_by_is_refused(
    sdk: Metronome, unique: Unique, key: str
) -> None:
    card = a_card(sdk, an_ungrouped_product(sdk), a_product(sdk, unique("p")))
    customer = sdk.v1.customers.create(name="n").data.id
    with pytest.raises(metronome.BadRequestError, match=r"usage_filter\.group_key"):
        sdk.v1.contracts.create(
            customer_id=customer,
            starting_at=START,
            rate_card_id=card,
            usage_filter=usage_filter(key),
        )
    assert contracts_with(sdk, customer) == []
    contract = sdk.v1.contracts.create(
        customer_id=customer, starting_at=START, rate_card_id=card
    ).data.id
    with pytest.raises(metronome.BadRequestError, match="group_key"):
        sdk.v1.contracts.set_usage_filter(
            customer_id=customer,
            contract_id=contract,
            group_key=key,
            group_values=["y"],
            starting_at=FEBRUARY,
        )
    shown = sdk.v2.contracts.retrieve(customer_id=customer, contract_id=contract).data
    assert shown.usage_filter == []


def test_a_card_that_counts_nothing_yet_takes_any(sdk: Metronome) -> None:
    customer = sdk.v1.customers.create(name="n").data.id
    for card in ({"rate_card_id": a_card(sdk)}, {}):
        sdk.v1.contracts.create(
            customer_id=customer,
            starting_at=START,
            usage_filter=usage_filter("whatever"),
            **card,  # type: ignore[arg-type]
        )
    assert len(contracts_with(sdk, customer)) == 2


def test_the_metric_of_a_later_version_counts(sdk: Metronome, unique: Unique) -> None:
    product = an_ungrouped_product(sdk)
    card = a_card(sdk, product)
    metric = sdk.v1.billable_metrics.create(
        name=unique("m"), aggregation_type="COUNT", group_keys=[["team"]]
    ).data.id
    sdk.v1.contracts.products.update(
        product_id=product, starting_at=FEBRUARY, billable_metric_id=metric
    )
    customer = sdk.v1.customers.create(name="n").data.id
    sdk.v1.contracts.create(
        customer_id=customer,
        starting_at=START,
        rate_card_id=card,
        usage_filter=usage_filter("team"),
    )
