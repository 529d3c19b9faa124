"""Histories through the unmodified SDK on a sandbox's clock: what the core decides is what is stored and shown."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.model import terms as t
from tests.property.books.api_books import ApiBooks
from tests.property.books.comparison import Facts
from tests.property.books.machine import Histories
from tests.scenarios.conftest import NewVendor

few = settings(
    max_examples=10,
    stateful_step_count=7,
    deadline=None,
    derandomize=True,
    database=None,
    # A failed history is not made shorter: that would take hundreds of sandboxes. Its actions are in the message.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_histories_by_api(new_vendor: NewVendor) -> None:
    class HistoriesByApi(Histories):
        ids_are_random = True
        api: ApiBooks

        def open(self, world: t.World) -> None:
            self.api = ApiBooks(new_vendor(t.START), world)

        def perform(self, action: t.Action) -> None:
            self.api.do(action)

        def facts(self) -> Facts:
            return self.api.facts()

    run_state_machine_as_test(HistoriesByApi, settings=few)
