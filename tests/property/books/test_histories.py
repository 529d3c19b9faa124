"""Histories in CI: a fixed number, always the same ones. More of them: `python -m tests.property.books`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from tests.property.books.machine import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
