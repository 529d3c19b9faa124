"""The prices the spend stage rates by, kept from round to round and checked against the database in each.

Loading and compiling a card takes milliseconds, finding out that nothing changed takes one query for all cards of a
round. The check does not rest on touches: a card's price version is read in the transaction that rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from meterline.core.contract import Contract, UsageFilter
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan, rate_plan
from meterline.core.usage import GroupValues, UsageRow
from meterline.services.catalogue import load_rate_plan_inputs
from meterline.services.windows import Cuts
from meterline.store import spend as store
from meterline.store.database import Connection
from meterline.store.spend import PriceVersion

# Cards kept beside those of the chunk at hand: enough for a price list a customer, a few kilobytes each.
CARDS_MAX = 1_000
# Plans of a card: one a billing period and usage filter.
TARIFFS_MAX = 1_000


Meaning = tuple[str, GroupValues]
"""What a series stands for: its metric's id, as text because that hashes at once, and its group values."""

SumRead = tuple[Meaning, int, Decimal]
"""A sum of one series, and between which of a tariff's cuts. There are ten thousands a second."""


@dataclass(slots=True, eq=False)
class CardPrices:
    """A rate card's prices as of `version`. `outdated`: there are newer ones, or nobody checks any longer."""

    price_list: PriceList
    version: PriceVersion
    outdated: bool = False
    tariffs: dict[tuple[Period, tuple[UsageFilter, ...]], Tariff] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Tariff:
    """A rate plan, and how to read the usage it takes.

    The sums of all its metrics are read between the same `cuts`, which are those of every metric together; `segments`
    says for each metric which of its own segments a span lies in. `others` are the metrics that are not sums.
    """

    plan: RatePlan
    card: CardPrices
    cuts: Cuts
    segments: Mapping[str, tuple[UUID, Sequence[int]]]
    others: Sequence[BillableMetric]

    @classmethod
    def of(cls, plan: RatePlan, card: CardPrices) -> Tariff:
        """Return the tariff of a plan of `card`."""
        used = [metric for metric in card.price_list.metrics if metric.id in plan.metrics]
        sums = [metric for metric in used if metric.aggregation.is_additive]
        cuts = tuple(sorted({cut for one in sums for cut in plan.metrics[one.id].cuts}))
        return cls(
            plan,
            card,
            cuts,
            {
                str(metric.id): (metric.id, segments_of(cuts, plan.metrics[metric.id].cuts))
                for metric in sums
            },
            [metric for metric in used if not metric.aggregation.is_additive],
        )

    def book(self, sums: Iterable[SumRead]) -> dict[UUID, list[UsageRow]]:
        """Return a customer's sums as the core takes them, leaving out metrics without a price."""
        found: dict[str, list[UsageRow]] = {}
        for (metric_id, group_values), span, quantity in sums:
            segments = self.segments.get(metric_id)
            if segments is not None:
                usage = (group_values, segments[1][span], quantity)
                rows = found.get(metric_id)
                if rows is None:
                    found[metric_id] = [usage]
                else:
                    rows.append(usage)
        return {self.segments[metric_id][0]: rows for metric_id, rows in found.items()}


class Prices:
    """The prices of one environment's cards."""

    def __init__(self) -> None:
        self._cards: dict[UUID, CardPrices] = {}

    async def refresh(self, connection: Connection, rate_card_ids: set[UUID]) -> None:
        """Make the prices of these cards those that are committed.

        Versions are read first, so what is loaded is as new as its version, or newer and loaded again next time.
        """
        if len(self._cards) > CARDS_MAX:
            for rate_card_id in self._cards.keys() - rate_card_ids:
                self._cards.pop(rate_card_id).outdated = True
        versions = await store.price_versions(connection, rate_card_ids)
        for rate_card_id, version in versions.items():
            known = self._cards.get(rate_card_id)
            if known is None or known.version != version:
                self.keep(await load_rate_plan_inputs(connection, rate_card_id), version)

    def keep(self, price_list: PriceList, version: PriceVersion) -> None:
        """Rate by these prices from now on; marks what they replace as outdated."""
        replaced = self._cards.get(price_list.card.id)
        if replaced is not None:
            replaced.outdated = True
        self._cards[price_list.card.id] = CardPrices(price_list, version)

    def tariff(self, contract: Contract, period: Period) -> Tariff:
        """Return the prices of a contract in one of its billing periods. Its card is a refreshed one."""
        assert contract.rate_card_id is not None
        card = self._cards[contract.rate_card_id]
        key = (period, contract.usage_filters)
        tariff = card.tariffs.get(key)
        if tariff is None:
            if len(card.tariffs) >= TARIFFS_MAX:
                card.tariffs.clear()
            plan = rate_plan(card.price_list, period, contract.usage_filters)
            tariff = card.tariffs[key] = Tariff.of(plan, card)
        return tariff


def segments_of(cuts: Sequence[datetime], own: Sequence[datetime]) -> list[int]:
    """Which stretch between `own` each stretch between `cuts` lies in. `own` is a part of `cuts`, ends included."""
    inner = set(own[1:-1])
    segments, current = [], 0
    for cut in cuts[:-1]:
        if cut in inner:
            current += 1
        segments.append(current)
    return segments
