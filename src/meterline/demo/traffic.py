"""Sample LLM traffic: customers by Zipf's law, each with its own models, in repeatable ticks.

Everything is a function of the seed and the tick, transaction ids too. A demo that is stopped and
started again within the same tick sends the same events, and they count once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Any

from meterline.demo.catalogue import EVENT_TYPE, alias, models

TICKS_A_SECOND = 4
SECONDS_AN_HOUR = 3600
ZIPF_EXPONENT = 1.05
# One event in so many belongs to nobody: the page has something to show under "unmatched".
STRANGER_ONE_IN = 700
# One tick in so many is sent twice, as a client does whose answer was lost.
REPEAT_ONE_TICK_IN = 40
TOKENS_MEDIAN = {"input_tokens": 900, "output_tokens": 220, "cached_tokens": 350}
TOKENS_SPREAD = 0.8  # of the logarithm
MEAN_OVER_MEDIAN = math.exp(TOKENS_SPREAD**2 / 2)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer's habits: its alias and the (model, region) pairs it calls, with weights."""

    alias: str
    pairs: tuple[tuple[str, str], ...]
    weights: tuple[float, ...]


class Traffic:
    """Traffic of the customers in `names` at about `rate` events a second."""

    def __init__(self, names: Sequence[str], *, rate: int, seed: str = "meterline") -> None:
        self.rate = rate
        self._seed = seed
        self._buyers = [self._buyer(name) for name in names]
        shares = [1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(len(names))]
        self._shares = [share / sum(shares) for share in shares]
        self._cumulative = list(accumulate(self._shares))

    def _buyer(self, name: str) -> Buyer:
        chance = Random(f"{self._seed}:{name}")  # noqa: S311 - sample data, not secrets
        catalogue = models()
        chosen = chance.sample(sorted(catalogue), chance.randint(2, 4))
        pairs = tuple((model, chance.choice(sorted(catalogue[model]))) for model in chosen)
        return Buyer(alias(name), pairs, tuple(chance.uniform(0.2, 1) for _ in pairs))

    def tick(self, number: int) -> list[Event]:
        """Return the events of one tick; `number` counts quarter seconds since 1970."""
        chance = Random(f"{self._seed}:{number}")  # noqa: S311
        second = number / TICKS_A_SECOND
        swing = 1 + 0.16 * math.sin(second / 37) + 0.08 * math.sin(second / 11)
        count = round(self.rate / TICKS_A_SECOND * swing * chance.uniform(0.94, 1.06))
        at = datetime.fromtimestamp(second, UTC)
        buyers = chance.choices(self._buyers, cum_weights=self._cumulative, k=count)
        return [
            self._event(f"demo-{number}-{place}", at, buyer, chance)
            for place, buyer in enumerate(buyers)
        ]

    def _event(self, identity: str, at: datetime, buyer: Buyer, chance: Random) -> Event:
        model, region = chance.choices(buyer.pairs, buyer.weights)[0]
        stranger = chance.randrange(STRANGER_ONE_IN) == 0
        tokens = {
            name: round(median * chance.lognormvariate(0, TOKENS_SPREAD))
            for name, median in TOKENS_MEDIAN.items()
        }
        return {
            "transaction_id": identity,
            "customer_id": "trial-signup" if stranger else buyer.alias,
            "event_type": EVENT_TYPE,
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "properties": {"model": model, "region": region, "requests": 1, **tokens},
        }

    def history(self, start: datetime, end: datetime) -> Iterator[Event]:
        """Yield the hours of [start, end): an event an hour, customer and model, with its sums."""
        first, last = (int(at.timestamp()) // SECONDS_AN_HOUR for at in (start, end))
        for hour in range(first, last):
            chance = Random(f"{self._seed}:hour:{hour}")  # noqa: S311
            at = datetime.fromtimestamp((hour + 0.5) * SECONDS_AN_HOUR, UTC)
            total = self.rate * SECONDS_AN_HOUR * day_shape(at.hour)
            for buyer, share in zip(self._buyers, self._shares, strict=True):
                for place, weight in enumerate(buyer.weights):
                    part = share * weight / sum(buyer.weights) * chance.uniform(0.75, 1.25)
                    requests = round(total * part)
                    yield self._hour_event(hour, at, buyer, place, requests)

    def _hour_event(
        self, hour: int, at: datetime, buyer: Buyer, place: int, requests: int
    ) -> Event:
        model, region = buyer.pairs[place]
        tokens = {
            name: round(median * MEAN_OVER_MEDIAN * requests)
            for name, median in TOKENS_MEDIAN.items()
        }
        return {
            "transaction_id": f"demo-hour-{hour}-{buyer.alias}-{place}",
            "customer_id": buyer.alias,
            "event_type": EVENT_TYPE,
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "properties": {"model": model, "region": region, "requests": requests, **tokens},
        }


def day_shape(hour: int) -> float:
    """Return how busy an hour of the UTC day is, against the mean of the day."""
    return 1 + 0.45 * math.sin((hour - 9) / 24 * 2 * math.pi)
