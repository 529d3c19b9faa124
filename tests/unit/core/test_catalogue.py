from tests.unit.core.builders import uid, utc

from meterline.core.catalogue import (
    Product,
    ProductType,
    ProductUpdate,
    ProductVersion,
    product_versions,
)

INITIAL = ProductVersion("Tokens", billable_metric_id=uid(1), tags=("ai",))


def test_an_update_changes_only_its_fields_from_its_start_on() -> None:
    versions = product_versions(INITIAL, [ProductUpdate(utc(2026, 2, 1), {"name": "Units"})])
    tokens = Product(uid(10), ProductType.USAGE, versions)
    assert tokens.at(utc(2026, 1, 31, 23)) == INITIAL
    renamed = tokens.at(utc(2026, 2, 1))
    assert (renamed.name, renamed.tags, renamed.billable_metric_id) == ("Units", ("ai",), uid(1))


def test_updates_apply_in_order_of_start_not_of_arrival() -> None:
    march = ProductUpdate(utc(2026, 3, 1), {"name": "March"})
    february = ProductUpdate(utc(2026, 2, 1), {"name": "February", "tags": ("new",)})
    versions = product_versions(INITIAL, [march, february])
    assert [(version.name, version.tags) for version in versions] == [
        ("Tokens", ("ai",)),
        ("February", ("new",)),
        ("March", ("new",)),
    ]


def test_of_two_updates_with_one_start_the_later_wins() -> None:
    start = utc(2026, 2, 1)
    versions = product_versions(
        INITIAL,
        [
            ProductUpdate(start, {"name": "First", "tags": ()}),
            ProductUpdate(start, {"name": "Second"}),
        ],
    )
    assert [(version.name, version.tags) for version in versions] == [
        ("Tokens", ("ai",)),
        ("Second", ()),
    ]
