"""What grants pay, with numbers."""

from decimal import Decimal

import pytest
from tests.unit.core.builders import NOVEMBER, uid, utc
from tests.unit.core.ledger.grants import CONTRACT, YEAR, grant, pool, segment, usage

from meterline.core.catalogue import Tier
from meterline.core.ledger.chargeable import Chargeable, ChargeClass, Drawn
from meterline.core.ledger.drawing import deduction_entries, deductions, draw
from meterline.core.ledger.grant import (
    AccessType,
    Grant,
    GrantKind,
    GrantSpecifier,
    RateChoice,
)
from meterline.core.ledger.pool import EMPTY, Pool
from meterline.core.ledger.posting import deduction, segment_start
from meterline.core.money import CreditType
from meterline.core.period import Period
from meterline.core.rating.flat import Flat
from meterline.core.rating.package import Package
from meterline.core.rating.piece import Piece, PieceKind
from meterline.core.rating.tier_walk import bands
from meterline.core.rating.tiered import Tiered
from meterline.core.rating.volume import Volume

CREDITS = CreditType(uid(60), "Compute credits", is_currency=False)


def tiers(*given: tuple[str, str | None]) -> tuple:
    """(price, size) pairs laid end to end."""
    return bands([Tier(Decimal(price), size and Decimal(size)) for price, size in given])  # type: ignore[arg-type]


def paid_by(drawn: Drawn) -> list[tuple[int, str, str]]:
    """(grant, quantity, amount) of each piece that was paid for."""
    return [
        (payment.grant.id.int, str(piece.quantity), str(piece.amount))
        for payment in drawn.payments
        for piece in payment.pieces
    ]


def unpaid(drawn: Drawn) -> list[tuple[str, str]]:
    """(quantity, amount) of each piece that was not."""
    return [(str(piece.quantity), str(piece.amount)) for piece in drawn.unpaid]


def one(chargeable: Chargeable, *grants: Grant) -> Drawn:
    """A single charge, drawn."""
    (drawn,), _ = draw([chargeable], pool(*grants))
    return drawn


def test_no_grants_change_nothing():
    drawn, left = draw([usage("100", "2")], EMPTY)
    assert unpaid(drawn[0]) == [("100", "200")]
    assert not drawn[0].payments
    assert left is EMPTY


def test_a_grant_that_covers_all_leaves_nothing_due():
    drawn, left = draw([usage("100", "2")], pool(grant(1, "1000")))
    assert paid_by(drawn[0]) == [(1, "100", "200")]
    assert drawn[0].unpaid == ()
    assert left.left == {uid(1001): Decimal(800)}


def test_a_grant_that_covers_a_part_splits_the_line():
    drawn = one(usage("100", "2"), grant(1, "50"))
    assert paid_by(drawn) == [(1, "25", "50")]
    assert unpaid(drawn) == [("75", "150")]


def test_a_covered_quantity_without_end_is_rounded_down_and_nothing_is_lost():
    drawn = one(usage("10", "3"), grant(1, "10"))
    assert paid_by(drawn) == [(1, "3.333333333333333333", "10")]
    assert unpaid(drawn) == [("6.666666666666666667", "20")]


def test_a_grant_too_small_for_any_quantity_still_pays_its_amount():
    drawn = one(usage("1", "99999999999999999999"), grant(1, "0.000000000000000001"))
    assert paid_by(drawn) == [(1, "0", "1E-18")]
    assert unpaid(drawn) == [("1", "99999999999999999998.999999999999999999")]


def test_grants_pay_one_after_the_other():
    drawn = one(usage("100"), grant(2, "30", priority=Decimal(2)), grant(1, "50"))
    assert paid_by(drawn) == [(1, "50", "50"), (2, "30", "30")]
    assert unpaid(drawn) == [("20", "20")]


def test_the_dearer_line_is_paid_first_as_documented():
    """Data Reads at 2.60 dollars before Data Storage at 1 dollar."""
    storage = usage("100", "100", product_name="Data Storage")
    reads = usage("100", "260", product_name="Data Reads")
    drawn, _ = draw([storage, reads], pool(grant(1, "26500")))
    assert paid_by(drawn[1]) == [(1, "100", "26000")]
    assert paid_by(drawn[0]) == [(1, "5", "500")]


