"""What is wrong with a grant or a recurring one. Fields are as in a commit or credit of POST /v1/contracts/create."""

from __future__ import annotations

from meterline.core.contract import Contract
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.errors import Issue
from meterline.core.ledger.grant import Grant


def grant_issues(grant: Grant, contract: Contract | None) -> list[Issue]:
    """Return what is wrong with a grant; `contract`: whose it is, None for a customer's own."""
    raise NotImplementedError


def recurring_issues(recurring: RecurringGrant, contract: Contract) -> list[Issue]:
    """Return what is wrong with a recurring commit or credit of `contract`."""
    raise NotImplementedError
