"""Where customers stand by each type of alert."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.core.builders import NOVEMBER, uid, utc
from tests.unit.core.ledger.grants import CONTRACT, YEAR, grant, segment

from meterline.core.alert import (
    Alert,
    AlertType,
    BalanceSpecifier,
    CustomerStatus,
    CustomFieldFilter,
    Evaluation,
    FilteredEntity,
    GroupValue,
    Narrowing,
    SeatFilter,
    Situation,
    evaluate,
    narrowed,
    usage_period,
)
from meterline.core.errors import Invalid
from meterline.core.invoice.document import (
    Invoice,
    InvoiceStatus,
    InvoiceType,
    LineItem,
    LineType,
)
from meterline.core.ledger.grant import AccessType, Grant, GrantKind
from meterline.core.ledger.posting import deduction, segment_start
from meterline.core.money import FIAT, USD_CENTS, CreditType
from meterline.core.period import Period

NOW = utc(2026, 11, 10)
TOKENS = CreditType(uid(60), "Tokens", is_currency=False)
OK = Evaluation(CustomerStatus.OK)


def alert(kind: AlertType, threshold: str, **fields: Any) -> Alert:
    """An alert on every customer."""
    return Alert(uid(1), kind, "Watch", Decimal(threshold), YEAR[0], **fields)


def alarm(subject: str | None = None) -> Evaluation:
    """In alarm, by this part of it."""
    return Evaluation(CustomerStatus.IN_ALARM, subject)


def line(total: str, kind: LineType = LineType.USAGE, **fields: Any) -> LineItem:
    """A line of one unit."""
    unit = fields.pop("credit_type", USD_CENTS)
    return LineItem(
        uid(2), kind, "Calls", unit, Decimal(1), Decimal(total), Decimal(total), **fields
    )


def draft(*lines: LineItem, **fields: Any) -> Invoice:
    """November's usage draft; its total is the sum of its lines."""
    given: dict[str, Any] = {
        "id": uid(20),
        "customer_id": CONTRACT.customer_id,
        "contract_id": CONTRACT.id,
        "type": InvoiceType.USAGE,
        "status": InvoiceStatus.DRAFT,
        "credit_type": USD_CENTS,
        "line_items": lines,
        "subtotal": Decimal(0),
        "total": sum((one.total for one in lines), Decimal(0)),
        "start_timestamp": NOVEMBER.start,
        "end_timestamp": NOVEMBER.end,
    }
    return Invoice(**(given | fields))


def holding(*grants: Grant, **fields: Any) -> Situation:
    """A customer whose segments that have begun are posted and untouched."""
    entries = [
        segment_start(one, part)
        for one in grants
        for part in one.segments
        if part.starting_at <= NOW
    ]
    given: dict[str, Any] = {"now": NOW, "grants": grants, "entries": entries}
    return Situation(**(given | fields))


def drawn(amount: str, number: int = 1) -> Any:
    """A draft's deduction from the segment of a grant."""
    return deduction(
        uid(number),
        uid(1000 + number),
        Decimal(amount),
        invoice_id=uid(20),
        contract_id=CONTRACT.id,
        at=NOVEMBER.end,
    )


def test_an_archived_alert_says_nothing():
    archived = alert(AlertType.SPEND, "0", archived_at=NOW)
    assert evaluate(archived, Situation(NOW, [draft(line("5"))])) == Evaluation(None)


