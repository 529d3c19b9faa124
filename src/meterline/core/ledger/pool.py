"""The pool: what is left of each segment that one contract can draw on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.decimals import EXACT, ZERO
from meterline.core.ledger.applicability import covers, pays_for, reaches
from meterline.core.ledger.chargeable import Chargeable
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantSegment
from meterline.core.ledger.order import DrawdownKey, drawdown_key


@dataclass(frozen=True, slots=True)
class Purse:
    """A segment of a grant, with its place in the drawdown order."""

    grant: Grant
    segment: GrantSegment
    key: DrawdownKey


_in_order = attrgetter("key")
_SeatKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """What a contract can draw on, in drawdown order. Immutable: drawing returns another.

    `shared`: segments open to all; `of_seats`: those of one seat alone, by (group key, seat), as there may be a
    thousand. `left`: what each still has, by segment id.
    """

    shared: tuple[Purse, ...] = ()
    of_seats: Mapping[_SeatKey, tuple[Purse, ...]] = field(default_factory=dict)
    left: Mapping[UUID, Decimal] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        grants: Iterable[Grant],
        entries: Iterable[LedgerEntry],
        contract: Contract,
        *,
        pending: Iterable[LedgerEntry] = (),
    ) -> Pool:
        """Return what `contract` can draw on: its own grants and the customer's that reach it.

        `entries`: the customer's, as posted; `pending`: those of drafts that come before. What is left of a segment
        is the sum of its entries, so one that has not been started has nothing, and is left out.
        """
        reaching = [grant for grant in grants if reaches(grant, contract)]
        if not reaching:
            return EMPTY
        left = {segment.id: ZERO for grant in reaching for segment in grant.segments}
        for entry in chain(entries, pending):
            if entry.segment_id in left:
                left[entry.segment_id] = EXACT.add(left[entry.segment_id], entry.amount)
        purses = sorted(
            (
                Purse(grant, segment, drawdown_key(grant, segment))
                for grant in reaching
                for segment in grant.segments
                if left[segment.id] > 0
            ),
            key=_in_order,
        )
        if not purses:
            return EMPTY
        of_seats: dict[_SeatKey, list[Purse]] = {}
        for purse in purses:
            seat_id, group_key = purse.grant.seat_id, purse.grant.seat_group_key
            if seat_id is not None:
                of_seats.setdefault((group_key or "", seat_id), []).append(purse)
        return cls(
            tuple(purse for purse in purses if purse.grant.seat_id is None),
            {seat: tuple(found) for seat, found in of_seats.items()},
            {purse.segment.id: left[purse.segment.id] for purse in purses},
        )

    def __bool__(self) -> bool:
        """Whether there is anything to draw on."""
        return bool(self.left)

    @property
    def purses(self) -> list[Purse]:
        """All of them, in drawdown order."""
        return sorted(chain(self.shared, *self.of_seats.values()), key=_in_order)

    def for_charge(self, chargeable: Chargeable) -> list[Purse]:
        """Return the segments that may pay for a charge, in drawdown order, whatever is left of them."""
        return sorted(
            (
                purse
                for purse in chain(self.shared, self._of_seat(chargeable))
                if covers(purse.segment, chargeable) and pays_for(purse.grant, chargeable)
            ),
            key=_in_order,
        )

    def _of_seat(self, chargeable: Chargeable) -> Iterator[Purse]:
        if not self.of_seats:
            return
        for group_key, seat_id in chargeable.presentation_group_values.items():
            if seat_id is not None:
                yield from self.of_seats.get((group_key, seat_id), ())


EMPTY = Pool()
