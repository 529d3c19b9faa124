"""The three styles of paging, over more pages than one, while rows are added and hidden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Unique
from tests.integration.api.test_sdk import START, a_product

CARDS = "/v1/contract-pricing/rate-cards"


def test_query_cursor_of_a_get_list(sdk: Metronome, unique: Unique) -> None:
    alias = unique("a")
    made = [sdk.v1.customers.create(name=f"{alias}-{n}").data.id for n in range(7)]
    first = sdk.v1.customers.list(limit=2)
    assert len(first.data) == 2
    # Rows made or archived while somebody pages neither repeat nor hide others.
    made.append(sdk.v1.customers.create(name="late").data.id)
    sdk.v1.customers.archive(id=first.data[0].id)
    seen = [row.id for row in first]
    assert len(seen) == len(set(seen))
    assert set(made) <= set(seen)


def test_query_cursor_of_post_lists(sdk: Metronome, unique: Unique) -> None:
    products = {a_product(sdk, unique("p")) for _ in range(5)}
    pages = list(sdk.v1.contracts.products.list(limit=2).iter_pages())
    assert len(pages) >= 3
    assert products <= {row.id for page in pages for row in page.data}
    card = sdk.v1.contracts.rate_cards.create(name="paged").data.id
    sdk.v1.contracts.rate_cards.rates.add_many(
        rate_card_id=card,
        rates=[
            {
                "product_id": product,
                "starting_at": START + timedelta(days=day),
                "entitled": True,
                "rate_type": "FLAT",
                "price": day,
            }
            for product in products
            for day in range(3)
        ],
    )
    rows = [
        row.product_id
        for row in sdk.v1.contracts.rate_cards.rates.list(
            rate_card_id=card, at=datetime(2026, 6, 1, tzinfo=UTC), limit=2
        )
    ]
    assert sorted(rows) == sorted(products)
    starts = []
    cursor = None
    while True:
        schedule = sdk.v1.contracts.rate_cards.retrieve_rate_schedule(
            rate_card_id=card,
            starting_at=START,
            limit=4,
            **({"next_page": cursor} if cursor else {}),
        )
        starts += [(row.product_id, row.starting_at) for row in schedule.data]
        cursor = schedule.next_page
        if cursor is None:
            break
    assert len(starts) == len(set(starts)) == 15


def test_credit_types_page_through_currencies_and_units(sdk: Metronome, unique: Unique) -> None:
    units = {sdk.v1.pricing_units.create(name=unique("unit")).data.id for _ in range(4)}
    for limit in (1, 3, 17, 18, 19, 100):
        rows = [row.id for row in sdk.v1.pricing_units.list(limit=limit)]
        assert len(rows) == len(set(rows)) >= 22
        assert units <= set(rows)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_body_cursor_of_contracts(http: httpx.Client, sdk: Metronome, version: str) -> None:
    customer = sdk.v1.customers.create(name="many").data.id
    made = {
        sdk.v1.contracts.create(customer_id=customer, starting_at=START).data.id for _ in range(5)
    }
    seen: list[str] = []
    body: dict[str, object] = {"customer_id": customer, "limit": 2}
    for _ in range(3):
        answer = http.post(f"/{version}/contracts/list", json=body).json()
        seen += [row["id"] for row in answer["data"]]
        body["cursor"] = answer["cursor"]
    assert body["cursor"] is None
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize("name", ["customerCommits", "customerCredits", "customerBalances"])
def test_body_cursor_named_next_page(http: httpx.Client, sdk: Metronome, name: str) -> None:
    customer = sdk.v1.customers.create(name="n").data.id
    path, body = f"/v1/contracts/{name}/list", {"customer_id": customer}
    for limit in (1, 25, None):
        answer = http.post(path, json={**body, "limit": limit})
        assert (answer.status_code, answer.json()) == (200, {"data": [], "next_page": None})
    for wrong in (0, -1, 26, 1.5, "x", 10**400):
        answer = http.post(path, json={**body, "limit": wrong})
        assert (answer.status_code, answer.json()["message"][:5]) == (400, "limit")
    # A list that has no second page has given no cursor.
    for cursor in ("x", "é", "A" * 5000, _cursor_of_customers(http)):
        answer = http.post(path, json={**body, "next_page": cursor})
        assert (answer.status_code, answer.json()["message"][:9]) == (400, "next_page")
    assert http.post(path, json={**body, "next_page": 5}).status_code == 400


def _cursor_of_customers(http: httpx.Client) -> str:
    for _ in range(2):
        http.post("/v1/customers", json={"name": "n"})
    return str(http.get("/v1/customers", params={"limit": 1}).json()["next_page"])


@pytest.mark.parametrize("spoil", ["x", "=", "é", "\x00", "A" * 5000])
def test_a_spoilt_cursor_is_refused(http: httpx.Client, sdk: Metronome, spoil: str) -> None:
    for _ in range(2):
        sdk.v1.customers.create(name="cursor")
    cursor = http.get("/v1/customers", params={"limit": 1}).json()["next_page"]
    for bad in (cursor[:-2] + spoil, spoil, spoil + cursor):
        answer = http.get("/v1/customers", params={"limit": 1, "next_page": bad})
        assert (answer.status_code, answer.json()["message"][:9]) == (400, "next_page")
    # Nor does a cursor of one list open another.
    answer = http.post(f"{CARDS}/list", params={"next_page": cursor}, json={})
    assert answer.status_code == 400


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1.5", "x", "9" * 400])
def test_a_limit_out_of_range_is_refused(http: httpx.Client, limit: str) -> None:
    answer = http.get("/v1/customers", params={"limit": limit})
    assert answer.status_code == 400
    assert "limit" in answer.json()["message"]


def test_the_sdk_raises_on_a_bad_cursor(sdk: Metronome) -> None:
    with pytest.raises(metronome.BadRequestError, match="next_page"):
        sdk.v1.contracts.products.list(next_page="bad")