class TestSpend:
    """Usage charges of the current period, before grants."""

    @pytest.mark.parametrize(("threshold", "expected"), [("10.01", OK), ("10", alarm())])
    def test_it_alarms_when_reached(self, threshold: str, expected: Evaluation):
        situation = Situation(NOW, [draft(line("7")), draft(line("3"), contract_id=uid(201))])
        assert evaluate(alert(AlertType.SPEND, threshold), situation) == expected

    def test_what_grants_pay_counts_and_what_is_no_usage_does_not(self):
        situation = Situation(
            NOW,
            [
                draft(
                    line("10"),
                    line("-10", LineType.APPLIED),
                    line("90", LineType.COMMIT_PURCHASE),
                    line("90", LineType.SUBSCRIPTION),
                    line("90", LineType.SCHEDULED),
                    line("90", LineType.CPU_CONVERSION),
                )
            ],
        )
        assert evaluate(alert(AlertType.SPEND, "10"), situation) == alarm()
        assert evaluate(alert(AlertType.SPEND, "11"), situation) == OK

    def test_only_its_own_unit(self):
        situation = Situation(NOW, [draft(line("10", credit_type=TOKENS))])
        assert evaluate(alert(AlertType.SPEND, "1"), situation) == OK
        assert evaluate(alert(AlertType.SPEND, "1", credit_type=TOKENS), situation) == alarm()

    def test_only_the_current_period(self):
        past = draft(line("10"), start_timestamp=utc(2026, 10, 1), end_timestamp=utc(2026, 11, 10))
        future = draft(line("10"), start_timestamp=utc(2026, 11, 11))
        assert evaluate(alert(AlertType.SPEND, "1"), Situation(NOW, [past, future])) == OK

    def test_only_contracts_with_the_field(self):
        fields = CustomFieldFilter(FilteredEntity.CONTRACT, "tier", "gold")
        watch = alert(AlertType.SPEND, "10", custom_field_filters=(fields,))
        drafts = [draft(line("10"))]
        gold = Situation(NOW, drafts, contract_fields={CONTRACT.id: {"tier": "gold"}})
        iron = Situation(NOW, drafts, contract_fields={CONTRACT.id: {"tier": "iron"}})
        assert evaluate(watch, gold) == alarm()
        assert evaluate(watch, iron) == OK

    LINES = (
        line("6", presentation_group_values={"user": "ann"}, pricing_group_values={"region": "eu"}),
        line("5", presentation_group_values={"user": "ann"}, pricing_group_values={"region": "us"}),
        line("4", presentation_group_values={"user": "bob"}, pricing_group_values={"region": "eu"}),
        line("9", presentation_group_values={"user": None}, pricing_group_values={"region": "eu"}),
        line("99"),
    )

    @pytest.mark.parametrize(
        ("groups", "threshold", "expected"),
        [
            ((GroupValue("user", "ann"),), "11", alarm()),
            ((GroupValue("user", "ann"),), "12", OK),
            ((GroupValue("user", "eve"),), "0", OK),
            ((GroupValue("user"),), "11", alarm("user=ann")),
            ((GroupValue("user"),), "12", OK),
            ((GroupValue("region"),), "19", alarm("region=eu")),
            ((GroupValue("user"), GroupValue("region", "eu")), "6", alarm("user=ann")),
            ((GroupValue("user"), GroupValue("region")), "7", OK),
            ((GroupValue("user"), GroupValue("region")), "6", alarm("user=ann, region=eu")),
        ],
    )
    def test_groups(self, groups: tuple, threshold: str, expected: Evaluation):
        watch = alert(AlertType.SPEND, threshold, group_values=groups)
        assert evaluate(watch, Situation(NOW, [draft(*self.LINES)])) == expected

    def test_one_group_of_several(self):
        watch = alert(AlertType.SPEND, "11", group_values=(GroupValue("user"),))
        situation = Situation(NOW, [draft(*self.LINES)])
        ann = narrowed(watch, Narrowing(group_values=(GroupValue("user", "ann"),)))
        bob = narrowed(watch, Narrowing(group_values=(GroupValue("user", "bob"),)))
        assert evaluate(ann, situation) == alarm()
        assert evaluate(bob, situation) == OK
        with pytest.raises(Invalid, match="group_values"):
            narrowed(watch, Narrowing(group_values=(GroupValue("team", "x"),)))
        with pytest.raises(Invalid, match="group_values"):
            narrowed(ann, Narrowing(group_values=(GroupValue("user", "bob"),)))


class TestUsage:
    """Quantities of a metric."""

    @pytest.mark.parametrize(("used", "expected"), [("99.9", OK), ("100", alarm()), (None, OK)])
    def test_it_alarms_when_reached(self, used: str | None, expected: Evaluation):
        watch = alert(AlertType.USAGE, "100", billable_metric_id=uid(5))
        usage = {watch.id: None if used is None else Decimal(used)}
        assert evaluate(watch, Situation(NOW, usage=usage)) == expected

    def test_its_period_is_that_of_all_current_drafts(self):
        watch = alert(AlertType.USAGE, "100", billable_metric_id=uid(5))
        quarter = draft(start_timestamp=utc(2026, 10, 1), end_timestamp=utc(2027, 1, 1))
        late = draft(start_timestamp=utc(2026, 11, 9), end_timestamp=utc(2027, 2, 1))
        past = draft(start_timestamp=utc(2025, 1, 1), end_timestamp=NOW)
        situation = Situation(NOW, [quarter, late, past])
        assert usage_period(watch, situation) == Period(utc(2026, 10, 1), utc(2027, 2, 1))
        assert usage_period(watch, Situation(NOW, [past])) is None


