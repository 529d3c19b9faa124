"""The pool: what is left of each segment that one contract can draw on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from meterline.core.contract import Contract
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantSegment


@dataclass(frozen=True, slots=True)
class Purse:
    """A segment of a grant, with its place in the drawdown order."""

    grant: Grant
    segment: GrantSegment
    key: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """`purses` in drawdown order; `left`: what each still has, by segment id. Immutable: drawing returns another."""

    purses: tuple[Purse, ...]
    left: Mapping[UUID, Decimal]

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
        is the sum of its entries, so one that has not been started has nothing.
        """
        raise NotImplementedError

    def __bool__(self) -> bool:
        """Whether anything can be drawn on at all."""
        return bool(self.purses)
