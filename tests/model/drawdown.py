"""Who pays for what: dues are gone through one by one, and for each the grants one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.terms import Contract, Grant, Hour, Segment

ZERO = Fraction(0)
USAGE, SUBSCRIPTION, COMPOSITE = range(3)

Purse = tuple[str, int]
"""A segment of a grant: its name and the segment's place."""


@dataclass
class Due:
    """Something to pay: `quantity` at `unit_price` in [start, end), which is `worth`.

    `commit_price`: what a unit costs a grant that has the commit rate; None: the same. `worth` is apart from
    the product of the two only where a price cannot be cut into units. `paid`: (purse, amount) in order of payment.
    """

    kind: int
    start: Hour
    end: Hour
    name: str
    unit_price: Fraction
    quantity: Fraction
    worth: Fraction
    product: str | None = None
    region: str | None = None
    team: str | None = None
    commit_price: Fraction | None = None
    paid: list[tuple[Purse, Fraction]] = field(default_factory=list)


def order(grant: Grant, segment: Segment, origin: Grant | None) -> tuple[object, ...]:
    """The place of a segment among all: the least pays first."""
    if grant.rolled_over_from is not None:
        assert origin is not None
        kind, group = (0 if origin.kind == "POSTPAID" else 1), 0
    else:
        kind, group = 0, 2 if grant.kind == "POSTPAID" else 1
    cost = grant.kind != "CREDIT" and any(amount for _, amount in grant.bills)
    named = len(grant.products) or 10**6
    of_groups_alone = int(grant.region is not None and not grant.products)
    contracts = 10**6 if grant.contracts is None else len(grant.contracts)
    if grant.contract is not None:
        contracts = 1
    return (
        *(group, kind, grant.priority, cost and group != 0, named, of_groups_alone),
        *(segment.end, segment.start, contracts, grant.contract is None, grant.made),
    )


def reaches(grant: Grant, contract: Contract) -> bool:
    if grant.contract is not None:
        return grant.contract == contract.name
    return grant.contracts is None or contract.name in grant.contracts


def may_pay(grant: Grant, segment: Segment, due: Due) -> bool:
    """Whether time, product and region fit."""
    in_time = segment.start <= due.start and (
        due.end <= segment.end if due.kind == USAGE else due.start < segment.end
    )
    return (
        in_time
        and (not grant.products or due.product in grant.products)
        and (grant.region is None or due.region == grant.region)
    )


def draw(
    dues: list[Due],
    contract: Contract,
    grants: Mapping[str, Grant],
    left: dict[Purse, Fraction],
    place: Callable[[str], int],
) -> None:
    """Pay `dues`, taking from `left`. `place`: in which order grants came, for those that are equal otherwise."""
    purses = sorted(
        (
            (*order(grant, segment, grants.get(grant.rolled_over_from or "")), place(grant.name), n)
            for grant in grants.values()
            if reaches(grant, contract)
            for n, segment in enumerate(grant.segments)
        ),
    )
    by_place = {place(name): grant for name, grant in grants.items()}
    dues.sort(key=lambda due: (due.kind, due.start, -due.unit_price, due.name))
    for due in dues:
        for *_, number, n in purses:
            grant = by_place[number]
            purse = (grant.name, n)
            if left.get(purse, ZERO) > 0 and may_pay(grant, grant.segments[n], due):
                pay(due, grant, purse, left)


def pay(due: Due, grant: Grant, purse: Purse, left: dict[Purse, Fraction]) -> None:
    """Take what is due, or all that is left."""
    price = due.commit_price if grant.at_commit_rate else None
    if price is None or price == due.unit_price:
        amount = min(due.worth, left[purse])
        if amount <= 0:
            return
        due.worth -= amount
        if due.unit_price:
            due.quantity -= amount / due.unit_price
    else:
        if due.quantity <= 0:
            return
        quantity = due.quantity if price == 0 else min(due.quantity, left[purse] / price)
        amount = quantity * price
        due.quantity -= quantity
        due.worth = due.quantity * due.unit_price
    due.paid.append((purse, amount))
    left[purse] -= amount


def taken(dues: Iterable[Due]) -> dict[Purse, Fraction]:
    """What was taken of each segment."""
    sums: dict[Purse, Fraction] = {}
    for due in dues:
        for purse, amount in due.paid:
            sums[purse] = sums.get(purse, ZERO) + amount
    return sums
