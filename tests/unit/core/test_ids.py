from uuid import UUID

from tests.unit.core.builders import uid, utc

from meterline.core.ids import NAMESPACE, usage_invoice_id


def test_ids_are_derived_for_ever() -> None:
    """Changing either would give every existing invoice a second identity."""
    assert UUID("08da1ffb-382f-5b1b-9864-eb67f4753676") == NAMESPACE
    expected = UUID("7f9beac8-f531-51cc-a7a1-bb1664024fc2")
    assert usage_invoice_id(uid(1), utc(2026, 11, 1)) == expected
    assert expected.version == 5


def test_each_contract_and_period_has_its_own() -> None:
    ids = {
        usage_invoice_id(uid(contract), utc(2026, month, 1))
        for contract in (1, 2)
        for month in (11, 12)
    }
    assert len(ids) == 4
