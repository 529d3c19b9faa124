"""Histories in CI: a fixed number, always the same ones. More of them: `python -m tests.property.books`."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from tests.property.books.machine import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    # Histories are made shorter by `shortening`, which knows what they are.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
