"""What one billing period of one contract owes before anybody pays, from usage hour by hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from tests.model.calendar import last_boundary, next_boundary, periods, rhythm
from tests.model.drawdown import SUBSCRIPTION, USAGE, Due, reaches
from tests.model.prices import InForce, cost, graduated, price_at
from tests.model.terms import Contract, Event, Grant, Hour, Product, Rate, Subscription

ZERO = Fraction(0)

Group = tuple[str | None, str | None]
"""Region and team; None where the product has no such key, or the event none."""


def usage_dues(
    contract: Contract,
    period: tuple[Hour, Hour],
    products: Sequence[Product],
    rates: Sequence[Rate],
    events: Iterable[Event],
    grants: Iterable[Grant],
) -> list[Due]:
    """The dues of usage in the period, in the order of invoice lines."""
    start, end = period
    edges = {
        edge
        for grant in grants
        if reaches(grant, contract)
        for segment in grant.segments
        for edge in (segment.start, segment.end)
    }
    mine = [
        event
        for event in events
        if start <= event.hour < end and (contract.teams is None or event.team in contract.teams)
    ]
    found = []
    for product in sorted(products, key=lambda one: one.name):
        of_product = [event for event in mine if event.product == product.name]
        groups = {_group(product, event) for event in of_product}
        for group in sorted(
            groups, key=lambda one: [(value is not None, value or "") for value in one]
        ):
            used = [event for event in of_product if _group(product, event) == group]
            region = group[0] if product.by_region else None
            changes = {rate.since for rate in rates}
            for override in contract.overrides:
                changes |= {override.since} | (
                    {override.until} if override.until is not None else set()
                )
            prices = _stretches(
                {
                    hour: price_at(rates, contract, product, region, hour)
                    for hour in {start} | {one for one in changes if start < one < end}
                },
                edges,
                end,
            )
            found += _dues(product, group, used, prices)
    return found


def _group(product: Product, event: Event) -> Group:
    return (event.region if product.by_region else None, event.team if product.by_team else None)


def _stretches(
    prices: dict[Hour, InForce | None], edges: set[Hour], end: Hour
) -> list[tuple[Hour, Hour, InForce | None]]:
    """The period in stretches of one price each, cut where grants begin and end."""
    start = min(prices)
    cuts = [start]
    current = prices[start]
    for hour in range(start + 1, end):
        price = prices.get(hour, current)
        if price != current or hour in edges:
            cuts.append(hour)
        current = price
    found = []
    for first, after in pairwise([*cuts, end]):
        at = max(hour for hour in prices if hour <= first)
        found.append((first, after, prices[at]))
    return found


def _dues(
    product: Product,
    group: Group,
    events: Sequence[Event],
    prices: Sequence[tuple[Hour, Hour, InForce | None]],
) -> list[Due]:
    found = []
    counter = ZERO
    for start, end, in_force in prices:
        moved = sum((one.quantity for one in events if start <= one.hour < end), ZERO)
        if in_force is None or not moved:
            continue
        before, counter = counter, counter + moved
        price = in_force.price
        shared = {
            "product": product.name,
            "region": group[0],
            "team": group[1],
            "commit_price": in_force.commit_price,
        }
        if price.kind in ("VOLUME", "PACKAGE"):
            worth = cost(price, counter) - cost(price, before)
            each = max(one for one, _ in price.tiers)
            found.append(Due(USAGE, start, end, product.name, each, moved, worth, **shared))
            continue
        found += [
            Due(
                USAGE,
                start,
                end,
                product.name,
                piece.unit_price,
                piece.quantity,
                piece.amount,
                **shared,
            )
            for piece in graduated(price, before, counter)
        ]
    return found


# Subscriptions


def cycles(contract: Contract, one: Subscription, until: Hour) -> list[tuple[Hour, Hour, Fraction]]:
    """The cycles that begin at or before `until`: start, end, and which part of a whole one it is."""
    ends = [end for end in (one.end, contract.end) if end is not None]
    over = min(ends, default=None)
    start = max(one.start, contract.start)
    of = rhythm(contract, one.frequency)
    found = []
    while start <= until and (over is None or start < over):
        whole = (last_boundary(of, start), next_boundary(of, start))
        end = whole[1] if over is None else min(whole[1], over)
        found.append((start, end, Fraction(end - start, whole[1] - whole[0])))
        start = end
    return found


def quantity_at(one: Subscription, hour: Hour) -> Fraction:
    """The last quantity to have come into force."""
    return [
        quantity
        for since, quantity in sorted(one.quantities, key=lambda row: row[0])
        if since <= hour
    ][-1]


def subscription_items(
    contract: Contract, one: Subscription, until: Hour
) -> list[tuple[Hour, bool, Due]]:
    """(when, whether it wants the usage invoice that ends then, what), of cycles that begin at or before `until`."""
    found = []
    for n, (start, end, part) in enumerate(cycles(contract, one, until)):
        whole = Fraction(end - start) / part
        share = part if one.is_prorated else Fraction(1)
        seats = quantity_at(one, start)
        collected = start if one.in_advance else end
        # The first cycle in advance is owed before any usage invoice ends.
        on_usage = n > 0 or not one.in_advance
        found.append((collected, on_usage, _seats(one, start, end, seats, share)))
        for since, _ in sorted(one.quantities, key=lambda row: row[0]):
            more = quantity_at(one, since) - seats
            if not start < since < end or more <= 0:
                continue
            seats += more
            rest = Fraction(end - since) / whole if one.is_prorated else Fraction(1)
            if one.in_advance and one.at_once:
                found.append((since, False, _seats(one, since, end, more, rest)))
            else:
                found.append((end, True, _seats(one, since, end, more, rest)))
    return found


def _seats(one: Subscription, start: Hour, end: Hour, seats: Fraction, share: Fraction) -> Due:
    price = one.price * share
    return Due(SUBSCRIPTION, start, end, one.name, price, seats, seats * price, product=one.name)


def usage_period_with(contract: Contract, hour: Hour) -> tuple[Hour, Hour] | None:
    """The billing period start < `hour` <= end, None if there is none."""
    for start, end in periods(contract, hour):
        if start < hour <= end:
            return start, end
    return None
