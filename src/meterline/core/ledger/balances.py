"""Balances: what is left of grants, as sums of ledger entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant


def balance(
    entries: Iterable[LedgerEntry], *, at: datetime, segment_id: UUID | None = None
) -> Decimal:
    """Return the sum of `entries` up to and including `at`, of one segment or of all given."""
    raise NotImplementedError


def live_balance(
    grant: Grant,
    entries: Iterable[LedgerEntry],
    *,
    at: datetime,
    pending: Iterable[LedgerEntry] = (),
) -> Decimal:
    """Return what can be spent of `grant` at `at`: its segments that cover the instant, less what drafts draw."""
    raise NotImplementedError


def net_balance(
    grants: Iterable[Grant],
    entries: Iterable[LedgerEntry],
    *,
    at: datetime,
    pending: Iterable[LedgerEntry] = (),
) -> Decimal:
    """Return the sum over the live segments of `grants`, one that is below zero counting 0."""
    raise NotImplementedError


def granted(grant: Grant, *, at: datetime) -> Decimal:
    """Return what the segments that cover `at` began with."""
    raise NotImplementedError
