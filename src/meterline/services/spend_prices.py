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
from meterline.core.contract.override import Override, Prioritization
from meterline.core.metric import BillableMetric
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan, rate_plan
from meterline.core.usage import GroupValues, UsageRow
from meterline.services.catalogue import load_price_lists
from meterline.services.windows import Cuts
from meterline.store import spend as store
from meterline.store.database import Connection
from meterline.store.spend import PriceVersion

# Cards kept beside those of the chunk at hand: enough for a price list a customer, a few kilobytes each.
CARDS_MAX = 1_000
# Plans of a card: one a billing period and usage filter, and one a contract with overrides.
TARIFFS_MAX = 1_000


Meaning = tuple[str, GroupValues]
"""What a series stands for: its metric's id, as text because that hashes at once, and its group values."""

_TariffKey = tuple[Period, tuple[UsageFilter, ...], UUID | None]

SumRead = tuple[Meaning, int, Decimal]
"""A sum of one series, and between which of a tariff's cuts. There are ten thousands a second."""


@dataclass(slots=True, eq=False)
class CardPrices:
    """A rate card's prices as of `version`. `outdated`: there are newer ones, or nobody checks any longer.

    `also`: products that it has beside those of the card, because overrides price them. `tariffs` of a contract with
    overrides are kept under its id.
    """

    price_list: PriceList
    version: PriceVersion
    also: frozenset[UUID] = frozenset()
    outdated: bool = False
    tariffs: dict[_TariffKey, Tariff] = field(default_factory=dict)


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
    overrides: Sequence[Override] = ()
    prioritization: Prioritization = Prioritization.LOWEST_MULTIPLIER

    @classmethod
    def of(cls, contract: Contract, period: Period, card: CardPrices) -> Tariff:
        """Return what a contract on `card` pays in one of its billing periods."""
        plan = rate_plan(
            card.price_list,
            period,
            contract.usage_filters,
            contract.overrides,
            contract.prioritization,
        )
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
            contract.overrides,
            contract.prioritization,
        )

    def serves(self, contract: Contract) -> bool:
        """Whether the contract still has the overrides that this was made with."""
        return (
            self.overrides == contract.overrides and self.prioritization == contract.prioritization
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

    async def refresh(
        self, connection: Connection, rate_cards: Mapping[UUID, frozenset[UUID]]
    ) -> None:
        """Make the prices of these cards, and of the products named with each, those that are committed.

        Versions are read first, so what is loaded is as new as its version, or newer and loaded again next time.
        """
        if len(self._cards) > CARDS_MAX:
            for rate_card_id in self._cards.keys() - rate_cards.keys():
                self._cards.pop(rate_card_id).outdated = True
        wanted = {
            rate_card_id: also | known.also
            if (known := self._cards.get(rate_card_id)) is not None
            else also
            for rate_card_id, also in rate_cards.items()
        }
        versions = await store.price_versions(connection, wanted)
        changed = {
            rate_card_id: wanted[rate_card_id]
            for rate_card_id, version in versions.items()
            if (known := self._cards.get(rate_card_id)) is None
            or known.version != version
            or known.also != wanted[rate_card_id]
        }
        loaded = await load_price_lists(connection, changed) if changed else {}
        for rate_card_id, price_list in loaded.items():
            self.keep(price_list, versions[rate_card_id], wanted[rate_card_id])

    def keep(
        self, price_list: PriceList, version: PriceVersion, also: frozenset[UUID] = frozenset()
    ) -> None:
        """Rate by these prices from now on; marks what they replace as outdated."""
        replaced = self._cards.get(price_list.card.id)
        if replaced is not None:
            replaced.outdated = True
        self._cards[price_list.card.id] = CardPrices(price_list, version, also)

    def tariff(self, contract: Contract, period: Period) -> Tariff:
        """Return the prices of a contract in one of its billing periods. Its card is a refreshed one."""
        assert contract.rate_card_id is not None
        card = self._cards[contract.rate_card_id]
        key = (period, contract.usage_filters, contract.id if contract.overrides else None)
        tariff = card.tariffs.get(key)
        if tariff is None or not tariff.serves(contract):
            if len(card.tariffs) >= TARIFFS_MAX:
                card.tariffs.clear()
            tariff = card.tariffs[key] = Tariff.of(contract, period, card)
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
