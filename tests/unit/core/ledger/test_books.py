"""Postings, balances, invariants and rollover of one grant's life."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.core.builders import uid, utc
from tests.unit.core.ledger.grants import CONTRACT, YEAR, grant, paid, segment

from meterline.core.ledger.balances import (
    balance,
    granted,
    live_balance,
    net_balance,
    segment_balances,
    within_contract,
)
from meterline.core.ledger.entry import EntryType, LedgerEntry
from meterline.core.ledger.grant import GrantKind
from meterline.core.ledger.invariants import closed_with_a_rest, overdrawn, without_cause
from meterline.core.ledger.posting import (
    credited,
    deduction,
    expiration,
    expiration_reversal,
    manual,
    rollover,
    seat_adjustment,
    segment_correction,
    segment_start,
    trueup,
)
from meterline.core.ledger.rollover import rolled_over_grant, rollover_amount

FIRST = segment(1, "100", utc(2026, 1, 1), utc(2026, 4, 1))
SECOND = segment(2, "200", utc(2026, 4, 1), utc(2026, 7, 1))
CREDIT = grant(1, segments=[FIRST, SECOND], rollover_fraction=Decimal("0.5"))


def drawn(amount: str, month: int, number: int = 1) -> LedgerEntry:
    """A deduction from a segment of CREDIT by the invoice that ends with a month."""
    return deduction(
        CREDIT.id,
        uid(number),
        Decimal(amount),
        invoice_id=uid(500 + month),
        contract_id=CONTRACT.id,
        at=utc(2026, month + 1, 1),
    )


JANUARY, FEBRUARY = drawn("30", 1), drawn("45", 2)
LIFE = [
    segment_start(CREDIT, FIRST),
    JANUARY,
    FEBRUARY,
    segment_start(CREDIT, SECOND),
    expiration(CREDIT, FIRST, Decimal(25), at=FIRST.ending_before),
]


class TestBalance:
    """Sums of entries."""

    @pytest.mark.parametrize(
        ("at", "left"),
        [
            (utc(2025, 12, 31, 23), "0"),
            (utc(2026, 1, 1), "100"),
            (utc(2026, 1, 31, 23), "100"),
            (utc(2026, 2, 1), "70"),
            (utc(2026, 3, 1), "25"),
            (utc(2026, 3, 31, 23), "25"),
            (utc(2026, 4, 1), "200"),
        ],
    )
    def test_at_every_instant_it_is_the_sum_of_its_entries(self, at, left):
        assert balance(LIFE, at=at) == Decimal(left)
        assert live_balance(CREDIT, LIFE, at=at) == Decimal(left)

    def test_of_one_segment(self):
        assert balance(LIFE, at=utc(2026, 5, 1), segment_id=FIRST.id) == 0
        assert balance(LIFE, at=utc(2026, 5, 1), segment_id=SECOND.id) == 200
        assert segment_balances(LIFE, at=utc(2026, 5, 1)) == {FIRST.id: 0, SECOND.id: 200}

    def test_drafts_count_though_their_period_is_not_over(self):
        draft = drawn("60", 5, number=2)
        at = utc(2026, 5, 3)
        assert live_balance(CREDIT, LIFE, at=at, pending=[draft]) == 140
        assert live_balance(CREDIT, [*LIFE, draft], at=at) == 200

    def test_what_has_not_begun_or_has_ended_is_not_live(self):
        not_expired_yet = LIFE[:-1]
        assert live_balance(CREDIT, not_expired_yet, at=utc(2026, 4, 1)) == 200
        assert balance(not_expired_yet, at=utc(2026, 4, 1)) == 225
        assert live_balance(CREDIT, LIFE, at=utc(2026, 7, 1)) == 0
        assert granted(CREDIT, at=utc(2026, 3, 1)) == 100
        assert granted(CREDIT, at=utc(2026, 8, 1)) == 0

    def test_nothing_is_live_after_the_contract(self):
        ended = within_contract(CREDIT, utc(2026, 2, 15))
        assert live_balance(ended, LIFE, at=utc(2026, 2, 14, 23)) == 70
        assert live_balance(ended, LIFE, at=utc(2026, 2, 15)) == 0
        assert live_balance(ended, LIFE, at=utc(2026, 5, 1)) == 0
        assert within_contract(CREDIT, None) is within_contract(CREDIT, utc(2026, 7, 1)) is CREDIT

    def test_an_archived_grant_has_nothing(self):
        archived = replace(CREDIT, archived_at=utc(2026, 1, 15))
        assert live_balance(archived, LIFE, at=utc(2026, 2, 1)) == 0

    def test_net_counts_a_negative_segment_as_nothing(self):
        other = grant(7, "50")
        entries = [
            *LIFE,
            segment_start(other, other.segments[0]),
            manual(other, uid(1007), Decimal(-80), reason="x", at=YEAR[0], cause=uid(9)),
        ]
        at = utc(2026, 2, 1)
        assert live_balance(other, entries, at=at) == -30
        assert net_balance([CREDIT, other], entries, at=at) == 70


class TestPosting:
    """Entries and their causes."""

    def test_the_same_cause_makes_the_same_entry(self):
        assert drawn("30", 1) == JANUARY
        assert segment_start(CREDIT, FIRST) == LIFE[0]

    def test_different_causes_make_different_entries(self):
        commit = grant(2, kind=GrantKind.POSTPAID)
        part, at = commit.segments[0], utc(2026, 5, 1)
        entries = [
            *LIFE,
            drawn("30", 1, number=2),
            credited(JANUARY, at=at),
            credited(FEBRUARY, at=at),
            expiration(CREDIT, FIRST, Decimal(1), at=at, earlier=1),
            expiration(CREDIT, SECOND, Decimal(1), at=at),
            expiration_reversal(LIFE[-1], cause=uid(1), at=at),
            expiration_reversal(LIFE[-1], cause=uid(2), at=at),
            segment_correction(CREDIT, FIRST, Decimal(1), at=at, cause="a"),
            segment_correction(CREDIT, FIRST, Decimal(1), at=at, cause="b"),
            segment_correction(CREDIT, SECOND, Decimal(1), at=at, cause="a"),
            rollover(CREDIT, FIRST, Decimal(1), new_contract_id=uid(1), at=at),
            rollover(CREDIT, FIRST, Decimal(1), new_contract_id=uid(2), at=at),
            manual(CREDIT, uid(1), Decimal(1), reason="r", at=at, cause=uid(1)),
            manual(CREDIT, uid(1), Decimal(1), reason="r", at=at, cause=uid(2)),
            seat_adjustment(CREDIT, FIRST, Decimal(1), at=at),
            seat_adjustment(CREDIT, FIRST, Decimal(1), at=utc(2026, 5, 2)),
            segment_start(commit, part),
            trueup(commit, part, Decimal(1), invoice_id=uid(1), contract_id=None, at=at),
        ]
        assert len({entry.id for entry in entries}) == len(entries)
        assert without_cause(entries) == []

    def test_a_postpaid_commit_begins_with_what_is_promised(self):
        commit = grant(2, kind=GrantKind.POSTPAID)
        assert segment_start(commit, commit.segments[0]).type is EntryType.INITIAL_BALANCE

    def test_a_void_gives_back_exactly_what_was_drawn(self):
        back = credited(JANUARY, at=utc(2026, 3, 7))
        assert (back.type, back.amount, back.invoice_id) == (EntryType.CREDITED, 30, uid(501))
        assert balance([*LIFE, back], at=utc(2026, 3, 6), segment_id=FIRST.id) == 25
        assert balance([*LIFE[:-1], back], at=utc(2026, 3, 7), segment_id=FIRST.id) == 55


class TestInvariants:
    """Rules that every ledger keeps, and how it is seen when one does not."""

    def test_a_sound_ledger(self):
        assert without_cause(LIFE) == overdrawn(LIFE) == closed_with_a_rest(LIFE) == []

    @pytest.mark.parametrize(
        "entry",
        [
            replace(JANUARY, segment_id=None),
            replace(JANUARY, invoice_id=None),
            replace(credited(JANUARY, at=YEAR[0]), invoice_id=None),
            replace(
                rollover(CREDIT, FIRST, Decimal(1), new_contract_id=uid(1), at=YEAR[0]),
                new_contract_id=None,
            ),
            replace(
                manual(CREDIT, uid(1), Decimal(1), reason="r", at=YEAR[0], cause=uid(1)),
                reason=None,
            ),
        ],
    )
    def test_an_entry_without_cause(self, entry):
        assert without_cause([entry]) == [entry.id]

    def test_more_drawn_than_there_was(self):
        assert overdrawn([LIFE[0], JANUARY, drawn("70.000000000000000001", 3)]) == [FIRST.id]
        assert overdrawn([LIFE[0], JANUARY, drawn("70", 3)]) == []

    def test_a_hand_may_take_more_than_there_is(self):
        taken = manual(CREDIT, uid(1), Decimal(-101), reason="r", at=YEAR[0], cause=uid(1))
        assert overdrawn([LIFE[0], taken]) == []

    def test_a_closed_segment_is_at_zero(self):
        assert closed_with_a_rest(LIFE[:-1]) == []
        short = expiration(CREDIT, FIRST, Decimal(24), at=FIRST.ending_before)
        assert closed_with_a_rest([*LIFE[:-1], short]) == [FIRST.id]

    def test_what_comes_back_to_a_closed_segment_opens_it(self):
        given_back = [*LIFE, credited(JANUARY, at=utc(2026, 5, 1))]
        assert closed_with_a_rest(given_back) == []
        gone = expiration(CREDIT, FIRST, Decimal(30), at=utc(2026, 5, 1), earlier=1)
        assert closed_with_a_rest([*given_back, gone]) == []

    def test_an_expiration_can_be_taken_back(self):
        reopened = [*LIFE, expiration_reversal(LIFE[-1], cause=uid(1), at=utc(2026, 5, 1))]
        assert closed_with_a_rest(reopened) == []
        assert balance(reopened, at=utc(2026, 5, 1), segment_id=FIRST.id) == 25


class TestRollover:
    """What a renewal takes over."""

    @pytest.mark.parametrize(
        ("remaining", "goes_over"),
        [("25", "25"), ("50", "50"), ("70", "50"), ("0", "0"), ("-5", "0")],
    )
    def test_at_most_the_fraction_of_what_it_began_with(self, remaining, goes_over):
        assert rollover_amount(CREDIT, FIRST, Decimal(remaining)) == Decimal(goes_over)

    def test_nothing_without_a_fraction(self):
        assert rollover_amount(grant(1), FIRST, Decimal(70)) == 0

    def test_the_new_grant_lasts_as_long_as_the_new_contract(self):
        renewal = replace(
            CONTRACT, id=uid(201), starting_at=utc(2027, 1, 1), ending_before=utc(2028, 1, 1)
        )
        new = rolled_over_grant(CREDIT, FIRST, Decimal(50), renewal)
        (part,) = new.segments
        assert (part.amount, part.starting_at, part.ending_before) == (
            Decimal(50),
            utc(2027, 1, 1),
            utc(2028, 1, 1),
        )
        assert new.contract_id == renewal.id
        assert new.invoice is None
        assert new.rollover_fraction is None
        assert new.rolled_over_from is not None
        assert new.rolled_over_from.grant_id == CREDIT.id
        assert new == rolled_over_grant(CREDIT, FIRST, Decimal(50), renewal)
        assert new.id != rolled_over_grant(CREDIT, SECOND, Decimal(50), renewal).id

    def test_on_an_open_contract_as_long_as_the_old_segment(self):
        renewal = replace(CONTRACT, id=uid(201), starting_at=utc(2027, 1, 1), ending_before=None)
        (part,) = rolled_over_grant(CREDIT, FIRST, Decimal(50), renewal).segments
        assert part.ending_before == utc(2027, 4, 1)

    def test_what_a_postpaid_commit_leaves_is_still_promised(self):
        promise = grant(
            1, kind=GrantKind.POSTPAID, invoice=paid("1000"), rollover_fraction=Decimal(1)
        )
        renewal = replace(CONTRACT, id=uid(201), starting_at=YEAR[1], ending_before=utc(2028, 1, 1))
        new = rolled_over_grant(promise, promise.segments[0], Decimal(70), renewal)
        assert new.kind is GrantKind.POSTPAID
        assert new.invoice is not None
        (item,) = new.invoice.items
        assert (item.amount, item.timestamp) == (Decimal(70), utc(2028, 1, 1))