def test_lines_are_consumed_by_class_then_start_then_price_then_name():
    later = Period(utc(2026, 11, 15), NOVEMBER.end)
    charges = [
        usage("10", "9", charge_class=ChargeClass.COMPOSITE, product_name="composite"),
        usage("10", "8", charge_class=ChargeClass.SUBSCRIPTION, product_name="subscription"),
        usage("10", "7", period=later, product_name="later"),
        usage("10", "1", product_name="b"),
        usage("10", "1", product_name="a"),
        usage("10", "2", product_name="dear"),
    ]
    taken = []
    for amount in ("20", "30", "40", "110", "190", "280"):
        drawn, _ = draw(charges, pool(grant(1, amount)))
        full = [one.chargeable.product_name for one in drawn if one.payments and not one.unpaid]
        taken += [name for name in full if name not in taken]
    assert taken == ["dear", "a", "b", "later", "subscription", "composite"]


def test_usage_before_or_after_the_segment_is_not_paid():
    first_half = Period(NOVEMBER.start, utc(2026, 11, 15))
    second_half = Period(utc(2026, 11, 15), NOVEMBER.end)
    from_the_15th = grant(1, segments=[segment(1, "1000", utc(2026, 11, 15), YEAR[1])])
    drawn, _ = draw(
        [
            usage("10", period=first_half),
            usage("25", period=second_half, before=Decimal(10)),
        ],
        pool(from_the_15th),
    )
    assert unpaid(drawn[0]) == [("10", "10")]
    assert paid_by(drawn[1]) == [(1, "15", "15")]


def test_a_subscription_is_paid_by_what_is_live_when_its_cycle_starts():
    ends_in_november = grant(1, segments=[segment(1, "1000", YEAR[0], utc(2026, 11, 2))])
    cycle = usage("3", "100", charge_class=ChargeClass.SUBSCRIPTION)
    assert paid_by(one(cycle, ends_in_november)) == [(1, "3", "300")]
    ended = grant(1, segments=[segment(1, "1000", YEAR[0], NOVEMBER.start)])
    assert paid_by(one(cycle, ended)) == []


def test_tiers_are_paid_from_the_dearest_and_keep_their_place():
    """10 at 5, 90 at 2, the rest at 1: a grant of 100 pays the first tier and 25 of the second."""
    model = Tiered(tiers(("5", "10"), ("2", "90"), ("1", None)))
    drawn = one(usage("150", list_model=model), grant(1, "100"))
    assert paid_by(drawn) == [(1, "10", "50"), (1, "25", "50")]
    assert unpaid(drawn) == [("65", "130"), ("50", "50")]
    assert [piece.tier.level for piece in drawn.unpaid if piece.tier] == [2, 3]


def test_a_fall_of_the_counter_gives_nothing_back():
    falling = usage("4", before=Decimal(10))
    drawn, left = draw([falling], pool(grant(1, "100")))
    assert unpaid(drawn[0]) == [("-6", "-6")]
    assert left.left[uid(1001)] == 100


def test_a_rise_after_a_fall_is_paid_anew():
    """LATEST: 10, then 4, then 10 again. Credits cover the rises: 10 and 6, so the total may end below zero."""
    days = [Period(utc(2026, 11, day), utc(2026, 11, day + 1)) for day in (1, 2, 3)]
    levels = [Decimal(0), Decimal(10), Decimal(4), Decimal(10)]
    moves = [
        usage(str(after), before=before, period=day)
        for day, before, after in zip(days, levels, levels[1:], strict=False)
    ]
    drawn, left = draw(moves, pool(grant(1, "100")))
    assert left.left[uid(1001)] == 84
    assert [unpaid(one) for one in drawn] == [[], [("-6", "-6")], []]


def test_free_usage_uses_nothing_up():
    drawn, left = draw([usage("100", "0")], pool(grant(1, "100")))
    assert unpaid(drawn[0]) == [("100", "0")]
    assert left.left[uid(1001)] == 100


def test_a_postpaid_commit_is_drawn_last():
    drawn = one(usage("100"), grant(1, "90", kind=GrantKind.POSTPAID), grant(2, "50"))
    assert paid_by(drawn) == [(2, "50", "50"), (1, "50", "50")]


