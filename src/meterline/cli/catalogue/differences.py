"""A difference between a file and a platform, and what removes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meterline.cli.catalogue.requests import Request
from meterline.cli.catalogue.source import Place


class Action(StrEnum):
    """What has to happen. IMPOSSIBLE: the file wants what cannot be changed."""

    CREATE = "create"
    CHANGE = "change"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing of the file that the platform lacks or has otherwise.

    `details` say what, in words; `since`: from when a change acts (None: at once, or it has no time). `requests` bring
    it about, in order.
    """

    action: Action
    kind: str
    name: str
    place: Place
    details: tuple[str, ...] = ()
    since: str | None = None
    requests: tuple[Request, ...] = ()


def counts(found: Iterable[Difference], action: Action) -> Counter[str]:
    """Return how many there are of each kind, in the plural: {"rate cards": 1}."""
    return Counter(f"{one.kind}s" for one in found if one.action is action)
