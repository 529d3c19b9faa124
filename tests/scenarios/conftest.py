"""A vendor with a sandbox of his own, on the session's platform. His clock stands at the first of January 2031."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from uuid import uuid4

import httpx
import pytest
from metronome import Metronome
from tests.scenarios.vendor import Vendor, day
from tests.support.platform import Platform

NewVendor = Callable[[datetime], Vendor]


@pytest.fixture
def new_vendor(platform: Platform) -> Iterator[NewVendor]:
    """Makes vendors whose clocks stand where they are told to."""
    with ExitStack() as open_clients:

        def make(clock: datetime) -> Vendor:
            _, token = platform.new_environment(
                f"vendor-{uuid4().hex[:12]}", sandbox=True, clock=clock
            )
            sdk = open_clients.enter_context(
                Metronome(
                    base_url=platform.url,
                    bearer_token=token,
                    max_retries=0,
                    _strict_response_validation=True,
                )
            )
            http = open_clients.enter_context(
                httpx.Client(
                    base_url=platform.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
                )
            )
            return Vendor(sdk, http, sdk.v1.contracts.rate_cards.create(name="List").data.id)

        yield make


@pytest.fixture
def vendor(new_vendor: NewVendor) -> Vendor:
    return new_vendor(day(1, 1))


@pytest.fixture
def april(new_vendor: NewVendor) -> Vendor:
    """A vendor whose clock stands at the first of April: a month of thirty days prorates to round numbers."""
    return new_vendor(day(4, 1))
