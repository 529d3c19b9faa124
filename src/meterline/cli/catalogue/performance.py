"""Bringing a platform to what a file says: the requests of its differences, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    for difference, request, items in _batched(differences):
        body = resolved(request.body, ids)
        if request.batch is not None:
            body[request.batch] = [resolved(item, ids) for item in items]
        try:
            reply = client.request(
                "POST",
                request.path,
                content=EXACT_JSON.encode(body),
                headers={"Idempotency-Key": str(uuid4())},
            )
        except Refused as refusal:
            reason = f"the platform refused ({refusal.status}): {refusal.reason}"
            words = f"{difference.kind} {difference.name}: {reason}"
            raise source.fault(difference.place, words) from refusal
        if request.makes is not None:
            ids[request.makes.kind, request.makes.name] = reply["data"]["id"]


Items = list[Mapping[str, Any]]


def _batched(differences: Iterable[Difference]) -> Iterator[tuple[Difference, Request, Items]]:
    """Yield the requests in order, those that follow each other with one batch as one."""
    held: tuple[Difference, Request, Items] | None = None
    for difference in differences:
        for request in difference.requests:
            if (
                held is not None
                and request.batch is not None
                and (request.path, request.body) == (held[1].path, held[1].body)
                and len(held[2]) < ITEMS_A_REQUEST
            ):
                held[2].append(request.item or {})
                continue
            if held is not None:
                yield held
            held = (difference, request, [request.item or {}])
    if held is not None:
        yield held
