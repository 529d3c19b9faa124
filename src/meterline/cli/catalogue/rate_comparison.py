"""The differences between the prices of a card in a file and on a platform.

A price of the file without `starting_at` says what holds now. One that differs becomes a new price from the current
hour on; the past stays as it was. One with `starting_at` says what holds from then on, past or not: the file can so
keep the history of a price, and rewrite it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from meterline import display
from meterline.cli.catalogue import bodies
from meterline.cli.catalogue.amounts import CURRENCIES, instant, timestamp
from meterline.cli.catalogue.differences import Action, Difference
from meterline.cli.catalogue.likeness import unlike
from meterline.cli.catalogue.model import CatalogueFile, Rate, RateCard
from meterline.cli.catalogue.platform import Found, Row
from meterline.cli.catalogue.price_bodies import PriceWriter
from meterline.cli.catalogue.requests import Ref, Request, resolved
from meterline.cli.catalogue.source import Place, Source

HOUR = timedelta(hours=1)
RATE_FIELDS = ("rate_type", "price", "tiers", "custom_rate")

Key = tuple[str, str, str]
"""What a price is for: product, pricing group values, billing frequency."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A price of the file. `start` None: it says what holds now. `next_start`: when the next of its key begins."""

    rate: Rate
    place: Place
    start: datetime | None
    next_start: datetime | None


@dataclass(frozen=True, slots=True)
class _Span:
    """When the prices of a card can begin: `first` for those of a new card, `hour` for changes."""

    first: datetime
    hour: datetime
    is_new: bool

    @property
    def fresh_start(self) -> datetime:
        """From when a price holds that is new to the card."""
        return self.first if self.is_new else max(self.first, self.hour)


def rate_differences(
    source: Source, wanted: CatalogueFile, card: RateCard, place: Place, found: Found
) -> Iterator[Difference]:
    """Yield what is to be added to a card, which may be new."""
    composites = {one.name for one in wanted.products if one.composite is not None} | {
        name for name, row in found.products.items() if row["type"] == "COMPOSITE"
    }
    shown: dict[Key, list[Row]] = {}
    names = {row["id"]: name for name, row in found.products.items()}
    for row in found.rates.get(card.name, ()):
        name = str(names.get(row["product_id"], row["product_name"]))
        shown.setdefault(_key(name, row), []).append(row)
    hour = found.now.replace(minute=0, second=0, microsecond=0)
    first = months_ago(found.now, 2)
    if card.starting_at is not None:
        text = bodies.instant_text(source, card.starting_at, (*place, "starting_at"))
        first = instant(text)
    span = _Span(first, hour, is_new=not found.rates.get(card.name))
    for key, entries in _by_key(source, card, place).items():
        writer = PriceWriter(source, card.currency, composite=key[0] in composites)
        for entry in entries:
            yield from _difference(writer, card, entry, (shown.get(key, []), span, found))


def _difference(
    writer: PriceWriter,
    card: RateCard,
    entry: _Entry,
    at: tuple[Sequence[Row], _Span, Found],
) -> Iterator[Difference]:
    shown, span, found = at
    segment = covering(shown, _looked_at(entry, span))
    begins = entry.start or (span.fresh_start if segment is None else max(span.first, span.hour))
    body = bodies.rate_body(writer, entry.rate, entry.place, starting_at=timestamp(begins))
    words, name = price_words(body), _title(card, entry.rate)
    action = Action.CREATE
    details: tuple[str, ...] = (words,)
    if segment is not None:
        if not _changed(body, segment, found):
            return
        if _unit_changed(body, segment, found):
            reason = "the unit of a product's prices cannot change"
            yield Difference(Action.IMPOSSIBLE, "rate", name, entry.place, (reason,))
            return
        if entry.next_start is not None and begins >= entry.next_start:
            reason = "another price has followed it: say starting_at to rewrite the past"
            yield Difference(Action.IMPOSSIBLE, "rate", name, entry.place, (reason,))
            return
        action, details = Action.CHANGE, (f"{price_words(_terms_shown(segment))} → {words}",)
    if entry.start is not None and entry.start < span.hour and not span.is_new:
        details += ("in the past: drafts are priced anew, final invoices stay",)
    add = Request(
        "/v1/contract-pricing/rate-cards/addRates",
        {"rate_card_id": Ref("rate card", card.name)},
        batch="rates",
        item=body,
    )
    yield Difference(action, "rate", name, entry.place, details, body["starting_at"], (add,))


def _looked_at(entry: _Entry, span: _Span) -> datetime:
    """Return the instant at which the platform must show the price of the entry."""
    if entry.start is not None:
        return entry.start
    now = max(span.first, span.hour)
    if entry.next_start is not None and entry.next_start <= now:
        return max(span.first, entry.next_start - HOUR)
    return now


