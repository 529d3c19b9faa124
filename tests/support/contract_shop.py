"""A shop with one of every kind of product on a rate card, and a contract body with one of every part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from metronome import Metronome
from tests.support.running_api import utc

START, END = utc(2026, 1, 1), utc(2027, 1, 1)
USD = "2714e483-4ff1-48e4-9e25-ac732e8f24f2"


@dataclass(frozen=True)
class Shop:
    """Ids of what a contract can name. The usage product is 2 cents a unit; a seat is 20 dollars a month."""

    sdk: Metronome
    card: str
    usage: str
    seat: str
    fixed: str
    service: str
    event_type: str
    aliases: Callable[[str], str]

    def customer(self) -> str:
        """A new customer."""
        return self.sdk.v1.customers.create(
            name="Acme", ingest_aliases=[self.aliases("acme")]
        ).data.id

    def contract(self, customer: str, **more: Any) -> str:
        """A contract of the year 2026 on the card."""
        terms = {"starting_at": START, "ending_before": END, **more}
        return self.sdk.v1.contracts.create(
            customer_id=customer, rate_card_id=self.card, **terms
        ).data.id

    def commit(self, amount: float = 1000, **more: Any) -> dict[str, Any]:
        """A prepaid commit of 2026, bought at its start."""
        return {
            "product_id": self.fixed,
            "type": "PREPAID",
            "access_schedule": access(amount),
            "invoice_schedule": {"schedule_items": [{"timestamp": START, "amount": amount}]},
            **more,
        }

    def credit(self, amount: float = 500, **more: Any) -> dict[str, Any]:
        """A credit of 2026."""
        return {"product_id": self.fixed, "access_schedule": access(amount), **more}


def access(
    amount: float, start: datetime = START, end: datetime = END, **more: Any
) -> dict[str, Any]:
    """An access schedule of one segment."""
    item = {"amount": amount, "starting_at": start, "ending_before": end}
    return {"schedule_items": [item], **more}


def open_shop(sdk: Metronome, unique: Callable[[str], str]) -> Shop:
    """A rate card with one product of every kind."""
    event_type = unique("call")
    metric = sdk.v1.billable_metrics.create(
        name=unique("calls"),
        aggregation_type="COUNT",
        event_type_filter={"in_values": [event_type]},
        property_filters=[{"name": "region", "exists": True}],
        group_keys=[["region"]],
    ).data.id
    create = sdk.v1.contracts.products.create
    usage = create(name="Calls", type="USAGE", billable_metric_id=metric, tags=["api"]).data.id
    seat = create(name="Seat", type="SUBSCRIPTION").data.id
    fixed = create(name="Platform", type="FIXED").data.id
    service = create(name="Training", type="PROFESSIONAL_SERVICE").data.id
    card = sdk.v1.contracts.rate_cards.create(name=unique("card")).data.id
    add = sdk.v1.contracts.rate_cards.rates.add
    add(
        rate_card_id=card,
        product_id=usage,
        starting_at=START - timedelta(days=365),
        entitled=True,
        rate_type="FLAT",
        price=2,
    )
    add(
        rate_card_id=card,
        product_id=seat,
        starting_at=START - timedelta(days=365),
        entitled=True,
        rate_type="FLAT",
        price=2000,
        billing_frequency="MONTHLY",
    )
    return Shop(sdk, card, usage, seat, fixed, service, event_type, unique)


def every_part(shop: Shop) -> dict[str, Any]:
    """One of every part of contracts/create, with all parameters the unmodified SDK has for it, in mixed case."""
    return {
        "subscriptions": [
            {
                "temporary_id": "seats",
                "collection_schedule": "advance",
                "proration": {
                    "invoice_behavior": "bill_immediately",
                    "is_prorated": True,
                    "rounding": {"decimal_places": 2, "rounding_method": "half_up"},
                },
                "subscription_rate": {"billing_frequency": "monthly", "product_id": shop.seat},
                "billing_cycle_config": {
                    "anchor_date": START,
                    "invoice_placement": "ON_USAGE_INVOICE",
                },
                "quantity_management_mode": "SEAT_BASED",
                "seat_config": {
                    "seat_group_key": "seat",
                    "initial_seat_ids": ["ann", "bob"],
                    "initial_unassigned_seats": 1,
                },
                "starting_at": START,
                "ending_before": END,
                "name": "Seats",
                "description": "for the team",
                "custom_fields": {"sku": "seat"},
            },
            {
                "collection_schedule": "ARREARS",
                "proration": {},
                "subscription_rate": {"billing_frequency": "MONTHLY", "product_id": shop.seat},
                "initial_quantity": 4,
            },
        ],
        "commits": [
            {
                **shop.commit(1000, temporary_id="year"),
                "access_schedule": {**access(1000), "credit_type_id": USD, "access_type": "spend"},
                "invoice_schedule": {
                    "credit_type_id": USD,
                    "do_not_invoice": False,
                    "recurring_schedule": {
                        "amount_distribution": "divided",
                        "frequency": "quarterly",
                        "starting_at": START,
                        "ending_before": END,
                        "amount": 800,
                    },
                },
                "priority": 2,
                "name": "Annual",
                "description": "a year of calls",
                "netsuite_sales_order_id": "so-1",
                "rate_type": "list_rate",
                "rollover_fraction": 0.5,
                "applicable_product_ids": [shop.usage],
                "applicable_product_tags": ["api"],
                "custom_fields": {"campaign": "spring"},
            },
            {
                "product_id": shop.fixed,
                "type": "postpaid",
                "access_schedule": access(300),
                "invoice_schedule": {"schedule_items": [{"timestamp": END, "amount": 300}]},
            },
        ],
        "credits": [
            {
                **shop.credit(),
                "specifiers": [
                    {
                        "product_id": shop.usage,
                        "product_tags": ["api"],
                        "presentation_group_values": {"region": "eu"},
                    }
                ],
                "priority": 1,
                "name": "Welcome",
            }
        ],
        "recurring_commits": [
            {
                "temporary_id": "monthly",
                "product_id": shop.fixed,
                "priority": 5,
                "starting_at": START,
                "ending_before": END,
                "access_amount": {"unit_price": 100, "quantity": 1, "credit_type_id": USD},
                "invoice_amount": {"unit_price": 90, "quantity": 1, "credit_type_id": USD},
                "commit_duration": {"value": 1, "unit": "periods"},
                "recurrence_frequency": "monthly",
                "proration": "none",
                "proration_rounding": {
                    "access": {"decimal_places": 0, "rounding_method": "FLOOR"},
                    "invoice": {"decimal_places": 0, "rounding_method": "CEILING"},
                },
                "rate_type": "LIST_RATE",
                "rollover_fraction": 0.1,
                "name": "Monthly",
                "description": "each month",
                "netsuite_sales_order_id": "so-2",
                "applicable_product_tags": ["api"],
            }
        ],
        "recurring_credits": [
            {
                "product_id": shop.fixed,
                "priority": 6,
                "starting_at": START,
                "access_amount": {"unit_price": 10},
                "commit_duration": {"value": 2},
                "subscription_config": {
                    "subscription_id": "seats",
                    "allocation": "POOLED",
                    "apply_seat_increase_config": {"is_prorated": True},
                },
            }
        ],
        "overrides": [
            {
                "starting_at": START,
                "ending_before": END,
                "type": "multiplier",
                "multiplier": 0.9,
                "priority": 10,
                "override_specifiers": [
                    {
                        "product_id": shop.usage,
                        "any_commit_or_credit_ids": ["year"],
                        "recurring_commit_ids": ["monthly"],
                    }
                ],
            },
            {
                "starting_at": START,
                "product_id": shop.usage,
                "overwrite_rate": {
                    "rate_type": "tiered",
                    "tiers": [{"price": 2, "size": 1000}, {"price": 1}],
                },
            },
            {
                "starting_at": START,
                "applicable_product_tags": ["api"],
                "multiplier": 0.5,
                "priority": 2,
            },
        ],
        "scheduled_charges": [
            {
                "product_id": shop.fixed,
                "name": "Set-up",
                "netsuite_sales_order_id": "so-3",
                "custom_fields": {"kind": "once"},
                "schedule": {
                    "schedule_items": [{"timestamp": START, "unit_price": 50, "quantity": 3}]
                },
            }
        ],
        "discounts": [
            {
                "product_id": shop.fixed,
                "name": "Friends",
                "schedule": {"schedule_items": [{"timestamp": START, "amount": -20}]},
            }
        ],
        "professional_services": [
            {
                "product_id": shop.service,
                "max_amount": 900,
                "quantity": 3,
                "unit_price": 300,
                "description": "three days",
            }
        ],
    }