class TestInvoiceTotal:
    """Each draft by itself, after grants."""

    def test_each_by_itself(self):
        big = draft(line("60"), line("-9", LineType.APPLIED), id=uid(21))
        situation = Situation(NOW, [draft(line("50")), big])
        assert evaluate(alert(AlertType.INVOICE_TOTAL, "51"), situation) == alarm(
            f"invoice {uid(21)}"
        )
        assert evaluate(alert(AlertType.INVOICE_TOTAL, "52"), situation) == OK

    def test_one_that_waits_to_be_final_counts_and_one_to_come_does_not(self):
        watch = alert(AlertType.INVOICE_TOTAL, "50")
        waiting = draft(line("50"), end_timestamp=NOW)
        to_come = draft(line("50"), start_timestamp=utc(2026, 11, 11))
        assert evaluate(watch, Situation(NOW, [waiting])).status is CustomerStatus.IN_ALARM
        assert evaluate(watch, Situation(NOW, [to_come])) == OK

    def test_types_and_currencies(self):
        situation = Situation(NOW, [draft(line("50"))])
        kinds = {"invoice_types": (InvoiceType.SCHEDULED,)}
        assert evaluate(alert(AlertType.INVOICE_TOTAL, "1", **kinds), situation) == OK
        assert evaluate(alert(AlertType.INVOICE_TOTAL, "1", credit_type=FIAT[0]), situation) == OK


COMMIT = grant(1, "100", kind=GrantKind.PREPAID)
CREDIT = grant(2, "50")


class TestBalances:
    """What is left of commits and credits."""

    @pytest.mark.parametrize(
        ("kind", "threshold", "expected"),
        [
            (AlertType.COMMIT_BALANCE, "69.9", OK),
            (AlertType.COMMIT_BALANCE, "70", alarm()),
            (AlertType.CREDIT_BALANCE, "49", OK),
            (AlertType.CREDIT_BALANCE, "50", alarm()),
            (AlertType.COMBINED_BALANCE, "119", OK),
            (AlertType.COMBINED_BALANCE, "120", alarm()),
            (AlertType.COMMIT_PERCENTAGE, "69.99", OK),
            (AlertType.COMMIT_PERCENTAGE, "70", alarm()),
            (AlertType.CREDIT_PERCENTAGE, "99", OK),
            (AlertType.COMBINED_PERCENTAGE, "79.9", OK),
            (AlertType.COMBINED_PERCENTAGE, "80", alarm()),
        ],
    )
    def test_it_alarms_when_reached_from_above(self, kind, threshold, expected):
        situation = holding(COMMIT, CREDIT, pending=[drawn("30")])
        assert evaluate(alert(kind, threshold), situation) == expected

    def test_a_percentage_that_does_not_end(self):
        situation = holding(replace(COMMIT, segments=(segment(1001, "3"),)), pending=[drawn("2")])
        assert evaluate(alert(AlertType.COMMIT_PERCENTAGE, "33.333333333"), situation) == OK
        assert evaluate(alert(AlertType.COMMIT_PERCENTAGE, "33.333333334"), situation) == alarm()

    def test_who_never_had_any_is_ok(self):
        to_come = grant(1, segments=[segment(1, "100", utc(2026, 12, 1), YEAR[1])])
        for situation in (Situation(NOW), holding(to_come), holding(COMMIT)):
            assert evaluate(alert(AlertType.CREDIT_BALANCE, "0"), situation) == OK

    @pytest.mark.parametrize("kind", [AlertType.CREDIT_BALANCE, AlertType.CREDIT_PERCENTAGE])
    def test_who_had_some_that_ended_is_not(self, kind: AlertType):
        ended = grant(1, segments=[segment(1, "100", YEAR[0], utc(2026, 11, 1))])
        assert evaluate(alert(kind, "0"), holding(ended)) == alarm()

    def test_an_overdrawn_segment_takes_nothing_from_the_others(self):
        situation = holding(CREDIT, grant(1, "10"), pending=[drawn("40")])
        assert evaluate(alert(AlertType.CREDIT_BALANCE, "49.9"), situation) == OK

    def test_units_and_access(self):
        tokens = replace(CREDIT, credit_type=TOKENS)
        units = grant(1, "7", access_type=AccessType.QUANTITY)
        situation = holding(tokens, units)
        assert evaluate(alert(AlertType.CREDIT_BALANCE, "99"), situation) == OK
        in_tokens = alert(AlertType.CREDIT_BALANCE, "50", credit_type=TOKENS)
        assert evaluate(in_tokens, situation) == alarm()
        in_units = alert(AlertType.CREDIT_BALANCE, "7", access_type=AccessType.QUANTITY)
        assert evaluate(in_units, situation) == alarm()
        fewer = alert(AlertType.CREDIT_BALANCE, "6", access_type=AccessType.QUANTITY)
        assert evaluate(fewer, situation) == OK

    def test_seats_have_alerts_of_their_own(self):
        ann = grant(1, "10", seat_group_key="user", seat_id="ann")
        bob = grant(3, "10", seat_group_key="user", seat_id="bob")
        situation = holding(ann, bob, CREDIT, pending=[drawn("4")])
        assert evaluate(alert(AlertType.CREDIT_BALANCE, "49"), situation) == OK
        seats = alert(AlertType.SEAT_BALANCE, "6", seat=SeatFilter("user"))
        assert evaluate(seats, situation) == alarm("seat ann")
        bobs = narrowed(seats, Narrowing(seat=SeatFilter("user", "bob")))
        assert evaluate(bobs, situation) == OK
        others = alert(AlertType.SEAT_BALANCE, "99", seat=SeatFilter("device"))
        assert evaluate(others, situation) == OK
        with pytest.raises(Invalid, match="seat_group_key"):
            narrowed(seats, Narrowing(seat=SeatFilter("device", "x")))
        with pytest.raises(Invalid, match="seat_group_value"):
            narrowed(bobs, Narrowing(seat=SeatFilter("user", "ann")))

    @pytest.mark.parametrize(
        ("kind", "threshold", "expected"),
        [
            (AlertType.COMMIT_DAYS, "50", OK),
            (AlertType.COMMIT_DAYS, "52", alarm(f"segment {uid(1001)}")),
            (AlertType.CREDIT_DAYS, "52", OK),
        ],
    )
    def test_days(self, kind: AlertType, threshold: str, expected: Evaluation):
        """From the 10th of November to the new year: 52 days."""
        longer = grant(2, segments=[segment(1002, "1", YEAR[0], utc(2027, 1, 2))])
        assert evaluate(alert(kind, threshold), holding(COMMIT, longer)) == expected


