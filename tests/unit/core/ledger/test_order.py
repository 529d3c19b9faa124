"""The drawdown order, rule by rule, and the documented example."""

from decimal import Decimal
from itertools import permutations

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.ledger.grants import YEAR, grant, paid, segment

from meterline.core.ledger.grant import Grant, GrantKind, GrantSpecifier, RolledOver
from meterline.core.ledger.order import drawdown_key

PRODUCT = GrantSpecifier(product_id=uid(10))
EAST = GrantSpecifier(product_id=uid(10), pricing_group_values={"region": "us-east-1"})
WEST = GrantSpecifier(pricing_group_values={"region": "us-west-1"})


def order(*grants: Grant) -> list[int]:
    """The numbers of the grants in drawdown order."""
    keyed = sorted(grants, key=lambda one: drawdown_key(one, one.segments[0]))
    return [one.id.int for one in keyed]


def commit(number: int, **fields: object) -> Grant:
    """A prepaid commit that costs what it grants."""
    given = {"kind": GrantKind.PREPAID, "priority": Decimal(100), "invoice": paid("1000")}
    return grant(number, **(given | fields))  # type: ignore[arg-type]


def test_the_documented_example():
    """Six prepaid commits, A to F, of Metronome's page on prioritization."""
    until_2026 = [segment(1, "1000", utc(2024, 10, 1), utc(2025, 10, 1))]
    until_2027 = [segment(2, "1000", utc(2024, 10, 1), utc(2026, 10, 1))]
    a = commit(1, priority=Decimal(50), segments=until_2026)
    b = commit(2, invoice=None, segments=until_2026)
    c = commit(3, specifiers=(PRODUCT,), segments=until_2026)
    d = commit(4, specifiers=(EAST, WEST), segments=until_2026)
    e = commit(5, specifiers=(EAST, WEST), segments=until_2027)
    f = commit(6, segments=until_2026)
    for some in [(f, e, d, c, b, a), (b, f, a, d, c, e)]:
        assert order(*some) == [1, 2, 3, 4, 5, 6]


ROLLED_FROM_POSTPAID = {
    "rolled_over_from": RolledOver(uid(70), uid(71), GrantKind.POSTPAID),
    "kind": GrantKind.POSTPAID,
}
ROLLED_FROM_CREDIT = {"rolled_over_from": RolledOver(uid(72), uid(71), GrantKind.CREDIT)}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(
            commit(9, **ROLLED_FROM_POSTPAID, priority=Decimal(9)),
            commit(1, **ROLLED_FROM_CREDIT, priority=Decimal(1)),
            id="rolled over: postpaid origin first, whatever the priority",
        ),
        pytest.param(
            commit(9, **ROLLED_FROM_CREDIT, priority=Decimal(9)),
            commit(1, priority=Decimal(1)),
            id="rolled over before prepaid, whatever the priority",
        ),
        pytest.param(
            commit(9, priority=Decimal(9)),
            commit(1, kind=GrantKind.POSTPAID, priority=Decimal(1)),
            id="prepaid before postpaid, whatever the priority",
        ),
        pytest.param(
            commit(9, priority=Decimal("0.5")), grant(1, priority=Decimal(1)), id="priority"
        ),
        pytest.param(
            grant(9, priority=Decimal(100)), commit(1), id="a credit costs nothing, so it is first"
        ),
        pytest.param(
            commit(9, invoice=paid("0")), commit(1), id="an invoice of nothing is no cost"
        ),
        pytest.param(
            commit(9, specifiers=(PRODUCT,)),
            commit(1, specifiers=(PRODUCT, GrantSpecifier(product_id=uid(11)))),
            id="one product before two",
        ),
        pytest.param(
            commit(9, specifiers=(PRODUCT, GrantSpecifier(product_id=uid(11)))),
            commit(1, specifiers=(GrantSpecifier(product_tags=("ai",)),)),
            id="products before a tag",
        ),
        pytest.param(
            commit(9, specifiers=(GrantSpecifier(product_tags=("ai",)),)),
            commit(1, specifiers=(GrantSpecifier(product_tags=("ai", "cdn")),)),
            id="one tag before two",
        ),
        pytest.param(
            commit(9, specifiers=(GrantSpecifier(product_tags=("ai", "cdn")),)),
            commit(1, specifiers=(WEST,)),
            id="tags before group values alone, which any product may have",
        ),
        pytest.param(
            commit(9),
            commit(1, specifiers=(WEST,)),
            id="both unrestricted in products: fewer group values first",
        ),
        pytest.param(
            commit(9, segments=[segment(1, "1", YEAR[0], utc(2026, 12, 31))]),
            commit(1),
            id="the sooner to end",
        ),
        pytest.param(
            commit(9),
            commit(1, segments=[segment(1, "1", utc(2026, 1, 2), YEAR[1])]),
            id="the sooner to have started",
        ),
        pytest.param(
            commit(9, contract_id=None, applicable_contract_ids=(uid(1),)),
            commit(1, contract_id=None, applicable_contract_ids=(uid(1), uid(2))),
            id="fewer contracts",
        ),
        pytest.param(
            commit(9),
            commit(1, contract_id=None, applicable_contract_ids=(uid(200),)),
            id="the contract's own before the customer's that reaches one contract",
        ),
        pytest.param(commit(9), commit(1, contract_id=None), id="few contracts before all"),
        pytest.param(
            commit(9, seat_id="ann", seat_group_key="user"),
            commit(1),
            id="a seat's own before the contract's",
        ),
        pytest.param(commit(9), commit(1, created_at=utc(2026, 1, 2)), id="the older"),
        pytest.param(commit(1), commit(9), id="else by id"),
    ],
)
def test_a_rule(first: Grant, then: Grant):
    """Each rule decides where all before it are equal."""
    for some in permutations([first, then]):
        assert order(*some) == [first.id.int, then.id.int]


def test_a_rolled_over_commit_is_not_asked_for_its_cost():
    """Inside the class priority comes right after the origin."""
    dear = commit(1, **ROLLED_FROM_CREDIT, priority=Decimal(1))
    free = commit(2, **(ROLLED_FROM_CREDIT | {"invoice": None}), priority=Decimal(2))
    assert order(free, dear) == [1, 2]
