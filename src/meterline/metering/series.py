"""Series: what partial sums are kept for, one for each ingest key, metric and combination of group values.

A series id is computed, not looked up: 64 bits of hash of (environment, ingest key), so that a customer's series lie
side by side, then 64 bits of (metric, group values). The table usage_series says what an id stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from uuid import UUID

import msgspec

# Ids known to be in usage_series, so that they need not be written again. Forgetting them costs only that.
KNOWN_MAX = 400_000


def ingest_key_hash(environment_id: int, ingest_key: str) -> bytes:
    """Return the first half of the ids of an ingest key's series."""
    return blake2b(environment_id.to_bytes(4, "big") + ingest_key.encode(), digest_size=8).digest()


def group_hash(metric_id: UUID, group_values: Sequence[str | None]) -> bytes:
    """Return the second half: `group_values` in the order of the metric's group properties."""
    return blake2b(metric_id.bytes + msgspec.json.encode(group_values), digest_size=8).digest()


class KnownSeries:
    """A bounded memory of the series that are kept already. Not the truth: the table is."""

    def __init__(self, known_max: int = KNOWN_MAX) -> None:
        self._known: set[str] = set()
        self._known_max = known_max

    def unknown(self, ids: Iterable[str]) -> set[str]:
        return set(ids) - self._known

    def remember(self, ids: Iterable[str]) -> None:
        """To be called after the commit that kept them, never before."""
        if len(self._known) > self._known_max:
            self._known.clear()
        self._known.update(ids)
