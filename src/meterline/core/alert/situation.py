"""What a customer's alerts look at, and which part of it one alert does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from meterline.core.alert.alert import Alert, CustomFieldFilter, FilteredEntity
from meterline.core.decimals import ZERO
from meterline.core.invoice.document import Invoice, InvoiceType
from meterline.core.ledger.balances import segment_balances
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import Grant, GrantKind, GrantSegment
from meterline.core.period import Period

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Situation:
    """A customer's live books at `now`.

    `drafts`: his draft invoices; `entries`: of his ledger, as posted; `pending`: those of drafts. `contract_fields` and
    `grant_fields`: custom fields by id. `usage`: by alert id, of those that watch usage (None: there was none).
    """

    now: datetime
    drafts: Sequence[Invoice] = ()
    grants: Sequence[Grant] = ()
    entries: Sequence[LedgerEntry] = ()
    pending: Sequence[LedgerEntry] = ()
    contract_fields: Mapping[UUID, Fields] = field(default_factory=dict)
    grant_fields: Mapping[UUID, Fields] = field(default_factory=dict)
    usage: Mapping[UUID, Decimal | None] = field(default_factory=dict)

    @cached_property
    def _left(self) -> dict[UUID, Decimal]:
        return segment_balances(self.entries, at=self.now, pending=self.pending)

    def left(self, segment: GrantSegment) -> Decimal:
        """What is left of a segment, at least nothing: as net balances count."""
        return max(ZERO, self._left.get(segment.id, ZERO))

    def active_drafts(self, alert: Alert) -> Iterator[Invoice]:
        """The drafts that have begun, of the contracts that the alert is about."""
        for invoice in self.drafts:
            if invoice.start_timestamp <= self.now and self._is_of_contract(
                alert.custom_field_filters, invoice.contract_id
            ):
                yield invoice

    def current_drafts(self, alert: Alert) -> Iterator[Invoice]:
        """The usage drafts of the billing periods it is now: one that only waits to be final is past."""
        for invoice in self.active_drafts(alert):
            if invoice.type is InvoiceType.USAGE and self.now < invoice.end_timestamp:
                yield invoice

    def passes(self, one: CustomFieldFilter, grant: Grant) -> bool:
        """Whether a grant has the field that is asked for, or its contract has."""
        value = self.field_of(one, grant)
        return value is not None and one.value in (None, value)

    def field_of(self, one: CustomFieldFilter, grant: Grant) -> str | None:
        """The value a grant (or its contract) has of the field; None where the filter is not about it."""
        if one.entity is FilteredEntity.CONTRACT:
            if grant.contract_id is None:
                return None
            return self.contract_fields.get(grant.contract_id, {}).get(one.key)
        is_credit = grant.kind is GrantKind.CREDIT
        if one.entity is (FilteredEntity.COMMIT if is_credit else FilteredEntity.CREDIT):
            return None
        return self.grant_fields.get(grant.id, {}).get(one.key)

    def _is_of_contract(
        self, filters: Sequence[CustomFieldFilter], contract_id: UUID | None
    ) -> bool:
        wanted = [one for one in filters if one.entity is FilteredEntity.CONTRACT]
        if not wanted:
            return True
        fields = {} if contract_id is None else self.contract_fields.get(contract_id, {})
        return all(fields.get(one.key) == one.value for one in wanted)


def usage_period(alert: Alert, situation: Situation) -> Period | None:
    """Return the period whose usage `alert` watches, None while there is none.

    From the earliest start to the latest end of the current billing periods. Source: Metronome's usage threshold.
    """
    current = list(situation.current_drafts(alert))
    if not current:
        return None
    return Period(
        min(invoice.start_timestamp for invoice in current),
        max(invoice.end_timestamp for invoice in current),
    )
