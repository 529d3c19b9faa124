"""Who pays first: the whole order of random commits and credits, by the model and by the platform."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model import terms as t
from tests.model.drawdown import order
from tests.property.books import choices
from tests.property.books.core_books import CoreBooks

from meterline.core.ledger.grant import GrantKind, RolledOver
from meterline.core.ledger.order import drawdown_key

CONTRACTS = (t.Contract("first", 0), t.Contract("second", 0))


@st.composite
def many_grants(draw: st.DrawFn) -> list[tuple[t.Grant, str | None]]:
    """Grants at the same place and time, more or less, each with the kind of what it rolled over from, if it did."""
    found = []
    for n in range(draw(st.integers(2, 6))):
        contract = draw(st.sampled_from([None, *CONTRACTS]))
        grant = draw(choices.grants(f"grant {n}", 0, contract, ("first", "second")))
        starts = draw(st.sampled_from([0, 24]))
        (first, *_) = grant.segments
        segment = replace(first, start=starts, end=draw(st.sampled_from([480, 720])))
        rolled = draw(st.sampled_from([None, None, "PREPAID", "POSTPAID", "CREDIT"]))
        found.append(
            (replace(grant, segments=(segment,), priority=draw(st.integers(1, 2))), rolled)
        )
    return found


@settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(choices.worlds(), many_grants())
def test_the_same_pays_first(world: t.World, many: list[tuple[t.Grant, str | None]]) -> None:
    core = CoreBooks(world)
    for contract in CONTRACTS:
        core.do(t.Sign(contract))
    by_model, by_core = [], []
    for place, (given_grant, rolled) in enumerate(many):
        grant = given_grant
        core.do(t.Give(grant))
        known = core.grants[grant.name]
        origin = None
        if rolled is not None:
            origin = replace(grant, kind=rolled)
            grant = replace(grant, rolled_over_from="another")
            contract_id = core.contracts["first"].id
            known = replace(
                known, rolled_over_from=RolledOver(known.id, contract_id, GrantKind(rolled))
            )
        by_model.append((*order(grant, grant.segments[0], origin), place))
        by_core.append((drawdown_key(known, known.segments[0]), place))
    assert [row[-1] for row in sorted(by_model)] == [row[-1] for row in sorted(by_core)]
