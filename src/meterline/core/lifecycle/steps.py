"""Steps: what falls due in a customer's books, and in which order.

A step is performed as of its own due time, so it does not matter when it is got round to. Terms decide what is due, the
stored facts what has been done. Before terms are changed everything due by then must have been done (settled), or the
change would act on what was due before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from meterline.core.lifecycle.account import Account, Change
from meterline.core.lifecycle.statement import Statement
from meterline.core.usage import UsageBook


class StepKind(IntEnum):
    """What falls due; at one instant in this order."""

    MAKE_GRANT = 1
    START_SEGMENT = 2
    CORRECT_SEGMENT = 3
    ISSUE_SCHEDULED = 4
    FINALIZE_USAGE = 5
    TRUE_UP = 6
    ROLL_OVER = 7
    EXPIRE = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that falls due at `at`. `subject`: the id of what it is about, by which it is told from others.

    `statement`: whose usage `perform` needs; None: none.
    """

    at: datetime
    kind: StepKind
    subject: UUID
    statement: Statement | None = None


def next_step(account: Account, until: datetime) -> Step | None:
    """Return the first step that is not done and due at or before `until`."""
    raise NotImplementedError


def next_due(account: Account, after: datetime) -> datetime | None:
    """Return when the next step falls due, once everything due at `after` is done; None: never, as terms stand."""
    raise NotImplementedError


def perform(account: Account, step: Step, usage: UsageBook | None = None) -> Change:
    """Return what `step`, the account's next one, adds. Never empty; done once it is `applied`.

    `usage`: of `step.statement`, cut by its plan's cuts.
    """
    raise NotImplementedError
