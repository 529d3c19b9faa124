"""Bringing a platform to what a file says: the requests of its differences, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from meterline.cli.catalogue.differences import Difference
from meterline.cli.catalogue.platform import Found
from meterline.cli.catalogue.requests import Request, resolved
from meterline.cli.catalogue.source import Source
from meterline.cli.client import PlatformClient, Refused
from meterline.cli.tables import EXACT_JSON

ITEMS_A_REQUEST = 100


def perform(
    client: PlatformClient, source: Source, found: Found, differences: Iterable[Difference]
) -> None:
    """Send every request. Raises CommandError that names the part of the file which was refused.

    What went before it is done then, and is found again by the next run. Each request carries a key of its own, so that
    one whose answer is lost is not done twice.
    """
    ids = dict(found.ids)
    for batch in _batched(differences):
        request = batch.request
        body = resolved(request.body, ids)
        if request.batch is not None:
            body[request.batch] = [resolved(item, ids) for item in batch.items]
        try:
            reply = client.request(
                "POST",
                request.path,
                content=EXACT_JSON.encode(body),
                headers={"Idempotency-Key": str(uuid4())},
            )
        except Refused as refusal:
            blamed = batch.blamed(refusal.reason)
            reason = f"the platform refused ({refusal.status}): {refusal.reason}"
            raise source.fault(blamed.place, f"{blamed.kind} {blamed.name}: {reason}") from refusal
        if request.makes is not None:
            ids[request.makes.kind, request.makes.name] = reply["data"]["id"]


@dataclass(slots=True)
class _Batch:
    """A request as it goes out: `items` of the differences of the same places."""

    request: Request
    items: list[Mapping[str, Any]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def takes(self, request: Request) -> bool:
        """Whether `request` can go with this one."""
        return (
            request.batch is not None
            and (request.path, request.body) == (self.request.path, self.request.body)
            and len(self.items) < ITEMS_A_REQUEST
        )

    def blamed(self, reason: str) -> Difference:
        """Return the difference that a refusal is about: rates[3].price is about the fourth."""
        named = re.match(rf"{self.request.batch}\[(\d+)\]", reason)
        number = int(named[1]) if named else 0
        return self.differences[number if number < len(self.differences) else 0]


def _batched(differences: Iterable[Difference]) -> Iterator[_Batch]:
    """Yield the requests in order, those that follow each other with one batch as one."""
    held: _Batch | None = None
    for difference in differences:
        for request in difference.requests:
            if held is None or not held.takes(request):
                if held is not None:
                    yield held
                held = _Batch(request)
            held.items.append(request.item or {})
            held.differences.append(difference)
    if held is not None:
        yield held
