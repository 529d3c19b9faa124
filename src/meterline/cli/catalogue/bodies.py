"""Metrics, products and rate cards of the file as bodies of API requests."""

from __future__ import annotations

from typing import Any

from meterline.cli.catalogue import amounts
from meterline.cli.catalogue.amounts import Wrong
from meterline.cli.catalogue.model import Metric, Product, Rate, RateCard
from meterline.cli.catalogue.price_bodies import PriceWriter, credit_type
from meterline.cli.catalogue.requests import Ref
from meterline.cli.catalogue.source import Place, Source

ROUNDINGS = {"up": "ROUND_UP", "down": "ROUND_DOWN", "half_up": "ROUND_HALF_UP"}


def metric_body(source: Source, metric: Metric, place: Place) -> dict[str, Any]:
    """Return POST /v1/billable-metrics/create of a metric."""
    kind, key = aggregation(source, metric, place)
    body: dict[str, Any] = {
        "name": metric.name,
        "aggregation_type": kind,
        "property_filters": _filters(metric, key),
        "group_keys": metric.group_keys,
    }
    if key:
        body["aggregation_key"] = key
    if metric.event_types:
        body["event_type_filter"] = {"in_values": metric.event_types}
    for name in ("event_minimum", "event_maximum"):
        if getattr(metric, name) is not None:
            body[name] = getattr(metric, name)
    return body


def aggregation(source: Source, metric: Metric, place: Place) -> tuple[str, str | None]:
    """Return the aggregation type and its property, or raise CommandError."""
    given: list[tuple[str, str | None]] = [
        (kind.upper(), value)
        for kind in ("sum", "max", "latest", "unique")
        if (value := getattr(metric, kind)) is not None
    ]
    if metric.count:
        given.append(("COUNT", None))
    if len(given) != 1:
        raise source.fault(
            place, f"metric {metric.name!r}: give exactly one of count, sum, max, latest, unique"
        )
    return given[0]


def _filters(metric: Metric, key: str | None) -> list[dict[str, Any]]:
    """The file's filters, and a test for each property that is aggregated or grouped by: an event without one could
    not be priced.
    """
    rows: dict[str, dict[str, Any]] = {}
    for one in metric.filters:
        row: dict[str, Any] = {"name": one.property}
        if one.exists is not None:
            row["exists"] = one.exists
        for field in ("in_values", "not_in_values"):
            if getattr(one, field):
                row[field] = getattr(one, field)
        rows[one.property] = row
    grouped = (name for group in metric.group_keys for name in group)
    for name in dict.fromkeys([*([key] if key else []), *grouped]):
        row = rows.setdefault(name, {"name": name})
        row.setdefault("exists", True)
    return list(rows.values())


def product_type(product: Product) -> str:
    """Return the API's type of a product, told by its parts where the file does not say."""
    if product.type is not None:
        name = product.type.upper()
        return "PRO_SERVICE" if name == "PROFESSIONAL_SERVICE" else name
    if product.metric is not None:
        return "USAGE"
    return "COMPOSITE" if product.composite is not None else "FIXED"


def product_body(source: Source, product: Product, place: Place) -> dict[str, Any]:
    """Return POST products/create of a product."""
    body: dict[str, Any] = {"name": product.name, "type": product_type(product)}
    return body | product_fields(source, product, place)


