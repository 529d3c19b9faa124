"""Contracts: whom, for how long, at which prices, with which charges beside usage."""

from meterline.core.contract.contract import (
    Contract,
    Transition,
    UsageFilter,
    contract_issues,
    filter_at,
    usage_filter_issues,
)

__all__ = [
    "Contract",
    "Transition",
    "UsageFilter",
    "contract_issues",
    "filter_at",
    "usage_filter_issues",
]
