"""The books are a function of terms, usage and time: it does not matter how, or how often, one gets there."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model import terms as t
from tests.property.books import choices
from tests.property.books.comparison import check_invoice
from tests.property.books.core_books import CoreBooks

from meterline.core.ledger.balances import balance
from meterline.core.lifecycle import next_due, next_step

few = settings(
    max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)

paths = st.lists(st.integers(0, choices.HORIZON), max_size=8).map(sorted)


def lived(world: t.World, stops: list[t.Hour]) -> CoreBooks:
    core = CoreBooks(world)
    for action in (*world.actions, *map(t.Move, stops)):
        core.do(action)
    return core


def written(core: CoreBooks) -> str:
    """Everything stored and everything shown, to the last character; in the order it was posted within a grant."""
    account = core.account
    entries = sorted(account.entries, key=lambda one: one.grant_id)
    invoices = sorted(account.invoices, key=lambda one: one.id)
    grants = sorted(account.grants, key=lambda one: one.id)
    return "\n".join(map(repr, (*grants, *entries, *invoices, core.drafts())))


@few
@given(choices.agreements(), paths)
def test_one_step_or_many(world: t.World, path: list[t.Hour]) -> None:
    assert written(lived(world, [choices.HORIZON])) == written(
        lived(world, [*path, choices.HORIZON])
    )


@few
@given(choices.agreements(), st.integers(0, choices.HORIZON))
def test_replay_is_equal_to_the_last_byte(world: t.World, until: t.Hour) -> None:
    assert written(lived(world, [until])) == written(lived(world, [until]))


@few
@given(choices.agreements(), paths)
def test_the_next_thing_due_is_known_beforehand(world: t.World, path: list[t.Hour]) -> None:
    core = CoreBooks(world)
    for action in world.actions:
        core.do(action)
    for stop in [*path, choices.HORIZON]:
        now = core.now
        due = next_due(core.account, now)
        if due is None:
            assert next_step(core.account, t.instant(choices.HORIZON * 2)) is None
            return
        assert due > now
        assert next_step(core.account, due - timedelta(hours=1)) is None
        step = next_step(core.account, due)
        assert step is not None
        assert step.at == due
        core.do(t.Move(max(stop, int((now - t.START).total_seconds()) // 3600)))


@few
@given(choices.agreements())
def test_ledgers_sum_to_balances_at_every_instant(world: t.World) -> None:
    """Nothing is drawn that was not there, and what is gone is accounted for: each segment ends at zero."""
    core = lived(world, [choices.HORIZON])
    for one in core.account.invoices:
        check_invoice(one)
    for grant in core.account.grants:
        entries = [one for one in core.account.entries if one.grant_id == grant.id]
        for at in sorted({one.timestamp for one in entries}):
            counted = [one for one in entries if one.timestamp <= at]
            sums = [balance(entries, at=at, segment_id=segment.id) for segment in grant.segments]
            assert sum(sums) == balance(entries, at=at) == sum(one.amount for one in counted)
            assert min(sums) >= 0, (grant.name, at)
