"""Custom fields through the SDK: keys, values, uniqueness, and writers that race."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique
from tests.integration.api.test_sdk import START, a_metric, a_product


def _contract(sdk: Metronome, contract_id: str) -> Any:
    for customer in sdk.v1.customers.list():
        for row in sdk.v2.contracts.list(customer_id=customer.id).data:
            if row.id == contract_id:
                old = sdk.v1.contracts.retrieve(customer_id=customer.id, contract_id=contract_id)
                assert old.data.custom_fields == row.custom_fields
                return row.custom_fields
    raise AssertionError(contract_id)


# How each entity with custom fields is made with some, and how they are shown.
MAKERS: dict[str, tuple[Callable[..., str], Callable[[Metronome, str], Any]]] = {
    "customer": (
        lambda sdk, fields: sdk.v1.customers.create(name="n", custom_fields=fields).data.id,
        lambda sdk, one: sdk.v1.customers.retrieve(customer_id=one).data.custom_fields,
    ),
    "billable_metric": (
        lambda sdk, fields: (
            sdk.v1.billable_metrics.create(
                name="n", aggregation_type="COUNT", custom_fields=fields
            ).data.id
        ),
        lambda sdk, one: (
            sdk.v1.billable_metrics.retrieve(billable_metric_id=one).data.custom_fields
        ),
    ),
    "contract_product": (
        lambda sdk, fields: (
            sdk.v1.contracts.products.create(name="n", type="FIXED", custom_fields=fields).data.id
        ),
        lambda sdk, one: sdk.v1.contracts.products.retrieve(id=one).data.custom_fields,
    ),
    "product": (
        lambda sdk, fields: (
            sdk.v1.contracts.products.create(name="n", type="FIXED", custom_fields=fields).data.id
        ),
        lambda sdk, one: next(
            row.custom_fields for row in sdk.v1.contracts.products.list() if row.id == one
        ),
    ),
    "rate_card": (
        lambda sdk, fields: (
            sdk.v1.contracts.rate_cards.create(name="n", custom_fields=fields).data.id
        ),
        lambda sdk, one: sdk.v1.contracts.rate_cards.retrieve(id=one).data.custom_fields,
    ),
    "contract": (
        lambda sdk, fields: (
            sdk.v1.contracts.create(
                customer_id=sdk.v1.customers.create(name="n").data.id,
                starting_at=START,
                custom_fields=fields,
                uniqueness_key=f"contract-{uuid4()}",
            ).data.id
        ),
        _contract,
    ),
}
ENTITIES = pytest.mark.parametrize("entity", MAKERS)


def make(sdk: Metronome, entity: str, fields: dict[str, str]) -> str:
    return MAKERS[entity][0](sdk, fields)


def fields_of(sdk: Metronome, entity: str, entity_id: str) -> Any:
    return MAKERS[entity][1](sdk, entity_id)


def declare(sdk: Metronome, entity: str, key: str, unique: bool = False) -> str:
    none: None = sdk.v1.custom_fields.add_key(  # type: ignore[func-returns-value]
        entity=entity,  # type: ignore[arg-type]
        key=key,
        enforce_uniqueness=unique,
    )
    assert none is None
    return key


def set_values(sdk: Metronome, entity: str, entity_id: str, **values: str) -> None:
    sdk.v1.custom_fields.set_values(
        entity=entity,  # type: ignore[arg-type]
        entity_id=entity_id,
        custom_fields=values,
    )


@ENTITIES
def test_values_are_set_beside_others_and_deleted(
    sdk: Metronome, unique: Unique, entity: str
) -> None:
    first, second = declare(sdk, entity, unique("k")), declare(sdk, entity, unique("k"))
    made = make(sdk, entity, {first: "a", "undeclared": "kept"})
    set_values(sdk, entity, made, **{second: "b"})
    assert fields_of(sdk, entity, made) == {first: "a", second: "b", "undeclared": "kept"}
    set_values(sdk, entity, made, **{first: "c" * 200, second: ""})
    assert fields_of(sdk, entity, made) == {first: "c" * 200, second: "", "undeclared": "kept"}
    for _ in range(2):
        sdk.v1.custom_fields.delete_values(
            entity=entity,  # type: ignore[arg-type]
            entity_id=made,
            keys=[first, "undeclared", "never given"],
        )
    assert fields_of(sdk, entity, made) == {second: ""}


@ENTITIES
def test_a_unique_key_takes_a_value_once(sdk: Metronome, unique: Unique, entity: str) -> None:
    key = declare(sdk, entity, unique("k"), unique=True)
    one, other = make(sdk, entity, {key: "x"}), make(sdk, entity, {})
    with pytest.raises(metronome.ConflictError, match=key):
        make(sdk, entity, {key: "x"})
    with pytest.raises(metronome.ConflictError, match=key):
        set_values(sdk, entity, other, **{key: "x"})
    set_values(sdk, entity, one, **{key: "x"})
    set_values(sdk, entity, one, **{key: "y"})
    set_values(sdk, entity, other, **{key: "x"})
    assert fields_of(sdk, entity, one) == {key: "y"}
    sdk.v1.custom_fields.delete_values(entity=entity, entity_id=one, keys=[key])  # type: ignore[arg-type]
    third = make(sdk, entity, {key: "y"})
    assert fields_of(sdk, entity, third) == {key: "y"}


def test_values_are_unique_to_an_entity_and_an_environment(
    service: Service, sdk: Metronome, unique: Unique
) -> None:
    key = unique("k")
    with service.sdk(service.other_token) as other:
        for client in (sdk, other):
            for entity in ("customer", "rate_card"):
                declare(client, entity, key, unique=True)
                make(client, entity, {key: "x"})
        assert key in {row.key for row in other.v1.custom_fields.list_keys()}
        other.v1.custom_fields.remove_key(entity="customer", key=key)
    assert key in {row.key for row in sdk.v1.custom_fields.list_keys(entities=["customer"])}


def test_a_refused_creation_takes_no_value(sdk: Metronome, unique: Unique) -> None:
    key, alias = declare(sdk, "customer", unique("k"), unique=True), unique("alias")
    sdk.v1.customers.create(name="n", ingest_aliases=[alias])
    with pytest.raises(metronome.ConflictError, match="ingest_aliases"):
        sdk.v1.customers.create(name="n", ingest_aliases=[alias], custom_fields={key: "x"})
    make(sdk, "customer", {key: "x"})


def test_several_values_are_set_all_or_none(sdk: Metronome, unique: Unique) -> None:
    plain = declare(sdk, "customer", unique("a"))
    key = declare(sdk, "customer", unique("b"), unique=True)
    make(sdk, "customer", {key: "x"})
    other = make(sdk, "customer", {})
    with pytest.raises(metronome.ConflictError):
        set_values(sdk, "customer", other, **{plain: "1", key: "x"})
    with pytest.raises(metronome.BadRequestError, match="undeclared"):
        set_values(sdk, "customer", other, **{plain: "1", "undeclared": "2"})
    assert fields_of(sdk, "customer", other) == {}


def test_archived_entities_keep_their_values(sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "customer", unique("k"), unique=True)
    one = make(sdk, "customer", {key: "x"})
    sdk.v1.customers.archive(id=one)
    with pytest.raises(metronome.ConflictError):
        make(sdk, "customer", {key: "x"})


def test_keys_are_listed_by_entity_and_paged(sdk: Metronome, unique: Unique) -> None:
    added = [
        (entity, declare(sdk, entity, unique("k"), unique=entity == "alert"))
        for entity in ("alert", "commit", "alert", "customer", "contract_product")
    ]
    listed = [(row.entity, row.key) for row in sdk.v1.custom_fields.list_keys()]
    assert [one for one in listed if one in added] == added
    alerts = list(sdk.v1.custom_fields.list_keys(entities=["alert"]))
    assert {(row.entity, row.enforce_uniqueness) for row in alerts} == {("alert", True)}
    paged = sdk.v1.custom_fields.list_keys(
        entities=["alert", "commit", "contract_product"], extra_query={"limit": 1}
    )
    assert set(added) - {added[3]} <= {(row.entity, row.key) for row in paged}
    assert len(list(paged.iter_pages())) >= 4
    with pytest.raises(metronome.BadRequestError, match="next_page"):
        sdk.v1.custom_fields.list_keys(entities=["alert"], next_page=_cursor(sdk))


def _cursor(sdk: Metronome) -> str:
    cursor = sdk.v1.custom_fields.list_keys(extra_query={"limit": 1}).next_page
    assert cursor is not None
    return cursor


def test_a_products_two_names_are_one(sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "contract_product", unique("k"), unique=True)
    with pytest.raises(metronome.ConflictError, match="key"):
        declare(sdk, "product", key)
    product = a_product(sdk, unique("p"))
    set_values(sdk, "product", product, **{key: "x"})
    with pytest.raises(metronome.ConflictError, match=key):
        make(sdk, "contract_product", {key: "x"})
    card = sdk.v1.contracts.rate_cards.create(name="c").data.id
    sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=product,
        starting_at=START,
        entitled=True,
        rate_type="FLAT",
        price=1,
    )
    (rate,) = sdk.v1.contracts.rate_cards.rates.list(rate_card_id=card, at=START)
    assert rate.product_custom_fields == {key: "x"}


@ENTITIES
def test_a_removed_key_takes_its_values_along(sdk: Metronome, unique: Unique, entity: str) -> None:
    key = declare(sdk, entity, unique("k"), unique=True)
    one, other = make(sdk, entity, {key: "x", "left": "1"}), make(sdk, entity, {})
    sdk.v1.custom_fields.remove_key(entity=entity, key=key)  # type: ignore[arg-type]
    assert fields_of(sdk, entity, one) == {"left": "1"}
    with pytest.raises(metronome.NotFoundError, match=key):
        sdk.v1.custom_fields.remove_key(entity=entity, key=key)  # type: ignore[arg-type]
    with pytest.raises(metronome.BadRequestError, match=key):
        set_values(sdk, entity, other, **{key: "x"})
    declare(sdk, entity, key, unique=True)
    set_values(sdk, entity, other, **{key: "x"})


@ENTITIES
def test_a_key_that_begins_to_be_unique_counts_values_given_before(
    sdk: Metronome, unique: Unique, entity: str
) -> None:
    key = unique("k")
    one, other = make(sdk, entity, {key: "x"}), make(sdk, entity, {key: "x"})
    with pytest.raises(metronome.ConflictError, match="enforce_uniqueness"):
        declare(sdk, entity, key, unique=True)
    assert key not in {row.key for row in sdk.v1.custom_fields.list_keys()}
    sdk.v1.custom_fields.delete_values(entity=entity, entity_id=one, keys=[key])  # type: ignore[arg-type]
    declare(sdk, entity, key, unique=True)
    with pytest.raises(metronome.ConflictError, match=key):
        set_values(sdk, entity, one, **{key: "x"})
    assert fields_of(sdk, entity, other) == {key: "x"}


def test_entities_that_cannot_have_values_yet(sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "commit", unique("k"))
    with pytest.raises(metronome.NotFoundError, match="commit"):
        set_values(sdk, "commit", str(uuid4()), **{key: "x"})
    with pytest.raises(metronome.BadRequestError, match="invoices are not supported"):
        set_values(sdk, "invoice", str(uuid4()), **{key: "x"})
    sdk.v1.custom_fields.remove_key(entity="commit", key=key)


@pytest.mark.parametrize(
    ("path", "change", "named"),
    [
        ("addKey", {"entity": "planet"}, "entity"),
        ("addKey", {"key": ""}, "key"),
        ("addKey", {"key": "k" * 101}, "key"),
        ("addKey", {"enforce_uniqueness": "yes"}, "enforce_uniqueness"),
        ("removeKey", {"entity": "planet"}, "entity"),
        ("removeKey", {"entity": None}, "entity"),
        ("listKeys", {"entities": ["customer", "planet"]}, "entities[1]"),
        ("listKeys", {"entities": "customer"}, "entities"),
        ("setValues", {"entity_id": "x"}, "entity_id"),
        ("setValues", {"custom_fields": {"k": "v" * 201}}, "custom_fields"),
        ("setValues", {"custom_fields": {"k" * 101: "v"}}, "custom_fields"),
        ("setValues", {"custom_fields": {"k": 1}}, "custom_fields"),
        ("setValues", {"custom_fields": {"k": None}}, "custom_fields"),
        ("setValues", {"custom_fields": ["k"]}, "custom_fields"),
        ("deleteValues", {"keys": "k"}, "keys"),
        ("deleteValues", {"keys": [1]}, "keys"),
    ],
)
def test_bad_values_name_the_field(
    http: httpx.Client, path: str, change: dict[str, object], named: str
) -> None:
    body = {
        "entity": "customer",
        "entity_id": str(uuid4()),
        "key": "k",
        "keys": ["k"],
        "enforce_uniqueness": False,
        "custom_fields": {"k": "v"},
    }
    answer = http.post(f"/v1/customFields/{path}", json={**body, **change})
    assert answer.status_code == 400
    assert named in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/customers", {"name": "n"}),
        ("/v1/billable-metrics/create", {"name": "n", "aggregation_type": "COUNT"}),
        ("/v1/contract-pricing/rate-cards/create", {"name": "n"}),
    ],
)
def test_too_long_values_are_refused_where_things_are_made(
    http: httpx.Client, path: str, body: dict[str, object]
) -> None:
    for fields in ({"k": "v" * 201}, {"": "v"}, {"k" * 101: "v"}):
        answer = http.post(path, json={**body, "custom_fields": fields})
        assert (answer.status_code, "custom_fields" in answer.json()["message"]) == (400, True)


def test_unknown_entities_are_not_found(
    service: Service, http: httpx.Client, sdk: Metronome, unique: Unique
) -> None:
    theirs = declare(sdk, "customer", unique("k"), unique=True)
    mine = make(sdk, "customer", {theirs: "x"})
    with service.sdk(service.other_token) as other:
        declare(other, "customer", theirs, unique=True)
        for entity_id in (mine, str(uuid4())):
            with pytest.raises(metronome.NotFoundError):
                set_values(other, "customer", entity_id, **{theirs: "y"})
            with pytest.raises(metronome.NotFoundError):
                other.v1.custom_fields.delete_values(
                    entity="customer", entity_id=entity_id, keys=[theirs]
                )
        # What was refused took no value.
        make(other, "customer", {theirs: "y"})
    assert fields_of(sdk, "customer", mine) == {theirs: "x"}


def test_scopes(service: Service, unique: Unique) -> None:
    body = {"entity": "customer", "key": unique("k"), "enforce_uniqueness": False}
    with service.http(service.read_token) as reader:
        assert reader.post("/v1/customFields/listKeys", json={}).status_code == 200
        assert reader.post("/v1/customFields/addKey", json=body).status_code == 403


def race(service: Service, *posts: tuple[str, dict[str, Any]]) -> list[int]:
    """Send all at once and return the statuses, in order."""

    async def send() -> list[int]:
        headers = {"Authorization": f"Bearer {service.token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=30) as client:
            sent = [client.post(path, json=body) for path, body in posts]
            return [answer.status_code for answer in await asyncio.gather(*sent)]

    return asyncio.run(send())


def test_many_writers_of_one_unique_value(service: Service, sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "customer", unique("k"), unique=True)
    there = [make(sdk, "customer", {}) for _ in range(4)]
    created = [("/v1/customers", {"name": "n", "custom_fields": {key: "x"}})] * 4
    changed = [
        (
            "/v1/customFields/setValues",
            {"entity": "customer", "entity_id": one, "custom_fields": {key: "x"}},
        )
        for one in there
    ]
    assert sorted(race(service, *created, *changed)) == [200] + [409] * 7


def test_writers_that_exchange_values_wait_for_each_other(
    service: Service, sdk: Metronome, unique: Unique
) -> None:
    keys = [declare(sdk, "customer", unique("k"), unique=True) for _ in range(8)]
    one, other = (make(sdk, "customer", dict.fromkeys(keys, name)) for name in "ab")

    def change(owner: str, name: str, order: list[str]) -> tuple[str, dict[str, Any]]:
        fields = dict.fromkeys(order, name)
        return (
            "/v1/customFields/setValues",
            {"entity": "customer", "entity_id": owner, "custom_fields": fields},
        )

    # Each takes what the other leaves, in either order of the keys; a deadlock would be 503.
    for turn in range(10):
        posts = [
            change(owner, f"{name}{turn}", order)
            for owner in (one, other)
            for name in "ab"
            for order in (keys, keys[::-1])
        ]
        statuses = race(service, *posts)
        assert set(statuses) <= {200, 409}
        assert 200 in statuses
    shown = [fields_of(sdk, "customer", owner) for owner in (one, other)]
    for key in keys:
        assert shown[0][key] != shown[1][key]


def test_a_key_becomes_unique_while_values_are_given(
    service: Service, sdk: Metronome, unique: Unique
) -> None:
    for _ in range(5):
        key = unique("k")
        create = ("/v1/customers", {"name": "n", "custom_fields": {key: "x"}})
        declared = (
            "/v1/customFields/addKey",
            {"entity": "customer", "key": key, "enforce_uniqueness": True},
        )
        statuses = race(service, create, create, declared, create, create)
        bearers = [row for row in sdk.v1.customers.list() if row.custom_fields.get(key) == "x"]
        # Either values came first and repeat, or the key did and lets one through.
        if statuses[2] == 409:
            assert len(bearers) > 1
        else:
            assert len(bearers) == 1


def test_one_of_many_declares_a_key(service: Service, unique: Unique) -> None:
    body = {"entity": "rate_card", "key": unique("k"), "enforce_uniqueness": True}
    statuses = race(service, *[("/v1/customFields/addKey", body)] * 6)
    assert sorted(statuses) == [200] + [409] * 5


def test_a_customers_change_is_stamped(sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "customer", unique("k"))
    one = make(sdk, "customer", {})
    before = datetime.now(UTC)
    set_values(sdk, "customer", one, **{key: "x"})
    assert sdk.v1.customers.retrieve(customer_id=one).data.updated_at >= before


def test_metrics_keep_their_fields_when_renamed(sdk: Metronome, unique: Unique) -> None:
    key = declare(sdk, "billable_metric", unique("k"))
    metric = a_metric(sdk, unique("m"))
    set_values(sdk, "billable_metric", metric, **{key: "x"})
    sdk.v1.billable_metrics.update(billable_metric_id=metric, name="renamed")
    assert fields_of(sdk, "billable_metric", metric) == {key: "x"}
