"""Reading usage for the spend stage: many customers in one query, by the ranges their series lie in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from meterline.core.usage import UsageBook
from meterline.services.spend_accounts import Account
from meterline.services.spend_prices import Meaning, SumRead, Tariff
from meterline.services.usage import period_parts, spans_between
from meterline.services.windows import Cuts
from meterline.store import spend_usage as store
from meterline.store.database import Connection

# Meanings remembered, at some 300 bytes each. Beyond it they are forgotten, which costs looking them up again.
KNOWN_MAX = 200_000

_HALF = 8  # bytes: the first half of a series' id is the ingest key's, the second that of metric and group values


class SeriesMeanings:
    """What series stand for, which never changes, by the second half of their ids.

    That half is a hash of metric and group values alone, so customers share it: a handful of look-ups serves them all.
    That two meanings share 64 bits is as unlikely as that two customers do, on which series rest already.
    """

    def __init__(self, *, known_max: int = KNOWN_MAX) -> None:
        self._known_max = known_max
        self._known: dict[bytes, Meaning] = {}

    async def of(
        self, connection: Connection, environment_id: int, series_ids: Collection[bytes]
    ) -> Mapping[bytes, Meaning]:
        """Return what these series stand for, and others, by the second half of the id."""
        halves = {series_id[_HALF:] for series_id in series_ids}
        missing = halves - self._known.keys()
        if missing:
            if len(self._known) + len(missing) > self._known_max:
                self._known, missing = {}, halves
            one_of = {series_id[_HALF:]: series_id for series_id in series_ids}
            wanted = [one_of[half] for half in missing]
            for series_id, metric_id, values in await store.series(
                connection, environment_id, wanted
            ):
                # In the order of `BillableMetric.group_properties`, which are these names, sorted.
                meaning = (str(metric_id), tuple(values[name] for name in sorted(values)))
                self._known[series_id[_HALF:]] = meaning
        return self._known


async def books_of(
    connection: Connection,
    environment_id: int,
    meanings: SeriesMeanings,
    accounts_of: Mapping[Tariff, Collection[Account]],
) -> dict[Tariff, dict[Account, UsageBook]]:
    """Return the usage of each tariff's customers in its period, cut as its plan says.

    One query for all tariffs with the same cuts; metrics that are not sums take more.
    """
    by_cuts: dict[Cuts, set[Account]] = defaultdict(set)
    for tariff, accounts in accounts_of.items():
        if tariff.cuts:
            by_cuts[tariff.cuts].update(accounts)
    sums = {
        cuts: await _sums(connection, environment_id, meanings, alike, cuts)
        for cuts, alike in by_cuts.items()
    }
    books: dict[Tariff, dict[Account, UsageBook]] = {}
    for tariff, accounts in accounts_of.items():
        read = sums.get(tariff.cuts, {})
        books[tariff] = {account: tariff.book(read.get(account, ())) for account in accounts}
        if tariff.others:
            keys = {account.customer_id: account.keys for account in accounts}
            others = await period_parts(
                connection, environment_id, keys, tariff.others, tariff.plan.cuts
            )
            for account, book in books[tariff].items():
                books[tariff][account] = {**book, **others[account.customer_id]}
    return books


async def _sums(
    connection: Connection,
    environment_id: int,
    meanings: SeriesMeanings,
    accounts: Iterable[Account],
    cuts: Cuts,
) -> dict[Account, list[SumRead]]:
    """Return each customer's sums between `cuts`, of all his keys and all metrics."""
    by_account: dict[Account, list[SumRead]] = {account: [] for account in accounts}
    by_prefix = {
        prefix: rows for account, rows in by_account.items() for prefix in account.prefixes
    }
    read = await store.sums_of_keys(connection, environment_id, by_prefix, spans_between(cuts))
    known = await meanings.of(connection, environment_id, [row[0] for row in read])
    for series_id, span, quantity in read:
        by_prefix[series_id[:_HALF]].append((known[series_id[_HALF:]], span, quantity))
    return by_account
