"""What a change of terms may not do to what has been billed already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from meterline.core.contract.schedule import InvoiceSchedule, ScheduleItem
from meterline.core.errors import Issue
from meterline.core.invoice import InvoiceStatus, InvoiceType, LineType
from meterline.core.ledger.entry import EntryType
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.core.lifecycle.account import Account


def edit_issues(
    before: Account, after: Account, *, may_end_before_finalized: bool = False
) -> list[Issue]:
    """Return what the change from `before` to `after`, which differ in terms alone, does to stored invoices.

    A schedule item on a FINALIZED invoice cannot be altered or removed, one on a VOID invoice cannot be removed;
    a segment that a FINALIZED invoice drew on cannot be removed; a contract cannot end before the end of a FINALIZED
    usage invoice of its, unless `may_end_before_finalized`; a grant whose purchase is on a FINALIZED invoice cannot be
    archived, unless its contract is. Fields are as in POST /v2/contracts/edit; a contract's end is `ending_before`.
    """
    issues = [
        *_item_issues(before, after),
        *_segment_issues(before, after),
        *_archive_issues(before, after),
    ]
    return issues if may_end_before_finalized else [*issues, *_end_issues(before, after)]


class _Item(NamedTuple):
    """A schedule item with the unit it is in, and the field that edits it."""

    item: ScheduleItem
    credit_type_id: UUID
    field: str


def _items(account: Account) -> dict[UUID, _Item]:
    """Every date that terms charge at, by id."""
    found: dict[UUID, _Item] = {}

    def add(schedule: InvoiceSchedule, field: str) -> None:
        for item in schedule.items:
            found[item.id] = _Item(item, schedule.credit_type.id, field)

    for contract in account.contracts:
        for charge in contract.scheduled_charges:
            verb = "update_discounts" if charge.is_discount else "update_scheduled_charges"
            add(charge.schedule, f"{verb}.invoice_schedule")
        for service in contract.professional_services:
            add(InvoiceSchedule(service.credit_type, service.invoiced), "professional_services")
    for grant in account.grants:
        if grant.invoice is not None:
            add(grant.invoice, f"{_prefix(grant)}invoice_schedule")
    return found


def _prefix(grant: Grant) -> str:
    """Where an edit of a contract names the grant; a customer's own is edited by itself."""
    if grant.contract_id is None:
        return ""
    return "update_credits." if grant.kind is GrantKind.CREDIT else "update_commits."


def _item_issues(before: Account, after: Account) -> Iterator[Issue]:
    old, new = _items(before), _items(after)
    for item_id, status in _billed(before).items():
        if item_id not in old:
            continue
        was, is_now = old[item_id], new.get(item_id)
        if is_now is None:
            yield Issue(
                f"{was.field}.remove_schedule_items",
                f"schedule item {item_id} is on a {status} invoice",
            )
        elif status is InvoiceStatus.FINALIZED and is_now[:2] != was[:2]:
            yield Issue(
                f"{was.field}.update_schedule_items",
                f"schedule item {item_id} is on a FINALIZED invoice: void that first",
            )


def _billed(account: Account) -> dict[UUID, InvoiceStatus]:
    """The items on stored invoices, FINALIZED where one of those is."""
    found: dict[UUID, InvoiceStatus] = {}
    for invoice in account.invoices:
        for line in invoice.line_items:
            if line.source_id is None or line.type is LineType.SUBSCRIPTION:
                continue
            if found.get(line.source_id) is not InvoiceStatus.FINALIZED:
                found[line.source_id] = invoice.status
    return found


def _segment_issues(before: Account, after: Account) -> Iterator[Issue]:
    kept = {segment.id for grant in after.grants for segment in grant.segments}
    final = {one.id for one in before.invoices if one.status is InvoiceStatus.FINALIZED}
    drawn = {
        entry.segment_id
        for entry in before.entries
        if entry.type is EntryType.AUTOMATED_INVOICE_DEDUCTION and entry.invoice_id in final
    }
    for grant in before.grants:
        for segment in grant.segments:
            if segment.id in drawn and segment.id not in kept:
                yield Issue(
                    f"{_prefix(grant)}access_schedule.remove_schedule_items",
                    f"a FINALIZED invoice drew on segment {segment.id}",
                )


def _archive_issues(before: Account, after: Account) -> Iterator[Issue]:
    archived_contracts = {one.id for one in after.contracts if one.archived_at is not None}
    live = {grant.id: grant for grant in before.grants if grant.archived_at is None}
    bought = {
        line.grant_id
        for invoice in before.invoices
        if invoice.status is InvoiceStatus.FINALIZED
        for line in invoice.line_items
        if line.type is LineType.COMMIT_PURCHASE
    }
    for grant in after.grants:
        if grant.id not in live or grant.archived_at is None or grant.id not in bought:
            continue
        if grant.contract_id not in archived_contracts:
            verb = "archive_credits" if grant.kind is GrantKind.CREDIT else "archive_commits"
            yield Issue(verb, f"{grant.id} is on a FINALIZED invoice: void that first")


def _end_issues(before: Account, after: Account) -> Iterator[Issue]:
    ends = {contract.id: contract.ending_before for contract in before.contracts}
    for contract in after.contracts:
        end = contract.ending_before
        if contract.id not in ends or end is None or end == ends[contract.id]:
            continue
        if any(
            invoice.type is InvoiceType.USAGE
            and invoice.status is InvoiceStatus.FINALIZED
            and invoice.contract_id == contract.id
            and end < invoice.end_timestamp
            for invoice in before.invoices
        ):
            yield Issue("ending_before", "must not be before the end of a FINALIZED invoice")
