from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from meterline.cli.catalogue.price_bodies import PriceWriter
from meterline.cli.catalogue.source import Source
from meterline.demo import catalogue
from meterline.demo.traffic import TICKS_A_SECOND, Traffic

NAMES = catalogue.customer_names(100)
TICK = 7_000_000_000


def test_a_tick_is_the_same_whenever_it_is_sent() -> None:
    assert Traffic(NAMES, rate=400).tick(TICK) == Traffic(NAMES, rate=400).tick(TICK)


def test_the_rate_is_about_what_was_asked_for_and_ids_are_unique() -> None:
    traffic = Traffic(NAMES, rate=400)
    ticks = range(TICK, TICK + 240 * TICKS_A_SECOND)
    ids = [event["transaction_id"] for tick in ticks for event in traffic.tick(tick)]
    assert 0.9 < len(ids) / (400 * 240) < 1.1
    assert len(set(ids)) == len(ids)


def test_few_customers_make_most_of_the_traffic() -> None:
    traffic = Traffic(NAMES, rate=4000)
    seen = Counter(event["customer_id"] for tick in range(10) for event in traffic.tick(tick))
    assert sum(count for _, count in seen.most_common(10)) > 0.4 * seen.total()


def test_history_is_one_event_an_hour_customer_and_model() -> None:
    end = datetime(2026, 11, 23, 12, tzinfo=UTC)
    events = list(Traffic(NAMES, rate=400).history(end - timedelta(hours=3), end))
    assert len({event["transaction_id"] for event in events}) == len(events)
    assert {event["timestamp"][:13] for event in events} == {
        "2026-11-23T09",
        "2026-11-23T10",
        "2026-11-23T11",
    }
    requests = sum(event["properties"]["requests"] for event in events)
    assert 0.5 < requests / (400 * 3600 * 3) < 1.6


def test_every_event_has_a_price() -> None:
    priced = {
        (rate.group["model"], rate.group["region"])
        for rate in catalogue.pricing(1).rate_cards[0].rates
        if rate.group
    }
    used = {
        (event["properties"]["model"], event["properties"]["region"])
        for tick in range(40)
        for event in Traffic(NAMES, rate=400).tick(tick)
    }
    assert used <= priced


def test_the_catalogue_is_complete_and_its_prices_exact() -> None:
    pricing = catalogue.pricing(300)
    assert len({customer.name for customer in pricing.customers}) == 300
    assert len({customer.ingest_aliases[0] for customer in pricing.customers}) == 300
    writer = PriceWriter(Source(Path("demo"), None), currency="USD")
    terms = [writer.terms(rate, ()) for rate in pricing.rate_cards[0].rates]
    assert len(terms) == len(catalogue.models()) * 3 * 3 + 1
    assert all(isinstance(one.get("price", Decimal(0)), Decimal) for one in terms)
