"""Statements: the billing periods of a customer's contracts that get a USAGE invoice.

A contract without a rate card has none. What is stored is closed for good: a period that a stored invoice covers in
part (the contract's end was put off) leaves the rest as a statement of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, pairwise, takewhile
from uuid import UUID

from meterline.core.catalogue import ProductType
from meterline.core.charges import Composite, CompositePlan, composite_plan
from meterline.core.contract import Contract
from meterline.core.invoice import Invoice, InvoiceType, UsageTerms
from meterline.core.ledger.applicability import reaches
from meterline.core.lifecycle.account import Account
from meterline.core.lifecycle.collection import charges_on_statement
from meterline.core.lifecycle.facts import Facts
from meterline.core.lifecycle.spans import Span, final_at, open_spans, price_at, price_list_of
from meterline.core.period import Period
from meterline.core.rating import PriceList, RatePlan
from meterline.core.rating.windows import windowed


@dataclass(frozen=True, slots=True)
class Statement:
    """A billing period of a contract, with what rating it takes.

    `invoice_id`: of its invoice, draft and final alike. Final from `final_at` on. `terms`: its prices and charges, cut
    where a grant begins or ends. Usage is read by `plan.cuts`.
    """

    contract: Contract
    period: Period
    invoice_id: UUID
    final_at: datetime
    terms: UsageTerms

    @property
    def plan(self) -> RatePlan:
        """The prices of the period."""
        return self.terms.plan

    @property
    def order(self) -> tuple[datetime, datetime, datetime, UUID]:
        """The place among a customer's statements: they draw on his grants in this order."""
        return (self.final_at, self.period.start, self.contract.starting_at, self.contract.id)

    def cut_at(self, edges: Iterable[datetime]) -> Statement:
        """Return the statement cut at `edges` too, for `breakdown`. Usage must be read anew."""
        found = [edge for edge in edges if self.period.start < edge < self.period.end]
        return replace(self, terms=_cut_terms(self.terms, found)) if found else self


def open_statements(account: Account, now: datetime) -> list[Statement]:
    """Return the statements that have begun at `now` and have no stored invoice, in final order."""
    facts = Facts.of(account)
    begun = [
        span
        for contract in facts.contracts.values()
        for span in takewhile(
            lambda span: span.period.start <= now, open_spans(account, facts, contract)
        )
    ]
    return [compiled(account, facts, span) for span in sorted(begun, key=lambda span: span.order)]


OPEN_STATEMENTS_MAX = 1_000
"""How many open statements of a contract are searched for an id: 19 years of weeks."""


def statement_of(account: Account, invoice_id: UUID) -> Statement | None:
    """Return the statement of a USAGE invoice, stored (FINALIZED, VOID, regenerated) or not; None if there is none.

    For reading its usage: breakdowns, explanations, `regenerate`. None too where the account lacks the contract.
    """
    facts = Facts.of(account)
    stored = facts.invoices.get(invoice_id)
    if stored is None:
        return next(
            (
                compiled(account, facts, span)
                for contract in facts.contracts.values()
                for span in islice(open_spans(account, facts, contract), OPEN_STATEMENTS_MAX)
                if span.invoice_id == invoice_id
            ),
            None,
        )
    contract = next((one for one in account.contracts if one.id == stored.contract_id), None)
    if stored.type is not InvoiceType.USAGE or contract is None or contract.rate_card_id is None:
        return None
    period = Period(stored.start_timestamp, stored.end_timestamp)
    span = Span(contract, period, final_at(account, contract, period))
    return replace(compiled(account, facts, span, stored=stored), invoice_id=invoice_id)


def compiled(
    account: Account, facts: Facts, span: Span, *, stored: Invoice | None = None
) -> Statement:
    """Return the statement of `span`, prices and all. `stored`: the invoice it has, whose charges are its again."""
    contract, period = span.contract, span.period
    price_list = price_list_of(account, contract)
    plan = account.compiler(
        price_list, period, contract.usage_filters, contract.overrides, contract.prioritization
    )
    collected = charges_on_statement(account, facts, span, stored)
    terms = UsageTerms(
        contract,
        plan,
        _composites(contract, price_list, period),
        collected.subscriptions,
        collected.dated,
        account.products,
    )
    edges = {
        edge
        for grant in account.grants
        if reaches(grant, contract)
        for segment in grant.segments
        for edge in (segment.starting_at, segment.ending_before)
    }
    if terms.composites is not None:
        edges |= set(terms.composites.cuts)
    statement = Statement(contract, period, span.invoice_id, span.final_at, terms)
    return statement.cut_at(edges)


def _composites(contract: Contract, price_list: PriceList, period: Period) -> CompositePlan | None:
    """The composites on the contract's card, None where it has none."""
    if all(product.type is not ProductType.COMPOSITE for product in price_list.products):
        return None
    changes = [
        edge
        for override in contract.overrides
        for edge in (override.starting_at, override.ending_before)
        if edge is not None
    ]
    return composite_plan(
        price_list,
        period,
        lambda product_id, instant: price_at(contract, price_list, product_id, None, instant),
        changes=changes,
    )


def _cut_terms(terms: UsageTerms, edges: Collection[datetime]) -> UsageTerms:
    composites = terms.composites
    if composites is not None:
        cut = tuple(_cut_composite(one, edges) for one in composites.composites)
        composites = replace(composites, composites=cut)
    return replace(terms, plan=windowed(terms.plan, edges), composites=composites)


def _cut_composite(composite: Composite, edges: Collection[datetime]) -> Composite:
    return replace(
        composite,
        stretches=tuple(
            replace(stretch, period=Period(start, end))
            for stretch in composite.stretches
            for start, end in pairwise(
                [
                    stretch.period.start,
                    *sorted(
                        one for one in edges if stretch.period.start < one < stretch.period.end
                    ),
                    stretch.period.end,
                ]
            )
        ),
    )