def test_a_price_that_takes_back_is_paid_no_more_than_it_comes_to():
    """VOLUME: 90 units at 10, then at 110 all at 8. The move costs 110 x 8 - 90 x 10 = -20, and 210: 780."""
    model = Volume(tiers(("10", "100"), ("8", None)))
    cheaper = one(usage("110", before=Decimal(90), list_model=model), grant(1, "1000"))
    assert paid_by(cheaper) == []
    dearer = one(usage("210", before=Decimal(90), list_model=model), grant(1, "1000"))
    assert sum(piece.amount for p in dearer.payments for piece in p.pieces) == 780
    assert sum(piece.amount for piece in dearer.unpaid) == 0
    assert sum(piece.quantity for piece in dearer.unpaid) + sum(
        piece.quantity for p in dearer.payments for piece in p.pieces
    ) == Decimal(120)


@pytest.mark.parametrize(("granted", "covered", "rest"), [("80", "10", "22"), ("160", "20", "2")])
def test_what_a_commit_rate_leaves_of_a_volume_price_stays_at_its_tier(granted, covered, rest):
    """VOLUME: 10 each up to 20, else 2 each; 8 while the commit pays. Of 21 units what is left costs 2 each."""
    volume = Volume(tiers(("10", "20"), ("2", None)))
    drawn = one(
        usage("21", list_model=volume, commit_model=lambda _: Flat(Decimal(8))), grant(1, granted)
    )
    assert paid_by(drawn) == [(1, covered, granted)]
    assert sum(piece.amount for piece in drawn.unpaid) == Decimal(rest)


def test_a_volume_price_in_mid_period_is_paid_at_a_commit_rate_whole_or_not_at_all():
    """90 units at 10, then at 110 all at 8: the move takes back what no grant can pay a part of."""
    volume = Volume(tiers(("10", "100"), ("8", None)))
    move = usage(
        "110", before=Decimal(90), list_model=volume, commit_model=lambda _: Flat(Decimal(5))
    )
    assert paid_by(one(move, grant(1, "99"))) == []
    assert paid_by(one(move, grant(1, "100"))) == [(1, "20", "100")]


def test_a_package_can_be_paid_in_part():
    drawn = one(usage("1500", list_model=Package(Decimal(10), Decimal(1000))), grant(1, "15"))
    assert paid_by(drawn) == [(1, "1.5", "15")]
    assert unpaid(drawn) == [("0.5", "5")]


class TestQuantityAccess:
    """Grants counted in units."""

    def test_units_pay_at_list_price(self):
        included = grant(1, "30", access_type=AccessType.QUANTITY)
        drawn, left = draw([usage("100", "2")], pool(included))
        (payment,) = drawn[0].payments
        assert (payment.drawn, payment.amount) == (30, 60)
        assert unpaid(drawn[0]) == [("70", "140")]
        assert left.left[uid(1001)] == 0

    def test_any_unit_of_money_will_do(self):
        included = grant(1, "30", access_type=AccessType.QUANTITY)
        assert paid_by(one(usage("10", credit_type=CREDITS), included)) == [(1, "10", "10")]

    def test_units_do_not_pay_a_share_of_money(self):
        included = grant(1, "30", access_type=AccessType.QUANTITY)
        assert paid_by(one(usage("10", charge_class=ChargeClass.COMPOSITE), included)) == []

    def test_units_pay_a_part_of_several_tiers(self):
        model = Tiered(tiers(("5", "10"), ("2", None)))
        drawn = one(usage("20", list_model=model), grant(1, "15", access_type=AccessType.QUANTITY))
        assert paid_by(drawn) == [(1, "10", "50"), (1, "5", "10")]
        assert unpaid(drawn) == [("5", "10")]


