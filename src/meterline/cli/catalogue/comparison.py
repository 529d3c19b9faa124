"""The differences between a file and what a platform has. Pure: values in, values out.

Nothing that the file does not name is touched, and nothing is taken away. What exists under a name is changed where the
API can change it, from the current hour on unless the file says from when; else the difference is impossible, and says
why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from meterline.cli.catalogue import bodies
from meterline.cli.catalogue.amounts import CURRENCIES, timestamp
from meterline.cli.catalogue.contract_comparison import customer_differences
from meterline.cli.catalogue.differences import Action, Difference
from meterline.cli.catalogue.likeness import unlike
from meterline.cli.catalogue.model import CatalogueFile, Metric, Product, RateCard
from meterline.cli.catalogue.platform import Found, Row
from meterline.cli.catalogue.rate_comparison import rate_differences
from meterline.cli.catalogue.requests import Ref, Request, references, resolved
from meterline.cli.catalogue.source import Place, Source
from meterline.cli.client import CommandError

PRODUCTS = "/v1/contract-pricing/products"
CARDS = "/v1/contract-pricing/rate-cards"

METRIC_FIELDS = (
    "aggregation_type",
    "aggregation_key",
    "group_keys",
    "event_type_filter",
    "event_minimum",
    "event_maximum",
)


def differences(source: Source, wanted: CatalogueFile, found: Found) -> list[Difference]:
    """Return every difference, each after those it depends on.

    Raises CommandError where the file contradicts itself or names what exists nowhere.
    """
    _check_names(source, wanted)
    hour = found.now.replace(minute=0, second=0, microsecond=0)
    result = list(_units(wanted, found))
    result += _metrics(source, wanted.metrics, found)
    result += _products(source, wanted.products, found, hour)
    for number, card in enumerate(wanted.rate_cards):
        place = ("rate_cards", number)
        result += _card(source, card, place, found)
        result += rate_differences(source, wanted, card, place, found)
        result += _product_order(card, place, found)
    for number, customer in enumerate(wanted.customers):
        result += customer_differences(source, wanted, customer, ("customers", number), found)
    _check_references(source, result, found)
    return result


def _units(wanted: CatalogueFile, found: Found) -> Iterator[Difference]:
    for number, unit in enumerate(wanted.units):
        ref = Ref("unit", unit.name)
        if (ref.kind, ref.name) not in found.ids and unit.name not in CURRENCIES:
            create = Request("/v1/credit-types/create", {"name": unit.name}, makes=ref)
            yield Difference(
                Action.CREATE, "unit", unit.name, ("units", number), requests=(create,)
            )


def _metrics(source: Source, wanted: Sequence[Metric], found: Found) -> Iterator[Difference]:
    for number, metric in enumerate(wanted):
        place: Place = ("metrics", number)
        body = bodies.metric_body(source, metric, place)
        existing = found.metrics.get(metric.name)
        if existing is None:
            create = Request("/v1/billable-metrics/create", body, makes=Ref("metric", metric.name))
            yield Difference(
                Action.CREATE, "metric", metric.name, place, (_metric_words(body),), None, (create,)
            )
            continue
        changed = [name for name in METRIC_FIELDS if _differs(body.get(name), existing.get(name))]
        if metric.filters:
            filters = {one["name"]: one for one in existing["property_filters"]}
            changed += [
                f"filter on {one['name']}"
                for one in body["property_filters"]
                if any(unlike(one, filters.get(one["name"], {}), strict=True))
            ]
        for name in changed:
            reason = f"{name} differs, and metrics cannot change: archive it or choose another name"
            yield Difference(Action.IMPOSSIBLE, "metric", metric.name, place, (reason,))


def _differs(wanted: Any, shown: Any) -> bool:
    return bool(wanted or shown) and any(unlike(wanted, shown or None, "field", strict=True))


def _metric_words(body: dict[str, Any]) -> str:
    what = str(body["aggregation_type"]).lower()
    if body.get("aggregation_key"):
        what += f" of {body['aggregation_key']}"
    groups = [" and ".join(key) for key in body["group_keys"]]
    return what + (f" by {', by '.join(groups)}" if groups else "")


def _products(
    source: Source, wanted: Sequence[Product], found: Found, hour: datetime
) -> Iterator[Difference]:
    placed = [(("products", number), product) for number, product in enumerate(wanted)]
    # Composites name other products, so they come after them, and after each other by name.
    placed.sort(key=lambda one: one[1].composite is not None)
    for place, product in placed:
        existing = found.products.get(product.name)
        if existing is None:
            body = bodies.product_body(source, product, place)
            create = Request(f"{PRODUCTS}/create", body, makes=Ref("product", product.name))
            words = (body["type"].lower(),)
            yield Difference(Action.CREATE, "product", product.name, place, words, None, (create,))
        else:
            yield from _product_change(source, product, place, existing, (found, hour))


def _product_change(
    source: Source,
    product: Product,
    place: Place,
    existing: Row,
    at: tuple[Found, datetime],
) -> Iterator[Difference]:
    found, hour = at
    said = product.type is not None or product.metric is not None or product.composite is not None
    kind = bodies.product_type(product)
    if said and kind != existing["type"]:
        reason = f"is {existing['type'].lower()}, and the type of a product cannot change"
        yield Difference(Action.IMPOSSIBLE, "product", product.name, place, (reason,))
        return
    fields = bodies.product_fields(source, product, place)
    changed = {
        name: value
        for name, value in fields.items()
        if _unlike_reference(value, existing["current"], name, found)
    }
    if changed:
        since = timestamp(hour)
        body = {"product_id": existing["id"], "starting_at": since, **changed}
        update = Request(f"{PRODUCTS}/update", body)
        words = tuple(name.replace("_", " ").removesuffix(" id") for name in changed)
        yield Difference(Action.CHANGE, "product", product.name, place, words, since, (update,))


def _unlike_reference(value: Any, current: Row, name: str, found: Found) -> bool:
    try:
        wanted = resolved(value, found.ids)
    except KeyError:  # it names what does not exist yet
        return True
    return any(unlike({name: wanted}, current, strict=True))


def _card(source: Source, card: RateCard, place: Place, found: Found) -> Iterator[Difference]:
    body = bodies.card_body(source, card, place)
    existing = found.cards.get(card.name)
    if existing is None:
        create = Request(f"{CARDS}/create", body, makes=Ref("rate card", card.name))
        currency = (f"in {card.currency}",)
        yield Difference(Action.CREATE, "rate card", card.name, place, currency, None, (create,))
        return
    if existing["fiat_credit_type"]["id"] != body["fiat_credit_type_id"]:
        reason = f"is in {existing['fiat_credit_type']['name']}, which cannot change"
        yield Difference(Action.IMPOSSIBLE, "rate card", card.name, place, (reason,))
    changed: dict[str, Any] = {}
    if card.description is not None and card.description != existing.get("description"):
        changed["description"] = card.description
    if card.aliases and any(unlike(body["aliases"], existing["aliases"], strict=True)):
        changed["aliases"] = body["aliases"]
    for row in body.get("credit_type_conversions", ()):
        unit = row["custom_credit_type_id"]
        known = [
            one["fiat_per_custom_credit"]
            for one in existing["credit_type_conversions"]
            if one["custom_credit_type"]["id"] == found.ids.get((unit.kind, unit.name))
        ]
        if not known:
            changed.setdefault("add_credit_type_conversions", []).append(row)
        elif any(unlike(row["fiat_per_custom_credit"], known[0], "worth")):
            reason = f"the worth of {unit.name} is {known[0]}, and conversions cannot change"
            yield Difference(Action.IMPOSSIBLE, "rate card", card.name, place, (reason,))
    if changed:
        update = Request(f"{CARDS}/update", {"rate_card_id": existing["id"], **changed})
        words = tuple(name.removeprefix("add_").replace("_", " ") for name in changed)
        yield Difference(Action.CHANGE, "rate card", card.name, place, words, None, (update,))


def _product_order(card: RateCard, place: Place, found: Found) -> Iterator[Difference]:
    """The order of lines is not shown by the API, so it is set when the card is made."""
    if not card.product_order or card.name in found.cards:
        return
    at = (*place, "product_order")
    order = [Ref("product", name, (*at, n)) for n, name in enumerate(card.product_order)]
    body = {"rate_card_id": Ref("rate card", card.name), "product_order": order}
    request = Request(f"{CARDS}/setRateCardProductsOrder", body)
    yield Difference(Action.CREATE, "product order", card.name, at, (), None, (request,))


def _check_names(source: Source, wanted: CatalogueFile) -> None:
    """Names are identities, so a file may give each but once."""
    for section in ("units", "metrics", "products", "rate_cards", "customers"):
        seen: set[str] = set()
        for number, one in enumerate(getattr(wanted, section)):
            if not one.name:
                raise source.fault((section, number, "name"), "must not be empty")
            if one.name in seen:
                raise source.fault((section, number, "name"), f"{one.name!r} is given twice")
            seen.add(one.name)


def _check_references(source: Source, result: Sequence[Difference], found: Found) -> None:
    """Whatever a request names exists, or is made by an earlier one."""
    known = set(found.ids)
    for difference in result:
        for request in difference.requests:
            for ref in (*references(request.body), *references(request.item)):
                if (ref.kind, ref.name) not in known:
                    raise _unknown(source, ref, difference)
            if request.makes is not None:
                known.add((request.makes.kind, request.makes.name))


def _unknown(source: Source, ref: Ref, difference: Difference) -> CommandError:
    place = ref.place or difference.place
    return source.fault(place, f"there is no {ref.kind} {ref.name!r}")
