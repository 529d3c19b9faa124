"""Customers' contracts and grants of the file as bodies of API requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterline.cli.catalogue import amounts
from meterline.cli.catalogue.amounts import DOLLARS, Wrong
from meterline.cli.catalogue.bodies import instant_text
from meterline.cli.catalogue.price_bodies import PriceWriter, credit_type
from meterline.cli.catalogue.requests import Ref
from meterline.cli.catalogue.source import Place, Source
from meterline.cli.catalogue.terms import (
    Contract,
    Due,
    Grant,
    Override,
    RecurringGrant,
    ScheduledCharge,
    Subscription,
    UsageFilter,
    Which,
)

Body = dict[str, Any]

# What of a contract is known by name within it: the field of the file, which the API calls the same.
PARTS = (
    "commits",
    "credits",
    "recurring_commits",
    "recurring_credits",
    "subscriptions",
    "scheduled_charges",
    "discounts",
)


@dataclass(frozen=True, slots=True)
class TermWriter:
    """Writes the terms of contracts. `currency`: of the contract's card, for its overrides."""

    source: Source
    currency: str = DOLLARS

    def contract(self, contract: Contract, place: Place) -> Body:
        """Return POST contracts/create, without customer and uniqueness key."""
        body: Body = {
            "name": contract.name,
            "starting_at": self._at(contract.starting_at, place, "starting_at"),
        }
        if contract.rate_card is not None:
            body["rate_card_id"] = Ref("rate card", contract.rate_card, (*place, "rate_card"))
        if contract.ending_before is not None:
            body["ending_before"] = self._at(contract.ending_before, place, "ending_before")
        if contract.net_payment_terms_days is not None:
            body["net_payment_terms_days"] = contract.net_payment_terms_days
        if contract.explicit_priorities:
            body["multiplier_override_prioritization"] = "EXPLICIT"
        if contract.charges_on_usage_invoices:
            body["scheduled_charges_on_usage_invoices"] = "ALL"
        if contract.statements is not None:
            body["usage_statement_schedule"] = self._statements(contract, place)
        if contract.usage_filter is not None:
            body["usage_filter"] = self.usage_filter(contract.usage_filter, contract, place)
        if contract.overrides:
            body["overrides"] = self.overrides(contract, place)
        for name in PARTS:
            rows = self.parts(contract, name, place)
            if rows:
                body[name] = rows
        return body

    def parts(self, contract: Contract, name: str, place: Place) -> list[Body]:
        """Return one of `PARTS` of a contract as the API takes it, in the file's order."""
        write: dict[str, Callable[[Any, Place], Body]] = {
            "commits": lambda one, at: self._own_grant(one, at, is_commit=True),
            "credits": lambda one, at: self._own_grant(one, at, is_commit=False),
            "recurring_commits": lambda one, at: self.recurring(one, at, is_commit=True),
            "recurring_credits": lambda one, at: self.recurring(one, at, is_commit=False),
            "subscriptions": self.subscription,
            "scheduled_charges": self.charge,
            "discounts": self.charge,
        }
        return [
            write[name](one, (*place, name, number))
            for number, one in enumerate(getattr(contract, name))
        ]

    def usage_filter(self, wanted: UsageFilter, contract: Contract, place: Place) -> Body:
        """Return the filter as it is when the contract is made."""
        starting_at = wanted.starting_at or contract.starting_at
        return {
            "group_key": wanted.group_key,
            "group_values": wanted.values,
            "starting_at": self._at(starting_at, (*place, "usage_filter"), "starting_at"),
        }

    def overrides(self, contract: Contract, place: Place) -> list[Body]:
        """Return the overrides of a contract; they start with it unless they say when."""
        return [
            self.override(one, (*place, "overrides", number), contract.starting_at)
            for number, one in enumerate(contract.overrides)
        ]

    def override(self, override: Override, place: Place, contract_start: str) -> Body:
        """Return one override."""
        body: Body = {
            "starting_at": self._at(override.starting_at or contract_start, place, "starting_at")
        }
        if override.ending_before is not None:
            body["ending_before"] = self._at(override.ending_before, place, "ending_before")
        effects = [
            override.multiplier is not None,
            bool(override.tiers),
            override.price is not None,
        ]
        if sum(effects) > 1 or (not any(effects) and override.entitled is None):
            raise self.source.fault(
                place, "give exactly one of multiplier, tiers and price, or entitled alone"
            )
        if override.multiplier is not None:
            body |= {"type": "MULTIPLIER", "multiplier": override.multiplier}
        elif override.tiers:
            tiers = [
                {"multiplier": one.multiplier} | ({} if one.size is None else {"size": one.size})
                for one in override.tiers
            ]
            body |= {"type": "TIERED", "tiers": tiers}
        elif override.price is not None:
            at = (*place, "price")
            writer = PriceWriter(self.source, self.currency)
            unit = writer.unit_id(override.price.unit, (*at, "unit"))
            rate = writer.terms(override.price, at) | {"credit_type_id": unit}
            body |= {"type": "OVERWRITE", "overwrite_rate": rate}
        else:
            body["type"] = "OVERWRITE"
        if override.entitled is not None:
            body["entitled"] = override.entitled
        if override.priority is not None:
            body["priority"] = override.priority
        if override.target is not None:
            body["target"] = override.target.upper()
        if override.to:
            body["override_specifiers"] = self._which(override.to, (*place, "to"))
        return body

    def grant(self, grant: Grant, place: Place, *, is_commit: bool) -> Body:
        """Return a commit or a credit, whoever has it."""
        segments = [
            {
                "amount": self._amount(one.usd, one.amount, grant.unit, (*place, "access", number)),
                "starting_at": self._at(one.starting_at, (*place, "access", number), "starting_at"),
                "ending_before": self._at(
                    one.ending_before, (*place, "access", number), "ending_before"
                ),
            }
            for number, one in enumerate(grant.access)
        ]
        body: Body = {
            "name": grant.name,
            "product_id": Ref("product", grant.product, (*place, "product")),
            "access_schedule": {
                "credit_type_id": credit_type(grant.unit, (*place, "unit")),
                "schedule_items": segments,
            },
        }
        if is_commit:
            body["type"] = (grant.type or "prepaid").upper()
            if grant.invoice:
                items = self._due(grant.invoice, grant.invoice_unit, (*place, "invoice"))
                body["invoice_schedule"] = {
                    "credit_type_id": credit_type(grant.invoice_unit, (*place, "invoice_unit")),
                    "schedule_items": items,
                }
        elif grant.type is not None or grant.invoice:
            raise self.source.fault(place, "a credit has neither type nor invoice")
        if grant.priority is not None:
            body["priority"] = grant.priority
        if grant.description is not None:
            body["description"] = grant.description
        return body | self._grant_options(grant, place)

    def recurring(self, grant: RecurringGrant, place: Place, *, is_commit: bool) -> Body:
        """Return a recurring commit or credit."""
        body: Body = {
            "name": grant.name,
            "product_id": Ref("product", grant.product, (*place, "product")),
            "priority": grant.priority,
            "starting_at": self._at(grant.starting_at, place, "starting_at"),
            "commit_duration": {"value": grant.periods, "unit": "PERIODS"},
            "access_amount": {
                "credit_type_id": credit_type(grant.unit, (*place, "unit")),
                "unit_price": self._amount(grant.usd, grant.amount, grant.unit, place),
            },
        }
        if grant.seats_of is None:
            body["access_amount"]["quantity"] = grant.quantity
        else:
            # The name a subscription of the same contract is sent under.
            body["subscription_config"] = {
                "subscription_id": grant.seats_of,
                "allocation": "POOLED",
                "apply_seat_increase_config": {"is_prorated": True},
            }
        if grant.ending_before is not None:
            body["ending_before"] = self._at(grant.ending_before, place, "ending_before")
        if grant.every is not None:
            body["recurrence_frequency"] = grant.every.upper()
        if grant.proration is not None:
            body["proration"] = grant.proration.upper()
        if is_commit and (grant.invoice_usd is not None or grant.invoice_amount is not None):
            body["invoice_amount"] = {
                "credit_type_id": credit_type(grant.invoice_unit, (*place, "invoice_unit")),
                "unit_price": self._amount(
                    grant.invoice_usd, grant.invoice_amount, grant.invoice_unit, place
                ),
                "quantity": grant.quantity,
            }
        return body | self._grant_options(grant, place)

    def subscription(self, one: Subscription, place: Place) -> Body:
        """Return a subscription."""
        body: Body = {
            "name": one.name,
            "temporary_id": one.name,
            "subscription_rate": {
                "product_id": Ref("product", one.product, (*place, "product")),
                "billing_frequency": one.every.upper(),
            },
            "collection_schedule": one.collected.upper(),
            "initial_quantity": one.quantity,
            "proration": {
                "is_prorated": one.prorated,
                "invoice_behavior": one.increases.upper(),
            },
        }
        for name in ("starting_at", "ending_before"):
            if getattr(one, name) is not None:
                body[name] = self._at(getattr(one, name), place, name)
        if one.placement is not None:
            body["billing_cycle_config"] = {"invoice_placement": one.placement.upper()}
        return body

    def charge(self, one: ScheduledCharge, place: Place) -> Body:
        """Return a scheduled charge or a discount."""
        if bool(one.due) == (one.repeated is not None):
            raise self.source.fault(place, "give either due or repeated")
        schedule: Body = {"credit_type_id": credit_type(one.unit, (*place, "unit"))}
        if one.repeated is None:
            schedule["schedule_items"] = self._due(one.due, one.unit, (*place, "due"))
        else:
            at = (*place, "repeated")
            again = one.repeated
            money = self._amount(again.usd, again.amount, one.unit, at)
            schedule["recurring_schedule"] = {
                "frequency": again.every.upper(),
                "amount_distribution": again.distribution.upper(),
                "starting_at": self._at(again.starting_at, at, "starting_at"),
                "ending_before": self._at(again.ending_before, at, "ending_before"),
            } | _priced(money, again.quantity)
        return {
            "name": one.name,
            "product_id": Ref("product", one.product, (*place, "product")),
            "schedule": schedule,
        }

    def _own_grant(self, grant: Grant, place: Place, *, is_commit: bool) -> Body:
        if grant.contracts or grant.invoice_contract is not None:
            reason = (
                "a contract's grant is its own: contracts and invoice_contract are a customer's"
            )
            raise self.source.fault(place, reason)
        return self.grant(grant, place, is_commit=is_commit)

    def _statements(self, contract: Contract, place: Place) -> Body:
        statements = contract.statements
        assert statements is not None
        body: Body = {"frequency": statements.every.upper()}
        if statements.day is not None:
            body["day"] = statements.day.upper()
        if statements.anchor is not None:
            body["billing_anchor_date"] = self._at(
                statements.anchor, (*place, "statements"), "anchor"
            )
            body.setdefault("day", "CUSTOM_DATE")
        return body

    def _grant_options(self, grant: Grant | RecurringGrant, place: Place) -> Body:
        body: Body = {}
        if grant.rate is not None:
            rate = grant.rate.upper()
            body["rate_type"] = rate if rate.endswith("_RATE") else f"{rate}_RATE"
        if grant.rollover is not None:
            body["rollover_fraction"] = grant.rollover
        if grant.applies_to:
            body["specifiers"] = self._which(grant.applies_to, (*place, "applies_to"))
        return body

    def _which(self, given: Sequence[Which], place: Place) -> list[Body]:
        return [self._specifier(one, (*place, number)) for number, one in enumerate(given)]

    @staticmethod
    def _specifier(one: Which, place: Place) -> Body:
        body: Body = {}
        if one.product is not None:
            body["product_id"] = Ref("product", one.product, (*place, "product"))
        if one.tags:
            body["product_tags"] = one.tags
        if one.group:
            body["pricing_group_values"] = one.group
        if one.presentation:
            body["presentation_group_values"] = one.presentation
        if one.every is not None:
            body["billing_frequency"] = one.every.upper()
        return body

    def _due(self, given: Sequence[Due], unit: str, place: Place) -> list[Body]:
        return [
            {"timestamp": self._at(one.at, (*place, number), "at")}
            | _priced(self._amount(one.usd, one.amount, unit, (*place, number)), one.quantity)
            for number, one in enumerate(given)
        ]

    def _amount(
        self, usd: Decimal | None, amount: Decimal | None, unit: str, place: Place
    ) -> Decimal:
        given = usd if amount is None else amount
        if given is None or (usd is not None and amount is not None):
            raise self.source.fault(place, "give exactly one of usd and amount")
        if usd is not None and unit != DOLLARS:
            raise self.source.fault(place, f"usd is dollars, but the unit is {unit}: say amount")
        try:
            return amounts.measured(given, unit)
        except Wrong as wrong:
            raise self.source.fault(place, str(wrong)) from None

    def _at(self, text: str, place: Place, name: str) -> str:
        return instant_text(self.source, text, (*place, name))


def _priced(amount: Decimal, quantity: Decimal | None) -> Body:
    """An amount, or so many at a price each."""
    if quantity is None:
        return {"amount": amount}
    return {"unit_price": amount, "quantity": quantity}