class TestCommitRate:
    """Grants that pay at a price of their own."""

    def charge(self, after: str, listed: str, commit: object, **fields: object) -> Chargeable:
        """Usage with a commit rate; grants at list rate pay the list price."""
        list_model = fields.pop("list_model", Flat(Decimal(listed)))
        return usage(
            after,
            list_model=list_model,
            commit_model=lambda grant: (
                commit if grant.rate_type is RateChoice.COMMIT_RATE else list_model
            ),
            **fields,
        )

    def test_it_pays_at_the_commit_rate_and_the_rest_is_at_list_price(self):
        drawn = one(
            self.charge("100", "2", Flat(Decimal(1))),
            grant(1, "30", rate_type=RateChoice.COMMIT_RATE),
        )
        assert paid_by(drawn) == [(1, "30", "30")]
        assert unpaid(drawn) == [("70", "140")]

    def test_a_list_price_of_zero_guards_against_overage(self):
        """The recipe for no overage: free at list, priced by the commit rate."""
        drawn = one(
            self.charge("100", "0", Flat(Decimal(2))),
            grant(1, "50", rate_type=RateChoice.COMMIT_RATE),
        )
        assert paid_by(drawn) == [(1, "25", "50")]
        assert unpaid(drawn) == [("75", "0")]

    def test_the_tier_counter_is_shared_with_the_list_price(self):
        """List: 10 at 9, then 4. Commit: 20 at 3, then 1. A counter from 5 to 30, with 50 to spend.

        The counter's 5 to 10 costs 15 of the 50, and its 10 to 20 another 30. The last 5 pay for 20 to 25.
        What remains is 25 to 30, in the list's second tier.
        """
        listed = Tiered(tiers(("9", "10"), ("4", None)))
        commit = Tiered(tiers(("3", "20"), ("1", None)))
        charge = self.charge("30", "0", commit, list_model=listed, before=Decimal(5))
        drawn = one(charge, grant(1, "50", rate_type=RateChoice.COMMIT_RATE))
        assert paid_by(drawn) == [(1, "5", "15"), (1, "10", "30"), (1, "5", "5")]
        assert unpaid(drawn) == [("5", "20")]

    def test_a_free_commit_rate_covers_without_using_up(self):
        charge = self.charge("100", "2", Flat(Decimal(0)))
        drawn, left = draw([charge], pool(grant(1, "30", rate_type=RateChoice.COMMIT_RATE)))
        assert drawn[0].unpaid == ()
        assert left.left[uid(1001)] == 30
        assert deductions(drawn) == {}

    def test_another_grant_goes_on_where_the_first_stopped(self):
        charge = self.charge("100", "2", Flat(Decimal(1)))
        at_commit_rate = grant(1, "30", rate_type=RateChoice.COMMIT_RATE)
        at_list_rate = grant(2, "40", priority=Decimal(1))
        last = grant(3, "10", priority=Decimal(2), rate_type=RateChoice.COMMIT_RATE)
        drawn = one(charge, at_commit_rate, at_list_rate, last)
        assert paid_by(drawn) == [(1, "30", "30"), (2, "20", "40"), (3, "10", "10")]
        assert unpaid(drawn) == [("40", "80")]

    def test_in_units(self):
        units = grant(1, "30", rate_type=RateChoice.COMMIT_RATE, access_type=AccessType.QUANTITY)
        drawn = one(self.charge("100", "2", Flat(Decimal("0.5"))), units)
        assert paid_by(drawn) == [(1, "30", "15.0")]
        assert unpaid(drawn) == [("70", "140")]

    def test_packages_are_paid_whole_or_not_at_all(self):
        charge = self.charge("1500", "1", Package(Decimal(10), Decimal(1000)))
        rich = grant(1, "20", rate_type=RateChoice.COMMIT_RATE)
        assert paid_by(one(charge, rich)) == [(1, "2", "20")]
        poor = grant(1, "19", rate_type=RateChoice.COMMIT_RATE)
        assert unpaid(one(charge, poor)) == [("1500", "1500")]


