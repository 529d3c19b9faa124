"""Faults of input, named by field.

Rules return issues as values (`list[Issue]`), so that a form can show them all; `require` turns the
first into an exception for callers that stop there. A programming fault is an `assert`, never an
`Invalid`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Issue(NamedTuple):
    """What is wrong with one field. `field` is the path a caller sent it by: `tiers[1].size`."""

    field: str
    message: str


class Invalid(ValueError):
    """A value of the caller's breaks a rule of the domain."""

    code = "invalid"
    retryable = False

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


def require(issues: Iterable[Issue]) -> None:
    """Raise Invalid for the first of `issues`; return if there is none."""
    for issue in issues:
        raise Invalid(issue.field, issue.message)
