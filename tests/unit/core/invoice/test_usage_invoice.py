from dataclasses import replace
from decimal import Decimal

from tests.unit.core.builders import (
    MILLION,
    NOVEMBER,
    card,
    contract,
    flat,
    metric,
    product,
    rate,
    tiered,
    uid,
    utc,
)

from meterline.core.catalogue import CreditTypeConversion
from meterline.core.ids import usage_invoice_id
from meterline.core.invoice import Invoice, LineItem, LineType, draft_invoice
from meterline.core.money import USD_CENTS, CreditType
from meterline.core.rating import PriceList, TierPosition, rate_plan
from meterline.core.usage import SegmentUsage, UsageBook

MID = utc(2026, 11, 15, 7)
CREDITS = CreditType(uid(77), "Credits", False)


def draft(price_list: PriceList, usage: UsageBook, now: object = NOVEMBER.end) -> Invoice:
    return draft_invoice(contract(), rate_plan(price_list, NOVEMBER), usage, now=now)  # type: ignore[arg-type]


def test_an_hour_of_a_language_model() -> None:
    """18,059,974 context tokens at 2.50 USD and 245,896 generated ones at 10.00 USD a million:
    47.608895 USD.
    """
    invoice = draft(
        PriceList(
            card(product_order=(uid(10), uid(11))),
            [
                product(10, "Context tokens", uid(1), quantity_conversion=MILLION),
                product(11, "Generated tokens", uid(2), quantity_conversion=MILLION),
            ],
            [metric(1), metric(2)],
            [rate(flat("250"), product_id=uid(10)), rate(flat("1000"), product_id=uid(11))],
        ),
        {
            uid(1): [SegmentUsage((), 0, Decimal(18_059_974))],
            uid(2): [SegmentUsage((), 0, Decimal(245_896))],
        },
    )
    assert [(line.name, str(line.quantity), str(line.total)) for line in invoice.line_items] == [
        ("Context tokens", "18.059974", "4514.9935"),
        ("Generated tokens", "0.245896", "245.896"),
    ]
    assert str(invoice.total) == "4760.8895"
    assert invoice.subtotal == invoice.total
    assert invoice.credit_type == USD_CENTS


def test_a_line_says_all_that_made_it() -> None:
    tokens = product(
        pricing_group_key=("region",), presentation_group_key=("user", "model"), tags=("ai",)
    )
    invoice = draft(
        PriceList(
            card(),
            [tokens],
            [metric(group_keys=[("model", "region", "user")])],
            [rate(tiered(("2.50", "10"), ("2", None)), values={"region": "eu"})],
        ),
        {uid(1): [SegmentUsage(("m1", "eu", None), 0, Decimal("12.0"))]},
    )
    first, second = invoice.line_items
    assert first == LineItem(
        id=first.id,
        type=LineType.USAGE,
        name="Tokens",
        credit_type=USD_CENTS,
        quantity=Decimal(10),
        unit_price=Decimal("2.5"),
        total=Decimal(25),
        product_id=uid(10),
        product_type="UsageProductListItem",
        product_tags=("ai",),
        starting_at=NOVEMBER.start,
        ending_before=NOVEMBER.end,
        pricing_group_values={"region": "eu"},
        presentation_group_values={"user": None, "model": "m1"},
        tier=TierPosition(1, Decimal(0), Decimal(10)),
        list_price=tiered(("2.50", "10"), ("2", None)),
    )
    assert second.tier == TierPosition(2, Decimal(10), None)
    assert (second.quantity, second.total) == (2, 4)


def test_a_draft_is_derived_id_and_all() -> None:
    price_list = PriceList(card(), [product()], [metric()], [rate(flat("1"))])
    invoice = draft(price_list, {})
    assert invoice == draft(price_list, {})
    assert invoice.id == usage_invoice_id(contract().id, NOVEMBER.start)
    assert (invoice.type, invoice.status, invoice.issued_at) == ("USAGE", "DRAFT", None)
    assert (invoice.start_timestamp, invoice.end_timestamp) == (NOVEMBER.start, NOVEMBER.end)
    assert (invoice.customer_id, invoice.contract_id) == (uid(300), uid(200))


def test_a_price_to_come_shows_no_line_before_its_time() -> None:
    price_list = PriceList(
        card(), [product()], [metric()], [rate(flat("1")), rate(flat("2"), starting_at=MID)]
    )
    starts = [
        [line.starting_at for line in draft(price_list, {}, now).line_items]
        for now in (utc(2026, 11, 15, 6), MID)
    ]
    assert starts == [[NOVEMBER.start], [NOVEMBER.start, MID]]
    early = {uid(1): [SegmentUsage((), 1, Decimal(5))]}
    assert draft(price_list, early, utc(2026, 11, 2)).total == 10


def test_a_custom_unit_is_converted_to_the_cards_currency() -> None:
    price_list = PriceList(
        card(credit_type_conversions=(CreditTypeConversion(CREDITS.id, Decimal("0.5")),)),
        [product(10), product(11, "Calls")],
        [metric()],
        [rate(flat("3"), credit_type=CREDITS), rate(flat("1"), product_id=uid(11))],
    )
    invoice = draft(price_list, {uid(1): [SegmentUsage((), 0, Decimal(7))]})
    assert [(line.type, line.credit_type.name, line.total) for line in invoice.line_items] == [
        ("usage", "USD (cents)", 7),
        ("usage", "Credits", 21),
        ("cpu_conversion", "Credits", -21),
        ("cpu_conversion", "USD (cents)", Decimal("10.5")),
    ]
    assert invoice.total == Decimal("17.5")


def test_a_custom_unit_without_a_conversion_stays_in_its_own_lines() -> None:
    price_list = PriceList(card(), [product()], [metric()], [rate(flat("3"), credit_type=CREDITS)])
    invoice = draft(price_list, {uid(1): [SegmentUsage((), 0, Decimal(7))]})
    assert [(line.credit_type, line.total) for line in invoice.line_items] == [(CREDITS, 21)]
    assert invoice.total == 0


def test_terms_of_payment_come_from_the_contract() -> None:
    plan = rate_plan(PriceList(card(), [], [], []), NOVEMBER)
    terms = replace(contract(), net_payment_terms_days=30)
    invoice = draft_invoice(terms, plan, {}, now=NOVEMBER.start)
    assert invoice.net_payment_terms_days == 30
    assert invoice.line_items == ()
