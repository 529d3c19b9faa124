"""What each price model charges for a move of the counter, case by case, computed by hand."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from tests.unit.core.builders import flat, tiered

from meterline.core.catalogue import CustomModel, CustomRate, RateTerms, RateType, Tier
from meterline.core.decimals import EXACT, total
from meterline.core.rating.models import price_model
from meterline.core.rating.piece import Piece, PieceKind


def amount(terms: RateTerms, before: str, after: str) -> Decimal:
    return total(
        piece.amount for piece in price_model(terms).pieces(Decimal(before), Decimal(after))
    )


def percentage(price: str) -> RateTerms:
    return RateTerms(RateType.PERCENTAGE, Decimal(price))


def tiered_percentage(*tiers: tuple[str, str | None]) -> RateTerms:
    return RateTerms(RateType.TIERED_PERCENTAGE, tiers=tiered(*tiers).tiers)


def custom(
    model: CustomModel, *tiers: tuple[str, str | None, str], price: str = "", size: str = ""
) -> RateTerms:
    """Custom terms from (price, size, flat fee) tiers, or a price and a package size."""
    return RateTerms(
        RateType.CUSTOM,
        custom=CustomRate(
            model,
            Decimal(price) if price else None,
            tuple(
                Tier(Decimal(each), None if until is None else Decimal(until), Decimal(fee))
                for each, until, fee in tiers
            ),
            Decimal(size) if size else None,
        ),
    )


def package(price: str, size: str) -> RateTerms:
    return custom(CustomModel.PACKAGE, price=price, size=size)


Case = tuple[str, str, str]


def cases(terms: RateTerms, *given: Case) -> list[tuple[RateTerms, str, str, str]]:
    return [(terms, *case) for case in given]


FLAT = [
    *cases(flat("250"), ("0", "18.059974", "4514.9935"), ("0", "0", "0"), ("7", "5", "-500")),
    *cases(flat("1000"), ("0", "0.245896", "245.896")),
    *cases(flat("0"), ("0", "1e18", "0"), ("3", "-3", "0")),
    *cases(
        flat("1e-12"), ("0", "1", "1e-12"), ("0", "1e-18", "1e-30"), ("1e18", "2e18", "1000000")
    ),
    *cases(flat("0.3"), ("10", "4", "-1.8"), ("4", "10", "1.8"), ("0", "3", "0.9")),
    *cases(flat("7"), ("5", "5", "0"), ("-5", "5", "70"), ("5", "-5", "-70")),
    *cases(flat("99999999999999999999"), ("0", "1e18", "99999999999999999999e18")),
]

PERCENTAGE = [
    *cases(
        percentage("0.029"),
        ("0", "10000", "290"),
        ("0", "1", "0.029"),
        ("10000", "4000", "-174"),
        ("0", "123456.78", "3580.24662"),
        ("0", "0", "0"),
    ),
    *cases(percentage("0"), ("0", "1000", "0")),
    *cases(percentage("1"), ("0", "1000", "1000")),
    *cases(percentage("0.000000000000000001"), ("0", "1e18", "1"), ("0", "1", "1e-18")),
]

# 100 at 10, the next 900 at 8, then 5.
GRADUATED = tiered(("10", "100"), ("8", "900"), ("5", None))
TIERED = [
    *cases(
        GRADUATED,
        ("0", "0", "0"),
        ("0", "0.000001", "0.00001"),
        ("0", "1", "10"),
        ("0", "99", "990"),
        ("0", "99.999999", "999.99999"),
        ("0", "100", "1000"),
        ("0", "100.000001", "1000.000008"),
        ("0", "100.5", "1004"),
        ("0", "101", "1008"),
        ("0", "999", "8192"),
        ("0", "1000", "8200"),
        ("0", "1000.2", "8201"),
        ("0", "1001", "8205"),
        ("0", "1e18", "5000000000000003200"),
        ("99.5", "100.5", "9"),
        ("100", "100", "0"),
        ("100", "101", "8"),
        ("999.5", "1000.5", "6.5"),
        ("1001", "999", "-13"),
        ("1000", "0", "-8200"),
        ("50", "-50", "-1000"),
        ("-50", "0", "500"),
        ("-50", "100", "1500"),
    ),
    # Free at first, then dearer.
    *cases(
        tiered(("0", "1000"), ("0.5", None)),
        ("0", "1000", "0"),
        ("0", "1001", "0.5"),
        ("1000", "1000.000000000000000001", "5e-19"),
        ("500", "1500", "250"),
        ("1500", "500", "-250"),
    ),
    *cases(tiered(("3", None)), ("0", "7", "21"), ("7", "0", "-21")),
    *cases(
        tiered(("1", "0.5"), ("2", "0.25"), ("4", None)),
        ("0", "0.5", "0.5"),
        ("0", "0.75", "1"),
        ("0", "1", "2"),
        ("0.6", "0.7", "0.2"),
    ),
]

TIERED_PERCENTAGE = cases(
    tiered_percentage(("0.029", "1000000"), ("0.025", "9000000"), ("0.02", None)),
    ("0", "500000", "14500"),
    ("0", "1000000", "29000"),
    ("0", "1000001", "29000.025"),
    ("0", "10000000", "254000"),
    ("0", "10000100", "254002"),
    ("999999", "1000001", "0.054"),
    ("1000001", "999999", "-0.054"),
)

# A fee to enter each tier: 5 for the first 10 units at 1, 20 for the next 90 at 0.5, none after that.
FEES = custom(CustomModel.TIERED, ("1", "10", "5"), ("0.5", "90", "20"), ("0.1", None, "0"))
TIERED_WITH_FEES = [
    *cases(
        FEES,
        ("0", "0", "0"),
        ("0", "0.001", "5.001"),
        ("0", "1", "6"),
        ("0", "10", "15"),
        ("0", "10.000001", "35.0000005"),
        ("0", "11", "35.5"),
        ("0", "100", "80"),
        ("0", "101", "80.1"),
        ("10", "10", "0"),
        ("10", "11", "20.5"),
        ("11", "10", "-20.5"),
        ("11", "0", "-35.5"),
        ("1", "0", "-6"),
        ("1", "-1", "-7"),
        ("-1", "1", "7"),
        ("-1", "0", "1"),
        ("5", "50", "45"),
        ("50", "5", "-45"),
    ),
    *cases(
        custom(CustomModel.TIERED, ("0", None, "49")),
        ("0", "1", "49"),
        ("0", "1000000", "49"),
        ("1", "2", "0"),
        ("2", "0", "-49"),
    ),
    *cases(
        custom(CustomModel.TIERED, ("2", "10", "0"), ("1", None, "7")),
        ("0", "10", "20"),
        ("0", "12", "29"),
        ("9", "11", "10"),
    ),
]

GRADUATED_PERCENTAGE = cases(
    custom(CustomModel.GRADUATED_PERCENTAGE, ("0.05", "1000", "10"), ("0.01", None, "200")),
    ("0", "0", "0"),
    ("0", "100", "15"),
    ("0", "1000", "60"),
    ("0", "1001", "260.01"),
    ("0", "2000", "270"),
    ("1000", "2000", "210"),
    ("2000", "1000", "-210"),
)

# All units at 10 up to 100, all at 8 up to 1,000, all at 5 beyond.
WHOLE = custom(CustomModel.VOLUME, ("10", "100", "0"), ("8", "900", "0"), ("5", None, "0"))
VOLUME = [
    *cases(
        WHOLE,
        ("0", "0", "0"),
        ("0", "0.5", "5"),
        ("0", "1", "10"),
        ("0", "99", "990"),
        ("0", "100", "1000"),
        ("0", "100.000001", "800.000008"),
        ("0", "101", "808"),
        ("0", "1000", "8000"),
        ("0", "1000.5", "5002.5"),
        ("0", "1001", "5005"),
        ("0", "1e18", "5e18"),
        ("50", "100", "500"),
        ("100", "101", "-192"),
        ("101", "100", "192"),
        ("90", "200", "700"),
        ("900", "1100", "-1700"),
        ("1100", "900", "1700"),
        ("50", "2000", "9500"),
        ("2000", "0", "-10000"),
        ("50", "-50", "-1000"),
        ("-50", "200", "2100"),
        ("500", "500", "0"),
    ),
    # With the fee of the tier that is reached, alone.
    *cases(
        custom(CustomModel.VOLUME, ("1", "10", "5"), ("0.5", None, "100")),
        ("0", "0", "0"),
        ("0", "1", "6"),
        ("0", "10", "15"),
        ("0", "11", "105.5"),
        ("10", "11", "90.5"),
        ("11", "10", "-90.5"),
        ("1", "2", "1"),
        ("20", "30", "5"),
        ("11", "0", "-105.5"),
        ("1", "0", "-6"),
        ("1", "-1", "-7"),
        ("-1", "1", "7"),
        ("-1", "11", "106.5"),
    ),
    *cases(custom(CustomModel.VOLUME, ("3", None, "0")), ("0", "5", "15"), ("5", "2", "-9")),
]

PACKAGE = [
    *cases(
        package("5", "1000"),
        ("0", "0", "0"),
        ("0", "0.000001", "5"),
        ("0", "1", "5"),
        ("0", "999", "5"),
        ("0", "1000", "5"),
        ("0", "1000.000001", "10"),
        ("0", "1001", "10"),
        ("0", "2500", "15"),
        ("0", "1e18", "5e15"),
        ("1", "1000", "0"),
        ("1000", "1001", "5"),
        ("999", "2001", "10"),
        ("1001", "1000", "-5"),
        ("2001", "999", "-10"),
        ("1", "0", "-5"),
        ("0", "-1", "-5"),
        ("-1", "1", "10"),
        ("-1000", "0", "5"),
        ("-1001", "-1000", "5"),
    ),
    *cases(
        package("2", "7.5"),
        ("0", "7.5", "2"),
        ("0", "7.6", "4"),
        ("0", "15", "4"),
        ("7.5", "15", "2"),
        ("7.4", "7.6", "2"),
    ),
    *cases(package("0.01", "0.001"), ("0", "1", "10"), ("0", "1.0005", "10.01")),
    *cases(package("0", "10"), ("0", "100", "0")),
    *cases(package("3", "3"), ("0", "10", "12"), ("0", "9", "9")),
]


@pytest.mark.parametrize(
    ("terms", "before", "after", "expected"),
    [
        *FLAT,
        *PERCENTAGE,
        *TIERED,
        *TIERED_PERCENTAGE,
        *TIERED_WITH_FEES,
        *GRADUATED_PERCENTAGE,
        *VOLUME,
        *PACKAGE,
    ],
)
def test_what_a_move_costs(terms: RateTerms, before: str, after: str, expected: str) -> None:
    assert amount(terms, before, after) == Decimal(expected)


ALL = {
    "FLAT": flat("1.25"),
    "PERCENTAGE": percentage("0.029"),
    "TIERED": GRADUATED,
    "TIERED_PERCENTAGE": tiered_percentage(("0.1", "50"), ("0.05", None)),
    "TIERED with fees": FEES,
    "GRADUATED_PERCENTAGE": custom(
        CustomModel.GRADUATED_PERCENTAGE, ("0.05", "1000", "10"), ("0.01", None, "200")
    ),
    "VOLUME": WHOLE,
    "VOLUME with fees": custom(CustomModel.VOLUME, ("1", "10", "5"), ("0.5", None, "100")),
    "PACKAGE": package("5", "7.5"),
    "SUBSCRIPTION": RateTerms(RateType.SUBSCRIPTION, Decimal(20), quantity=Decimal(1)),
    "custom FLAT": custom(CustomModel.FLAT, price="3"),
    "custom PERCENTAGE": custom(CustomModel.PERCENTAGE, price="0.3"),
}
PATHS = [
    ("0", "10", "100", "1000", "1001"),
    ("0", "1001", "10", "0"),
    ("0", "0.5", "10.5", "10", "7.5", "7.500001", "100.000001", "99"),
    ("0", "-5", "5", "-5", "2000", "0"),
    ("0", "999999999999999999", "1000000000000000000", "1"),
]


@pytest.mark.parametrize("terms", ALL.values(), ids=ALL)
@pytest.mark.parametrize("path", PATHS)
def test_a_path_costs_what_its_ends_cost(terms: RateTerms, path: tuple[str, ...]) -> None:
    along = total(amount(terms, here, there) for here, there in pairwise(path))
    assert along == amount(terms, path[0], path[-1])


@pytest.mark.parametrize("terms", ALL.values(), ids=ALL)
def test_nothing_used_costs_nothing_and_is_a_piece(terms: RateTerms) -> None:
    (piece,) = price_model(terms).pieces(Decimal(0), Decimal(0))
    assert piece.quantity == piece.amount == 0


@pytest.mark.parametrize("terms", ALL.values(), ids=ALL)
def test_amounts_are_quantity_times_unit_price(terms: RateTerms) -> None:
    for before, after in (("0", "1001.5"), ("1001.5", "3"), ("-4", "123.456"), ("5", "5")):
        for piece in price_model(terms).pieces(Decimal(before), Decimal(after)):
            assert piece.amount == EXACT.multiply(piece.quantity, piece.unit_price)


def test_flat_is_one_piece_without_a_tier() -> None:
    pieces = price_model(flat("2")).pieces(Decimal(3), Decimal(8))
    assert pieces == [Piece(Decimal(5), Decimal(2), Decimal(10), None)]


def places(terms: RateTerms, before: str, after: str) -> list[tuple[int, PieceKind, str, str]]:
    """(tier, kind, quantity, unit price) of each piece."""
    return [
        (
            piece.tier.level if piece.tier else 0,
            piece.kind,
            format(piece.quantity, "f"),
            format(piece.unit_price, "f"),
        )
        for piece in price_model(terms).pieces(Decimal(before), Decimal(after))
    ]


def test_fees_are_pieces_of_their_own_before_the_units_of_their_tier() -> None:
    assert places(FEES, "0", "12") == [
        (1, PieceKind.TIER_FEE, "1", "5"),
        (1, PieceKind.UNITS, "10", "1"),
        (2, PieceKind.TIER_FEE, "1", "20"),
        (2, PieceKind.UNITS, "2", "0.5"),
    ]
    assert places(FEES, "12", "9") == [
        (1, PieceKind.UNITS, "-1", "1"),
        (2, PieceKind.TIER_FEE, "-1", "20"),
        (2, PieceKind.UNITS, "-2", "0.5"),
    ]


def test_volume_takes_units_back_at_the_tier_it_leaves() -> None:
    assert places(WHOLE, "90", "200") == [
        (1, PieceKind.UNITS, "-90", "10"),
        (2, PieceKind.UNITS, "200", "8"),
    ]
    assert places(WHOLE, "200", "90") == [
        (1, PieceKind.UNITS, "90", "10"),
        (2, PieceKind.UNITS, "-200", "8"),
    ]
    assert places(WHOLE, "0", "200") == [(2, PieceKind.UNITS, "200", "8")]
    assert places(WHOLE, "150", "200") == [(2, PieceKind.UNITS, "50", "8")]


def test_a_package_line_counts_packages() -> None:
    assert places(package("5", "1000"), "0", "2500") == [(0, PieceKind.UNITS, "3", "5")]
    assert places(package("5", "1000"), "2500", "2600") == [(0, PieceKind.UNITS, "0", "5")]


def test_a_tiered_price_of_36_digit_quantities_is_exact() -> None:
    """Checked in integers: quantities in units of 1e-18."""
    bound, top = 123456789 * 10**18 + 1, int("9" * 36)
    terms = tiered(("1e-18", "123456789.000000000000000001"), ("3e-12", None))
    low, high = price_model(terms).pieces(Decimal(0), Decimal("9" * 18 + "." + "9" * 18))
    assert low.quantity == Decimal(f"{bound}e-18")
    assert low.amount == Decimal(f"{bound}e-36")
    assert high.quantity == Decimal(f"{top - bound}e-18")
    assert high.amount == Decimal(f"{3 * (top - bound)}e-30")


@pytest.mark.parametrize(("price", "size"), [("1e-18", "1e-18"), ("99999999999999999999", "3")])
def test_packages_of_36_digit_quantities_are_exact(price: str, size: str) -> None:
    """Checked in integers: quantities in units of 1e-18."""
    used = int("9" * 36)
    packages = -(-used // int(Decimal(size).scaleb(18)))
    pieces = price_model(package(price, size)).pieces(
        Decimal(0), Decimal("9" * 18 + "." + "9" * 18)
    )
    assert [piece.quantity for piece in pieces] == [Decimal(packages)]
    assert pieces[0].amount == EXACT.multiply(Decimal(packages), Decimal(price))
