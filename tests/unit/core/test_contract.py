from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.core.builders import contract, metric, utc

from meterline.core.contract import UsageFilter, contract_issues, filter_at, usage_filter_issues
from meterline.core.period import Period


def admits(value: str, month: int) -> UsageFilter:
    return UsageFilter("workspace", frozenset({value}), utc(2026, month, 1))


def test_the_last_filter_to_start_is_in_force() -> None:
    first, second = admits("a", 2), admits("b", 3)
    assert filter_at([second, first], utc(2026, 1, 31)) is None
    assert filter_at([second, first], utc(2026, 2, 1)) == first
    assert filter_at([second, first], utc(2026, 3, 1)) == second


def test_of_two_filters_with_one_start_the_later_given_wins() -> None:
    first, second = admits("a", 2), admits("b", 2)
    assert filter_at([first, second], utc(2026, 2, 1)) == second


def test_billing_periods_follow_the_schedule_and_the_life() -> None:
    ending = replace(contract(starting_at=utc(2026, 1, 10, 6)), ending_before=utc(2026, 2, 5))
    assert list(ending.periods()) == [
        Period(utc(2026, 1, 10, 6), utc(2026, 2, 1)),
        Period(utc(2026, 2, 1), utc(2026, 2, 5)),
    ]
    assert ending.period_at(utc(2026, 2, 4, 23)) == Period(utc(2026, 2, 1), utc(2026, 2, 5))
    assert ending.period_at(utc(2026, 2, 5)) is None


def test_a_sound_contract_has_no_issues() -> None:
    assert contract_issues(contract(admits("a", 1))) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"starting_at": utc(2026, 1, 1) + timedelta(minutes=1)}, "starting_at"),
        ({"ending_before": utc(2027, 1, 1) + timedelta(minutes=1)}, "ending_before"),
        ({"ending_before": utc(2019, 1, 1)}, "ending_before"),
        (
            {"usage_filters": (UsageFilter("", frozenset("a"), utc(2026, 1, 1)),)},
            "usage_filter.group_key",
        ),
        (
            {"usage_filters": (UsageFilter("a", frozenset(), utc(2026, 1, 1)),)},
            "usage_filter.group_values",
        ),
    ],
)
def test_each_fault_names_its_field(changes: dict[str, object], field: str) -> None:
    wrong = replace(contract(), **changes)
    assert [issue.field for issue in contract_issues(wrong)] == [field]


def test_a_filter_needs_a_metric_that_groups_by_its_key() -> None:
    wanted = admits("a", 1)
    grouped, compound = (
        metric(1, group_keys=[["workspace"]]),
        metric(2, group_keys=[["x", "workspace"]]),
    )
    plain, other = metric(3), metric(4, group_keys=[["Workspace"]])
    assert usage_filter_issues(wanted, [plain, grouped]) == []
    assert usage_filter_issues(wanted, [other, compound]) == []
    assert usage_filter_issues(wanted, []) == []
    for counted in ([plain], [other], [plain, other]):
        (issue,) = usage_filter_issues(wanted, counted)
        assert issue.field == "usage_filter.group_key"
        assert "'workspace'" in issue.message
