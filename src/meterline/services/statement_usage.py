"""The usage of statements, cut as their plans say: of many customers, or of one with thousands of groups.

What is added up is read as the spend stage reads it, one range of the index a customer, whatever its series stand for;
metrics that are not sums go by `usage.period_parts`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from meterline.core.lifecycle import Account, Statement
from meterline.core.metric import BillableMetric
from meterline.core.usage import UsageBook, UsageRow
from meterline.metering.series import ingest_key_hash
from meterline.services.catalogue import load_customer_keys
from meterline.services.spend_prices import SumRead, segments_of
from meterline.services.spend_usage import SeriesMeanings
from meterline.services.usage import period_parts, spans_between
from meterline.services.windows import Cuts
from meterline.store import spend_usage as store
from meterline.store.database import Connection

_Cuts = tuple[tuple[UUID, Cuts], ...]
_Book = dict[UUID, list[UsageRow]]

# What series stand for never changes, so a process may remember it: see `SeriesMeanings`.
_MEANINGS = SeriesMeanings()

_HALF = 8  # bytes of a series' id that are of the ingest key


async def usage_of(
    connection: Connection,
    environment_id: int,
    accounts: Mapping[UUID, Account],
    statements: Iterable[Statement],
) -> dict[UUID, UsageBook]:
    """Return the usage of each statement, by invoice id, cut as its plan says.

    Statements that are cut alike are read together, whosever they are.
    """
    alike: dict[_Cuts, list[Statement]] = defaultdict(list)
    for statement in statements:
        alike[tuple(sorted(statement.plan.cuts.items()))].append(statement)
    owners = {one.contract.customer_id for several in alike.values() for one in several}
    keys = await load_customer_keys(connection, owners)
    books: dict[UUID, UsageBook] = {}
    for cuts, several in alike.items():
        measured = _metrics(accounts, several, {metric_id for metric_id, _ in cuts})
        own_keys = {
            one.contract.customer_id: keys.get(one.contract.customer_id, []) for one in several
        }
        sums = [metric for metric in measured if metric.aggregation.is_additive]
        read = await _sums(connection, environment_id, own_keys, sums, dict(cuts))
        others = [metric for metric in measured if not metric.aggregation.is_additive]
        rest: Mapping[UUID, UsageBook] = {}
        if others:
            rest = await period_parts(connection, environment_id, own_keys, others, dict(cuts))
        for one in several:
            owner = one.contract.customer_id
            books[one.invoice_id] = {**read[owner], **rest.get(owner, {})}
    return books


async def _sums(
    connection: Connection,
    environment_id: int,
    ingest_keys: Mapping[UUID, Sequence[str]],
    metrics: Sequence[BillableMetric],
    cuts: Mapping[UUID, Cuts],
) -> dict[UUID, _Book]:
    """The sums of each customer, of these metrics."""
    books: dict[UUID, _Book] = {customer_id: {} for customer_id in ingest_keys}
    if not metrics:
        return books
    together = tuple(sorted({cut for metric in metrics for cut in cuts[metric.id]}))
    segments = {
        str(metric.id): (metric.id, segments_of(together, cuts[metric.id])) for metric in metrics
    }
    by_prefix = {
        ingest_key_hash(environment_id, key): book
        for customer_id, book in books.items()
        for key in ingest_keys[customer_id]
    }
    read = await store.sums_of_keys(connection, environment_id, by_prefix, spans_between(together))
    known = await _MEANINGS.of(connection, environment_id, [row[0] for row in read])
    for series_id, span, quantity in read:
        _add(by_prefix[series_id[:_HALF]], segments, (known[series_id[_HALF:]], span, quantity))
    return books


def _add(book: _Book, segments: Mapping[str, tuple[UUID, Sequence[int]]], read: SumRead) -> None:
    (metric_text, group_values), span, quantity = read
    found = segments.get(metric_text)
    if found is not None:
        metric_id, segment_of_span = found
        book.setdefault(metric_id, []).append((group_values, segment_of_span[span], quantity))


def _metrics(
    accounts: Mapping[UUID, Account], statements: Iterable[Statement], wanted: Collection[UUID]
) -> list[BillableMetric]:
    found: dict[UUID, BillableMetric] = {}
    for statement in statements:
        contract = statement.contract
        assert contract.rate_card_id is not None  # a statement has prices
        price_list = accounts[contract.customer_id].price_lists[contract.rate_card_id]
        if len(found) < len(wanted):
            found |= {one.id: one for one in price_list.metrics if one.id in wanted}
    return list(found.values())
