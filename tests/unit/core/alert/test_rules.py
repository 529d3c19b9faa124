"""What is wrong with alerts, field by field."""

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.core.builders import uid, utc

from meterline.core.alert import (
    Alert,
    AlertType,
    BalanceSpecifier,
    CustomFieldFilter,
    FilteredEntity,
    GroupValue,
    SeatFilter,
    alert_issues,
)
from meterline.core.invoice.document import InvoiceType
from meterline.core.ledger.grant import AccessType
from meterline.core.money import USD_CENTS

KEYLESS = CustomFieldFilter(FilteredEntity.COMMIT, "promo")
VALUED = CustomFieldFilter(FilteredEntity.COMMIT, "promo", "may")
SEATS = SeatFilter("user")


@pytest.mark.parametrize(
    ("kind", "fields", "wrong"),
    [
        (AlertType.SPEND, {}, []),
        (AlertType.SPEND, {"threshold": Decimal(-1)}, ["threshold"]),
        (AlertType.COMMIT_PERCENTAGE, {"threshold": Decimal(100)}, []),
        (AlertType.COMMIT_PERCENTAGE, {"threshold": Decimal("100.1")}, ["threshold"]),
        (AlertType.USAGE, {}, ["billable_metric_id"]),
        (AlertType.USAGE, {"billable_metric_id": uid(1)}, []),
        (AlertType.SPEND, {"billable_metric_id": uid(1)}, ["billable_metric_id"]),
        (AlertType.SEAT_BALANCE, {}, ["seat_filter"]),
        (AlertType.SEAT_BALANCE, {"seat": SEATS}, []),
        (AlertType.CREDIT_BALANCE, {"seat": SEATS}, ["seat_filter"]),
        (AlertType.SPEND, {"group_values": (GroupValue("user"),)}, []),
        (AlertType.INVOICE_TOTAL, {"group_values": (GroupValue("user"),)}, ["group_values"]),
        (
            AlertType.SPEND,
            {"group_values": (GroupValue("user", "a"), GroupValue("user", "b"))},
            ["group_values"],
        ),
        (AlertType.SPEND, {"group_values": tuple(map(GroupValue, "abcd"))}, ["group_values"]),
        (AlertType.INVOICE_TOTAL, {"invoice_types": (InvoiceType.USAGE,)}, []),
        (AlertType.SPEND, {"invoice_types": (InvoiceType.USAGE,)}, ["invoice_types_filter"]),
        (AlertType.COMMIT_BALANCE, {"access_type": AccessType.QUANTITY}, []),
        (AlertType.COMMIT_DAYS, {"access_type": AccessType.QUANTITY}, ["access_type"]),
        (
            AlertType.COMMIT_BALANCE,
            {"access_type": AccessType.QUANTITY, "credit_type": USD_CENTS},
            ["credit_type_id"],
        ),
        (
            AlertType.COMMIT_BALANCE,
            {"specifiers": (BalanceSpecifier((VALUED,)),)},
            ["alert_specifiers"],
        ),
        (AlertType.COMBINED_BALANCE, {"specifiers": (BalanceSpecifier((KEYLESS,)),)}, []),
        (
            AlertType.COMBINED_BALANCE,
            {"specifiers": (BalanceSpecifier(),)},
            ["alert_specifiers[0]"],
        ),
        (
            AlertType.COMBINED_PERCENTAGE,
            {"specifiers": (BalanceSpecifier((KEYLESS, VALUED)),)},
            ["alert_specifiers[0].custom_field_filters"],
        ),
        (
            AlertType.COMBINED_PERCENTAGE,
            {"specifiers": (BalanceSpecifier((VALUED,)), BalanceSpecifier((KEYLESS,)))},
            ["alert_specifiers[1].custom_field_filters"],
        ),
        (
            AlertType.COMBINED_BALANCE,
            {"specifiers": (BalanceSpecifier(exclude=((),)),)},
            ["alert_specifiers[0].exclude[0].custom_field_filters"],
        ),
        (AlertType.COMMIT_DAYS, {"custom_field_filters": (VALUED,)}, []),
        (
            AlertType.CREDIT_BALANCE,
            {"custom_field_filters": (VALUED,)},
            ["custom_field_filters[0].entity"],
        ),
        (AlertType.SPEND, {"custom_field_filters": (VALUED,)}, ["custom_field_filters[0].entity"]),
    ],
)
def test_fields(kind: AlertType, fields: dict[str, Any], wrong: list[str]):
    given = {"threshold": Decimal(1)} | fields
    alert = Alert(uid(1), kind, "Watch", created_at=utc(2026, 1, 1), **given)
    assert [issue.field for issue in alert_issues(alert)] == wrong
