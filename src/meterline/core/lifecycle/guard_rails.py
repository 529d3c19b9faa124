"""What a change of terms may not do to what has been billed already."""

from __future__ import annotations

from meterline.core.errors import Issue
from meterline.core.lifecycle.account import Account


def edit_issues(
    before: Account, after: Account, *, may_end_before_finalized: bool = False
) -> list[Issue]:
    """Return what the change from `before` to `after`, which differ in terms alone, does to stored invoices.

    A schedule item on a FINALIZED invoice cannot be altered or removed, one on a VOID invoice cannot be removed;
    a segment that a FINALIZED invoice drew on cannot be removed; a contract cannot end before the end of a FINALIZED
    usage invoice of its, unless `may_end_before_finalized`; a grant whose purchase is on a FINALIZED invoice cannot be
    archived. Fields are as in POST /v2/contracts/edit.
    """
    raise NotImplementedError
