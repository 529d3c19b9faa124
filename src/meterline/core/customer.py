"""Customers, as far as billing sees them: an id and the keys their events may carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meterline.core.errors import Issue

INGEST_ALIAS_LENGTH_MAX = 128


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. Events name it by its id or by one of its ingest aliases."""

    id: UUID
    name: str
    ingest_aliases: tuple[str, ...] = ()
    archived_at: datetime | None = None

    @property
    def ingest_keys(self) -> tuple[str, ...]:
        """Every key an event of this customer may carry: the id first."""
        return (str(self.id), *self.ingest_aliases)


def ingest_alias_issues(aliases: Sequence[str]) -> list[Issue]:
    """Return what is wrong with a customer's list of aliases, apart from other customers having
    them.
    """
    issues = []
    for position, alias in enumerate(aliases):
        field = f"ingest_aliases[{position}]"
        if not 1 <= len(alias) <= INGEST_ALIAS_LENGTH_MAX:
            issues.append(Issue(field, f"must have 1 to {INGEST_ALIAS_LENGTH_MAX} characters"))
        if alias in aliases[:position]:
            issues.append(Issue(field, "repeats an earlier alias"))
    return issues
