"""Random grants, and charges for them to pay."""

from __future__ import annotations

from decimal import Decimal
from itertools import accumulate, pairwise

from hypothesis import strategies as st
from tests.unit.core.builders import NOVEMBER, uid, utc
from tests.unit.core.ledger.grants import CONTRACT, YEAR, grant, paid, segment, usage

from meterline.core.catalogue import Tier
from meterline.core.ledger.chargeable import Chargeable, ChargeClass
from meterline.core.ledger.grant import (
    AccessType,
    Grant,
    GrantKind,
    GrantSpecifier,
    RateChoice,
    RolledOver,
)
from meterline.core.period import Period
from meterline.core.rating.flat import Flat
from meterline.core.rating.piece import PriceModel
from meterline.core.rating.tier_walk import bands
from meterline.core.rating.tiered import Tiered

MIDDLE = utc(2026, 11, 15)
HALVES = (Period(NOVEMBER.start, MIDDLE), Period(MIDDLE, NOVEMBER.end))

amounts = st.decimals(0, 10_000, places=2) | st.decimals(
    Decimal(1).scaleb(-18), 1, places=18, allow_nan=False
)
prices = st.sampled_from(["0", "1", "3", "7", "0.000001", "0.3", "19.99"]).map(Decimal)
quantities = st.decimals(0, 1_000, places=3) | st.integers(0, 1_000).map(Decimal)


def _tiered(given: list[tuple[Decimal, Decimal]], last: Decimal) -> PriceModel:
    sized = [Tier(price, size) for price, size in given]
    return Tiered(bands([*sized, Tier(last, None)]))


models: st.SearchStrategy[PriceModel] = st.one_of(
    prices.map(Flat),
    st.builds(
        _tiered,
        st.lists(st.tuples(prices, st.integers(1, 200).map(Decimal)), min_size=1, max_size=3),
        prices,
    ),
)

specifiers = st.sampled_from(
    [
        (),
        (GrantSpecifier(product_id=uid(10)),),
        (GrantSpecifier(product_id=uid(10)), GrantSpecifier(product_id=uid(11))),
        (GrantSpecifier(product_tags=("llm",)),),
        (GrantSpecifier(pricing_group_values={"region": "eu"}),),
    ]
)
windows = st.sampled_from([YEAR, (YEAR[0], MIDDLE), (MIDDLE, YEAR[1])])
origins = st.none() | st.sampled_from(GrantKind).map(
    lambda kind: RolledOver(uid(70), uid(71), kind)
)


@st.composite
def grants(draw: st.DrawFn, *, list_rate_only: bool = False) -> list[Grant]:
    """Up to five grants of the contract, of distinct numbers."""
    found = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        start, end = draw(windows)
        kind = draw(st.sampled_from(GrantKind))
        found.append(
            grant(
                number,
                kind=kind,
                segments=[segment(1000 + number, str(draw(amounts)), start, end)],
                priority=Decimal(draw(st.integers(0, 2))),
                specifiers=draw(specifiers),
                invoice=paid("1") if kind is not GrantKind.CREDIT and draw(st.booleans()) else None,
                rolled_over_from=draw(origins),
                contract_id=draw(st.sampled_from([None, CONTRACT.id])),
                access_type=draw(st.sampled_from(AccessType)),
                rate_type=RateChoice.LIST_RATE
                if list_rate_only
                else draw(st.sampled_from(RateChoice)),
            )
        )
    return found


@st.composite
def charges(
    draw: st.DrawFn, *, list_models: st.SearchStrategy[PriceModel] = models
) -> list[Chargeable]:
    """The moves of up to three counters, each over both halves of the month; some fall."""
    found: list[Chargeable] = []
    for number in range(draw(st.integers(1, 3))):
        list_model, commit_model = draw(list_models), draw(models)
        steps = draw(st.lists(quantities, min_size=1, max_size=3))
        signs = draw(st.lists(st.sampled_from([1, 1, 1, -1]), min_size=3, max_size=3))
        moved = [
            step.copy_negate() if sign < 0 else step
            for step, sign in zip(steps, signs, strict=False)
        ]
        levels = [Decimal(0), *accumulate(moved)]
        in_second_half = draw(st.integers(0, len(moved)))
        fields = {
            "product_id": uid(10 + number % 2),
            "product_name": draw(st.sampled_from(["a", "b"])),
            "product_tags": ("llm",) if number % 2 else (),
            "pricing_group_values": {"region": draw(st.sampled_from(["eu", "us"]))},
            "charge_class": draw(st.sampled_from([ChargeClass.USAGE, ChargeClass.COMPOSITE])),
            "list_model": list_model,
            "commit_model": lambda one, listed=list_model, own=commit_model: (
                own if one.rate_type is RateChoice.COMMIT_RATE else listed
            ),
        }
        found += [
            usage(str(after), before=before, period=HALVES[index >= in_second_half], **fields)
            for index, (before, after) in enumerate(pairwise(levels))
        ]
    return found
