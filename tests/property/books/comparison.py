"""Model and platform side by side: everything a customer could see, as values that can be compared.

The platform rounds a quantity or a share that has no short decimal at 18 places or more, the model never does: numbers
are compared to within `NEAR`, far below what any of the tests' amounts differ by when something is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from tests.model import terms as t
from tests.model.books import Books
from tests.model.facts import Invoice as ModelInvoice
from tests.property.books.core_books import CoreBooks

from meterline.core.ids import usage_invoice_id
from meterline.core.invoice import Invoice, InvoiceStatus, InvoiceType, LineType
from meterline.core.ledger.balances import live_balance, within_contract
from meterline.core.ledger.entry import LedgerEntry
from meterline.core.ledger.grant import GrantKind

NEAR = Fraction(1, 10**9)

Facts = dict[str, Any]


def hour_of(instant: Any) -> t.Hour:
    return int((instant - t.START).total_seconds()) // 3600


def rounded(number: Fraction | Decimal) -> Fraction:
    """To the nearest multiple of NEAR."""
    return Fraction(round(Fraction(number) / NEAR)) * NEAR


def model_facts(books: Books) -> Facts:
    """What the model says."""
    drafts, left = books.drafts()
    return {
        "final": sorted((_model_invoice(one) for one in books.invoices), key=repr),
        "drafts": sorted((_model_invoice(one) for one in drafts), key=repr),
        "upcoming": {
            key: rounded(total)
            for key, total in sorted(books.upcoming().items(), key=repr)
            if total
        },
        "entries": sorted(
            (
                (one.grant, one.segment, one.kind, rounded(one.amount), one.at)
                for one in books.entries
            ),
            key=repr,
        ),
        "balances": {name: rounded(books.balance(name, left)) for name in sorted(books.grants)},
    }


def _model_invoice(one: ModelInvoice) -> tuple[Any, ...]:
    lines = {key: rounded(amount) for key, amount in one.lines.items() if amount}
    return (
        *(one.kind, one.owner, one.start, one.end, one.status),
        # A charge added after its date is dated back by the platform, as its terms do not say when it was added.
        one.issued if one.kind == "USAGE" else None,
        *(tuple(sorted(lines.items())), rounded(one.total)),
    )


def core_facts(core: CoreBooks) -> Facts:
    """What the platform says, in the model's words."""
    names = Names(core)
    found = core.drafts()
    pending = list(found.entries)
    usage_drafts = [one for one in found.invoices if one.type is InvoiceType.USAGE]
    for one in (*core.account.invoices, *found.invoices):
        check_invoice(one)
        contract = names.contracts.get(one.contract_id) if one.contract_id else None
        if one.type is InvoiceType.USAGE and one.regenerated_from is None:
            assert contract is not None
            assert one.contract_id is not None
            assert one.id == usage_invoice_id(one.contract_id, one.start_timestamp)
    upcoming: dict[tuple[str | None, t.Hour], Fraction] = defaultdict(Fraction)
    for one in found.invoices:
        if one.type is InvoiceType.SCHEDULED:
            key = (names.contract(one.contract_id), hour_of(one.start_timestamp))
            for line in one.line_items:
                if line.type is not LineType.SUBSCRIPTION and line.type is not LineType.APPLIED:
                    upcoming[key] += Fraction(line.total)
    entries = core.account.entries
    assert len({one.id for one in entries}) == len(entries), "an entry was made twice"
    return {
        "final": sorted((names.invoice(one) for one in core.account.invoices), key=repr),
        "drafts": sorted((names.invoice(one) for one in usage_drafts), key=repr),
        "upcoming": {
            key: rounded(total) for key, total in sorted(upcoming.items(), key=repr) if total
        },
        "entries": sorted((names.entry(one) for one in entries), key=repr),
        "balances": {
            name: rounded(
                live_balance(
                    within_contract(grant, names.ends.get(grant.contract_id or grant.id)),
                    [one for one in entries if one.grant_id == grant.id],
                    at=core.now,
                    pending=[one for one in pending if one.grant_id == grant.id],
                )
            )
            for name, grant in sorted((names.grants[one.id], one) for one in core.account.grants)
        },
    }


