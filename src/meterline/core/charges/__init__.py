"""Charges beside usage: subscriptions, composites, and amounts with a date of their own. Pure."""

from meterline.core.charges.composites import (
    Composite,
    CompositeCharge,
    CompositePlan,
    Spend,
    composite_charges,
    composite_issues,
    composite_plan,
)
from meterline.core.charges.cycles import (
    BillingPeriods,
    Cycle,
    billing_periods,
    cycle_at,
    statement_collecting,
    statement_ending_at,
    subscription_cycles,
)
from meterline.core.charges.dated import (
    DatedCharge,
    DatedKind,
    commit_purchases,
    dated_charges,
    scheduled_charges_at,
)
from meterline.core.charges.quantities import (
    QuantityStretch,
    SeatStretch,
    quantity_at,
    quantity_history,
    quantity_schedule,
    seat_history,
    seats_at,
)
from meterline.core.charges.rules import (
    professional_service_issues,
    scheduled_charge_issues,
    service_invoice_issues,
    subscription_issues,
)
from meterline.core.charges.schedules import invoice_schedule, schedule_issues, schedule_items
from meterline.core.charges.subscriptions import (
    PriceAt,
    SubscriptionCharge,
    charges_on_statement,
    subscription_charges,
    unbilled,
)

__all__ = [
    "BillingPeriods",
    "Composite",
    "CompositeCharge",
    "CompositePlan",
    "Cycle",
    "DatedCharge",
    "DatedKind",
    "PriceAt",
    "QuantityStretch",
    "SeatStretch",
    "Spend",
    "SubscriptionCharge",
    "billing_periods",
    "charges_on_statement",
    "commit_purchases",
    "composite_charges",
    "composite_issues",
    "composite_plan",
    "cycle_at",
    "dated_charges",
    "invoice_schedule",
    "professional_service_issues",
    "quantity_at",
    "quantity_history",
    "quantity_schedule",
    "schedule_issues",
    "schedule_items",
    "scheduled_charge_issues",
    "scheduled_charges_at",
    "seat_history",
    "seats_at",
    "service_invoice_issues",
    "statement_collecting",
    "statement_ending_at",
    "subscription_charges",
    "subscription_cycles",
    "subscription_issues",
    "unbilled",
]