class TestCustomFields:
    """Balances picked by custom fields."""

    SITUATION = holding(
        COMMIT,
        CREDIT,
        grant(3, "5"),
        grant(4, "7", contract_id=None),
        grant_fields={
            uid(1): {"promo": "may", "family": "ai"},
            uid(2): {"promo": "may"},
            uid(3): {"promo": "june"},
        },
        contract_fields={CONTRACT.id: {"tier": "gold"}},
    )

    def left(self, **fields: Any) -> list[int]:
        """The balances watched, as the least thresholds that alarm."""
        kind = AlertType.COMBINED_BALANCE
        return [
            amount
            for amount in range(200)
            if evaluate(alert(kind, str(amount), **fields), self.SITUATION).status
            is CustomerStatus.IN_ALARM
        ][:1]

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ((), [162]),
            ((CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "promo", "may"),), [150]),
            ((CustomFieldFilter(FilteredEntity.COMMIT, "promo", "may"),), [100]),
            ((CustomFieldFilter(FilteredEntity.CREDIT, "promo", "may"),), [50]),
            ((CustomFieldFilter(FilteredEntity.CONTRACT, "tier", "gold"),), [155]),
            ((CustomFieldFilter(FilteredEntity.CONTRACT, "tier", "iron"),), []),
            (
                (
                    CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "promo", "may"),
                    CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "family", "ai"),
                ),
                [100],
            ),
        ],
    )
    def test_filters_and_specifiers_mean_the_same(self, filters: tuple, expected: list[int]):
        assert self.left(custom_field_filters=filters) == expected
        assert self.left(specifiers=(BalanceSpecifier(filters),)) == expected

    def test_specifiers_are_ored(self):
        either = tuple(
            BalanceSpecifier((CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, key, value),))
            for key, value in (("promo", "june"), ("family", "ai"))
        )
        assert self.left(specifiers=either) == [105]

    def test_exclusions(self):
        may = CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "promo", "may")
        ai = CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "family", "ai")
        assert self.left(specifiers=(BalanceSpecifier(exclude=((may,),)),)) == [12]
        assert self.left(specifiers=(BalanceSpecifier(exclude=((may, ai),)),)) == [62]
        assert self.left(specifiers=(BalanceSpecifier((may,), ((ai,),)),)) == [50]

    def test_each_value_by_itself(self):
        keyless = BalanceSpecifier((CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "promo"),))
        watch = alert(AlertType.COMBINED_BALANCE, "5", specifiers=(keyless,))
        assert evaluate(watch, self.SITUATION) == alarm("promo=june")
        assert evaluate(replace(watch, threshold=Decimal(4)), self.SITUATION) == OK

        def of(promo: str) -> Alert:
            one = CustomFieldFilter(FilteredEntity.CREDIT_OR_COMMIT, "promo", promo)
            return narrowed(watch, Narrowing(specifiers=(BalanceSpecifier((one,)),)))

        assert evaluate(of("june"), self.SITUATION) == alarm()
        assert evaluate(of("may"), self.SITUATION) == OK
        assert evaluate(of("none"), self.SITUATION) == OK
        with pytest.raises(Invalid, match="alert_specifiers"):
            narrowed(of("june"), Narrowing(specifiers=of("may").specifiers))
        with pytest.raises(Invalid, match="alert_specifiers"):
            narrowed(alert(AlertType.SPEND, "1"), Narrowing(specifiers=of("may").specifiers))