class TestApplicability:
    """Which grants may pay for which charge."""

    @pytest.mark.parametrize(
        ("specifier", "pays"),
        [
            (GrantSpecifier(product_id=uid(10)), True),
            (GrantSpecifier(product_id=uid(11)), False),
            (GrantSpecifier(product_tags=("llm", "cdn")), True),
            (GrantSpecifier(product_tags=("cdn",)), False),
            (GrantSpecifier(product_id=uid(10), product_tags=("cdn",)), False),
            (GrantSpecifier(pricing_group_values={"region": "eu"}), True),
            (GrantSpecifier(pricing_group_values={"region": "us"}), False),
            (GrantSpecifier(pricing_group_values={"region": "eu", "zone": "a"}), False),
            (GrantSpecifier(presentation_group_values={"user": "ann"}), True),
            (GrantSpecifier(presentation_group_values={"team": None}), True),
            (GrantSpecifier(presentation_group_values={"nobody": None}), False),
            (GrantSpecifier(pricing_group_values={"user": "ann"}), False),
        ],
    )
    def test_a_specifier(self, specifier: GrantSpecifier, pays: bool):
        charge = usage(
            "10",
            product_tags=("llm",),
            pricing_group_values={"region": "eu"},
            presentation_group_values={"user": "ann", "team": None},
        )
        assert bool(one(charge, grant(1, specifiers=(specifier,))).payments) is pays

    def test_one_specifier_of_several_is_enough(self):
        some = (GrantSpecifier(product_id=uid(11)), GrantSpecifier(product_id=uid(10)))
        assert one(usage("10"), grant(1, specifiers=some)).payments

    def test_no_restriction_reaches_what_usage_is_converted_into(self):
        conversion = usage("10", charge_class=ChargeClass.CONVERSION, product_id=None)
        assert one(conversion, grant(1)).payments
        of_a_product = grant(1, specifiers=(GrantSpecifier(product_id=uid(10)),))
        assert not one(conversion, of_a_product).payments

    def test_units_must_be_equal(self):
        assert not one(usage("10"), grant(1, credit_type=CREDITS)).payments
        assert one(usage("10", credit_type=CREDITS), grant(1, credit_type=CREDITS)).payments

    def test_a_seat_pays_for_itself_alone(self):
        own = grant(1, "100", seat_group_key="user", seat_id="ann")
        shared = grant(2, "100")
        ann = usage("10", presentation_group_values={"user": "ann"})
        bob = usage("10", presentation_group_values={"user": "bob"})
        nobody = usage("10", presentation_group_values={"user": None})
        drawn, _ = draw([ann, bob, nobody], pool(own, shared))
        assert [one.payments[0].grant.id for one in drawn] == [own.id, shared.id, shared.id]

    @pytest.mark.parametrize(
        ("fields", "pays"),
        [
            ({}, True),
            ({"contract_id": uid(201)}, False),
            ({"contract_id": None}, True),
            ({"contract_id": None, "applicable_contract_ids": (CONTRACT.id,)}, True),
            ({"contract_id": None, "applicable_contract_ids": (uid(201),)}, False),
            ({"archived_at": utc(2026, 2, 1)}, False),
        ],
    )
    def test_a_contract(self, fields: dict, pays: bool):
        assert bool(one(usage("10"), grant(1, **fields)).payments) is pays


class TestPool:
    """What is there to draw on."""

    def test_a_segment_that_has_not_begun_has_nothing(self):
        assert Pool.of([grant(1)], [], CONTRACT) is EMPTY

    def test_pending_deductions_count(self):
        some = grant(1, "100")
        start = segment_start(some, some.segments[0])
        pending = deduction(
            some.id,
            uid(1001),
            Decimal(70),
            invoice_id=uid(5),
            contract_id=uid(6),
            at=NOVEMBER.end,
        )
        assert Pool.of([some], [start], CONTRACT, pending=[pending]).left == {uid(1001): 30}

    def test_drawing_leaves_the_pool_as_it_was(self):
        before = pool(grant(1, "100"))
        draw([usage("40")], before)
        assert before.left == {uid(1001): 100}

    def test_purses_are_in_drawdown_order(self):
        some = pool(
            grant(3), grant(2, seat_group_key="user", seat_id="ann"), grant(1, priority=Decimal(-1))
        )
        assert [purse.grant.id.int for purse in some.purses] == [1, 2, 3]


def test_deductions_become_entries_of_the_invoice():
    charges = [usage("10", "2"), usage("5", "4", product_id=uid(11))]
    drawn, _ = draw(charges, pool(grant(1, "35"), grant(2, "100", priority=Decimal(1))))
    entries = deduction_entries(drawn, invoice_id=uid(5), contract_id=CONTRACT.id, at=NOVEMBER.end)
    assert [(entry.grant_id.int, entry.amount, entry.timestamp) for entry in entries] == [
        (1, Decimal(-35), NOVEMBER.end),
        (2, Decimal(-5), NOVEMBER.end),
    ]
    assert len({entry.id for entry in entries}) == 2
    again, _ = draw(charges, pool(grant(1, "35"), grant(2, "100", priority=Decimal(1))))
    assert entries == deduction_entries(
        again, invoice_id=uid(5), contract_id=CONTRACT.id, at=NOVEMBER.end
    )


def test_a_minimum_is_paid_as_money_and_not_in_units():
    class Minimum:
        """Two units at 5, and 90 to reach a minimum of 100."""

        def pieces(self, before: Decimal, after: Decimal) -> list[Piece]:
            del before, after
            return [
                Piece(Decimal(2), Decimal(5), Decimal(10)),
                Piece(Decimal(90), Decimal(1), Decimal(90), None, PieceKind.MINIMUM_SPEND),
            ]

    charge = usage("2", list_model=Minimum())
    assert unpaid(one(charge, grant(1, "60"))) == [("40", "40")]
    units = grant(1, "60", access_type=AccessType.QUANTITY)
    assert unpaid(one(charge, units)) == [("90", "90")]
