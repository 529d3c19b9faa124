"""Charges beside usage: subscriptions, composites, and amounts with a date of their own. Pure."""

from meterline.core.charges.composite_plan import Composite, CompositePlan, composite_plan
from meterline.core.charges.composites import CompositeCharge, Spend, composite_charges
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
from meterline.core.charges.history import PricedStretch, priced_history, prices_of
from meterline.core.charges.proration import Prorated, prorated
from meterline.core.charges.quantities import (
    QuantityStretch,
    Seats,
    SeatStretch,
    quantity_at,
    quantity_history,
    quantity_schedule,
    seat_history,
    seats_at,
)
from meterline.core.charges.rules import (
    product_type_issues,
    professional_service_issues,
    scheduled_charge_issues,
    service_invoice_issues,
)
from meterline.core.charges.schedule_rules import amount_issues, schedule_issues
from meterline.core.charges.schedules import (
    invoice_schedule,
    item_id,
    months_after,
    schedule_items,
    smallest_unit_places,
)
from meterline.core.charges.subscription_rules import (
    extension_issues,
    quantity_issues,
    seat_issues,
    subscription_issues,
)
from meterline.core.charges.subscriptions import (
    PriceAt,
    SubscriptionCharge,
    charges_on_statement,
    fixed_ends,
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
    "PricedStretch",
    "Prorated",
    "QuantityStretch",
    "SeatStretch",
    "Seats",
    "Spend",
    "SubscriptionCharge",
    "amount_issues",
    "billing_periods",
    "charges_on_statement",
    "commit_purchases",
    "composite_charges",
    "composite_plan",
    "cycle_at",
    "dated_charges",
    "extension_issues",
    "fixed_ends",
    "invoice_schedule",
    "item_id",
    "months_after",
    "priced_history",
    "prices_of",
    "product_type_issues",
    "professional_service_issues",
    "prorated",
    "quantity_at",
    "quantity_history",
    "quantity_issues",
    "quantity_schedule",
    "schedule_issues",
    "schedule_items",
    "scheduled_charge_issues",
    "scheduled_charges_at",
    "seat_history",
    "seat_issues",
    "seats_at",
    "service_invoice_issues",
    "smallest_unit_places",
    "statement_collecting",
    "statement_ending_at",
    "subscription_charges",
    "subscription_cycles",
    "subscription_issues",
    "unbilled",
]