def product_fields(source: Source, product: Product, place: Place) -> dict[str, Any]:
    """Return what of a product may change with time and is said in the file."""
    fields: dict[str, Any] = {}
    if product.metric is not None:
        fields["billable_metric_id"] = Ref("metric", product.metric, (*place, "metric"))
    for name in ("pricing_group_key", "presentation_group_key", "tags"):
        if getattr(product, name):
            fields[name] = getattr(product, name)
    conversion, rounding, composite = product.conversion, product.rounding, product.composite
    if conversion is not None:
        if (conversion.divide is None) == (conversion.multiply is None):
            raise source.fault((*place, "conversion"), "give either divide or multiply")
        divides = conversion.divide is not None
        fields["quantity_conversion"] = {
            "conversion_factor": conversion.divide if divides else conversion.multiply,
            "operation": "DIVIDE" if divides else "MULTIPLY",
        } | ({"name": conversion.name} if conversion.name else {})
    if rounding is not None:
        if rounding.method.lower() not in ROUNDINGS:
            raise source.fault(
                (*place, "rounding", "method"), f"must be one of {', '.join(ROUNDINGS)}"
            )
        fields["quantity_rounding"] = {
            "rounding_method": ROUNDINGS[rounding.method.lower()],
            "decimal_places": rounding.places,
        }
    if composite is not None:
        fields["composite_product_ids"] = [
            Ref("product", name, (*place, "composite", "products", number))
            for number, name in enumerate(composite.products)
        ]
        fields["composite_tags"] = composite.tags
        fields["exclude_free_usage"] = composite.exclude_free_usage
        fields["include_composite_spend"] = composite.include_composite_spend
    return fields


def card_body(source: Source, card: RateCard, place: Place) -> dict[str, Any]:
    """Return POST rate-cards/create of a card without rates."""
    if card.currency not in amounts.CURRENCIES:
        known = ", ".join(sorted(amounts.CURRENCIES))
        raise source.fault((*place, "currency"), f"must be one of {known}")
    body: dict[str, Any] = {
        "name": card.name,
        "fiat_credit_type_id": credit_type(card.currency, (*place, "currency")),
    }
    if card.description is not None:
        body["description"] = card.description
    if card.aliases:
        body["aliases"] = aliases(source, card, place)
    if card.units:
        body["credit_type_conversions"] = conversions(source, card, place)
    return body


def conversions(source: Source, card: RateCard, place: Place) -> list[dict[str, Any]]:
    """Return what one of each custom unit is worth, in the measure of the card's currency."""
    rows = []
    for name, worth in card.units.items():
        try:
            measured = amounts.measured(worth, card.currency)
        except Wrong as wrong:
            raise source.fault((*place, "units", name), str(wrong)) from None
        at = (*place, "units", name)
        rows.append(
            {"custom_credit_type_id": Ref("unit", name, at), "fiat_per_custom_credit": measured}
        )
    return rows


def aliases(source: Source, card: RateCard, place: Place) -> list[dict[str, Any]]:
    """Return the aliases of a card."""
    return [
        {"name": one.name}
        | {
            name: instant_text(source, text, (*place, "aliases", number, name))
            for name in ("starting_at", "ending_before")
            if (text := getattr(one, name)) is not None
        }
        for number, one in enumerate(card.aliases)
    ]


def rate_body(writer: PriceWriter, rate: Rate, place: Place, *, starting_at: str) -> dict[str, Any]:
    """Return a row of POST addRates."""
    body: dict[str, Any] = {
        "product_id": Ref("product", rate.product, (*place, "product")),
        "starting_at": starting_at,
        "entitled": rate.entitled,
        "credit_type_id": writer.unit_id(rate.unit, (*place, "unit")),
    } | writer.terms(rate, place)
    if rate.ending_before is not None:
        body["ending_before"] = instant_text(
            writer.source, rate.ending_before, (*place, "ending_before")
        )
    if rate.group:
        body["pricing_group_values"] = rate.group
    if rate.every is not None:
        body["billing_frequency"] = rate.every.upper()
    if rate.commit is not None:
        body["commit_rate"] = writer.terms(rate.commit, (*place, "commit"))
    return body


def instant_text(source: Source, text: str, place: Place) -> str:
    """Return a date or timestamp of the file as the API takes it. Raises CommandError."""
    try:
        return amounts.timestamp(amounts.instant(text))
    except Wrong as wrong:
        raise source.fault(place, str(wrong)) from None