def check_invoice(one: Invoice) -> None:
    """What must hold of any invoice by itself: lines add up to the total, and no id is there twice."""
    counted = [
        line
        for line in one.line_items
        if line.credit_type == one.credit_type
        and not (line.type is LineType.APPLIED and line.grant_kind is GrantKind.POSTPAID)
    ]
    assert sum((Fraction(line.total) for line in counted), Fraction(0)) == Fraction(one.total)
    assert len({line.id for line in one.line_items}) == len(one.line_items)
    assert (one.issued_at is None) == (one.status is InvoiceStatus.DRAFT)


class Names:
    """The model's names of what the platform knows by id."""

    def __init__(self, core: CoreBooks) -> None:
        self.contracts = {one.id: name for name, one in core.contracts.items()}
        self.ends = {one.id: one.ending_before for one in core.contracts.values()}
        self.grants: dict[UUID, str] = {one.id: name for name, one in core.grants.items()}
        self.segments: dict[UUID, int] = {}
        for grant in core.account.grants:
            for n, segment in enumerate(grant.segments):
                self.segments[segment.id] = n
            if grant.recurring_grant_id is not None:
                self.grants[grant.id] = f"{grant.name}@{hour_of(grant.segments[0].starting_at)}"
        for grant in core.account.grants:
            if grant.rolled_over_from is not None:
                assert grant.contract_id is not None
                old = self.grants[grant.rolled_over_from.grant_id]
                self.grants[grant.id] = f"{old}>{self.contracts[grant.contract_id]}"

    def contract(self, contract_id: UUID | None) -> str | None:
        return None if contract_id is None else self.contracts[contract_id]

    def entry(self, one: LedgerEntry) -> tuple[Any, ...]:
        assert one.segment_id is not None
        return (
            *(self.grants[one.grant_id], self.segments[one.segment_id], one.type.value),
            *(rounded(one.amount), hour_of(one.timestamp)),
        )

    def invoice(self, one: Invoice) -> tuple[Any, ...]:
        lines: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for line in one.line_items:
            if line.type is LineType.USAGE:
                values = [
                    _value(line.pricing_group_values, "region"),
                    _value(line.presentation_group_values, "team"),
                ]
                lines["usage", "/".join([line.name, *values])] += Fraction(line.total)
            elif line.type is LineType.SUBSCRIPTION:
                kind = "usage" if one.type is InvoiceType.USAGE else "scheduled"
                what = f"{line.name}//" if kind == "usage" else line.name
                lines["subscription", what] += Fraction(line.total)
            else:
                assert line.type is not LineType.CPU_CONVERSION
                lines[line.type.value, self._of_grant_or_charge(line)] += Fraction(line.total)
        kept = {key: rounded(amount) for key, amount in lines.items() if amount}
        return (
            *(one.type.value, self.contract(one.contract_id)),
            *(hour_of(one.start_timestamp), hour_of(one.end_timestamp), one.status.value),
            hour_of(one.issued_at) if one.type is InvoiceType.USAGE and one.issued_at else None,
            *(tuple(sorted(kept.items())), rounded(one.total)),
        )

    def _of_grant_or_charge(self, line: Any) -> str:
        if line.applied is not None:
            return self.grants[line.applied.id]
        if line.grant_id is not None:
            return self.grants[line.grant_id]
        return str(line.name)


def _value(values: Mapping[str, str | None] | None, key: str) -> str:
    return (values or {}).get(key) or ""


def differences(model: Facts, core: Facts) -> list[str]:
    """What is said by one side alone, line by line."""
    found = []
    for what in model:
        if model[what] == core[what]:
            continue
        left, right = _rows(model[what]), _rows(core[what])
        found += [f"{what}: only the model  {row}" for row in left if row not in right]
        found += [f"{what}: only the platform {row}" for row in right if row not in left]
        if left != right and sorted(left) == sorted(right):
            found.append(f"{what}: the same in another order or number")
    return found


def _rows(facts: Any) -> list[str]:
    rows: Iterable[Any] = facts.items() if isinstance(facts, dict) else facts
    return [_plain(row) for row in rows]


def _plain(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(float(value)) if value.denominator != 1 else str(value.numerator)
    if isinstance(value, tuple):
        return "(" + ", ".join(_plain(one) for one in value) + ")"
    return str(value)
