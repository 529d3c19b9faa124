from uuid import UUID

from meterline.core.money import FIAT, USD_CENTS


def test_us_dollars_are_cents_under_the_well_known_id() -> None:
    assert USD_CENTS.id == UUID("2714e483-4ff1-48e4-9e25-ac732e8f24f2")
    assert USD_CENTS.name == "USD (cents)"


def test_other_currencies_have_ids_that_never_change() -> None:
    assert len(FIAT) == 17
    assert len({currency.id for currency in (*FIAT, USD_CENTS)}) == 18
    assert [currency.name for currency in FIAT] == sorted(currency.name for currency in FIAT)
    euro = next(currency for currency in FIAT if currency.name == "EUR")
    assert euro.id == UUID("e3d56b8c-5eb1-5025-823c-a36983fae995")
    assert euro.is_currency