def _by_key(source: Source, card: RateCard, place: Place) -> dict[Key, list[_Entry]]:
    """The prices of a card by what they are for, those of one key in order of time."""
    starts: dict[Key, list[tuple[datetime | None, Rate, Place]]] = {}
    for number, rate in enumerate(card.rates):
        at = (*place, "rates", number)
        start = None
        if rate.starting_at is not None:
            start = instant(bodies.instant_text(source, rate.starting_at, (*at, "starting_at")))
        key = (rate.product, _canonical(rate.group), (rate.every or "").upper())
        alike = starts.setdefault(key, [])
        if any(one[0] == start for one in alike):
            raise source.fault(at, "the same price is given twice; say starting_at for a later one")
        alike.append((start, rate, at))
    earliest = datetime.min.replace(tzinfo=UTC)
    found: dict[Key, list[_Entry]] = {}
    for key, alike in starts.items():
        alike.sort(key=lambda one: one[0] or earliest)
        following = [*(one[0] for one in alike[1:]), None]
        found[key] = [
            _Entry(rate, at, start, after)
            for (start, rate, at), after in zip(alike, following, strict=True)
        ]
    return found


def _key(name: str, row: Row) -> Key:
    frequency = row.get("billing_frequency") or ""
    return (name, _canonical(row.get("pricing_group_values") or {}), frequency)


def _canonical(values: Mapping[str, str]) -> str:
    return msgspec.json.encode(values, order="sorted").decode()


def covering(shown: Sequence[Row], at: datetime) -> Row | None:
    """Return the stretch of a price that `at` lies in."""
    for row in shown:
        end = row.get("ending_before")
        if instant(row["starting_at"]) <= at and (end is None or at < instant(end)):
            return row
    return None


def _terms_shown(segment: Row) -> dict[str, Any]:
    shown = {name: segment["rate"].get(name) for name in RATE_FIELDS}
    return shown | {"credit_type": segment["rate"].get("credit_type")}


def _changed(body: Mapping[str, Any], segment: Row, found: Found) -> bool:
    terms = {name: body[name] for name in RATE_FIELDS if name in body}
    if any(unlike(terms, segment["rate"], strict=True)) or _unit_changed(body, segment, found):
        return True
    if "commit_rate" in body and any(
        unlike(body["commit_rate"], segment.get("commit_rate") or {}, strict=True)
    ):
        return True
    ends = {"ending_before": body["ending_before"]} if "ending_before" in body else {}
    wanted = {"entitled": body["entitled"], **ends}
    return any(unlike(wanted, segment, strict=True))


def _unit_changed(body: Mapping[str, Any], segment: Row, found: Found) -> bool:
    unit = body["credit_type_id"]
    wanted = found.ids.get((unit.kind, unit.name)) if isinstance(unit, Ref) else unit
    shown = segment["rate"].get("credit_type")
    return shown is not None and shown["id"] != resolved(wanted, found.ids)


def _title(card: RateCard, rate: Rate) -> str:
    groups = ", ".join(f"{name}={value}" for name, value in rate.group.items())
    every = f" {rate.every}" if rate.every else ""
    return f"{rate.product}{f' ({groups})' if groups else ''}{every} on {card.name}"


def price_words(terms: Mapping[str, Any]) -> str:
    """Return a price in words: $2.50/million, or its tiers."""
    custom = terms.get("custom_rate") or {}
    kind = custom.get("model") or terms["rate_type"]
    unit = _unit_name(terms)
    tiers = custom.get("tiers") or terms.get("tiers") or []
    percent = "PERCENTAGE" in kind

    def one(price: Decimal) -> str:
        if percent:
            return f"{display.quantity(price * 100)} %"
        return display.unit_price(price, unit)

    if tiers:
        steps = [
            one(tier["price"])
            + ("" if tier.get("size") is None else f" for {display.quantity(tier['size'])}")
            for tier in tiers
        ]
        words = ", then ".join(steps)
    else:
        price = custom.get("price", terms.get("price"))
        words = "nothing" if price is None else one(price)
    if custom.get("package_size"):
        words += f" for each {display.quantity(custom['package_size'])}"
    limits = [
        f"{name} {display.amount(custom[field], unit)}"
        for name, field in (("at least", "minimum_spend"), ("at most", "maximum_spend"))
        if custom.get(field) is not None
    ]
    return ", ".join([words if kind in PLAIN_KINDS else f"{kind.lower()} {words}", *limits])


PLAIN_KINDS = frozenset({"FLAT", "TIERED", "PERCENTAGE", "TIERED_PERCENTAGE"})


def _unit_name(terms: Mapping[str, Any]) -> str:
    shown = terms.get("credit_type")
    if shown is not None:
        return str(shown["name"])
    unit = terms.get("credit_type_id")
    if isinstance(unit, Ref):
        return unit.name
    known = {str(one.id): one.name for one in CURRENCIES.values()}
    return known.get(str(unit), display.USD_CENTS_NAME)


def months_ago(at: datetime, months: int) -> datetime:
    """Return the first instant of the UTC month `months` before that of `at`."""
    first = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(months):
        first = (first - timedelta(days=1)).replace(day=1)
    return first
