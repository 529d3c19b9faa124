"""What follows a sandbox's own clock: ingest's window, billing periods, contracts and what else is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import metronome
import pytest
from metronome import Metronome
from tests.integration.api.conftest import Service, Unique
from tests.integration.api.test_sdk import a_product
from tests.support.roles import running_role
from tests.support.usage_rows import Observation, write

from meterline.core.metric import Aggregation, BillableMetric
from meterline.services.environments import create_environment
from meterline.store.database import Database

CLOCK = "/v1/sandbox/clock"
JANUARY = datetime(2031, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2031, 2, 1, tzinfo=UTC)
MID_JANUARY = datetime(2031, 1, 15, 12, tzinfo=UTC)
MID_FEBRUARY = datetime(2031, 2, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Sandbox:
    """A sandbox whose clock stands at MID_JANUARY."""

    service: Service
    environment_id: int
    sdk: Metronome
    http: httpx.Client

    def move(self, to: datetime) -> httpx.Response:
        return self.http.post(CLOCK, json={"now": to.isoformat()})

    def on_database(self, use: Callable[[Database], object]) -> None:
        async def run() -> None:
            async with Database(self.service.database_url, connections_max=2) as database:
                await use(database)  # type: ignore[misc]

        asyncio.run(run())

    def meter(self, *seen: Observation) -> None:
        async def metered(database: Database) -> None:
            async with database.installation() as connection:
                await write(connection, self.environment_id, seen)

        self.on_database(metered)


@pytest.fixture(scope="module", autouse=True)
def metering(service: Service, short_dir: Path) -> Iterator[None]:
    """A worker: the clock does not move past events that wait to be metered."""
    with running_role("work", service.database_url, short_dir):
        yield


@pytest.fixture
def sandbox(service: Service, unique: Unique) -> Iterator[Sandbox]:
    yield from _sandbox(service, unique("sandbox"), MID_JANUARY)


@pytest.fixture
def sandbox_by_the_wall_clock(service: Service, unique: Unique) -> Iterator[Sandbox]:
    yield from _sandbox(service, unique("sandbox"), None)


def _sandbox(service: Service, name: str, clock: datetime | None) -> Iterator[Sandbox]:
    async def make() -> tuple[int, str]:
        async with Database(service.database_url, connections_max=2) as database:
            return await create_environment(database, name, "sandbox", clock)

    environment_id, token = asyncio.run(make())
    with service.sdk(token) as sdk, service.http(token) as http:
        yield Sandbox(service, environment_id, sdk, http)


def shown(answer: httpx.Response) -> datetime:
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["now"]
    return datetime.fromisoformat(answer.json()["now"])


def test_the_clock_stands_until_moved_and_moves_forward_only(sandbox: Sandbox) -> None:
    assert shown(sandbox.http.get(CLOCK)) == MID_JANUARY
    assert shown(sandbox.move(FEBRUARY)) == FEBRUARY
    assert shown(sandbox.move(FEBRUARY)) == FEBRUARY
    back = sandbox.move(FEBRUARY - timedelta(microseconds=1))
    assert back.status_code == 400
    assert back.json()["message"].startswith("now: ")
    assert shown(sandbox.http.get(CLOCK)) == FEBRUARY


def test_elsewhere_the_wall_clock_goes_and_stays(
    http: httpx.Client, sandbox_by_the_wall_clock: Sandbox
) -> None:
    for client, why in ((http, "only a sandbox"), (sandbox_by_the_wall_clock.http, "wall clock")):
        assert abs(shown(client.get(CLOCK)) - datetime.now(UTC)) < timedelta(seconds=10)
        refused = client.post(CLOCK, json={"now": MID_JANUARY.isoformat()})
        assert refused.status_code == 409
        assert refused.headers["x-should-retry"] == "false"
        assert why in refused.json()["message"]
        assert abs(shown(client.get(CLOCK)) - datetime.now(UTC)) < timedelta(seconds=10)


def test_reading_needs_read_and_moving_needs_full(service: Service) -> None:
    for token, get in ((service.read_token, 200), (service.ingest_token, 403)):
        with service.http(token) as client:
            assert client.get(CLOCK).status_code == get
            assert client.post(CLOCK, json={"now": "2031-01-01T00:00:00Z"}).status_code == 403


def test_two_movers_leave_the_later_time(sandbox: Sandbox) -> None:
    headers = sandbox.http.headers

    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=sandbox.service.url, headers=headers) as client:
            times = [FEBRUARY + timedelta(hours=hour) for hour in (5, 1, 7, 3, 6, 2, 4, 0)]
            posts = [client.post(CLOCK, json={"now": time.isoformat()}) for time in times]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert set(asyncio.run(race())) <= {200, 400}
    assert shown(sandbox.http.get(CLOCK)) == FEBRUARY + timedelta(hours=7)


def test_ingests_window_follows_the_clock(sandbox: Sandbox) -> None:
    def ingest(at: datetime) -> None:
        sandbox.sdk.v1.usage.ingest(
            usage=[
                {
                    "customer_id": "c",
                    "event_type": "llm",
                    "timestamp": at.isoformat(),
                    "transaction_id": str(uuid4()),
                }
            ]
        )

    ingest(MID_JANUARY)
    for outside in (MID_FEBRUARY, MID_JANUARY - timedelta(days=35), datetime.now(UTC)):
        with pytest.raises(metronome.BadRequestError, match="timestamp"):
            ingest(outside)
    sandbox.move(MID_FEBRUARY)
    ingest(MID_FEBRUARY)
    with pytest.raises(metronome.BadRequestError, match="timestamp"):
        ingest(MID_FEBRUARY - timedelta(days=35))


def test_what_is_made_and_shown_follows_the_clock(sandbox: Sandbox, unique: Unique) -> None:
    sdk = sandbox.sdk
    product = a_product(sdk, unique("p"))
    sdk.v1.contracts.products.update(product_id=product, starting_at=FEBRUARY, name="dearer")
    assert sdk.v1.contracts.products.retrieve(id=product).data.current.name != "dearer"
    customer = sdk.v1.customers.create(name="Acme").data.id
    assert sdk.v1.customers.retrieve(customer_id=customer).data.created_at == MID_JANUARY
    contract = sdk.v1.contracts.create(customer_id=customer, starting_at=JANUARY).data.contract
    assert contract is not None
    assert contract.created_at == MID_JANUARY
    sandbox.move(FEBRUARY)
    assert sdk.v1.contracts.products.retrieve(id=product).data.current.name == "dearer"
    assert sdk.v1.customers.retrieve(customer_id=customer).data.created_at == MID_JANUARY


def test_moving_into_a_new_billing_period_begins_its_invoice(
    sandbox: Sandbox, unique: Unique
) -> None:
    sdk = sandbox.sdk
    metric = BillableMetric(
        UUID(sdk.v1.billable_metrics.create(name="calls", aggregation_type="COUNT").data.id),
        "calls",
        Aggregation.COUNT,
    )
    product = sdk.v1.contracts.products.create(
        name="calls", type="USAGE", billable_metric_id=str(metric.id)
    ).data.id
    card = sdk.v1.contracts.rate_cards.create(name="card").data.id
    sdk.v1.contracts.rate_cards.rates.add(
        rate_card_id=card,
        product_id=product,
        starting_at=JANUARY,
        entitled=True,
        rate_type="FLAT",
        price=3,
    )
    customer = sdk.v1.customers.create(name="Acme").data.id
    sdk.v1.contracts.create(customer_id=customer, starting_at=JANUARY, rate_card_id=card)
    used = [
        Observation(metric, customer, (), at, uuid4(), Decimal(1))
        for at in (MID_JANUARY, MID_JANUARY, FEBRUARY, FEBRUARY, FEBRUARY)
    ]
    sandbox.meter(*used)
    assert periods(sdk, customer) == [(JANUARY, FEBRUARY, 6)]
    assert usage_now(sdk, customer, metric) == [(JANUARY, 2)]

    sandbox.move(MID_FEBRUARY)
    march = datetime(2031, 3, 1, tzinfo=UTC)
    assert periods(sdk, customer) == [(JANUARY, FEBRUARY, 6), (FEBRUARY, march, 9)]
    assert usage_now(sdk, customer, metric) == [(FEBRUARY, 3)]


def periods(sdk: Metronome, customer: str) -> list[tuple[datetime | None, datetime | None, float]]:
    rows = sdk.v1.customers.invoices.list(customer_id=customer)
    return [(row.start_timestamp, row.end_timestamp, row.total) for row in rows]


def usage_now(
    sdk: Metronome, customer: str, metric: BillableMetric
) -> list[tuple[datetime, float | None]]:
    rows = sdk.v1.usage.list_with_groups(
        billable_metric_id=str(metric.id),
        customer_id=customer,
        window_size="NONE",
        current_period=True,
    )
    return [(row.starting_on, row.value) for row in rows]


@pytest.mark.parametrize(
    "wrong",
    [
        "soon",
        "2031-02-01T00:00:00",
        5,
        None,
        [],
        {},
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59Z",
    ],
)
def test_a_time_without_meaning_is_refused(sandbox: Sandbox, wrong: object) -> None:
    refused = sandbox.http.post(CLOCK, json={"now": wrong})
    assert refused.status_code == 400
    assert "now" in refused.json()["message"]
    assert "now" in sandbox.http.post(CLOCK, json={}).json()["message"]
    assert shown(sandbox.http.get(CLOCK)) == MID_JANUARY
