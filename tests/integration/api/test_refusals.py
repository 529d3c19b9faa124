"""Whatever a client sends, the answer is a 4xx with {"message"} that says what is wrong, and nothing is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import metronome
import psycopg
import pytest
from tests.integration.api.conftest import Service, Unique

CARDS = "/v1/contract-pricing/rate-cards"
PRODUCTS = "/v1/contract-pricing/products"
ID = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"

# Every POST of the catalogue with a body that would pass if what it names existed.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/credit-types/create": {"name": "n"},
    "/v1/credit-types/archive": {"id": ID},
    "/v1/billable-metrics/create": {"name": "n", "aggregation_type": "COUNT"},
    "/v1/billable-metrics/archive": {"id": ID},
    f"{PRODUCTS}/create": {"name": "n", "type": "FIXED"},
    f"{PRODUCTS}/get": {"id": ID},
    f"{PRODUCTS}/update": {"product_id": ID, "starting_at": "2026-01-01T00:00:00Z"},
    f"{PRODUCTS}/list": {"archive_filter": "ALL"},
    f"{PRODUCTS}/archive": {"product_id": ID},
    f"{CARDS}/create": {"name": "n"},
    f"{CARDS}/get": {"id": ID},
    f"{CARDS}/update": {"rate_card_id": ID, "name": "n"},
    f"{CARDS}/archive": {"id": ID},
    f"{CARDS}/setRateCardProductsOrder": {"rate_card_id": ID, "product_order": [ID]},
    f"{CARDS}/moveRateCardProducts": {
        "rate_card_id": ID,
        "product_moves": [{"product_id": ID, "position": 0}],
    },
    f"{CARDS}/addRate": {
        "rate_card_id": ID,
        "product_id": ID,
        "starting_at": "2026-01-01T00:00:00Z",
        "entitled": True,
        "rate_type": "FLAT",
        "price": 1,
    },
    f"{CARDS}/addRates": {"rate_card_id": ID, "rates": []},
    f"{CARDS}/getRates": {"rate_card_id": ID, "at": "2026-01-01T00:00:00Z"},
    f"{CARDS}/getRateSchedule": {"rate_card_id": ID, "starting_at": "2026-01-01T00:00:00Z"},
    "/v1/customers": {"name": "n"},
    "/v1/customers/archive": {"id": ID},
    f"/v1/customers/{ID}/setIngestAliases": {"ingest_aliases": ["a"]},
    f"/v1/customers/{ID}/setName": {"name": "n"},
    f"/v1/customers/{ID}/updateConfig": {"salesforce_account_id": "a"},
    "/v1/contracts/create": {"customer_id": ID, "starting_at": "2026-01-01T00:00:00Z"},
    "/v1/contracts/get": {"customer_id": ID, "contract_id": ID},
    "/v1/contracts/list": {"customer_id": ID},
    "/v1/contracts/updateEndDate": {"customer_id": ID, "contract_id": ID},
    "/v1/contracts/setUsageFilter": {
        "customer_id": ID,
        "contract_id": ID,
        "group_key": "k",
        "group_values": ["v"],
        "starting_at": "2026-01-01T00:00:00Z",
    },
    "/v1/contracts/archive": {"customer_id": ID, "contract_id": ID, "void_invoices": True},
    "/v1/contracts/getContractRateSchedule": {"customer_id": ID, "contract_id": ID},
    "/v2/contracts/get": {"customer_id": ID, "contract_id": ID},
    "/v2/contracts/edit": {"customer_id": ID, "contract_id": ID, "update_contract_name": "n"},
    "/v2/contracts/getEditHistory": {"customer_id": ID, "contract_id": ID},
    "/v2/contracts/commits/archive": {"customer_id": ID, "commit_id": ID},
    "/v2/contracts/credits/archive": {"customer_id": ID, "credit_id": ID},
    "/v2/contracts/commits/edit": {"customer_id": ID, "commit_id": ID, "name": "n"},
    "/v2/contracts/credits/edit": {"customer_id": ID, "credit_id": ID, "name": "n"},
    "/v1/contracts/customerCommits/updateEndDate": {
        "customer_id": ID,
        "commit_id": ID,
        "access_ending_before": "2026-01-01T00:00:00Z",
    },
    "/v1/contracts/customerCredits/updateEndDate": {
        "customer_id": ID,
        "credit_id": ID,
        "access_ending_before": "2026-01-01T00:00:00Z",
    },
    "/v1/contracts/addManualBalanceLedgerEntry": {
        "customer_id": ID,
        "id": ID,
        "segment_id": ID,
        "amount": 1,
        "reason": "r",
    },
    "/v2/contracts/list": {"customer_id": ID},
    **{
        f"/v1/contracts/{name}/list": {
            "customer_id": ID,
            "covering_date": "2026-01-01T00:00:00Z",
            "starting_at": "2026-01-01T00:00:00Z",
            "effective_before": "2026-01-01T00:00:00Z",
            "include_archived": True,
            "limit": 1,
        }
        for name in ("customerCommits", "customerCredits", "customerBalances")
    },
    "/v1/contracts/customerBalances/getNetBalance": {
        "customer_id": ID,
        "credit_type_id": ID,
        "access_type": "SPEND",
        "filters": [{"balance_types": ["CREDIT"], "ids": [ID], "custom_fields": {"k": "v"}}],
        "invoice_inclusion_mode": "FINALIZED",
    },
    "/v1/customFields/addKey": {"entity": "customer", "key": "k", "enforce_uniqueness": True},
    "/v1/customFields/removeKey": {"entity": "customer", "key": "k"},
    "/v1/customFields/listKeys": {"entities": ["customer"]},
    "/v1/customFields/setValues": {
        "entity": "customer",
        "entity_id": ID,
        "custom_fields": {"k": "v"},
    },
    "/v1/customFields/deleteValues": {"entity": "customer", "entity_id": ID, "keys": ["k"]},
    "/v1/sandbox/clock": {"now": "2026-01-01T00:00:00Z"},
}

RAW = {
    "not JSON": b"{",
    "no JSON at all": b"\x00\x01",
    "two values": b"{} {}",
    "an array": b"[]",
    "a text": b'"x"',
    "a number of 400 digits": b"9" * 400,
    "NaN": b'{"name": NaN}',
    "deep nesting": b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "UTF-16": "{}".encode("utf-16"),
}

# A value of the wrong kind for any field there is.
WRONG = {
    "null inside": b'[null, {"x": null}]',
    "true": b"true",
    "a number of 400 digits": b"9" * 400,
    "a huge exponent": b"1e999999",
    "a negative": b"-1",
    "an object": b'{"a": {"b": []}}',
    "a NUL": b'"a\\u0000b"',
    "an empty text": b'""',
    "a long text": b'"' + b"x" * 100_000 + b'"',
    "no date": b'"2026-13-45T00:00:00Z"',
    "the first instant": b'"0001-01-01T00:00:00+14:00"',
    "the last instant": b'"9999-12-31T23:59:59-14:00"',
    "a naive instant": b'"2026-01-01T00:00:00"',
}


def refused(answer: httpx.Response, *also: int) -> str:
    assert answer.status_code in {400, 404, 409, *also}, answer.text
    assert list(answer.json()) == ["message"]
    assert answer.headers["request-id"]
    return str(answer.json()["message"])


@pytest.mark.parametrize("path", BODIES)
def test_a_body_that_is_no_object_of_json(http: httpx.Client, path: str) -> None:
    for raw in RAW.values():
        assert refused(http.post(path, content=raw))


@pytest.mark.parametrize("path", BODIES)
def test_every_field_with_every_wrong_value(http: httpx.Client, path: str) -> None:
    for field in BODIES[path]:
        for name, wrong in WRONG.items():
            parts = [
                f'"{other}": '.encode() + (wrong if other == field else _json(value))
                for other, value in BODIES[path].items()
            ]
            answer = http.post(path, content=b"{" + b", ".join(parts) + b"}")
            assert answer.status_code < 500, f"{field} = {name}: {answer.text}"
            if answer.status_code != 200:
                refused(answer)


@pytest.mark.parametrize(
    "path", [path for path in BODIES if not path.endswith(("/list", "/listKeys"))]
)
def test_a_missing_field_is_named(http: httpx.Client, path: str) -> None:
    message = refused(http.post(path, content=b"{}"), 200) if "updateConfig" not in path else "`x`"
    assert "`" in message
    refused(http.post(path))


@pytest.mark.parametrize("path", [path for path, body in BODIES.items() if ID in str(body) + path])
def test_unknown_ids_are_not_found(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json=BODIES[path])
    assert answer.status_code in (400, 404)
    refused(answer)


@pytest.mark.parametrize(
    "path",
    [f"/v1/customers/{one}" for one in (ID, "x", "%00", "%ff", "..%2f", "%ED%A0%80", "9" * 500)]
    + [f"/v1/billable-metrics/{one}" for one in (ID, "x", "%00", "%ff")],
)
def test_unknown_ids_in_the_path(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404
    refused(http.get(path))


@pytest.mark.parametrize(
    "query",
    [
        "ingest_alias=%00",
        "ingest_alias=%ff",
        "ingest_alias=%ED%A0%80",
        "customer_ids=x",
        "customer_ids=" + ",".join([ID] * 101),
        "only_archived=perhaps",
        "limit=%00",
        "next_page=%00",
    ],
)
def test_bad_queries(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/v1/customers?{query}")
    # Text that is no UTF-8 is read with replacement characters, as URLs are: an alias nobody has.
    if query in {"ingest_alias=%ff", "ingest_alias=%ED%A0%80"}:
        assert answer.json() == {"data": [], "next_page": None}
    else:
        refused(answer)


def test_too_large_a_body(http: httpx.Client) -> None:
    answer = http.post("/v1/customers", content=b'{"name": "' + b"x" * 20_000_000 + b'"}')
    assert answer.status_code == 413
    assert "too large" in answer.json()["message"]


def test_unknown_routes_and_methods(http: httpx.Client) -> None:
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("POST", "/", 404),
        ("DELETE", "/v1/customers", 405),
        ("GET", "/v1/contracts/create", 405),
    ):
        answer = http.request(method, path)
        if path == "/":
            assert answer.status_code in (404, 405)
        else:
            assert answer.status_code == status
        assert list(answer.json()) == ["message"]


def test_unknown_fields_are_ignored(http: httpx.Client) -> None:
    answer = http.post("/v1/customers", json={"name": "n", "from_a_newer_sdk": {"x": [1]}})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spend_threshold_configuration", {"is_enabled": True}),
        ("prepaid_balance_threshold_configuration", {"is_enabled": True}),
        ("spend_trackers", [{"alias": "x"}]),
        ("package_id", ID),
        ("package_alias", "starter"),
        ("hierarchy_configuration", {"parent": {"contract_id": ID, "customer_id": ID}}),
        ("reseller_royalties", [{"fraction": 0.1}]),
        ("billing_provider_configuration", {"billing_provider": "stripe"}),
        ("revenue_system_configuration", {"provider": "netsuite"}),
    ],
)
def test_what_would_be_billed_wrongly_is_refused(
    service: Service, http: httpx.Client, field: str, value: object
) -> None:
    customer = http.post("/v1/customers", json={"name": "n"}).json()["data"]["id"]
    body = {"customer_id": customer, "starting_at": "2026-01-01T00:00:00Z", field: value}
    message = refused(http.post("/v1/contracts/create", json=body))
    assert field in message
    assert re.search("(is|are) not (supported|connected)", message)
    assert http.post("/v1/contracts/create", json={**body, field: None}).status_code == 200


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate_type": "PERCENTAGE", "price": 1.5}, "price"),
        ({"rate_type": "SUBSCRIPTION"}, "rate_type"),
        ({"rate_type": "nonsense"}, "rate_type"),
        ({"price": None}, "price"),
        ({"price": -1}, "price"),
        ({"price": "NaN"}, "price"),
        ({"starting_at": "2026-01-01T00:30:00Z"}, "starting_at"),
        ({"ending_before": "2025-01-01T00:00:00Z"}, "ending_before"),
        ({"pricing_group_values": {"model": "x"}}, "pricing_group_values"),
        ({"billing_frequency": "MONTHLY"}, "billing_frequency"),
        ({"custom_rate": {}}, "custom_rate"),
        ({"credit_type_id": str(uuid4())}, "credit_type_id"),
        ({"rate_type": "TIERED", "price": None, "tiers": [{"price": 1, "size": 5}]}, "tiers[0]"),
        ({"commit_rate": {"rate_type": "FLAT"}}, "commit_rate.price"),
        ({"commit_rate": {"rate_type": "CUSTOM"}}, "commit_rate.rate_type"),
        ({"quantity": 3}, "quantity"),
        ({"price": int("9" * 40)}, "price"),
        ({"rate_type": "CUSTOM", "price": None}, "custom_rate"),
        ({"rate_type": "CUSTOM", "custom_rate": {"model": "FLAT", "price": 1}}, "price"),
        (
            {"rate_type": "CUSTOM", "price": None, "custom_rate": {"model": "X"}},
            "custom_rate.model",
        ),
        (
            {"rate_type": "CUSTOM", "price": None, "custom_rate": {"model": "FLAT", "prize": 1}},
            "custom_rate",
        ),
        (
            {"rate_type": "CUSTOM", "price": None, "custom_rate": {"model": "PACKAGE", "price": 1}},
            "custom_rate.package_size",
        ),
    ],
)
def test_bad_rates_name_the_field(
    http: httpx.Client, change: dict[str, object], named: str
) -> None:
    metric = http.post(
        "/v1/billable-metrics/create", json={"name": "m", "aggregation_type": "count"}
    ).json()["data"]["id"]
    product = http.post(
        f"{PRODUCTS}/create", json={"name": "p", "type": "usage", "billable_metric_id": metric}
    ).json()["data"]["id"]
    card = http.post(f"{CARDS}/create", json={"name": "c"}).json()["data"]["id"]
    rate = {
        "product_id": product,
        "starting_at": "2026-01-01T00:00:00Z",
        "entitled": True,
        "rate_type": "flat",
        "price": 1,
    }
    assert http.post(f"{CARDS}/addRate", json={"rate_card_id": card, **rate}).status_code == 200
    assert named in refused(
        http.post(f"{CARDS}/addRate", json={"rate_card_id": card, **rate, **change})
    )
    both = {"rate_card_id": card, "rates": [rate, {**rate, **change}]}
    assert f"rates[1].{named}" in refused(http.post(f"{CARDS}/addRates", json=both))
    at = {"rate_card_id": card, "at": "2026-01-01T00:00:00Z"}
    assert len(http.post(f"{CARDS}/getRates", json=at).json()["data"]) == 1


def test_tokens_and_scopes(service: Service) -> None:
    for header in (b"Bearer nonsense", b"Bearer \xc3\xa9", b"Bearer", b"Basic x", b""):
        answer = httpx.get(f"{service.url}/v1/customers", headers={"Authorization": header})
        assert answer.status_code == 401
        assert "message" in answer.json()
    assert httpx.get(f"{service.url}/v1/customers").status_code == 401
    for token, get, listed, create in (
        (service.token, 200, 200, 200),
        (service.read_token, 200, 200, 403),
        (service.ingest_token, 403, 403, 403),
    ):
        with service.http(token) as client:
            assert client.get("/v1/customers").status_code == get
            assert client.post(f"{PRODUCTS}/list", json={}).status_code == listed
            answer = client.post("/v1/customers", json={"name": "n"})
            assert answer.status_code == create
    with service.sdk(service.read_token) as sdk, pytest.raises(metronome.PermissionDeniedError):
        sdk.v1.customers.create(name="n")


def test_ids_of_another_environment_do_not_exist(service: Service, unique: Unique) -> None:
    alias, card_alias = unique("alias"), unique("card")
    with service.sdk() as mine, service.sdk(service.other_token) as other:
        metric = mine.v1.billable_metrics.create(name="m", aggregation_type="COUNT").data.id
        product = mine.v1.contracts.products.create(
            name="p", type="USAGE", billable_metric_id=metric
        ).data.id
        card = mine.v1.contracts.rate_cards.create(name="c", aliases=[{"name": card_alias}]).data.id
        customer = mine.v1.customers.create(name="n", ingest_aliases=[alias]).data.id
        contract = mine.v1.contracts.create(
            customer_id=customer, rate_card_id=card, starting_at="2026-01-01T00:00:00Z"
        ).data.id
        theirs = other.v1.customers.create(name="n", ingest_aliases=[alias]).data.id
        attempts = [
            lambda: other.v1.billable_metrics.retrieve(billable_metric_id=metric),
            lambda: other.v1.billable_metrics.archive(id=metric),
            lambda: other.v1.billable_metrics.update(billable_metric_id=metric, name="x"),
            lambda: other.v1.contracts.products.retrieve(id=product),
            lambda: other.v1.contracts.products.archive(product_id=product),
            lambda: other.v1.contracts.rate_cards.retrieve(id=card),
            lambda: other.v1.contracts.rate_cards.update(rate_card_id=card, name="x"),
            lambda: other.v1.contracts.rate_cards.rates.list(
                rate_card_id=card, at="2026-01-01T00:00:00Z"
            ),
            lambda: other.v1.customers.retrieve(customer_id=customer),
            lambda: other.v1.customers.set_name(customer_id=customer, name="x"),
            lambda: other.v1.customers.set_ingest_aliases(customer_id=customer, ingest_aliases=[]),
            lambda: other.v1.contracts.list(customer_id=customer),
            lambda: other.v1.contracts.retrieve(customer_id=customer, contract_id=contract),
            lambda: other.v2.contracts.retrieve(customer_id=theirs, contract_id=contract),
            lambda: other.v1.contracts.create(
                customer_id=theirs, rate_card_id=card, starting_at="2026-01-01T00:00:00Z"
            ),
        ]
        for attempt in attempts:
            with pytest.raises(metronome.NotFoundError):
                attempt()
        with pytest.raises(metronome.BadRequestError):
            other.v1.contracts.create(
                customer_id=theirs, rate_card_alias=card_alias, starting_at="2026-01-01T00:00:00Z"
            )
        assert [row.id for row in other.v1.customers.list(ingest_alias=alias)] == [theirs]
        assert mine.v1.customers.retrieve(customer_id=customer).data.name == "n"


def test_business_conflicts_are_not_to_be_retried(http: httpx.Client, unique: Unique) -> None:
    body = {"name": unique("unit")}
    assert http.post("/v1/credit-types/create", json=body).status_code == 200
    answer = http.post("/v1/credit-types/create", json=body)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")


def test_two_writers_of_one_alias(service: Service, unique: Unique) -> None:
    alias = unique("alias")

    async def race() -> list[int]:
        headers = {"Authorization": f"Bearer {service.token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            body = {"name": "n", "ingest_aliases": [alias]}
            posts = [client.post("/v1/customers", json=body) for _ in range(8)]
            return sorted(answer.status_code for answer in await asyncio.gather(*posts))

    assert asyncio.run(race()) == [200] + [409] * 7


def test_an_alias_may_not_be_anothers_id(http: httpx.Client) -> None:
    one = http.post("/v1/customers", json={"name": "n"}).json()["data"]["id"]
    answer = http.post("/v1/customers", json={"name": "n", "ingest_aliases": [one]})
    assert answer.status_code == 409


def sdk_routes() -> Iterator[tuple[str, str]]:
    """Every method and path that the SDK calls."""
    root = Path(metronome.__file__).parent / "resources"
    call = re.compile(
        r"self\._(get_api_list|get|post|put|patch|delete)\(\s*(?:path_template\(\s*)?f?\"(/v[^\"]*)\""
    )
    for source in root.rglob("*.py"):
        text = source.read_text()
        for match in call.finditer(text):
            verb, path = match.group(1), match.group(2)
            tail = text[match.start() : match.start() + 1500]
            if verb == "get_api_list":
                verb = "post" if re.search(r'method="post"', tail.split("def ")[0]) else "get"
            yield verb.upper(), re.sub(r"\{[^}]*\}", ID, path)


def test_every_path_of_the_sdk_is_answered(http: httpx.Client) -> None:
    routes = sorted(set(sdk_routes()))
    assert len(routes) >= 115
    for method, path in routes:
        answer = http.request(method, path)
        assert answer.status_code != 405, f"{method} {path}"
        assert answer.status_code < 500 or answer.status_code == 501, f"{method} {path}"
        if answer.status_code == 404:
            assert "there is no /" not in answer.text, f"{method} {path}"


def test_health_and_schema_need_no_token(service: Service) -> None:
    assert httpx.get(f"{service.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert "python_info" in httpx.get(f"{service.url}/metrics").text
    schema = httpx.get(f"{service.url}/schema").json()
    assert schema["openapi"].startswith("3.1")
    assert set(BODIES) - {path for path in BODIES if ID in path} <= set(schema["paths"])


def test_a_refused_write_leaves_nothing(service: Service, http: httpx.Client) -> None:
    before = _counts(service.database_url)
    http.post("/v1/customers", json={"name": "n", "ingest_aliases": ["", "ok"]})
    http.post(f"{PRODUCTS}/create", json={"name": "n", "type": "USAGE", "billable_metric_id": ID})
    http.post(f"{CARDS}/create", json={"name": "n", "aliases": [{"name": "a"}, {"name": "a"}]})
    http.post(
        "/v1/contracts/create", json={"customer_id": ID, "starting_at": "2026-01-01T00:00:00Z"}
    )
    assert _counts(service.database_url) == before


def _counts(url: str) -> list[int]:
    tables = (
        "customer",
        "customer_ingest_alias",
        "product",
        "product_version",
        "rate_card",
        "contract",
    )
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE meterline_pipeline")
        rows = [connection.execute(f"SELECT count(*) FROM {one}").fetchone() for one in tables]  # type: ignore[arg-type]
    return [row[0] for row in rows if row is not None]


def _json(value: object) -> bytes:
    return httpx.Request("POST", "http://x", json=value).content
