from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from meterline.services.spend_summary import CustomerSpend, ProductSpend, SpendSummary, Unmatched
from meterline.web import customer, overview
from meterline.web.live import Reading
from meterline.web.overview import OverviewFigures, PartitionFigures

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = UUID(int=1)


def reading(second: int, events: int, cents: str = "0") -> Reading[OverviewFigures]:
    spent = SpendSummary(
        Decimal(cents),
        [ProductSpend("Tokens", Decimal(5), Decimal(cents))],
        [CustomerSpend(ID, "Acme", Decimal(cents))],
        [Unmatched("stranger", "no customer", 3)],
        3,
    )
    figures = OverviewFigures(
        events, 7, 0.2, [PartitionFigures(0, None, events, 7)], ["worker 1"], spent
    )
    return Reading(START + timedelta(seconds=second), figures)


def test_the_rate_is_the_mean_of_the_last_seconds() -> None:
    readings = [reading(second, 100 * second) for second in range(10)]
    assert overview.events_per_second(readings, 9) == 100
    assert overview.events_per_second(readings, 0) == 0


def test_charts_carry_exact_values() -> None:
    readings = [reading(0, 0, "12.345"), reading(1, 50, "100")]
    series = overview.points(readings, 0)
    assert [point.value for point in series["events"]] == ["50"]
    assert [(point.value, point.text) for point in series["spend"]] == [
        ("0.12345", "$0.12345"),
        ("1", "$1.00"),
    ]


def test_the_overview_says_what_is_wrong() -> None:
    view = overview.view([reading(0, 0)], "The database does not answer.")
    assert view["trouble"] == "The database does not answer."
    assert view["unmatched"] == "3"
    assert view["unmatched_state"] == "warn"
    assert view["partitions"] == [
        {"number": 0, "worker": "no worker", "metered": "0", "lag": "7", "state": "orphan"}
    ]


def test_small_groups_are_added_up_so_that_the_chart_shows_everything() -> None:
    groups = {f"model-{place}": Decimal(10 - place) for place in range(10)}
    usage = customer.HourlyUsage([(START, groups), (START + timedelta(hours=1), {})])
    view = customer.usage_view(customer.UsageChoice(ID, "model", 24), usage, [(ID, "Tokens")], [])
    assert len(view["series"]) == customer.SERIES_MAX  # type: ignore[arg-type]
    assert view["series"][-1] == customer.REST  # type: ignore[index]
    rows = view["hours"]
    assert sum(Decimal(cell["value"]) for cell in rows[0]["cells"]) == sum(groups.values())  # type: ignore[index]
    assert {cell["value"] for cell in rows[1]["cells"]} == {"0"}  # type: ignore[index]


def test_an_invoice_is_grouped_by_product_and_adds_up() -> None:
    lines = [
        customer.InvoiceLine("Tokens", [("model", "a")], "", Decimal(10), Decimal(2), Decimal(20)),
        customer.InvoiceLine("Tokens", [("model", "b")], "", Decimal(5), Decimal(2), Decimal(10)),
        customer.InvoiceLine("Calls", [], "1", Decimal(1), Decimal(0), Decimal(0)),
    ]
    invoice = customer.RunningInvoice(
        ID, "DRAFT", START, START, "USD (cents)", Decimal(3000), lines
    )
    view = customer.view(customer.CustomerFigures([invoice], Decimal(6000)), None)
    assert view["spend"] == "$30.00"
    assert view["share"] == "50.0 %"
    (shown,) = view["invoices"]  # type: ignore[misc]
    assert [(one["name"], one["quantity"], one["amount"]) for one in shown["products"]] == [
        ("Tokens", "15", "$0.30"),
        ("Calls", "1", "$0.00"),
    ]


def test_a_customer_without_contract_has_no_spend() -> None:
    view = customer.view(customer.CustomerFigures([], Decimal(0)), None)
    assert (view["spend"], view["share"], view["period_text"]) == (
        "$0.00",
        "–",
        "no contract runs",
    )
